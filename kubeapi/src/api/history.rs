//! `GET .../{name}/history`: what was done to a name, as far back as the store has it.
//!
//! The change key of a name holds the audit entry of its last change; its former values are those
//! of the changes before. A name that was deleted keeps its change key for a week.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use containerdns_schema::rest::{AuditEntry, History, HistoryEntry};
use containerdns_schema::{Name, format};

use super::{Api, ApiError, Query};

/// Changes shown unless asked for more.
const LIMIT_DEFAULT: usize = 50;
/// Changes shown at most: each is a call of etcd.
const LIMIT_MAX: usize = 500;

/// Histories read at once: the embedded store goes through its log for each.
pub(super) const AT_ONCE_MAX: usize = 2;

pub(super) async fn history(api: &Api, name: &Name, query: &Query) -> Result<Response, ApiError> {
    let limit = query.count("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let key = format::name_key(&api.mirror.layout().prefixes.changes, name);
    let slot = api.histories.acquire().await;
    let past = api.store.history(&key, limit).await?;
    drop(slot);
    if past.pairs.is_empty() {
        return Err(ApiError::NotFound {
            field: "name".into(),
            problem: format!("{name} was never changed here, or was deleted more than a week ago"),
        });
    }
    let entry = |pair: containerdns_store::KeyValue| {
        let entry: AuditEntry = serde_json::from_slice(&pair.value).ok()?;
        Some(HistoryEntry {
            revision: pair.mod_revision,
            entry,
        })
    };
    let history = History {
        name: name.clone(),
        complete: past.complete,
        entries: past.pairs.into_iter().filter_map(entry).collect(),
    };
    let body = serde_json::to_string(&history).unwrap_or_default();
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, format!("{body}\n")).into_response())
}
