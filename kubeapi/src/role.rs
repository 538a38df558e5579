//! What every role that runs by itself shows of itself, and how it is told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// The end of the process waits so long for a role's lease to be given up.
const END_MAX: Duration = Duration::from_secs(1);

/// A running role.
#[derive(Debug)]
pub struct Running {
    /// What others may know of it.
    pub status: Status,
    /// Told when the process ends.
    pub ending: watch::Sender<bool>,
    /// The task that holds the role's lease.
    pub candidate: JoinHandle<()>,
}

impl Running {
    /// Gives up the role's lease, so that another process need not wait for its end.
    pub async fn end(self) {
        self.ending.send_replace(true);
        // A store that does not answer must not delay the end.
        let _ = timeout(END_MAX, self.candidate).await;
    }
}

/// What others may know of a role.
#[derive(Debug, Clone)]
pub struct Status {
    /// The role, as people call it.
    pub role: &'static str,
    started: Instant,
    turned_ms: Arc<AtomicU64>,
    waits_for: watch::Receiver<Vec<&'static str>>,
}

impl Status {
    /// Time since the role's loop last turned.
    #[must_use]
    pub fn age(&self) -> Duration {
        let turned = Duration::from_millis(self.turned_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(turned)
    }

    /// What is still to be listed before the role can do its work; empty when it is ready.
    #[must_use]
    pub fn waits_for(&self) -> Vec<&'static str> {
        self.waits_for.borrow().clone()
    }
}

/// A role's own end of its [`Status`].
#[derive(Debug)]
pub struct Pulse {
    status: Status,
    waits: watch::Sender<Vec<&'static str>>,
}

impl Pulse {
    /// Of a role that waits for all of `waits_for`.
    #[must_use]
    pub fn new(role: &'static str, waits_for: Vec<&'static str>) -> Self {
        let (waits, waits_for) = watch::channel(waits_for);
        let status = Status {
            role,
            started: Instant::now(),
            turned_ms: Arc::default(),
            waits_for,
        };
        Self { status, waits }
    }

    /// What others may know.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// The loop has turned.
    pub fn turned(&self) {
        let since_start = self.status.started.elapsed().as_millis() as u64;
        self.status.turned_ms.store(since_start, Ordering::Relaxed);
    }

    /// Whether nothing is waited for any more.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.waits.borrow().is_empty()
    }

    /// What is still waited for.
    pub fn waits_for(&self, what: Vec<&'static str>) {
        self.waits.send_replace(what);
    }
}
