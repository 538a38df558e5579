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
    ($name:ident, $bench:expr, $($group:ident::$case:ident),+ $(,)?) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::cases::$group::$case(&$bench.await).await;
                }
            )+
        }
    };
    ($name:ident, $bench:expr) => {
        contract!(
            $name,
            $bench,
            listing::an_empty_prefix_lists_nothing,
            listing::pages_cover_a_prefix_once,
            listing::a_listing_stays_at_its_revision,
            listing::a_listing_of_a_compacted_revision_fails,
            listing::a_listing_ahead_of_the_store_is_refused,
            listing::large_values_are_paged,
            past::the_past_of_a_key_is_told_newest_first,
            past::the_past_begins_where_the_key_was_created,
            past::the_past_ends_at_a_compaction,
            watching::a_watch_replays_the_past,
            watching::a_watch_waits_for_the_future,
            watching::a_watch_sees_deletes,
            watching::a_watch_merges_prefixes,
            watching::a_transaction_is_one_batch,
            watching::a_large_transaction_is_one_batch,
            watching::a_quiet_watch_reports_progress,
            watching::a_watch_from_a_compacted_revision_fails,
            watching::a_gap_made_by_compaction_is_noticed,
            watching::a_delete_compacted_at_its_revision_is_healed_by_a_listing,
            writing::guards_decide,
            writing::a_refusal_shows_the_guarded_keys,
            writing::guarded_counters_add_up,
            writing::impossible_transactions_are_refused,
            writing::a_lease_ends_with_its_keys,
            writing::a_lease_is_kept_alive,
            writing::a_revoked_lease_is_gone,
        );
    };
}

contract!(on_embedded, crate::embedded::EmbeddedBench::new());
contract!(on_etcd, crate::etcd::EtcdBench::new());
