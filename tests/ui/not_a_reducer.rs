use std::collections::HashMap;

use repred::{Reduce, Register};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    visits: u64,
    prices: HashMap<String, u32>,
    owner: Option<Register<String>>,
}

fn main() {}
