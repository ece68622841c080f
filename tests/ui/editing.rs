//! What goes wrong with editing.

use repred::{Map, Max, Reduce, Register, Replica, Stamp};
use serde::{Deserialize, Serialize};

/// Written by hand, and not editable.
#[derive(Default, Serialize, Deserialize)]
struct Points(i64);

impl Reduce for Points {
    type Update = i8;
    type Changes = bool;

    fn reduce(&mut self, n: i8, _stamp: Stamp) -> bool {
        self.0 += i64::from(n);
        n != 0
    }
}

#[derive(Reduce, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    points: Points,
}

#[derive(Reduce, Default, Serialize, Deserialize)]
struct Card {
    text: Register<String>,
}

#[derive(Reduce, Clone, Default, Serialize, Deserialize)]
struct Scored {
    best: Max<u8>,
}

// A value that cannot be removed.
#[derive(Reduce, Default, Serialize, Deserialize)]
struct Game {
    players: Map<u32, Scored>,
}

fn main() {
    // A field that cannot be edited.
    let board = Replica::new(Board::default());
    let _ = board.edit(|board| board.points().update(1));

    // A value that cannot be put back.
    let cards = Replica::new(Map::<u32, Card>::default());
    let _ = cards.edit(|cards| cards.entry(1).text().set("milk"));
}
