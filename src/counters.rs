//! What one shard counts. The shard is the only writer, so a count is a plain load and store of a
//! relaxed atomic: no locked instruction on the packet path. The admin server reads at any time
//! and may see counts of one query apart from each other; nothing depends on them agreeing.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

static PROCESS_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The time that [`process_ms`] counts from.
pub fn process_start() -> Instant {
    *PROCESS_START
}

/// Milliseconds since the process start, more exactly since the first call: what
/// [`ShardCounters::heartbeat_ms`] is compared with.
pub fn process_ms() -> u64 {
    PROCESS_START.elapsed().as_millis() as u64
}

/// A count with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning shard may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Replaces the value: for gauges.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Every count of one shard, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ShardCounters {
    /// Queries received over UDP.
    pub udp_queries: Counter,
    /// Queries received over TCP.
    pub tcp_queries: Counter,
    /// Responses by RCODE 0 to 15 (extended RCODEs count under 15).
    pub rcodes: [Counter; 16],
    /// Messages dropped without a response: shorter than a header, or responses.
    pub dropped: Counter,
    /// Responses cut to fit, with TC set.
    pub truncated: Counter,
    /// Queries answered SERVFAIL because answering them panicked.
    pub panics: Counter,
    /// Datagrams the kernel did not accept from us.
    pub send_errors: Counter,
    /// Receive batches taken; `udp_queries / udp_batches` is the mean batch.
    pub udp_batches: Counter,
    /// TCP connections open now.
    pub tcp_connections: Counter,
    /// TCP connections accepted since the start.
    pub tcp_accepted: Counter,
    /// TCP connections closed at once because a limit was reached.
    pub tcp_refused: Counter,
    /// TCP connections closed by the read or idle deadline.
    pub tcp_timeouts: Counter,
    /// Changes applied to the index.
    pub changes_applied: Counter,
    /// Names in the index.
    pub names: Counter,
    /// Store revision of the newest delta applied.
    pub revision: Counter,
    /// 1 once the first complete list is applied.
    pub ready: Counter,
    /// [`process_ms`] at the last heartbeat: every 100 ms while the loop and the executor's
    /// reactor both run.
    pub heartbeat_ms: Counter,
}
