//! A change as the cores get it: immutable, shared by every core, small enough for one turn of a
//! loop.

use std::sync::Arc;

use crate::table::{Node, Soa, ViewId, ZoneId};

/// Changes per delta at most: what a core applies in one turn without a query noticing.
pub const CHANGES_PER_DELTA_MAX: usize = 256;

/// What one core applies in one turn.
#[derive(Debug)]
pub struct Delta {
    /// The store's revision when the delta was made.
    pub revision: u64,
    /// At most [`CHANGES_PER_DELTA_MAX`] changes.
    pub changes: Box<[Change]>,
}

/// One change of a core's tables.
#[derive(Debug, Clone)]
pub enum Change {
    /// The node is now what exists at its owner name: for everybody, or in a view.
    Put(Option<ViewId>, Node),
    /// Nothing exists at this name (lower case, on the wire) any more, in the same sense.
    Remove(Option<ViewId>, Arc<[u8]>),
    /// The zone's SOA fields are now these.
    Soa(ZoneId, Arc<Soa>),
    /// The first complete list has been sent: answers are authoritative from here on.
    Ready,
}
