//! Messages between replicas, and what a liar makes of them.

use super::World;
use crate::{
    protocol::Kind,
    session::SessionError,
    testing::simulation::{
        Broken, Guarantee,
        faults::{Durability, Lies, Trims},
        ledger::seq,
        link::{Flight, Link},
        trace::name,
    },
};

impl World<'_> {
    /// Some messages move on one link.
    pub(super) fn exchange(&mut self, _at: usize) -> Result<(), Broken> {
        if self.links.is_empty() {
            return Ok(());
        }
        let link = self.chance.below(self.links.len() as u64) as usize;
        for _ in 0..=self.chance.below(4) {
            let end = self.chance.below(2) as usize;
            if !self.send_next(link, end)? || !self.deliver(link, 1 - end)? {
                break;
            }
        }
        Ok(())
    }

    /// One end says its next message, if it has one. False if that was the end of the link.
    pub(super) fn send_next(&mut self, link: usize, end: usize) -> Result<bool, Broken> {
        let at = self.links[link].ends[end];
        if self.mix.durability == Durability::Strict {
            self.put_on_disk(at)?;
        }
        let now = self.now_of(at);
        let node = &mut self.nodes[at];
        let Some(core) = &mut node.core else { return Ok(true) };
        let before = (core.history().end(), core.history().numbering());
        let polled = self.links[link].poll(end, core, now);
        // What has waited for its time may have been received.
        if before != (core.history().end(), core.history().numbering()) {
            node.is_dirty = true;
            if self.mix.durability == Durability::Strict {
                self.put_on_disk(at)?;
            }
        }
        let message = match polled {
            Ok(None) => return Ok(true),
            Ok(Some(message)) => message,
            Err(error) => return self.over(link, &error).map(|()| false),
        };
        self.counts.messages += 1;
        self.counts.bytes += message.len() as u64;
        self.counts.note(&message);
        for message in self.lie(at, message) {
            self.send(link, end, message);
        }
        Ok(true)
    }

    pub(super) fn send(&mut self, link: usize, end: usize, message: Vec<u8>) {
        let delay = if self.mix.delay == 0 { 0 } else { self.chance.below(self.mix.delay) };
        self.counts.faults.delays += u64::from(delay > 0);
        let flight = &mut self.links[link].flights[1 - end];
        let last = flight.back().map_or(0, |last| last.due);
        flight.push_back(Flight { due: last.max(self.tick + delay), message });
    }

    /// Returns the messages that a liar sends in place of one.
    pub(super) fn lie(&mut self, at: usize, mut message: Vec<u8>) -> Vec<Vec<u8>> {
        let Some((_, lies)) = self.mix.liar.filter(|(liar, _)| *liar == at) else {
            return vec![message];
        };
        // Items that are said again may end a block too early, with an effect left out: messages have no
        // numbers that would show it, so this is what only a forger does.
        if lies == Lies::Repeats && message.first() == Some(&(Kind::Items as u8)) {
            return vec![message];
        }
        if !self.chance.percent(10) {
            return vec![message];
        }
        self.counts.faults.lies += 1;
        let place = self.chance.below(message.len() as u64 + 1) as usize;
        let told = match (lies, self.chance.below(4)) {
            (Lies::Repeats, times) => vec![message; 2 + 4 * times as usize],
            (Lies::Forges, 0) => {
                message.truncate(place);
                vec![message]
            }
            (Lies::Forges, 1) => match self.kept_back.replace(message) {
                Some(before) => vec![before],
                None => Vec::new(),
            },
            (Lies::Forges, 2) => vec![message.clone(), message],
            (Lies::Forges, _) => {
                if let Some(byte) = message.get_mut(place) {
                    *byte ^= 1 << self.chance.below(8);
                }
                vec![message]
            }
        };
        self.trace.log(|| format!("{} lies: {} messages instead of one", name(at), told.len()));
        told
    }

    /// Delivers the next message that has arrived at one end. False if that was the end of the link.
    pub(super) fn deliver(&mut self, link: usize, end: usize) -> Result<bool, Broken> {
        let Link { flights, is_blocked, ends, .. } = &mut self.links[link];
        let (at, from) = (ends[end], ends[1 - end]);
        let Some(flight) = flights[end].front().filter(|_| !is_blocked[end]) else {
            return Ok(true);
        };
        if flight.due > self.tick {
            if self.chance.percent(50) {
                return Ok(true);
            }
            self.tick = flight.due;
        }
        let message = flights[end].pop_front().map(|flight| flight.message).unwrap_or_default();
        let now = self.now_of(at);
        let node = &mut self.nodes[at];
        let Some(core) = &mut node.core else { return Ok(true) };
        let seen: Vec<_> =
            if self.trace.is_recording() { core.history().seqs().collect() } else { Vec::new() };
        let before = (core.history().end(), core.history().numbering());
        let session = &mut self.links[link].sessions[end];
        let had_waiting = session.waiting() > 0;
        let heard = session.handle_message(core, &message, now);
        let has_waiting = had_waiting || session.waiting() > 0;
        let after = (core.history().end(), core.history().numbering());
        let single = self.links[link].count_single_entries(end, &message).unwrap_or_default();
        // Each entry that is new makes the history longer.
        let has_known_again = heard.is_ok()
            && !has_waiting
            && after.1 == before.1
            && single.is_some_and(|single| after.0 - before.0 < single);
        if after != before {
            node.is_dirty = true;
            if self.trace.is_recording() {
                self.trace.receive(at, from, &seen, &node.version());
            }
        }
        // Of two, neither has anything that the other lacks from anybody else. But after a snapshot was
        // adopted, what had been sent just before is sent again.
        let is_between_two = self.nodes.len() == 2 && !self.may_part() && self.mix.liar.is_none();
        if has_known_again && is_between_two {
            let what = format!("{} receives what it already has", name(at));
            return Err(Broken::new(Guarantee::NoEcho, what));
        }
        match heard {
            Ok(()) => self.check_delivered(link, end).map(|()| true),
            Err(error) => self.over(link, &error).map(|()| false),
        }
    }

    /// Whoever is told that a peer has an update may forget all worry about it: so the peer really has it, and on its
    /// disk, if it promises that.
    fn check_delivered(&self, link: usize, end: usize) -> Result<(), Broken> {
        let link = &self.links[link];
        let (at, peer) = (link.ends[end], link.ends[1 - end]);
        let Some(core) = self.nodes[at].core.as_ref().filter(|_| !self.has_forgers) else {
            return Ok(());
        };
        // A link does not outlive a crash of either end, so the peer still has what it had when it spoke.
        let has = match self.mix.durability {
            Durability::Strict => self.nodes[peer].durable.clone(),
            Durability::Weak => self.nodes[peer].version(),
        };
        for (id, _) in core.history().seqs() {
            let (claimed, there) = (link.claimed(end, core, id), seq(&has, id));
            if claimed > there {
                let what = format!(
                    "{} was told that {} has {id:?}.{claimed}, which has {there} of them",
                    name(at),
                    name(peer)
                );
                return Err(Broken::new(Guarantee::Delivered, what));
            }
        }
        Ok(())
    }

    /// A session has failed. The run fails too, unless a fault explains the error.
    pub(super) fn over(&mut self, link: usize, error: &SessionError) -> Result<(), Broken> {
        let ends = self.remove(link).ends;
        let is_lied_to = self.mix.liar.is_some_and(|(liar, _)| ends.contains(&liar));
        let may = match error {
            // What was forged spreads.
            _ if self.has_forgers => true,
            SessionError::BothTrimmed { .. } | SessionError::Adopt(_) => {
                self.is_parted |= self.may_part();
                self.may_part()
            }
            SessionError::Diverged { .. } => {
                let what = format!("{} and {}: {error}", name(ends[0]), name(ends[1]));
                let broken = Broken::new(Guarantee::Converges, what);
                return Err(broken.with(self.two_replicas(ends)));
            }
            SessionError::Silent { .. } | SessionError::Peer(_) => true,
            SessionError::TooLargeForPeer { .. }
            | SessionError::BlockTooLarge { .. }
            | SessionError::MessageTooLarge { .. } => {
                self.mix.message_bytes < 1 << 20 || is_lied_to
            }
            _ => is_lied_to,
        };
        if may {
            self.trace
                .log(|| format!("{} and {} disconnect: {error}", name(ends[0]), name(ends[1])));
            return Ok(());
        }
        let what = format!("{} and {}: {error}", name(ends[0]), name(ends[1]));
        Err(Broken::new(Guarantee::Sessions, what))
    }

    /// Whether two replicas may each have trimmed what the other has not seen. A block that is too large goes as a
    /// snapshot, which is a trim that no other replica has agreed to.
    pub(super) fn may_part(&self) -> bool {
        self.mix.trims == Trims::Forced || self.mix.block_bytes < 1 << 20
    }
}
