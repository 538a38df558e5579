//! Reads the bodies of writes into typed changes of names.
//!
//! | method | body | change |
//! |---|---|---|
//! | POST | records | they exist afterwards, beside what there was |
//! | POST | `{"type":"CNAME","alias":"a"}` | `a` is an alias of the name |
//! | PUT | `update`: `{"old":"new"}` | old records become new ones |
//! | PUT | records | they are all there is of that type |
//! | PUT | `ttl` or settings alone | those for the type |
//! | DELETE | records, or only a type | they are gone |
//! | DELETE | nothing | all that the caller owns is gone |
//!
//! "Records" is the field of the type (`ips`, `ports`, `text`, `mailHost`, `nsHost`, `host`), or
//! `records` with RDATA as in a zone file, which every type has. A batch is a list of such bodies,
//! each with `name` and, unless it is POST, `method`. Settings (`policy`, `weights`, `probe`) are
//! read by `settings`. Every field is read whatever its JSON type,
//! so that an error can name it; unknown fields are refused.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;

use super::Zones;
use crate::format::FormatError;
use crate::format::json::{self, List, Scalar, quoted};
use crate::name::Name;
use crate::rdata::Rdata;
use crate::record::RecordType;

mod fields;
mod settings;

pub use fields::check_user;
pub use settings::Settings;

/// The changes of one batch at most: one transaction of the store has 128 operations.
pub const BATCH_LEN_MAX: usize = 128;

/// What one part of a request asks of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange {
    /// The name, in lower case, in one of the zones.
    pub name: Name,
    /// On whose behalf, when the body says it.
    pub user: Option<String>,
    /// What is asked.
    pub change: Change,
    /// What is asked beside records, for the type of `change`.
    pub settings: Settings,
    /// Where it stands in the body, for errors: empty, or `[3]` in a batch.
    pub place: String,
}

/// What is asked of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These records exist afterwards.
    Add {
        /// Their type.
        rtype: RecordType,
        /// At least one.
        records: Vec<NewRecord>,
        /// Seconds, for the whole RRset; none keeps what it has.
        ttl: Option<u32>,
    },
    /// These records are all that there is of the type.
    Replace {
        /// Their type.
        rtype: RecordType,
        /// At least one.
        records: Vec<NewRecord>,
        /// Seconds; none keeps what there is.
        ttl: Option<u32>,
    },
    /// Each first record becomes the second.
    Update {
        /// Their type.
        rtype: RecordType,
        /// At least one pair.
        pairs: Vec<(Selector, NewRecord)>,
        /// Seconds; none keeps what there is.
        ttl: Option<u32>,
    },
    /// The records of a type stay; their TTL or settings are others.
    Set {
        /// The type.
        rtype: RecordType,
        /// Seconds; none keeps what there is.
        ttl: Option<u32>,
    },
    /// These records are gone.
    Remove {
        /// Their type.
        rtype: RecordType,
        /// Which; empty: all of the type.
        records: Vec<Selector>,
    },
    /// All that the caller owns is gone.
    RemoveAll,
}

impl Change {
    /// The type that is changed; none: all.
    #[must_use]
    pub fn rtype(&self) -> Option<RecordType> {
        match self {
            Self::Add { rtype, .. }
            | Self::Replace { rtype, .. }
            | Self::Update { rtype, .. }
            | Self::Set { rtype, .. }
            | Self::Remove { rtype, .. } => Some(*rtype),
            Self::RemoveAll => None,
        }
    }
}

/// A record that shall exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewRecord {
    /// By its RDATA.
    Rdata(Rdata),
    /// An SRV record whose target and address are one: a backend of the original.
    Backend {
        /// Where it listens.
        address: IpAddr,
        /// Its port.
        port: u16,
    },
}

/// Which record is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The one with this RDATA.
    Rdata(Rdata),
    /// The backend with this address and, if given, port.
    Backend {
        /// Where it listens.
        address: IpAddr,
        /// Its port.
        port: Option<u16>,
    },
}

/// A request's part that makes no sense, and what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RequestError {
    /// Path of the field, such as `ips[1]`, `[3].ttl` or `name`; `body` for all of it.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl RequestError {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, problem: impl ToString) -> Self {
        Self {
            field: field.into(),
            problem: problem.to_string(),
        }
    }
}

impl From<FormatError> for RequestError {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Field { field, problem } => Self { field, problem },
            FormatError::Json(problem) => Self::new("body", problem),
            other => Self::new("body", other),
        }
    }
}

/// What is asked of the names in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
}

