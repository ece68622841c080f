//! [`Story`]: what happened in a run, for those who want to know.

use std::collections::VecDeque;

use crate::testing::diagram::Diagram;

/// What happened in a run. A run that goes well is not told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    is_told: bool,
    lines: VecDeque<String>,
    /// Each with its lane, and the last event of others that was heard of.
    events: Vec<(usize, String, Vec<usize>)>,
    /// For each lane, from whom something has come since its last event: their last event then.
    heard: Vec<Vec<usize>>,
}

/// How many lines are kept, and how many events are drawn.
const LINES: usize = 40;
const EVENTS: usize = 30;

impl Story {
    pub(crate) fn told() -> Self {
        Self { is_told: true, ..Self::default() }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.is_told {
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line());
        }
    }

    /// Something happens to a replica.
    pub(crate) fn event(&mut self, lane: usize, label: impl FnOnce() -> String) {
        if self.is_told {
            let heard = self.heard.get_mut(lane).map(std::mem::take).unwrap_or_default();
            self.events.push((lane, label(), heard));
        }
    }

    /// Something of one replica has come to another.
    pub(crate) fn arrow(&mut self, from: usize, to: usize) {
        let last = self.events.iter().rposition(|(lane, ..)| *lane == from);
        if let Some(last) = last.filter(|_| self.is_told) {
            self.heard.resize(self.heard.len().max(to + 1), Vec::new());
            let heard = &mut self.heard[to];
            heard.retain(|event| self.events[*event].0 != from);
            heard.push(last);
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The last events as a diagram.
    pub(crate) fn diagram(&self) -> Diagram {
        let lanes = self.events.iter().map(|(lane, ..)| lane + 1).max().unwrap_or(0);
        let mut diagram = Diagram::new((0..lanes).map(super::world::name).collect());
        let first = self.events.len().saturating_sub(EVENTS);
        for (lane, label, heard) in &self.events[first..] {
            let event = diagram.event(*lane, label.clone(), String::new());
            let heard = heard.iter().filter_map(|heard| heard.checked_sub(first));
            heard.for_each(|heard| diagram.arrow(heard, event));
        }
        diagram
    }
}
