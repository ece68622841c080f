//! [`Screen`]: what is said, and who comes and goes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, Write},
    time::Duration,
};

use futures::StreamExt;
use repred::{
    Replica, ReplicaEvent, ReplicaId, Stamp, Subscription,
    error::Unavailable,
    net::{Clock, SystemClock},
};
use tokio::time::timeout;

use crate::{Chat, ChatChanges, Failure, LIFETIME, Message};

/// Prints each message once, when it comes, and who comes and goes.
#[derive(Debug)]
pub(crate) struct Screen {
    /// The name of who looks at it.
    own: String,
    changes: Subscription<Chat>,
    /// Who else was there at the last look, and at which port.
    online: BTreeMap<String, u16>,
    /// How far each replica's messages are printed: they come in the order in which it wrote them.
    printed: BTreeMap<ReplicaId, u64>,
}

impl Screen {
    /// Shows what changes from now on.
    pub(crate) fn new(chat: &Replica<Chat>, own: String) -> Result<Self, Unavailable> {
        let changes = chat.subscribe()?;
        Ok(Self { own, changes, online: BTreeMap::new(), printed: BTreeMap::new() })
    }

    /// Prints all messages that there are, and then each new one, as soon as it is durable.
    pub(crate) async fn watch(mut self, chat: &Replica<Chat>) -> Result<Infallible, Failure> {
        self.print_all(chat).await?;
        let mut wait = LIFETIME;
        loop {
            let event = timeout(wait, self.changes.next()).await;
            wait = self.look_around(chat)?;
            match event {
                Ok(Some(event)) => self.on_event(chat, event).await?,
                Ok(None) => return Err("the chat cannot go on: start again".into()),
                // Nothing has changed, but somebody's time may be up.
                Err(_) => {}
            }
        }
    }

    /// Prints who has come and gone. Returns when to look again, at the latest.
    fn look_around(&mut self, chat: &Replica<Chat>) -> Result<Duration, Failure> {
        let now = SystemClock.wall();
        let (online, expiry) = chat.read(|chat| {
            let others = chat.online.iter(now).filter(|(name, _)| **name != self.own);
            let others = others.map(|(name, port)| (name.clone(), *port));
            (others.collect::<BTreeMap<_, _>>(), chat.online.next_expiry(now))
        })?;
        for (name, port) in online.iter().filter(|(name, _)| !self.online.contains_key(*name)) {
            line(&format!("* {name} is here, at port {port}"))?;
        }
        for name in self.online.keys().filter(|name| !online.contains_key(*name)) {
            line(&format!("* {name} is gone"))?;
        }
        self.online = online;
        Ok(expiry.map_or(LIFETIME, |expiry| expiry.since(now)))
    }

    /// Prints the message of an event.
    async fn on_event(
        &mut self,
        chat: &Replica<Chat>,
        event: ReplicaEvent<ChatChanges>,
    ) -> Result<(), Failure> {
        let ReplicaEvent::Changed { stamp, changes, .. } = event else {
            // More has changed at once than the subscription holds: print whatever is not printed yet.
            return self.print_all(chat).await;
        };
        if let ChatChanges::Messages(changes) = &*changes
            && let Some(message) = &changes.event
        {
            chat.durable()?.await?;
            self.print(stamp, message)?;
        }
        Ok(())
    }

    async fn print_all(&mut self, chat: &Replica<Chat>) -> Result<(), Failure> {
        let messages = chat.read(|chat| chat.messages.clone())?;
        chat.durable()?.await?;
        messages.iter().try_for_each(|(stamp, message)| self.print(stamp, message))
    }

    fn print(&mut self, stamp: Stamp, message: &Message) -> Result<(), Failure> {
        let printed = self.printed.entry(stamp.origin()).or_default();
        if stamp.dot.seq > *printed {
            *printed = stamp.dot.seq;
            line(&format!("{}: {}", message.name, message.text))?;
        }
        Ok(())
    }
}

/// Prints a line, without what could lead a terminal astray: others have written it.
fn line(line: &str) -> io::Result<()> {
    let line: String = line.chars().filter(|char| !char.is_control()).collect();
    // `println!` panics when the reader of our lines is gone.
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
