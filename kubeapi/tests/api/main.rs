//! The REST API as its users meet it: the built program, its port, and what etcd holds afterwards.
//!
//! [`transcript`] plays files of requests and compares what came back, and what changed in etcd,
//! with what the file says; the other modules test what a file cannot tell: time, connections,
//! processes. Requests are written octet by octet by [`client`], so that wrong ones can be sent
//! too. Nothing here uses the code under test. A missing etcd is a failure.

mod bad_requests;
mod client;
mod concurrent;
#[path = "../../../tests/harness/etcd.rs"]
#[expect(dead_code, reason = "clusters are for the scenarios of the DNS server")]
mod etcd;
#[path = "../../../tests/harness/http.rs"]
mod http;
mod limits;
mod lists;
mod openapi;
mod owners;
#[path = "../../../tests/harness/ports.rs"]
mod ports;
#[path = "../../../tests/harness/process.rs"]
#[expect(dead_code, reason = "memory and time are measured elsewhere")]
mod process;
mod server;
mod tls;
mod tokens;
mod transcript;
mod writes;

use std::time::{Duration, Instant};

/// Polls `probe` every 5 ms until it gives a value; `None` when `limit` has passed.
fn poll<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
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
