use repred::Reduce;
use serde::{Deserialize, Serialize};

fn one(state: &mut u64) -> bool {
    *state += 1;
    true
}

fn wrong(state: &mut u64, update: String) -> bool {
    *state = update.len() as u64;
    true
}

fn optional(state: &mut u64, update: u64) -> Option<u64> {
    Some(std::mem::replace(state, update))
}

fn unit(state: &mut u64, update: u64) {
    *state = update;
}

#[derive(Reduce, Serialize, Deserialize)]
struct Board {
    #[reduce(with = one)]
    one: u64,
    #[reduce(with = wrong)]
    wrong: u64,
    #[reduce(with = optional)]
    optional: u64,
    #[reduce(with = unit)]
    unit: u64,
}

fn main() {}