/// A body with its fields as they came.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow, default)]
    name: Scalar<'a>,
    #[serde(borrow, default)]
    method: Scalar<'a>,
    #[serde(borrow, default, rename = "type")]
    rtype: Scalar<'a>,
    #[serde(borrow, default)]
    ips: Option<List<'a>>,
    #[serde(borrow, default)]
    ports: Option<List<'a>>,
    #[serde(borrow, default)]
    alias: Scalar<'a>,
    #[serde(borrow, default)]
    text: Scalar<'a>,
    #[serde(borrow, default, rename = "mailHost")]
    mail_host: Scalar<'a>,
    #[serde(borrow, default, rename = "mailPriority")]
    mail_priority: Scalar<'a>,
    #[serde(borrow, default, rename = "nsHost")]
    ns_host: Scalar<'a>,
    #[serde(borrow, default)]
    host: Scalar<'a>,
    #[serde(borrow, default)]
    records: Option<List<'a>>,
    #[serde(borrow, default)]
    ttl: Scalar<'a>,
    #[serde(borrow, default)]
    user: Scalar<'a>,
    #[serde(default)]
    update: Option<serde_json::Value>,
    #[serde(borrow, default, deserialize_with = "json::given")]
    policy: Option<Scalar<'a>>,
    #[serde(default)]
    weights: Option<serde_json::Value>,
    #[serde(borrow, default)]
    probe: Scalar<'a>,
    #[serde(borrow, default)]
    probe_ports: Option<List<'a>>,
}

/// Reads the body of a write to `name`; empty for a DELETE of everything there.
///
/// # Errors
/// The first field that makes no sense.
pub fn parse(
    zones: &Zones,
    method: Method,
    name: &Name,
    body: &[u8],
) -> Result<Vec<NameChange>, RequestError> {
    let body = match body.trim_ascii() {
        [] if method == Method::Delete => Body::default(),
        [] => return Err(RequestError::new("body", "empty: write a JSON object")),
        body => json::object(body)?,
    };
    for (field, value) in [("name", &body.name), ("method", &body.method)] {
        if *value != Scalar::Absent {
            let problem = "is for batches: here the path and the method of the request say it";
            return Err(RequestError::new(field, problem));
        }
    }
    changes(zones, method, name.clone(), body)
}

/// Reads a batch: a list of bodies, each with its `name`.
///
/// # Errors
/// The first field that makes no sense, with its place in the list.
pub fn parse_batch(zones: &Zones, body: &[u8]) -> Result<Vec<NameChange>, RequestError> {
    let whole = |problem: &dyn fmt::Display| RequestError::new("body", problem);
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Err(whole(
            &"not a list: write [{\"name\":...,\"type\":...}, ...]",
        ));
    }
    let bodies: Vec<&serde_json::value::RawValue> =
        serde_json::from_slice(body).map_err(|error| whole(&error))?;
    if bodies.is_empty() || bodies.len() > BATCH_LEN_MAX {
        let count = bodies.len();
        return Err(whole(&format_args!(
            "{count} changes: a batch has 1 to {BATCH_LEN_MAX}"
        )));
    }
    let mut all = Vec::with_capacity(bodies.len());
    for (index, body) in bodies.into_iter().enumerate() {
        let place = format!("[{index}]");
        let changes = batch_item(zones, body.get()).map_err(|mut error| {
            error.field = match error.field.as_str() {
                "body" => place.clone(),
                field => format!("{place}.{field}"),
            };
            error
        })?;
        all.extend(changes.into_iter().map(|mut change| {
            change.place.clone_from(&place);
            change
        }));
    }
    Ok(all)
}

fn batch_item(zones: &Zones, body: &str) -> Result<Vec<NameChange>, RequestError> {
    let mut body: Body<'_> = json::object(body.as_bytes())?;
    let method = match std::mem::take(&mut body.method).filled_text("method")? {
        None => Method::Create,
        Some(text) => match &text.to_ascii_uppercase()[..] {
            "POST" => Method::Create,
            "PUT" => Method::Update,
            "DELETE" => Method::Delete,
            _ => {
                let problem = format_args!("{} is not POST, PUT or DELETE", quoted(&text));
                return Err(RequestError::new("method", problem));
            }
        },
    };
    let name = std::mem::take(&mut body.name).filled_text("name")?;
    let name =
        name.ok_or_else(|| RequestError::new("name", "missing: write the name to change"))?;
    let name = zones.resolve("name", &name, None)?;
    changes(zones, method, name, body)
}

