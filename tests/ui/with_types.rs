use std::{path::PathBuf, time::Instant};

use repred::Reduce;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Event;

fn replace(state: &mut u64, update: u64) -> Option<u64> {
    Some(std::mem::replace(state, update))
}

fn set(state: &mut u64, update: u64) {
    *state = update;
}

fn log(events: &mut Vec<Event>, event: Event) -> Event {
    events.push(event.clone());
    event
}

fn touch(latest: &mut Vec<PathBuf>, _: Instant) -> bool {
    latest.is_empty()
}

#[derive(Reduce, Serialize, Deserialize)]
struct Board {
    #[reduce(with = replace, changes = Option<u64>)]
    replaced: u64,
    #[reduce(with = set, changes = ())]
    set: u64,
    #[reduce(with = log, update = Event, changes = Event)]
    events: Vec<Event>,
    #[reduce(with = touch, update = std::time::Instant)]
    latest: Vec<PathBuf>,
}

fn main() {}
