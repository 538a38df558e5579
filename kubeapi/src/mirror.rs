//! Keeps [`Records`] equal to the store: one task a part lists its prefix, watches it from there,
//! and lists again when the watch ends or `relist` has passed, because a watch may lose events
//! without saying so. A failed list removes nothing.
//!
//! The API's own commits are taken in at once ([`Mirror::committed`]), so that whoever wrote reads
//! what it wrote; other writers are seen some milliseconds after their commit.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use containerdns_store::{Guard, KeyValue, Operation, Revision, Store, StoreError, WatchBatch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::records::{Layout, Part, Records};

/// After a failure the next list waits this long at first, then twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A failure that goes on is logged once in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The store's records in memory.
#[derive(Debug)]
pub struct Mirror {
    layout: Layout,
    records: RwLock<Records>,
    /// Parts that were listed once.
    listed: AtomicUsize,
}

impl Mirror {
    /// Starts to follow `store`; the tasks end with the runtime.
    pub fn start(store: &Arc<dyn Store>, layout: Layout, relist: Duration) -> Arc<Mirror> {
        let mirror = Arc::new(Mirror {
            layout,
            records: RwLock::default(),
            listed: AtomicUsize::new(0),
        });
        for (prefix, part) in mirror.layout.parts() {
            let follower = Follower {
                store: Arc::clone(store),
                mirror: Arc::clone(&mirror),
                part: *part,
                prefix: prefix.clone(),
                relist,
            };
            tokio::spawn(follower.run());
        }
        mirror
    }

    /// Where keys are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The records as they are now. Never hold it across an `await`.
    pub fn read(&self) -> RwLockReadGuard<'_, Records> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every part was listed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.listed.load(Ordering::Acquire) >= self.layout.parts().len()
    }

    /// Takes in what was committed at `revision`.
    pub fn committed(&self, revision: Revision, operations: &[Operation]) {
        let mut records = self.write();
        for operation in operations {
            match operation {
                Operation::Put { key, value, .. } => records.put_committed(
                    &self.layout,
                    KeyValue {
                        key: key.clone(),
                        value: value.clone(),
                        mod_revision: revision,
                    },
                ),
                Operation::Delete { key } => {
                    records.delete_committed(&self.layout, key, revision);
                }
            }
        }
    }

    /// Takes in the guarded keys as they were at `revision`, when a commit was refused.
    pub fn refused(&self, revision: Revision, guards: &[Guard], current: Vec<KeyValue>) {
        let mut records = self.write();
        let absent = guards
            .iter()
            .map(Guard::key)
            .filter(|key| !current.iter().any(|pair| pair.key == *key));
        for key in absent {
            records.delete_committed(&self.layout, key, revision);
        }
        for pair in current {
            records.put_committed(&self.layout, pair);
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Records> {
        self.records.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of one part.
struct Follower {
    store: Arc<dyn Store>,
    mirror: Arc<Mirror>,
    part: Part,
    prefix: Vec<u8>,
    relist: Duration,
}

impl Follower {
    async fn run(self) {
        let mut retry = RETRY_MIN;
        let mut first = true;
        let mut logged: Option<Instant> = None;
        loop {
            let began = Instant::now();
            let ended = match self.list().await {
                Ok(revision) => {
                    if std::mem::take(&mut first) {
                        self.mirror.listed.fetch_add(1, Ordering::Release);
                    }
                    if logged.take().is_some() {
                        info!(part = ?self.part, "the store is back");
                    }
                    retry = RETRY_MIN;
                    self.watch(revision).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = ended else {
                // A store that compacts at once, again and again, is not listed without pause.
                tokio::time::sleep_until(began + RETRY_MIN).await;
                continue;
            };
            if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                warn!(%error, part = ?self.part, "the store cannot be followed; what is known stays");
                logged = Some(Instant::now());
            }
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(RETRY_MAX);
        }
    }

    /// Lists everything at one revision and takes it in; gives the revision.
    async fn list(&self) -> Result<Revision, StoreError> {
        let (mut pairs, mut from, mut at) = (Vec::new(), None, None);
        loop {
            let page = self.store.list_page(&self.prefix, from.as_deref(), at);
            let page = page.await?;
            pairs.extend(page.pairs);
            (from, at) = (page.next, Some(page.revision));
            if from.is_none() {
                let mut records = self.mirror.write();
                records.replace(&self.mirror.layout, self.part, page.revision, pairs);
                return Ok(page.revision);
            }
        }
    }

    /// Follows the changes after `revision`; returns when it is time to list again.
    async fn watch(&self, revision: Revision) -> Result<(), StoreError> {
        let prefixes = [self.prefix.clone()];
        let due = Instant::now() + self.relist;
        let mut watch = match self.store.watch(&prefixes, revision + 1).await {
            // History was cut between the list and now: list again.
            Err(StoreError::Compacted { .. }) => return Ok(()),
            watch => watch?,
        };
        loop {
            let batch = match tokio::time::timeout_at(due, watch.next()).await {
                Err(_) | Ok(Err(StoreError::Compacted { .. })) => return Ok(()),
                Ok(batch) => batch?,
            };
            let mut records = self.mirror.write();
            let revision = match batch {
                WatchBatch::Progress { revision } => revision,
                WatchBatch::Events { revision, events } => {
                    for event in events {
                        let layout = &self.mirror.layout;
                        // Health lies inside the tree, and has a watch of its own.
                        if layout.part_of(&event.key) != Some(self.part) {
                            continue;
                        }
                        match event.value {
                            Some(value) => records.put(
                                layout,
                                KeyValue {
                                    key: event.key,
                                    value,
                                    mod_revision: event.revision,
                                },
                            ),
                            None => records.delete(layout, &event.key, event.revision),
                        }
                    }
                    revision
                }
            };
            records.passed(&self.mirror.layout, self.part, revision);
        }
    }
}
