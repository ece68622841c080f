//! [`Diagram`]: a space-time diagram of updates, drawn in text and as SVG.

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
///
/// Failures of [`Laws`](super::Laws) and [`Simulation`](super::Simulation) are drawn as one; tools may draw
/// others:
///
/// ```
/// use repred::testing::Diagram;
///
/// let mut diagram = Diagram::new(vec!["a".into(), "b".into()]);
/// let first = diagram.event(0, "a.1".into(), "writes 1".into());
/// let second = diagram.event(1, "b.1".into(), "writes 2".into());
/// diagram.arrow(first, second);
/// assert_eq!(diagram.text(), "a ─●a.1─┬──────\nb ──────┴▶●b.1─\n");
/// assert!(diagram.svg().starts_with("<svg"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Diagram {
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
    /// Makes a diagram with these lanes, from top to bottom, and no events.
    pub fn new(lanes: Vec<String>) -> Self {
        Self { lanes, ..Self::default() }
    }

    /// Sets a title and a sentence below it. Only the picture shows them.
    ///
    /// ```
    /// use repred::testing::Diagram;
    ///
    /// let mut diagram = Diagram::new(vec!["a".into()]);
    /// diagram.event(0, "a.1".into(), String::new());
    /// diagram.entitle("One update".into(), "Nobody else writes.".into());
    /// assert!(diagram.svg().contains("One update") && !diagram.text().contains("One update"));
    /// ```
    pub fn entitle(&mut self, title: String, sentence: String) {
        (self.title, self.sentence) = (title, sentence);
    }

    /// Sets the result that a picture shows below the lanes.
    pub(crate) fn conclude(&mut self, outcome: Vec<Line>) {
        self.outcome = outcome;
    }

    /// Adds an event to a lane, after all others, and returns its index.
    ///
    /// Text shows the label only. A picture shows the first line of the note beside the event, and all of it in a
    /// tooltip. See [`Diagram`] for an example.
    ///
    /// # Panics
    ///
    /// Panics if there is no such lane.
    pub fn event(&mut self, lane: usize, label: String, note: String) -> usize {
        assert!(lane < self.lanes.len(), "a lane below {}, not {lane}", self.lanes.len());
        self.events.push(Event { lane, label, note, seen: Vec::new() });
        self.events.len() - 1
    }

    /// Draws an arrow: the author of the event `to` had seen the event `from`. See [`Diagram`] for an example.
    ///
    /// # Panics
    ///
    /// Panics unless `from` was added before `to`, and both exist.
    pub fn arrow(&mut self, from: usize, to: usize) {
        assert!(from < to, "what was seen has happened");
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
