//! A counter: every vote counts exactly once, however often it arrives.
//!
//! Three replicas are connected in a ring, so each vote can reach each of the others in two ways, and one connection is
//! cut and made again. Merely adding up what arrives would count votes twice.
//!
//! ```text
//! cargo run --example counter
//! ```

use std::error::Error;

use futures::{executor::block_on, future};
use repred::{Counter, Replica, pipe};

type Votes = Replica<Counter>;

/// Connects two replicas until both have what the other had.
async fn meet(a: &Votes, b: &Votes) {
    let (left, right) = pipe(1024);
    // Dropping a connection cuts it, and harms nobody.
    let links = future::join(a.connect(left), b.connect(right));
    let both = future::join(a.synced(), b.synced());
    future::select(Box::pin(links), Box::pin(both)).await;
}

fn show(what: &str, replicas: &[Votes]) -> Result<(), Box<dyn Error>> {
    let values: Result<Vec<_>, _> =
        replicas.iter().map(|votes| votes.read(|votes| votes.value())).collect();
    println!("{what:24} {:?}", values?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let votes: [Votes; 3] = std::array::from_fn(|_| Replica::new(Counter::default()));
    for (votes, amount) in votes.iter().zip([5, -2, 10]) {
        votes.edit(|votes| votes.add(amount))?;
    }
    show("apart", &votes)?;
    block_on(async {
        meet(&votes[0], &votes[1]).await;
        show("0 and 1 have met", &votes)?;
        meet(&votes[1], &votes[2]).await;
        show("1 and 2 have met", &votes)?;
        meet(&votes[2], &votes[0]).await;
        show("2 and 0 have met", &votes)?;
        meet(&votes[0], &votes[1]).await;
        show("0 and 1 have met again", &votes)
    })
}
