//! [`Members`]: the replicated state, which is the last heartbeat of each address.

use std::{net::SocketAddr, time::Duration};

use repred::{Presence, Stamp, Time};

/// The last heartbeat of each address.
///
/// When a heart beat, and under which replica id, is in the stamp; there is no more to say. The history
/// holds one entry an address, however long it goes on.
pub(crate) type Members = Presence<SocketAddr, ()>;

/// Whoever was silent for this long, or at most for twice as long, is forgotten, and called no more. So a
/// split of the network may last as long, and heals by itself.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// Nobody yet. Whoever beats is there for `patience` after that.
pub(crate) fn nobody(patience: Duration) -> Members {
    Presence::with_lifetime(patience).with_retention(MEMORY.max(patience))
}

/// The last beat of each address that is remembered, by address.
pub(crate) fn beats(members: &Members) -> impl Iterator<Item = (SocketAddr, Stamp)> {
    // At the beginning of time nothing has expired.
    let addresses = members.iter(Time::ZERO).map(|(&address, ())| address);
    addresses.filter_map(|address| Some((address, members.stamp(&address)?)))
}

/// The time of the latest beat of all.
///
/// Who was there then is alive, and no clock is asked. A stamp is never earlier than what its author had
/// seen, so those of a peer that is alive and in touch stay close to the latest, however wrong its clock is.
pub(crate) fn latest(members: &Members) -> Time {
    beats(members).map(|(_, beat)| beat.time).max().unwrap_or_default()
}
