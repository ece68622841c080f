//! [`DocumentId`]: which document a replica is a copy of.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Which document a replica is a copy of, where several documents have the same schema: sixteen bytes that the
/// application chooses, and the same on every replica of the document.
///
/// It is said to every peer, and stands in the journal's files. Two replicas of different documents refuse each other,
/// and a journal of another document is not opened: otherwise a wrong address would merge two documents into one, and
/// nothing takes them apart again. [`NONE`](Self::NONE), sixteen zeros, is the default; it is a document like any
/// other.
///
/// ```
/// use repred::{Counter, DocumentId, Replica};
///
/// let poll = DocumentId::from(0x9011);
/// let votes = Replica::builder(Counter::default()).document(poll).build();
/// assert_eq!(votes.document()?, poll);
/// assert_eq!(poll.to_string(), "00000000000000000000000000009011");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "room")]
#[doc(alias = "topic")]
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentId([u8; 16]);

impl DocumentId {
    /// No document in particular.
    ///
    /// ```
    /// use repred::DocumentId;
    ///
    /// assert_eq!(DocumentId::NONE, DocumentId::from_bytes([0; 16]));
    /// ```
    pub const NONE: Self = Self([0; 16]);

    /// The id with these bytes. They may be random, or a hash of a name; nothing is read from them.
    ///
    /// ```
    /// use repred::DocumentId;
    ///
    /// assert_eq!(DocumentId::from_bytes(*b"minutes-of-april").to_bytes(), *b"minutes-of-april");
    /// ```
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes it is written as.
    ///
    /// ```
    /// use repred::DocumentId;
    ///
    /// assert_eq!(DocumentId::from(1).to_bytes()[15], 1);
    /// ```
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl From<u128> for DocumentId {
    fn from(number: u128) -> Self {
        Self(number.to_be_bytes())
    }
}

impl From<DocumentId> for u128 {
    fn from(id: DocumentId) -> Self {
        Self::from_be_bytes(id.0)
    }
}

/// All 32 hexadecimal digits.
impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from(*self))
    }
}

/// Without leading zeros.
impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", u128::from(*self))
    }
}
