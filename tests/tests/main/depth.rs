//! Deep values and elements without bytes: what may be written can be sent, folded, saved and compacted, and the writer
//! is told the limit.

use std::{fmt::Debug, time::Duration};

use futures::{
    executor::block_on,
    future::{self, Either},
};
use repred::{
    Counter, Map, Reduce, Reducer, Register, Replica, ReplicaBuilder, Replicated,
    error::{EncodeError, UpdateError},
    journal::Memory,
    pipe, reducer,
    types::MapUpdate,
};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Node {
    name: Register<String>,
    votes: Counter,
    #[reduce(recursive)]
    children: Map<u8, Node>,
}

fn nodes() -> ReplicaBuilder<Node> {
    Replica::builder(Node::default())
}

/// An update so many nodes below the root.
fn below(levels: usize, update: NodeUpdate) -> NodeUpdate {
    let inner = |update, _| NodeUpdate::Children(MapUpdate::Entry(1, Box::new(update)));
    (0..levels).fold(update, inner)
}

fn named(levels: usize, name: &str) -> NodeUpdate {
    below(levels, NodeUpdate::Name(name.into()))
}

fn depth(node: &Node) -> usize {
    node.children.values().map(|child| 1 + depth(child)).max().unwrap_or(0)
}

/// Connects two replicas until both have what the other had.
#[track_caller]
fn meet<R: Replicated>(a: &Replica<R>, b: &Replica<R>) {
    let (left, right) = pipe(1 << 16);
    let ends = future::join(a.connect(left), b.connect(right));
    let synced = future::join(a.synced(), b.synced());
    match block_on(future::select(Box::pin(ends), Box::pin(synced))) {
        Either::Left((ends, _)) => panic!("it ended with {ends:?}"),
        Either::Right(_) => {}
    }
}

/// What was written can be sent, folded, sent as a snapshot, compared, saved and compacted.
#[track_caller]
fn assert_goes_everywhere<R: Replicated + Debug>(
    builder: impl Fn() -> ReplicaBuilder<R>,
    write: impl Fn(&Replica<R>),
) {
    let disk = Memory::new();
    let builder = || builder().check_divergence(Duration::ZERO);
    let (author, early, late) =
        (builder().open_in(disk.clone()).unwrap(), builder().build(), builder().build());
    write(&author);
    meet(&author, &early);
    assert_eq!(shown(&early), shown(&author), "sent");
    author.trim(&author.version().unwrap()).unwrap();
    meet(&author, &late);
    assert_eq!(shown(&late), shown(&author), "a late joiner after a fold");
    assert_eq!(late.state_digest().unwrap(), author.state_digest().unwrap());

    let (mut file, loaded) = (Vec::new(), builder().build());
    author.save(&mut file).unwrap();
    loaded.load(&mut &*file).unwrap();
    assert_eq!(shown(&loaded), shown(&author), "saved");

    author.compact().unwrap();
    author.close().unwrap();
    let again = builder().open_in(disk).unwrap();
    assert_eq!(shown(&again), shown(&late), "compacted");
}

fn shown<R: Replicated + Debug>(replica: &Replica<R>) -> String {
    replica.read(|state| format!("{state:?}")).unwrap()
}

/// How many nodes below the root can be written.
fn deepest() -> usize {
    let root = nodes().build();
    let most = (1..).find(|&levels| root.update(named(levels, "x")).is_err()).unwrap() - 1;
    assert_eq!(root.read(depth).unwrap(), most);
    most
}

#[test]
fn a_name_fifty_levels_deep_is_sent_folded_saved_and_compacted() {
    assert_goes_everywhere(nodes, |root| drop(root.update(named(50, "deep")).unwrap()));
}

#[test]
fn the_deepest_update_that_may_be_written_is_sent_folded_saved_and_compacted() {
    let most = deepest();
    assert!(most >= 50, "{most}");
    assert_goes_everywhere(nodes, |root| {
        root.update(named(most, "deep")).unwrap();
        root.update(below(most, NodeUpdate::Votes(3))).unwrap();
    });
}

#[test]
fn the_writer_of_a_deeper_update_is_told_the_limit_and_nothing_is_written() {
    let root = nodes().build();
    root.update(named(3, "x")).unwrap();
    let before = root.version().unwrap();
    let refused = root.update(named(deepest() + 1, "too deep"));
    let Err(UpdateError::Encode(error @ EncodeError::TooDeep { limit: 128 })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.to_string(), "the value is nested more than 128 levels deep");
    assert_eq!(root.version().unwrap(), before);
}

#[test]
fn a_deep_subtree_can_be_removed_with_what_it_counts() {
    let most = deepest();
    assert_goes_everywhere(nodes, |root| {
        for levels in [most, most / 2] {
            root.update(named(levels, "deep")).unwrap();
            root.update(below(levels, NodeUpdate::Votes(3))).unwrap();
        }
        root.edit(|root| root.children().remove(&1)).unwrap();
        assert_eq!(root.read(depth).unwrap(), 0);
    });
}

fn units() -> ReplicaBuilder<Reducer<Vec<()>, u16>> {
    Replica::builder(reducer(Vec::new(), |units: &mut Vec<()>, more: u16| {
        units.extend((0..more).map(|_| ()));
        more > 0
    }))
}

#[test]
fn five_thousand_units_are_sent_folded_saved_and_compacted() {
    assert_goes_everywhere(units, |replica| drop(replica.update(5000).unwrap()));
}

#[test]
fn any_number_of_units_is_sent_folded_saved_and_compacted() {
    assert_goes_everywhere(units, |replica| {
        for _ in 0..20 {
            replica.update(u16::MAX).unwrap();
        }
    });
}

#[test]
fn the_writer_of_an_update_with_too_many_units_is_told_the_limit() {
    let replica = Replica::new(reducer(Vec::new(), |units: &mut Vec<()>, more: Vec<()>| {
        units.extend(more);
        true
    }));
    replica.update(vec![(); 4096]).unwrap();
    let refused = replica.update(vec![(); 4097]);
    assert!(
        matches!(refused, Err(UpdateError::Encode(EncodeError::TooManyElements { limit: 4096 }))),
        "{refused:?}"
    );
}
