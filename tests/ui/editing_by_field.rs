use repred::{Counter, Flag, Map, Reduce, Register, Replica, Set};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Default, Serialize, Deserialize)]
struct Card {
    text: Register<String>,
    tags: Set<String>,
}

#[derive(Reduce, Clone, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    is_open: Flag,
    tags: Set<String>,
    cards: Map<u32, Card>,
}

fn main() {
    let board = Replica::new(Board::default());
    let _ = board.edit(|board| {
        board.title.set("Groceries");
        board.votes.add(1);
    });
}
