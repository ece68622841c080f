//! The simulator, on reducers of all kinds, and tested by what it finds.
//!
//! `cargo test --profile checked -p repred-tests --test simulation simulator -- --ignored` runs 20,000 runs of 300
//! faults for each reducer; `REPRED_SEEDS=a..b` chooses others.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use repred::{
    Counter, GrowSet, Max, Reduce, Register, Replicated, reducer,
    testing::{Chance, Guarantee, Simulation},
};
use repred_tests::{Edit, Model, ObservedSet, Op};
use serde::{Deserialize, Serialize};

/// The README's.
#[derive(Reduce, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    tags: GrowSet<String>,
    ages: BTreeMap<String, Register<u8>>,
    best: Max<u8>,
}

fn model_op(model: &Model, chance: &mut Chance) -> Op {
    model.op(|n| chance.below(n as u64) as usize)
}

fn observed_edit(set: &ObservedSet, chance: &mut Chance) -> Edit {
    let element = chance.below(3) as u32;
    match set.elements().values().any(|there| *there == element) {
        true if chance.percent(60) => set.removal(element),
        _ => Edit::Add(element),
    }
}

fn observed_set() -> Simulation<ObservedSet> {
    Simulation::of(ObservedSet::default).update_with(observed_edit)
}

fn model() -> Simulation<Model> {
    Simulation::of(Model::default).update_with(model_op)
}

/// The default runs for each reducer.
mod each_survives {
    use super::*;

    #[test]
    fn counter() {
        Simulation::of(Counter::default).check();
    }

    #[test]
    fn register() {
        Simulation::of(Register::<u8>::default).check();
    }

    #[test]
    fn grow_set() {
        Simulation::of(GrowSet::<u8>::default).check();
    }

    #[test]
    fn map() {
        Simulation::of(BTreeMap::<u8, Register<u8>>::default).check();
    }

    #[test]
    fn board() {
        Simulation::of(Board::default).check();
    }

    #[test]
    fn observed_set() {
        super::observed_set().check();
    }

    #[test]
    fn model() {
        super::model().check();
    }

    #[test]
    fn model_that_keeps_everything() {
        super::model().keep_everything().check();
    }
}

/// 20,000 runs of at least 300 faults each.
#[track_caller]
fn soak<R: Replicated>(simulation: Simulation<R>) {
    let report =
        simulation.runs(20_000).steps(2600).run().unwrap_or_else(|failure| panic!("\n{failure}"));
    println!("{report}");
    assert!(report.faults.total() >= 300 * report.runs, "{} faults", report.faults.total());
}

/// Run by CI, in the profile `checked`.
mod soak {
    use super::*;

    #[test]
    #[ignore = "some minutes"]
    fn counter() {
        super::soak(Simulation::of(Counter::default));
    }

    #[test]
    #[ignore = "some minutes"]
    fn map() {
        super::soak(Simulation::of(BTreeMap::<u8, Register<u8>>::default));
    }

    #[test]
    #[ignore = "some minutes"]
    fn board() {
        super::soak(Simulation::of(Board::default));
    }

    #[test]
    #[ignore = "some minutes"]
    fn observed_set() {
        super::soak(super::observed_set());
    }

    #[test]
    #[ignore = "some minutes"]
    fn model() {
        super::soak(super::model());
    }
}

#[test]
fn the_same_seeds_are_the_same_runs() {
    let run = |seeds| model().seeds(seeds).run().unwrap();
    if env::var_os("REPRED_SEEDS").is_none() {
        assert_eq!(run(0..30), run(0..30));
        assert_ne!(run(0..30).fingerprint, run(30..60).fingerprint);
    }
}

#[test]
fn every_kind_of_fault_strikes() {
    let faults = model().runs(100).run().unwrap().faults;
    let cuts = [faults.cuts, faults.lost, faults.delays, faults.partitions];
    let crashes = [faults.crashes, faults.torn, faults.displaced];
    let others = [faults.skews, faults.trims, faults.lies, faults.strangers];
    assert!(cuts.iter().chain(&crashes).chain(&others).all(|count| *count > 20), "{faults}");
}

