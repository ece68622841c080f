//! A chat: each line reaches every replica exactly once, even one that starts later or is connected only indirectly.
//!
//! Start a few, each in a terminal of its own, and type; then stop and start some:
//!
//! ```text
//! cargo run --example chat -- ann 9001
//! cargo run --example chat -- bob 9002 9001
//! cargo run --example chat -- cat 9003 9002
//! ```
//!
//! Ann and Cat have no connection, so Bob's replica passes their lines on. When Bob is killed, the other two see that
//! he is gone, and can type on; when he is back, all three have every line. The [`keyboard`] writes lines into the
//! replica, the [`screen`] prints what changes there, and [`links`] keeps the connections.
//!
//! With `--data DIR` the replica has a journal in that folder. A line is printed only when it is durable, so every line
//! that was printed is printed again at the next start, even after a crash.

mod arguments;
mod keyboard;
mod links;
mod screen;

use std::{
    convert::Infallible,
    error::Error,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use futures::StreamExt;
use repred::{Events, PeerStatus, Presence, Reduce, Replica, Schema, net::Notices};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    time::{interval, timeout},
};

use self::{arguments::Arguments, screen::Screen};

/// What all have in common: what was said, and who is there.
#[derive(Reduce, Debug, Serialize, Deserialize)]
struct Chat {
    messages: Events<Message>,
    /// Who is there, and at which port.
    online: Presence<String, u16>,
}

/// What somebody has said.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Message {
    name: String,
    text: String,
}

/// Somebody who sends no heartbeat for this long is gone.
const LIFETIME: Duration = Duration::from_secs(3);

/// Heartbeats in that time: one may be lost while a connection is made again.
const BEATS: u32 = 4;

/// How long to wait at the end until the others have what was typed.
const PATIENCE: Duration = Duration::from_secs(3);

type Failure = Box<dyn Error + Send + Sync>;

// One thread does, beside that of the keyboard: a chat mostly waits.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            let _ = writeln!(io::stdout(), "{}", arguments::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("chat: {error}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    let listener = match links::listen(arguments.port).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("chat: {error}");
            return ExitCode::from(2);
        }
    };
    match run(arguments, listener).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, listener: TcpListener) -> Result<(), Failure> {
    let Arguments { name, port, peers, stays, data } = arguments;
    let chat = open(data.as_deref())?;
    // Before anything is written, so that it sees all of it.
    let screen = Screen::new(&chat, name.clone())?;

    tokio::spawn(tell(chat.notices()?));
    tokio::spawn(links::accept(chat.clone(), listener));
    for peer in peers {
        tokio::spawn(links::keep(chat.clone(), peer));
    }
    let typed = keyboard::read(chat.clone(), name.clone());
    let end = async {
        tokio::select! {
            _ = typed, if !stays => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let talk = async {
        tokio::select! {
            never = beat(&chat, &name, port) => match never? {},
            () = end => leave(&chat, &name, data.as_deref()).await,
        }
    };
    let result = tokio::select! {
        result = talk => result,
        // What comes in while we leave is still shown.
        never = screen.watch(&chat) => never.map(|never| match never {}),
    };
    // Links may still hold the replica, so that it would not be closed by being dropped.
    let closed = chat.close();
    result.and(closed.map_err(Failure::from))
}

/// A replica of our own, or the one that is in the folder.
fn open(data: Option<&Path>) -> Result<Replica<Chat>, Failure> {
    let online = Presence::with_lifetime(LIFETIME);
    let chat = Chat { messages: Events::default(), online };
    let builder = Replica::builder(chat).schema(Schema::new("chat", 1));
    let Some(folder) = data else { return Ok(builder.build()) };
    let opened = builder.open(folder);
    opened.map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("cannot open {}: {error}{cause}", folder.display()).into()
    })
}

/// Tells of what goes wrong where nobody waits for it.
async fn tell(mut notices: Notices<Chat>) {
    while let Some(notice) = notices.next().await {
        eprintln!("chat: {notice}");
    }
}

/// Says that we are there, again and again.
async fn beat(chat: &Replica<Chat>, name: &str, port: u16) -> Result<Infallible, Failure> {
    let mut ticks = interval(LIFETIME / BEATS);
    loop {
        ticks.tick().await;
        chat.edit(|chat| chat.online().heartbeat(name, port))?;
    }
}

/// Says that we are gone, and waits a little until the others have that and all we have said.
async fn leave(chat: &Replica<Chat>, name: &str, data: Option<&Path>) -> Result<(), Failure> {
    chat.edit(|chat| chat.online().leave(name))?;
    let own = chat.id()?;
    let has_spoken =
        chat.read(|chat| chat.messages.iter().any(|(stamp, _)| stamp.origin() == own))?;
    // What is durable can be sent after the next start.
    let has_to_tell = has_spoken && data.is_none();
    let delivered = chat.delivered();
    // A peer that we are yet to find is worth waiting for if there is something to tell.
    let delivered = if has_to_tell { delivered } else { delivered.connected() };
    let delivered = timeout(PATIENCE, delivered).await;
    // Whoever has all passes it on.
    let has_told = matches!(delivered, Ok(Ok(_))) || chat.peers()?.iter().any(has_all);
    if has_to_tell && !has_told {
        return Err("nobody is connected, so what you typed since somebody was is lost. Start a \
                    peer first, or go on listening for one with --stay, or keep it with --data"
            .into());
    }
    Ok(())
}

fn has_all(peer: &PeerStatus) -> bool {
    peer.lag == Some(0)
}
