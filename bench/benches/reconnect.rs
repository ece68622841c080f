//! What it costs two replicas to meet again, by how much they share.

use repred::{Counter, ReplicaId, Time, sans_io::Core};
use repred_bench::{Scale, Traffic, feed, micros, reconnect};

type Votes = Core<Counter>;

fn main() {
    let scale = Scale::from_args();
    println!("\nMeeting again: bytes both ways, and microseconds (medians of {})", rounds(scale));
    println!(
        "  {:>9} {:>7}   {:>20} {:>20} {:>20}",
        "shared", "origins", "nothing new", "one new", "one old is lacking"
    );
    for updates in scale.pick(vec![10_000, 100_000, 1_000_000], vec![1_000, 10_000]) {
        row(updates, 1, scale);
    }
    for origins in scale.pick(vec![7, 99, 999, 9_999], vec![7, 99]) {
        row(scale.pick(1_000_000, 10_000), origins, scale);
    }
}

fn rounds(scale: Scale) -> usize {
    scale.pick(51, 3)
}

/// Two replicas that share what some others wrote; one of the two also has what nobody else has.
fn row(updates: usize, others: usize, scale: Scale) {
    let (mut a, mut b) = (votes(1), votes(2));
    // Taken in before all else: only by looking for it can it be found.
    let mut old = votes(3);
    vote(&mut old, 0);
    feed(&mut old, &mut a);
    let mut hub = votes(4);
    for other in 0..others {
        hub.set_id(ReplicaId::from(100 + other as u128));
        (0..updates / others).for_each(|micros| vote(&mut hub, micros as u64));
    }
    feed(&mut hub, &mut a);
    feed(&mut hub, &mut b);

    // Once only: then it is no longer lacking.
    let lacking = reconnect(&mut a, &mut b);
    assert_eq!(a.version(), b.version());
    let nothing = median(scale, || reconnect(&mut a, &mut b));
    let mut micros = updates as u64;
    let one = median(scale, || {
        micros += 1;
        vote(&mut old, micros);
        feed(&mut old, &mut a);
        reconnect(&mut a, &mut b)
    });
    assert_eq!(a.version(), b.version());
    println!(
        "  {updates:>9} {:>7}   {:>20} {:>20} {:>20}",
        a.version().len(),
        show(nothing),
        show(one),
        show(lacking)
    );
}

fn votes(id: u128) -> Votes {
    Core::new(ReplicaId::from(id), Counter::default())
}

fn vote(core: &mut Votes, micros: u64) {
    let wall = Time::from_micros(1_700_000_000_000_000 + micros);
    core.update(1, wall).expect("a vote can be written");
}

fn median(scale: Scale, mut meet: impl FnMut() -> Traffic) -> Traffic {
    let mut all: Vec<_> = (0..rounds(scale)).map(|_| meet()).collect();
    all.sort_by_key(|traffic| traffic.took);
    all[all.len() / 2]
}

fn show(Traffic { bytes, took, .. }: Traffic) -> String {
    format!("{bytes} B {:>9}", micros(took))
}
