//! The sync thread's work: from the store to what every core answers.
//!
//! One loop, [`Sync::run`], waits for whatever comes first: a page of a list, a batch of a watch,
//! the time for the next list, a core with room again. A list reads everything at one revision;
//! when it is complete, what differs is taken in and what it lacks is removed. Between lists a
//! watch brings the changes; a list every `relist_s` heals what a watch lost without saying so,
//! while the watch goes on.
//! **Fail static**: only a complete list or a delete event removes a name. A list that would remove
//! most names is held until a second one agrees.
//!
//! Not here: what keys mean (`routes`), how records merge (`model`), how deltas reach cores
//! (`fan_out`).

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use containerdns_store::{Event, KeyValue, Page, Store, StoreError, WatchBatch};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::choice::Spread;
use crate::counters::process_ms;
use crate::delta::{CHANGES_PER_DELTA_MAX, Change, Delta};
use crate::fan_out::FanOut;
use crate::model::{Adds, Model};

mod known;
pub mod lapses;
mod listing;
mod quiet;
pub mod routes;
pub mod snapshot;
pub mod status;
mod tidy;
mod watching;

use known::Known;
use lapses::Lapses;
use listing::{Completed, Listing, Outcome, Part};
use quiet::Quiet;
pub use routes::Routes;
pub use status::SyncStatus;

/// After a failure the next attempt waits this long at first, then twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A list that would remove most names is believed when another one this much later agrees.
pub const HOLD: Duration = Duration::from_secs(30);
/// Pages and batches in flight between a store task and the loop: 2 pages of 24 MiB.
const IN_FLIGHT_MAX: usize = 2;
/// How often a core that is behind is offered more.
const FLUSH: Duration = Duration::from_millis(1);

/// What the configuration says about syncing.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Time between lists, give or take a tenth.
    pub relist: Duration,
    /// How long a list that would remove most names waits: [`HOLD`].
    pub hold: Duration,
    /// Snapshot file.
    pub snapshot: Option<PathBuf>,
}

/// Everything the sync thread holds.
pub struct Sync {
    store: Arc<dyn Store>,
    routes: Routes,
    model: Model,
    fan_out: FanOut,
    status: Arc<SyncStatus>,
    options: SyncOptions,
    spread: Spread,
    watch: Option<mpsc::Receiver<Result<WatchBatch, StoreError>>>,
    known: Known,
    lapses: Lapses,
    watch_started: Instant,
    listing: Option<Listing>,
    list_number: u64,
    list_due: Instant,
    retry: Duration,
    /// The store that the model came from, and the newest revision seen of it.
    cluster_id: Option<u64>,
    revision: i64,
    /// Everything up to here was delivered by a watch or a list.
    delivered: i64,
    snapshot_task: Option<JoinHandle<()>>,
    /// When a list that would remove most names was first held.
    held_since: Option<Instant>,
    ready: bool,
    bad_values: Quiet,
    outages: Quiet,
}

/// What the loop wakes up for.
enum Turn {
    Batch(Option<Result<WatchBatch, StoreError>>),
    Page(Option<Result<Part, StoreError>>),
    ListDue,
    LapseDue,
    Flush,
}

impl Sync {
    /// Everything in place, nothing read yet.
    pub fn new(
        store: Arc<dyn Store>,
        routes: Routes,
        model: Model,
        fan_out: FanOut,
        status: Arc<SyncStatus>,
        options: SyncOptions,
    ) -> Sync {
        Sync {
            store,
            known: Known::new(routes.listed()),
            lapses: Lapses::default(),
            routes,
            model,
            fan_out,
            status,
            options,
            spread: Spread::new(u64::from(std::process::id()).rotate_left(17) ^ process_ms()),
            watch: None,
            watch_started: Instant::now(),
            listing: None,
            list_number: 0,
            list_due: Instant::now(),
            retry: RETRY_MIN,
            cluster_id: None,
            revision: 0,
            delivered: 0,
            snapshot_task: None,
            held_since: None,
            ready: false,
            bad_values: Quiet::default(),
            outages: Quiet::default(),
        }
    }

    /// Runs for as long as the process does.
    pub async fn run(mut self) {
        self.start_from_snapshot();
        loop {
            self.turn().await;
        }
    }

    /// Waits for one thing and deals with it.
    pub async fn turn(&mut self) {
        let turn = self.wait().await;
        match turn {
            Turn::Batch(Some(Ok(batch))) => self.take_batch(batch),
            Turn::Batch(Some(Err(error))) => self.watch_failed(&error),
            Turn::Batch(None) => self.watch_failed(&ended_early()),
            Turn::Page(Some(Ok(Part::Page(page)))) => self.take_page(page),
            Turn::Page(Some(Ok(Part::End))) => self.finish_list(),
            Turn::Page(Some(Err(error))) => self.list_failed(&error),
            Turn::Page(None) => self.list_failed(&ended_early()),
            Turn::ListDue => self.start_list(),
            Turn::LapseDue => {}
            Turn::Flush => {}
        }
        if self.lapses.look(&mut self.model, self.watch.is_some()) {
            self.publish();
        }
        // At every turn: the timer alone would never fire while changes come faster than it.
        if self.fan_out.behind() > 0 {
            self.fan_out.flush();
        }
        self.status
            .cores_behind
            .store(self.fan_out.behind() as u64, Relaxed);
    }

