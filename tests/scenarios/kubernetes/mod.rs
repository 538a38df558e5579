//! From objects in a Kubernetes API server to answers: API server -> `containerdns-kubeapi` -> etcd
//! -> `containerdns` -> a client, each a process of its own.
//!
//! The API server is the stand-in of the control plane's own tests. With `KUBEBUILDER_ASSETS` (a
//! folder with `kube-apiserver` and `etcd`) the same scenarios also run against a real one;
//! without it they say that they did not.

mod changes;
mod cluster;
mod faults;
mod names;
mod objects;
mod programs;
mod real;
mod replicas;
mod shop;
#[expect(dead_code, reason = "its own tests use the rest of it")]
#[path = "../../../kubeapi/tests/stand_in/mod.rs"]
mod stand_in;
mod unchanged;
