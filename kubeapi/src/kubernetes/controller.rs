//! Joins the parts: changes of objects and of the store go into the publisher, and while this
//! process leads its writes go out, some at a time and at a bounded rate.
//!
//! Every transaction carries two guards: the key is as it was last seen, and this process still
//! leads. A second replica does all but writing, so that it can take over at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use containerdns_store::{Outcome, Revision, Store, StoreError};
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::events::Complaints;
use super::index::{Complaint, Index, Refusal};
use super::metrics::{Metrics, OutcomeLabel, ReasonLabel};
use super::object::ObjectKind;
use super::publish::{Next, Publisher, Write};
use super::settings::{PodNames, Settings};
use super::watch::{self as objects, WatchOptions, Watches};
use crate::follow::{self, News, digest};
use crate::lease::{Candidate, Fitness, Term, cluster_key, leader_key};
use crate::pace::{Backoff, Pace, RETRY_MIN, Seldom};
use crate::role::{Pulse, Running};

/// Writes under way at most: the store makes those of one moment durable together.
const WRITES_MAX: usize = 32;
/// Changes taken in before writes are looked at again.
const CHANGES_MAX: usize = 64;
/// Keys looked at before changes are taken in again: one may have thousands of records.
const LOOKS_MAX: usize = 16;
/// News of the store that may wait; each is some hundreds of keys.
const NEWS_MAX: usize = 64;
/// One that begins to lead lists again what it listed longer ago: it may have missed something.
const FRESH_MAX: Duration = Duration::from_secs(5);
/// One that the API server has not answered for so long should not lead: watches last a minute.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// The loop turns at least this often.
const TICK: Duration = Duration::from_secs(1);

/// How the role runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which names there are.
    pub settings: Settings,
    /// Time between complete lists of objects.
    pub relist: Duration,
    /// Time between complete lists of the store.
    pub store_relist: Duration,
    /// Writes a second at most.
    pub writes_per_s_max: u32,
    /// Whether refusals are written as Events.
    pub events: bool,
    /// Who this process is, for people who look at the leader key.
    pub identity: String,
}

/// Starts the role on this runtime; it ends with it.
pub fn start(client: Client, store: Arc<dyn Store>, options: Options, metrics: Metrics) -> Running {
    let settings = &options.settings;
    let kinds = kinds(settings);
    let watched = WatchOptions {
        kinds: kinds.clone(),
        relist: options.relist,
    };
    let watches = objects::start(&client, &watched, &metrics);
    let (news_sender, news) = mpsc::channel(NEWS_MAX);
    let prefix = format!("{}{}/", settings.bundle_prefix, settings.cluster).into_bytes();
    let relist = options.store_relist;
    tokio::spawn(follow::run(
        Arc::clone(&store),
        prefix,
        relist,
        |_, value| digest(value),
        news_sender,
    ));
    let (terms_sender, terms) = watch::channel(None);
    let (refused, refusals) = watch::channel(0);
    let candidate = Candidate {
        store: Arc::clone(&store),
        key: leader_key(&settings.cluster),
        cluster_key: Some(cluster_key(&settings.cluster)),
        identity: options.identity.clone(),
        said: ["this process leads now", "this process leads no more"],
    };
    let (fitness, fitness_seen) = watch::channel(Fitness::Unfit);
    let candidate = tokio::spawn(candidate.run(terms_sender, refusals, fitness_seen));
    let (ending, ending_seen) = watch::channel(false);
    let publisher = Publisher::new(Index::new(settings.clone()), &kinds);
    let pulse = Pulse::new("Kubernetes", publisher.unlisted().collect());
    let status = pulse.status();
    let complaints = Complaints::start(options.events.then_some(client), &options, &metrics);
    let controller = Controller {
        publisher,
        store,
        watches,
        news,
        terms,
        refused,
        pace: Pace::per_second(options.writes_per_s_max),
        writes: JoinSet::new(),
        rest_until: None,
        backoff: Backoff::default(),
        log: Seldom::default(),
        metrics,
        complaints,
        pulse,
        fitness,
        ending: ending_seen,
        sized_at: None,
        started: SystemTime::now(),
    };
    tokio::spawn(controller.run());
    Running {
        status,
        ending,
        candidate,
    }
}

