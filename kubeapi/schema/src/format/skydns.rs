//! What external-dns and the etcd plugin of CoreDNS write under `/skydns/`.
//!
//! The key's labels are a name; `targetstrip: n` drops the first n of them (record ids) to give the
//! owner. With 0 the record also answers at the owner's ancestors inside its zone, CNAME and PTR
//! excepted. One value may give several records:
//!
//! | fields | records |
//! |---|---|
//! | host an address | A or AAAA |
//! | host a name | PTR in the reverse trees; else CNAME, but not beside `port` or `mail` |
//! | host and `port` above 0 | SRV; the target is the name, or the owner that has the address |
//! | host and `mail` | MX; the exchange likewise |
//! | text | TXT, in strings of 255 octets, as written: external-dns keeps quotes inside it |
//!
//! `policy`, which is ours, says how answers are chosen at the owner.
//! TTL is 300, priority 10 and weight 100 unless given. A `*` label is a wildcard (RFC 4592) and
//! names under `ns.dns.<zone>` and `apex.dns.<zone>` have no meaning here: the server knows both.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::json::{self, Scalar};
use super::key::{self, Host};
use super::{
    Contributed, Contribution, EncodeError, FormatError, Group, KeyValue, Mark, Reach,
    VALUE_LEN_MAX,
};
use crate::name::{LABELS_MAX, Name};
use crate::rdata::Rdata;
use crate::record::{Record, RecordType};

/// The TTL in seconds of a value that gives none.
pub const TTL_DEFAULT_S: u32 = 300;
/// The priority of a value that gives none.
const PRIORITY_DEFAULT: u16 = 10;
/// The weight of a value that gives none.
const WEIGHT_DEFAULT: u16 = 100;

/// A value as it is stored; every field is optional.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow, default)]
    host: Scalar<'a>,
    #[serde(borrow, default)]
    port: Scalar<'a>,
    #[serde(borrow, default)]
    priority: Scalar<'a>,
    #[serde(borrow, default)]
    weight: Scalar<'a>,
    #[serde(borrow, default)]
    text: Scalar<'a>,
    #[serde(borrow, default)]
    mail: Scalar<'a>,
    #[serde(borrow, default)]
    ttl: Scalar<'a>,
    #[serde(borrow, default)]
    targetstrip: Scalar<'a>,
    #[serde(borrow, default)]
    group: Scalar<'a>,
    #[serde(borrow, default)]
    policy: Scalar<'a>,
}

/// Reads one key and its value; see [`super::decode`].
pub(super) fn decode(prefix: &str, key: &[u8], value: &[u8]) -> Result<Contribution, FormatError> {
    let name = key::name_from_path(key::behind_prefix(prefix, key)?)?;
    let mut stored: Stored<'_> = json::object(value)?;
    let labels = name.label_count();
    let strip = std::mem::take(&mut stored.targetstrip);
    let strip = strip.number("targetstrip", LABELS_MAX as u32)?.unwrap_or(0) as usize;
    let owner = name
        .strip_left(strip)
        .filter(|owner| owner.label_count() > 0)
        .ok_or_else(|| {
            FormatError::field(
                "targetstrip",
                format_args!("{strip} labels of {labels} leave no owner"),
            )
        })?;
    // The writers' JSON leaves a TTL of 0 out, so 0 means none was given.
    let ttl = std::mem::take(&mut stored.ttl)
        .ttl()?
        .filter(|ttl| *ttl > 0)
        .unwrap_or(TTL_DEFAULT_S);
    let group = std::mem::take(&mut stored.group)
        .filled_text("group")?
        .map(Box::from);
    let policy = std::mem::take(&mut stored.policy).policy()?;
    let contributed = |(rtype, rdata)| Contributed {
        record: Record {
            owner: owner.clone(),
            rtype,
            ttl: Some(ttl),
            rdata,
        },
        weight: None,
        reach: match rtype {
            RecordType::CNAME | RecordType::PTR => Reach::Owner,
            _ if strip > 0 => Reach::Owner,
            _ => Reach::Subtree,
        },
        group: Some(Group {
            key_labels: labels as u8,
            name: group.clone(),
        }),
    };
    let weight = stored.weight.clone().number16("weight")?;
    let found = rdata(stored, &owner)?;
    let weighed = |found: Contributed| Contributed {
        weight: weight.filter(|_| found.record.is_address()),
        ..found
    };
    let records = found.into_iter().map(contributed).map(weighed);
    Ok(Contribution {
        records: records.collect(),
        marks: policy
            .map(|policy| (owner.clone(), Mark::Policy(policy)))
            .into_iter()
            .collect(),
        ..Contribution::default()
    })
}

