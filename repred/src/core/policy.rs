//! [`ReceivePolicy`]: how updates from outside are received.

use crate::{time::Time, version::VersionVector};

/// How updates from outside are received: from a peer, a backup, or the log of this replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceivePolicy<'a> {
    /// The time now. An update whose time is too far ahead of it is refused.
    pub(crate) wall: Time,
    pub(crate) if_unknown: IfUnknown,
    /// What the state has reduced before its entries arrive: they are kept, and not reduced again.
    pub(crate) in_state: Option<&'a VersionVector>,
}

/// What becomes of an update that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfUnknown {
    /// It is an error of the peer's: there is no version of the schema but ours.
    Refuse,
    /// It may be of a newer version, of which this is the newest, and is deferred.
    Defer { newest: u32 },
}

impl ReceivePolicy<'_> {
    /// For updates of other replicas, none of which the state has reduced yet.
    pub(crate) fn new(wall: Time, if_unknown: IfUnknown) -> Self {
        Self { wall, if_unknown, in_state: None }
    }
}
