//! The two reducers under test.

use std::collections::{HashMap, hash_map::Entry};

use repred::{Reducer, Stamp, reducer, stamped_reducer, types::Superseded};

use crate::workload::Update;

/// A map of which every update is kept: what the arena is.
pub type Plain = Reducer<HashMap<String, u64>, Update>;

/// A map of which only the last write of each key is kept.
pub type LastWriter = Reducer<HashMap<String, (Stamp, u64)>, Update, Superseded>;

/// A [`Plain`] map. With one writer there is nothing to commute.
pub fn plain() -> Plain {
    reducer(HashMap::new(), |map, (key, value): Update| map.insert(key, value) != Some(value))
}

/// A [`LastWriter`] map.
pub fn last_writer() -> LastWriter {
    stamped_reducer(HashMap::new(), |map, (key, value): Update, stamp| match map.entry(key) {
        Entry::Occupied(there) if there.get().0 > stamp => Superseded::unchanged(),
        Entry::Occupied(mut there) => Superseded::changed([there.insert((stamp, value)).0.dot]),
        Entry::Vacant(place) => {
            place.insert((stamp, value));
            Superseded::changed([])
        }
    })
}
