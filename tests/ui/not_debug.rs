use repred::{Changes, Reduce, Register};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Event;

struct Added(usize);

impl Changes for Added {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

fn add(events: &mut Vec<u8>, more: Vec<u8>) -> Added {
    events.extend(&more);
    Added(more.len())
}

#[derive(Reduce, Serialize, Deserialize)]
struct Board {
    latest: Register<Event>,
    #[reduce(with = add, changes = Added)]
    all: Vec<u8>,
}

fn main() {}
