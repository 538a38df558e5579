//! The Kubernetes role: objects of a cluster on their way to bundles in the store.
//!
//! [`watch`] reads objects, [`follow`] what the store holds, and [`lease`] says whether this
//! process may write. An index of objects is asked through [`Desired`]. Only a complete list or a
//! deletion removes a name: see [`watch`].
//!
//! Not here yet: the publisher that makes the store equal to the index, and what joins the parts.
//! Nothing starts this role.

pub mod follow;
pub mod lease;
pub mod metrics;
pub mod object;
pub mod pace;
pub mod watch;

pub use object::{Desired, Object, ObjectId, ObjectKind};
