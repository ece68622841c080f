//! [`Roster`]: who is alive, as far as this peer has heard.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use repred::Stamp;

use crate::members::{self, Members};

/// Who is alive: ourselves, and everybody of whom a beat has come in lately.
///
/// *Lately* is since it came in, by a clock of our own that does not step. The last beat of a peer that is
/// long dead comes in too, when we start, and when a split of the network ends: a beat that is no longer
/// recent does not count.
#[derive(Debug)]
pub(crate) struct Roster {
    own: SocketAddr,
    patience: Duration,
    /// The last beat of each that was looked at.
    beats: BTreeMap<SocketAddr, Stamp>,
    /// When those who are alive were heard.
    heard: BTreeMap<SocketAddr, Instant>,
    has_grown: bool,
}

impl Roster {
    /// Nobody is alive but `own`, always. Others are for `patience` after each beat that is not known yet.
    pub(crate) fn new(own: SocketAddr, patience: Duration, known: &Members) -> Self {
        Self {
            own,
            patience,
            beats: members::beats(known).collect(),
            heard: BTreeMap::from([(own, Instant::now())]),
            has_grown: false,
        }
    }

    /// Takes note of the beats that are new since the last call.
    pub(crate) fn hear(&mut self, members: &Members, now: Instant) {
        self.has_grown = false;
        let latest = members::latest(members);
        for (address, beat) in members::beats(members) {
            let is_new = self.beats.insert(address, beat) != Some(beat);
            if is_new && members.get(&address, latest).is_some() {
                self.has_grown |= self.heard.insert(address, now).is_none();
            }
        }
    }

    /// Whether somebody came to life at the last [`hear`](Self::hear).
    pub(crate) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// Those who were alive and have been silent for too long; they no longer are.
    pub(crate) fn drop_silent(&mut self, now: Instant) -> Vec<SocketAddr> {
        let (own, patience) = (self.own, self.patience);
        let mut silent = Vec::new();
        self.heard.retain(|&address, heard| {
            let is_alive = address == own || now < *heard + patience;
            if !is_alive {
                silent.push(address);
            }
            is_alive
        });
        silent
    }

    /// When the next one will have been silent for too long, at the earliest.
    pub(crate) fn next_silence(&self) -> Instant {
        let others = self.heard.iter().filter(|(address, _)| **address != self.own);
        let earliest = others.map(|(_, heard)| *heard).min();
        earliest.unwrap_or_else(Instant::now) + self.patience
    }

    /// Those who are alive, by address.
    pub(crate) fn alive(&self) -> impl Iterator<Item = SocketAddr> {
        self.heard.keys().copied()
    }
}
