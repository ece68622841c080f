use repred::{Counter, Reduce, Register, Stamp, Time};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Serialize, Deserialize)]
#[reduce(rename_all = "camelCase")]
struct Board {
    title: Register<String>,
    #[reduce(skipp)]
    cache: Vec<u8>,
    #[reduce(skip)]
    draft: String,
    #[reduce(id = 500)]
    votes: Counter,
}

// No mistake in here.
fn vote(board: &mut Board) -> BoardChanges {
    let update = BoardUpdate::Votes(1);
    board.reduce(update, Stamp::new(Time::ZERO, 0xa.into(), 1))
}

fn main() {}
