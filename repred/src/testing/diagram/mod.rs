//! [`Diagram`]: who wrote what and had seen what, drawn in text and as SVG.

mod layout;

mod text;

mod picture;

use super::line::Line;

/// A space-time diagram (Lamport, *Time, Clocks, and the Ordering of Events*, 1978): one lane for each
/// replica, time to the right, arrows for what had been seen.
///
/// ```text
/// a ─●a.1─┬──────●a.2─
/// b ──────┴▶●b.1──────
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagram {
    /// What it shows, and a sentence about that. Only a picture has them: in text they stand elsewhere.
    title: String,
    sentence: String,
    lanes: Vec<String>,
    /// In an order in which they may have happened.
    events: Vec<Event>,
    /// What came of it, below the picture.
    outcome: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    lane: usize,
    label: String,
    /// More about it, for which only a picture has room.
    note: String,
    /// Events of other lanes that were seen between the previous one of this lane and this one.
    seen: Vec<usize>,
}

impl Diagram {
    pub(crate) fn new(lanes: Vec<String>) -> Self {
        Self { lanes, ..Self::default() }
    }

    /// Says what it shows.
    pub(crate) fn entitle(&mut self, title: String, sentence: String) {
        (self.title, self.sentence) = (title, sentence);
    }

    /// Says what came of it.
    pub(crate) fn conclude(&mut self, outcome: Vec<Line>) {
        self.outcome = outcome;
    }

    /// Adds an event, after all others, and says which it is.
    pub(crate) fn event(&mut self, lane: usize, label: String, note: String) -> usize {
        self.events.push(Event { lane, label, note, seen: Vec::new() });
        self.events.len() - 1
    }

    /// Says that an event had been seen before another one happened.
    pub(crate) fn arrow(&mut self, from: usize, to: usize) {
        debug_assert!(from < to, "what was seen has happened");
        self.events[to].seen.push(from);
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn diagram(lanes: &[&str], events: &[(usize, &str, &[usize])]) -> Diagram {
        let mut diagram = Diagram::new(lanes.iter().map(ToString::to_string).collect());
        for (lane, label, seen) in events {
            let event = diagram.event(*lane, label.to_string(), String::new());
            seen.iter().for_each(|seen| diagram.arrow(*seen, event));
        }
        diagram
    }
}
