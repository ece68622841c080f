//! A node for Maelstrom (<https://github.com/jepsen-io/maelstrom>), the test bed for distributed systems:
//! JSON lines on standard input and output.
//!
//! ```text
//! maelstrom test -w broadcast --bin target/release/examples/maelstrom --node-count 25 --rate 100 \
//!     --latency 100 --time-limit 20 -- --workload broadcast
//! ```
//!
//! The nodes replicate through sans-I/O sessions. Maelstrom's messages may be lost, delayed, reordered or
//! said twice, which sessions do not take: `link.rs` copes with that. With `--data DIR` a node finds again
//! what it knew when it was killed: nothing is said before it is in its journal there.

mod disk;
mod link;
mod node;
mod store;
mod workload;

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use self::{
    disk::Disk,
    link::Pace,
    node::{Links, Node, now},
    workload::{NAMES, Workload},
};

/// The settings of a node.
struct Arguments {
    workload: Workload,
    links: Links,
    flush: Duration,
    data: Option<PathBuf>,
}

fn main() -> ExitCode {
    match arguments(std::env::args().skip(1)) {
        Ok(arguments) => match run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("maelstrom: {error}");
                ExitCode::FAILURE
            }
        },
        Err(mistake) => {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            eprintln!(
                "maelstrom: {mistake}\n\nusage: maelstrom --workload {} [--links star|given] [--flush-ms N] [--data DIR]",
                names.join("|")
            );
            ExitCode::from(2)
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut workload, mut links, mut flush) = (None, Links::Star, Duration::from_millis(10));
    let mut data = None;
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("`{word}` wants a value"))?;
        let wrong = || format!("`{value}` is nothing for `{word}`");
        match word.as_str() {
            "--workload" => workload = Some(Workload::named(&value).ok_or_else(wrong)?),
            "--links" if value == "star" => links = Links::Star,
            "--links" if value == "given" => links = Links::Given,
            "--links" => return Err(wrong()),
            "--flush-ms" => flush = Duration::from_millis(value.parse().map_err(|_| wrong())?),
            "--data" => data = Some(PathBuf::from(value)),
            _ => return Err(format!("`{word}` is no option")),
        }
    }
    let workload = workload.ok_or("which workload? say `--workload NAME`")?;
    Ok(Arguments { workload, links, flush, data })
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let pace = Pace {
        flush: arguments.flush,
        ack: arguments.flush * 5,
        again: Duration::from_millis(600),
    };
    // Every start is a new replica, until the disk says which one it was.
    let id = repred::Replica::new(repred::Counter::default()).id().map_err(io::Error::other)?;
    let mut node = Node::new(arguments.workload, arguments.links, pace, id, node::now().monotonic);
    let (lines, incoming) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let (mut disk, mut out) = (None, Vec::new());
    loop {
        let first = match incoming.recv_timeout(node.rest(now())) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // All that is there already, before anything is said.
        for line in first.into_iter().chain(incoming.try_iter()) {
            let Some(message) = parse(&line) else { continue };
            if let (None, Some(data), Some(name)) = (&disk, &arguments.data, initial_name(&message))
            {
                disk = Some(Disk::open(data, name, node.core(), now())?);
            }
            node.handle(&message, now(), &mut out);
        }
        node.poll(now(), &mut out);
        if let Some(disk) = &mut disk {
            disk.save(node.core())?;
        }
        let mut stdout = io::stdout().lock();
        for message in out.drain(..) {
            writeln!(stdout, "{message}")?;
        }
        stdout.flush()?;
    }
}

fn parse(line: &str) -> Option<Value> {
    let message = serde_json::from_str(line);
    message.inspect_err(|error| eprintln!("maelstrom: a line is no message: {error}")).ok()
}

/// The name that a node is given with an `init`.
fn initial_name(message: &Value) -> Option<&str> {
    let body = &message["body"];
    if body["type"] == "init" { body["node_id"].as_str() } else { None }
}
