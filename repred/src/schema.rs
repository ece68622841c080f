//! [`Schema`]: what the updates of a replica mean.

use alloc::{borrow::ToOwned, string::String};
use core::{fmt, hash::Hasher};

use siphasher::sip::SipHasher24;

/// What the updates of a replica mean: only replicas whose schemas fit understand each other.
///
/// Schemas of the same name and version fit. A newer version may declare that it has grown out of older ones, by fields that
/// were added with a default, moved, or [renamed](derive@crate::Reduce), or by variants that were added at the end; see
/// [upgrades](crate::guide::upgrades). Then replicas of both versions
/// connect: the newer one understands all updates, and the older one keeps and passes on those that it does not understand;
/// see [`Replica::deferred`](crate::Replica::deferred).
///
/// ```
/// use repred::Schema;
///
/// let old = Schema::new("shopping list", 2);
/// let new = Schema::new("shopping list", 3).grown_from(2);
/// assert_eq!(old.to_string(), "shopping list, version 2");
/// assert!(old.fits(&new) && new.fits(&old));
/// assert!(!new.fits(&Schema::new("shopping list", 1)));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Schema {
    name: String,
    version: u32,
    oldest: u32,
}

impl Schema {
    /// Names are sent whenever two replicas meet, so longer ones are cut to this many bytes, with a hash
    /// of the whole at the end.
    pub const MAX_NAME: usize = 40;

    /// A schema by name and version.
    ///
    /// ```
    /// use repred::Schema;
    ///
    /// let schema = Schema::new("shopping list", 2);
    /// assert_eq!((schema.name(), schema.version()), ("shopping list", 2));
    /// ```
    pub fn new(name: &str, version: u32) -> Self {
        Self { name: shorten(name), version, oldest: version }
    }

    /// This version understands all versions since `oldest`: since then, fields were only added with a default, moved, or
    /// renamed, and variants were only added at the end. Replicas and journals check that this is so where they meet one of an
    /// older version, and refuse it with the first place that it does not hold for.
    ///
    /// ```
    /// use repred::Schema;
    ///
    /// let schema = Schema::new("shopping list", 3).grown_from(2);
    /// assert!(schema.fits(&Schema::new("shopping list", 2)));
    /// ```
    #[must_use]
    pub fn grown_from(mut self, oldest: u32) -> Self {
        self.oldest = oldest.min(self.version);
        self
    }

    /// Whether replicas of the two can be connected.
    ///
    /// ```
    /// use repred::Schema;
    ///
    /// let list = Schema::new("shopping list", 2);
    /// assert!(list.fits(&list) && !list.fits(&Schema::new("board", 2)));
    /// ```
    pub fn fits(&self, other: &Self) -> bool {
        let (older, newer) =
            if self.version < other.version { (self, other) } else { (other, self) };
        older.name == newer.name && newer.oldest <= older.version
    }

    /// The schema named after a type, version 0: the default. Two programs have the same one if they use the same type
    /// from the same crate.
    ///
    /// ```
    /// use repred::{Counter, Schema};
    ///
    /// let schema = Schema::of::<Counter>();
    /// assert_eq!((schema.name(), schema.version()), ("repred::types::counter::Counter", 0));
    /// ```
    pub fn of<T: ?Sized>() -> Self {
        Self::new(core::any::type_name::<T>(), 0)
    }

    /// The schema that a peer or a file names, whose name is cut already.
    pub(crate) fn received(name: &str, version: u32, oldest: u32) -> Self {
        Self { name: name.to_owned(), version, oldest }
    }

    /// The name, cut to [`MAX_NAME`](Self::MAX_NAME) bytes.
    ///
    /// ```
    /// use repred::Schema;
    ///
    /// let schema = Schema::new(&"x".repeat(100), 1);
    /// assert_eq!(schema.name().len(), Schema::MAX_NAME);
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    ///
    /// ```
    /// use repred::Schema;
    ///
    /// assert_eq!(Schema::new("board", 2).version(), 2);
    /// ```
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The oldest version that this one understands.
    ///
    /// ```
    /// use repred::Schema;
    ///
    /// assert_eq!(Schema::new("board", 2).oldest(), 2);
    /// assert_eq!(Schema::new("board", 2).grown_from(1).oldest(), 1);
    /// ```
    pub fn oldest(&self) -> u32 {
        self.oldest
    }
}

fn shorten(name: &str) -> String {
    if name.len() <= Schema::MAX_NAME {
        return name.to_owned();
    }
    let mut hasher = SipHasher24::new();
    hasher.write(name.as_bytes());
    let hash = format!("~{:08x}", hasher.finish() >> 32);
    let end = (0..=Schema::MAX_NAME - hash.len()).rev().find(|&end| name.is_char_boundary(end));
    format!("{}{hash}", &name[..end.unwrap_or(0)])
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, version {}", self.name, self.version)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({self})")
    }
}
