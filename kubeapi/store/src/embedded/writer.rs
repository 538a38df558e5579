//! The only writer of the embedded store: a thread that commits waiting requests in groups.
//!
//! All requests that wait when a commit ends go into the next one, each with a revision of its
//! own, and are answered after it: a flush to disk is paid once for the group. A group fails as a
//! whole when the disk does. Leases end here too: their deadlines are kept on the monotonic clock,
//! and a lease read back at start gets its full TTL again.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::file::{self, StoreFile};
use super::tables::Tables;
use crate::{Guard, LeaseId, Operation, Outcome, Revision, StoreError};

/// Requests in one commit: a flush of some ms then allows tens of thousands of writes a second.
const GROUP_MAX: usize = 256;

/// When to try again to remove an ended lease that could not be removed.
const EXPIRY_RETRY: Duration = Duration::from_secs(1);

/// What a caller wants changed.
#[derive(Debug)]
pub(super) enum Change {
    Transact {
        guards: Vec<Guard>,
        operations: Vec<Operation>,
    },
    Grant {
        ttl_s: u32,
    },
    KeepAlive {
        lease: LeaseId,
    },
    Revoke {
        lease: LeaseId,
    },
    Compact {
        revision: Revision,
    },
}

/// What a change led to.
#[derive(Debug)]
pub(super) enum Answer {
    Outcome(Outcome),
    Lease(LeaseId),
    Done,
}

/// A change and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) change: Change,
    pub(super) reply: oneshot::Sender<Result<Answer, StoreError>>,
}

/// Starts the writer; it ends when every sender of `waiting` is gone.
pub(super) fn start(
    file: Arc<StoreFile>,
    mut waiting: mpsc::Receiver<Request>,
) -> Result<JoinHandle<()>, StoreError> {
    let start_error = |error| StoreError::Unavailable(format!("starting the writer: {error}"));
    let mut writer = Writer {
        deadlines: HashMap::new(),
        file,
    };
    for (lease, ttl_s) in writer.file.write(|tables| tables.leases())? {
        writer.renew(lease, ttl_s);
    }
    // A runtime of its own: the writer then depends on no caller's.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(start_error)?;
    std::thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || runtime.block_on(writer.run(&mut waiting)))
        .map_err(start_error)
}

struct Writer {
    file: Arc<StoreFile>,
    deadlines: HashMap<LeaseId, Instant>,
}

impl Writer {
    async fn run(&mut self, waiting: &mut mpsc::Receiver<Request>) {
        let mut group = Vec::new();
        loop {
            let received = match self.deadlines.values().min() {
                Some(deadline) => {
                    let more = waiting.recv_many(&mut group, GROUP_MAX);
                    tokio::time::timeout_at((*deadline).into(), more).await.ok()
                }
                None => Some(waiting.recv_many(&mut group, GROUP_MAX).await),
            };
            if received == Some(0) {
                return;
            }
            self.end_leases();
            if !group.is_empty() {
                self.commit(std::mem::take(&mut group));
            }
        }
    }

    fn commit(&mut self, group: Vec<Request>) {
        self.file.drop_rested_listings();
        let (changes, replies): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|request| (request.change, request.reply))
            .unzip();
        let committed = self.file.write(|tables| {
            let answers = changes.iter().map(|change| apply(tables, change));
            answers.collect::<Result<Vec<_>, _>>()
        });
        match committed {
            Ok(answers) => {
                for ((change, answer), reply) in changes.iter().zip(answers).zip(replies) {
                    if let Ok((answer, ttl_s)) = &answer {
                        self.committed(change, answer, *ttl_s);
                    }
                    // A caller that gave up waiting is no concern of the others.
                    let _ = reply.send(answer.map(|(answer, _)| answer));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(same_error(&error)));
                }
            }
        }
    }

    /// Follows in memory what was committed.
    fn committed(&mut self, change: &Change, answer: &Answer, ttl_s: u32) {
        match (change, answer) {
            (Change::Grant { .. }, Answer::Lease(lease)) => self.renew(*lease, ttl_s),
            (Change::KeepAlive { lease }, _) => self.renew(*lease, ttl_s),
            (Change::Revoke { lease }, _) => {
                self.deadlines.remove(lease);
            }
            (Change::Compact { revision }, _) => self.file.forget_listings_before(*revision),
            _ => {}
        }
    }

    fn renew(&mut self, lease: LeaseId, ttl_s: u32) {
        let deadline = Instant::now() + Duration::from_secs(ttl_s.into());
        self.deadlines.insert(lease, deadline);
    }

    /// Removes leases past their deadline, with their keys.
    fn end_leases(&mut self) {
        let now = Instant::now();
        let ended: Vec<LeaseId> = self
            .deadlines
            .iter()
            .filter_map(|(lease, deadline)| (*deadline <= now).then_some(*lease))
            .collect();
        if ended.is_empty() {
            return;
        }
        let removed = self.file.write(|tables| {
            for lease in &ended {
                // A lease that is gone already is what was wanted.
                let _ = revoke(tables, *lease)?;
            }
            Ok(())
        });
        for lease in ended {
            match &removed {
                Ok(()) => self.deadlines.remove(&lease),
                Err(_) => self.deadlines.insert(lease, now + EXPIRY_RETRY),
            };
        }
        if let Err(error) = removed {
            tracing::warn!(%error, "ended leases cannot be removed yet");
        }
    }
}

