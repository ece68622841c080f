//! A board of cards to vote on, edited by two who are cut off from each other and then meet again.
//!
//! It is edited like plain data, nested as it is, and what each step changed is printed as JSON: the changes
//! that the derive makes can be serialized. While they are apart, one removes a card that the other votes for, both
//! write the title, and both add tags. When they connect, each gets the changes of its own state, and the states are equal.
//!
//! ```text
//! cargo run --example votes
//! ```

use std::error::Error;

use futures::{FutureExt, StreamExt, executor::block_on, future};
use repred::{
    Counter, Map, Reduce, Register, Replica, ReplicaEvent, Set, Subscription, edit::DynPlace, pipe,
};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    cards: Map<u32, Card>,
}

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Card {
    text: Register<String>,
    votes: Counter,
    tags: Set<String>,
}

/// A person with a replica of the board and a subscription to its changes.
struct Person {
    name: &'static str,
    board: Replica<Board>,
    changes: Subscription<Board>,
}

impl Person {
    fn new(name: &'static str) -> Result<Self, Box<dyn Error>> {
        let board = Replica::new(Board::default());
        let changes = board.subscribe()?;
        Ok(Self { name, board, changes })
    }

    /// Edits the board in one step, and shows what that changed.
    fn edit(
        &mut self,
        what: &str,
        edit: impl FnOnce(&mut BoardEditor<DynPlace<'_, Board>>),
    ) -> Result<(), Box<dyn Error>> {
        println!("{} {what}", self.name);
        self.board.edit(edit)?;
        self.show_changes()
    }

    /// Shows what has changed since the last call, by local and remote edits.
    fn show_changes(&mut self) -> Result<(), Box<dyn Error>> {
        let mut is_quiet = true;
        // What has changed already comes without waiting.
        while let Some(Some(event)) = self.changes.next().now_or_never() {
            is_quiet = false;
            match event {
                ReplicaEvent::Changed { changes, .. } => {
                    println!("    {}", serde_json::to_string(&*changes)?);
                }
                _ => println!("    too much to tell"),
            }
        }
        if is_quiet {
            println!("    nothing new");
        }
        Ok(())
    }
}

/// Connects two until each has what the other had; then the connection is cut.
fn meet(ann: &mut Person, bob: &mut Person) -> Result<(), Box<dyn Error>> {
    let (left, right) = pipe(1024);
    let links = future::join(ann.board.connect(left), bob.board.connect(right));
    let both = future::join(ann.board.synced(), bob.board.synced());
    block_on(future::select(Box::pin(links), Box::pin(both)));
    [ann, bob].into_iter().try_for_each(|person| {
        println!("{} sees", person.name);
        person.show_changes()
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut ann, mut bob) = (Person::new("ann")?, Person::new("bob")?);

    ann.edit("writes two cards", |board| {
        board.title().set("Lunch");
        board.cards().entry(1).text().set("soup");
        let mut cards = board.cards();
        let mut card = cards.entry(2);
        card.text().set("salad");
        card.votes().add(1);
    })?;
    println!("\nthey meet");
    meet(&mut ann, &mut bob)?;

    println!("\nthey are apart");
    ann.edit("takes the salad away, and tags the soup", |board| {
        board.cards().remove(&2);
        board.cards().entry(1).tags().insert("hot");
        board.title().set("Lunch on Monday");
    })?;
    bob.edit("votes for both, and tags the soup too", |board| {
        board.cards().entry(1).votes().add(1);
        board.cards().entry(2).votes().add(1);
        board.cards().entry(1).tags().insert("vegan");
        board.title().set("Lunch at noon");
    })?;

    println!("\nthey meet again");
    meet(&mut ann, &mut bob)?;

    let board = ann.board.read(Board::clone)?;
    assert_eq!(board, bob.board.read(Board::clone)?);
    println!("\nboth have the same: {}", board.title);
    for (number, Card { text, votes, tags }) in board.cards.iter() {
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        println!("    card {number}: {text:?}, votes {votes}, tags {tags:?}");
    }
    Ok(())
}
