//! A watch of several prefixes over one etcd stream.
//!
//! Each prefix has a watcher of its own, since etcd watches ranges and a user may be allowed just
//! those. etcd orders each watcher's changes but not the watchers among each other, and splits
//! large responses into fragments. [`Merge`] puts fragments together again, keeps for each watcher
//! how far it has come, and says from where to resume: where the slowest one is. A quiet watcher's
//! place moves with etcd's progress notifications (every 10 minutes unless configured).
//!
//! A member that loses its leader ends the stream (`require-leader`), and so do missing answers to
//! pings; what the reader sees is an error, after which it resumes on another member.

use std::sync::Arc;

use async_trait::async_trait;
use etcd_client::proto::PbEvent;
use etcd_client::{
    Client, EventType, WatchOptions, WatchRequestSender, WatchResponse, WatchResponseStream,
};

use super::fault::Fault;
use super::members::{CALL_TIMEOUT, Members, within};
use super::{MESSAGE_BYTES_MAX, range_end, range_start};
use crate::{Event, Revision, StoreError, Watch, WatchBatch};

/// Bytes of keys and values after which no further response joins a batch.
const BATCH_BYTES: usize = 1 << 20;

/// A running watch.
pub(super) struct EtcdWatch {
    stream: WatchResponseStream,
    /// Held because etcd ends the watchers when our side of the stream ends.
    _requests: WatchRequestSender,
    /// Told when the member fails, with the place of the member.
    members: Arc<Members>,
    place: usize,
    merge: Merge,
    /// Why it ended, once it did.
    ended: Option<Fault>,
}

/// Opens a watch on the member in use.
pub(super) async fn open(
    members: &Arc<Members>,
    prefixes: &[Vec<u8>],
    from: Revision,
) -> Result<EtcdWatch, StoreError> {
    let prefixes = without_covered(prefixes);
    let (place, client) = members.client().await?;
    let mut opened = open_on(members, place, client.clone(), &prefixes, from).await;
    if matches!(opened, Err(Fault::Refused(_) | Fault::Unknown(_))) {
        // etcd says "permission denied" for a watch with an expired token, too.
        within(CALL_TIMEOUT, client.refresh_token()).await?;
        opened = open_on(members, place, client, &prefixes, from).await;
    }
    if let Err(Fault::Away(reason) | Fault::Unknown(reason)) = &opened {
        members.leave(place, reason).await;
    }
    Ok(opened?)
}

async fn open_on(
    members: &Arc<Members>,
    place: usize,
    client: Client,
    prefixes: &[&[u8]],
    from: Revision,
) -> Result<EtcdWatch, Fault> {
    let options = |place: usize| {
        WatchOptions::new()
            .with_range(range_end(prefixes[place]))
            .with_start_revision(from)
            .with_progress_notify()
            .with_fragment()
            .with_watch_id(watch_id(place))
    };
    let start = |place: usize| range_start(prefixes[place]);
    let opening = async {
        let mut watches = client
            .watch_client()
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let stream = watches.watch(start(0), Some(options(0))).await?;
        let (mut requests, stream) = stream.split();
        for place in 1..prefixes.len() {
            requests.watch(start(place), Some(options(place))).await?;
        }
        Ok((requests, stream))
    };
    let (requests, stream) = within(CALL_TIMEOUT, opening).await?;
    let mut watch = EtcdWatch {
        stream,
        _requests: requests,
        members: Arc::clone(members),
        place,
        merge: Merge::new(prefixes.len(), from),
        ended: None,
    };
    while watch.merge.created < prefixes.len() {
        let response = within(CALL_TIMEOUT, watch.stream.message()).await;
        watch.receive(response);
        if let Some(fault) = watch.ended {
            return Err(fault);
        }
    }
    Ok(watch)
}

/// Watch ids are ours to give, and not 0.
fn watch_id(place: usize) -> i64 {
    i64::try_from(place).map_or(i64::MAX, |place| place + 1)
}

/// The prefixes that are not under another one: an event must come once.
fn without_covered(prefixes: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut sorted: Vec<&[u8]> = prefixes.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    for prefix in sorted {
        if !kept.last().is_some_and(|last| prefix.starts_with(last)) {
            kept.push(prefix);
        }
    }
    kept
}

#[async_trait]
impl Watch for EtcdWatch {
    async fn next(&mut self) -> Result<WatchBatch, StoreError> {
        loop {
            // What is there already joins the batch.
            while self.ended.is_none() && self.merge.bytes < BATCH_BYTES {
                tokio::select! {
                    biased;
                    response = self.stream.message() => {
                        self.receive(response.map_err(|error| Fault::from(&error)));
                    }
                    () = std::future::ready(()) => break,
                }
            }
            if let Some(batch) = self.merge.take() {
                return Ok(batch);
            }
            if let Some(fault) = &self.ended {
                if let Fault::Away(reason) = fault {
                    self.members.leave(self.place, reason).await;
                }
                return Err(fault.clone().into());
            }
            let response = self.stream.message().await;
            self.receive(response.map_err(|error| Fault::from(&error)));
        }
    }
}

