//! The Kubernetes role: objects of a cluster on their way to bundles in the store.
//!
//! A change takes this way: [`watch`] reads objects, [`index`] makes bundles of them, [`publish`]
//! finds what differs from the store as [`crate::follow`] sees it, and [`controller`] writes that
//! while [`crate::lease`] says that this process leads. Only a complete list or a deletion removes
//! a name: see [`watch`] and [`publish`].

pub mod controller;
pub mod events;
pub mod import;
pub mod index;
pub mod metrics;
pub mod object;
pub mod publish;
pub mod settings;
pub mod watch;

pub use object::{Object, ObjectId, ObjectKind};
