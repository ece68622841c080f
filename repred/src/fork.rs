//! [`Fork`]: two updates of one name.

use core::fmt;

use crate::{id::ReplicaId, stamp::Dot};

/// Two different updates have one name, `origin.seq`: two replicas have written under one id, each without knowledge of
/// the other.
///
/// That happens where the folder of a replica is copied and both are opened, where a replica is restored from a backup
/// under its old id after it has written on, where a virtual machine is forked, and where two replicas are given one id.
/// Neither side takes in anything of the other from then on, because what one half has written would be lost in the
/// other. [`SessionError::Forked`](crate::error::SessionError::Forked) says what to do.
///
/// ```
/// use repred::error::SessionError;
///
/// let error = SessionError::Forked { origin: 0xa.into(), seq: 6, is_ours: true };
/// let fork = error.fork().unwrap();
/// assert!(fork.is_ours);
/// assert!(fork.to_string().contains("a.6"), "{fork}");
/// ```
#[doc(alias = "equivocation")]
#[doc(alias = "split brain")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fork {
    /// Under whose id two have written.
    pub origin: ReplicaId,
    /// The first seq at which the two are known to differ; they may have parted earlier.
    pub seq: u64,
    /// Whether this replica writes under that id, or did since it was opened, so that it is one of the two.
    pub is_ours: bool,
}

impl Fork {
    /// The name that two updates have.
    ///
    /// ```
    /// use repred::{Dot, error::SessionError};
    ///
    /// let error = SessionError::Forked { origin: 0xa.into(), seq: 6, is_ours: true };
    /// assert_eq!(error.fork().unwrap().dot(), Dot::new(0xa.into(), 6));
    /// ```
    pub fn dot(&self) -> Dot {
        Dot::new(self.origin, self.seq)
    }
}

/// What has happened, and what to do.
impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, dot) = (self.origin, self.dot());
        if self.is_ours {
            write!(
                f,
                "there is another update {dot} than ours: two replicas write under our id {origin}, such as one and \
                 a copy of its folder; rejoin() with one of the two writes its own updates again under a new id, and \
                 a copy is to be opened with restored()"
            )
        } else {
            write!(
                f,
                "there are two updates {dot}: two replicas write under the id {origin}, such as one and a copy of its \
                 folder; one of the two has to rejoin(), and so has whoever holds its updates"
            )
        }
    }
}
