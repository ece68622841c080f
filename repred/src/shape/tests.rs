use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    num::NonZeroU8,
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::*;
use crate::{
    Counter, Events, GrowSet, LwwMap, Map, MultiRegister, Presence, Reduce, Register, Set,
};

fn shape<R: Reduce + DeserializeOwned>() -> Arc<Shape> {
    Shape::with_defaults::<R, R::Update>()
}

/// The shape of a type, as a state whose updates are nothing.
fn state<T: DeserializeOwned>() -> Arc<Shape> {
    Shape::with_defaults::<T, ()>()
}

fn text<T: DeserializeOwned>() -> String {
    state::<T>().text(text::Layout::Bare)
}

#[track_caller]
fn assert_differ<A: DeserializeOwned, B: DeserializeOwned>(
    relation: Relation,
    expected: (&str, &str, &str),
) {
    let (path, ours, theirs) = expected;
    let [path, ours, theirs] = [path, ours, theirs].map(String::from);
    let (a, b) = (state::<A>(), state::<B>());
    let expected = ShapeDifference::Type { path, ours, theirs };
    assert_eq!(a.compare(&b, relation), Err(expected));
    // As it is found by whoever has read the texts.
    let [read_a, read_b] = [&a, &b].map(|shape| Shape::parse(&shape.to_text()).unwrap());
    assert_eq!(a.compare(&read_b, relation), a.compare(&b, relation));
    assert_eq!(read_a.compare(&b, relation), a.compare(&b, relation));
}

#[derive(Clone, Default, Serialize, Deserialize)]
enum Phase {
    #[default]
    Open,
    Done(u8),
    Moved {
        x: i32,
        y: Option<i64>,
    },
    Pair(bool, char),
}

#[derive(Serialize, Deserialize)]
struct UserId(u64);

#[derive(Serialize, Deserialize)]
enum Expression {
    Sum(Box<Expression>, Box<Expression>),
    Negative { of: Box<Expression> },
    Number(f64),
    Call(String, Vec<Expression>),
    Nothing,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Tree {
    branches: Vec<Tree>,
}

#[derive(Serialize, Deserialize)]
struct List {
    phase: Phase,
    next: Option<Box<List>>,
}

#[test]
fn a_shape_has_all_that_a_type_asks_for() {
    assert_eq!(
        text::<BTreeMap<UserId, Vec<(Phase, [i16; 2], Option<String>)>>>(),
        "state {UserId: [(Phase, (i16, i16), ?str)]}\n\
         update unit\n\
         newtype UserId(u64)\n\
         enum Phase { 0 Open, 1 Done of u8, 2 Moved { x: i32, y: ?i64, }, 3 Pair(bool, char), }\n"
    );
}

impl PartialEq for UserId {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for UserId {}
impl PartialOrd for UserId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for UserId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[test]
fn types_that_contain_themselves_are_seen_whole() {
    assert_eq!(
        text::<Expression>(),
        "state Expression\nupdate unit\n\
         enum Expression { 0 Sum(Expression, Expression), 1 Negative { of: Expression, }, \
         2 Number of f64, 3 Call(str, [Expression]), 4 Nothing, }\n"
    );
    assert_eq!(text::<Tree>(), "state itself\nupdate unit\ntype itself [itself]\n");
    assert_eq!(
        text::<List>(),
        "state List\nupdate unit\n\
         struct List { phase: Phase, next: ?List, }\n\
         enum Phase { 0 Open, 1 Done of u8, 2 Moved { x: i32, y: ?i64, }, 3 Pair(bool, char), }\n"
    );
}

#[test]
fn types_that_are_particular_about_their_values_are_seen_whole() {
    fn even<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let number = u8::deserialize(deserializer)?;
        if number % 2 == 0 { Ok(number) } else { Err(D::Error::custom("odd")) }
    }
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    #[allow(dead_code)]
    struct Email(String);
    impl TryFrom<String> for Email {
        type Error = &'static str;
        fn try_from(text: String) -> Result<Self, Self::Error> {
            if text.contains('@') { Ok(Self(text)) } else { Err("no address") }
        }
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Particular {
        number: NonZeroU8,
        #[serde(deserialize_with = "even")]
        even: u8,
        email: Email,
        ip: IpAddr,
        time: Duration,
        last: u64,
    }
    let text = text::<Particular>();
    assert!(text.contains("email: str, ip: IpAddr, time: Duration, last: u64, }"), "{text}");
    assert!(text.contains("enum IpAddr { 0 V4 of (u8, u8, u8, u8), 1 V6 of "), "{text}");
}

#[test]
fn what_cannot_be_traced_is_opaque_and_what_is_beside_it_is_not() {
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Never(String);
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Picky {
        first: Phase,
        #[serde(deserialize_with = "never")]
        never: String,
        last: u64,
    }
    fn never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)?;
        Err(D::Error::custom("never"))
    }
    struct Any;
    impl<'de> Deserialize<'de> for Any {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(serde::de::IgnoredAny).map(|_| Self)
        }
    }
    let picky = text::<Picky>();
    assert!(picky.contains("{ first: Phase, never: str, last: !\"?\", }"), "{picky}");
    assert!(picky.contains("3 Pair(bool, char)"), "{picky}");
    assert_eq!(text::<Any>(), "state !\"IgnoredAny\"\nupdate unit\n");
    assert_eq!(text::<Vec<Any>>(), "state [!\"IgnoredAny\"]\nupdate unit\n");
}

