//! [`Layout`]: what stands left of what in a diagram.

use super::Event;

/// What stands somewhere in a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Event(usize),
    /// From what was seen to who saw it.
    Arrow {
        from: usize,
        to: usize,
    },
}

/// What stands left of what. An arrow stands right of what was seen, left of who saw it, and between the
/// two there is nothing of either lane: otherwise it would look as if that had been seen, too.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) columns: Vec<Column>,
    /// Arrows without a place, as there are in histories where messages cross twice. They need a name.
    pub(crate) named: Vec<(usize, usize)>,
}

impl Layout {
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut layout = Self { columns: Vec::new(), named: Vec::new() };
        let mut waiting = in_order(events);
        while !waiting.is_empty() {
            match layout.next(events, &waiting) {
                Some(next) => layout.columns.push(waiting.remove(next)),
                None => layout.name_one(&mut waiting),
            }
        }
        layout
    }

    /// The first that may stand here; what belongs to the arrow that stands here already comes before all
    /// others.
    fn next(&self, events: &[Event], waiting: &[Column]) -> Option<usize> {
        let arrow = match self.columns.last() {
            Some(Column::Arrow { to, .. }) => Some(*to),
            _ => None,
        };
        let may_come = |at: &usize| self.may_come(waiting[*at], events, waiting);
        let belongs = |at: &usize| Some(waiting[*at].event()) == arrow;
        // Few belong there, and of the others one of the first may come: to look at all would take long.
        let all = 0..waiting.len();
        all.clone().find(|at| belongs(at) && may_come(at)).or_else(|| all.clone().find(may_come))
    }

    fn may_come(&self, column: Column, events: &[Event], waiting: &[Column]) -> bool {
        let lane = events[column.event()].lane;
        let is_before = |other: usize| other < column.event() && events[other].lane == lane;
        !waiting.iter().any(|other| match (column, *other) {
            (Column::Event(event), Column::Arrow { to, .. }) if to == event => true,
            (Column::Event(_), Column::Arrow { from, .. }) => is_before(from),
            (Column::Arrow { from, .. }, Column::Event(other)) => other == from || is_before(other),
            (Column::Event(event), Column::Event(other)) => {
                is_before(other) || self.named.contains(&(other, event))
            }
            (Column::Arrow { .. }, Column::Arrow { .. }) => false,
        })
    }

    /// There is an arrow whose beginning has a place: the first event that has none is held up by it.
    fn name_one(&mut self, waiting: &mut Vec<Column>) {
        let has_begun = |column: &Column| match *column {
            Column::Arrow { from, .. } => self.columns.contains(&Column::Event(from)),
            Column::Event(_) => false,
        };
        let arrow = waiting.iter().position(has_begun).expect("an arrow holds up the first event");
        if let Column::Arrow { from, to } = waiting.remove(arrow) {
            self.named.push((from, to));
        }
    }
}

impl Column {
    /// The event that it is, or leads to.
    fn event(self) -> usize {
        match self {
            Self::Event(event) | Self::Arrow { to: event, .. } => event,
        }
    }
}

/// The events as they came, each behind the arrows to it.
fn in_order(events: &[Event]) -> Vec<Column> {
    let mut columns = Vec::new();
    for (to, event) in events.iter().enumerate() {
        let mut seen = event.seen.clone();
        seen.sort_by_key(|from| events[*from].lane);
        columns.extend(seen.into_iter().map(|from| Column::Arrow { from, to }));
        columns.push(Column::Event(to));
    }
    columns
}
