//! The ready-made types, beside the like types of other libraries: speed, bytes on the wire, memory.
//!
//! ```text
//! cargo bench -p repred-bench --bench types                      repred alone
//! cargo bench -p repred-bench --bench types --features others    beside crdts, automerge, loro and yrs
//! cargo bench -p repred-bench --bench types -- --quick           small sizes, to see that it works
//! ```
//!
//! Everybody does the same operations, by one author, to one state, which an empty copy then has too. The
//! columns:
//!
//! * *local*: operations written, nobody listening. A step is an edit (`Core::edit`), a transaction that is
//!   committed (automerge, loro, yrs), or just the operation (`Core::update`, crdts, which makes it and
//!   applies it). Where a row says *100 at once*, a step is a hundred operations;
//! * *followed*: operations that a connected copy takes in, a message for each step, without the making of the
//!   messages. A session's confirmations are made apart;
//! * *caught up*: operations that an empty copy takes in at once. repred sends the updates that are not
//!   superseded, in messages of some 32 KiB; crdts its state, which is merged; automerge a saved document, which is
//!   compressed; loro an export of all updates; yrs its state as an update. The steps were those of the row. What
//!   is superseded is counted too, though repred, crdts and yrs do not send it;
//! * *× first*: the three of them compared with the first row, in this run;
//! * *B/op*: bytes of the messages per operation, with their lengths: while following, those to the copy that
//!   follows; when catching up, those of both sides, less what two empty copies say to each other;
//! * *state*, *all*: bytes that are alive per element (where there is only one value, all of them), without the
//!   history and with it. crdts keeps no history and cannot bring anybody up to date by operations; the documents
//!   of the others are their history. repred's history can be trimmed: then *state* is what remains.
//!
//! What is not compared: automerge, loro and yrs do far more than these types, such as text; loro and
//! automerge can go back to any earlier state. crdts checks nothing of what comes from outside; whoever uses it sees
//! to delivery and order, and writes a clock for `LWWReg`.

mod workload;
mod memory;
mod peer;
mod ours;
#[cfg(feature = "others")]
mod with_crdts;
#[cfg(feature = "others")]
mod with_automerge;
#[cfg(feature = "others")]
mod with_loro;
#[cfg(feature = "others")]
mod with_yrs;

use std::time::{Duration, Instant};

use repred_bench::{Scale, rate};

use self::{
    memory::bytes_of,
    peer::{Contender, Peer, catch_up, follow},
    workload::{Kind, Op},
};

/// After this long a contender sits out the rounds that remain: there are some that take a thousand times
/// as long as others, so that chance matters less for them.
const ENOUGH: Duration = Duration::from_secs(5);

fn main() {
    let scale = Scale::from_args();
    for kind in Kind::ALL {
        compare(kind, scale);
    }
}

/// Prints the table of one type.
fn compare(kind: Kind, scale: Scale) {
    let ops = kind.ops(scale.pick(10_000, 1_000));
    let mut rows: Vec<_> = contenders(kind).into_iter().map(Row::new).collect();
    let rounds = scale.pick(15, 1);
    for _ in 0..rounds {
        rows.iter_mut().filter(|row| row.took < ENOUGH).for_each(|row| row.round(&ops));
    }
    println!("\n{} ({} of them, medians of up to {rounds})", kind.title(), ops.len());
    println!(
        "  {:<38} {:>8} {:>8} {:>9}   {:>20}   {:>8} {:>9}   {:>9} {:>9}",
        "M/s; B", "local", "followed", "caught up", "× first", "B/op", "B/op, all", "state", "all"
    );
    let first = rows.first().map(Row::rates).unwrap_or_default();
    rows.iter().for_each(|row| row.print(kind, &ops, first));
}

