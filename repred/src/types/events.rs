//! [`Events`]: what has happened, once and in order.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    editor_only::{EditorOnly, editor_only},
    max::Max,
};
use crate::{
    changes::{Changes, Superseded},
    edit::{Edit, Editor, IntoValue, Place, Rollback},
    reduce::Reduce,
    stamp::{Dot, Stamp},
    time::Time,
};

/// Events, each of which reaches every replica exactly once: a chat, a log, a feed.
///
/// An observer is told of each event when it arrives, after everything that its author had seen. The list itself is
/// in the order of stamps, which is the same on every replica and puts causes before effects. So an event from
/// elsewhere may arrive late, and is then inserted before others.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write an event each | both, in the order of their stamps, everywhere |
/// | one forgets all events before a time, another one writes one | the new event stays if its time is not before that |
///
/// Takes 32 bytes beside each event. Writing takes constant time; an event that arrives late takes O(events after
/// it). Nothing is dropped by itself: [`forget_before`](Editor::forget_before) drops old events from the list and
/// the history.
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
#[doc(alias = "log")]
#[doc(alias = "append-only")]
#[doc(alias = "total order")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Events<E> {
    /// In the order of their stamps.
    events: Vec<(Stamp, E)>,
    /// All events before this time are forgotten.
    forgotten: Max<Time>,
}

/// An update of [`Events`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventsUpdate<E> {
    /// Something has happened.
    Event(E),
    /// Drops the events before this time.
    ForgetBefore(Time),
}

impl<E> Events<E> {
    /// The events with their stamps, in the order that is the same everywhere.
    ///
    /// ```
    /// use repred::{Events, Replica};
    ///
    /// let chat = Replica::new(Events::<String>::default());
    /// chat.edit(|chat| chat.push("hello"))?;
    /// let texts: Vec<_> = chat.read(|chat| chat.iter().map(|(_, text)| text.clone()).collect())?;
    /// assert_eq!(texts, ["hello"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Stamp, &E)> + DoubleEndedIterator + Clone {
        self.events.iter().map(|(stamp, event)| (*stamp, event))
    }

    /// The event at an index in that order.
    ///
    /// ```
    /// use repred::{Events, Replica};
    ///
    /// let chat = Replica::new(Events::<String>::default());
    /// chat.edit(|chat| chat.push("hello"))?;
    /// let (stamp, text) = chat.read(|chat| chat.get(0).map(|(stamp, text)| (stamp, text.clone())))?.unwrap();
    /// assert_eq!((stamp.origin(), &*text), (chat.id()?, "hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, index: usize) -> Option<(Stamp, &E)> {
        self.events.get(index).map(|(stamp, event)| (*stamp, event))
    }

    /// The number of events.
    ///
    /// ```
    /// use repred::{Events, Replica};
    ///
    /// let chat = Replica::new(Events::<String>::default());
    /// chat.edit(|chat| chat.push("hello"))?;
    /// assert_eq!(chat.read(|chat| chat.len())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are no events.
    ///
    /// ```
    /// assert!(repred::Events::<String>::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The time before which events are forgotten; [`Time::ZERO`] if none ever were.
    ///
    /// ```
    /// use repred::{Events, Replica};
    ///
    /// let chat = Replica::new(Events::<String>::default());
    /// let now = chat.now();
    /// chat.edit(|chat| chat.forget_before(now))?;
    /// assert_eq!(chat.read(|chat| chat.forgotten())?, now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forgotten(&self) -> Time {
        self.forgotten.value().copied().unwrap_or_default()
    }

    editor_only!(push(A), forget_before(A));

    fn insert(&mut self, event: E, stamp: Stamp) -> EventsChanges<E>
    where
        E: Clone,
    {
        if stamp.time < self.forgotten() {
            return EventsChanges::unchanged();
        }
        let index = self.events.partition_point(|(other, _)| *other < stamp);
        self.events.insert(index, (stamp, event.clone()));
        EventsChanges {
            event: Some(event),
            index,
            forgotten: 0,
            superseded: Superseded::changed([]),
        }
    }

    fn forget(&mut self, before: Time, stamp: Stamp) -> EventsChanges<E> {
        let changes = self.forgotten.reduce(before, stamp);
        if changes.is_empty() {
            return EventsChanges::unchanged();
        }
        let count = self.events.partition_point(|(stamp, _)| stamp.time < before);
        let mut dots: Vec<_> = self.events.drain(..count).map(|(stamp, _)| stamp.dot).collect();
        changes.superseded(&mut |dot| dots.push(dot));
        let superseded = Superseded::changed(dots);
        EventsChanges { event: None, index: 0, forgotten: count, superseded }
    }
}

impl<E: Clone + Serialize + DeserializeOwned> Reduce for Events<E> {
    type Update = EventsUpdate<E>;
    type Changes = EventsChanges<E>;

    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        match update {
            EventsUpdate::Event(event) => self.insert(event, stamp),
            EventsUpdate::ForgetBefore(time) => self.forget(time, stamp),
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
                    // If more was forgotten already, the update dropped nothing.
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
    ///
    /// ```
    /// use repred::{Events, Replica};
    ///
    /// let chat = Replica::new(Events::<String>::default());
    /// chat.edit(|chat| chat.push("hello"))?;
    /// assert_eq!(chat.read(|chat| format!("{chat:?}"))?, r#"["hello"]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn push(&mut self, event: impl IntoValue<E>) {
        self.update(EventsUpdate::Event(event.into_value()));
    }

    /// Forgets the events before a time, on all replicas.
    ///
    /// ```
    /// use repred::{Events, Replica};
    ///
    /// let chat = Replica::new(Events::<String>::default());
    /// chat.edit(|chat| chat.push("hello"))?;
    /// chat.edit(|chat| {
    ///     let later = chat.now() + std::time::Duration::from_secs(1);
    ///     chat.forget_before(later);
    /// })?;
    /// assert!(chat.read(|chat| chat.is_empty())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "truncate")]
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
    /// The event that was written, if one was.
    pub event: Option<E>,
    /// Its index among the others: the last, unless the event arrived late.
    pub index: usize,
    /// How many of the earliest events were forgotten.
    pub forgotten: usize,
    #[serde(skip)]
    superseded: Superseded,
}

impl<E> EventsChanges<E> {
    fn unchanged() -> Self {
        Self { event: None, index: 0, forgotten: 0, superseded: Superseded::unchanged() }
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
