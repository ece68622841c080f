//! The smallest replicated state: a set that only grows, written as a closure, over TCP.
//!
//! Two guest lists are kept apart for a while, and both are written to. Then they are connected, and
//! each has what the other had; what is written after that arrives as it happens.
//!
//! ```text
//! cargo run --example guests
//! ```

use std::{collections::BTreeSet, error::Error};

use futures::StreamExt;
use repred::{Reducer, Replica, reducer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::TokioAsyncReadCompatExt;

type Guests = Replica<Reducer<BTreeSet<String>, String>>;

fn guests() -> Guests {
    // `insert` says whether the set has changed, which is just what a reducer has to say.
    Replica::new(reducer(BTreeSet::new(), |set, name: String| set.insert(name)))
}

fn show(whose: &str, guests: &Guests) -> Result<(), Box<dyn Error>> {
    let names = guests.read(|set| set.iter().cloned().collect::<Vec<_>>())?;
    println!("{whose} has {}", names.join(", "));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (home, office) = (guests(), guests());
    home.update("jim".to_string())?;
    home.update("pam".to_string())?;
    office.update("pam".to_string())?;
    office.update("dwight".to_string())?;
    println!("apart:");
    show("home", &home)?;
    show("office", &office)?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let outgoing = TcpStream::connect(listener.local_addr()?).await?;
    let (incoming, _) = listener.accept().await?;
    tokio::spawn(home.connect(outgoing.compat()));
    tokio::spawn(office.connect(incoming.compat()));
    home.synced().await?;
    office.synced().await?;
    println!("connected:");
    show("home", &home)?;
    show("office", &office)?;

    let mut changes = home.subscribe()?;
    office.update("kevin".to_string())?;
    changes.next().await;
    println!("one more came to the office:");
    show("home", &home)
}
