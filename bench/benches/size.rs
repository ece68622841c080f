//! Bytes: on the wire while catching up, and in memory for what is kept.

use repred::{Replicated, Time, VersionVector, reducer, sans_io::Core};
use repred_bench::{Arena, Scale, Update, Workload, catch_up, last_writer};

fn main() {
    let scale = Scale::from_args();
    let workload = Workload::new(scale.pick(1_000_000, 20_000), scale.pick(100_000, 2_000));
    println!("\nBytes beyond the payload, per update that is kept");
    println!(
        "  {:<24} {:>8} {:>8} {:>8} {:>10} {:>10}",
        "", "kept", "payload", "wire", "by itself", "by the OS"
    );
    // The state is next to nothing, so that what the system gives is given to the history.
    row("keep all", &workload, || {
        reducer(0, |sum: &mut u64, update: Update| {
            *sum += update.1;
            true
        })
    });
    row("last writer wins", &workload, last_writer);
    arena(&workload);
    println!(
        "  by itself: what `Core::history_memory` says; by the OS: growth of resident memory, which\n  \
         for last writer wins includes the state"
    );
}

fn arena(workload: &Workload) {
    let mut arena = Arena::default();
    workload.updates().for_each(|update| arena.update(update));
    let (len, payload) = (workload.len() as f64, arena.payload() as f64);
    println!("  {:<24} {len:>8} {:>8.2}", "arena", payload / len);
}

fn row<R: Replicated<Update = Update>>(name: &str, workload: &Workload, state: fn() -> R) {
    let before = resident();
    let mut full = Core::new(0xa.into(), state());
    for (micros, update) in (1_700_000_000_000_000..).step_by(3).zip(workload.updates()) {
        full.update(update, Time::from_micros(micros)).expect("every update can be written");
    }
    let grown = resident().saturating_sub(before);
    let all = full.entries_since(&VersionVector::new()).expect("nothing is trimmed");
    let payload: usize = all.map(|entry| entry.size).sum();
    let wire = catch_up(&mut full, &mut Core::new(0xb.into(), state())).bytes;
    let len = full.history_len() as f64;
    let beyond = |bytes: usize| (bytes as f64 - payload as f64) / len;
    println!(
        "  {name:<24} {len:>8} {:>8.2} {:>8.2} {:>10.2} {:>10.2}",
        payload as f64 / len,
        beyond(wire),
        beyond(full.history_memory()),
        beyond(grown),
    );
}

/// Bytes of memory that the system has given us; 0 where it does not say.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    resident.unwrap_or(0) * 4096
}
