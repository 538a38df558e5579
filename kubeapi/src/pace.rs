//! How fast things are tried: [`Backoff`] after failures, [`Pace`] for a steady stream, [`Seldom`]
//! for log lines. All on monotonic time; nothing here sleeps but [`Backoff::wait`].

use std::time::Duration;

use tokio::time::Instant;

/// The first wait after a failure.
pub const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest wait after a failure.
pub const RETRY_MAX: Duration = Duration::from_secs(5);
/// After this long without a failure the next one waits [`RETRY_MIN`] again.
const CALM: Duration = Duration::from_secs(5);
/// A failure that goes on is logged once in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Waits between tries: [`RETRY_MIN`], then twice as long each time, up to [`RETRY_MAX`].
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<(Instant, Duration)>,
}

impl Backoff {
    /// How long to wait after a failure now.
    pub fn failed(&mut self) -> Duration {
        let wait = match self.last {
            Some((at, wait)) if at.elapsed() < wait + CALM => (wait * 2).min(RETRY_MAX),
            _ => RETRY_MIN,
        };
        self.last = Some((Instant::now(), wait));
        wait
    }

    /// Waits after a failure.
    pub async fn wait(&mut self) {
        let wait = self.failed();
        tokio::time::sleep(wait).await;
    }

    /// It went well: the next failure is a first one.
    pub fn succeeded(&mut self) {
        self.last = None;
    }
}

/// At most so many things a second, with a burst of a tenth of that.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    burst: Duration,
    /// When the next would be due if none had been early.
    next: Option<Instant>,
}

impl Pace {
    /// `per_s` things a second; none is none at all, so 0 counts as 1.
    #[must_use]
    pub fn per_second(per_s: u32) -> Self {
        let every = Duration::from_secs(1) / per_s.max(1);
        Self {
            every,
            burst: every * (per_s / 10),
            next: None,
        }
    }

    /// Whether a turn is to be had now.
    ///
    /// # Errors
    /// The time of the next turn.
    pub fn ready(&self) -> Result<(), Instant> {
        let now = Instant::now();
        let due = self.next.unwrap_or(now).max(now);
        match due > now + self.burst {
            // The burst is a tenth of a second: never before now.
            true => Err(due - self.burst),
            false => Ok(()),
        }
    }

    /// Takes a turn.
    pub fn take(&mut self) {
        let now = Instant::now();
        self.next = Some(self.next.unwrap_or(now).max(now) + self.every);
    }
}

/// Says yes once a minute.
#[derive(Debug, Default)]
pub struct Seldom {
    last: Option<Instant>,
}

impl Seldom {
    /// Whether it is time again.
    pub fn due(&mut self) -> bool {
        let due = self.last.is_none_or(|at| at.elapsed() >= LOG_EVERY);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }

    /// Forgets the last time; whether there was one.
    pub fn over(&mut self) -> bool {
        self.last.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Pace, RETRY_MAX, RETRY_MIN};

    #[test]
    fn waits_grow_to_a_bound_and_start_again() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(), RETRY_MIN);
        assert_eq!(backoff.failed(), RETRY_MIN * 2);
        for _ in 0..10 {
            backoff.failed();
        }
        assert_eq!(backoff.failed(), RETRY_MAX);
        backoff.succeeded();
        assert_eq!(backoff.failed(), RETRY_MIN);
    }

    #[test]
    fn a_pace_gives_its_burst_and_then_says_when() {
        let mut pace = Pace::per_second(100);
        let turn = |pace: &mut Pace| pace.ready().map(|()| pace.take()).is_ok();
        let taken = (0..100).take_while(|_| turn(&mut pace)).count();
        assert!((10..=13).contains(&taken), "{taken}");
    }
}
