//! A field is read as `board.title`, and edited by the method of the same name, `board.title()`.

use repred::{
    Counter, DisableFlag, Events, Flag, GrowCounter, GrowSet, LwwMap, Map, Max, MultiRegister,
    Presence, Reduce, Register, Replica, Set, TwoPhaseSet,
};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Default, Serialize, Deserialize)]
struct Card {
    text: Register<String>,
}

#[derive(Reduce, Clone, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    motto: MultiRegister<String>,
    votes: Counter,
    views: GrowCounter,
    is_open: Flag,
    is_allowed: DisableFlag,
    tags: Set<String>,
    guests: GrowSet<String>,
    tasks: TwoPhaseSet<u32>,
    cards: Map<u32, Card>,
    prices: LwwMap<String, u32>,
    chat: Events<String>,
    online: Presence<String, u16>,
    best: Max<u32>,
}

fn main() {
    let board = Replica::new(Board::default());
    let _ = board.edit(|board| {
        board.title.set("Groceries");
        board.motto.set("simple");
        board.votes.add(1);
        board.views.add(1);
        board.is_open.enable();
        board.is_allowed.set(false);
        if board.tags.insert("food") {
            board.tags.retain(|tag| tag.len() > 1);
        }
        board.guests.insert("jim");
        board.tasks.remove(7);
        board.cards.entry(7).text().set("milk");
        board.cards.remove(&7);
        board.prices.insert("tea", 3);
        board.chat.push("hello");
        board.online.heartbeat("jim", 7);
        board.best.raise(70);
    });

    // Another value than the field has.
    let _ = board.edit(|board| board.title().set(7));

    // Without a replica.
    Counter::default().add(1);
}
