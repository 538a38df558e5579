//! Reads the objects of a cluster: one task a kind turns kube's watcher into [`Change`]s on one
//! bounded channel; when it is full the tasks wait, and the API server with them.
//!
//! Names are removed only by [`Change::Deleted`] and by what a complete list lacks, and only
//! [`Change::InitDone`] says that a list is complete: one that fails in the middle is followed by
//! another [`Change::Init`], which starts to count anew. No error ends a task, not even 403.
//!
//! Lists are streamed where the server can, and paged else: a server that refuses (400, 422) or
//! does not know the question (it never says that the list is over) is asked for pages. A watcher
//! is given up for a new one when a version that is gone is asked for twice (410 as HTTP status,
//! which kube would repeat for ever), and after `relist`, because a watch at a version that a
//! restored server has not reached yet stays silent. kube opens a watch that ended cleanly again
//! at once, so that watches are paced here, below it.
//!
//! A server need not have ServiceImports. It also says 404 while it starts, so that only one that
//! does so for [`ABSENT_AFTER`] has none, and one that had them only after [`REMOVED_AFTER`]; that
//! is told as an empty list.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Request, StatusCode, Uri};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::client::Body;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::import::ServiceImport;
use super::metrics::Metrics;
use super::object::{Object, ObjectId, ObjectKind};
use crate::pace::{Backoff, RETRY_MIN, Seldom};

/// Changes that may wait for the controller: a slice of 100 endpoints is some 100 KiB.
const CHANGES_MAX: usize = 256;
/// A watch is opened anew after this long, and a dead connection noticed 5 s later.
const WATCH_S: u32 = 60;
/// Objects in a page of a list.
const PAGE_OBJECTS: u32 = 500;
/// A streamed list that says nothing for so long will never end.
const STREAM_QUIET_MAX: Duration = Duration::from_secs(10);
/// A page that takes longer is given up.
const PAGE_MAX: Duration = Duration::from_secs(60);
/// So many answers of 410 to one watch make a new watcher.
const GONE_MAX: u32 = 2;
/// A server that has said for so long that there is no such kind has none.
const ABSENT_AFTER: Duration = Duration::from_secs(10);
/// A server that had the kind, and has said for so long that it has not, has none any more.
const REMOVED_AFTER: Duration = Duration::from_secs(600);
/// How often it is asked again for a kind that it does not have.
const ABSENT_ASK: Duration = Duration::from_secs(5);
/// What happened to the objects.
#[derive(Debug)]
pub enum Change {
    /// A list begins; what was listed before counts no more.
    Init(ObjectKind),
    /// An object of the list.
    InitApplied(Box<Object>),
    /// The list is complete.
    InitDone(ObjectKind),
    /// An object is new or changed.
    Applied(Box<Object>),
    /// An object is gone.
    Deleted(ObjectId),
}

/// How to watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// The kinds that are watched.
    pub kinds: Vec<ObjectKind>,
    /// Time between complete lists.
    pub relist: Duration,
}

/// Running watches; dropping it ends them.
#[derive(Debug)]
pub struct Watches {
    /// What they tell.
    pub changes: mpsc::Receiver<Change>,
    heard: Vec<Arc<Heard>>,
    relists: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

impl Watches {
    /// Makes every kind be listed anew, now.
    pub fn relist(&self) {
        self.relists.send_modify(|number| *number += 1);
    }

    /// How long ago the API server last answered for the kind for which that is longest ago.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let silences = self.heard.iter().map(|heard| heard.silence());
        silences.max().unwrap_or_default()
    }
}

/// When the API server last answered a request well.
#[derive(Debug)]
struct Heard(Mutex<Instant>);

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn silence(&self) -> Duration {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }
}

/// Starts to watch.
#[must_use]
pub fn start(client: &Client, options: &WatchOptions, metrics: &Metrics) -> Watches {
    let (sender, changes) = mpsc::channel(CHANGES_MAX);
    let (relists, relists_seen) = watch::channel(0);
    let mut tasks = JoinSet::new();
    let mut all_heard = Vec::new();
    for kind in options.kinds.iter().copied() {
        let heard = Arc::new(Heard(Mutex::new(Instant::now())));
        all_heard.push(Arc::clone(&heard));
        let follower = Follower {
            kind,
            client: paced(client.clone(), heard),
            changes: sender.clone(),
            relists: relists_seen.clone(),
            streaming: true,
            options: options.clone(),
            metrics: metrics.clone(),
            backoff: Backoff::default(),
            log: Seldom::default(),
            absent_since: None,
            listed: false,
            told_absent: false,
        };
        match kind {
            ObjectKind::Service => tasks.spawn(follower.run::<Service>(Object::Service)),
            ObjectKind::EndpointSlice => {
                tasks.spawn(follower.run::<EndpointSlice>(Object::EndpointSlice))
            }
            ObjectKind::Pod => tasks.spawn(follower.run::<Pod>(Object::Pod)),
            ObjectKind::ServiceImport => {
                tasks.spawn(follower.run::<ServiceImport>(Object::ServiceImport))
            }
            ObjectKind::Namespace => tasks.spawn(follower.run::<Namespace>(Object::Namespace)),
        };
    }
    Watches {
        changes,
        heard: all_heard,
        relists,
        _tasks: tasks,
    }
}

