//! What is written of a backend, and the writing.
//!
//! Of the probers that look at a backend, the first one writes its status: what it believes itself,
//! or, where a quorum decides, what enough of them have voted. [`decide`] is pure; [`Judge`] makes
//! the transactions. Each is guarded by the prober's own key and by the status key as last seen.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use containerdns_schema::Status;
use containerdns_schema::health::{self, StatusKey};
use containerdns_store::{
    Guard, KeyValue, LeaseId, Operation, Outcome, Revision, Store, StoreError,
};
use tokio::task::{Id, JoinSet};
use tracing::warn;

use super::board::{Board, Target, vote_key};
use super::metrics::{Metrics, OutcomeLabel, VerdictLabel};
use super::settings::Settings;
use crate::lease::Term;
use crate::pace::Seldom;

/// Writes under way at most: the store makes those of one moment durable together.
const WRITES_MAX: usize = 32;

/// A backend as it is seen from here.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The backend.
    pub address: IpAddr,
    /// Who looks at it, the one that writes its status first.
    pub observers: &'a [&'a str],
    /// What this prober believes, when it looks at it.
    pub believed: Option<Status>,
    /// Whether it has failed a probe since this prober looks at it.
    pub failed: bool,
    /// Probers have just come or gone: missing votes say nothing yet.
    pub settling: bool,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The status of a backend; or the same status in this prober's name, when that of who said so
    /// before is not to be relied on any more.
    Verdict(Target, Status),
    /// This prober finds the backend down, or does not any more.
    Vote(bool),
    /// The status key that was made for bundles of which none is left goes.
    Remove,
}

/// What became of a write.
#[derive(Debug)]
pub enum Ended {
    /// It stands; the status key's new value, where it has one.
    Committed(Revision, Option<Vec<u8>>),
    /// The status key was another one: as it is now.
    Conflict(Revision, Option<KeyValue>),
    /// This prober's key is gone, as of the term with this revision.
    Fenced(Revision),
    /// Nobody knows, or the store refused.
    Failed,
}

/// A write that ended.
#[derive(Debug)]
pub struct Landed {
    /// The backend.
    pub address: IpAddr,
    /// What was to be written.
    pub write: Write,
    /// What became of it.
    pub ended: Ended,
}

/// What is to be written next of a backend, if anything.
#[must_use]
pub fn decide(board: &Board, seen: &Observed<'_>, identity: &str, quorum: usize) -> Option<Write> {
    let Observed {
        address,
        observers,
        believed,
        failed,
        settling,
    } = *seen;
    let first = observers.first().is_some_and(|first| *first == identity);
    if first && board.is_leftover(address) {
        return Some(Write::Remove);
    }
    let down = believed == Some(Status::Down);
    if quorum > 1 && down != board.has_vote(address, identity) {
        return Some(Write::Vote(down));
    }
    let believed = believed.filter(|_| first)?;
    let target = board.target(address)?;
    let votes = observers
        .iter()
        .filter(|observer| match **observer == identity {
            true => believed == Status::Down,
            false => board.has_vote(address, observer),
        });
    let status = match (quorum, votes.count() >= quorum) {
        (1, _) => believed,
        (_, true) => Status::Down,
        (_, false) if settling => target.status,
        (_, false) => Status::Up,
    };
    let by_another = target
        .prober
        .as_deref()
        .is_some_and(|prober| prober != identity);
    // Nobody vouches for what it has not seen itself.
    let vouches = status == Status::Down && by_another && failed;
    let wanted = status != target.status || vouches;
    wanted.then_some(Write::Verdict(target, status))
}

/// Writes verdicts, some at a time.
pub struct Judge {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    metrics: Metrics,
    writes: JoinSet<Landed>,
    writing: HashMap<IpAddr, Id>,
    log: Seldom,
}

impl Judge {
    /// Nothing is written yet.
    pub fn new(store: Arc<dyn Store>, settings: Arc<Settings>, metrics: Metrics) -> Self {
        Self {
            store,
            settings,
            metrics,
            writes: JoinSet::new(),
            writing: HashMap::new(),
            log: Seldom::default(),
        }
    }