/// The answer to a change with the TTL of the lease it is about, or why it is refused.
type Applied = Result<(Answer, u32), StoreError>;

/// Applies one change to the tables; a redb error spoils the whole group.
fn apply(tables: &mut Tables<'_>, change: &Change) -> Result<Applied, redb::Error> {
    let done = (Answer::Done, 0);
    Ok(match change {
        Change::Transact { guards, operations } => {
            transact(tables, guards, operations)?.map(|outcome| (Answer::Outcome(outcome), 0))
        }
        Change::Grant { ttl_s } => {
            let lease = LeaseId((file::random_u64()? >> 1).max(1).cast_signed());
            tables.add_lease(lease, *ttl_s)?;
            Ok((Answer::Lease(lease), *ttl_s))
        }
        Change::KeepAlive { lease } => match tables.lease_ttl_s(*lease)? {
            Some(ttl_s) => Ok((Answer::Done, ttl_s)),
            None => Err(StoreError::LeaseGone(*lease)),
        },
        Change::Revoke { lease } => revoke(tables, *lease)?.map(|()| done),
        Change::Compact { revision } if *revision > tables.state.revision => {
            let newest = tables.state.revision;
            let message = format!("revision {revision} is not there yet; the newest is {newest}");
            Err(StoreError::Refused(message))
        }
        Change::Compact { revision } => {
            tables.forget_before(*revision)?;
            Ok(done)
        }
    })
}

fn transact(
    tables: &mut Tables<'_>,
    guards: &[Guard],
    operations: &[Operation],
) -> Result<Result<Outcome, StoreError>, redb::Error> {
    let mut current = Vec::new();
    let mut all_hold = true;
    for guard in guards {
        let pair = tables.pair(guard.key())?;
        all_hold &= guard.holds(pair.as_ref());
        current.extend(pair);
    }
    if !all_hold {
        let revision = tables.state.revision;
        return Ok(Ok(Outcome::Refused { revision, current }));
    }
    for operation in operations {
        if let Operation::Put {
            lease: Some(lease), ..
        } = operation
            && tables.lease_ttl_s(*lease)?.is_none()
        {
            return Ok(Err(StoreError::LeaseGone(*lease)));
        }
    }
    let next = tables.state.revision + 1;
    let mut changes: Vec<(&[u8], Option<&[u8]>)> = Vec::new();
    for operation in operations {
        match operation {
            Operation::Put { key, value, lease } => {
                tables.put(next, key, value, *lease)?;
                changes.push((key, Some(value)));
            }
            Operation::Delete { key } => {
                if tables.delete(key)? {
                    changes.push((key, None));
                }
            }
        }
    }
    if !changes.is_empty() {
        tables.log(&changes)?;
    }
    let revision = tables.state.revision;
    Ok(Ok(Outcome::Committed { revision }))
}

fn revoke(tables: &mut Tables<'_>, lease: LeaseId) -> Result<Result<(), StoreError>, redb::Error> {
    let Some(keys) = tables.remove_lease(lease)? else {
        return Ok(Err(StoreError::LeaseGone(lease)));
    };
    let mut changes: Vec<(&[u8], Option<&[u8]>)> = Vec::new();
    for key in &keys {
        tables.delete(key)?;
        changes.push((key, None));
    }
    if !changes.is_empty() {
        tables.log(&changes)?;
    }
    Ok(Ok(()))
}

/// The error of a group, for each of its callers.
fn same_error(error: &StoreError) -> StoreError {
    match error {
        StoreError::NoSpace(message) => StoreError::NoSpace(message.clone()),
        error => StoreError::Unavailable(error.to_string()),
    }
}