/// The same client with a pause between the starts of two watches; streamed lists are of the
/// newest state, where kube asks for any that the server has at hand. Notes when it was answered:
/// a watch is opened every minute, so that silence means more than that nothing changes.
fn paced(client: Client, heard: Arc<Heard>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let next: Arc<Mutex<Option<Instant>>> = Arc::default();
    let send = move |mut request: Request<Body>| {
        ask_for_newest(&mut request);
        let (client, next) = (client.clone(), Arc::clone(&next));
        let heard = Arc::clone(&heard);
        async move {
            let query = request.uri().query().unwrap_or_default();
            if query.split('&').any(|pair| pair == "watch=true") {
                let at = {
                    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                    let at = next.unwrap_or_else(Instant::now).max(Instant::now());
                    *next = Some(at + RETRY_MIN);
                    at
                };
                tokio::time::sleep_until(at).await;
            }
            let response = client.send(request).await;
            // A kind that the server does not have is an answer, too.
            let well = |status: StatusCode| status.is_success() || status == StatusCode::NOT_FOUND;
            if response
                .as_ref()
                .is_ok_and(|response| well(response.status()))
            {
                heard.now();
            }
            response
        }
    };
    Client::new(tower::service_fn(send), namespace)
}

/// Takes the version 0 from the query of a streamed list: a replica of the API server that lags
/// behind would else show a state in which objects that we know do not exist yet.
fn ask_for_newest(request: &mut Request<Body>) {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    if !query
        .split('&')
        .any(|pair| pair == "sendInitialEvents=true")
    {
        return;
    }
    let pairs = query.split('&').filter(|pair| *pair != "resourceVersion=0");
    let query = pairs.collect::<Vec<_>>().join("&");
    let newest = format!("{}?{query}", uri.path());
    let mut parts = uri.clone().into_parts();
    if let Ok(newest) = newest.parse() {
        parts.path_and_query = Some(newest);
        if let Ok(newest) = Uri::from_parts(parts) {
            *request.uri_mut() = newest;
        }
    }
}

/// Why a watcher was given up.
enum Ended {
    /// Nobody listens.
    Unheard,
    /// It is time to list again.
    Due,
    /// It went wrong: a new watcher, after a wait.
    Stuck,
    /// The server streams no lists.
    NoStreaming,
    /// The server does not have the kind.
    Absent,
}

/// How far a watcher is.
#[derive(Debug)]
struct Progress {
    /// A list is to be made, or under way.
    listing: bool,
    /// A list has begun.
    begun: bool,
    /// Answers of 410 in a row.
    gone: u32,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            listing: true,
            begun: false,
            gone: 0,
        }
    }
}

/// The task of one kind.
struct Follower {
    kind: ObjectKind,
    client: Client,
    changes: mpsc::Sender<Change>,
    relists: watch::Receiver<u64>,
    /// Whether the server streams lists, as far as is known.
    streaming: bool,
    options: WatchOptions,
    metrics: Metrics,
    backoff: Backoff,
    log: Seldom,
    /// Since when the server says that it does not have the kind.
    absent_since: Option<Instant>,
    /// Whether it has been listed.
    listed: bool,
    /// Whether it was told that there is no such kind.
    told_absent: bool,
}

