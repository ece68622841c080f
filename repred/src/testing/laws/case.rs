//! [`Case`]: a small history of which every order is tried.

use std::fmt::Write as _;

use crate::{
    id::ReplicaId,
    stamp::{Dot, Stamp},
    time::Time,
};

/// More origins than these make no better tests: what breaks with four breaks with three.
pub(crate) const MAX_ORIGINS: usize = 6;

/// How much of each origin has been seen: a cut through a history.
pub(crate) type Cut = [u8; MAX_ORIGINS];

/// An update that was written, and what its author had seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stamp: Stamp,
    /// All that its author had seen, the entry itself not included.
    pub(crate) after: Cut,
    /// The update, encoded.
    pub(crate) payload: Vec<u8>,
}

impl Entry {
    pub(crate) fn lane(&self) -> usize {
        lane(self.stamp.origin())
    }

    /// What whoever wrote this has seen then.
    pub(crate) fn then(&self) -> Cut {
        let mut then = self.after;
        then[self.lane()] += 1;
        then
    }
}

/// A history, in an order in which its entries may have been written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) entries: Vec<Entry>,
    /// An update that nobody should write, but anybody could send.
    pub(crate) wild: Option<Vec<u8>>,
}

/// The name of an origin: `a`, `b`, ..
pub(crate) fn origin(lane: usize) -> ReplicaId {
    ReplicaId::from(0xa + lane as u128)
}

fn lane(origin: ReplicaId) -> usize {
    (u128::from(origin) - 0xa) as usize
}

impl Case {
    /// All of it.
    pub(crate) fn top(&self) -> Cut {
        let mut top = Cut::default();
        for entry in &self.entries {
            top[entry.lane()] += 1;
        }
        top
    }

    /// The entries within a cut, in an order that causal delivery allows.
    pub(crate) fn within(&self, cut: Cut) -> impl Iterator<Item = usize> + '_ {
        let is_within = move |entry: &Entry| u64::from(cut[entry.lane()]) >= entry.stamp.dot.seq;
        let entries = self.entries.iter().enumerate();
        entries.filter(move |(_, entry)| is_within(entry)).map(|(index, _)| index)
    }

    /// The entries that may come next to who has seen a cut.
    pub(crate) fn next(&self, cut: Cut) -> impl Iterator<Item = usize> + '_ {
        let may_come = move |entry: &Entry| {
            u64::from(cut[entry.lane()]) + 1 == entry.stamp.dot.seq && covers(cut, entry.after)
        };
        let entries = self.entries.iter().enumerate();
        entries.filter(move |(_, entry)| may_come(entry)).map(|(index, _)| index)
    }

    pub(crate) fn find(&self, dot: Dot) -> Option<usize> {
        self.entries.iter().position(|entry| entry.stamp.dot == dot)
    }

    /// Whether neither author had seen the other's update.
    pub(crate) fn is_concurrent(&self, one: usize, other: usize) -> bool {
        let has_seen =
            |entry: &Entry, dot: Dot| u64::from(entry.then()[lane(dot.origin)]) >= dot.seq;
        let (one, other) = (&self.entries[one], &self.entries[other]);
        !has_seen(one, other.stamp.dot) && !has_seen(other, one.stamp.dot)
    }

    /// Whether, of all orders in which this history may have been written, this is the one to look at.
    pub(crate) fn is_first_of_its_kind(&self) -> bool {
        let mut pairs = self.entries.windows(2).enumerate();
        pairs.all(|(at, pair)| pair[0].lane() <= pair[1].lane() || !self.is_concurrent(at, at + 1))
    }

    /// The stamps within a cut.
    pub(crate) fn stamps(&self, cut: Cut) -> Vec<Stamp> {
        self.within(cut).map(|index| self.entries[index].stamp).collect()
    }

    /// A line for each entry, which [`parse`](Self::parse) understands.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.entries.iter().map(Entry::line).collect();
        lines.extend(self.wild.iter().map(|wild| format!("wild {}", hex(wild))));
        lines
    }

    /// The case that such lines tell of.
    ///
    /// # Errors
    ///
    /// What is wrong with which line.
    pub(crate) fn parse(lines: &[&str]) -> Result<Self, String> {
        let mut case = Self::default();
        for line in lines {
            case.add_line(line).ok_or_else(|| {
                format!("`{line}` is no line of a case such as `b.1@2 after a.1: 07`")
            })?;
        }
        Ok(case)
    }

    fn add_line(&mut self, line: &str) -> Option<()> {
        if let Some(wild) = line.strip_prefix("wild ") {
            self.wild = Some(unhex(wild)?);
            return Some(());
        }
        let (head, payload) = line.split_once(':')?;
        let (head, seen) = head.split_once(" after ").unwrap_or((head, ""));
        let (dot, time) = head.split_once('@')?;
        let dot = parse_dot(dot)?;
        let before = self.top();
        let mut after = Cut::default();
        after[lane(dot.origin)] = before[lane(dot.origin)];
        for seen in seen.split(' ').filter(|seen| !seen.is_empty()) {
            let seen = parse_dot(seen)?;
            let seen = &self.entries[self.find(seen)?];
            join(&mut after, seen.then());
        }
        if let Some(previous) = self.entries.iter().rfind(|entry| entry.lane() == lane(dot.origin))
        {
            join(&mut after, previous.then());
        }
        let time = Time::from_micros(time.parse().ok()?);
        let is_next = u64::from(before[lane(dot.origin)]) + 1 == dot.seq;
        let is_later = self.stamps(after).iter().all(|stamp| stamp.time < time);
        let payload = unhex(payload.trim())?;
        let stamp = Stamp { time, dot };
        self.entries.push(Entry { stamp, after, payload });
        (is_next && is_later).then_some(())
    }
}