#[test]
fn ready_made_types_have_sensible_shapes_that_stay() {
    let bare = |shape: Arc<Shape>| shape.text(text::Layout::Bare);
    assert_eq!(
        bare(shape::<Register<i32>>()),
        "state Register\nupdate i32\n\
         struct Register { value: i32, latest: ?Stamp, is_reset: bool, }\n\
         struct Stamp { time: Time, dot: Dot, }\n\
         newtype Time(u64)\n\
         struct Dot { origin: ReplicaId, seq: u64, }\n\
         newtype ReplicaId((u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8))\n"
    );
    // All of each is seen.
    for shape in [
        shape::<Counter>(),
        shape::<Events<String>>(),
        shape::<GrowSet<u8>>(),
        shape::<LwwMap<u8, Phase>>(),
        shape::<Map<u8, Map<String, Counter>>>(),
        shape::<MultiRegister<Phase>>(),
        shape::<Presence<u8, ()>>(),
        shape::<Set<(u8, u8)>>(),
    ] {
        let text = shape.to_text();
        assert!(!text.contains('!'), "{text}");
        assert_eq!(Shape::parse(&text).unwrap().to_text(), text);
    }
    let nested = bare(shape::<Map<u8, Map<String, Counter>>>());
    assert!(
        nested.contains("struct Map { entries: {u8: \"Map#2\"}, }")
            || nested.contains("struct Map { entries: {u8: Map#2}, }"),
        "{nested}"
    );
}

