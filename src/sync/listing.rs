//! One list in progress: all keys of all prefixes at one revision, page by page, beside a watch
//! that may be running.
//!
//! What the watch brings while the list goes on is newer than the list: keys written or deleted
//! after the list's revision are left as the watch said.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use containerdns_store::{KeyValue, Page, Store, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use super::{IN_FLIGHT_MAX, SyncStatus, routes, snapshot};
use crate::model::Model;

/// Fewer names than this may always go; more only when at least half stay.
const MASS_REMOVAL_MIN: usize = 100;

/// Pairs that are taken in at a time: a few milliseconds, in which nothing else of the thread runs.
const PIECE_PAIRS: usize = 1_024;

type Sender = mpsc::Sender<Result<Part, StoreError>>;

/// What comes from the task that reads a list.
pub(super) enum Part {
    Page(Page),
    /// Every prefix was read to its end.
    End,
}

/// A list that is not complete yet.
pub(super) struct Listing {
    pub(super) number: u64,
    pub(super) pages: mpsc::Receiver<Result<Part, StoreError>>,
    /// Pairs that differ from the model, to be taken in when the list is complete.
    pub(super) differing: Vec<KeyValue>,
    /// Keys that the watch saw deleted meanwhile, and when.
    pub(super) deleted_since: HashMap<Vec<u8>, i64>,
    /// The newest revision known when the list was asked for.
    revision_before: i64,
    cluster_id: u64,
    revision: Option<i64>,
    snapshot: Option<snapshot::Writer>,
}

/// A complete list, compared with the model.
pub(super) struct Completed {
    pub(super) outcome: Outcome,
    /// What to take in.
    pub(super) differing: Vec<KeyValue>,
    /// Keys of the model that the store does not have.
    pub(super) gone: Vec<Arc<[u8]>>,
    snapshot: Option<snapshot::Writer>,
}

/// What a complete list says about the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) number: u64,
    pub(super) cluster_id: u64,
    pub(super) revision: i64,
    /// The store is another one or went back in time.
    pub(super) replaced: bool,
}

impl Listing {
    /// Starts to read pages, in a task of its own that ends with this value.
    pub(super) fn start(
        store: &Arc<dyn Store>,
        prefixes: Vec<Vec<u8>>,
        number: u64,
        revision_before: i64,
    ) -> Listing {
        let (sender, pages) = mpsc::channel(IN_FLIGHT_MAX);
        tokio::spawn(read(Arc::clone(store), prefixes, sender));
        Listing {
            number,
            pages,
            differing: Vec::new(),
            deleted_since: HashMap::new(),
            revision_before,
            cluster_id: 0,
            revision: None,
            snapshot: None,
        }
    }

    /// Takes the list's revision and the store's identity from its first page, and starts the
    /// snapshot file there.
    pub(super) fn begin(&mut self, page: &Page, path: Option<&Path>, status: &SyncStatus) {
        if self.revision.is_some() {
            return;
        }
        self.revision = Some(page.revision);
        self.cluster_id = page.cluster_id;
        let header = snapshot::Header {
            cluster_id: page.cluster_id,
            revision: page.revision,
        };
        self.snapshot = path.and_then(|path| {
            let created = snapshot::Writer::create(path, header);
            created
                .map_err(|error| snapshot_failed(&error, status))
                .ok()
        });
    }

    pub(super) fn add_to_snapshot(&mut self, page: &Page, status: &SyncStatus) {
        let Some(writer) = &mut self.snapshot else {
            return;
        };
        if let Err(error) = page.pairs.iter().try_for_each(|pair| writer.add(pair)) {
            snapshot_failed(&error, status);
            self.snapshot = None;
        }
    }

    /// Whether the pair says something that the model does not know and nothing newer contradicts.
    pub(super) fn takes(&self, model: &Model, pair: &KeyValue, known: Option<u64>) -> bool {
        let revision = self.revision.unwrap_or(0);
        // Before the first complete list there is no watch that could have told newer things.
        let newer = |told: i64| known.is_some() && told > revision && !self.is_replaced(known);
        let deleted = self.deleted_since.get(&pair.key).copied();
        let held = model.stamp(&pair.key);
        if deleted.is_some_and(newer) || held.is_some_and(|held| newer(held.mod_revision)) {
            return false;
        }
        held != Some(routes::stamp(pair.mod_revision, &pair.value))
    }

