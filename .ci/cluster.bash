# What the checks of the `peer` example share: a cluster of processes, each told only of the one before
# it, and waiting until all of them say the same. To be sourced.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -A pid            # of each running peer, by port
logs=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT TERM

clean_up() {
    local port
    for port in "${!pid[@]}"; do
        stop "$port"
    done
    rm -rf "$logs"
}

# build [BINARY]: takes a peer that is built already, or builds one.
build() {
    peer=${1:-}
    if [[ -z $peer ]]; then
        cargo build --release --quiet --package repred-examples --example peer
        peer=${CARGO_TARGET_DIR:-target}/release/examples/peer
    fi
    [[ -x $peer ]] || fail "there is no program $peer"
}

# choose_ports COUNT: sets `ports` to neighbouring ones on which nobody answers.
choose_ports() {
    local count=$1 try port
    for try in {1..50}; do
        # Below the range from which systems take the ports of outgoing connections.
        port=$((10000 + RANDOM % 20000))
        mapfile -t ports < <(seq $port $((port + count - 1)))
        if all_free; then
            return
        fi
    done
    fail "found no free ports in $try tries"
}

all_free() {
    local port
    for port in "${ports[@]}"; do
        if (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return 1
        fi
    done
}

# start PORT [FIRST]
start() {
    # What it said before it was killed no longer counts.
    "$peer" "$@" > "$logs/$1" 2> "$logs/$1.errors" &
    pid[$1]=$!
}

# start_all: each is told of the one before it.
start_all() {
    local port before=()
    for port in "${ports[@]}"; do
        start "$port" "${before[@]}"
        before=("$port")
    done
}

# stop PORT: without a word of farewell.
stop() {
    # The shell would tell of it.
    {
        kill -KILL "${pid[$1]}" || true
        wait "${pid[$1]}" || true
    } 2>/dev/null
    unset "pid[$1]"
}

# await SECONDS WHAT PORT..: waits until all running peers say that just these are up. Sets `took`, the
# seconds that took.
await() {
    local limit=$1 what=$2 begin now port expected=UP
    shift 2
    for port in "$@"; do
        expected+=" 127.0.0.1:$port"
    done
    begin=${EPOCHREALTIME/./}
    while ! all_say "$expected"; do
        now=${EPOCHREALTIME/./}
        if ((now - begin > limit * 1000000)); then
            fail "$what: not all of them say \"$expected\" within $limit s"
        fi
        sleep 0.05
    done
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    took=$(printf '%d.%03d' $((took / 1000)) $((took % 1000)))
}

all_say() {
    local port
    for port in "${!pid[@]}"; do
        [[ $(grep '^UP' "$logs/$port" | tail -n 1) == "$1" ]] || return 1
    done
}

# all_said LINE PORT..: fails unless each of these has printed this line.
all_said() {
    local line=$1 port
    shift
    for port in "$@"; do
        grep -qxF "$line" "$logs/$port" || fail "the peer at $port has not said \"$line\""
    done
}

fail() {
    echo "$(basename "$0"): $1" >&2
    tail -n 20 -v "$logs"/* >&2 2>/dev/null || true
    exit 1
}
