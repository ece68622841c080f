//! [`ReplicaId`]: the name of one replica.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The name of one replica: 128 bits, chosen at random when a replica is made.
///
/// Two replicas that hold the same id would give the same name to different updates, so an id is never
/// reused: a replica that starts anew takes a new one. Ids order as numbers; the order has no meaning
/// but is the same everywhere, which is what a tie needs.
///
/// ```
/// use repred::ReplicaId;
///
/// let id = ReplicaId::from(0xa11ce);
/// assert_eq!(id.to_string(), "000000000000000000000000000a11ce");
/// assert_eq!(format!("{id:?}"), "a11ce");
/// ```
#[doc(alias = "actor")]
#[doc(alias = "peer id")]
#[doc(alias = "node")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId([u8; 16]);

impl ReplicaId {
    /// The id with these bytes, most significant first.
    ///
    /// ```
    /// use repred::ReplicaId;
    ///
    /// let id = ReplicaId::from_bytes([0xab; 16]);
    /// assert_eq!(id.to_bytes(), [0xab; 16]);
    /// ```
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes of the id, most significant first.
    ///
    /// ```
    /// use repred::ReplicaId;
    ///
    /// assert_eq!(ReplicaId::from(1).to_bytes()[15], 1);
    /// ```
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl From<u128> for ReplicaId {
    fn from(number: u128) -> Self {
        Self(number.to_be_bytes())
    }
}

impl From<ReplicaId> for u128 {
    fn from(id: ReplicaId) -> Self {
        Self::from_be_bytes(id.0)
    }
}

/// All 32 hexadecimal digits.
impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from(*self))
    }
}

/// Short enough to read in a list: leading zeros are left out, and of a long id only the first eight
/// digits are shown.
impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from(*self);
        if number >> 96 == 0 {
            write!(f, "{number:x}")
        } else {
            write!(f, "{:08x}…", number >> 96)
        }
    }
}
