//! What the black-box scenarios share: real processes, real etcd, raw DNS messages.
//!
//! [`server`] and [`etcd`] start programs and wait for them by polling; [`query`] and [`reply`]
//! write and read messages with code of their own, so that a mistake of the server cannot hide
//! behind the same mistake here; [`exchange`] carries them; [`proxy`] stands between the server
//! and etcd; [`prober`] watches that answers stay right. Nothing here knows how the server works
//! inside: only its command line, configuration, ports and store formats.

pub(crate) mod dig;
pub(crate) mod etcd;
pub(crate) mod exchange;
pub(crate) mod fixture;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod ports;
pub(crate) mod prober;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod server;

use std::time::{Duration, Instant};

/// Polls `probe` every 5 ms until it gives a value; `None` when `limit` has passed.
pub(crate) fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
