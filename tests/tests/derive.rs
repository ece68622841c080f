use std::collections::BTreeMap;
use repred::*;
use serde::{Deserialize, Serialize};

fn max(state: &mut u64, update: u64) -> bool {
    let is_larger = update > *state;
    *state = update.max(*state);
    is_larger
}

#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    #[reduce(with = max)]
    high_score: u64,
    #[reduce(skip)]
    #[serde(skip)]
    cache: Vec<u8>,
}

#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Node {
    value: Max<u64>,
    children: BTreeMap<String, Node>,
}

#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Tree<T: Default> {
    value: Register<T>,
    children: BTreeMap<String, Tree<T>>,
}

#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Named<T> {
    value: Register<T>,
    other: Counter,
}
#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Unit;
#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Pair(Counter, Register<String>);

fn needs<R: Replicated>() {}
#[test]
fn replicated() {
    needs::<Board>();
    needs::<Node>();
    needs::<Tree<u8>>();
    needs::<Named<u8>>();
    needs::<Unit>();
    needs::<Pair>();
}
