//! A struct of reducers is a reducer: a board with a title, votes, tags and a high score.
//!
//! The derive makes an update with a variant for each field, changes with the same variants, and an editor
//! with a method for each field, so that a board is edited like plain data. Each field goes by its own rule
//! when two write at once: the later title stays, votes add up, tags join, the highest score wins.
//!
//! ```text
//! cargo run --example derive
//! ```

use std::error::Error;

use futures::{executor::block_on, future};
use repred::{Counter, GrowSet, Reduce, Register, Replica, pipe};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Debug, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    tags: GrowSet<String>,
    /// A plain value and a function.
    #[reduce(with = max)]
    high_score: u64,
    /// Where this user has scrolled to is nobody else's business: it is neither written nor sent.
    #[reduce(skip)]
    #[serde(skip)]
    scrolled_to: usize,
}

fn max(highest: &mut u64, score: u64) -> bool {
    let is_higher = score > *highest;
    *highest = score.max(*highest);
    is_higher
}

fn main() -> Result<(), Box<dyn Error>> {
    let ann = Replica::new(Board { scrolled_to: 7, ..Board::default() });
    let bob = Replica::new(Board::default());

    ann.edit(|board| {
        board.title().set("Groceries");
        board.votes().add(2);
        board.high_score(70);
    })?;
    // An edit is one atomic step: a peer has all of it or nothing. What is written can be read at once.
    bob.edit(|board| {
        board.title().set("Shopping");
        board.tags().insert("food");
        let votes = 2 + board.tags.len() as i64;
        board.votes().add(votes);
    })?;
    // An edit is made of updates, which can be written themselves.
    bob.update(BoardUpdate::HighScore(50))?;

    block_on(async {
        let (left, right) = pipe(1024);
        let links = future::join(ann.connect(left), bob.connect(right));
        let both = future::join(ann.synced(), bob.synced());
        future::select(Box::pin(links), Box::pin(both)).await;
    });

    for (name, board) in [("ann", &ann), ("bob", &bob)] {
        board.read(|board| {
            let Board { title, votes, tags, high_score, scrolled_to } = board;
            println!("{name} sees {title:?}, {votes} votes, {tags:?}");
            println!("    the high score is {high_score}; {name} is at line {scrolled_to}");
        })?;
    }
    Ok(())
}
