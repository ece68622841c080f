//! Programs whose types differ under one schema, or that start with different states: they are refused by name, on both
//! sides, and nobody misreads anything; and what may differ is read right.

use std::{error::Error, net::TcpListener};

use repred::{
    Counter, LwwMap, Map, Reduce, Register, Replica, ReplicaBuilder, Replicated, Schema,
    VersionVector,
    error::{ConnectionError, LoadError, OpenError, SessionError, ShapeDifference},
    journal::Memory,
    pipe,
};
use repred_tests::Driven;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn of<R: Replicated>(state: R, schema: Schema) -> ReplicaBuilder<R> {
    Replica::builder(state).schema(schema)
}

fn one<R: Replicated + Default>() -> ReplicaBuilder<R> {
    of(R::default(), Schema::new("shapes", 1))
}

fn two<R: Replicated + Default>() -> ReplicaBuilder<R> {
    of(R::default(), Schema::new("shapes", 2).grown_from(1))
}

/// Connects two replicas, and returns how that ended, if it did before both had nothing more to say.
fn connect<A: Replicated, B: Replicated>(
    a: &Replica<A>,
    b: &Replica<B>,
) -> [Option<SessionError>; 2] {
    let (left, right) = pipe(1 << 16);
    let (mut left, mut right) = (Driven::new(a.connect(left)), Driven::new(b.connect(right)));
    while left.step() | right.step() {}
    [left, right].map(|end| end.into_result().and_then(ended))
}

fn ended<T>(ended: Result<T, ConnectionError>) -> Option<SessionError> {
    match ended {
        Err(ConnectionError::Session(error)) => Some(error),
        Err(error) => panic!("{error:?}"),
        Ok(_) => None,
    }
}

#[track_caller]
fn meet<A: Replicated, B: Replicated>(a: &Replica<A>, b: &Replica<B>) {
    assert_eq!(connect(a, b), [None, None]);
}

fn difference(error: &SessionError) -> &ShapeDifference {
    match error {
        SessionError::Shape { difference, .. } => difference,
        error => panic!("{error:?}"),
    }
}

fn ty(path: &str, ours: &str, theirs: &str) -> ShapeDifference {
    let [path, ours, theirs] = [path, ours, theirs].map(String::from);
    ShapeDifference::Type { path, ours, theirs }
}

/// Both sides are told the same, and nothing of either has moved.
#[track_caller]
fn assert_refused<A: Replicated, B: Replicated>(
    a: &Replica<A>,
    b: &Replica<B>,
    (path, here, there): (&str, &str, &str),
) {
    let before = (a.version().unwrap(), b.version().unwrap());
    let [Some(first), Some(second)] = connect(a, b) else { panic!("they were connected") };
    assert_eq!(*difference(&first), ty(path, here, there));
    assert_eq!(*difference(&second), ty(path, there, here));
    assert_eq!((a.version().unwrap(), b.version().unwrap()), before);
    for error in [first, second] {
        assert!(error.to_string().contains(path), "{error}");
    }
}

fn written<T>(value: T) -> Replica<Register<T>>
where
    T: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let replica = one::<Register<T>>().build();
    replica.update(value).unwrap();
    replica
}

#[test]
fn a_negative_number_does_not_arrive_as_a_positive_one() {
    assert_refused(&written(-1_i32), &written(1_u32), ("Register", "i32", "u32"));
}

#[test]
fn both_ends_of_a_tcp_connection_are_told_which_types_differ() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = std::thread::spawn(move || {
        let stream = smol::Async::new(std::net::TcpStream::connect(address).unwrap()).unwrap();
        ended(smol::block_on(written(1_u32).connect(stream)))
    });
    let stream = smol::Async::new(listener.accept().unwrap().0).unwrap();
    let ours = ended(smol::block_on(written(-1_i32).connect(stream))).unwrap();
    assert_eq!(*difference(&ours), ty("Register", "i32", "u32"));
    let theirs = other.join().unwrap().unwrap();
    assert_eq!(*difference(&theirs), ty("Register", "u32", "i32"));
}

mod person {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(super) struct Person {
        pub(super) name: String,
    }

    /// The same with a field more.
    pub(super) mod aged {
        use super::*;

        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub(in super::super) struct Person {
            pub(in super::super) name: String,
            #[serde(default)]
            pub(in super::super) age: u8,
        }
    }

