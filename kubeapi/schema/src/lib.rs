//! Record model and store formats, shared by the DNS server, the control plane and the command
//! line.
//!
//! Everything here is a pure function over bytes: no I/O, no clock, no async. Foreign bytes (store
//! keys and values, zone files, REST bodies) come in through `decode` and `parse` functions, are
//! checked once, and leave as types that cannot hold anything malformed. What a name means to the
//! server (zones, delegations, wildcards) is decided there, not here.

#![forbid(unsafe_code)]

pub mod format;
pub mod health;
pub mod name;
pub mod prefix;
mod presentation;
pub mod probe;
pub mod rdata;
pub mod record;
pub mod rest;
pub mod reverse;
#[cfg(test)]
mod wrapped;
pub mod zonefile;

pub use format::{Contributed, Contribution, Format, FormatError, Reach};
pub use health::{Health, Status};
pub use name::{Name, NameError};
pub use prefix::AddressPrefix;
pub use probe::Probe;
pub use rdata::{Rdata, RdataError};
pub use record::{Record, RecordType};
