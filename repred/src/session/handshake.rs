//! [`Greeting`]: what we said of ourselves, which is what the peer's answer is about.

use alloc::vec::Vec;
use core::cmp::Ordering;

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
    schema::Schema,
    seen::Seen,
    shape::{Relation, Said},
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
    fingerprint: u64,
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
        let Open { sequence_hash, content_hash, fingerprint, newest, wall, .. } = open;
        let (announced, is_rejoining) = (Vec::new(), config.rejoin.is_some());
        let greeting = Self {
            wall,
            sequence_hash,
            content_hash,
            fingerprint,
            newest,
            cursor,
            announced,
            is_rejoining,
        };
        (greeting, open)
    }

    /// What our clock said.
    pub(super) fn wall(&self) -> Time {
        self.wall
    }

    /// Whether the peer has seen the same, and the same under each name.
    pub(super) fn is_equal(&self, peer: &Open) -> bool {
        self.sequence_hash == peer.sequence_hash && self.content_hash == peer.content_hash
    }

    /// Whether the peer's types and its start are ours, as far as both have said.
    pub(super) fn has_same_shape(&self, peer: &Open) -> bool {
        self.fingerprint == peer.fingerprint || self.fingerprint == 0 || peer.fingerprint == 0
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
            false => (core.seen(), core.floor()),
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

/// How our schema is related to another that fits it.
pub(super) fn relation(ours: &Schema, theirs: &Schema) -> Relation {
    match ours.version().cmp(&theirs.version()) {
        Ordering::Equal => Relation::Same,
        Ordering::Greater => Relation::Newer,
        Ordering::Less => Relation::Older,
    }
}

/// The message that says what our types are, to a peer that takes so many bytes in a message, or to a file.
pub(super) fn description<R: Replicated>(
    core: &mut Core<R>,
    relation: Relation,
    limit: usize,
) -> Vec<u8> {
    // The kind of the message and the hash come before the text.
    let limit = limit.saturating_sub(9);
    let (start, text) = match relation {
        Relation::Same => core.said_shape(limit),
        Relation::Newer | Relation::Older => core.said_shape_with_defaults(limit),
    };
    let mut description = Vec::new();
    Message::Shape(Said { start, text: &text }).encode(&mut description);
    description
}

/// Whether what a peer or a file says of its types fits ours.
pub(super) fn check_shape<R: Replicated>(
    core: &mut Core<R>,
    said: Said<'_>,
    ours: &Schema,
    theirs: &Schema,
) -> Result<(), SessionError> {
    let checked = core.check_shape(said, relation(ours, theirs));
    let (ours, theirs) = (ours.version(), theirs.version());
    checked.map_err(|difference| SessionError::Shape { difference, ours, theirs })
}

/// What a replica says of itself, to a peer or in a file. O(origins).
pub(super) fn open<R: Replicated>(config: &SessionConfig, core: &mut Core<R>, wall: Time) -> Open {
    core.note_schema(config.schema.version());
    core.keep_tokens();
    // A replica that rejoins has nothing, as far as its peer is concerned.
    let seen = match config.rejoin {
        Some(_) => Seen::default(),
        None => core.seen(),
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
        fingerprint: core.fingerprint(),
    }
}