impl Follower {
    async fn run<K>(mut self, wrap: fn(K) -> Object)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        loop {
            match self.watch(wrap).await {
                Ended::Unheard => return,
                Ended::Due => {}
                Ended::NoStreaming => {
                    debug!(kind = ?self.kind, "no streamed lists; lists are paged");
                    self.streaming = false;
                }
                Ended::Stuck => self.backoff.wait().await,
                Ended::Absent => {
                    if self.absent().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn watch<K>(&mut self, wrap: fn(K) -> Object) -> Ended
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut config = watcher::Config::default()
            .timeout(WATCH_S)
            .page_size(PAGE_OBJECTS);
        if self.streaming {
            config = config.streaming_lists();
        }
        let mut events = pin!(watcher(Api::<K>::all(self.client.clone()), config));
        let due = Instant::now() + self.options.relist;
        let mut progress = Progress::default();
        self.relists.mark_unchanged();
        loop {
            let until = match (progress.listing, self.streaming) {
                (true, true) => Instant::now() + STREAM_QUIET_MAX,
                (true, false) => Instant::now() + PAGE_MAX,
                (false, _) => due,
            };
            let event = tokio::select! {
                event = timeout_at(until, events.next()) => event,
                changed = self.relists.changed() => match changed {
                    Ok(()) => return self.relisted(),
                    Err(_) => return Ended::Unheard,
                },
            };
            let event = match event {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => match self.failed(&error, &mut progress) {
                    Some(ended) => return ended,
                    None => {
                        self.backoff.wait().await;
                        continue;
                    }
                },
                Err(_) if !progress.listing => return Ended::Due,
                Err(_) if self.streaming => return Ended::NoStreaming,
                Ok(None) | Err(_) => return Ended::Stuck,
            };
            if let Some(ended) = self.progressed(&event, &mut progress) {
                return ended;
            }
            if self.changes.send(self.change(event, wrap)).await.is_err() {
                return Ended::Unheard;
            }
        }
    }

    /// Notes how far a watcher is; says when it will come no further.
    fn progressed<K>(&mut self, event: &Event<K>, progress: &mut Progress) -> Option<Ended> {
        progress.gone = 0;
        match event {
            // A streamed list that ended without its end: the server does not know what it is
            // asked for, or needs longer for it than a watch may take.
            Event::Init if progress.listing && progress.begun && self.streaming => {
                return Some(Ended::NoStreaming);
            }
            Event::Init => {
                progress.begun = true;
                progress.listing = true;
            }
            Event::InitDone => {
                progress.listing = false;
                self.list_completed();
            }
            // A list alone proves little: it must not be asked for again and again.
            Event::Apply(_) | Event::Delete(_) => self.backoff.succeeded(),
            Event::InitApply(_) => {}
        }
        None
    }

    /// Counts an error; says whether another watcher is needed.
    fn failed(&mut self, error: &watcher::Error, progress: &mut Progress) -> Option<Ended> {
        let status = status_of(error);
        if status == Some(404) && self.kind == ObjectKind::ServiceImport {
            return Some(Ended::Absent);
        }
        self.absent_since = None;
        let kind = self.kind;
        self.metrics
            .watch_failures
            .get_or_create(&kind.into())
            .inc();
        if self.log.due() {
            let error = causes(error);
            warn!(%error, ?kind, "watching Kubernetes fails; what is known stays");
        }
        progress.gone = match status {
            Some(410) => progress.gone + 1,
            _ => 0,
        };
        match status {
            Some(400 | 422) if self.streaming => Some(Ended::NoStreaming),
            _ if progress.gone >= GONE_MAX => Some(Ended::Stuck),
            // kube would go on with the list, and call it complete without what could not be read.
            _ if progress.listing && self.streaming => Some(Ended::Stuck),
            _ => None,
        }
    }

    fn relisted(&mut self) -> Ended {
        self.told_absent = false;
        Ended::Due
    }

    /// Waits, and tells of an empty list when the kind has been absent for long.
    async fn absent(&mut self) -> Result<(), mpsc::error::SendError<Change>> {
        let now = Instant::now();
        let since = *self.absent_since.get_or_insert(now);
        let enough = match self.listed {
            true => REMOVED_AFTER,
            false => ABSENT_AFTER,
        };
        if now - since >= enough && !self.told_absent {
            self.told_absent = true;
            debug!(kind = ?self.kind, "the Kubernetes API does not have this kind");
            self.listed = false;
            self.changes.send(Change::Init(self.kind)).await?;
            self.changes.send(Change::InitDone(self.kind)).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(ABSENT_ASK) => {}
            _ = self.relists.changed() => self.told_absent = false,
        }
        Ok(())
    }

    fn change<K>(&self, event: Event<K>, wrap: fn(K) -> Object) -> Change {
        let wrap = |object: K| {
            let mut object = wrap(object);
            object.drop_bulk();
            Box::new(object)
        };
        match event {
            Event::Init => Change::Init(self.kind),
            Event::InitApply(object) => Change::InitApplied(wrap(object)),
            Event::InitDone => Change::InitDone(self.kind),
            Event::Apply(object) => Change::Applied(wrap(object)),
            Event::Delete(object) => Change::Deleted(wrap(object).id()),
        }
    }

    fn list_completed(&mut self) {
        self.absent_since = None;
        self.listed = true;
        self.told_absent = false;
        self.metrics.lists.get_or_create(&self.kind.into()).inc();
        if self.log.over() {
            info!(kind = ?self.kind, "the Kubernetes API is back");
        }
    }
}

/// An error in words: what the API server said, else every cause down to the last.
fn causes(error: &watcher::Error) -> String {
    if let watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::InitialListFailed(kube::Error::Api(status)) = error
    {
        return format!("{} {}", status.code, status.message);
    }
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    let mut told = String::new();
    for cause in causes.map(ToString::to_string) {
        if told.ends_with(&cause) {
            continue;
        }
        if !told.is_empty() {
            told += ": ";
        }
        told += &cause;
    }
    told
}

/// The HTTP status that a request was answered with, if that is the error. An error inside a
/// stream is none: kube lists again after those itself.
fn status_of(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::InitialListFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}
