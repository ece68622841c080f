use std::collections::BTreeMap;

use repred::{Reduce, Stamp};

struct Prices(BTreeMap<String, u32>);

impl Reduce for Prices {
    type Update = (String, u32);
    type Changes = Option<u32>;

    fn reduce(&mut self, (item, price): (String, u32), _: Stamp) -> Option<u32> {
        self.0.insert(item, price)
    }
}

struct Total(u64);

impl Reduce for Total {
    type Update = u64;
    type Changes = ();

    fn reduce(&mut self, amount: u64, _: Stamp) {
        self.0 += amount;
    }
}

fn main() {}
