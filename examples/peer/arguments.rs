//! [`Arguments`]: what the command line says.

use std::{fmt, path::PathBuf, time::Duration};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Shows who is up, among peers that find each other from one to the next.

usage: cargo run --release --example peer -- [options] PORT [FIRST]

  PORT         the port on 127.0.0.1 to listen on
  FIRST        the port of a peer to connect to first; it may be started later
  --beat-ms N  milliseconds between two heartbeats, the same for all peers [1000]
  --data DIR   keep the replica in this folder, and continue from it at the next start
  --recover    go on with what can be read if the folder is damaged
  --json       print {\"up\":[..]} and {\"down\":\"..\"} instead of UP .. and DOWN ..
  --help       print this

for example, each in a terminal of its own:

  cargo run --release --example peer -- 9001
  cargo run --release --example peer -- 9002 9001
  cargo run --release --example peer -- 9003 9002";

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Where to listen.
    pub(crate) port: u16,
    /// Whom to connect to first.
    pub(crate) first: Option<u16>,
    /// The time between two heartbeats.
    pub(crate) beat: Duration,
    /// Whether to print JSON.
    pub(crate) is_json: bool,
    /// Where to keep the replica.
    pub(crate) data: Option<PathBuf>,
    /// Whether to go on with what can be read there.
    pub(crate) recovers: bool,
}

impl Arguments {
    /// Reads the command line; `None` if only help is wanted.
    pub(crate) fn parse(
        mut words: impl Iterator<Item = String>,
    ) -> Result<Option<Self>, UsageError> {
        let mut ports = Vec::new();
        let mut beat = Duration::from_secs(1);
        let (mut is_json, mut data, mut recovers) = (false, None, false);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--json" => is_json = true,
                "--data" => data = Some(folder(words.next())?),
                "--recover" => recovers = true,
                "--beat-ms" => beat = milliseconds(words.next())?,
                option if option.starts_with('-') => return Err(UsageError::UnknownOption(word)),
                _ => ports.push(port(word)?),
            }
        }
        let (port, first) = match ports[..] {
            [] => return Err(UsageError::NoPort),
            [port] => (port, None),
            [port, first] if port == first => return Err(UsageError::Itself(port)),
            [port, first] => (port, Some(first)),
            [_, _, third, ..] => return Err(UsageError::TooManyPorts(third)),
        };
        if recovers && data.is_none() {
            return Err(UsageError::NothingToRecover);
        }
        Ok(Some(Self { port, first, beat, is_json, data, recovers }))
    }
}

fn port(word: String) -> Result<u16, UsageError> {
    match word.parse() {
        Ok(0) | Err(_) => Err(UsageError::BadPort(word)),
        Ok(port) => Ok(port),
    }
}

fn folder(word: Option<String>) -> Result<PathBuf, UsageError> {
    // What begins like an option is more likely one that follows than a folder.
    let word = word.filter(|word| !word.is_empty() && !word.starts_with('-'));
    word.map(PathBuf::from).ok_or(UsageError::NoFolder)
}

fn milliseconds(word: Option<String>) -> Result<Duration, UsageError> {
    let number: Option<u32> = word.as_ref().and_then(|word| word.parse().ok());
    match number {
        None | Some(0) => Err(UsageError::BadBeat(word)),
        Some(number) => Ok(Duration::from_millis(number.into())),
    }
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UsageError {
    /// There is no port to listen on.
    NoPort,
    /// This is not a port.
    BadPort(String),
    /// Both ports are this one.
    Itself(u16),
    /// There is a third port.
    TooManyPorts(u16),
    /// This is no time between beats.
    BadBeat(Option<String>),
    /// There is no folder after `--data`.
    NoFolder,
    /// There is no folder to recover.
    NothingToRecover,
    /// There is no such option.
    UnknownOption(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort => f.write_str("which port to listen on? give it one, such as 9001"),
            Self::BadPort(word) => write!(f, "`{word}` is no port: give a number from 1 to 65535"),
            Self::Itself(port) => {
                write!(f, "a peer cannot connect to itself: give a FIRST other than {port}")
            }
            Self::TooManyPorts(port) => write!(
                f,
                "one FIRST is enough: leave out {port}, which is found through the others"
            ),
            Self::BadBeat(None) => f.write_str("--beat-ms wants a number of milliseconds after it"),
            Self::BadBeat(Some(word)) => {
                write!(f, "--beat-ms wants a number of milliseconds, at least 1, not `{word}`")
            }
            Self::NoFolder => {
                f.write_str("--data wants a folder after it, which is made if need be")
            }
            Self::NothingToRecover => f.write_str("--recover wants --data DIR beside it"),
            Self::UnknownOption(word) => write!(f, "there is no option {word}"),
        }
    }
}

impl std::error::Error for UsageError {}
