//! [`Presence`]: who is there, as long as they say so.

use std::{borrow::Borrow, collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::lww_map::{LwwMap, LwwMapChanges};
use crate::{
    changes::Changes,
    edit::{Edit, Editor, IntoValue, Place, Rollback},
    reduce::Reduce,
    stamp::Stamp,
    time::Time,
};

/// Who is there, and what they say of themselves; each entry expires unless it is said again.
///
/// An update is a key and its value, a *heartbeat*, or `None` to leave. The history holds the last of each key.
/// Reading is told what time it is: [`iter`](Self::iter) shows who has beaten within the lifetime before
/// that. Who has not for long is dropped from state and history; see [`with_retention`](Self::with_retention).
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two heartbeat under one key | the one with the later stamp |
/// | one heartbeats, another one says it has left | the later of the two |
///
/// Takes 41 bytes beside key and value. A read or a heartbeat takes O(log n); once in five minutes, one takes O(n).
///
/// ```
/// use std::time::Duration;
/// use repred::{Presence, Replica};
///
/// let online = Replica::new(Presence::<String, u16>::with_lifetime(Duration::from_secs(30)));
/// online.edit(|online| online.heartbeat("jim", 7))?; // every ten seconds or so
///
/// let now = online.now();
/// assert_eq!(online.read(|online| online.get("jim", now).copied())?, Some(7));
/// let later = now + Duration::from_secs(40);
/// assert_eq!(online.read(|online| online.iter(later).count())?, 0);
///
/// online.edit(|online| online.leave("jim"))?; // or say so
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Presence<K: Ord, V> {
    /// In microseconds; the same on all replicas.
    lifetime: u64,
    /// The length of an age in microseconds, never zero; the same on all replicas.
    memory: u64,
    /// In which age since 1970 the latest heartbeat was.
    latest: u64,
    /// The latest heartbeat of each key, none of them older than the age before the latest.
    heartbeats: LwwMap<K, V>,
}

/// How far clocks may be apart.
const MEMORY: Duration = Duration::from_secs(300);

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl<K: Ord, V> Presence<K, V> {
    /// Entries last this long. All replicas must begin with the same. The default is 30 seconds.
    pub fn with_lifetime(lifetime: Duration) -> Self {
        let presence = Self {
            lifetime: micros(lifetime),
            memory: 1,
            latest: 0,
            heartbeats: LwwMap::default(),
        };
        presence.with_retention(MEMORY.max(lifetime))
    }

    /// Entries are dropped when the latest heartbeat of anybody is this much later, or twice as much. All replicas
    /// must begin with the same. Five minutes, or the lifetime if that is longer, are the default: clocks may
    /// differ by as much, and the fastest must not make everybody else disappear.
    #[must_use]
    pub fn with_retention(mut self, memory: Duration) -> Self {
        self.memory = micros(memory).max(1);
        self
    }

    /// How long an entry lasts. Beat three or four times as often, so that a lost connection is not a death.
    pub fn lifetime(&self) -> Duration {
        Duration::from_micros(self.lifetime)
    }

    /// Who is there at this time, in the order of the keys. O(n).
    pub fn iter(&self, now: Time) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let heartbeats = self.heartbeats.writes.iter();
        let alive = heartbeats.filter(move |(_, (stamp, _))| self.is_alive(*stamp, now));
        alive.filter_map(|(key, (_, value))| Some((key, value.as_ref()?)))
    }

    /// What is said of a key at this time, if it is there.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q, now: Time) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let is_alive = self.stamp(key).is_some_and(|stamp| self.is_alive(stamp, now));
        self.heartbeats.get(key).filter(|_| is_alive)
    }

    /// The stamp of a key's latest heartbeat, expired or not.
    pub fn stamp<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Stamp>
    where
        K: Borrow<Q>,
    {
        self.heartbeats.stamp(key)
    }

    /// When the next entry expires, to wake up and look again. O(n).
    pub fn next_expiry(&self, now: Time) -> Option<Time> {
        let heartbeats = self.heartbeats.writes.values().filter(|(_, value)| value.is_some());
        let expiries = heartbeats.map(|(stamp, _)| stamp.time + self.lifetime());
        expiries.filter(|expiry| *expiry > now).min()
    }

    fn is_alive(&self, heartbeat: Stamp, now: Time) -> bool {
        heartbeat.time + self.lifetime() > now
    }

    /// In which age since 1970 this was.
    fn age(&self, stamp: Stamp) -> u64 {
        // A snapshot from a peer may hold anything.
        stamp.time.as_micros() / self.memory.max(1)
    }

    /// Whether a heartbeat is dropped once there has been one in this age.
    fn is_forgotten(&self, heartbeat: Stamp, age: u64) -> bool {
        self.age(heartbeat).saturating_add(1) < age
    }
}

