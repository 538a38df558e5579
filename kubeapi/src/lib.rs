//! The control plane of ContainerDNS: what writes the store that DNS nodes read.
//!
//! In this release it has one role, the REST API ([`api`]): [`mirror`] keeps [`records`] equal to
//! the store, [`plan`] turns a request into one guarded transaction, [`tokens`] say who may. The
//! program is `containerdns-kubeapi`; `containerdns standalone` runs the same parts in its own
//! process.

#![forbid(unsafe_code)]

pub mod api;
pub mod config;
pub mod kubernetes;
pub mod mirror;
pub mod plan;
pub mod records;
pub mod serve;
pub mod tokens;
