//! What two replicas say to each other, as bytes: the one place that writes and reads it.
//!
//! ```text
//! speaker   Open ──▶ Message ──▶ ItemWriter ──▶ bytes ──▶ Framing
//! listener  Open ◀── Message ◀── ItemReader ◀── bytes ◀── FrameReader
//!                       │            │
//!                       └────────────┴──▶ Assembler ──▶ Receiver    entries, skips, blocks, snapshots
//! ```
//!
//! [`Session`](crate::sans_io::Session)s exchange these messages; journals and backups store them. Numbers are
//! varints.

mod wire;
mod attributes;
mod version;
mod reason;
mod message;
mod error;
mod open;
mod items;
mod assembler;
mod replay;
mod frame;
#[cfg(test)]
pub(crate) mod vectors;
pub(crate) use self::{
    assembler::{Assembler, AssemblyLimits, ReceivedSnapshot, Receiver},
    attributes::{Attributes, put_attribute, put_attributes},
    error::ProtocolError,
    frame::{FrameError, FrameReader, take_frame},
    items::{Item, ItemReader, ItemWriter, NamedRange, OriginName, Skipped, Unit},
    message::{Acked, Cause, Kind, Message, SnapshotHead},
    open::{MAX_OPEN, Open, PROTOCOL, Speaker},
    replay::{Audience, Replay},
    version::{put_plain, put_seen, take_plain, take_seen},
    wire::{FIRST_OPEN_NUMBER, Hash, Malformed, Unreadable, Upgrade, check_unknown, take},
};
pub use self::{frame::Framing, reason::Reason};
