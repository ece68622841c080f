//! Which of two updates was written with knowledge of the other.

use super::{Core, OrderError};
use crate::{history::OriginIndex, reduce::Replicated, stamp::Dot};

/// An update that is here.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Present {
    origin: OriginIndex,
    seq: u64,
}

impl<R: Replicated> Core<R> {
    /// Whether the author of `b` had seen `a` when it wrote `b`. Then no replica ever reduces `b` before
    /// `a`. O(log updates).
    ///
    /// Of two updates of one origin, the one with the lower seq is before the other. For others it has to be
    /// on record what their authors had seen: every replica on the way has to
    /// [keep everything](Self::keep_everything), from its start.
    ///
    /// ```
    /// use repred::{Counter, Dot, Time, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.keep_everything();
    /// votes.update(3, now)?;
    /// votes.set_id(0xb.into());
    /// votes.update(4, now)?;
    ///
    /// let (a, b) = (Dot::new(0xa.into(), 1), Dot::new(0xb.into(), 1));
    /// assert!(votes.is_before(a, b)?);
    /// assert!(!votes.is_before(b, a)? && !votes.is_concurrent(a, b)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OrderError`]. It does not fail if what is on record shows the order, even if the record is incomplete.
    pub fn is_before(&self, a: Dot, b: Dot) -> Result<bool, OrderError> {
        let (earlier, later) = (self.present(a)?, self.present(b)?);
        if earlier.origin == later.origin {
            return Ok(earlier.seq < later.seq);
        }
        if self.had_seen(later, earlier) {
            return Ok(true);
        }
        // If the author of `a` had seen `b`, then `b` was written before `a`, so the author of `b` cannot have seen
        // `a`.
        if self.history().is_recorded(later.origin, later.seq) || self.had_seen(earlier, later) {
            return Ok(false);
        }
        Err(OrderError::NotRecorded { dot: b })
    }

    /// Whether two updates were written without knowledge of each other: they are two, and neither
    /// [is before](Self::is_before) the other. O(log updates).
    ///
    /// ```
    /// use repred::{Counter, Dot, Time, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.keep_everything();
    /// votes.update(3, now)?;
    /// votes.update(4, now)?;
    ///
    /// let (first, second) = (Dot::new(0xa.into(), 1), Dot::new(0xa.into(), 2));
    /// assert!(!votes.is_concurrent(first, second)?, "the author of the second knew the first");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OrderError`].
    pub fn is_concurrent(&self, a: Dot, b: Dot) -> Result<bool, OrderError> {
        Ok(!self.is_before(a, b)? && !self.is_before(b, a)? && a != b)
    }

    fn present(&self, dot: Dot) -> Result<Present, OrderError> {
        let is_here = |&origin: &OriginIndex| (1..=self.history().last(origin)).contains(&dot.seq);
        let origin = self.history().origin(dot.origin).filter(is_here);
        let origin = origin.ok_or(OrderError::NotSeen { dot })?;
        Ok(Present { origin, seq: dot.seq })
    }

    /// Whether it is on record that the author of one had seen the other.
    fn had_seen(&self, one: Present, other: Present) -> bool {
        self.history().had_seen(one.origin, one.seq, other.origin) >= other.seq
    }
}
