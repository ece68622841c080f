//! The errors of all operations. Each says what happened, what state things are in, and what to do.

#[cfg(feature = "journal")]
pub use crate::journal::{JournalError, JournalReadError, OpenError};
#[cfg(feature = "net")]
pub use crate::net::{ConnectionError, LoadError, SaveError, WaitError};
pub use crate::{
    core::{
        AdoptError, AtError, EditError, HistoryError, OrderError, ReceiveError, RejoinError,
        SnapshotError, TrimError, UpdateError,
    },
    encoding::{DecodeError, EncodeError},
    endpoint::EndpointError,
    fork::Fork,
    receipt::NotDurable,
    session::SessionError,
    shape::ShapeDifference,
    unavailable::Unavailable,
};
