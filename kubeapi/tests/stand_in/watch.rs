//! Watches: one task each, which turns the log of changes into lines until its time is over, its
//! client is gone or a test ends it.
//!
//! Everything about a watch that depends on when it was asked for is settled before its answer
//! begins, so that no change of a test falls between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::answer::{Part, Reply, cut_short};
use super::faults::{Faults, Streaming};
use super::handler::{Server, State};
use super::options::Options;
use super::resources::Resource;
use super::status;
use super::store::Change;

/// How long a watch lasts that does not say; a real server takes 30 to 60 minutes.
const TIMEOUT_S: u64 = 1800;
/// The last bookmark comes so long before the end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// Marks the bookmark that ends a streamed list.
const LIST_END: &str = "k8s.io/initial-events-end";

/// A watch that is running.
pub(crate) struct Watch {
    server: Arc<Server>,
    resource: &'static Resource,
    options: Options,
    /// It began when so many times all watches had been closed, and cut.
    closes: u64,
    cuts: u64,
    /// Versions before this one were gone then.
    compacted: u64,
    /// Changes up to this version are told, or not asked for.
    told: u64,
    bookmarked: u64,
    bookmarked_at: Instant,
    deadline: Instant,
    parts: mpsc::Sender<Part>,
}

/// Why a watch ends.
enum End {
    /// Well.
    Closed,
    /// With an error in the stream.
    Failed(Value),
    /// In the middle of something.
    Cut,
    /// Its client is gone.
    Unheard,
}

/// What there is to do.
enum Step {
    Tell(Vec<Bytes>),
    Wait,
    End(End),
}

/// Answers a watch.
pub(crate) fn watch(
    server: &Arc<Server>,
    resource: &'static Resource,
    options: Options,
) -> Result<Reply, Reply> {
    let (parts, receiver) = mpsc::channel(1);
    let watch = server.change(|state| {
        if state.faults.gone_watches.take() {
            let message = "The resourceVersion for the provided watch is too old.";
            return Err(status::refused(status::expired(message)));
        }
        if options.initial_events.is_some() && state.faults.streaming == Streaming::Refused {
            let cause = "sendInitialEvents is forbidden for watch unless the WatchList feature \
                         gate is enabled";
            return Err(status::option_forbidden("sendInitialEvents", cause));
        }
        state.open_watches += 1;
        let timeout_s = options.timeout_s.filter(|&s| s > 0).unwrap_or(TIMEOUT_S);
        Ok(Watch {
            server: Arc::clone(server),
            resource,
            closes: state.closes,
            cuts: state.cuts,
            compacted: state.store.compacted,
            told: state.store.revision,
            bookmarked: 0,
            bookmarked_at: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(timeout_s),
            options,
            parts,
        })
    })?;
    tokio::spawn(watch.run());
    Ok(Reply::Stream(receiver))
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.server.change(|state| state.open_watches -= 1);
    }
}

impl Watch {
    async fn run(mut self) {
        let end = match self.begin().await {
            Ok(()) => self.follow().await,
            Err(end) => end,
        };
        let last = match end {
            End::Failed(status) => Ok(line("ERROR", &status)),
            End::Cut => Err(cut_short()),
            End::Closed | End::Unheard => return,
        };
        let _ = self.parts.send(last).await;
    }

    /// The objects that there are already, if they are asked for; else where to start.
    async fn begin(&mut self) -> Result<(), End> {
        self.thaw().await?;
        let version = self.options.version.unwrap_or(0);
        if self.options.initial_events.unwrap_or(version == 0) {
            return self.tell_objects(version).await;
        }
        let compacted = self.compacted;
        if version > 0 && version < compacted {
            let message = format!("too old resource version: {version} ({compacted})");
            return Err(End::Failed(status::expired(&message)));
        }
        if version > 0 {
            self.told = version;
        }
        Ok(())
    }

    async fn tell_objects(&mut self, version: u64) -> Result<(), End> {
        if !self.server.reached(version).await {
            let current = self.server.look(|state| state.store.revision);
            return Err(End::Failed(status::too_large(version, current)));
        }
        let (revision, objects, cut, streaming) = self.server.change(|state| {
            let revision = state.store.revision;
            let asked = self.options.initial_events == Some(true);
            let cut = asked && state.faults.cut_streams.take();
            let objects = state.store.at(self.resource, revision);
            (revision, objects, cut, state.faults.streaming)
        });
        let objects = objects.values();
        let chosen: Vec<_> = objects
            .filter(|object| self.options.selector.matches(object))
            .collect();
        let count = if cut { chosen.len() / 2 } else { chosen.len() };
        for object in &chosen[..count] {
            let object = self.resource.present(object, self.options.partial);
            self.send(line("ADDED", &object)).await?;
        }
        if cut {
            return Err(End::Cut);
        }
        self.told = revision;
        if self.options.bookmarks && streaming == Streaming::Served {
            let mut bookmark = self.resource.bookmark(revision, self.options.partial);
            bookmark["metadata"]["annotations"] = json!({ LIST_END: "true" });
            self.bookmarked = revision;
            self.bookmarked_at = Instant::now();
            self.send(line("BOOKMARK", &bookmark)).await?;
        }
        Ok(())
    }

