//! Writes: plan on what is known, commit guarded, and plan again when somebody was faster.
//!
//! The audit entry of every changed name is part of the transaction: it is in the store exactly
//! when the change is. Requests for one name queue up here, so that they do not refuse each other;
//! requests of other replicas meet in the guards.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use containerdns_schema::rest::{AuditEntry, DryRun, NameChange};
use containerdns_store::{Guard, LeaseId, Operation, Outcome, StoreError};
use tokio::sync::{Mutex, MutexGuard};

use super::{Api, ApiError, Caller, Query, audit, view};
use crate::plan::{self, Plan};

/// Commits tried for one request: each is refused only when another writer committed meanwhile.
const ATTEMPTS_MAX: u32 = 16;
/// Pause before another try, times the number of the try.
const RETRY: Duration = Duration::from_millis(3);
/// How long the history of a deleted name is kept: a week, and the age of the lease.
const TOMBSTONE_S: u32 = 8 * 86_400;
/// A lease is shared by the names deleted within this time.
const LEASE_AGE_MAX: Duration = Duration::from_secs(86_400);
/// Queues of requests by name or key; more than connections would be of no use.
const LOCKS: usize = 256;
/// Revision of the commit.
const REVISION: &str = "x-containerdns-revision";

/// Requests for one name, or for one key, wait for each other.
#[derive(Debug)]
pub(super) struct Locks(Vec<Mutex<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Mutex::default()).collect())
    }
}

impl Locks {
    /// Holds the locks of all of them, taken in one order so that nobody waits in a circle.
    async fn lock(&self, what: impl Iterator<Item = impl Hash>) -> Vec<MutexGuard<'_, ()>> {
        let places: BTreeSet<usize> = what
            .map(|one| {
                let mut hasher = DefaultHasher::new();
                one.hash(&mut hasher);
                (hasher.finish() % LOCKS as u64) as usize
            })
            .collect();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            held.push(self.0[place].lock().await);
        }
        held
    }
}

/// The lease that the change keys of deleted names end with.
#[derive(Debug, Default)]
pub(super) struct Tombstones(Mutex<Option<(LeaseId, Instant)>>);

impl Tombstones {
    async fn lease(&self, api: &Api) -> Result<LeaseId, StoreError> {
        let mut held = self.0.lock().await;
        if let Some((lease, granted)) = *held
            && granted.elapsed() < LEASE_AGE_MAX
        {
            return Ok(lease);
        }
        let lease = api.store.grant_lease(TOMBSTONE_S).await?;
        *held = Some((lease, Instant::now()));
        Ok(lease)
    }