    async fn wait(&mut self) -> Turn {
        let behind = self.fan_out.behind() > 0;
        let listing = self.listing.is_some();
        let watch = async {
            match &mut self.watch {
                Some(watch) => watch.recv().await,
                None => pending().await,
            }
        };
        let page = async {
            match &mut self.listing {
                Some(listing) => listing.pages.recv().await,
                None => pending().await,
            }
        };
        let lapse = async {
            match self.lapses.due() {
                Some(due) => tokio::time::sleep_until(due).await,
                None => pending().await,
            }
        };
        tokio::select! {
            batch = watch => Turn::Batch(batch),
            page = page => Turn::Page(page),
            () = tokio::time::sleep_until(self.list_due), if !listing => Turn::ListDue,
            () = lapse => Turn::LapseDue,
            () = tokio::time::sleep(FLUSH), if behind => Turn::Flush,
        }
    }

    fn start_list(&mut self) {
        self.list_number += 1;
        self.list_due = Instant::now() + self.relist_in();
        let listing = Listing::start(
            &self.store,
            self.routes.listed(),
            self.list_number,
            self.revision,
        );
        self.listing = Some(listing);
    }

    /// The next list is due in `relist`, give or take a tenth, so that nodes do not list in step.
    fn relist_in(&mut self) -> Duration {
        self.options.relist * (900 + self.spread.below(201) as u32) / 1000
    }

    fn take_page(&mut self, page: Page) {
        let Some(listing) = &mut self.listing else {
            return;
        };
        let finishing = self
            .snapshot_task
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        let path = self.options.snapshot.as_deref().filter(|_| !finishing);
        listing.begin(&page, path, &self.status);
        listing.add_to_snapshot(&page, &self.status);
        let number = listing.number;
        let mut differing = page.pairs;
        differing.retain(|pair| {
            self.model.mark_listed(&pair.key, number);
            listing.takes(&self.model, pair, self.cluster_id)
        });
        if self.ready {
            listing.differing.append(&mut differing);
            return;
        }
        // Nothing is answered yet, so nothing can be lost: no need to wait for the list's end.
        for pair in &differing {
            self.take_pair(pair, number);
        }
        self.publish();
    }

    fn finish_list(&mut self) {
        let Some(listing) = self.listing.take() else {
            return;
        };
        let Some(completed) = listing.complete(&self.model, self.cluster_id) else {
            return;
        };
        let outcome = completed.outcome;
        if outcome.replaced {
            self.status.add(&self.status.store_replacements, 1);
            let (revision, former_revision) = (outcome.revision, self.revision);
            warn!(
                revision,
                former_revision, "store is another one or an older state of itself"
            );
            self.model.forget_revisions();
            self.known.replaced(outcome.revision);
        }
        self.known.listed(outcome.revision);
        for pair in &completed.differing {
            self.take_pair(pair, outcome.number);
        }
        match completed.loses_most(&self.model) {
            Some((lost, names)) if self.ready && !self.second_list_agrees() => {
                self.hold_list(lost, names);
            }
            _ => self.take_removals(completed),
        }
        self.list_succeeded(outcome);
    }

    fn take_removals(&mut self, completed: Completed) {
        self.held_since = None;
        self.status.list_held.store(0, Relaxed);
        let repairs = completed.differing.len() + completed.gone.len();
        if self.watch.is_some() && !completed.outcome.replaced {
            self.status.add(&self.status.list_repairs, repairs as u64);
        }
        for key in &completed.gone {
            self.model.delete(key);
        }
        self.snapshot_task = completed
            .keep_snapshot(&self.status)
            .or(self.snapshot_task.take());
    }

    /// Notes where the list left off, follows from there, and tells the cores.
    fn list_succeeded(&mut self, completed: Outcome) {
        if completed.replaced || self.cluster_id.is_none() {
            self.watch = None;
            (self.revision, self.delivered) = (completed.revision, completed.revision);
        }
        self.cluster_id = Some(completed.cluster_id);
        self.revision = self.revision.max(completed.revision);
        if self.watch.is_none() {
            // What the former watch delivered after the list's revision need not come again.
            let from = self.delivered.max(completed.revision) + 1;
            self.watch = Some(watching::start(&self.store, self.routes.listed(), from));
            self.watch_started = Instant::now();
        }
        tidy::after_list(self.status.lists.load(Relaxed));
        self.status.add(&self.status.lists, 1);
        self.publish();
        self.become_ready("list");
    }

    /// Whether this list comes long enough after one that was held for the same reason.
    fn second_list_agrees(&self) -> bool {
        self.held_since
            .is_some_and(|since| since.elapsed() >= self.options.hold)
    }

