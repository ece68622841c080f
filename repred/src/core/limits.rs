//! [`CoreLimits`]: what a core takes at most.

use core::time::Duration;

/// What a [`Core`](crate::sans_io::Core) takes at most. Each limit bounds memory that others could make it use.
///
/// ```
/// use repred::{
///     Register, Time,
///     error::UpdateError,
///     sans_io::{Core, CoreLimits},
/// };
///
/// let mut limits = CoreLimits::default();
/// limits.update_bytes = 10;
/// let mut title = Core::with_limits(0xa.into(), Register::new(String::new()), limits);
/// let too_long = title.edit(Time::from_micros(1), |title| title.set("A very long title".to_owned()));
/// assert!(matches!(too_long, Err(UpdateError::TooLarge { limit: 10, .. })));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreLimits {
    /// Bytes of one encoded update. Default 1 MiB: it has to fit a message, and messages are buffered whole.
    pub update_bytes: usize,
    /// Bytes of all updates of one edit. Default 16 MiB: a peer applies an edit as one, and so has to hold all of it.
    pub edit_bytes: usize,
    /// Origins in the version. Default 35,000: a version entry takes some hundred bytes, and a digest of
    /// two versions has to fit a message.
    pub origins: usize,
    /// How far ahead of our wall clock a time may be. Default five minutes: without a limit, a single wrong clock would
    /// put all replicas' stamps forward, since no stamp is behind one that was seen before. In a session, what is further
    /// ahead waits until its time has come near.
    pub time_ahead: Duration,
    /// Events kept for slow observers. Default 1,024.
    pub events: usize,
}

impl Default for CoreLimits {
    fn default() -> Self {
        Self {
            update_bytes: 1 << 20,
            edit_bytes: 16 << 20,
            origins: 35_000,
            time_ahead: Duration::from_secs(300),
            events: 1024,
        }
    }
}
