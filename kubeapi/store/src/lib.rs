//! The store behind every part of ContainerDNS: one trait, two implementations.
//!
//! A store is an ordered map from key to value with one global, growing revision. The trait is as
//! small as its users need: list a prefix at one revision in pages bounded by bytes, watch prefixes
//! from a revision, the past of one key, a guarded transaction, a lease. [`etcd`] speaks etcd v3;
//! [`embedded`] keeps the same promises over redb in this process. One contract test suite runs
//! against both.
//!
//! Not here: what keys and values mean (that is `containerdns-schema`) and when to list again
//! (that is the reader's).

#![forbid(unsafe_code)]

use async_trait::async_trait;

pub mod embedded;
pub mod etcd;

mod check;

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

/// The values that one key had, as far back as the store still has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Newest first; empty when the key does not exist.
    pub pairs: Vec<KeyValue>,
    /// Whether the last pair is the value that the key was created with.
    pub complete: bool,
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
///
/// `revision` is where to resume: another watch of the same prefixes from `revision + 1` misses
/// nothing. It never falls from one batch to the next.
///
/// The changes of one prefix come in revision order, each once, and what one transaction changed
/// under one prefix is in one batch. Between several prefixes of one watch, etcd promises no order:
/// a transaction over two of them may then come in two batches, and `revision` stays behind the
/// newest event while another prefix is quiet, because nothing says yet that it missed nothing. A
/// watch resumed there repeats events of the busier prefixes; a reader skips those that are not
/// newer than what it has seen of that prefix. A watch of one prefix never repeats, and neither
/// does the embedded store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchBatch {
    /// Changes, in revision order within the batch.
    Events {
        /// All changes up to it were delivered.
        revision: Revision,
        /// The changes.
        events: Vec<Event>,
    },
    /// Nothing new, and all changes up to `revision` were delivered (progress notification).
    Progress {
        /// All changes up to it were delivered.
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
        /// Revision, at least 1.
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

impl Guard {
    /// The key that the guard is about.
    pub fn key(&self) -> &[u8] {
        match self {
            Guard::ModRevision { key, .. } | Guard::Absent { key } | Guard::Present { key } => key,
        }
    }

    /// Whether it holds when the key has this pair.
    pub fn holds(&self, pair: Option<&KeyValue>) -> bool {
        match self {
            Guard::ModRevision { revision, .. } => {
                pair.is_some_and(|pair| pair.mod_revision == *revision)
            }
            Guard::Absent { .. } => pair.is_none(),
            Guard::Present { .. } => pair.is_some(),
        }
    }
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
        /// The store's revision after it; the same as before when nothing changed.
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
    /// (the start when none). A page holds some MiB and, when any is left, at least one pair.
    /// `at` is the revision of the listing's first page, with `from` the page's `next`. Fails with
    /// [`StoreError::Compacted`] when `at` is gone: start over.
    async fn list_page(
        &self,
        prefix: &[u8],
        from: Option<&[u8]>,
        at: Option<Revision>,
    ) -> Result<Page, StoreError>;

    /// The values of `key` since it was created, `max` of them at most. What was compacted is
    /// missing, which is no error.
    async fn history(&self, key: &[u8], max: usize) -> Result<Past, StoreError>;

    /// Every change of keys with any of `prefixes` from revision `from` on (inclusive, at least 1;
    /// it may lie ahead of the store's). Fails, or ends later, with [`StoreError::Compacted`] when
    /// `from` is gone.
    async fn watch(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
    ) -> Result<Box<dyn Watch>, StoreError>;

    /// Commits all operations when all guards hold, else nothing. A key may be put only once and
    /// not deleted beside. After [`StoreError::Unavailable`] it may have been committed or not.
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
    /// The next batch. After an error the watch is over: open another or list again. Dropping the
    /// future before it is ready loses nothing.
    async fn next(&mut self) -> Result<WatchBatch, StoreError>;
}

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The revision asked for is compacted away: list again.
    #[error("revision is compacted; nothing before {oldest} is kept")]
    Compacted {
        /// The oldest revision still kept, or one before it when the store did not tell.
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
    /// The transaction is larger, or has more operations, than the store takes: split it.
    #[error("store takes no transaction of that size: {0}")]
    TooLarge(String),
    /// No space is left (etcd quota or disk).
    #[error("store has no space left: {0}")]
    NoSpace(String),
}
