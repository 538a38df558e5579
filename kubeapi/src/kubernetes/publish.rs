//! What must be written so that the store holds what the index says: no I/O, no clock of its own.
//!
//! Keys that may differ wait in a queue, each once; [`Publisher::next_write`] looks at one after
//! the other and gives those that do differ, so that of many changes only the newest state is
//! written. A write is guarded by what the key held when it was last seen: whoever else wrote
//! meanwhile is noticed, seen, and looked at again. A removal waits for what was to be put before
//! it.
//!
//! Nothing is written before every kind of object and the store itself have been listed completely
//! once, and the objects again when this process begins to lead: before that, an absent object
//! proves nothing. Then, and after every further complete list of the store, every key is looked
//! at: keys of this cluster that no object accounts for are removed there. Keys of other clusters
//! are not seen here.

use std::collections::{BTreeMap, HashMap, HashSet};

use containerdns_store::{Guard, KeyValue, Operation, Revision};
use tokio::time::Instant;

use super::index::Index;
use super::object::{ObjectId, ObjectKind};
use super::watch::Change;
use crate::follow::{Digest, News, Seen, digest};

/// The index, the store as it was last seen, and the keys where they may differ.
#[derive(Debug)]
pub struct Publisher {
    /// What the store shall hold.
    pub index: Index,
    stored: HashMap<Vec<u8>, Stored>,
    /// Up to where the store has been seen; none before it was listed.
    followed: Option<Revision>,
    /// Kinds whose first list is not complete.
    unlisted: HashSet<ObjectKind>,
    /// What the list that is under way has shown, by kind.
    listing: HashMap<ObjectKind, Listing>,
    /// When the last complete list of each kind began.
    listed_at: HashMap<ObjectKind, Instant>,
    /// Keys that wait, in the order of their places.
    queue: BTreeMap<u64, Vec<u8>>,
    /// The place of each, and when it came there.
    queued: HashMap<Vec<u8>, (u64, Instant)>,
    place: u64,
    /// Keys that are being written.
    in_flight: HashMap<Vec<u8>, InFlight>,
}

/// A list that is under way.
#[derive(Debug)]
struct Listing {
    began: Instant,
    shown: HashSet<ObjectId>,
}

/// A write that is under way.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    place: u64,
    puts: bool,
    /// The key must be looked at again afterwards.
    again: bool,
}

/// A key as it was last seen in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    /// Digest of its value; none when it was deleted.
    digest: Option<Digest>,
    revision: Revision,
}

/// A write that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The whole key.
    pub key: Vec<u8>,
    /// Its value; none to delete it.
    pub value: Option<Vec<u8>>,
    /// What must be true of the key.
    pub guard: Guard,
    /// When the change arrived that it is made for.
    pub since: Instant,
}

impl Write {
    /// As an operation of the store.
    #[must_use]
    pub fn operation(&self) -> Operation {
        let key = self.key.clone();
        match self.value.clone() {
            Some(value) => Operation::Put {
                key,
                value,
                lease: None,
            },
            None => Operation::Delete { key },
        }
    }
}

/// What came of looking for a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// There is one.
    Write(Box<Write>),
    /// The value of a key would be too large, which is why it stays as it is.
    TooLarge(Vec<u8>),
    /// A key is as it shall be.
    Same,
    /// The next is a removal, and what was to be put before it is still on its way.
    Blocked,
    /// No key waits.
    Idle,
}

impl Publisher {
    /// A publisher that waits for complete lists of `kinds`.
    #[must_use]
    pub fn new(index: Index, kinds: &[ObjectKind]) -> Self {
        Self {
            index,
            stored: HashMap::new(),
            followed: None,
            unlisted: kinds.iter().copied().collect(),
            listing: HashMap::new(),
            listed_at: HashMap::new(),
            queue: BTreeMap::new(),
            queued: HashMap::new(),
            place: 0,
            in_flight: HashMap::new(),
        }
    }

