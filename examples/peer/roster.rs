//! [`Roster`]: who is alive, as far as this peer knows.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use repred::Stamp;

use crate::members::{self, Members};

/// Which peers are alive: this one, and every peer whose last beat arrived recently.
///
/// *Recently* is measured from the arrival, by a local clock that does not step. The last beat of a peer that is long
/// dead arrives, too, at the start and after a network partition: a beat whose stamp is old does not count.
#[derive(Debug)]
pub(crate) struct Roster {
    own: SocketAddr,
    patience: Duration,
    /// The last beat of each that was looked at.
    beats: BTreeMap<SocketAddr, Stamp>,
    /// When the last beat of each peer that is alive arrived.
    last_beat: BTreeMap<SocketAddr, Instant>,
    has_grown: bool,
}

impl Roster {
    /// Only `own` is alive, always. Any other peer is alive for `patience` after each new beat.
    pub(crate) fn new(own: SocketAddr, patience: Duration, known: &Members) -> Self {
        Self {
            own,
            patience,
            beats: members::beats(known).collect(),
            last_beat: BTreeMap::from([(own, Instant::now())]),
            has_grown: false,
        }
    }

    /// Reads the beats that are new since the last call.
    pub(crate) fn update(&mut self, members: &Members, now: Instant) {
        self.has_grown = false;
        let latest = members::latest(members);
        for (address, beat) in members::beats(members) {
            let is_new = self.beats.insert(address, beat) != Some(beat);
            if is_new && members.get(&address, latest).is_some() {
                self.has_grown |= self.last_beat.insert(address, now).is_none();
            }
        }
    }

    /// Whether a peer came to life at the last [`update`](Self::update).
    pub(crate) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// Removes the peers that have been silent for too long, and returns them.
    pub(crate) fn drop_silent(&mut self, now: Instant) -> Vec<SocketAddr> {
        let (own, patience) = (self.own, self.patience);
        let mut silent = Vec::new();
        self.last_beat.retain(|&address, last_beat| {
            let is_alive = address == own || now < *last_beat + patience;
            if !is_alive {
                silent.push(address);
            }
            is_alive
        });
        silent
    }

    /// The earliest time at which a peer may have been silent for too long.
    pub(crate) fn next_silence(&self) -> Instant {
        let others = self.last_beat.iter().filter(|(address, _)| **address != self.own);
        let earliest = others.map(|(_, last_beat)| *last_beat).min();
        earliest.unwrap_or_else(Instant::now) + self.patience
    }

    /// The peers that are alive, by address.
    pub(crate) fn alive(&self) -> impl Iterator<Item = SocketAddr> {
        self.last_beat.keys().copied()
    }
}
