//! [`Presence`]: who is there, as long as they say so.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{borrow::Borrow, fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    editor_only::{EditorOnly, editor_only},
    lww_map::{LwwMap, LwwMapChanges},
};
use crate::{
    changes::Changes,
    edit::{Edit, Editor, IntoValue, Place, Rollback},
    reduce::Reduce,
    stamp::Stamp,
    time::Time,
};

/// Who is there, and what they say of themselves; an entry expires unless it is renewed by a heartbeat.
///
/// An update is a key and its value, a *heartbeat*, or `None` to leave. The history holds the last one of each key.
/// A reader says what time it is: [`iter`](Self::iter) shows the keys whose last heartbeat is younger than the
/// lifetime by then. A key without a heartbeat for long is dropped from state and history; see
/// [`with_retention`](Self::with_retention). (Gossip-style failure detection: van Renesse, Minsky and Hayden, *A
/// Gossip-Style Failure Detection Service*, 1998.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two send a heartbeat for one key | the one with the later stamp |
/// | one sends a heartbeat, another one leaves | the later of the two |
///
/// Takes 41 bytes beside key and value. A read or a heartbeat takes O(log n); once in five minutes, a heartbeat
/// takes O(n).
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
#[doc(alias = "heartbeat")]
#[doc(alias = "ephemeral")]
#[doc(alias = "awareness")]
#[doc(alias = "membership")]
#[doc(alias = "gossip")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Presence<K: Ord, V> {
    /// In microseconds; the same on all replicas.
    lifetime: u64,
    /// The length of an age in microseconds, never zero; the same on all replicas.
    retention: u64,
    /// In which age since 1970 the latest heartbeat was.
    latest: u64,
    /// The latest heartbeat of each key, none of them older than the age before the latest.
    heartbeats: LwwMap<K, V>,
}

