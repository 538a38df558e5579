//! The store behind every part of ContainerDNS: one trait, two implementations.
//!
//! A store is an ordered map from key to value with one global, growing revision. The trait is as
//! small as its users need: list a prefix at one revision in pages bounded by bytes, watch prefixes
//! from a revision, a guarded transaction, a lease. [`etcd`] speaks etcd v3; [`embedded`] keeps the
//! same promises over redb in this process. One contract test suite runs against both.
//!
//! Not here: what keys and values mean (that is `containerdns-schema`) and when to list again
//! (that is the reader's).

#![forbid(unsafe_code)]

use async_trait::async_trait;

/// A store's global version: every committed transaction that changes something makes it grow.
pub type Revision = i64;

/// One key with its value as of `mod_revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The whole key.
    pub key: Vec<u8>,
    /// The value, never interpreted here.
    pub value: Vec<u8>,
    /// Revision of the transaction that last wrote it.
    pub mod_revision: Revision,
}

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page {
    /// The revision that the whole listing is at: pass it with the next page.
    pub revision: Revision,
    /// Identity of the store: another value means another store (restored, wiped, misconfigured).
    pub cluster_id: u64,
    /// Pairs in key order.
    pub pairs: Vec<KeyValue>,
    /// Where the next page starts; none after the last.
    pub next: Option<Vec<u8>>,
}

/// One change that a watch saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The key that changed.
    pub key: Vec<u8>,
    /// Its new value; none when it was deleted.
    pub value: Option<Vec<u8>>,
    /// Revision of the change.
    pub revision: Revision,
}

/// What a watch delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchBatch {
    /// Changes in revision order; a transaction is never split over two batches.
    Events {
        /// Revision of the last event: resume from it + 1.
        revision: Revision,
        /// The changes.
        events: Vec<Event>,
    },
    /// Nothing changed up to `revision` (progress notification).
    Progress {
        /// The store's revision, all events up to which were delivered.
        revision: Revision,
    },
}

/// A condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The key was last written at exactly this revision.
    ModRevision {
        /// Key.
        key: Vec<u8>,
        /// Revision.
        revision: Revision,
    },
    /// The key does not exist.
    Absent {
        /// Key.
        key: Vec<u8>,
    },
    /// The key exists.
    Present {
        /// Key.
        key: Vec<u8>,
    },
}

/// A write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Sets a key, kept until deleted or until its lease ends.
    Put {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
        /// Lease that the key dies with.
        lease: Option<LeaseId>,
    },
    /// Removes a key if it exists.
    Delete {
        /// Key.
        key: Vec<u8>,
    },
}

/// Outcome of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every guard held and every operation is durable at this revision.
    Committed {
        /// Revision.
        revision: Revision,
    },
    /// A guard did not hold; nothing was written. The guarded keys as they are now.
    Refused {
        /// The store's revision.
        revision: Revision,
        /// Present values of the guarded keys that exist, in guard order.
        current: Vec<KeyValue>,
    },
}

/// A lease: keys put under it vanish when it is not kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId(pub i64);

/// A store that every part reads and writes through.
#[async_trait]
pub trait Store: Send + Sync {
    /// One page of all keys with `prefix`, at `at` (the newest when none), from key `from` on
    /// (the start when none). A page holds about a MiB and at least one pair. Fails with
    /// [`StoreError::Compacted`] when `at` is gone: start over.
    async fn list_page(
        &self,
        prefix: &[u8],
        from: Option<&[u8]>,
        at: Option<Revision>,
    ) -> Result<Page, StoreError>;

    /// Every change of keys with any of `prefixes` from revision `from` on (inclusive). Fails, or
    /// ends later, with [`StoreError::Compacted`] when `from` is gone.
    async fn watch(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
    ) -> Result<Box<dyn Watch>, StoreError>;

    /// Commits all operations when all guards hold, else nothing.
    async fn transact(
        &self,
        guards: &[Guard],
        operations: &[Operation],
    ) -> Result<Outcome, StoreError>;

    /// A new lease of `ttl_s` seconds.
    async fn grant_lease(&self, ttl_s: u32) -> Result<LeaseId, StoreError>;

    /// Renews a lease; [`StoreError::LeaseGone`] when it ended.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease and removes its keys.
    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError>;
}

/// A running watch; dropping it ends it.
#[async_trait]
pub trait Watch: Send {
    /// The next batch. After an error the watch is over: open another or list again.
    async fn next(&mut self) -> Result<WatchBatch, StoreError>;
}

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The revision asked for is compacted away: list again.
    #[error("revision is compacted; the oldest kept is {oldest}")]
    Compacted {
        /// The oldest revision still kept.
        oldest: Revision,
    },
    /// The lease does not exist any more.
    #[error("lease {0:?} has ended")]
    LeaseGone(LeaseId),
    /// The store cannot be reached, or did not answer in time: try again.
    #[error("store is unavailable: {0}")]
    Unavailable(String),
    /// The store refused: full, too large, not authorized. Trying again will not help by itself.
    #[error("store refused: {0}")]
    Refused(String),
    /// No space is left (etcd quota or disk).
    #[error("store has no space left: {0}")]
    NoSpace(String),
}
