//! [`Trace`]: what happened in a run, for its report.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    id::ReplicaId,
    stamp::{Dot, Stamp},
    testing::diagram::Diagram,
};

/// What happened in a run. Only runs that have failed are recorded, when they are repeated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    is_recording: bool,
    lines: VecDeque<String>,
    /// How many lines were logged, kept or not.
    count: usize,
    events: Vec<Event>,
    /// For each replica, what it has received since its last event: the last event of each other author.
    heard: Vec<Vec<usize>>,
}

/// Something that happened to a replica.
#[derive(Clone, Debug)]
struct Event {
    lane: usize,
    label: String,
    /// The last dot that was written, and all that was.
    dot: Option<Dot>,
    note: String,
    heard: Vec<usize>,
}

/// A version, as replicas have it.
type Seqs = [(ReplicaId, u64)];

/// How many lines are kept, and how many events are drawn.
const LINES: usize = 40;
const EVENTS: usize = 30;

impl Trace {
    pub(crate) fn recording() -> Self {
        Self { is_recording: true, ..Self::default() }
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Sets the number of replicas.
    pub(crate) fn begin(&mut self, replicas: usize) {
        self.heard = vec![Vec::new(); replicas];
    }

    pub(crate) fn log(&mut self, line: impl FnOnce() -> String) {
        if self.is_recording {
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line());
            self.count += 1;
        }
    }

    /// Something other than an update happens to a replica.
    pub(crate) fn event(&mut self, lane: usize, label: &str, note: String) {
        if self.is_recording {
            self.add(lane, label.to_owned(), None, note);
        }
    }

    /// A replica has written updates with these stamps.
    pub(crate) fn write(&mut self, lane: usize, stamps: &[Stamp], note: String) {
        let dots = || stamps.iter().map(|stamp| stamp.dot);
        let (Some(first), Some(last)) = (dots().next(), dots().next_back()) else { return };
        if self.is_recording {
            let label =
                if first == last { format!("{last:?}") } else { format!("{first:?}..{last:?}") };
            self.add(lane, label, Some(last), note);
        }
    }

    fn add(&mut self, lane: usize, label: String, dot: Option<Dot>, note: String) {
        let heard = std::mem::take(&mut self.heard[lane]);
        self.events.push(Event { lane, label, dot, note, heard });
    }

    /// A replica has come from one version to another by a message.
    pub(crate) fn receive(&mut self, lane: usize, from: usize, before: &Seqs, after: &Seqs) {
        let mut dots = Vec::new();
        for (id, seq) in after {
            let known = super::ledger::seq(before, *id);
            if *seq > known {
                self.observe(lane, Dot::new(*id, *seq));
                let first = Dot::new(*id, known + 1);
                dots.push(match *seq - known {
                    1 => format!("{first:?}"),
                    _ => format!("{first:?}..{id:?}.{seq}"),
                });
            }
        }
        if !dots.is_empty() {
            let [lane, from] = [lane, from].map(name);
            self.log(|| format!("{lane} receives {} from {from}", dots.join(", ")));
        }
    }

    fn observe(&mut self, lane: usize, dot: Dot) {
        let is_of = |event: &Event| {
            event.dot.is_some_and(|own| own.origin == dot.origin && own.seq <= dot.seq)
        };
        let last = self.events.iter().rposition(is_of);
        if let Some(last) = last.filter(|last| self.events[*last].lane != lane) {
            let author = self.events[last].lane;
            self.heard[lane].retain(|event| self.events[*event].lane != author);
            self.heard[lane].push(last);
        }
    }

    /// The run is over: what was received since the last event of a replica is drawn at its end.
    pub(crate) fn end(&mut self) {
        for lane in 0..self.heard.len() {
            if !self.heard[lane].is_empty() {
                self.event(lane, "end", String::new());
            }
        }
    }

    /// Returns how many lines were logged.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the last lines.
    pub(crate) fn lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Draws the last events.
    pub(crate) fn diagram(&self) -> Diagram {
        let mut diagram = Diagram::new((0..self.heard.len()).map(name).collect());
        let pasts = self.pasts();
        let first = self.events.len().saturating_sub(EVENTS);
        for Event { lane, label, note, heard, .. } in &self.events[first..] {
            let event = diagram.event(*lane, label.clone(), note.clone());
            // What came with another is seen by the other's arrow.
            let came_with = |one: &usize| heard.iter().any(|other| pasts[*other].contains(one));
            let arrows = heard.iter().filter(|one| !came_with(one));
            let arrows = arrows.filter_map(|from| from.checked_sub(first));
            arrows.for_each(|from| diagram.arrow(from, event));
        }
        diagram
    }

    /// What each event has before it: on its own lane, or heard of.
    fn pasts(&self) -> Vec<BTreeSet<usize>> {
        let mut pasts: Vec<BTreeSet<usize>> = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let own = self.events[..index].iter().rposition(|other| other.lane == event.lane);
            let direct: Vec<_> = event.heard.iter().copied().chain(own).collect();
            let before = direct.iter().flat_map(|other| &pasts[*other]).copied();
            pasts.push(before.chain(direct.iter().copied()).collect());
        }
        pasts
    }
}

/// The name of a replica in reports. Its id may change.
pub(crate) fn name(node: usize) -> String {
    format!("#{node}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn trace(replicas: usize) -> Trace {
        let mut trace = Trace::recording();
        trace.begin(replicas);
        trace
    }

    fn stamp(origin: u128, seq: u64) -> Stamp {
        Stamp::new(Time::from_micros(seq), origin.into(), seq)
    }

    #[test]
    fn an_arrow_starts_at_the_author_of_a_relayed_update() {
        let (mut trace, a) = (trace(3), 0xa.into());
        trace.write(0, &[stamp(0xa, 1), stamp(0xa, 2)], "1; 2".into());
        trace.receive(1, 0, &[], &[(a, 2)]);
        trace.receive(2, 1, &[], &[(a, 2)]);
        trace.end();
        assert_eq!(
            trace.lines().collect::<Vec<_>>(),
            ["#1 receives a.1..a.2 from #0", "#2 receives a.1..a.2 from #1"]
        );
        let text = trace.diagram().text();
        let rows = [
            "#0 ─●a.1..a.2─┬──────┬──────",
            "#1 ───────────┴▶●end─┼──────",
            "#2 ──────────────────┴▶●end─",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), rows, "\n{text}");
    }

    #[test]
    fn an_update_that_came_with_a_later_one_has_no_arrow() {
        let (mut trace, a, b) = (trace(3), 0xa.into(), 0xb.into());
        trace.write(0, &[stamp(0xa, 1)], String::new());
        trace.receive(1, 0, &[], &[(a, 1)]);
        trace.write(1, &[stamp(0xb, 1)], String::new());
        trace.receive(2, 1, &[], &[(a, 1), (b, 1)]);
        trace.write(2, &[stamp(0xc, 1)], String::new());
        assert_eq!(trace.diagram().svg().matches("marker-end").count(), 2);
    }

    #[test]
    fn a_long_trace_counts_the_lines_that_it_dropped() {
        let mut trace = trace(1);
        (0..50).for_each(|line| trace.log(|| line.to_string()));
        assert_eq!((trace.count(), trace.lines().len()), (50, LINES));
    }
}
