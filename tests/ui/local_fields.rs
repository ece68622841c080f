use repred::{Counter, Reduce, Register};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Serialize, Deserialize)]
struct Board {
    #[reduce(skip)]
    cache: Vec<u8>,
    #[reduce(skip)]
    #[serde(skip_serializing)]
    half: Vec<u8>,
    #[serde(skip)]
    lost: Counter,
    #[serde(default, skip_deserializing)]
    half_lost: Counter,
    #[serde(default, skip_serializing_if = "is_empty")]
    now_and_then: Register<String>,
}

fn is_empty(text: &Register<String>) -> bool {
    text.value().is_empty()
}

fn main() {}