/// The changes that one body asks for.
fn changes(
    zones: &Zones,
    method: Method,
    name: Name,
    mut body: Body<'_>,
) -> Result<Vec<NameChange>, RequestError> {
    let user = fields::user(std::mem::take(&mut body.user))?;
    let ttl = std::mem::take(&mut body.ttl).ttl()?;
    let at = |name: Name, change| NameChange {
        name,
        user: user.clone(),
        change,
        settings: Settings::default(),
        place: String::new(),
    };
    fields::check_filled(&body)?;
    let asked = settings::Asked::take(&mut body);
    if method == Method::Delete {
        asked.refuse("is not for DELETE")?;
    }
    let Some(rtype) = std::mem::take(&mut body.rtype).filled_text("type")? else {
        if method == Method::Delete && fields::is_empty(&body) && ttl.is_none() {
            return Ok(vec![at(name, Change::RemoveAll)]);
        }
        return Err(RequestError::new(
            "type",
            "missing: write A, AAAA, CNAME ...",
        ));
    };
    let rtype = fields::rtype(&rtype)?;
    asked.check_type(rtype)?;
    if method == Method::Update && body.update.is_some() {
        let update = body.update.take();
        fields::no_records(&body, "update says which records change")?;
        let update = fields::update(update)?;
        if rtype == RecordType::CNAME {
            return renamed_aliases(zones, &name, update, ttl, at);
        }
        let pairs = fields::pairs(rtype, update)?;
        let change = Change::Update { rtype, pairs, ttl };
        let settings = asked.read(method, rtype, &[])?;
        return Ok(vec![NameChange {
            settings,
            ..at(name, change)
        }]);
    }
    if body.update.is_some() {
        return Err(RequestError::new("update", "is for PUT only"));
    }
    if let Some(alias) = std::mem::take(&mut body.alias).filled_text("alias")? {
        if rtype != RecordType::CNAME {
            return Err(RequestError::new("alias", "is for type CNAME only"));
        }
        fields::no_records(&body, "alias says which record is meant")?;
        let alias = zones.resolve("alias", &alias, zones.zone_of(&name))?;
        let target = Rdata::cname(&name);
        return Ok(vec![at(alias, with_records(method, rtype, target, ttl)?)]);
    }
    let change = of_records(method, rtype, ttl, body, asked.is_empty())?;
    let records = match &change {
        Change::Add { records, .. } | Change::Replace { records, .. } => &records[..],
        _ => &[],
    };
    let settings = asked.read(method, rtype, records)?;
    Ok(vec![NameChange {
        settings,
        ..at(name, change)
    }])
}

/// What is asked of the records of one type at one name.
fn of_records(
    method: Method,
    rtype: RecordType,
    ttl: Option<u32>,
    body: Body<'_>,
    no_settings: bool,
) -> Result<Change, RequestError> {
    Ok(match method {
        Method::Delete => {
            if ttl.is_some() {
                return Err(RequestError::new("ttl", "is not for DELETE"));
            }
            let records = fields::selectors(rtype, body)?;
            Change::Remove { rtype, records }
        }
        Method::Update if fields::is_empty(&body) => {
            if ttl.is_none() && no_settings {
                let problem = "missing: write {\"old\":\"new\"}, records, ttl or another setting";
                return Err(RequestError::new("update", problem));
            }
            Change::Set { rtype, ttl }
        }
        Method::Update => {
            let records = fields::records(rtype, body)?;
            Change::Replace {
                rtype,
                records,
                ttl,
            }
        }
        Method::Create => {
            let records = fields::records(rtype, body)?;
            Change::Add {
                rtype,
                records,
                ttl,
            }
        }
    })
}

/// A change with one record.
fn with_records(
    method: Method,
    rtype: RecordType,
    rdata: Rdata,
    ttl: Option<u32>,
) -> Result<Change, RequestError> {
    Ok(match method {
        Method::Create => Change::Add {
            rtype,
            records: vec![NewRecord::Rdata(rdata)],
            ttl,
        },
        Method::Delete => Change::Remove {
            rtype,
            records: vec![Selector::Rdata(rdata)],
        },
        Method::Update => {
            let problem = "write \"update\":{\"old alias\":\"new alias\"}";
            return Err(RequestError::new("alias", problem));
        }
    })
}

/// `PUT` of aliases of `name`: each old alias goes, its new one comes.
fn renamed_aliases(
    zones: &Zones,
    name: &Name,
    update: Vec<(String, String)>,
    ttl: Option<u32>,
    at: impl Fn(Name, Change) -> NameChange,
) -> Result<Vec<NameChange>, RequestError> {
    let rtype = RecordType::CNAME;
    let (mut gone, mut new_ones) = (Vec::new(), Vec::new());
    for (old, new) in update {
        let zone = zones.zone_of(name);
        let field = format!("update[{old:?}]");
        let old = zones.resolve(&field, &old, zone)?;
        let new = zones.resolve(&field, &new, zone)?;
        let target = Rdata::cname(name);
        let goes = with_records(Method::Delete, rtype, target.clone(), None)?;
        gone.push(at(old, goes));
        new_ones.push(at(new, with_records(Method::Create, rtype, target, ttl)?));
    }
    // What two aliases exchange must not be taken for what is there already.
    gone.append(&mut new_ones);
    Ok(gone)
}

#[cfg(test)]
mod tests;
