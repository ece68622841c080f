//! [`Progress`]: a progress bar for what takes longer than a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How long something may take without a bar.
const DELAY: Duration = Duration::from_secs(1);

/// How often a bar without a position moves.
const TICK: Duration = Duration::from_millis(100);

/// Shows how far something is, on a terminal, once it has taken a second.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    bytes: Option<u64>,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// For something that goes through so many bytes.
    pub(crate) fn new(what: &'static str, bytes: u64) -> Self {
        Self { what, bytes: Some(bytes), begun: Instant::now(), bar: None }
    }

    /// For something that goes through an unknown number of bytes.
    pub(crate) fn unknown(what: &'static str) -> Self {
        Self { what, bytes: None, begun: Instant::now(), bar: None }
    }

    /// For something that does not know how far it is.
    pub(crate) fn waiting(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(TICK);
        Self { bar: Some(bar), ..Self::unknown(what) }
    }

    /// So many of the bytes are done.
    pub(crate) fn reach(&mut self, done: u64) {
        if self.bar.is_none() && self.begun.elapsed() > DELAY {
            self.bar = Some(self.begin());
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// The bar is drawn on the standard error, and only if that is a terminal.
    fn begin(&self) -> ProgressBar {
        let (bar, template) = match self.bytes {
            Some(bytes) => {
                (ProgressBar::new(bytes), "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {msg} {bytes}"),
        };
        let style = ProgressStyle::with_template(template);
        let bar = bar.with_message(self.what).with_elapsed(self.begun.elapsed());
        style.into_iter().fold(bar, ProgressBar::with_style)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