impl Entry {
    fn line(&self) -> String {
        let mut line = format!("{:?}", self.stamp);
        let others = (0..MAX_ORIGINS).filter(|lane| *lane != self.lane() && self.after[*lane] > 0);
        for (index, lane) in others.enumerate() {
            line.push_str(if index == 0 { " after " } else { " " });
            write!(line, "{:?}.{}", origin(lane), self.after[lane]).expect("strings take all");
        }
        line + ": " + &hex(&self.payload)
    }
}

/// Whether all of one cut is in another.
pub(crate) fn covers(cut: Cut, part: Cut) -> bool {
    cut.iter().zip(part).all(|(cut, part)| *cut >= part)
}

/// Adds all of a cut to another.
pub(crate) fn join(cut: &mut Cut, part: Cut) {
    cut.iter_mut().zip(part).for_each(|(cut, part)| *cut = part.max(*cut));
}

fn parse_dot(text: &str) -> Option<Dot> {
    let (origin, seq) = text.split_once('.')?;
    let origin = u128::from_str_radix(origin, 16).ok()?;
    let lanes = 0xa..0xa + MAX_ORIGINS as u128;
    lanes.contains(&origin).then_some(Dot::new(origin.into(), seq.parse().ok()?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("strings take all");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 5] =
        ["a.1@1: 00", "b.1@1: ff10", "b.2@3 after a.1: ", "c.1@4 after a.1 b.2: 07", "wild 0102"];

    #[test]
    fn a_case_round_trips_through_its_lines() {
        let case = Case::parse(&LINES).unwrap();
        assert_eq!(case.lines(), LINES);
        assert_eq!(case.entries[3].after[..3], [1, 2, 0]);
        assert_eq!(case.top()[..3], [1, 2, 1]);
        assert!(case.is_concurrent(0, 1) && !case.is_concurrent(0, 2));
        for (line, mistake) in [
            ("a.1@1 00", "no colon"),
            ("a.2@1: 00", "a hole"),
            ("a.1@1 after b.1: 00", "from nowhere"),
            ("a.1@x: 00", "no time"),
            ("a.1@1: 0", "half a byte"),
            ("z.1@1: 00", "no origin"),
        ] {
            assert!(Case::parse(&[line]).is_err(), "{mistake}");
        }
        assert!(Case::parse(&["a.1@2: 00", "b.1@2 after a.1: 00"]).is_err(), "before its cause");
    }

    #[test]
    fn an_entry_may_come_next_once_its_causes_are_in_the_cut() {
        let case = Case::parse(&LINES).unwrap();
        let next = |cut: [u8; 3]| {
            let [a, b, c] = cut;
            case.next([a, b, c, 0, 0, 0]).collect::<Vec<_>>()
        };
        assert_eq!(next([0, 0, 0]), [0, 1]);
        assert_eq!(next([0, 1, 0]), [0]);
        assert_eq!(next([1, 1, 0]), [2]);
        assert_eq!(next([1, 2, 0]), [3]);
        assert_eq!(next([1, 2, 1]), []);
    }
}
