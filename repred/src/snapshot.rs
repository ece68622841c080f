//! [`Snapshot`]: a state and the version it stands for, frozen together.

use alloc::vec::Vec;
use core::{fmt, hash::Hasher};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::{seen::Seen, time::Time, version::VersionVector};

/// A state, encoded, with the version it stands for and the largest time in it.
///
/// It brings a replica up to date that lacks trimmed updates, at the cost of sending the whole state.
///
/// ```
/// use repred::{Counter, Time, sans_io::Core};
///
/// let mut votes = Core::new(0xa.into(), Counter::default());
/// votes.update(3, Time::from_micros(1))?;
/// let snapshot = votes.snapshot()?;
/// assert_eq!(*snapshot.version(), votes.version());
/// assert_eq!(snapshot.time(), votes.latest_time());
/// assert!(!snapshot.state().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "checkpoint")]
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub(crate) version: VersionVector,
    /// The version, with what binds it to the content of what was seen.
    pub(crate) seen: Seen,
    pub(crate) time: Time,
    pub(crate) state: Vec<u8>,
}

impl Snapshot {
    /// What has been reduced into the state.
    pub fn version(&self) -> &VersionVector {
        &self.version
    }

    /// The largest time that its replica had seen.
    pub fn time(&self) -> Time {
        self.time
    }

    /// The encoded state.
    pub fn state(&self) -> &[u8] {
        &self.state
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .field("time", &self.time)
            .field("bytes", &self.state.len())
            .finish()
    }
}

/// 128 bits that tell one sequence of bytes from another: SipHash-2-4 without a key (Aumasson and
/// Bernstein, 2012), so that it is the same on every machine and in every version.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    let mut hasher = SipHasher24::new();
    parts.into_iter().for_each(|part| hasher.write(part));
    hasher.finish128().as_u128()
}
