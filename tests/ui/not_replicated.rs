use std::rc::Rc;

use repred::{Counter, Reduce, Replicated};
use serde::{Deserialize, Serialize};

#[derive(Reduce)]
struct NoSerde {
    votes: Counter,
}

#[derive(Reduce, Serialize, Deserialize)]
struct NotSend {
    votes: Counter,
    #[reduce(skip)]
    #[serde(skip)]
    shared: Rc<u8>,
}

fn needs<R: Replicated>() {}

fn main() {
    needs::<NoSerde>();
    needs::<NotSend>();
}