    /// Writes what is to be written of a backend. Whether that was possible: false asks to come
    /// again when a write has landed.
    pub fn settle(&mut self, board: &Board, seen: &Observed<'_>, term: &Term) -> bool {
        if self.writing.contains_key(&seen.address) {
            return true;
        }
        let (identity, quorum) = (&self.settings.identity, self.settings.quorum);
        let Some(write) = decide(board, seen, identity, quorum) else {
            return true;
        };
        if self.writes.len() >= WRITES_MAX {
            return false;
        }
        let address = seen.address;
        let Some((guard, operation)) = self.operation(board, address, &write, term.lease()) else {
            return true;
        };
        let (store, term) = (Arc::clone(&self.store), term.clone());
        let writing = self.writes.spawn(async move {
            let mut guards = vec![term.fence()];
            guards.extend(guard);
            let outcome = store
                .transact(&guards, std::slice::from_ref(&operation))
                .await;
            let ended = ended(outcome, &term, guards.get(1), operation);
            Landed {
                address,
                write,
                ended,
            }
        });
        self.writing.insert(address, writing.id());
        true
    }

    /// The next write that ended; none comes while none is under way.
    pub async fn landed(&mut self) -> Option<Landed> {
        let landed = match self.writes.join_next().await? {
            Ok(landed) => landed,
            // It is written again when the backend is next looked at.
            Err(error) => {
                self.writing.retain(|_, id| *id != error.id());
                return None;
            }
        };
        self.writing.remove(&landed.address);
        let outcome = match &landed.ended {
            Ended::Committed(..) => "committed",
            Ended::Conflict(..) => "conflict",
            Ended::Fenced(_) => "fenced",
            Ended::Failed => "failed",
        };
        let writes = &self.metrics.writes;
        writes.get_or_create(&OutcomeLabel { outcome }).inc();
        match (&landed.write, &landed.ended) {
            (Write::Verdict(target, status), Ended::Committed(..)) if target.status != *status => {
                let to = match status {
                    Status::Up => "up",
                    Status::Down => "down",
                };
                let verdicts = &self.metrics.verdicts;
                verdicts.get_or_create(&VerdictLabel { to }).inc();
            }
            (_, Ended::Failed) if self.log.due() => {
                warn!(address = %landed.address, "a status could not be written; it is tried again");
            }
            _ => {}
        }
        Some(landed)
    }

    /// The status key's guard and what is done; none when the value cannot be made.
    fn operation(
        &self,
        board: &Board,
        address: IpAddr,
        write: &Write,
        lease: LeaseId,
    ) -> Option<(Option<Guard>, Operation)> {
        let Settings {
            health_prefix,
            identity,
            ..
        } = &*self.settings;
        let key = health::key(health_prefix, address);
        let kept = board.status(address);
        let guard = match kept {
            Some(kept) => Guard::ModRevision {
                key: key.clone(),
                revision: kept.revision,
            },
            None => Guard::Absent { key: key.clone() },
        };
        Some(match write {
            Write::Verdict(target, status) => {
                let mut verdict = match kept {
                    Some(kept) => StatusKey::parse(health_prefix, &key, &kept.value).ok()?,
                    None => {
                        let mut made = StatusKey::new(None).ok()?;
                        made.set_made_for(&target.names).ok()?;
                        made
                    }
                };
                verdict.set_verdict(*status, identity).ok()?;
                let value = verdict.to_value().ok()?;
                let lease = None;
                (Some(guard), Operation::Put { key, value, lease })
            }
            Write::Remove => (Some(guard), Operation::Delete { key }),
            Write::Vote(true) => {
                let put = Operation::Put {
                    key: vote_key(address, identity),
                    value: b"DOWN".to_vec(),
                    lease: Some(lease),
                };
                (None, put)
            }
            Write::Vote(false) => {
                let key = vote_key(address, identity);
                (None, Operation::Delete { key })
            }
        })
    }
}

fn ended(
    outcome: Result<Outcome, StoreError>,
    term: &Term,
    guard: Option<&Guard>,
    operation: Operation,
) -> Ended {
    match outcome {
        Ok(Outcome::Committed { revision }) => match operation {
            Operation::Put { value, .. } => Ended::Committed(revision, Some(value)),
            Operation::Delete { .. } => Ended::Committed(revision, None),
        },
        Ok(Outcome::Refused { current, .. }) if !term.stands_in(&current) => {
            Ended::Fenced(term.revision())
        }
        Ok(Outcome::Refused { revision, current }) => {
            let is_status = |pair: &KeyValue| guard.is_some_and(|guard| guard.key() == pair.key);
            Ended::Conflict(revision, current.into_iter().find(is_status))
        }
        Err(_) => Ended::Failed,
    }
}

#[cfg(test)]
mod tests;