#[test]
fn texts_are_read_as_they_were_written_and_others_are_refused() {
    #[derive(Serialize, Deserialize)]
    struct Odd {
        #[serde(rename = "a \"name\": {\\}")]
        name: u8,
        #[serde(rename = "")]
        empty: (),
        #[serde(default)]
        none: (u8, ()),
    }
    for shape in [state::<Odd>(), state::<Expression>(), state::<Tree>(), state::<List>()] {
        let text = shape.to_text();
        let read = Shape::parse(&text).unwrap();
        assert_eq!(read.to_text(), text);
        assert_eq!(read.text(text::Layout::Bare), shape.text(text::Layout::Bare));
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let _ = Shape::parse(&text[..end]);
        }
    }
    let deep = format!("state {}u8 update u8", "?".repeat(100_000));
    assert!(Shape::parse(&deep).is_err());
    for wrong in
        ["", "state u8", "state A update u8", "state A update u8 struct A struct A", "what"]
    {
        assert!(Shape::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn types_that_a_peer_nests_without_end_are_a_difference_and_no_stack_overflow() {
    let mut text = "state A0 update unit\n".to_owned();
    for level in 0..5000 {
        text += &format!("newtype A{level}(A{})\n", level + 1);
    }
    text += "struct A5000 { phase: u8, next: ?A5000, }";
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let compared = thread.spawn(move || {
        let deep = Shape::parse(&text).unwrap();
        let list = state::<List>();
        assert!(text.len() < 2 * MAX_TEXT);
        [Relation::Same, Relation::Newer, Relation::Older]
            .map(|to| list.compare(&deep, to).is_err())
    });
    assert_eq!(compared.unwrap().join().unwrap(), [true; 3]);
}

#[test]
fn another_number_type_is_named_with_its_place() {
    #[derive(Deserialize)]
    struct Card<T> {
        #[allow(dead_code)]
        title: String,
        #[allow(dead_code)]
        priority: T,
    }
    #[derive(Deserialize)]
    struct Board<T> {
        #[allow(dead_code)]
        cards: BTreeMap<u8, Card<T>>,
    }
    assert_differ::<Board<u32>, Board<i32>>(
        Relation::Same,
        ("Board.cards[].priority", "u32", "i32"),
    );
    assert_differ::<Board<u32>, Board<i32>>(
        Relation::Newer,
        ("Board.cards[].priority", "u32", "i32"),
    );
}

#[test]
fn each_kind_of_change_of_one_version_is_found() {
    mod a {
        #[derive(serde::Deserialize)]
        pub(super) enum Phase {
            Open,
            Done,
        }
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Person {
            pub(super) first: u8,
            pub(super) last: u8,
        }
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Id(u64);
    }
    mod b {
        #[derive(serde::Deserialize)]
        pub(super) enum Phase {
            Done,
            Open,
        }
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Person {
            pub(super) last: u8,
            pub(super) first: u8,
        }
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Number(u64);
    }
    mod c {
        #[derive(serde::Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Person {
            pub(super) first: u8,
            pub(super) name: u8,
        }
    }
    use Relation::Same;
    assert_differ::<a::Phase, b::Phase>(Same, ("Phase", "Open (variant 0)", "Done (variant 0)"));
    assert_differ::<(u8, u8), (u8, u8, u8)>(Same, ("the state", "a tuple of 2", "a tuple of 3"));
    assert_differ::<u8, Option<u8>>(Same, ("the state", "u8", "Option<u8>"));
    assert_differ::<Vec<i64>, Vec<u64>>(Same, ("the state[]", "i64", "u64"));
    assert_differ::<a::Person, c::Person>(Same, ("Person.last", "u8", "nothing"));
    assert_differ::<a::Id, u64>(Same, ("the state", "Id", "u64"));
    assert_differ::<a::Id, b::Number>(Same, ("Number", "Id", "Number"));
    assert_differ::<BTreeMap<u8, u8>, BTreeMap<u16, u8>>(Same, ("the state[key]", "u8", "u16"));
    // A state says which field is which, and an update does not.
    assert_eq!(state::<a::Person>().compare(&state::<b::Person>(), Same), Ok(()));
    let updates = [Shape::of::<(), a::Person>(), Shape::of::<(), b::Person>()];
    let difference = updates[0].compare(&updates[1], Same).unwrap_err();
    assert_eq!(
        difference.to_string(),
        "Person is a struct with `first` in this place here, and a struct with `last` in this place there"
    );
}

#[test]
fn growth_is_what_can_be_read() {
    mod old {
        use super::*;
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) enum Phase {
            Open,
            Done(u8),
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Board {
            pub(super) title: String,
            pub(super) phases: Vec<Phase>,
        }
    }
    mod new {
        use super::*;
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Level(u8);
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) enum Phase {
            Open,
            Done(Level),
            Blocked { by: String },
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Board {
            #[serde(default)]
            pub(super) tags: Vec<String>,
            pub(super) phases: Vec<Phase>,
            pub(super) title: String,
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Card {
            pub(super) title: String,
            pub(super) phases: Vec<Phase>,
            pub(super) tags: Vec<String>,
        }
        #[derive(Deserialize)]
        #[allow(dead_code)]
        pub(super) struct Short {
            pub(super) title: String,
        }
    }
    let (old, new) = (state::<old::Board>(), state::<new::Board>());
    assert_eq!(new.compare(&old, Relation::Newer), Ok(()));
    assert_eq!(old.compare(&new, Relation::Older), Ok(()));
    assert!(
        old.compare(&new, Relation::Same).is_err() && new.compare(&old, Relation::Same).is_err()
    );
    assert!(new.compare(&old, Relation::Older).is_err(), "the other way round");

    use Relation::Newer;
    assert_differ::<new::Card, old::Board>(
        Newer,
        ("Card.tags", "[str] without #[serde(default)]", "nothing"),
    );
    assert_differ::<new::Short, old::Board>(Newer, ("Short.phases", "nothing", "[Phase]"));
    assert_differ::<Option<u8>, u8>(Newer, ("the state", "Option<u8>", "u8"));

    // An update does not say how many fields its structs have.
    let updates = [Shape::of::<(), old::Board>(), Shape::of::<(), new::Board>()];
    assert!(updates[1].compare(&updates[0], Newer).is_err());
    let updates = [Shape::of::<(), old::Phase>(), Shape::of::<(), new::Phase>()];
    assert_eq!(updates[1].compare(&updates[0], Newer), Ok(()));
}

#[test]
fn start_states_are_told_apart_and_hash_sets_are_not_by_their_order() {
    let start = |value: &str| start_hash(&Register::new(value.to_owned()));
    assert_eq!(start(""), start_hash(&Register::<String>::default()));
    assert_ne!(start("untitled"), start(""));
    assert_ne!(start_hash(&[1, 2][..]), start_hash(&[2, 1][..]));

    let numbers = || (0..100).collect::<HashSet<u32>>();
    let map = || (0..100).map(|key| (key, key)).collect::<HashMap<u32, u32>>();
    let shape = state::<(HashSet<u32>, HashMap<u32, u32>)>();
    let hashes: BTreeSet<_> =
        (0..5).map(|_| shape.start(start_hash(&(numbers(), map())))).collect();
    assert_eq!(hashes.len(), 1);
}