/// How far clocks may be apart.
const RETENTION: Duration = Duration::from_secs(300);

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl<K: Ord, V> Presence<K, V> {
    /// Entries last this long. All replicas must begin with the same lifetime. The default is 30 seconds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::Presence;
    ///
    /// let online = Presence::<String, u16>::with_lifetime(Duration::from_secs(10));
    /// assert_eq!(online.lifetime(), Duration::from_secs(10));
    /// ```
    #[doc(alias = "ttl")]
    pub fn with_lifetime(lifetime: Duration) -> Self {
        let lifetime_micros = micros(lifetime);
        let presence = Self {
            lifetime: lifetime_micros,
            retention: 1,
            latest: 0,
            heartbeats: LwwMap::default(),
        };
        presence.with_retention(RETENTION.max(lifetime))
    }

    /// An entry is dropped between one and two retention periods after it, when some key has a heartbeat that is so
    /// much later. All replicas must begin with the same retention.
    ///
    /// The default is five minutes, or the lifetime if that is longer: clocks may differ by as much, and the
    /// fastest one must not make everybody else disappear.
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::Presence;
    ///
    /// let hour = Duration::from_secs(3600);
    /// let online = Presence::<String, u16>::with_lifetime(Duration::from_secs(10)).with_retention(hour);
    /// assert_eq!(online.lifetime(), Duration::from_secs(10));
    /// ```
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = micros(retention).max(1);
        self
    }

    /// How long an entry lasts. Send heartbeats three or four times as often, so that nobody expires because one
    /// of them was late.
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::Presence;
    ///
    /// assert_eq!(Presence::<String, u16>::default().lifetime(), Duration::from_secs(30));
    /// ```
    pub fn lifetime(&self) -> Duration {
        Duration::from_micros(self.lifetime)
    }

    /// Who is there at this time, in the order of the keys. O(n).
    ///
    /// ```
    /// use repred::{Presence, Replica};
    ///
    /// let online = Replica::new(Presence::<String, u16>::default());
    /// online.edit(|online| online.heartbeat("jim", 7))?;
    /// let now = online.now();
    /// assert_eq!(online.read(|online| online.iter(now).map(|(_, port)| *port).collect::<Vec<_>>())?, [7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self, now: Time) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let heartbeats = self.heartbeats.writes.iter();
        let alive = heartbeats.filter(move |(_, (stamp, _))| self.is_alive(*stamp, now));
        alive.filter_map(|(key, (_, value))| Some((key, value.as_ref()?)))
    }

    /// The value of a key that is there at this time.
    ///
    /// ```
    /// use repred::{Presence, Replica};
    ///
    /// let online = Replica::new(Presence::<String, u16>::default());
    /// online.edit(|online| online.heartbeat("jim", 7))?;
    /// let now = online.now();
    /// assert_eq!(online.read(|online| online.get("jim", now).copied())?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q, now: Time) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let is_alive = self.stamp(key).is_some_and(|stamp| self.is_alive(stamp, now));
        self.heartbeats.get(key).filter(|_| is_alive)
    }

    /// The stamp of a key's last heartbeat, expired or not.
    ///
    /// ```
    /// use repred::{Presence, Replica};
    ///
    /// let online = Replica::new(Presence::<String, u16>::default());
    /// online.edit(|online| online.heartbeat("jim", 7))?;
    /// let stamp = online.read(|online| online.stamp("jim"))?;
    /// assert_eq!(stamp.map(|stamp| stamp.origin()), Some(online.id()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stamp<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Stamp>
    where
        K: Borrow<Q>,
    {
        self.heartbeats.stamp(key)
    }

    /// When the next entry expires: the time to wake up and look again. O(n).
    ///
    /// ```
    /// use repred::{Presence, Replica};
    ///
    /// let online = Replica::new(Presence::<String, u16>::default());
    /// online.edit(|online| online.heartbeat("jim", 7))?;
    /// let now = online.now();
    /// let expiry = online.read(|online| online.next_expiry(now))?.unwrap();
    /// assert!(online.read(|online| online.iter(expiry).count() == 0)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_expiry(&self, now: Time) -> Option<Time> {
        let present = self.heartbeats.writes.values().filter(|(_, value)| value.is_some());
        let expiries = present.map(|(stamp, _)| stamp.time + self.lifetime());
        expiries.filter(|expiry| *expiry > now).min()
    }

    editor_only!(heartbeat(A, B), leave(A));

    fn is_alive(&self, heartbeat: Stamp, now: Time) -> bool {
        heartbeat.time + self.lifetime() > now
    }

    /// In which age since 1970 this was.
    fn age(&self, stamp: Stamp) -> u64 {
        // A snapshot from a peer may hold anything.
        stamp.time.as_micros() / self.retention.max(1)
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
        // A heartbeat that would have been dropped by now is dropped, however late it arrives.
        if self.is_forgotten(stamp, self.latest) {
            return LwwMapChanges::unchanged(key);
        }
        let changes = self.heartbeats.reduce((key, value), stamp);
        let age = self.age(stamp);
        if changes.is_empty() || age <= self.latest {
            return changes;
        }
        self.latest = age;
        let heartbeats = core::mem::take(&mut self.heartbeats.writes).into_iter();
        let (old, kept): (BTreeMap<_, _>, _) =
            heartbeats.partition(|(_, (heartbeat, _))| self.is_forgotten(*heartbeat, age));
        self.heartbeats.writes = kept;
        changes.and_superseded(old.into_values().map(|(heartbeat, _)| heartbeat.dot))
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
    /// Writes that a key is there for another lifetime, and its value.
    ///
    /// ```
    /// use repred::{Presence, Replica};
    ///
    /// let online = Replica::new(Presence::<String, u16>::default());
    /// online.edit(|online| online.heartbeat("jim", 7))?;
    /// let now = online.now();
    /// assert_eq!(online.read(|online| online.get("jim", now).copied())?, Some(7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn heartbeat(&mut self, key: impl IntoValue<K>, value: impl IntoValue<V>) {
        self.update((key.into_value(), Some(value.into_value())));
    }

    /// Writes that a key is not there any more.
    ///
    /// ```
    /// use repred::{Presence, Replica};
    ///
    /// let online = Replica::new(Presence::<String, u16>::default());
    /// online.edit(|online| online.heartbeat("jim", 7))?;
    /// online.edit(|online| online.leave("jim"))?;
    /// let now = online.now();
    /// assert_eq!(online.read(|online| online.get("jim", now).copied())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
