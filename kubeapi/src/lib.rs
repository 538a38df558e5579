//! The control plane of ContainerDNS: what writes the store that DNS nodes read.
//!
//! Its crates are here already: `containerdns-schema` (what keys and values mean) and
//! `containerdns-store` (etcd v3 and the embedded store). The roles that use them are not in this
//! release.

#![forbid(unsafe_code)]