    /// Whether the list is of another store than the one known, or of an older state of it.
    fn is_replaced(&self, known: Option<u64>) -> bool {
        let older = self
            .revision
            .is_some_and(|revision| revision < self.revision_before);
        known.is_some_and(|known| known != self.cluster_id || older)
    }

    /// The list has ended: what to do about it. None when it ended without a single page.
    pub(super) fn complete(mut self, model: &Model, known: Option<u64>) -> Option<Completed> {
        let outcome = Outcome {
            number: self.number,
            cluster_id: self.cluster_id,
            revision: self.revision?,
            replaced: self.is_replaced(known),
        };
        // The watch may have told newer things since the page came.
        let mut differing = std::mem::take(&mut self.differing);
        differing.retain(|pair| self.takes(model, pair, known));
        let gone = model.keys_not_in(self.number);
        Some(Completed {
            outcome,
            differing,
            gone,
            snapshot: self.snapshot,
        })
    }
}

/// Reads every prefix to its end. The next page is asked for and comes in while the pieces of the
/// one before are taken in: the store and this process then work at the same time, though one
/// thread does both here. None when nobody listens any more or the store failed.
async fn read(store: Arc<dyn Store>, prefixes: Vec<Vec<u8>>, sender: Sender) -> Option<()> {
    let mut at = None;
    for prefix in prefixes {
        let mut page = store.list_page(&prefix, None, at).await;
        loop {
            at = page.as_ref().map_or(at, |page| Some(page.revision));
            let next = page.as_ref().ok().and_then(|page| page.next.clone());
            let following = async {
                let next = next?;
                Some(store.list_page(&prefix, Some(&next), at).await)
            };
            let (sent, following) = tokio::join!(send(&sender, page), following);
            sent?;
            match following {
                Some(following) => page = following,
                None => break,
            }
        }
    }
    // Nobody listens any more only when the list was given up.
    sender.send(Ok(Part::End)).await.ok()
}

/// Sends a page in pieces, the first of which may be empty.
async fn send(sender: &Sender, page: Result<Page, StoreError>) -> Option<()> {
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            let _ = sender.send(Err(error)).await;
            return None;
        }
    };
    let (revision, cluster_id) = (page.revision, page.cluster_id);
    let mut pairs = page.pairs.into_iter();
    loop {
        let piece = Page {
            pairs: pairs.by_ref().take(PIECE_PAIRS).collect(),
            next: None,
            revision,
            cluster_id,
        };
        sender.send(Ok(Part::Page(piece))).await.ok()?;
        if pairs.len() == 0 {
            return Some(());
        }
    }
}

impl Completed {
    /// Of the names for everybody, or of those of a view: how many would go and how many there are,
    /// where most would go.
    pub(super) fn loses_most(&self, model: &Model) -> Option<(usize, usize)> {
        let mut losses = model.names_only_from(&self.gone).into_iter();
        losses.find(|(lost, names)| *lost > MASS_REMOVAL_MIN && lost * 2 > *names)
    }

    /// Makes the list's snapshot the one to start from, on a thread that may wait for the disk.
    pub(super) fn keep_snapshot(self, status: &Arc<SyncStatus>) -> Option<JoinHandle<()>> {
        let writer = self.snapshot?;
        let status = Arc::clone(status);
        Some(tokio::task::spawn_blocking(move || match writer.finish() {
            Ok(()) => status.add(&status.snapshots, 1),
            Err(error) => snapshot_failed(&error, &status),
        }))
    }
}

fn snapshot_failed(error: &std::io::Error, status: &SyncStatus) {
    status.add(&status.snapshot_failures, 1);
    warn!(%error, "snapshot could not be written; the former one stays");
}
