//! A change as the cores get it.

use std::sync::Arc;

/// Changes per delta at most: what a core applies in one turn of its loop without a query noticing.
pub const CHANGES_PER_DELTA_MAX: usize = 256;

/// What one core applies in one turn. Immutable, shared by every core.
#[derive(Debug)]
pub struct Delta {
    /// Store revision that this delta brings the core to (not before the last of its parts).
    pub revision: u64,
    /// At most [`CHANGES_PER_DELTA_MAX`] changes.
    pub changes: Box<[Change]>,
}

/// One change of a core's tables.
#[derive(Debug, Clone)]
pub enum Change {
    /// The first complete list has been sent: answers are authoritative from here on.
    Ready,
    /// Placeholder until `table` lands.
    Placeholder(Arc<()>),
}
