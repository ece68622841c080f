//! [`KnownPeers`]: the peers of a replica, and what each has confirmed to have.

use std::collections::{BTreeMap, BTreeSet};

use super::trimming::Trimming;
use crate::{
    encoding::varint::{put_u64, take_u64},
    id::ReplicaId,
    protocol::{Attributes, Malformed, Unreadable, put_attributes, put_seen, take, take_seen},
    seen::Seen,
    time::Time,
    version::VersionVector,
};

/// The peers that were connected, and what each has confirmed to have: a low watermark, since a peer may have more.
/// [`Trimming`] is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownPeers {
    peers: BTreeMap<ReplicaId, KnownPeer>,
    /// The peers about which something is not in a batch yet.
    changed: BTreeSet<ReplicaId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownPeer {
    /// The wall time at which it was connected last.
    seen: Time,
    has: VersionVector,
}

/// The most peers that are remembered. The one that was not connected for the longest time is forgotten first: a peer
/// without a journal has a new id after each restart, so there may be any number.
const MOST: usize = 1024;

impl KnownPeers {
    /// A peer is connected, and has confirmed to have this.
    pub(super) fn note(&mut self, id: ReplicaId, has: VersionVector, now: Time) {
        self.changed.insert(id);
        self.insert(id, KnownPeer { seen: now, has });
    }

    /// Adds what a log says.
    pub(super) fn add(&mut self, others: Self) {
        others.peers.into_iter().for_each(|(id, peer)| self.insert(id, peer));
    }

    fn insert(&mut self, id: ReplicaId, peer: KnownPeer) {
        self.peers.insert(id, peer);
        if self.peers.len() > MOST {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.seen);
            if let Some(id) = oldest.map(|(&id, _)| id) {
                self.peers.remove(&id);
                self.changed.remove(&id);
            }
        }
    }

    /// The stable version: the part of `own` that every peer that `trimming` counts has acknowledged. `None` if
    /// nothing may be trimmed.
    pub(super) fn stable(
        &self,
        trimming: &Trimming,
        own: &VersionVector,
        now: Time,
    ) -> Option<VersionVector> {
        let nothing = VersionVector::new();
        let counting: Vec<&VersionVector> = match trimming {
            Trimming::Never => return None,
            Trimming::Lease(lease) => {
                let counts = |peer: &&KnownPeer| now.since(peer.seen) <= *lease;
                let peers: Vec<_> =
                    self.peers.values().filter(counts).map(|peer| &peer.has).collect();
                if peers.is_empty() {
                    return None;
                }
                peers
            }
            Trimming::Among(ids) => {
                let has = |id| self.peers.get(id).map_or(&nothing, |peer| &peer.has);
                ids.iter().map(has).collect()
            }
        };
        Some(counting.into_iter().fold(own.clone(), |stable, has| stable.common(has)))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(&self.peers)
    }

    /// Batches may have been lost, so everything is to be put into one again.
    pub(super) fn change_all(&mut self) {
        self.changed = self.peers.keys().copied().collect();
    }

    /// What is news since the last call, encoded for a batch.
    pub(super) fn take_changes(&mut self) -> Vec<u8> {
        let changed = std::mem::take(&mut self.changed);
        encode(self.peers.iter().filter(|(id, _)| changed.contains(id)))
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut peers = BTreeMap::new();
        while !bytes.is_empty() {
            let id = ReplicaId::from_bytes(take(&mut bytes)?);
            let seen = Time::from_ticks(take_u64(&mut bytes).map_err(Malformed::from)?);
            let has = take_seen(&mut bytes, usize::MAX)?.version();
            Attributes::take(&mut bytes)?.read_unknown()?;
            peers.insert(id, KnownPeer { seen, has });
        }
        Ok(Self { peers, changed: BTreeSet::new() })
    }
}

fn encode<'a>(peers: impl IntoIterator<Item = (&'a ReplicaId, &'a KnownPeer)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, KnownPeer { seen, has }) in peers {
        bytes.extend_from_slice(&id.to_bytes());
        put_u64(&mut bytes, seen.as_ticks());
        put_seen(&mut bytes, &Seen::from(has));
        put_attributes(&mut bytes, &[]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::record::HEAD, *};
    use crate::protocol::vectors;

    fn version(seqs: &[(u128, u64)]) -> VersionVector {
        seqs.iter().map(|&(id, seq)| (id.into(), seq)).collect()
    }

    fn at(seconds: u64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    fn met() -> KnownPeers {
        let mut peers = KnownPeers::default();
        peers.note(0xb.into(), version(&[(0xa, 5), (0xb, 3)]), at(100));
        peers.note(0xc.into(), version(&[(0xa, 2), (0xb, 9), (0xc, 1)]), at(10));
        peers
    }

    #[test]
    fn the_stable_version_is_what_all_counted_peers_have() {
        let own = version(&[(0xa, 7), (0xb, 3)]);
        let stable = |trimming| met().stable(&trimming, &own, at(101));
        assert_eq!(stable(Trimming::Never), None);
        let lease = |seconds| Trimming::Lease(Duration::from_secs(seconds));
        assert_eq!(stable(lease(1)), Some(version(&[(0xa, 5), (0xb, 3)])));
        assert_eq!(stable(lease(100)), Some(version(&[(0xa, 2), (0xb, 3)])));
        assert_eq!(stable(lease(0)), None, "nobody is here");
        assert_eq!(stable(Trimming::Among(Vec::new())), Some(own.clone()));
        assert_eq!(stable(Trimming::Among(vec![0xd.into()])), Some(version(&[])));
    }

    #[test]
    fn known_peers_round_trip_through_their_encoding() {
        let read = KnownPeers::decode(&met().encode()).unwrap();
        assert_eq!(read.peers, met().peers);
        let bytes = met().encode();
        assert!(KnownPeers::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn known_peers_are_as_their_vector_says() {
        let mut peers = KnownPeers::default();
        peers.note(vectors::B.into(), version(&[(vectors::A, 300)]), vectors::at(0));
        let record = vectors::vector("record-peers");
        // Behind the head, the kind and the size that was synced, up to the end.
        assert_eq!(peers.encode(), record[HEAD + 2..record.len() - 1]);
    }

    #[test]
    fn changed_peers_are_written_once_and_merged_into_the_known_ones() {
        let mut peers = met();
        let mut read = KnownPeers::decode(&peers.take_changes()).unwrap();
        assert_eq!(peers.take_changes(), []);
        peers.note(0xb.into(), version(&[(0xa, 6)]), at(200));
        let changes = peers.take_changes();
        assert!(changes.len() < peers.encode().len());
        read.add(KnownPeers::decode(&changes).unwrap());
        assert_eq!(read.peers, peers.peers);
    }

    #[test]
    fn only_the_peers_seen_last_are_remembered() {
        let mut peers = met();
        for id in 0..MOST as u128 {
            peers.note((1000 + id).into(), VersionVector::new(), at(50));
        }
        assert_eq!(peers.peers.len(), MOST);
        assert!(peers.peers.contains_key(&0xb.into()) && !peers.peers.contains_key(&0xc.into()));
    }
}
