//! The keyboard: what is typed is said.

use std::io::{self, BufRead, IsTerminal, Write};

use futures::channel::oneshot;
use repred::Replica;

use crate::{Chat, Message};

/// Goes one line up and clears it.
const ERASE: &[u8] = b"\x1b[A\x1b[2K";

/// Says each line of the standard input. What is returned is ready at its end.
///
/// Reading blocks, so a thread does it; a replica can be shared.
pub(crate) fn read(chat: Replica<Chat>, name: String) -> oneshot::Receiver<()> {
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let is_typed = io::stdin().is_terminal() && io::stdout().is_terminal();
        if is_typed {
            eprintln!("chat: type a line to say it, Ctrl-D to leave");
        }
        for line in io::stdin().lock().split(b'\n') {
            let Ok(line) = line else { break };
            if is_typed {
                // It will be shown when it is said, with the name.
                let _ = io::stdout().write_all(ERASE);
            }
            say(&chat, &name, String::from_utf8_lossy(&line).trim());
        }
        let _ = end.send(());
    });
    ended
}

fn say(chat: &Replica<Chat>, name: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let message = Message { name: name.to_owned(), text: text.to_owned() };
    if let Err(error) = chat.edit(|chat| chat.messages().push(message)) {
        eprintln!("chat: that was not said: {error}");
    }
}