    /// Tells changes until the end.
    async fn follow(&mut self) -> End {
        let mut changed = self.server.changed.subscribe();
        loop {
            let server = Arc::clone(&self.server);
            match server.look(|state| self.step(state)) {
                Step::End(end) => return end,
                Step::Tell(lines) => {
                    for line in lines {
                        if let Err(end) = self.send(line).await {
                            return end;
                        }
                    }
                    continue;
                }
                Step::Wait => {}
            }
            let faults = server.look(|state| state.faults.clone());
            let bookmark = self.next_bookmark(&faults);
            tokio::select! {
                _ = changed.changed() => {}
                () = self.parts.closed() => return End::Unheard,
                () = sleep_until(self.deadline), if !faults.frozen => return End::Closed,
                () = sleep_until(bookmark), if !faults.frozen => {
                    if let Err(end) = self.tell_bookmark().await {
                        return end;
                    }
                }
            }
        }
    }

    /// What is to be told now.
    fn step(&mut self, state: &State) -> Step {
        if state.cuts > self.cuts {
            return Step::End(End::Cut);
        }
        if state.faults.frozen {
            return match state.closes > self.closes {
                true => Step::End(End::Closed),
                false => Step::Wait,
            };
        }
        let changes = state.store.changes_after(self.resource, self.told);
        let lines: Vec<_> = changes.filter_map(|change| self.seen(change)).collect();
        self.told = self.told.max(state.store.revision);
        match lines.is_empty() {
            false => Step::Tell(lines),
            true if state.closes > self.closes => Step::End(End::Closed),
            true => Step::Wait,
        }
    }

    /// A change as this watch sees it: what leaves its selection is deleted for it.
    fn seen(&self, change: &Change) -> Option<Bytes> {
        let chosen = |object: &&Arc<Value>| self.options.selector.matches(object);
        let before = change.before.as_ref().filter(chosen);
        let after = change.after.as_ref().filter(chosen);
        let (what, object) = match (before, after) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", (**after).clone()),
            (Some(_), Some(after)) => ("MODIFIED", (**after).clone()),
            (Some(before), None) => {
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                ("DELETED", last)
            }
        };
        Some(line(
            what,
            &self.resource.present(&object, self.options.partial),
        ))
    }

    /// When the next bookmark is due.
    fn next_bookmark(&self, faults: &Faults) -> Instant {
        let never = self.deadline + LAST_BOOKMARK;
        if !self.options.bookmarks {
            return never;
        }
        let next = self.bookmarked_at + faults.bookmark_interval;
        let last = self.deadline.checked_sub(LAST_BOOKMARK);
        match last.filter(|&last| self.bookmarked_at < last) {
            Some(last) => next.min(last),
            None => next,
        }
    }

    /// Tells a version. The one before the end is left out when it would say nothing new, and a
    /// watch at a version that is not reached gets none.
    async fn tell_bookmark(&mut self) -> Result<(), End> {
        let (revision, interval) = self
            .server
            .look(|state| (state.store.revision, state.faults.bookmark_interval));
        if revision > self.told {
            // Changes go first; it is due still.
            return Ok(());
        }
        let due = self.bookmarked_at + interval <= Instant::now();
        self.bookmarked_at = Instant::now();
        if revision < self.told || !due && revision == self.bookmarked {
            return Ok(());
        }
        self.bookmarked = revision;
        let bookmark = self.resource.bookmark(revision, self.options.partial);
        self.send(line("BOOKMARK", &bookmark)).await
    }

    /// Waits until watches may speak.
    async fn thaw(&self) -> Result<(), End> {
        let mut changed = self.server.changed.subscribe();
        loop {
            let (frozen, closes, cuts) = self
                .server
                .look(|state| (state.faults.frozen, state.closes, state.cuts));
            if cuts > self.cuts {
                return Err(End::Cut);
            }
            if closes > self.closes {
                return Err(End::Closed);
            }
            if !frozen {
                return Ok(());
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = self.parts.closed() => return Err(End::Unheard),
            }
        }
    }

    async fn send(&self, line: Bytes) -> Result<(), End> {
        let sent: io::Result<Bytes> = Ok(line);
        self.parts.send(sent).await.map_err(|_| End::Unheard)
    }
}

/// A line of a watch.
fn line(what: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({ "type": what, "object": object })).into()
}
