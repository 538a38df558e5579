//! Reads: one name, or all of them in order.
//!
//! A list without `limit` is streamed: some names at a time are written under the read lock, so
//! that neither memory nor the lock's time grows with the number of names. It is then no picture
//! of one moment; every name in it is.

use std::ops::Bound;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use containerdns_schema::rest::{RequestError, Rrset};
use containerdns_schema::{Name, RecordType};
use futures_util::stream;

use super::{Api, ApiError, Caller, Query, rtype_of, view};

/// Names of one page at most.
const LIMIT_MAX: usize = 10_000;
/// Names looked at under one hold of the read lock: about a millisecond.
const NAMES_AT_ONCE: usize = 500;
/// Octets of a part: a name with a large RRset is some MiB by itself.
const PART_LEN_MAX: usize = 1 << 20;
/// Octets of a page, give or take a part.
const PAGE_LEN_MAX: usize = 16 << 20;
/// Where the next page begins.
const NEXT: &str = "x-containerdns-next";

/// `GET .../{name}`
pub(super) fn show(api: &Api, name: &Name, query: &Query) -> Result<Response, ApiError> {
    let rtype = rtype_of(query)?;
    let user = query.get("user");
    let records = api.mirror.read();
    let kept = records.name(name);
    let rrset = kept.and_then(|kept| view::name(&records, (name, kept), rtype));
    let rrset = rrset.filter(|rrset| user.is_none_or(|user| is_owned_by(rrset, user)));
    let Some(rrset) = rrset else {
        let what = match rtype {
            Some(rtype) => format!("{rtype} records"),
            None => "records".into(),
        };
        return Err(ApiError::NotFound {
            field: "name".into(),
            problem: format!("{name} has no {what} here"),
        });
    };
    let names = std::iter::once((name, rrset)).collect::<std::collections::BTreeMap<_, _>>();
    Ok(json(&serde_json::to_string(&names).unwrap_or_default()))
}

fn json(body: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, headers, format!("{body}\n")).into_response()
}

fn is_owned_by(rrset: &Rrset, user: &str) -> bool {
    rrset.all().any(|rrset| rrset.user.as_deref() == Some(user))
}

/// Which names a list shows.
#[derive(Debug, Clone)]
struct Filter {
    rtype: Option<RecordType>,
    zone: Option<Name>,
    user: Option<String>,
    scope: Vec<Name>,
}

impl Filter {
    fn covers(&self, name: &Name) -> bool {
        self.scope.is_empty() || self.scope.iter().any(|zone| name.is_within(zone))
    }
}

/// `GET /containerdns/api`
pub(super) async fn list(
    api: &Arc<Api>,
    caller: &Caller,
    query: &Query,
) -> Result<Response, ApiError> {
    let name = |field: &str| {
        let parse = |text: &str| {
            let parsed = text.parse::<Name>();
            parsed.map_err(|error| RequestError::new(field, error))
        };
        query.get(field).map(parse).transpose()
    };
    let filter = Filter {
        rtype: rtype_of(query)?,
        zone: name("zone")?,
        user: query.get("user").map(str::to_owned),
        scope: caller.grant.zones.clone(),
    };
    let after = name("after")?;
    match query.count("limit", LIMIT_MAX)? {
        Some(limit) => Ok(page(api, &filter, after, limit).await),
        None => Ok(streamed(Arc::clone(api), filter, after)),
    }
}

/// At most `limit` names, and where the next ones begin.
async fn page(api: &Api, filter: &Filter, mut after: Option<Name>, limit: usize) -> Response {
    let (mut body, mut count, mut more) = (String::from("{"), 0, true);
    while more && count < limit && body.len() < PAGE_LEN_MAX {
        let part = part(api, filter, after.as_ref(), limit - count);
        append(&mut body, &part.text);
        count += part.count;
        more = part.more;
        after = part.last.or(after);
        tokio::task::yield_now().await;
    }
    body.push('}');
    let mut response = json(&body);
    if more
        && let Some(after) = after
        && let Ok(value) = HeaderValue::from_str(&after.to_string())
    {
        response.headers_mut().insert(NEXT, value);
    }
    response
}

/// Adds members to an object that may have some.
fn append(body: &mut String, members: &str) {
    if body.len() > 1 && !members.is_empty() {
        body.push(',');
    }
    body.push_str(members);
}

/// Some names as members of a JSON object.
struct Part {
    text: String,
    count: usize,
    /// The last name that was looked at.
    last: Option<Name>,
    /// Whether there may be names behind it.
    more: bool,
}

fn part(api: &Api, filter: &Filter, after: Option<&Name>, limit: usize) -> Part {
    let mut part = Part {
        text: String::new(),
        count: 0,
        last: None,
        more: false,
    };
    let records = api.mirror.read();
    let from = match (after, &filter.zone) {
        (Some(after), Some(zone)) if after < zone => Bound::Included(zone),
        (Some(after), _) => Bound::Excluded(after),
        (None, Some(zone)) => Bound::Included(zone),
        (None, None) => Bound::Unbounded,
    };
    for (looked_at, (name, kept)) in records.names_from(from).enumerate() {
        // Names come in canonical order: those of a zone stand together.
        if filter
            .zone
            .as_ref()
            .is_some_and(|zone| !name.is_within(zone))
        {
            break;
        }
        let full = part.count == limit || part.text.len() >= PART_LEN_MAX;
        if looked_at == NAMES_AT_ONCE || full {
            part.more = true;
            break;
        }
        part.last = Some(name.clone());
        if !filter.covers(name) {
            continue;
        }
        let rrset = view::name(&records, (name, kept), filter.rtype);
        let shown = |rrset: &Rrset| {
            let user = filter.user.as_deref();
            user.is_none_or(|user| is_owned_by(rrset, user))
        };
        let Some(rrset) = rrset.filter(shown) else {
            continue;
        };
        let key = serde_json::to_string(name).unwrap_or_default();
        let value = serde_json::to_string(&rrset).unwrap_or_default();
        if part.count > 0 {
            part.text.push(',');
        }
        part.text.push_str(&key);
        part.text.push(':');
        part.text.push_str(&value);
        part.count += 1;
    }
    part
}

/// All names, a part at a time.
fn streamed(api: Arc<Api>, filter: Filter, after: Option<Name>) -> Response {
    enum At {
        Start(Option<Name>),
        /// Whether something was written, and the last name looked at.
        Behind(bool, Option<Name>),
        End,
    }
    let parts = stream::unfold(At::Start(after), move |at| {
        let (api, filter) = (Arc::clone(&api), filter.clone());
        async move {
            let (mut text, mut written, after) = match at {
                At::Start(after) => (String::from("{"), false, after),
                At::Behind(written, after) => (String::new(), written, after),
                At::End => return None,
            };
            let part = part(&api, &filter, after.as_ref(), usize::MAX);
            if written && part.count > 0 {
                text.push(',');
            }
            written |= part.count > 0;
            text.push_str(&part.text);
            let next = if part.more {
                At::Behind(written, part.last)
            } else {
                text.push_str("}\n");
                At::End
            };
            // Others have their turn between two parts.
            tokio::task::yield_now().await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), next))
        }
    });
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, Body::from_stream(parts)).into_response()
}