    /// The same with another name for its field.
    pub(super) mod renamed {
        use super::*;

        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub(in super::super) struct Person {
            pub(in super::super) title: String,
        }
    }
}

mod phase {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(super) enum Phase {
        #[default]
        Open,
        Done,
    }

    pub(super) mod swapped {
        use super::*;

        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub(in super::super) enum Phase {
            Done,
            #[default]
            Open,
        }
    }

    pub(super) mod grown {
        use super::*;

        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub(in super::super) enum Phase {
            #[default]
            Open,
            Done,
            Blocked,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Metres(u64);

#[test]
fn each_kind_of_difference_is_refused_with_its_place() {
    use person::Person;
    assert_refused(&written(-1_i64), &written(1_u64), ("Register", "i64", "u64"));
    assert_refused(&written(1_u64), &written(Metres(1)), ("Register", "u64", "Metres"));
    assert_refused(&written(1_u8), &written(Some(1_u8)), ("Register", "u8", "Option<u8>"));
    assert_refused(
        &written((1_u8, 2_u8)),
        &written((1_u8, 2_u8, 3_u8)),
        ("Register", "a tuple of 2", "a tuple of 3"),
    );
    assert_refused(
        &written(phase::Phase::Done),
        &written(phase::swapped::Phase::Done),
        ("Register", "Open (variant 0)", "Done (variant 0)"),
    );
    assert_refused(
        &written(phase::Phase::Done),
        &written(phase::grown::Phase::Done),
        ("Register::Blocked", "nothing", "Blocked (variant 2)"),
    );
    assert_refused(
        &written(Person::default()),
        &written(person::aged::Person::default()),
        ("Register.age", "nothing", "u8"),
    );
    // Each side names the field that it has.
    let (name, title) = (
        written(Person { name: "x".into() }),
        written(person::renamed::Person { title: "x".into() }),
    );
    let [Some(first), Some(second)] = connect(&name, &title) else { panic!("connected") };
    assert_eq!(*difference(&first), ty("Register.name", "str", "nothing"));
    assert_eq!(*difference(&second), ty("Register.title", "str", "nothing"));
    assert_refused(
        &one::<Map<u8, Counter>>().build(),
        &one::<Map<u16, Counter>>().build(),
        ("Map[key]", "u8", "u16"),
    );
    assert_refused(
        &one::<LwwMap<u8, i32>>().build(),
        &one::<LwwMap<u8, u32>>().build(),
        ("LwwMap.writes[].1", "i32", "u32"),
    );
}

#[test]
fn a_plain_struct_that_has_grown_is_not_misread_in_updates() {
    let old = one::<Register<person::Person>>().build();
    old.update(person::Person { name: "pam".into() }).unwrap();
    let new = two::<Register<person::aged::Person>>().build();
    // The state could be read, since its structs say what they consist of; the update could not.
    assert_refused(&new, &old, ("Person.age", "u8", "nothing"));

    let disk = Memory::new();
    let old = one::<Register<person::Person>>().open_in(disk.clone()).unwrap();
    old.update(person::Person { name: "pam".into() }).unwrap();
    old.close().unwrap();
    let refused = two::<Register<person::aged::Person>>().open_in(disk).unwrap_err();
    assert!(shown(&refused).contains("Person.age is u8 here, and nothing there"), "{refused:?}");
}

/// An error with what it comes of.
fn shown(error: &dyn Error) -> String {
    let source = error.source().map(shown).unwrap_or_default();
    format!("{error}: {source}")
}

#[test]
fn two_programs_that_start_with_different_states_are_refused() {
    let schema = || Schema::new("title", 1);
    let (untitled, empty) = (
        of(Register::new("untitled".to_owned()), schema()).build(),
        of(Register::<String>::default(), schema()).build(),
    );
    let [Some(first), Some(second)] = connect(&untitled, &empty) else {
        panic!("they were connected")
    };
    for error in [&first, &second] {
        assert_eq!(*difference(error), ShapeDifference::Start);
        assert!(error.to_string().contains("start with different states"), "{error}");
    }
    // Also when they have written meanwhile.
    untitled.update("a".into()).unwrap();
    empty.update("b".into()).unwrap();
    assert!(connect(&untitled, &empty).iter().all(Option::is_some));

    let disk = Memory::new();
    let first = of(Register::new("untitled".to_owned()), schema()).open_in(disk.clone()).unwrap();
    first.update("a".into()).unwrap();
    first.close().unwrap();
    let refused = of(Register::<String>::default(), schema()).open_in(disk.clone()).unwrap_err();
    assert!(shown(&refused).contains("start with different states"), "{refused:?}");
    let again = of(Register::new("untitled".to_owned()), schema()).open_in(disk).unwrap();
    assert_eq!(again.read(|title| title.value().clone()).unwrap(), "a", "it is as it was");
}

#[test]
fn a_hash_set_to_start_with_is_the_same_in_whatever_order() {
    use std::collections::HashSet;
    let tags = || {
        let start: HashSet<u32> = (0..100).collect();
        repred::reducer(start, |tags: &mut HashSet<u32>, tag: u32| tags.insert(tag))
    };
    meet(&Replica::new(tags()), &Replica::new(tags()));
}

#[test]
fn a_journal_of_other_types_is_refused_with_the_first_difference_and_stays_as_it_is() {
    let disk = Memory::new();
    let journal = one::<Register<i32>>().open_in(disk.clone()).unwrap();
    journal.update(-1).unwrap();
    journal.close().unwrap();
    let refused = one::<Register<u32>>().open_in(disk.clone()).unwrap_err();
    let _: &OpenError = &refused;
    let text = shown(&refused);
    assert!(text.contains("Register is u32 here, and i32 there"), "{text}");
    let again = one::<Register<i32>>().open_in(disk).unwrap();
    assert_eq!(again.read(|number| *number.value()).unwrap(), -1);
}

#[test]
fn a_backup_of_other_types_is_refused_with_the_first_difference() {
    let mut file = Vec::new();
    written(-1_i32).save(&mut file).unwrap();
    let other = one::<Register<u32>>().build();
    let refused = other.load(&mut &*file);
    let Err(LoadError::Content(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(*difference(&error), ty("Register", "u32", "i32"));
    assert_eq!(other.version(), Ok(VersionVector::new()));
}

/// As it was.
#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Person {
    first: Register<String>,
    last: Register<String>,
}

mod moved {
    use super::*;

    /// The same with its fields in another order.
    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Person {
        pub(super) last: Register<String>,
        pub(super) first: Register<String>,
    }
}

fn ada(ada: Replica<Person>) -> Replica<Person> {
    ada.edit(|person| {
        person.first().set("Ada");
        person.last().set("Lovelace");
    })
    .unwrap();
    ada
}

#[track_caller]
fn assert_ada(person: &Replica<moved::Person>) {
    let name = person.read(|person| format!("{} {}", person.first, person.last));
    assert_eq!(name.unwrap(), "Ada Lovelace");
}

#[test]
fn fields_that_have_changed_places_are_read_right_out_of_a_compacted_journal() {
    for trims in [false, true] {
        let disk = Memory::new();
        let person = ada(one().open_in(disk.clone()).unwrap());
        if trims {
            person.trim(&person.version().unwrap()).unwrap();
        }
        person.compact().unwrap();
        person.close().unwrap();
        let person = two::<moved::Person>().open_in(disk.clone()).unwrap();
        assert_ada(&person);
        person.compact().unwrap();
        person.close().unwrap();
        assert_ada(&two::<moved::Person>().open_in(disk).unwrap());
    }
}

#[test]
fn fields_that_have_changed_places_are_read_right_out_of_a_snapshot() {
    // Also under one version: everything can be read both ways.
    for builder in [two::<moved::Person>, one::<moved::Person>] {
        let person = ada(one().build());
        person.trim(&person.version().unwrap()).unwrap();
        let other = builder().build();
        meet(&person, &other);
        assert_ada(&other);
        other.edit(|person| person.last().set("King")).unwrap();
        other.trim(&other.version().unwrap()).unwrap();
        let third = one::<Person>().build();
        meet(&other, &third);
        let name = third.read(|person| format!("{} {}", person.first, person.last));
        assert_eq!(name.unwrap(), "Ada King");
    }
}

#[test]
fn states_whose_fields_stand_elsewhere_are_not_compared() {
    let checked = std::time::Duration::ZERO;
    let person = ada(one().check_divergence(checked).build());
    let other = one::<moved::Person>().check_divergence(checked).build();
    meet(&person, &other);
    assert_ada(&other);
    meet(&person, &other);
}

mod grown {
    use super::*;

    /// What has honestly grown: a field in front, with a default, and the others in another order.
    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Person {
        #[serde(default)]
        pub(super) titles: Map<u8, Register<String>>,
        pub(super) last: Register<String>,
        pub(super) first: Register<String>,
    }

    pub(super) mod dishonest {
        use super::*;

        /// Says that it has grown, and has another type in a field.
        #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
        pub(in super::super) struct Person {
            pub(in super::super) first: Register<String>,
            pub(in super::super) last: Register<u64>,
        }
    }

    pub(super) mod removed {
        use super::*;

        #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
        pub(in super::super) struct Person {
            pub(in super::super) first: Register<String>,
        }
    }

    pub(super) mod required {
        use super::*;

        #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
        pub(in super::super) struct Person {
            pub(in super::super) first: Register<String>,
            pub(in super::super) last: Register<String>,
            pub(in super::super) age: Counter,
        }
    }
}

#[test]
fn what_has_honestly_grown_is_read_from_sessions_and_journals() {
    let person = ada(one().build());
    let newer = two::<grown::Person>().build();
    meet(&person, &newer);
    let shown = |person: &Replica<grown::Person>| {
        person.read(|person| format!("{} {} {}", person.titles.len(), person.first, person.last))
    };
    assert_eq!(shown(&newer).unwrap(), "0 Ada Lovelace");
    newer.edit(|person| person.titles().entry(1).set("Countess")).unwrap();
    meet(&person, &newer);
    assert_eq!(person.deferred(), Ok(1));
    let mut file = Vec::new();
    person.save(&mut file).unwrap();

    let disk = Memory::new();
    let journal = one::<Person>().open_in(disk.clone()).unwrap();
    journal.load(&mut &*file).unwrap();
    journal.close().unwrap();
    let upgraded = two::<grown::Person>().open_in(disk).unwrap();
    assert_eq!(shown(&upgraded).unwrap(), "1 Ada Lovelace");
}

#[test]
fn what_says_that_it_has_grown_and_has_not_is_refused_with_its_place() {
    let person = || ada(one().build());
    assert_refused(
        &two::<grown::dishonest::Person>().build(),
        &person(),
        ("Person.last", "u64", "str"),
    );
    assert_refused(
        &two::<grown::removed::Person>().build(),
        &person(),
        ("Person.last", "nothing", "Register"),
    );
    assert_refused(
        &two::<grown::required::Person>().build(),
        &person(),
        ("Person.age", "Counter without #[serde(default)]", "nothing"),
    );
    let disk = Memory::new();
    ada(one().open_in(disk.clone()).unwrap()).close().unwrap();
    let refused = two::<grown::dishonest::Person>().open_in(disk.clone()).unwrap_err();
    assert!(shown(&refused).contains("Person.last is u64 here, and str there"), "{refused:?}");
    assert!(two::<grown::Person>().open_in(disk).is_ok());
}

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Card {
    title: Register<String>,
    votes: Counter,
}

mod moved_card {
    use super::*;

    #[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub(super) struct Card {
        pub(super) votes: Counter,
        pub(super) title: Register<String>,
    }
}

#[test]
fn a_removal_takes_back_the_right_fields_after_they_were_moved() {
    let old = one::<Map<u8, Card>>().build();
    old.edit(|cards| cards.entry(1).votes().add(5)).unwrap();
    let new = two::<Map<u8, moved_card::Card>>().build();
    meet(&old, &new);
    new.edit(|cards| cards.entry(1).votes().add(2)).unwrap();
    old.edit(|cards| cards.remove(&1)).unwrap();
    meet(&old, &new);
    // What the other had added meanwhile is left.
    let votes = |cards: &Map<u8, moved_card::Card>| cards.get(&1).map(|card| card.votes.value());
    assert_eq!(new.read(votes).unwrap(), Some(2));
    new.edit(|cards| cards.remove(&1)).unwrap();
    meet(&old, &new);
    assert!(old.read(|cards| cards.is_empty()).unwrap());
}
