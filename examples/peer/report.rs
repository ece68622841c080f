//! [`Report`]: the lines that are printed.

use std::{
    error::Error,
    io::{self, Write},
    net::SocketAddr,
};

use serde_json::json;

/// Prints who is up and who went down, each line at once.
#[derive(Debug)]
pub(crate) struct Report {
    is_json: bool,
}

impl Report {
    /// Prints JSON, or words.
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// These were known before the restart.
    pub(crate) fn known(&mut self, addresses: impl Iterator<Item = SocketAddr>) -> io::Result<()> {
        self.list("known", addresses)
    }

    /// These are up.
    pub(crate) fn up(&mut self, addresses: impl Iterator<Item = SocketAddr>) -> io::Result<()> {
        self.list("up", addresses)
    }

    fn list(&mut self, what: &str, addresses: impl Iterator<Item = SocketAddr>) -> io::Result<()> {
        let addresses: Vec<_> = addresses.map(|address| address.to_string()).collect();
        self.line(if self.is_json {
            json!({ what: addresses }).to_string()
        } else {
            format!("{} {}", what.to_uppercase(), addresses.join(" "))
        })
    }

    /// This one fell silent.
    pub(crate) fn down(&mut self, address: SocketAddr) -> io::Result<()> {
        self.line(if self.is_json {
            json!({ "down": address.to_string() }).to_string()
        } else {
            format!("DOWN {address}")
        })
    }

    // `println!` panics when the reader of our lines is gone.
    fn line(&mut self, line: String) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }
}

/// An error and what is behind it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}
