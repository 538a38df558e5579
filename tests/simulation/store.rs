//! A store in memory that keeps every promise of [`Store`] and no more: all that etcd does to its
//! readers can be made to happen, by hand or by chance.
//!
//! It keeps its whole log, so that it can list at any revision. What is injected: lists and watches
//! that fail, lists that take their time, events that come twice, compaction (which loses a delete
//! at the very revision compacted, as etcd up to 3.4.35 does), silence, and another store in its
//! place. Writes go in directly; transactions and leases are not simulated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use async_trait::async_trait;
use containerdns::choice::Spread;
use containerdns_store::{
    Event, Guard, KeyValue, LeaseId, Operation, Outcome, Page, Past, Revision, Store, StoreError,
    Watch, WatchBatch,
};
use tokio::sync::Notify;

/// Keys with value and revision of the last write.
pub(crate) type Content = BTreeMap<Vec<u8>, (Vec<u8>, Revision)>;

/// What goes wrong, each as a chance in a thousand unless said otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A page of a list fails.
    pub(crate) page_fails: usize,
    /// A watch ends, or does not begin.
    pub(crate) watch_fails: usize,
    /// A watch tells its newest events once more.
    pub(crate) events_repeat: usize,
    /// A page takes up to this many milliseconds.
    pub(crate) page_ms_max: usize,
    /// Nothing answers at all.
    pub(crate) away: bool,
    /// The task that reads a page dies.
    pub(crate) page_panics: bool,
    /// Watches say nothing, as if cut off.
    pub(crate) watch_hangs: bool,
    /// Pages after a list's first do not come.
    pub(crate) list_hangs: bool,
}

/// The store.
pub(crate) struct ModelStore {
    /// What its watches hold on to.
    this: Weak<ModelStore>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    cluster_id: u64,
    /// Grows when another store takes the place: its watches know nothing of former ones.
    incarnation: u64,
    base: Content,
    log: Vec<Event>,
    revision: Revision,
    /// Nothing before it is kept.
    compacted: Revision,
    pairs_per_page: usize,
    faults: Faults,
    spread: Spread,
    lists: u64,
}

impl State {
    /// The content at a revision.
    fn at(&self, revision: Revision) -> Content {
        let mut content = self.base.clone();
        let log = self.log.iter();
        for event in log.take_while(|event| event.revision <= revision) {
            match &event.value {
                Some(value) => {
                    content.insert(event.key.clone(), (value.clone(), event.revision));
                }
                None => drop(content.remove(&event.key)),
            }
        }
        content
    }

    fn happens(&mut self, in_thousand: usize) -> bool {
        self.spread.below(1000) < in_thousand
    }

    fn unavailable(&self) -> StoreError {
        StoreError::Unavailable("as the simulation wants it".into())
    }
}

