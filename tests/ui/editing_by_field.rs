//! A field is read. What writes is the editor that the method of the same name returns.

use std::collections::BTreeMap;

use repred::{Counter, Reduce, Register, Replica};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    ages: BTreeMap<String, Counter>,
}

fn main() {
    let board = Replica::new(Board::default());
    let _ = board.edit(|board| {
        board.title = Register::new("Groceries".into());
        board.ages.insert("jim".into(), Counter::default());
    });
}