/// The kinds of objects that the names need.
fn kinds(settings: &Settings) -> Vec<ObjectKind> {
    use ObjectKind::{EndpointSlice, Namespace, Pod, Service, ServiceImport};
    let mut kinds = vec![Service, EndpointSlice, Namespace];
    kinds.extend((settings.pods == PodNames::Verified).then_some(Pod));
    kinds.extend((!settings.clusterset_zones.is_empty()).then_some(ServiceImport));
    kinds
}

/// A write with what became of it.
type Landed = (Box<Write>, Term, Result<Outcome, StoreError>);

struct Controller {
    publisher: Publisher,
    store: Arc<dyn Store>,
    watches: Watches,
    news: mpsc::Receiver<News>,
    terms: watch::Receiver<Option<Term>>,
    refused: watch::Sender<Revision>,
    pace: Pace,
    writes: JoinSet<Landed>,
    /// After a failure nothing is written until then.
    rest_until: Option<Instant>,
    backoff: Backoff,
    log: Seldom,
    metrics: Metrics,
    complaints: Complaints,
    pulse: Pulse,
    /// When sizes were shown last.
    sized_at: Option<Instant>,
    fitness: watch::Sender<Fitness>,
    ending: watch::Receiver<bool>,
    started: SystemTime,
}

impl Controller {
    async fn run(mut self) {
        let mut changes = Vec::with_capacity(CHANGES_MAX);
        loop {
            let wake = self.write();
            self.tell();
            tokio::select! {
                count = self.watches.changes.recv_many(&mut changes, CHANGES_MAX) => {
                    if count == 0 {
                        return;
                    }
                    changes.drain(..).for_each(|change| self.publisher.change(change));
                }
                news = self.news.recv() => {
                    let Some(news) = news else { return };
                    if matches!(news, News::Listed { .. }) {
                        self.metrics.store_lists.inc();
                    }
                    self.publisher.news(news);
                }
                changed = self.terms.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.term_changed();
                }
                Ok(()) = self.ending.changed() => {}
                Some(landed) = self.writes.join_next() => {
                    if let Ok(landed) = landed {
                        self.landed(landed);
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Sends writes as far as that is allowed now; says when to try again at the latest.
    fn write(&mut self) -> Instant {
        let now = Instant::now();
        let tick = now + TICK;
        let term = self.terms.borrow().clone();
        let Some(term) = term.filter(Term::holds) else {
            self.publisher.pause();
            return tick;
        };
        if let Some(until) = self.rest_until.filter(|until| *until > now) {
            return until;
        }
        for _ in 0..LOOKS_MAX {
            if self.writes.len() >= WRITES_MAX {
                // A write that lands wakes the loop.
                return tick;
            }
            if let Err(due) = self.pace.ready() {
                return due;
            }
            match self.publisher.next_write() {
                // A write that lands wakes the loop.
                Next::Idle | Next::Blocked => return tick,
                Next::Same => {}
                Next::TooLarge(key) => self.too_large(&key),
                Next::Write(write) => {
                    self.pace.take();
                    let store = Arc::clone(&self.store);
                    let term = term.clone();
                    self.writes.spawn(async move {
                        let guards = [term.fence(), write.guard.clone()];
                        let outcome = store.transact(&guards, &[write.operation()]).await;
                        (write, term, outcome)
                    });
                }
            }
        }
        now
    }

    fn landed(&mut self, (write, term, outcome): Landed) {
        match outcome {
            Ok(Outcome::Committed { revision }) => {
                self.backoff.succeeded();
                self.log.over();
                self.publisher.committed(&write, revision);
                self.count("committed");
                self.observe(&write);
            }
            Ok(Outcome::Refused { revision, current }) => {
                if term.stands_in(&current) {
                    self.count("conflict");
                    self.publisher.conflicted(&write, revision, &current);
                } else {
                    self.count("fenced");
                    self.publisher.failed(&write);
                    self.refused.send_replace(term.revision());
                    self.rest_until = Some(Instant::now() + RETRY_MIN);
                }
            }
            Err(StoreError::TooLarge(_)) => {
                self.publisher.given_up(&write);
                self.too_large(&write.key);
            }
            Err(error) => {
                self.count("failed");
                self.publisher.failed(&write);
                self.rest_until = Some(Instant::now() + self.backoff.failed());
                if self.log.due() {
                    let key = String::from_utf8_lossy(&write.key);
                    warn!(%error, %key, "a write failed; it is tried again");
                }
            }
        }
    }

    fn too_large(&self, key: &[u8]) {
        self.count("too_large");
        let message = "its records do not fit a bundle; its names stay as they were";
        if let Some(id) = self.publisher.index.object_of_key(key) {
            self.complaints.tell(Complaint {
                id,
                uid: None,
                refusal: Refusal {
                    reason: "TooLarge",
                    message: message.into(),
                },
            });
        }
    }

    fn observe(&self, write: &Write) {
        let length = write.value.as_ref().map_or(0, Vec::len);
        self.metrics.written_bytes.inc_by(length as u64);
        self.metrics
            .publish
            .observe(write.since.elapsed().as_secs_f64());
        // One from before the start was written for another reason than its change.
        let triggered = self.publisher.index.triggered_at(&write.key);
        let triggered = triggered.filter(|at| *at > self.started);
        let elapsed = triggered.and_then(|at| SystemTime::now().duration_since(at).ok());
        if let Some(elapsed) = elapsed {
            self.metrics.programming.observe(elapsed.as_secs_f64());
        }
        debug!(
            key = %String::from_utf8_lossy(&write.key),
            octets = length,
            "written"
        );
    }

    fn term_changed(&mut self) {
        let leads = self.terms.borrow_and_update().is_some();
        let led = self.metrics.leader.set(leads.into()) == 1;
        let fresh = Instant::now().checked_sub(FRESH_MAX);
        if leads && !led && self.publisher.begin(fresh.unwrap_or_else(Instant::now)) {
            self.watches.relist();
        }
    }

    /// Whether this process should lead: not while it does not know what there is.
    fn judge_fitness(&self) {
        let silent = self.watches.silence();
        self.metrics.silence_s.set(silent.as_secs() as i64);
        let fitness = if *self.ending.borrow() {
            Fitness::Ending
        } else if self.pulse.is_ready() && silent < SILENCE_MAX {
            Fitness::Fit(self.publisher.index.cluster_uid().map(str::to_owned))
        } else {
            Fitness::Unfit
        };
        self.fitness.send_if_modified(|former| {
            let changed = *former != fitness;
            *former = fitness;
            changed
        });
    }

    /// Shows where the role stands.
    fn tell(&mut self) {
        self.pulse.turned();
        self.metrics
            .queue_len
            .set(self.publisher.queue_len() as i64);
        if self.sized_at.is_none_or(|at| at.elapsed() >= TICK) {
            self.sized_at = Some(Instant::now());
            show_sizes(&self.publisher.index, &self.metrics);
        }
        // Once all has been listed the role is ready, also while it lists again.
        if !self.pulse.is_ready() {
            let waits_for: Vec<&'static str> = self.publisher.unlisted().collect();
            if waits_for.is_empty() {
                info!("the cluster and the store have been read");
            }
            self.pulse.waits_for(waits_for);
        }
        self.judge_fitness();
        if self.metrics.leader.get() == 1 {
            for complaint in self.publisher.index.take_refusals() {
                self.complaints.tell(complaint);
            }
        }
    }

    fn count(&self, outcome: &'static str) {
        let label = OutcomeLabel { outcome };
        self.metrics.writes.get_or_create(&label).inc();
    }
}

/// Sizes of an index, as gauges.
fn show_sizes(index: &Index, metrics: &Metrics) {
    for kind in ObjectKind::ALL {
        let gauge = metrics.objects.get_or_create(&kind.into());
        gauge.set(index.count(kind) as i64);
    }
    metrics.endpoints.set(index.endpoints() as i64);
    metrics.refused.clear();
    for refusal in index.refusals() {
        let label = ReasonLabel {
            reason: refusal.reason,
        };
        metrics.refused.get_or_create(&label).inc();
    }
}
