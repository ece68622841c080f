//! [`Arguments`]: what the command line says.

use std::{fmt, path::PathBuf};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Shows what is said by whoever runs this, and says what you type.

usage: cargo run --example chat -- [options] NAME PORT [PEER_PORT..]

  NAME       what you are called
  PORT       the port on 127.0.0.1 to listen on
  PEER_PORT  the port of somebody to connect to, who may be started later
  --data DIR keep what was said in this folder, and print it again at the next start
  --stay     go on listening when there is nothing more to read, until Ctrl-C
  --help     print this

for example, each in a terminal of its own:

  cargo run --example chat -- ann 9001
  cargo run --example chat -- bob 9002 9001
  cargo run --example chat -- cat 9003 9002";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Who types.
    pub(crate) name: String,
    /// Where to listen.
    pub(crate) port: u16,
    /// Whom to connect to.
    pub(crate) peers: Vec<u16>,
    /// Whether to go on when nothing more is typed.
    pub(crate) stays: bool,
    /// Where to keep what was said.
    pub(crate) data: Option<PathBuf>,
}

impl Arguments {
    /// Reads the command line; `None` if only help is wanted.
    pub(crate) fn parse(
        mut words: impl Iterator<Item = String>,
    ) -> Result<Option<Self>, UsageError> {
        let (mut stays, mut data) = (false, None);
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--stay" => stays = true,
                "--data" => data = Some(folder(words.next())?),
                option if option.starts_with('-') => return Err(UsageError::UnknownOption(word)),
                _ => rest.push(word),
            }
        }
        let mut rest = rest.into_iter();
        let name = name(rest.next().ok_or(UsageError::NoName)?)?;
        let own = port(rest.next().ok_or(UsageError::NoPort)?)?;
        let peers = rest.map(port).collect::<Result<Vec<_>, _>>()?;
        if peers.contains(&own) {
            return Err(UsageError::Itself(own));
        }
        Ok(Some(Self { name, port: own, peers, stays, data }))
    }
}

fn name(word: String) -> Result<String, UsageError> {
    let is_blank = word.trim().is_empty() || word.contains(char::is_control);
    if is_blank { Err(UsageError::BadName(word)) } else { Ok(word) }
}

fn folder(word: Option<String>) -> Result<PathBuf, UsageError> {
    // What begins like an option is more likely one that follows than a folder.
    let word = word.filter(|word| !word.is_empty() && !word.starts_with('-'));
    word.map(PathBuf::from).ok_or(UsageError::NoFolder)
}

fn port(word: String) -> Result<u16, UsageError> {
    match word.parse() {
        Ok(0) | Err(_) => Err(UsageError::BadPort(word)),
        Ok(port) => Ok(port),
    }
}

/// What is wrong with the command line.
#[derive(Debug)]
pub(crate) enum UsageError {
    /// There is no name.
    NoName,
    /// This is not a name.
    BadName(String),
    /// There is no port to listen on.
    NoPort,
    /// This is not a port.
    BadPort(String),
    /// The port to listen on is among those to connect to.
    Itself(u16),
    /// There is no folder after `--data`.
    NoFolder,
    /// There is no such option.
    UnknownOption(String),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("what are you called? give a name and a port: ann 9001"),
            Self::BadName(word) => write!(f, "{word:?} is no name: give one that can be read"),
            Self::NoPort => {
                f.write_str("which port to listen on? give one after the name, such as 9001")
            }
            Self::BadPort(word) => write!(f, "`{word}` is no port: give a number from 1 to 65535"),
            Self::Itself(port) => {
                write!(f, "you cannot connect to yourself: give a PEER_PORT other than {port}")
            }
            Self::NoFolder => {
                f.write_str("--data wants a folder after it, which is made if need be")
            }
            Self::UnknownOption(word) => write!(f, "there is no option {word}"),
        }
    }
}

impl std::error::Error for UsageError {}
