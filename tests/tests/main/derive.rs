//! `#[derive(Reduce)]`: what it makes of each kind of struct, and what stays the same when one changes.

use std::{collections::BTreeMap, fmt::Debug};

use repred::{
    Changes, Counter, Dot, GrowSet, Max, Reduce, Register, Replicated, Stamp, Time, reducer,
    types::{Superseded, ValueChanges},
};
use serde::{
    Deserialize, Serialize,
    de::{
        DeserializeOwned,
        value::{self, MapAccessDeserializer, MapDeserializer},
    },
};

/// A stamp of replica `a`, whose clock counts its updates.
fn stamp(seq: u64) -> Stamp {
    Stamp::new(Time::from_micros(seq), 0xa.into(), seq)
}

fn dots(changes: &impl Changes) -> Vec<Dot> {
    let mut dots = Vec::new();
    changes.superseded(&mut |dot| dots.push(dot));
    dots
}

/// The id with which an update begins in a format without names.
fn id(update: &impl Serialize) -> u32 {
    let bytes = postcard::to_stdvec(update).unwrap();
    postcard::take_from_bytes(&bytes).unwrap().0
}

fn assert_survives<U: Serialize + DeserializeOwned + Debug>(update: &U) {
    let bytes = postcard::to_stdvec(update).unwrap();
    let json = serde_json::to_string(update).unwrap();
    let from_bytes: U = postcard::from_bytes(&bytes).unwrap();
    let from_json: U = serde_json::from_str(&json).unwrap();
    assert_eq!(format!("{from_bytes:?}"), format!("{update:?}"));
    assert_eq!(format!("{from_json:?}"), format!("{update:?}"));
}

fn is_replicated<R: Replicated>() {}

fn max<T: Ord>(largest: &mut T, value: T) -> bool {
    let is_larger = value > *largest;
    if is_larger {
        *largest = value;
    }
    is_larger
}

fn latest(state: &mut Option<(Stamp, String)>, text: String, stamp: Stamp) -> Superseded {
    match state {
        Some((newer, _)) if *newer > stamp => Superseded::unchanged(),
        _ => Superseded::changed(state.replace((stamp, text)).map(|(old, _)| old.dot)),
    }
}

#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    #[reduce(with = max)]
    high_score: u64,
    #[reduce(with = latest, update = String, changes = Superseded)]
    motto: Option<(Stamp, String)>,
    #[reduce(skip)]
    #[serde(skip)]
    cache: Vec<u8>,
}

mod kinds_of_structs {
    use super::*;

