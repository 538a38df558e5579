//! Says the first of many alike things at once and then one a minute, with how many were left
//! unsaid: an outage of hours must not fill a disk.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

/// One kind of message.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    spoke: Option<Instant>,
    hidden: u64,
    /// The matter as it stands was spoken of.
    said: bool,
}

impl Quiet {
    /// Whether to speak now, and if so how many were left unsaid since the last time.
    pub(super) fn speak(&mut self) -> Option<u64> {
        if self.spoke.is_some_and(|spoke| spoke.elapsed() < EVERY) {
            self.hidden += 1;
            return None;
        }
        self.spoke = Some(Instant::now());
        self.said = true;
        Some(std::mem::take(&mut self.hidden))
    }

    /// The matter is over: how many were left unsaid, if it was spoken of. One that comes and goes
    /// is not spoken of more often for that.
    pub(super) fn end(&mut self) -> Option<u64> {
        std::mem::take(&mut self.said).then(|| std::mem::take(&mut self.hidden))
    }
}