    /// Whether all has been listed that a decision needs.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.followed.is_some() && self.unlisted.is_empty()
    }

    /// What is still to be listed, for people who wait.
    pub fn unlisted(&self) -> impl Iterator<Item = &'static str> {
        let kinds = self.unlisted.iter().map(|kind| kind.as_str());
        kinds.chain(self.followed.is_none().then_some("the store"))
    }

    /// Keys that wait.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Takes in a change of an object.
    pub fn change(&mut self, change: Change) {
        let keys = match change {
            Change::Init(kind) => {
                let began = Instant::now();
                let shown = HashSet::new();
                self.listing.insert(kind, Listing { began, shown });
                return;
            }
            Change::InitApplied(object) => {
                let id = object.id();
                if let Some(listing) = self.listing.get_mut(&id.kind) {
                    listing.shown.insert(id);
                }
                self.index.apply(&object)
            }
            Change::InitDone(kind) => {
                let Some(listing) = self.listing.remove(&kind) else {
                    return;
                };
                self.listed_at.insert(kind, listing.began);
                let keys = self.index.retain(kind, &listing.shown);
                if self.unlisted.remove(&kind) && self.is_complete() {
                    self.look_at_all();
                }
                keys
            }
            Change::Applied(object) => {
                // It may come between the pages of a list that began before it.
                let id = object.id();
                if let Some(listing) = self.listing.get_mut(&id.kind) {
                    listing.shown.insert(id);
                }
                self.index.apply(&object)
            }
            Change::Deleted(id) => {
                if let Some(listing) = self.listing.get_mut(&id.kind) {
                    listing.shown.remove(&id);
                }
                self.index.delete(&id)
            }
        };
        // Before all is listed, every key will be looked at anyway.
        if self.is_complete() {
            keys.into_iter().for_each(|key| self.look_at(key));
        }
    }

    /// Takes in what is new in the store.
    pub fn news(&mut self, news: News) {
        match news {
            News::Listed { revision, seen } => {
                if self.followed.is_some_and(|followed| followed > revision) {
                    // The store was restored: what was seen of it is of another past.
                    self.stored.clear();
                }
                // What was written after the list was made is not in it.
                self.stored.retain(|_, stored| stored.revision > revision);
                for seen in seen {
                    self.see(seen);
                }
                self.followed = Some(revision);
                self.look_at_all();
            }
            News::Changed { revision, seen } => {
                self.followed = Some(revision);
                for seen in seen {
                    let key = seen.key.clone();
                    if self.see(seen) && self.is_complete() {
                        self.look_at(key);
                    }
                }
            }
        }
    }

    /// This process begins to lead: what the former leader left undone is not known, and what is
    /// known here may be old. Lists that began before `fresh` do not count. Whether any must be
    /// made again.
    pub fn begin(&mut self, fresh: Instant) -> bool {
        self.pause();
        let stale = self.listed_at.iter().filter(|(_, began)| **began < fresh);
        let stale: Vec<ObjectKind> = stale.map(|(kind, _)| *kind).collect();
        for kind in &stale {
            self.listing.remove(kind);
        }
        self.unlisted.extend(&stale);
        self.look_at_all();
        !stale.is_empty()
    }

    /// This process does not lead: there is nothing to do.
    pub fn pause(&mut self) {
        self.queue.clear();
        self.queued.clear();
    }

    /// Looks at every key again.
    pub fn look_at_all(&mut self) {
        if !self.is_complete() {
            return;
        }
        for key in self.index.keys() {
            self.look_at(key);
        }
        let known = |key: &&Vec<u8>| self.index.object_of_key(key).is_some();
        let stored: Vec<Vec<u8>> = self.stored.keys().filter(known).cloned().collect();
        for key in stored {
            self.look_at(key);
        }
    }

    /// Takes the next key from the queue and says what is to be done about it.
    pub fn next_write(&mut self) -> Next {
        if !self.is_complete() {
            return Next::Idle;
        }
        let Some((place, key)) = self.queue.pop_first() else {
            return Next::Idle;
        };
        let value = self.index.value(&key);
        // What replaces something goes before it: an address must not be gone for a moment.
        let before = |write: &InFlight| write.puts && write.place < place;
        if matches!(value, Ok(None)) && self.in_flight.values().any(before) {
            self.queue.insert(place, key);
            return Next::Blocked;
        }
        let queued = self.queued.remove(&key);
        let since = queued.map_or_else(Instant::now, |(_, since)| since);
        let Ok(value) = value else {
            return Next::TooLarge(key);
        };
        let stored = self.stored.get(&key).copied();
        let held = stored.filter(|stored| stored.digest.is_some());
        if value.as_deref().map(digest) == held.and_then(|held| held.digest) {
            return Next::Same;
        }
        let guard = match held {
            Some(held) => Guard::ModRevision {
                key: key.clone(),
                revision: held.revision,
            },
            None => Guard::Absent { key: key.clone() },
        };
        let write = InFlight {
            place,
            puts: value.is_some(),
            again: false,
        };
        self.in_flight.insert(key.clone(), write);
        Next::Write(Box::new(Write {
            key,
            value,
            guard,
            since,
        }))
    }

    /// A write was committed.
    pub fn committed(&mut self, write: &Write, revision: Revision) {
        self.see(Seen {
            key: write.key.clone(),
            value: write.value.as_deref().map(digest),
            revision,
        });
        if self.land(&write.key).is_some_and(|landed| landed.again) {
            self.look_at(write.key.clone());
        }
    }

    /// A write was refused because the key is not what it was thought to be.
    pub fn conflicted(&mut self, write: &Write, revision: Revision, current: &[KeyValue]) {
        // Also when it is older than what was seen: the store may have been restored.
        let pair = current.iter().find(|pair| pair.key == write.key);
        let stored = Stored {
            digest: pair.map(|pair| digest(&pair.value)),
            revision: pair.map_or(revision, |pair| pair.mod_revision),
        };
        self.stored.insert(write.key.clone(), stored);
        self.failed(write);
    }

    /// Nobody knows what became of a write, or it was not allowed: it keeps its place.
    pub fn failed(&mut self, write: &Write) {
        if let Some(landed) = self.land(&write.key) {
            self.wait(write.key.clone(), landed.place, write.since);
        }
    }

    /// The store will never take a write: the key stays as it is until it is looked at again.
    pub fn given_up(&mut self, write: &Write) {
        self.land(&write.key);
    }

    fn land(&mut self, key: &[u8]) -> Option<InFlight> {
        self.in_flight.remove(key)
    }

    fn look_at(&mut self, key: Vec<u8>) {
        if let Some(write) = self.in_flight.get_mut(&key) {
            write.again = true;
        } else if !self.queued.contains_key(&key) {
            self.place += 1;
            self.wait(key, self.place, Instant::now());
        }
    }

    fn wait(&mut self, key: Vec<u8>, place: u64, since: Instant) {
        self.queue.insert(place, key.clone());
        self.queued.insert(key, (place, since));
    }

    /// Whether that was new.
    fn see(&mut self, seen: Seen) -> bool {
        let Seen {
            key,
            value: digest,
            revision,
        } = seen;
        let former = self.stored.get(&key);
        if former.is_some_and(|former| former.revision >= revision) {
            return false;
        }
        self.stored.insert(key, Stored { digest, revision });
        true
    }
}

#[cfg(test)]
mod tests;
