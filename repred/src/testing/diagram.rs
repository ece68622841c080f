//! [`Diagram`]: who wrote what and had seen what, drawn in text and as SVG.

/// A space-time diagram (Lamport, 1978): one lane for each replica, time to the right, arrows for what
/// had been seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagram {
    lanes: Vec<String>,
    /// In an order in which they may have happened.
    events: Vec<Event>,
}

#[derive(Clone, Debug)]
struct Event {
    lane: usize,
    label: String,
    /// Events, of other lanes, that were seen between the previous one of this lane and this one.
    seen: Vec<usize>,
}
