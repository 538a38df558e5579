//! Black-box scenarios: the built program with real etcd, real dig and raw messages.
//!
//! One binary for all, so that it links once. Each module starts what it needs on ports of its
//! own; modules run side by side. A missing etcd or dig is a failure.

mod addresses;
mod api;
mod backends;
mod bad_values;
mod cases;
mod change;
mod client_subnet;
mod flood;
mod formats;
#[path = "../harness/mod.rs"]
mod harness;
mod kubernetes;
mod limits;
mod outage;
mod policies;
mod start;
mod topology;
mod views;