    async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// Who asked for what, for the audit trail.
#[derive(Debug, Clone)]
struct Asked {
    token: String,
    method: &'static str,
    client: SocketAddr,
}

/// Makes all changes in one transaction, or none. It is a task of its own: a client that hangs up
/// stops it at no half.
pub(super) async fn write(
    api: &Arc<Api>,
    caller: &Caller,
    client: SocketAddr,
    query: &Query,
    method: &'static str,
    mut changes: Vec<NameChange>,
) -> Result<Response, ApiError> {
    let dry_run = query.flag("dry_run")?;
    for change in &mut changes {
        caller.authorize(&api.mirror.layout().zones, change)?;
    }
    api.check_ready()?;
    if dry_run {
        return Ok(told(planned(api, &changes)?));
    }
    let asked = Asked {
        token: caller.grant.name.clone(),
        method,
        client,
    };
    let task = tokio::spawn(commit(Arc::clone(api), asked, changes));
    let failed = |_| ApiError::Refused("the change could not be planned: tell the operator".into());
    task.await.map_err(failed)?
}

fn planned(api: &Api, changes: &[NameChange]) -> Result<Plan, ApiError> {
    let records = api.mirror.read();
    plan::plan(&records, api.mirror.layout(), &api.rules, changes)
        .map_err(|error| ApiError::of_plan(error, &records))
}

async fn commit(
    api: Arc<Api>,
    asked: Asked,
    changes: Vec<NameChange>,
) -> Result<Response, ApiError> {
    let locks = api.names.lock(changes.iter().map(|change| &change.name));
    let _held = locks.await;
    // Names that share an address share its key: their requests wait for each other, too.
    let mut first = Some(planned(&api, &changes)?);
    let keys = first.iter().flat_map(|plan| &plan.status);
    let held_keys = api.keys.lock(keys.map(|(guard, _)| guard.key())).await;
    if !held_keys.is_empty() {
        first = None;
    }
    for attempt in 0..ATTEMPTS_MAX {
        let planned = match first.take() {
            Some(plan) => plan,
            None => planned(&api, &changes)?,
        };
        if planned.names.is_empty() {
            return Ok(done(None));
        }
        let entry = AuditEntry {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            token: asked.token.clone(),
            user: None,
            method: asked.method.into(),
            client: asked.client.to_string(),
            changes: Vec::new(),
        };
        let transaction = transaction(&api, planned, &entry, &changes).await?;
        let Transaction {
            guards, operations, ..
        } = &transaction;
        match api.store.transact(guards, operations).await {
            Ok(Outcome::Committed { revision }) => {
                api.mirror.committed(revision, operations);
                api.trail.record(revision, &transaction.entries);
                return Ok(done(Some(revision)));
            }
            Ok(Outcome::Refused { revision, current }) => {
                api.mirror.refused(revision, guards, current);
            }
            Err(StoreError::LeaseGone(_)) => api.tombstones.forget().await,
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(RETRY * attempt).await;
    }
    let name = changes.first().map(|change| change.name.clone());
    let records = api.mirror.read();
    Err(ApiError::Conflict {
        field: "name".into(),
        problem: format!(
            "others changed the same names {ATTEMPTS_MAX} times in a row while this was tried: \
             try again"
        ),
        current: name.map_or_else(Default::default, |name| view::current(&records, &name)),
    })
}

/// What is sent to the store.
struct Transaction {
    guards: Vec<Guard>,
    operations: Vec<Operation>,
    /// One for each name.
    entries: Vec<AuditEntry>,
}

async fn transaction(
    api: &Api,
    planned: Plan,
    entry: &AuditEntry,
    changes: &[NameChange],
) -> Result<Transaction, ApiError> {
    let mut transaction = Transaction {
        guards: Vec::new(),
        operations: Vec::new(),
        entries: Vec::new(),
    };
    for (guard, operation) in planned.status {
        transaction.guards.push(guard);
        transaction.operations.push(operation);
    }
    for name in planned.names {
        let mut of_name = changes.iter().filter(|change| change.name == name.name);
        let entry = audit::bounded(AuditEntry {
            user: of_name.find_map(|change| change.user.clone()),
            changes: name.differences,
            ..entry.clone()
        });
        let lease = match name.emptied {
            true => Some(api.tombstones.lease(api).await?),
            false => None,
        };
        transaction.guards.extend(name.guards);
        transaction.guards.push(name.change_guard);
        transaction.operations.extend(name.operations);
        transaction.operations.push(Operation::Put {
            key: name.change_key,
            value: serde_json::to_vec(&entry).unwrap_or_default(),
            lease,
        });
        transaction.entries.push(entry);
    }
    Ok(transaction)
}

fn told(planned: Plan) -> Response {
    let changes = planned.names.into_iter().flat_map(|name| name.differences);
    let dry_run = DryRun {
        dry_run: true,
        changes: changes.collect(),
    };
    let body = serde_json::to_string(&dry_run).unwrap_or_default();
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, format!("{body}\n")).into_response()
}

fn done(revision: Option<i64>) -> Response {
    let mut response = "OK\n".into_response();
    if let Some(revision) = revision {
        let headers = response.headers_mut();
        headers.insert(REVISION, HeaderValue::from(revision));
    }
    response
}
