//! [`Departed`]: what peers had confirmed when their connections ended.

use std::collections::VecDeque;

use crate::{id::ReplicaId, version::VersionVector};

/// The most peers that are remembered.
const MAX_PEERS: usize = 64;

/// The most origins of all their versions together: some megabytes.
const MAX_ORIGINS: usize = 1 << 16;

/// The peers whose connections have ended, the last to go at the end. Whoever waits for a delivery may ask when the peer
/// that has confirmed it is gone already.
#[derive(Debug, Default)]
pub(super) struct Departed {
    peers: VecDeque<Departure>,
    origins: usize,
}

/// The end of a connection.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) peer: ReplicaId,
    /// When that was, among the keys of connections and waits.
    pub(super) at: u64,
    /// Whether the peer had sent all that we lacked.
    pub(super) has_synced: bool,
    /// What the peer had confirmed to have, if anything was sent to it.
    pub(super) confirmed: Option<VersionVector>,
}

impl Departed {
    /// A connection has ended. What the peer had confirmed over another one counts still, if this one had come to
    /// nothing.
    pub(super) fn note(&mut self, departure: Departure) {
        let mut departure = departure;
        let before = self.peers.iter().position(|other| other.peer == departure.peer);
        if let Some(before) = before.and_then(|index| self.peers.remove(index)) {
            self.origins -= before.origins();
            departure.confirmed = departure.confirmed.or(before.confirmed);
            // A wait that began before then has not looked since.
            if !departure.has_synced && before.has_synced {
                (departure.has_synced, departure.at) = (true, before.at);
            }
        }
        self.origins += departure.origins();
        self.peers.push_back(departure);
        while self.peers.len() > MAX_PEERS || self.origins > MAX_ORIGINS && self.peers.len() > 1 {
            let Some(oldest) = self.peers.pop_front() else { return };
            self.origins -= oldest.origins();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Departure> {
        self.peers.iter()
    }
}

impl Departure {
    fn origins(&self) -> usize {
        self.confirmed.as_ref().map_or(0, VersionVector::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departure(peer: u128, at: u64, origins: u128) -> Departure {
        let confirmed = (0..origins).map(|origin| (origin.into(), 1)).collect();
        let confirmed = (origins > 0).then_some(confirmed);
        Departure { peer: peer.into(), at, has_synced: false, confirmed }
    }

    #[test]
    fn what_was_confirmed_outlives_a_connection_that_came_to_nothing() {
        let mut departed = Departed::default();
        departed.note(departure(7, 1, 3));
        departed.note(departure(7, 2, 0));
        let peers: Vec<_> = departed.iter().map(|peer| (peer.at, peer.origins())).collect();
        assert_eq!(peers, [(2, 3)]);
    }

    #[test]
    fn any_number_of_peers_takes_bounded_memory() {
        let mut departed = Departed::default();
        (0..1000).for_each(|peer| departed.note(departure(peer, peer as u64, 2)));
        assert_eq!((departed.peers.len(), departed.origins), (MAX_PEERS, 2 * MAX_PEERS));
        (0..10).for_each(|peer| departed.note(departure(peer, 1000, MAX_ORIGINS as u128 / 4)));
        assert_eq!((departed.peers.len(), departed.origins), (4, MAX_ORIGINS));
    }
}