impl ModelStore {
    /// An empty store whose chances follow from `seed`.
    pub(crate) fn new(seed: u64) -> Arc<ModelStore> {
        Arc::new_cyclic(|this| ModelStore {
            this: Weak::clone(this),
            state: Mutex::new(State {
                cluster_id: 1,
                incarnation: 0,
                base: Content::new(),
                log: Vec::new(),
                revision: 1,
                compacted: 0,
                pairs_per_page: 7,
                faults: Faults::default(),
                spread: Spread::new(seed),
                lists: 0,
            }),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    fn write(&self, key: &str, value: Option<&str>) {
        self.change(|state| {
            state.revision += 1;
            let event = Event {
                key: key.into(),
                value: value.map(Into::into),
                revision: state.revision,
            };
            state.log.push(event);
        });
    }

    pub(crate) fn put(&self, key: &str, value: &str) {
        self.write(key, Some(value));
    }

    /// Deletes the key if it exists.
    pub(crate) fn delete(&self, key: &str) {
        if self.content().contains_key(key.as_bytes()) {
            self.write(key, None);
        }
    }

    /// What is in the store now.
    pub(crate) fn content(&self) -> Content {
        let state = self.state();
        state.at(state.revision)
    }

    pub(crate) fn compact(&self) {
        self.change(|state| state.compacted = state.revision);
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.change(|state| state.faults = faults);
    }

    /// Ends every watch.
    pub(crate) fn break_watches(&self) {
        self.change(|state| state.incarnation += 1);
    }

    /// Puts another store in the place of this one.
    pub(crate) fn replace(&self, cluster_id: u64, revision: Revision, content: Content) {
        self.change(|state| {
            state.cluster_id = cluster_id;
            state.incarnation += 1;
            state.log.clear();
            state.revision = revision;
            state.compacted = revision;
            state.base = content;
        });
    }

    pub(crate) fn revision(&self) -> Revision {
        self.state().revision
    }

    /// Lists that were begun.
    pub(crate) fn lists(&self) -> u64 {
        self.state().lists
    }
}

#[async_trait]
impl Store for ModelStore {
    async fn list_page(
        &self,
        prefix: &[u8],
        from: Option<&[u8]>,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        let wait_ms = {
            let mut state = self.state();
            state.lists += u64::from(at.is_none());
            let max = state.faults.page_ms_max;
            state.spread.below(max + 1)
        };
        if wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
        }
        while at.is_some() && self.state().faults.list_hangs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut state = self.state();
        let fails = state.faults.page_fails;
        if state.faults.away || state.happens(fails) {
            return Err(state.unavailable());
        }
        if state.faults.page_panics && at.is_some() {
            drop(state);
            panic!("the task that lists dies, as the simulation wants it");
        }
        let revision = at.unwrap_or(state.revision);
        if revision < state.compacted {
            let oldest = state.compacted;
            return Err(StoreError::Compacted { oldest });
        }
        let content = state.at(revision);
        let first = from.unwrap_or(prefix).to_vec();
        let mut pairs: Vec<KeyValue> = content
            .range(first..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(state.pairs_per_page + 1)
            .map(|(key, (value, mod_revision))| KeyValue {
                key: key.clone(),
                value: value.clone(),
                mod_revision: *mod_revision,
            })
            .collect();
        let next = (pairs.len() > state.pairs_per_page)
            .then(|| pairs.pop().map(|pair| pair.key))
            .flatten();
        Ok(Page {
            revision,
            cluster_id: state.cluster_id,
            pairs,
            next,
        })
    }

    async fn history(&self, _: &[u8], _: usize) -> Result<Past, StoreError> {
        Err(StoreError::Refused("not simulated".into()))
    }

    async fn watch(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
    ) -> Result<Box<dyn Watch>, StoreError> {
        let state = self.state();
        if state.faults.away {
            return Err(state.unavailable());
        }
        Ok(Box::new(ModelWatch {
            store: self.this.upgrade().ok_or_else(|| state.unavailable())?,
            prefixes: prefixes.to_vec(),
            next: from,
            told_to: from - 1,
            incarnation: state.incarnation,
        }))
    }

    async fn transact(&self, _: &[Guard], _: &[Operation]) -> Result<Outcome, StoreError> {
        Err(StoreError::Refused("not simulated".into()))
    }

    async fn grant_lease(&self, _: u32) -> Result<LeaseId, StoreError> {
        Err(StoreError::Refused("not simulated".into()))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        Err(StoreError::LeaseGone(lease))
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        Err(StoreError::LeaseGone(lease))
    }
}

struct ModelWatch {
    store: Arc<ModelStore>,
    prefixes: Vec<Vec<u8>>,
    next: Revision,
    /// The newest revision told.
    told_to: Revision,
    incarnation: u64,
}

impl ModelWatch {
    /// What there is to tell now.
    fn told(&mut self) -> Option<Result<WatchBatch, StoreError>> {
        let mut state = self.store.state();
        if state.incarnation != self.incarnation {
            return Some(Err(state.unavailable()));
        }
        if state.faults.watch_hangs {
            return None;
        }
        let (fails, repeat) = (state.faults.watch_fails, state.faults.events_repeat);
        if state.faults.away || state.happens(fails) {
            return Some(Err(state.unavailable()));
        }
        if self.next < state.compacted {
            let oldest = state.compacted;
            return Some(Err(StoreError::Compacted { oldest }));
        }
        if self.next > state.revision {
            return None;
        }
        let many = 1 + state.spread.below(8) as Revision;
        let revision = state.revision.min(self.next + many - 1);
        let lost = |event: &Event| event.value.is_none() && event.revision == state.compacted;
        let wanted = |event: &Event| self.prefixes.iter().any(|p| event.key.starts_with(p));
        let events: Vec<Event> = state
            .log
            .iter()
            .filter(|event| (self.next..=revision).contains(&event.revision))
            .filter(|event| wanted(event) && !lost(event))
            .cloned()
            .collect();
        self.next = revision + 1;
        let fresh = revision > self.told_to;
        self.told_to = self.told_to.max(revision);
        if fresh && state.happens(repeat) {
            let back = 1 + state.spread.below(4) as Revision;
            self.next = (self.next - back).max(state.compacted + 1);
        }
        Some(Ok(if events.is_empty() {
            WatchBatch::Progress { revision }
        } else {
            WatchBatch::Events { revision, events }
        }))
    }
}

#[async_trait]
impl Watch for ModelWatch {
    async fn next(&mut self) -> Result<WatchBatch, StoreError> {
        let store = Arc::clone(&self.store);
        loop {
            let changed = store.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(told) = self.told() {
                return told;
            }
            changed.await;
        }
    }
}