    #[test]
    fn an_update_goes_to_its_field_and_no_other() {
        let mut board = Board::default();
        let changes = board.reduce(BoardUpdate::Votes(3), stamp(1));
        assert!(matches!(changes, BoardChanges::Votes(votes) if votes.after() == Some(&3)));
        assert_eq!(board.votes.value(), 3);
        assert_eq!(board.title.value(), "");
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Pair(Counter, #[reduce(with = max)] u64);

    #[test]
    fn the_fields_of_a_tuple_struct_are_called_by_their_numbers() {
        let mut pair = Pair::default();
        pair.reduce(PairUpdate::Field0(2), stamp(1));
        pair.reduce(PairUpdate::Field1(7), stamp(2));
        assert_eq!((pair.0.value(), pair.1), (2, 7));
        is_replicated::<Pair>();
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Unit;

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Empty {}

    #[test]
    fn a_struct_without_fields_has_updates_that_cannot_be() {
        is_replicated::<Unit>();
        is_replicated::<Empty>();
        assert_eq!(size_of::<UnitUpdate>(), 0);
        assert!(serde_json::from_str::<EmptyUpdate>(r#"{"Votes":1}"#).is_err());
        assert!(postcard::from_bytes::<UnitUpdate>(&[0]).is_err());
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Odd {
        r#type: Counter,
        x2_y: Counter,
        self_: Counter,
        _1: Counter,
        größe: Counter,
    }

    #[test]
    fn odd_names_of_fields_make_plain_variants() {
        let mut odd = Odd::default();
        for update in [
            OddUpdate::Type(1),
            OddUpdate::X2Y(1),
            OddUpdate::Self_(1),
            OddUpdate::Field1(1),
            OddUpdate::Größe(1),
        ] {
            assert_survives(&update);
            assert!(!odd.reduce(update, stamp(1)).is_empty());
        }
        assert_eq!(odd.r#type.value(), 1);
    }

    #[test]
    fn a_struct_in_a_function_is_a_reducer_too() {
        #[derive(Reduce, Default)]
        struct Local {
            votes: Counter,
        }
        let mut local = Local::default();
        local.reduce(LocalUpdate::Votes(1), stamp(1));
        assert_eq!(local.votes.value(), 1);
    }

    macro_rules! pair {
        ($name:ident, $left:ty, $right:ident, $largest:ty) => {
            #[derive(Reduce, Default, Serialize, Deserialize)]
            struct $name {
                left: $left,
                right: $right,
                both: Counter,
                #[reduce(with = max)]
                largest: $largest,
                #[reduce(skip)]
                #[serde(skip)]
                cache: $right,
            }
        };
    }

    #[test]
    fn a_struct_may_come_out_of_a_macro() {
        pair!(Votes, Register<String>, Counter, u64);
        let mut votes = Votes::default();
        for update in [
            VotesUpdate::Left("x".into()),
            VotesUpdate::Right(1),
            VotesUpdate::Both(1),
            VotesUpdate::Largest(1),
        ] {
            assert_survives(&update);
            assert!(!votes.reduce(update, stamp(1)).is_empty());
        }
        votes.keep_local(&mut Votes { cache: votes.right.clone(), ..Votes::default() });
        assert_eq!(votes.cache.value(), 1);
        assert_eq!((votes.left.value().as_str(), votes.both.value(), votes.largest), ("x", 1, 1));
    }

    #[derive(Reduce, Debug, Default, Serialize, Deserialize)]
    struct Club {
        board: Board,
        members: BTreeMap<String, Board>,
    }

    #[test]
    fn derived_reducers_nest() {
        let mut club = Club::default();
        let update = ClubUpdate::Members(("jim".into(), Box::new(BoardUpdate::Votes(1))));
        assert_survives(&update);
        club.reduce(update, stamp(1));
        club.reduce(ClubUpdate::Board(BoardUpdate::Votes(2)), stamp(2));
        assert_eq!(club.members["jim"].votes.value(), 1);
        assert_eq!(club.board.votes.value(), 2);
    }
}

mod functions {
    use super::*;

    #[test]
    fn a_function_may_take_the_stamp_or_leave_it() {
        let mut board = Board::default();
        board.reduce(BoardUpdate::HighScore(7), stamp(1));
        board.reduce(BoardUpdate::Motto("late".into()), stamp(3));
        board.reduce(BoardUpdate::Motto("early".into()), stamp(2));
        assert_eq!(board.high_score, 7);
        assert_eq!(board.motto.unwrap().1, "late");
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Log {
        #[reduce(with = Self::append, update = String, changes = Vec<usize>)]
        lines: Vec<String>,
    }

    impl Log {
        fn append(lines: &mut Vec<String>, line: String) -> Vec<usize> {
            lines.push(line);
            vec![lines.len()]
        }
    }

    #[test]
    fn updates_and_changes_of_a_function_may_be_of_other_types_than_the_field() {
        let mut log = Log::default();
        let LogChanges::Lines(numbers) = log.reduce(LogUpdate::Lines("a".into()), stamp(1));
        assert_eq!(numbers, [1]);
    }
}

mod local_fields {
    use super::*;

    #[derive(Reduce, Default)]
    struct Outer {
        board: Board,
        boards: BTreeMap<u8, Board>,
        #[reduce(skip)]
        #[serde(skip, default = "Vec::new")]
        _own: Vec<u8>,
    }

    #[test]
    fn a_local_field_survives_an_adopted_snapshot() {
        let mut before = Outer::default();
        before.board.cache = vec![1];
        before.board.high_score = 5;
        before.boards.entry(7).or_default().cache = vec![2];
        before._own = vec![3];

        let mut after = Outer::default();
        after.boards.insert(7, Board::default());
        after.keep_local(&mut before);
        assert_eq!(after.board.cache, [1]);
        assert_eq!(after.board.high_score, 0, "replicated, so the snapshot's counts");
        assert_eq!(after.boards[&7].cache, [2]);
        assert_eq!(after._own, [3]);
    }

    #[test]
    fn a_snapshot_carries_all_but_local_fields() {
        let mut before = Board { cache: vec![1], ..Board::default() };
        let mut other = Board { cache: vec![2], ..Board::default() };
        other.reduce(BoardUpdate::Votes(3), stamp(1));
        other.reduce(BoardUpdate::Motto("x".into()), stamp(2));

        let mut bytes = Vec::new();
        other.write_state(&mut bytes).unwrap();
        before.replace_state(&bytes).unwrap();
        assert_eq!((before.votes.value(), before.cache), (3, vec![1]));
        assert_eq!(before.motto, other.motto);
    }

    #[derive(Reduce)]
    #[allow(dead_code)]
    struct Halves {
        votes: Counter,
        #[reduce(skip)]
        #[serde(skip_serializing, skip_deserializing)]
        cache: Vec<u8>,
    }

    #[test]
    fn a_local_field_has_no_variant() {
        let HalvesUpdate::Votes(_) = HalvesUpdate::Votes(1);
        let HalvesChanges::Votes(_) = HalvesChanges::Votes(ValueChanges::unchanged());
    }
}

mod changes {
    use super::*;

    #[test]
    fn empty_changes_of_a_field_are_empty() {
        let mut board = Board::default();
        assert!(board.reduce(BoardUpdate::Votes(0), stamp(1)).is_empty());
        assert!(!board.reduce(BoardUpdate::Votes(1), stamp(2)).is_empty());
        assert!(board.reduce(BoardUpdate::HighScore(0), stamp(3)).is_empty());
    }

    #[test]
    fn obsolete_dots_of_a_field_are_reported() {
        let mut board = Board::default();
        board.reduce(BoardUpdate::Title("first".into()), stamp(1));
        board.reduce(BoardUpdate::Motto("first".into()), stamp(2));
        let title = board.reduce(BoardUpdate::Title("second".into()), stamp(3));
        let motto = board.reduce(BoardUpdate::Motto("second".into()), stamp(4));
        assert_eq!(dots(&title), [stamp(1).dot]);
        assert_eq!(dots(&motto), [stamp(2).dot]);
    }

    #[test]
    fn updates_and_changes_can_be_printed_and_cloned() {
        fn printed_copy<T: Clone + Debug>(value: &T) -> String {
            format!("{:?}", value.clone())
        }
        let update = BoardUpdate::Title("Groceries".into());
        assert_eq!(printed_copy(&update), r#"Title("Groceries")"#);
        assert_eq!(printed_copy(&BoardChanges::HighScore(true)), "HighScore(true)");
    }
}

mod generics {
    use super::*;

    #[derive(Reduce, Debug, Default, Serialize, Deserialize)]
    struct Named<T> {
        value: Register<T>,
        votes: Counter,
    }

    #[test]
    fn a_parameter_needs_only_what_its_field_needs() {
        let mut named = Named::<String>::default();
        let update = NamedUpdate::<String>::Value("Groceries".into());
        assert_survives(&update);
        named.reduce(update, stamp(1));
        named.reduce(NamedUpdate::Votes(1), stamp(2));
        assert_eq!((named.value.value().as_str(), named.votes.value()), ("Groceries", 1));
        is_replicated::<Named<String>>();
    }

    #[derive(Clone, Serialize, Deserialize)]
    struct Plain;

    #[test]
    fn debug_is_not_needed_of_a_parameter() {
        let mut named = Named { value: Register::new(Plain), votes: Counter::default() };
        assert!(!named.reduce(NamedUpdate::Value(Plain), stamp(1)).is_empty());
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Wrapper<R, K = String>
    where
        K: Ord,
        R: Default,
    {
        inner: R,
        map: BTreeMap<K, R>,
    }

    #[test]
    fn a_parameter_can_be_a_reducer() {
        let mut wrapper = Wrapper::<Counter>::default();
        wrapper.reduce(WrapperUpdate::Inner(1), stamp(1));
        let update: WrapperUpdate<Counter> = WrapperUpdate::Map(("a".into(), Box::new(2)));
        assert_survives(&update);
        wrapper.reduce(update, stamp(2));
        assert_eq!((wrapper.inner.value(), wrapper.map["a"].value()), (1, 2));
        is_replicated::<Wrapper<Counter>>();
    }

    #[derive(Reduce)]
    struct Grid<T, U: AsRef<T> + Default, const N: usize>
    where
        T: Ord,
        [U; N]: Sized,
    {
        #[reduce(with = Self::paint, update = (usize, u8))]
        cells: [u8; N],
        largest: Max<T>,
        #[reduce(skip)]
        #[serde(skip)]
        _views: Vec<U>,
    }

    impl<T: Ord, U: AsRef<T> + Default, const N: usize> Grid<T, U, N> {
        fn paint(cells: &mut [u8; N], (index, color): (usize, u8)) -> bool {
            cells.get_mut(index).is_some_and(|cell| max(cell, color))
        }
    }

    #[test]
    fn a_parameter_of_local_fields_is_none_of_the_update() {
        let mut grid = Grid::<String, Box<String>, 4> {
            cells: [0; 4],
            largest: Max::default(),
            _views: Vec::new(),
        };
        let update: GridUpdate<String> = GridUpdate::Cells((2, 9));
        assert_survives(&update);
        grid.reduce(update, stamp(1));
        grid.reduce(GridUpdate::Largest("z".into()), stamp(2));
        assert_eq!(grid.cells, [0, 0, 9, 0]);
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Cell<T: Ord + Clone> {
        #[reduce(with = max)]
        value: T,
        #[reduce(with = collect, update = T, changes = Vec<T>)]
        all: Vec<T>,
    }

    fn collect<T: Ord + Clone>(all: &mut Vec<T>, value: T) -> Vec<T> {
        all.push(value.clone());
        vec![value]
    }

    #[test]
    fn a_function_may_be_generic() {
        let mut cell = Cell::<u8>::default();
        let _: CellUpdate<u8> = CellUpdate::Value(1);
        let CellChanges::All(added) = cell.reduce(CellUpdate::All(3), stamp(1)) else { panic!() };
        assert_eq!(added, [3]);
        assert!(!cell.reduce(CellUpdate::Value(3), stamp(2)).is_empty());
        is_replicated::<Cell<u8>>();
    }
}

mod recursion {
    use super::*;

    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    struct Node {
        value: Max<u64>,
        children: BTreeMap<String, Self>,
        #[reduce(with = plant)]
        next: Option<Box<Node>>,
        #[reduce(skip)]
        #[serde(skip)]
        is_open: bool,
    }

    fn plant(next: &mut Option<Box<Node>>, node: Option<Box<Node>>) -> bool {
        let is_planted = next.is_none() && node.is_some();
        if is_planted {
            *next = node;
        }
        is_planted
    }

    #[derive(Reduce, Debug, Default, Serialize, Deserialize)]
    struct Tree<T: Default> {
        value: Register<T>,
        children: BTreeMap<String, Box<Tree<T>>>,
    }

    // Two types that contain each other.
    #[derive(Reduce, Debug, Default, Serialize, Deserialize)]
    struct Folder {
        files: BTreeMap<String, File>,
    }

    #[derive(Reduce, Debug, Default, Serialize, Deserialize)]
    struct File {
        versions: Counter,
        #[reduce(recursive)]
        attachments: BTreeMap<String, Box<Folder>>,
    }

    #[test]
    fn a_struct_may_contain_itself() {
        let deep = NodeUpdate::Children(("a".into(), Box::new(NodeUpdate::Value(7))));
        let deeper = NodeUpdate::Children(("b".into(), Box::new(deep)));
        assert_eq!(format!("{deeper:?}"), r#"Children(("b", Children(("a", Value(7)))))"#);
        let mut node = Node::default();
        node.reduce(deeper, stamp(1));
        assert_eq!(node.children["b"].children["a"].value.value(), Some(&7));
        is_replicated::<Node>();
    }

    #[test]
    fn obsolete_dots_are_reported_from_any_depth() {
        let mut node = Node::default();
        let update = |value| NodeUpdate::Children(("a".into(), Box::new(NodeUpdate::Value(value))));
        node.reduce(update(1), stamp(1));
        let changes = node.reduce(update(2), stamp(2));
        assert_eq!(dots(&changes), [stamp(1).dot]);
    }

    #[test]
    fn a_generic_struct_may_contain_itself() {
        let update: TreeUpdate<String> =
            TreeUpdate::Children(("a".into(), Box::new(Box::new(TreeUpdate::Value("x".into())))));
        assert_survives(&update);
        let mut tree = Tree::default();
        tree.reduce(update, stamp(1));
        assert_eq!(tree.children["a"].value.value(), "x");
        is_replicated::<Tree<String>>();
    }

    #[test]
    fn structs_may_contain_each_other() {
        let mut folder = Folder::default();
        let inner = FolderUpdate::Files(("b".into(), Box::new(FileUpdate::Versions(1))));
        let attachment = FileUpdate::Attachments(("a".into(), Box::new(Box::new(inner))));
        let update = FolderUpdate::Files(("c".into(), Box::new(attachment)));
        assert_survives(&update);
        folder.reduce(update, stamp(1));
        assert_eq!(folder.files["c"].attachments["a"].files["b"].versions.value(), 1);
        is_replicated::<Folder>();
    }
}

mod encoding {
    use super::*;

    #[allow(dead_code)]
    mod first {
        use super::*;

        #[derive(Reduce)]
        pub(super) struct Board {
            title: Register<String>,
            votes: Counter,
            #[reduce(id = 3)]
            tags: GrowSet<String>,
        }
    }

    /// Fields have been reordered, one is new, one has another name.
    #[allow(dead_code)]
    mod second {
        use super::*;

        #[derive(Reduce)]
        pub(super) struct Board {
            #[reduce(id = 3)]
            labels: GrowSet<String>,
            motto: Register<String>,
            #[reduce(rename = "votes")]
            points: Counter,
            title: Register<String>,
        }
    }

    #[test]
    fn ids_stay_when_fields_move_or_are_added_or_renamed() {
        for (first, second) in [
            (first::BoardUpdate::Title("x".into()), second::BoardUpdate::Title("x".into())),
            (first::BoardUpdate::Votes(-4), second::BoardUpdate::Points(-4)),
            (first::BoardUpdate::Tags("x".into()), second::BoardUpdate::Labels("x".into())),
        ] {
            let bytes = postcard::to_stdvec(&first).unwrap();
            assert_eq!(postcard::to_stdvec(&second).unwrap(), bytes);
            let decoded: second::BoardUpdate = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(format!("{decoded:?}"), format!("{second:?}"));
        }
    }

    #[test]
    fn an_id_has_the_value_it_always_had() {
        assert_eq!(id(&first::BoardUpdate::Title("x".into())), 15_685);
        assert_eq!(id(&first::BoardUpdate::Tags("x".into())), 3);
        assert_eq!(
            postcard::to_stdvec(&first::BoardUpdate::Tags("x".into())).unwrap(),
            b"\x03\x01x"
        );
    }

    #[test]
    fn the_id_of_a_raw_name_is_that_of_the_name() {
        #[derive(Reduce)]
        #[allow(dead_code)]
        struct Raw {
            r#title: Register<String>,
        }
        assert_eq!(id(&RawUpdate::Title("x".into())), 15_685);
    }

    #[test]
    fn readable_formats_have_names() {
        let update = BoardUpdate::HighScore(7);
        assert_eq!(serde_json::to_string(&update).unwrap(), r#"{"HighScore":7}"#);
        for update in [
            update,
            BoardUpdate::Title("x".into()),
            BoardUpdate::Motto("x".into()),
            BoardUpdate::Votes(-1),
        ] {
            assert_survives(&update);
        }
    }

    #[test]
    fn updates_survive_the_encoding_of_the_library() {
        fn push(all: &mut Vec<BoardUpdate>, update: BoardUpdate) -> bool {
            all.push(update);
            true
        }
        let mut log = reducer(Vec::new(), push);
        log.reduce(BoardUpdate::Title("x".into()), stamp(1));
        log.reduce(BoardUpdate::Votes(-1), stamp(2));

        let mut bytes = Vec::new();
        log.write_state(&mut bytes).unwrap();
        let mut copy = reducer(Vec::new(), push);
        copy.replace_state(&bytes).unwrap();
        assert_eq!(format!("{copy:?}"), format!("{log:?}"));
    }

    #[test]
    fn an_unknown_variant_is_an_error_that_names_it() {
        let bytes = postcard::to_stdvec(&second::BoardUpdate::Motto("x".into())).unwrap();
        assert!(postcard::from_bytes::<first::BoardUpdate>(&bytes).is_err());

        let error = serde_json::from_str::<first::BoardUpdate>(r#"{"Motto":"x"}"#).unwrap_err();
        assert!(error.to_string().starts_with("unknown variant `Motto`, expected one of `Title`"));

        let map = MapDeserializer::<_, value::Error>::new([(77u32, "x")].into_iter());
        let map = MapAccessDeserializer::new(map);
        let error = first::BoardUpdate::deserialize(map).unwrap_err();
        assert!(error.to_string().starts_with("`BoardUpdate` has no variant with the id 77"));
    }
}

mod attributes {
    use super::*;

    mod facade {
        pub(super) mod replication {
            pub(in super::super) use repred::*;
        }
    }

    mod repred_has_another_name {
        // Hides the crate from relative paths; the generated code uses the one that is given.
        #[allow(dead_code)]
        mod repred {}

        use super::facade::replication as crdt;

        #[derive(crdt::Reduce, Default)]
        #[reduce(crate = "super::facade::replication")]
        pub(super) struct Votes {
            pub(super) votes: crdt::Counter,
            #[reduce(with = super::super::max)]
            pub(super) most: u8,
        }
    }

    #[test]
    fn the_library_may_have_another_name() {
        let mut votes = repred_has_another_name::Votes::default();
        votes.reduce(repred_has_another_name::VotesUpdate::Votes(2), stamp(1));
        votes.reduce(repred_has_another_name::VotesUpdate::Most(2), stamp(2));
        assert_eq!((votes.votes.value(), votes.most), (2, 2));
    }

    #[derive(Reduce, Default)]
    #[reduce(update(name = "Edit", derive(PartialEq, Eq, Hash)))]
    #[reduce(changes(name = "Effect", derive(PartialEq)))]
    struct Text {
        title: Register<String>,
        votes: Counter,
    }

    #[test]
    fn generated_types_can_be_named_and_derive_more() {
        let mut text = Text::default();
        assert_eq!(Edit::Votes(1), Edit::Votes(1));
        assert_eq!(
            text.reduce(Edit::Votes(1), stamp(1)),
            Effect::Votes(ValueChanges::changed(0, 1, None))
        );
        assert_ne!(
            text.reduce(Edit::Title("x".into()), stamp(2)),
            Effect::Votes(ValueChanges::unchanged())
        );
        assert_eq!((text.title.value().as_str(), text.votes.value()), ("x", 1));
    }

    mod visible {
        #[derive(super::Reduce, Default)]
        pub(crate) struct Counters {
            hidden: super::Counter,
        }

        impl Counters {
            pub(crate) fn hidden(&self) -> i128 {
                self.hidden.value()
            }
        }
    }

    #[test]
    fn the_update_is_as_visible_as_the_struct() {
        let mut counters = visible::Counters::default();
        counters.reduce(visible::CountersUpdate::Hidden(1), stamp(1));
        assert_eq!(counters.hidden(), 1);
    }
}

/// What the expansion would mean if it used names that a module can have of its own.
#[allow(dead_code, non_camel_case_types, unused_macros)]
mod shadowed_names {
    struct Option;
    struct Result;
    struct Ok;
    struct Err;
    struct Some;
    struct Box;
    struct String;
    struct bool;
    struct u32;
    struct str;
    struct Stamp;
    struct Changes;
    struct Serialize;
    struct Debug;
    struct Clone;
    mod core {}
    mod std {}
    mod serde {}
    trait FnMut {}
    macro_rules! unreachable {
        () => {
            compile_error!("not this one");
        };
    }

    #[derive(repred::Reduce)]
    pub(super) struct Board<T> {
        title: repred::Register<T>,
        votes: repred::Counter,
        #[reduce(with = super::max)]
        high_score: u64,
        #[reduce(skip)]
        #[serde(skip)]
        cache: Option,
    }

    pub(super) fn board() -> Board<u64> {
        Board {
            title: repred::Register::new(0),
            votes: repred::Counter::default(),
            high_score: 0,
            cache: Option,
        }
    }
}

#[test]
fn names_in_scope_do_not_matter() {
    let mut board = shadowed_names::board();
    let update = shadowed_names::BoardUpdate::<u64>::HighScore(1);
    assert_survives(&update);
    assert!(!board.reduce(update, stamp(1)).is_empty());
}
