//! Two versions of one program at once: a field and a variant are new, and the older version keeps what it does not
//! know until it is upgraded.
//!
//! ```text
//! cargo run --example upgrade
//! ```

use std::error::Error;

use futures::{executor::block_on, future};
use repred::{Counter, Reduce, Register, Replica, Replicated, Schema, pipe};
use serde::{Deserialize, Serialize};

/// The program as it was.
mod old {
    use super::*;

    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) enum Phase {
        #[default]
        Open,
        Done,
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    pub(super) struct Task {
        pub(super) title: Register<String>,
        pub(super) phase: Register<Phase>,
    }

    pub(super) fn replica() -> Replica<Task> {
        Replica::builder(Task::default()).schema(Schema::new("task", 1)).build()
    }
}

/// The program as it is. Variants are added at the end, and so are fields, which have a default then.
mod new {
    use super::*;

    #[derive(Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) enum Phase {
        #[default]
        Open,
        Done,
        Blocked,
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    pub(super) struct Task {
        /// It had another name.
        #[reduce(rename = "title")]
        pub(super) name: Register<String>,
        pub(super) phase: Register<Phase>,
        #[serde(default)]
        pub(super) votes: Counter,
    }

    pub(super) fn replica() -> Replica<Task> {
        let schema = Schema::new("task", 2).grown_from(1);
        Replica::builder(Task::default()).schema(schema).build()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (older, newer) = (old::replica(), new::replica());
    older.edit(|task| task.title().set("paint the fence"))?;
    older.edit(|task| task.phase().set(old::Phase::Done))?;
    meet(&older, &newer);
    println!("the newer one understands the older one:");
    show("newer", &newer, |task| format!("{}, {:?}", task.name, task.phase))?;

    newer.edit(|task| {
        task.phase().set(new::Phase::Blocked);
        task.votes().add(3);
    })?;
    meet(&older, &newer);
    println!("the older one keeps what it does not know, and does without it:");
    show("older", &older, |task| format!("{}, {:?}", task.title, task.phase))?;

    older.edit(|task| task.title().set("paint the whole fence"))?;
    meet(&older, &newer);
    println!("what it writes meanwhile arrives:");
    show("newer", &newer, |task| format!("{}, {:?}, {} votes", task.name, task.phase, task.votes))?;

    // It is stopped; what it has is in a file, which the new program reads.
    let mut file = Vec::new();
    older.save(&mut file)?;
    let upgraded = new::replica();
    upgraded.load(&mut &*file)?;
    println!("after its upgrade it understands all:");
    show("older", &upgraded, |task| {
        format!("{}, {:?}, {} votes", task.name, task.phase, task.votes)
    })?;
    assert_eq!((upgraded.deferred()?, upgraded.state_digest()?), (0, newer.state_digest()?));
    Ok(())
}

/// Connects two replicas until each has what the other had.
fn meet<A: Replicated, B: Replicated>(one: &Replica<A>, other: &Replica<B>) {
    let (left, right) = pipe(1024);
    let links = future::join(one.connect(left), other.connect(right));
    let both = future::join(one.synced(), other.synced());
    block_on(future::select(Box::pin(links), Box::pin(both)));
}

fn show<R: Replicated>(
    name: &str,
    replica: &Replica<R>,
    text: impl FnOnce(&R) -> String,
) -> Result<(), Box<dyn Error>> {
    let (text, deferred) = (replica.read(text)?, replica.deferred()?);
    println!("  {name}: {text} ({deferred} updates deferred)");
    Ok(())
}
