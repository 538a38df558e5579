//! Kubernetes as the controller meets it: through a stand-in for the API server.
//!
//! [`recordings`] holds the stand-in against what a real server was seen to do; [`mounts`],
//! [`lists`], [`watches`], [`faults`] and [`writes`] are about what no recording shows. Nothing
//! here needs a cluster.

mod client;
mod exchange;
mod faults;
mod lists;
mod mounts;
mod recordings;
#[path = "../stand_in/mod.rs"]
mod stand_in;
mod watches;
mod writes;

use std::time::{Duration, Instant};

/// Waits until `probe` says so: what happens in other threads takes a moment.
fn wait_until(what: &str, mut probe: impl FnMut() -> bool) {
    let start = Instant::now();
    while !probe() {
        assert!(start.elapsed() < Duration::from_secs(30), "not yet: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