#[test]
fn a_reducer_that_does_not_commute_is_found_and_its_run_is_shortened() {
    let last_to_arrive_wins = || {
        reducer(0, |state: &mut u8, new: u8| {
            let has_changed = *state != new;
            *state = new;
            has_changed
        })
    };
    let failure = Simulation::of(last_to_arrive_wins).run().unwrap_err();
    let expected = [Guarantee::Fold, Guarantee::Converges];
    assert!(expected.contains(&failure.guarantee()), "{failure}");
    let report = failure.to_string();
    let writings = report.lines().filter(|line| line.contains(" writes ")).count();
    assert!(writings <= 4, "{report}");
    assert!(report.contains("●") && report.contains("REPRED_SEEDS="), "{report}");
    let told =
        ["@10000000", "  →  ", "the state: ", "what happened:", " receives ", "run `Laws` first"];
    told.iter().for_each(|told| assert!(report.contains(told), "{told} is not in {report}"));
}

#[test]
fn an_update_that_is_not_truthful_is_named_when_a_state_is_not_the_fold() {
    let silent = || {
        reducer(0, |sum: &mut u64, n: u8| {
            *sum += u64::from(n);
            n > 200
        })
    };
    // Two whose states differ may also find it themselves, in a run in which they compare them.
    let mut failures =
        (0..20).filter_map(|seed| Simulation::of(silent).seeds(seed..seed + 1).run().err());
    let failure = failures.find(|failure| failure.guarantee() == Guarantee::Fold);
    let failure = failure.expect("a run in which the fold is looked at first");
    let report = failure.to_string();
    let told =
        ["reports no changes, so peers may never get it", "no changes, so not kept", "●untruthful"];
    told.iter().for_each(|told| assert!(report.contains(told), "{told} is not in {report}"));
    assert!(failure.svg().contains(">untruthful</text>"), "{}", failure.svg());
}

#[test]
fn a_long_trace_says_how_much_of_it_is_shown() {
    let never_full = |set: &mut BTreeSet<u64>, new: u64| {
        assert!(set.len() < 60, "full");
        set.insert(new)
    };
    let any = |_: &_, chance: &mut Chance| chance.below(200);
    let failure = Simulation::of(move || reducer(BTreeSet::new(), never_full)).update_with(any);
    let report = failure.run().unwrap_err().to_string();
    assert!(report.contains("\nthe last 40 of "), "{report}");
    let lines = report.split("things that happened:\n\n").nth(1).unwrap();
    assert_eq!(lines.lines().take_while(|line| !line.is_empty()).count(), 40, "{report}");
}

#[test]
fn every_replica_has_a_lane_in_the_picture() {
    let last_to_arrive_wins =
        || reducer(0, |state: &mut u8, new: u8| std::mem::replace(state, new) != new);
    let failure = Simulation::of(last_to_arrive_wins).replicas(4..5).run().unwrap_err();
    let svg = failure.svg();
    for told in [">#0</text>", ">#3</text>", "marker-end", ">end</text>", ", after ", "<tspan"] {
        assert!(svg.contains(told), "{told} is not in {svg}");
    }
}

#[test]
fn a_reducer_that_panics_is_found() {
    let broken = || {
        reducer(BTreeSet::new(), |set: &mut BTreeSet<u8>, new: u8| {
            assert!(set.len() < 3, "full");
            set.insert(new)
        })
    };
    let failure = Simulation::of(broken).run().unwrap_err();
    assert_eq!(failure.guarantee(), Guarantee::Total);
    assert!(failure.to_string().contains("full"), "{failure}");
}

#[test]
fn a_failed_run_is_drawn_when_asked() {
    let path = env::temp_dir().join(format!("repred-{}.svg", std::process::id()));
    let broken = || {
        reducer(Vec::new(), |list: &mut Vec<u8>, new: u8| {
            list.push(new);
            true
        })
    };
    let failure = Simulation::of(broken).draw(&path).run().unwrap_err();
    let picture = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(picture, failure.svg());
    assert!(picture.starts_with("<svg") && picture.contains("<circle"), "{picture}");
}
