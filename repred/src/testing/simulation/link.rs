//! [`Link`]: two sessions and what is on its way between them.

use std::collections::VecDeque;

use super::audited::Audited;
use crate::{
    core::Core,
    id::ReplicaId,
    protocol::{Item, ItemReader, Kind, Unreadable},
    session::{Session, SessionConfig, SessionError, WriteProgress},
    time::Now,
};

/// Two sessions and what is on its way between them.
pub(crate) struct Link {
    /// Which replicas it joins.
    pub(crate) ends: [usize; 2],
    pub(crate) sessions: [Session; 2],
    /// On their way towards each end.
    pub(crate) flights: [VecDeque<Flight>; 2],
    /// Whether nothing arrives at an end.
    pub(crate) is_blocked: [bool; 2],
    /// Whether a block has begun to arrive at an end, and not ended.
    is_in_block: [bool; 2],
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    /// When it arrives.
    pub(crate) due: u64,
    pub(crate) message: Vec<u8>,
}

impl Link {
    pub(crate) fn new(
        ends: [usize; 2],
        configs: [SessionConfig; 2],
        cores: [&mut Core<Audited>; 2],
        now: [Now; 2],
    ) -> Self {
        let [config_a, config_b] = configs;
        let [core_a, core_b] = cores;
        let sessions =
            [Session::new(config_a, core_a, now[0]), Session::new(config_b, core_b, now[1])];
        Self {
            ends,
            sessions,
            flights: Default::default(),
            is_blocked: [false; 2],
            is_in_block: [false; 2],
        }
    }

    /// The end at which a replica is.
    pub(crate) fn end_of(&self, replica: usize) -> Option<usize> {
        self.ends.iter().position(|end| *end == replica)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flights.iter().all(VecDeque::is_empty)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.flights.iter().map(|flight| flight.len() as u64).sum()
    }

    /// The next message of an end.
    pub(crate) fn poll(
        &mut self,
        end: usize,
        core: &mut Core<Audited>,
        now: Now,
    ) -> Result<Option<Vec<u8>>, SessionError> {
        let mut message = Vec::new();
        let session = &mut self.sessions[end];
        if !session.poll_message(core, now, &mut message)? {
            return Ok(None);
        }
        session.handle_sent(WriteProgress::Complete, now);
        Ok(Some(message))
    }

    /// How many entries of a message, which has just arrived at an end, are to be applied each by itself. `None` if that
    /// cannot be counted, because a block ends in it.
    pub(crate) fn count_single_entries(
        &mut self,
        end: usize,
        message: &[u8],
    ) -> Result<Option<u64>, Unreadable> {
        let (Kind::Items, body) = Kind::split(message)? else { return Ok(None) };
        let (mut items, mut count, mut has_ended) = (ItemReader::new(body, 1 << 20), 0, false);
        while let Some(item) = items.next()? {
            match item {
                Item::Run(..) => {
                    while items.next_entry()?.is_some() {
                        count += u64::from(!self.is_in_block[end]);
                    }
                }
                Item::Begin => self.is_in_block[end] = true,
                Item::Commit | Item::Abandon => {
                    self.is_in_block[end] = false;
                    has_ended = true;
                }
                Item::Skip(_) | Item::Edit(_) | Item::Epoch(..) | Item::Unknown(_) => {}
            }
        }
        Ok((!has_ended).then_some(count))
    }

    /// What one end was told that the other has of an origin.
    pub(crate) fn claimed(&self, end: usize, core: &Core<Audited>, origin: ReplicaId) -> u64 {
        self.sessions[end].acked_seq(core, origin)
    }
}
