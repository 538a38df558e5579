//! What the sync thread tells others about itself: numbers that the admin server reads at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Model;
use crate::counters::process_ms;

macro_rules! status {
    ($($(#[doc = $help:literal])* $kind:ident $name:ident),* $(,)?) => {
        /// The numbers. Each stands alone; nothing depends on two of them agreeing.
        #[derive(Debug, Default)]
        pub struct SyncStatus {
            $($(#[doc = $help])* pub $name: AtomicU64,)*
            /// Names of each view, in the order of the configuration.
            pub view_names: Box<[AtomicU64]>,
        }

        impl SyncStatus {
            /// Every number: its name, what it means, whether it only grows, its value.
            pub fn numbers(&self) -> Vec<Number> {
                vec![$(Number {
                    name: status!(@name $kind $name),
                    help: concat!($($help),*).trim(),
                    grows: status!(@$kind),
                    value: self.$name.load(Relaxed),
                }),*]
            }
        }
    };
    (@name counter $name:ident) => { concat!("containerdns_sync_", stringify!($name), "_total") };
    (@name gauge $name:ident) => { concat!("containerdns_sync_", stringify!($name)) };
    (@counter) => { true };
    (@gauge) => { false };
}

/// One number with its meaning.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// Its name as a metric, unit last.
    pub name: &'static str,
    /// Its meaning.
    pub help: &'static str,
    /// Whether it only grows.
    pub grows: bool,
    /// Its value now.
    pub value: u64,
}

status! {
    /// 1 once the cores were sent the first complete list.
    gauge ready,
    /// The store's revision that the cores were brought to.
    gauge revision,
    /// When the store was lost, in milliseconds since the process start.
    gauge lost_ms,
    /// 1 while the store answers: a watch runs and the last list was complete.
    gauge store_connected,
    /// Complete lists.
    counter lists,
    /// Lists that failed; nothing was removed because of them.
    counter list_failures,
    /// Watches that ended in an error.
    counter watch_failures,
    /// Changes seen by watches.
    counter events,
    /// Keys that a list had to correct although a watch ran: events the store lost.
    counter list_repairs,
    /// Times that the store turned out to be another one, or an older state of itself.
    counter store_replacements,
    /// 1 while a list that would remove most names waits for a second one that agrees.
    gauge list_held,
    /// Lists held because they would have removed most names.
    counter lists_held,
    /// Names with records, and those between them and their apex.
    gauge names,
    /// Keys read from the store.
    gauge keys,
    /// Keys whose value makes no sense and is skipped.
    gauge keys_bad,
    /// Names where a CNAME stands beside other records, which win.
    gauge cname_conflicts,
    /// Backends known to be down.
    gauge backends_down,
    /// Names all of whose addresses of a type are down: all of them are answered.
    gauge names_failed_open,
    /// Records seen that lie in no zone of ours.
    counter records_outside,
    /// Records refused because too many names exist.
    counter records_refused,
    /// SOA, NS and DS records of views seen, which are left out.
    counter records_left_out,
    /// Cores that are behind and get the merged newest state.
    gauge cores_behind,
    /// Snapshot files written.
    counter snapshots,
    /// Snapshot files that could not be written; the former one is intact.
    counter snapshot_failures,
}

impl SyncStatus {
    /// The numbers of a server with so many views, all 0.
    pub fn with_views(views: usize) -> SyncStatus {
        SyncStatus {
            view_names: std::iter::repeat_with(AtomicU64::default)
                .take(views)
                .collect(),
            ..SyncStatus::default()
        }
    }

    /// Seconds since the store was last known to answer; 0 while it does.
    pub fn staleness_s(&self) -> f64 {
        if self.store_connected.load(Relaxed) == 1 {
            return 0.0;
        }
        process_ms().saturating_sub(self.lost_ms.load(Relaxed)) as f64 / 1000.0
    }

    pub(super) fn connected(&self) {
        self.store_connected.store(1, Relaxed);
    }

    pub(super) fn lost(&self) {
        if self.store_connected.swap(0, Relaxed) == 1 {
            self.lost_ms.store(process_ms(), Relaxed);
        }
    }

    pub(super) fn add(&self, number: &AtomicU64, n: u64) {
        number.store(number.load(Relaxed) + n, Relaxed);
    }

    pub(super) fn take_counts(&self, model: &Model) {
        let counts = model.counts();
        for (number, value) in [
            (&self.names, counts.names as u64),
            (&self.keys, counts.keys as u64),
            (&self.keys_bad, counts.keys_bad as u64),
            (&self.cname_conflicts, counts.conflicts as u64),
            (&self.backends_down, counts.backends_down as u64),
            (&self.names_failed_open, counts.failed_open as u64),
            (&self.records_outside, counts.records_outside),
            (&self.records_refused, counts.records_refused),
            (&self.records_left_out, counts.records_left_out),
        ] {
            number.store(value, Relaxed);
        }
        for (number, names) in self.view_names.iter().zip(model.names_in_views()) {
            number.store(names as u64, Relaxed);
        }
    }
}
