//! The control plane of ContainerDNS: what writes the store that DNS nodes read.
//!
//! It has three roles. [`kubernetes`] turns the objects of a cluster into bundles of records;
//! [`prober`] finds out which backends are alive. The REST API ([`api`]): [`mirror`] keeps
//! [`records`] equal to the store, [`plan`] turns a request into one guarded transaction,
//! [`tokens`] say who may. The program is `containerdns-kubeapi`, which also shows how it is
//! ([`admin`]); `containerdns standalone` runs the API in its own process.

#![forbid(unsafe_code)]

pub mod admin;
pub mod api;
pub mod config;
pub mod follow;
pub mod kubernetes;
pub mod lease;
pub mod mirror;
pub mod pace;
pub mod plan;
pub mod prober;
pub mod records;
pub mod role;
pub mod serve;
pub mod tokens;
