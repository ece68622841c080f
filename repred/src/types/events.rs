//! [`Events`]: what has happened, once and in order.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::max::Max;
use crate::{
    changes::{Changes, Superseded},
    edit::{Edit, Editor, IntoValue, Place, Rollback},
    reduce::Reduce,
    stamp::{Dot, Stamp},
    time::Time,
};

/// Events, each of which reaches everybody exactly once: a chat, a log, a feed.
///
/// Observers are told of each event when it arrives, after all that its author had seen. The list itself is
/// in the order of stamps, which is the same on every replica and also puts causes before effects; an event
/// that was written elsewhere in between appears in between.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write an event each | both, in the order of their stamps, everywhere |
/// | one forgets all before a time, another one writes | the event stays if its time is not before that |
///
/// Takes 32 bytes beside each event. Writing takes constant time; an event that comes late takes O(those
/// after it). Nothing leaves by itself: [`forget_before`](Editor::forget_before) takes out what is old,
/// here and in the history.
///
/// ```
/// use repred::{Events, Replica};
///
/// let chat = Replica::new(Events::<String>::default());
/// chat.edit(|chat| chat.push("hello"))?;
/// chat.edit(|chat| chat.push("anybody there?"))?;
/// assert_eq!(chat.read(|chat| chat.iter().map(|(_, text)| text.len()).sum::<usize>())?, 19);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Events<E> {
    /// In the order of their stamps.
    events: Vec<(Stamp, E)>,
    /// All before this are forgotten.
    forgotten: Max<Time>,
}

/// What is written to [`Events`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventsUpdate<E> {
    /// Something has happened.
    Event(E),
    /// What happened before this time is of no interest any more.
    ForgetBefore(Time),
}

impl<E> Events<E> {
    /// The events with their stamps, in the order that is the same everywhere.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Stamp, &E)> + DoubleEndedIterator + Clone {
        self.events.iter().map(|(stamp, event)| (*stamp, event))
    }

    /// The event at a place in that order.
    pub fn get(&self, place: usize) -> Option<(Stamp, &E)> {
        self.events.get(place).map(|(stamp, event)| (*stamp, event))
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Events before this time are forgotten.
    pub fn forgotten(&self) -> Time {
        self.forgotten.value().copied().unwrap_or_default()
    }

    fn push(&mut self, event: E, stamp: Stamp) -> EventsChanges<E>
    where
        E: Clone,
    {
        if stamp.time < self.forgotten() {
            return EventsChanges::nothing();
        }
        let place = self.events.partition_point(|(other, _)| *other < stamp);
        self.events.insert(place, (stamp, event.clone()));
        EventsChanges {
            event: Some(event),
            place,
            forgotten: 0,
            superseded: Superseded::changed([]),
        }
    }

    fn forget_before(&mut self, time: Time, stamp: Stamp) -> EventsChanges<E> {
        let changes = self.forgotten.reduce(time, stamp);
        if changes.is_empty() {
            return EventsChanges::nothing();
        }
        let count = self.events.partition_point(|(stamp, _)| stamp.time < time);
        let mut superseded: Vec<_> =
            self.events.drain(..count).map(|(stamp, _)| stamp.dot).collect();
        changes.superseded(&mut |dot| superseded.push(dot));
        let superseded = Superseded::changed(superseded);
        EventsChanges { event: None, place: 0, forgotten: count, superseded }
    }
}

impl<E: Clone + Serialize + DeserializeOwned> Reduce for Events<E> {
    type Update = EventsUpdate<E>;
    type Changes = EventsChanges<E>;

    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        match update {
            EventsUpdate::Event(event) => self.push(event, stamp),
            EventsUpdate::ForgetBefore(time) => self.forget_before(time, stamp),
        }
    }
}

impl<E: Clone + Serialize + DeserializeOwned + Send + 'static> Edit for Events<E> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, update: &Self::Update, stamp: Stamp) -> Rollback<Self> {
        match update {
            EventsUpdate::Event(_) => Box::new(move |events| {
                events.events.retain(|(other, _)| *other != stamp);
            }),
            EventsUpdate::ForgetBefore(time) => {
                let count = self.events.partition_point(|(stamp, _)| stamp.time < *time);
                let (gone, forgotten) = (self.events[..count].to_vec(), self.forgotten.clone());
                let len = self.len();
                Box::new(move |events| {
                    // Nothing is gone if more was forgotten already.
                    let gone = if events.len() < len { gone } else { Vec::new() };
                    events.events.splice(..0, gone);
                    events.forgotten = forgotten;
                })
            }
        }
    }
}

impl<E: Clone + Serialize + DeserializeOwned, P: Place<Events<E>>> Editor<Events<E>, P> {
    /// Writes an event.
    pub fn push(&mut self, event: impl IntoValue<E>) {
        self.update(EventsUpdate::Event(event.into_value()));
    }

    /// Forgets the events before a time, everywhere.
    pub fn forget_before(&mut self, time: Time) {
        self.update(EventsUpdate::ForgetBefore(time));
    }
}

impl<E> Default for Events<E> {
    fn default() -> Self {
        Self { events: Vec::new(), forgotten: Max::default() }
    }
}

/// What an update has changed in [`Events`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventsChanges<E> {
    /// The event that came, if one did.
    pub event: Option<E>,
    /// Its place among the others. It is the last, unless one that was written later came before.
    pub place: usize,
    /// How many of the earliest events were forgotten.
    pub forgotten: usize,
    #[serde(skip)]
    superseded: Superseded,
}

impl<E> EventsChanges<E> {
    fn nothing() -> Self {
        Self { event: None, place: 0, forgotten: 0, superseded: Superseded::unchanged() }
    }
}

impl<E> Changes for EventsChanges<E> {
    fn is_empty(&self) -> bool {
        self.superseded.is_empty()
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.superseded(name);
    }
}

/// The events, in their order.
impl<E: fmt::Debug> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(_, event)| event)).finish()
    }
}