/// The types and RDATA that the fields of a value give at `owner`.
fn rdata(stored: Stored<'_>, owner: &Name) -> Result<Vec<(RecordType, Rdata)>, FormatError> {
    let port = stored.port.number16("port")?.filter(|&port| port > 0);
    let priority = stored
        .priority
        .number16("priority")?
        .unwrap_or(PRIORITY_DEFAULT);
    let weight = stored.weight.number16("weight")?.unwrap_or(WEIGHT_DEFAULT);
    let mail = stored.mail.flag("mail")?;
    let host = stored
        .host
        .filled_text("host")?
        .map(|host| Host::parse(&host))
        .transpose()?;
    let text = stored.text.text("text")?;
    let mut found = Vec::with_capacity(1);
    match &host {
        Some(Host::Address(IpAddr::V4(address))) => {
            found.push((RecordType::A, Rdata::a(*address)));
        }
        Some(Host::Address(IpAddr::V6(address))) => {
            found.push((RecordType::AAAA, Rdata::aaaa(*address)));
        }
        Some(Host::Name(target)) if key::is_reverse(owner) => {
            found.push((RecordType::PTR, Rdata::ptr(target)));
        }
        Some(Host::Name(target)) if port.is_none() && !mail => {
            found.push((RecordType::CNAME, Rdata::cname(target)));
        }
        Some(Host::Name(_)) => {}
        None if text.is_none() => {
            return Err(FormatError::field("host", "missing: give host or text"));
        }
        None => {}
    }
    let target = host.as_ref().map(|host| match host {
        Host::Address(_) => owner,
        Host::Name(target) => target,
    });
    if let (Some(port), Some(target)) = (port, target) {
        found.push((RecordType::SRV, Rdata::srv(priority, weight, port, target)));
    }
    if let (true, Some(target)) = (mail, target) {
        found.push((RecordType::MX, Rdata::mx(priority, target)));
    }
    // A host beside an empty text is no TXT record: writers that know no unset field leave it "".
    if let Some(text) = text.filter(|text| host.is_none() || !text.is_empty()) {
        let rdata = Rdata::txt_split(text.as_bytes());
        found.push((
            RecordType::TXT,
            rdata.map_err(|error| FormatError::field("text", error))?,
        ));
    }
    Ok(found)
}

/// A value as it is written.
#[derive(Default, Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mail: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    targetstrip: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
}

/// Writes one record as one key: at the owner itself, so that it reaches its subtree, or below it
/// under `id` with `targetstrip: 1`.
///
/// # Errors
/// The type has no place in the format, or the record would not be read back as itself. A record
/// without a TTL is read back with [`TTL_DEFAULT_S`], which is no error.
pub fn encode(
    prefix: &str,
    record: &Record,
    id: Option<&str>,
    group: Option<&str>,
) -> Result<KeyValue, EncodeError> {
    let Record {
        owner,
        rtype,
        ttl,
        rdata,
    } = record;
    let number = |start: usize| {
        rdata
            .wire()
            .get(start..start + 2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    };
    let text = match *rtype {
        RecordType::TXT => super::joined_text(rdata)?,
        _ => Vec::new(),
    };
    let mut written = Written {
        ttl: *ttl,
        targetstrip: id.map(|_| 1),
        group,
        host: rdata.target(*rtype).map(|target| target.to_string()),
        ..Written::default()
    };
    match *rtype {
        RecordType::A | RecordType::AAAA => {
            written.host = rdata.as_ip(*rtype).map(|address| address.to_string());
        }
        RecordType::CNAME | RecordType::PTR => {}
        RecordType::SRV => {
            (written.priority, written.weight, written.port) = (number(0), number(2), number(4));
        }
        RecordType::MX => {
            written.mail = true;
            written.priority = number(0);
        }
        RecordType::TXT => {
            let text = std::str::from_utf8(&text)
                .map_err(|_| EncodeError::Text("not UTF-8, which JSON cannot hold"))?;
            written.text = Some(text);
        }
        other => return Err(EncodeError::Type(other)),
    }
    let labels: Vec<&[u8]> = id
        .map(str::as_bytes)
        .into_iter()
        .chain(owner.labels())
        .collect();
    let key = key::path_from_labels(prefix, labels.iter().copied(), false);
    let value = serde_json::to_vec(&written)
        .map_err(|_| EncodeError::Text("not UTF-8, which JSON cannot hold"))?;
    if value.len() > VALUE_LEN_MAX {
        return Err(EncodeError::ValueTooLarge {
            len: value.len(),
            max: VALUE_LEN_MAX,
        });
    }
    let expected = Record {
        ttl: Some(ttl.unwrap_or(TTL_DEFAULT_S)),
        ..record.clone()
    };
    super::same(decode(prefix, &key, &value), &expected)?;
    Ok(KeyValue { key, value })
}
