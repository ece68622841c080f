//! [`Members`]: the replicated state, which is the last heartbeat of each address.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use repred::{Overwrote, Reduce, Stamp};
use serde::{Deserialize, Serialize};

/// The last heartbeat of each address.
///
/// An update is the address whose heart beats; when, and under which replica id, is in its stamp. A beat
/// makes the one before it obsolete, so the history holds one entry an address, however long it goes on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Members {
    beats: BTreeMap<SocketAddr, Stamp>,
}

impl Members {
    /// The last beat of each address, by address.
    pub(crate) fn beats(&self) -> impl Iterator<Item = (SocketAddr, Stamp)> {
        self.beats.iter().map(|(&address, &beat)| (address, beat))
    }

    /// The last beat of an address.
    pub(crate) fn beat(&self, address: SocketAddr) -> Option<Stamp> {
        self.beats.get(&address).copied()
    }

    /// Whether this beat is not much older than the latest of all.
    ///
    /// No clock is asked. A stamp is never earlier than what its author had seen, so those of a peer that
    /// is alive and in touch stay close to the latest, however wrong its clock is.
    pub(crate) fn is_recent(&self, beat: Stamp, within: Duration) -> bool {
        let latest = self.beats.values().max();
        latest.is_none_or(|latest| latest.time.since(beat.time) < within)
    }
}

impl Reduce for Members {
    type Update = SocketAddr;
    type Changes = Overwrote;

    fn reduce(&mut self, address: SocketAddr, beat: Stamp) -> Overwrote {
        // A peer that was started again has another id, but the same address: its beats are concurrent
        // with its former ones, of which the last may come late.
        if self.beat(address) > Some(beat) {
            return Overwrote::nothing();
        }
        let old = self.beats.insert(address, beat);
        Overwrote::old(old.map(|old| old.dot))
    }
}
