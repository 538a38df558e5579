//! Gives back what the first list needed and nothing needs any more: pages of the store, deltas,
//! tables that have grown. An allocator keeps that for a list that comes an hour later.

use std::time::Duration;

use crate::kernel;

/// Long enough for the cores to let go of the list's deltas.
const AFTER: Duration = Duration::from_millis(500);

/// Starts the task that does it, on the thread that called, unless there was a list before.
pub(super) fn after_list(lists_before: u64) {
    if lists_before == 0 {
        tokio::spawn(async {
            tokio::time::sleep(AFTER).await;
            kernel::give_back_memory();
        });
    }
}
