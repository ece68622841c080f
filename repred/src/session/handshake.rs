//! [`Greeting`]: what we said of ourselves, which is what the peer's answer is about.

use alloc::vec::Vec;

use super::{
    config::{PeerIdentity, SessionConfig},
    error::SessionError,
};
use crate::{
    core::Core,
    document::DocumentId,
    history::{Cursor, Frontier, OriginIndex},
    id::ReplicaId,
    protocol::{Message, Open},
    reduce::Replicated,
    seen::Seen,
    time::Time,
    version::VersionVector,
};

/// What we said of ourselves when a session began, which is what the peer's answer is about.
#[derive(Debug)]
pub(super) struct Greeting {
    /// To the millisecond, as the peer knows it.
    wall: Time,
    sequence_hash: u64,
    content_hash: u64,
    /// The newest version of the schema of which we may have updates.
    newest: u32,
    /// The cursor for a peer that has everything that we had when we made our open.
    cursor: Cursor,
    /// The origins of our digest, in order.
    announced: Vec<OriginIndex>,
    is_rejoining: bool,
}

impl Greeting {
    /// What a session begins with, and the message that says so. O(origins).
    pub(super) fn new<R: Replicated>(
        config: &SessionConfig,
        core: &mut Core<R>,
        wall: Time,
    ) -> (Self, Open) {
        let open = open(config, core, wall);
        let known = Frontier::all_of(core.history());
        let cursor = Cursor::at_end(core.history(), known);
        let Open { sequence_hash, content_hash, newest, wall, .. } = open;
        let (announced, is_rejoining) = (Vec::new(), config.rejoin.is_some());
        (Self { wall, sequence_hash, content_hash, newest, cursor, announced, is_rejoining }, open)
    }

    /// What our clock said.
    pub(super) fn wall(&self) -> Time {
        self.wall
    }

    /// Whether the peer has seen the same, and the same under each name.
    pub(super) fn is_equal(&self, peer: &Open) -> bool {
        self.sequence_hash == peer.sequence_hash && self.content_hash == peer.content_hash
    }

    /// Where a peer stands that had what we had.
    pub(super) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The origins of our digest, in order; none if none was sent.
    pub(super) fn announced(&self) -> &[OriginIndex] {
        &self.announced
    }

    /// The newest version of the schema that either side has announced to the other.
    pub(super) fn newest_with(&self, peer: &Open) -> u32 {
        self.newest.max(peer.newest).max(peer.schema.version())
    }

    /// Our digest, for a peer that takes so many bytes in a message.
    pub(super) fn digest<R: Replicated>(
        &mut self,
        core: &Core<R>,
        limit: usize,
    ) -> Result<Vec<u8>, SessionError> {
        let (seen, floor) = match self.is_rejoining {
            true => (Seen::default(), VersionVector::new()),
            false => (Seen::from(&core.version()), core.floor()),
        };
        let origins = seen.heads().iter().filter_map(|head| core.history().origin(head.id));
        self.announced = origins.collect();
        let mut digest = Vec::new();
        Message::Digest { seen, floor }.encode(&mut digest);
        let size = digest.len();
        if size > limit { Err(SessionError::TooLargeForPeer { size, limit }) } else { Ok(digest) }
    }

    /// Whether we can talk to a peer that says this of itself.
    pub(super) fn check(
        &self,
        peer: &Open,
        config: &SessionConfig,
        (own, document): (ReplicaId, DocumentId),
    ) -> Result<(), SessionError> {
        if peer.document != document {
            return Err(SessionError::Document { ours: document, theirs: peer.document });
        }
        if !peer.schema.fits(&config.schema) {
            let (ours, theirs) = (config.schema.clone(), peer.schema.clone());
            return Err(SessionError::Schema { ours, theirs });
        }
        if let PeerIdentity::Authenticated(authenticated) = config.identity
            && authenticated != peer.id
        {
            return Err(SessionError::OtherId { authenticated, claimed: peer.id });
        }
        if peer.id == own {
            return Err(SessionError::SameId { id: own });
        }
        if peer.discards && config.discards() {
            return Err(SessionError::BothDiscard);
        }
        Ok(())
    }
}

/// What a replica says of itself, to a peer or in a file. O(origins).
pub(super) fn open<R: Replicated>(config: &SessionConfig, core: &mut Core<R>, wall: Time) -> Open {
    core.note_schema(config.schema.version());
    // A replica that rejoins has nothing, as far as its peer is concerned.
    let seen = match config.rejoin {
        Some(_) => Seen::default(),
        None => Seen::from(&core.version()),
    };
    Open {
        schema: config.schema.clone(),
        newest: core.newest_schema(),
        id: config.rejoin.unwrap_or(core.id()),
        document: core.document(),
        sends: config.sends(),
        receives: config.receives(),
        checks: config.check_divergence.is_some(),
        discards: config.discards(),
        wall: Open::said_wall(wall),
        max_message: config.limits.message() as u64,
        max_block: config.limits.block() as u64,
        sequence_hash: seen.sequence_hash(),
        content_hash: seen.content_hash(),
        fingerprint: 0,
    }
}