impl<K, V> Reduce for Presence<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Clone + Serialize + DeserializeOwned,
{
    type Update = (K, Option<V>);
    type Changes = LwwMapChanges<K, V>;

    fn reduce(&mut self, (key, value): Self::Update, stamp: Stamp) -> Self::Changes {
        // What would have been dropped by now counts as dropped, whenever it comes.
        if self.is_forgotten(stamp, self.latest) {
            return LwwMapChanges::nothing(key);
        }
        let changes = self.heartbeats.reduce((key, value), stamp);
        let age = self.age(stamp);
        if changes.is_empty() || age <= self.latest {
            return changes;
        }
        self.latest = age;
        let heartbeats = std::mem::take(&mut self.heartbeats.writes).into_iter();
        let (old, kept): (BTreeMap<_, _>, _) =
            heartbeats.partition(|(_, (heartbeat, _))| self.is_forgotten(*heartbeat, age));
        self.heartbeats.writes = kept;
        changes.and_obsolete(old.into_values().map(|(heartbeat, _)| heartbeat.dot))
    }
}

impl<K, V> Edit for Presence<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    V: Clone + Serialize + DeserializeOwned + Send + 'static,
{
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, (key, _): &Self::Update, stamp: Stamp) -> Rollback<Self> {
        let age = self.age(stamp);
        let touched = |other: &K, heartbeat: Stamp| {
            other == key || age > self.latest && self.is_forgotten(heartbeat, age)
        };
        let kept =
            self.heartbeats.writes.iter().filter(|(key, (heartbeat, _))| touched(key, *heartbeat));
        let kept: Vec<_> = kept.map(|(key, heartbeat)| (key.clone(), heartbeat.clone())).collect();
        let (latest, key) = (self.latest, key.clone());
        Box::new(move |presence| {
            presence.latest = latest;
            presence.heartbeats.writes.remove(&key);
            presence.heartbeats.writes.extend(kept);
        })
    }
}

impl<K, V, P> Editor<Presence<K, V>, P>
where
    P: Place<Presence<K, V>>,
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Clone + Serialize + DeserializeOwned,
{
    /// Says that a key is there for another lifetime, and what of it.
    pub fn heartbeat(&mut self, key: impl IntoValue<K>, value: impl IntoValue<V>) {
        self.update((key.into_value(), Some(value.into_value())));
    }

    /// Says that a key is not there any more.
    pub fn leave(&mut self, key: impl IntoValue<K>) {
        self.update((key.into_value(), None));
    }
}

impl<K: Ord, V> Default for Presence<K, V> {
    fn default() -> Self {
        Self::with_lifetime(Duration::from_secs(30))
    }
}

/// Everybody who has not left, expired or not.
impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Presence<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heartbeats.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Laws;

    #[test]
    fn the_end_of_time_does_not_panic() {
        let mut online =
            Presence::<u8, u8>::with_lifetime(Duration::ZERO).with_retention(Duration::ZERO);
        for time in [u64::MAX, 1, u64::MAX - 1] {
            let heartbeat = Stamp::new(Time::from_micros(time), u128::from(time).into(), 1);
            online.reduce((time as u8, Some(0)), heartbeat);
        }
        assert_eq!(online.iter(Time::ZERO).count(), 2);
    }

    #[test]
    fn a_late_beat_is_dropped_as_if_it_had_come_in_time() {
        let short = || {
            let lifetime = Duration::from_micros(1);
            Presence::<u8, u8>::with_lifetime(lifetime).with_retention(Duration::from_micros(2))
        };
        Laws::of(short).budget(3_000).check();
    }
}