fn contenders(kind: Kind) -> Vec<Contender> {
    let mut all = ours::contenders(kind);
    #[cfg(feature = "others")]
    for others in [
        with_crdts::contenders,
        with_automerge::contenders,
        with_loro::contenders,
        with_yrs::contenders,
    ] {
        all.extend(others(kind));
    }
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    all.retain(|contender| wanted.iter().all(|part| contender.name.contains(part)));
    all
}

/// A contender, and what its rounds came to.
struct Row {
    contender: Contender,
    /// Operations a second: local, followed, caught up.
    rounds: [Vec<f64>; 3],
    /// Bytes per operation: while following, when catching up.
    wire: [f64; 2],
    took: Duration,
}

impl Row {
    fn new(contender: Contender) -> Self {
        Self { contender, rounds: Default::default(), wire: [0.0; 2], took: Duration::ZERO }
    }

    fn round(&mut self, ops: &[Op]) {
        let Contender { step, open, .. } = &self.contender;
        let mut here = open(1);
        let begun = Instant::now();
        write(&mut *here, ops, *step);
        self.rounds[0].push(rate(ops.len(), begun.elapsed()));

        let mut empty = open(2);
        let caught_up = catch_up(&mut *here, &mut *empty);
        assert_eq!(here.value(), empty.value());
        self.rounds[2].push(rate(ops.len(), caught_up.took));

        let (mut writer, mut follower) = (open(1), open(2));
        let followed = follow(&mut *writer, &mut *follower, ops, *step);
        assert_eq!([writer.value(), follower.value()], [here.value(); 2]);
        self.rounds[1].push(rate(ops.len(), followed.took));

        let nothing = catch_up(&mut *open(1), &mut *open(2)).bytes;
        let bytes = [followed.bytes, caught_up.bytes.saturating_sub(nothing)];
        self.wire = bytes.map(|bytes| bytes as f64 / ops.len() as f64);
        self.took += begun.elapsed();
    }

    fn rates(&self) -> [f64; 3] {
        self.rounds.clone().map(median)
    }

    fn print(&self, kind: Kind, ops: &[Op], first: [f64; 3]) {
        let [local, followed, caught_up] = self.rates();
        let times = [local / first[0], followed / first[1], caught_up / first[2]];
        let times = times.map(|times| format!("{:>6}", ratio(times))).join(" ");
        let [live, all] = self.wire;
        let [state, whole] = self.memory(kind, ops).map(|bytes| bytes.map_or("–".into(), short));
        println!(
            "  {:<38} {:>8.3} {:>8.3} {:>9.3}   {times}   {live:>8.1} {all:>9.2}   {state:>9} {whole:>9}",
            self.contender.name,
            local / 1e6,
            followed / 1e6,
            caught_up / 1e6,
        );
    }

    /// Bytes per element: of the state alone, and of all.
    fn memory(&self, kind: Kind, ops: &[Op]) -> [Option<f64>; 2] {
        let Contender { step, open, .. } = &self.contender;
        let mut value = 0;
        let all = bytes_of(|| {
            let mut here = open(1);
            write(&mut *here, ops, *step);
            value = here.value();
            here
        });
        let mut is_told_apart = false;
        let peer = open(1);
        let state = bytes_of(|| {
            let state = peer.state_alone(ops);
            is_told_apart = state.is_some();
            state
        });
        let each = |bytes: usize| bytes as f64 / kind.elements(value) as f64;
        [is_told_apart.then(|| each(state)), Some(each(all))]
    }
}

fn write(peer: &mut dyn Peer, ops: &[Op], step: usize) {
    ops.chunks(step).for_each(|step| peer.write(step));
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// A ratio in a few characters.
fn ratio(times: f64) -> String {
    let decimals = if times < 0.1 {
        4
    } else if times < 10.0 {
        2
    } else {
        0
    };
    format!("{times:.decimals$}")
}

/// Bytes in a few characters.
fn short(bytes: f64) -> String {
    if bytes < 10_000.0 { format!("{bytes:.0}") } else { format!("{:.0}k", bytes / 1000.0) }
}