    fn hold_list(&mut self, lost: usize, names: usize) {
        self.held_since.get_or_insert_with(Instant::now);
        self.status.add(&self.status.lists_held, 1);
        self.status.list_held.store(1, Relaxed);
        self.list_due = Instant::now() + self.options.hold;
        warn!(
            lost,
            names, "list would remove most names: held until a second one agrees"
        );
    }

    fn take_batch(&mut self, batch: WatchBatch) {
        self.store_answers();
        match batch {
            WatchBatch::Progress { revision } => {
                self.delivered = self.delivered.max(revision);
                self.revision = self.revision.max(revision);
            }
            WatchBatch::Events {
                revision,
                mut events,
            } => {
                self.known.retain_new(&mut events);
                self.delivered = self.delivered.max(revision);
                self.revision = self.revision.max(revision);
                self.status.add(&self.status.events, events.len() as u64);
                for event in events {
                    self.revision = self.revision.max(event.revision);
                    self.take_event(event);
                }
                self.publish();
            }
        }
    }

    /// A watch delivers: the outage, if there was one, is over.
    fn store_answers(&mut self) {
        self.status.connected();
        if let Some(failures) = self.outages.end() {
            info!(revision = self.revision, failures, "store answers again");
        }
    }

    fn take_event(&mut self, event: Event) {
        match event.value {
            Some(value) => {
                let pair = KeyValue {
                    key: event.key,
                    value,
                    mod_revision: event.revision,
                };
                self.take_pair(&pair, self.list_number);
            }
            None => {
                self.model.delete(&event.key);
                if let Some(listing) = &mut self.listing {
                    listing.deleted_since.insert(event.key, event.revision);
                }
            }
        }
    }

    fn take_pair(&mut self, pair: &KeyValue, list: u64) {
        let stamp = routes::stamp(pair.mod_revision, &pair.value);
        let adds = self
            .routes
            .decode(&pair.key, &pair.value)
            .unwrap_or_else(|error| {
                if let Some(hidden) = self.bad_values.speak() {
                    let key = pair.key.escape_ascii().to_string();
                    warn!(key, %error, hidden, "value is skipped");
                }
                Adds::Bad
            });
        self.model.put(&pair.key, stamp, list, adds);
    }

    /// Compiles what changed and sends it to the cores.
    fn publish(&mut self) {
        let revision = self.revision as u64;
        loop {
            let changes = self.model.take_changes(CHANGES_PER_DELTA_MAX - 1);
            if changes.is_empty() {
                break;
            }
            self.fan_out.send(Delta {
                revision,
                changes: changes.into(),
            });
        }
        self.fan_out.flush();
        self.status.revision.store(revision, Relaxed);
        self.status.take_counts(&self.model);
    }

    fn become_ready(&mut self, from: &str) {
        if std::mem::replace(&mut self.ready, true) {
            return;
        }
        let (revision, changes) = (self.revision as u64, Box::new([Change::Ready]));
        self.fan_out.send(Delta { revision, changes });
        self.status.ready.store(1, Relaxed);
        let counts = self.model.counts();
        let took_ms = process_ms();
        info!(
            from,
            names = counts.names,
            keys = counts.keys,
            revision,
            took_ms,
            "ready"
        );
    }

    fn start_from_snapshot(&mut self) {
        let Some(path) = self.options.snapshot.clone().filter(|path| path.exists()) else {
            return;
        };
        let taken = snapshot::read(&path, drop).and_then(|header| {
            snapshot::read(&path, |pair| self.take_pair(&pair, 0)).map(|_| header)
        });
        match taken {
            Ok(header) => {
                self.cluster_id = Some(header.cluster_id);
                self.revision = header.revision;
                self.publish();
                self.become_ready("snapshot");
            }
            Err(error) => warn!(path = %path.display(), %error, "snapshot is not used"),
        }
    }

    fn list_failed(&mut self, error: &StoreError) {
        self.listing = None;
        self.status.add(&self.status.list_failures, 1);
        self.failed("list", error);
    }

    fn watch_failed(&mut self, error: &StoreError) {
        self.watch = None;
        // A store that lists but does not let watch for long must not be listed all the time.
        if self.watch_started.elapsed() > RETRY_MAX {
            self.retry = RETRY_MIN;
        }
        self.status.add(&self.status.watch_failures, 1);
        self.failed("watch", error);
    }

    /// Lists again soon: whatever ended a watch, only a list says what was missed.
    fn failed(&mut self, what: &'static str, error: &StoreError) {
        self.status.lost();
        if let Some(hidden) = self.outages.speak() {
            warn!(what, %error, hidden, "store failed; answering from what is known");
        }
        let jitter = self.retry * (500 + self.spread.below(501) as u32) / 1000;
        self.list_due = Instant::now() + jitter;
        self.retry = (self.retry * 2).min(RETRY_MAX);
    }
}

/// The task that reads the store ended without saying how: no list or watch is complete that way.
fn ended_early() -> StoreError {
    StoreError::Unavailable("the reading task ended early".into())
}

impl std::fmt::Debug for Sync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sync")
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
