//! Counters of the Kubernetes role. Plain numbers: how they are shown is not decided here.

use std::sync::atomic::AtomicU64;

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Complete lists of objects.
    pub relists: AtomicU64,
    /// Requests and watches of the Kubernetes API that failed.
    pub watch_failures: AtomicU64,
}
