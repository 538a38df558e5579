//! The contract of the store: each case of [`cases`] runs against the embedded store and against a
//! real etcd; what only one of them has (restarts, TLS, hangs) is in a module of its own.
//!
//! etcd must be installed: its absence is a failure.

use std::sync::Arc;

use containerdns_store::Store;

mod cases;
mod embedded;
mod etcd;
mod etcd_server;
mod login;

/// A store to test, with what the trait does not offer.
#[async_trait::async_trait]
pub(crate) trait Bench: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// Forgets the history before `revision`.
    async fn compact(&self, revision: i64);
    /// Whether a delete at the revision of a compaction is lost to watches.
    fn loses_compacted_deletes(&self) -> bool;
}

/// Makes a test of every case for one bench.
macro_rules! contract {
    ($name:ident, $bench:expr, $($case:ident),+ $(,)?) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::cases::$case(&$bench.await).await;
                }
            )+
        }
    };
    ($name:ident, $bench:expr) => {
        contract!(
            $name,
            $bench,
            an_empty_prefix_lists_nothing,
            pages_cover_a_prefix_once,
            a_listing_stays_at_its_revision,
            a_listing_of_a_compacted_revision_fails,
            a_listing_ahead_of_the_store_is_refused,
            large_values_are_paged,
            a_watch_replays_the_past,
            a_watch_waits_for_the_future,
            a_watch_sees_deletes,
            a_watch_merges_prefixes,
            a_transaction_is_one_batch,
            a_large_transaction_is_one_batch,
            a_quiet_watch_reports_progress,
            a_watch_from_a_compacted_revision_fails,
            a_gap_made_by_compaction_is_noticed,
            a_delete_compacted_at_its_revision_is_healed_by_a_listing,
            guards_decide,
            a_refusal_shows_the_guarded_keys,
            guarded_counters_add_up,
            impossible_transactions_are_refused,
            a_lease_ends_with_its_keys,
            a_lease_is_kept_alive,
            a_revoked_lease_is_gone,
        );
    };
}

contract!(on_embedded, crate::embedded::EmbeddedBench::new());
contract!(on_etcd, crate::etcd::EtcdBench::new());
