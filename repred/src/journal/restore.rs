//! [`Restore`]: makes a core what the records of a log say.

use super::{error::OpenError, known_peers::KnownPeers, location::Location, record::Record};
use crate::{
    core::Core,
    id::ReplicaId,
    protocol::{take_frame, take_plain},
    reduce::Replicated,
    session::{BackupReader, SessionConfig, SessionError},
    time::{MAX_WALL, Now, Time},
    unknowns::UnknownKind,
};

/// Applies the records of a log to a new core, and decides which id the core has from then on.
///
/// Going on under the id of the log is safe only if no replica has seen an update of that id that is not in the log:
/// otherwise the next update would get the name of one that exists. So the log must have been written with every
/// update durable before it was sent, or have been closed; and nothing whole may be missing at its end.
pub(super) struct Restore {
    loading: BackupReader,
    now: Now,
    /// The id under which the log was written last.
    id: Option<ReplicaId>,
    /// Where the log was when it was opened last.
    pub(super) place: Option<Location>,
    /// The last record says that the log was closed.
    is_closed: bool,
    /// Whoever opened the log last promised that nothing is sent before it is durable.
    is_strict: bool,
    latest: Time,
    /// The end of the log's initial content, its snapshot or its entries; 0 if that is incomplete.
    pub(super) base: u64,
    pub(super) peers: KnownPeers,
}

impl Restore {
    pub(super) fn new(config: SessionConfig, now: Now) -> Self {
        Self {
            loading: BackupReader::log(config),
            // The limit on times far ahead is for peers. What was accepted once is accepted again, also if the wall
            // clock was set back since.
            now: Now { wall: MAX_WALL, ..now },
            id: None,
            place: None,
            is_closed: false,
            is_strict: false,
            latest: Time::ZERO,
            base: 0,
            peers: KnownPeers::default(),
        }
    }

    pub(super) fn take<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        record: Record<'_>,
        end: u64,
    ) -> Result<(), OpenError> {
        self.is_closed = record == Record::Closed;
        match record {
            Record::Opened { is_strict, id, place } => {
                self.note_former(core, id);
                (self.id, self.is_strict) = (Some(id), is_strict);
                self.place = Location::decode(place);
                self.loading.begin_again();
            }
            Record::Named { id } => {
                self.note_former(core, id);
                self.id = Some(id);
            }
            Record::Batch { latest, attributes, messages } => {
                if !attributes.former_ids.is_empty() {
                    let former = take_plain(&mut &*attributes.former_ids, usize::MAX);
                    let former = former.map_err(SessionError::from)?;
                    core.set_own_ids(former.iter().collect());
                }
                self.latest = latest.max(self.latest);
                self.messages(core, messages)?;
                if self.base == 0 && self.loading.is_complete() {
                    self.base = end;
                }
            }
            Record::Peers { known } => {
                self.peers.add(KnownPeers::decode(known).map_err(SessionError::from)?);
            }
            Record::Unknown { kind, bytes } => {
                core.keep_unknown(UnknownKind::Record, &[&[kind], bytes].concat());
            }
            Record::Closed => {}
        }
        Ok(())
    }

    /// If what is written from now on has another id than this, what was written before is ours as well.
    fn note_former<R: Replicated>(&self, core: &mut Core<R>, next: ReplicaId) {
        if let Some(former) = self.id.filter(|id| *id != next) {
            core.note_former_id(former);
        }
    }

    fn messages<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut bytes: &[u8],
    ) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            let message = take_frame(&mut bytes)
                .ok_or(SessionError::Malformed { expected: "whole messages" })?;
            self.loading.handle_message(core, message, self.now)?;
        }
        Ok(())
    }

    /// Ends the log, and gives the core its id: that of the log, or else the new one that it has.
    /// Returns the id of the log in the latter case. `has_all` says that no record is missing at the end, and that this
    /// is no copy.
    pub(super) fn finish<R: Replicated>(
        self,
        core: &mut Core<R>,
        has_all: bool,
    ) -> Option<ReplicaId> {
        self.loading.finish(core);
        core.observe_time(self.latest);
        let keeps_id = has_all && (self.is_strict || self.is_closed);
        match self.id {
            // A newer version of this program has written updates under this id that this one defers. An update of
            // ours would be reduced before them, although its seq comes after theirs.
            Some(id) if keeps_id && !core.has_deferred_of(id) => {
                core.resume(id);
                None
            }
            former => {
                former.into_iter().for_each(|former| core.note_former_id(former));
                former
            }
        }
    }
}