impl EtcdWatch {
    fn receive(&mut self, response: Result<Option<WatchResponse>, Fault>) {
        let accepted = response.and_then(|response| {
            let response = response.ok_or_else(|| Fault::Away("etcd ended the watch".into()))?;
            self.merge.accept(read(response)?);
            Ok(())
        });
        if let Err(fault) = accepted {
            self.ended = Some(fault);
        }
    }
}

/// What a response of the stream says.
#[derive(Debug)]
enum Received {
    /// A watcher exists.
    Created,
    /// Changes for one watcher, of which there are more when this is a fragment.
    Changes {
        watch_id: i64,
        events: Vec<Event>,
        fragment: bool,
    },
    /// A watcher has got all changes up to `revision`.
    Progress { watch_id: i64, revision: Revision },
}

/// Reads a response; the watch is over when it is a cancellation.
fn read(response: WatchResponse) -> Result<Received, Fault> {
    let response = response.0;
    let watch_id = response.watch_id;
    if response.canceled {
        // The header of a cancellation has no revision to resume from.
        let (oldest, reason) = (response.compact_revision, response.cancel_reason);
        return Err(match reason.as_str() {
            _ if oldest > 0 => Fault::Compacted { oldest },
            reason if reason.contains("permission denied") => Fault::Refused(reason.into()),
            reason if reason.contains("auth token") => Fault::Unknown(reason.into()),
            reason => Fault::Away(format!("etcd cancelled the watch: {reason}")),
        });
    }
    if response.created {
        return Ok(Received::Created);
    }
    if response.events.is_empty() && !response.fragment {
        let revision = response.header.map_or(0, |header| header.revision);
        return Ok(Received::Progress { watch_id, revision });
    }
    let events = response.events.into_iter().map(event);
    Ok(Received::Changes {
        watch_id,
        events: events.collect::<Result<_, _>>()?,
        fragment: response.fragment,
    })
}

fn event(event: PbEvent) -> Result<Event, Fault> {
    let kind = event.r#type;
    let pair = event
        .kv
        .ok_or_else(|| Fault::Away("etcd sent an event without a key".into()))?;
    let value = match EventType::try_from(kind) {
        Ok(EventType::Put) => Some(pair.value),
        Ok(EventType::Delete) => None,
        Err(_) => return Err(Fault::Refused(format!("etcd sent an event of kind {kind}"))),
    };
    Ok(Event {
        key: pair.key,
        value,
        revision: pair.mod_revision,
    })
}

/// What came of each watcher, and what of it the reader has not taken yet.
#[derive(Debug)]
struct Merge {
    watchers: Vec<Watcher>,
    created: usize,
    ready: Vec<Event>,
    /// Bytes of keys and values in `ready`.
    bytes: usize,
    /// The resume point that the reader knows.
    reported: Revision,
}

#[derive(Debug, Clone)]
struct Watcher {
    /// All changes up to it are in `ready` or were taken.
    delivered: Revision,
    /// Of a response that is not complete yet.
    fragments: Vec<Event>,
}

impl Merge {
    fn new(watchers: usize, from: Revision) -> Merge {
        let watcher = Watcher {
            delivered: from - 1,
            fragments: Vec::new(),
        };
        Merge {
            watchers: vec![watcher; watchers],
            created: 0,
            ready: Vec::new(),
            bytes: 0,
            reported: from - 1,
        }
    }

    fn accept(&mut self, received: Received) {
        match received {
            Received::Created => self.created += 1,
            Received::Progress { watch_id, revision } => {
                if let Some(watcher) = self.watcher(watch_id) {
                    watcher.delivered = watcher.delivered.max(revision);
                }
            }
            Received::Changes {
                watch_id,
                events,
                fragment,
            } => {
                let Some(watcher) = self.watcher(watch_id) else {
                    return;
                };
                watcher.fragments.extend(events);
                if fragment {
                    return;
                }
                let events = std::mem::take(&mut watcher.fragments);
                let newest = events.last().map_or(0, |event| event.revision);
                watcher.delivered = watcher.delivered.max(newest);
                self.bytes += events.iter().map(bytes).sum::<usize>();
                self.ready.extend(events);
            }
        }
    }

    /// What can be told to the reader now.
    fn take(&mut self) -> Option<WatchBatch> {
        let delivered = self.watchers.iter().map(|watcher| watcher.delivered);
        let revision = delivered.min().unwrap_or(self.reported);
        if self.ready.is_empty() && revision == self.reported {
            return None;
        }
        self.reported = revision;
        if self.ready.is_empty() {
            return Some(WatchBatch::Progress { revision });
        }
        let mut events = std::mem::take(&mut self.ready);
        self.bytes = 0;
        // Stable: the changes of one revision stay in the order of their operations.
        events.sort_by_key(|event| event.revision);
        Some(WatchBatch::Events { revision, events })
    }

    fn watcher(&mut self, watch_id: i64) -> Option<&mut Watcher> {
        let place = usize::try_from(watch_id.checked_sub(1)?).ok()?;
        self.watchers.get_mut(place)
    }
}

fn bytes(event: &Event) -> usize {
    event.key.len() + event.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests;
