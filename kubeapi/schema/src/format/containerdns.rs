//! The tree of an existing ContainerDNS: one record a key, read and written unchanged.
//!
//! | type | key as a name | host a name | host an address |
//! |---|---|---|---|
//! | A, AAAA | `<id>.<owner>` | | the owner's |
//! | SRV | `<id>.<owner>` | the target | target and address are the key's name |
//! | CNAME, PTR | `<owner>` | the target | |
//! | NS | `<x>.ns.dns.<zone>` | NS of `<x>.<zone>` | `<x>.<zone>` is NS of `<zone>` and has it |
//! | MX | `<x>.mail.<zone>` | the exchange | exchange and address are the key's name |
//! | TXT | `<x>.txt.<zone>` | | |
//!
//! MX and TXT are of `<x>.<zone>`; `<x>` may be empty or several labels.
//!
//! The id is the FNV-1a hash of the address. A service's address (`"source":"svc"`) also answers
//! at `<id>.<owner>`, since the SRV records of that writer point there. `policy` says how answers
//! are chosen at the owner, and `weight` beside an address how often that one is. A missing `type`
//! follows from `host`, `text`, `port` and `mail`. Priority is 10 and weight 100 unless given. The
//! tree has room for one NS, MX and TXT record a name; TXT holds one UTF-8 text.

mod encode;

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Deserialize;

pub use self::encode::{Backend, Fields, encode, encode_backend};

use super::json::{self, Scalar, quoted};
use super::key::{self, Host};
use super::{Contributed, Contribution, FormatError, Mark};
use crate::name::Name;
use crate::rdata::Rdata;
use crate::record::{Record, RecordType};

/// The priority of an SRV or MX record that gives none.
const PRIORITY_DEFAULT: u16 = 10;
/// The weight of an SRV record that gives none.
const WEIGHT_DEFAULT: u16 = 100;

/// A value as it is stored; every field is optional.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow, default, rename = "type")]
    rtype: Scalar<'a>,
    #[serde(borrow, default)]
    source: Scalar<'a>,
    #[serde(borrow, default)]
    host: Scalar<'a>,
    #[serde(borrow, default)]
    ttl: Scalar<'a>,
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
    policy: Scalar<'a>,
}

/// A value whose fields have been checked.
struct Value<'a> {
    rtype: RecordType,
    host: Option<Host>,
    ttl: Option<u32>,
    port: Option<u16>,
    priority: u16,
    weight: Option<u16>,
    text: Option<Cow<'a, str>>,
    from_service: bool,
}

/// Reads one key and its value; see [`super::decode`]. Keys under `monitor/` hold no records.
pub(super) fn decode(
    prefix: &str,
    zones: &[Name],
    key: &[u8],
    value: &[u8],
) -> Result<Contribution, FormatError> {
    let path = key::behind_prefix(prefix, key)?;
    if path.starts_with(b"monitor/") {
        return Ok(Contribution::default());
    }
    let name = key::name_from_path(path)?;
    let mut stored: Stored<'_> = json::object(value)?;
    let policy = std::mem::take(&mut stored.policy).policy()?;
    let value = check(stored, &name, zones)?;
    let weight = value.weight;
    let records = records(&name, zones, value)?;
    let owner = records.first().map(|record| record.owner.clone());
    let mark = owner.zip(policy.map(Mark::Policy));
    let records = records.into_iter().map(|record| Contributed {
        weight: weight.filter(|_| record.is_address()),
        ..Contributed::at_owner(record)
    });
    Ok(Contribution {
        records: records.collect(),
        marks: mark.into_iter().collect(),
        ..Contribution::default()
    })
}

fn check<'a>(stored: Stored<'a>, name: &Name, zones: &[Name]) -> Result<Value<'a>, FormatError> {
    let host = match stored.host.filled_text("host")? {
        Some(host) => Some(Host::parse(&host)?),
        None => None,
    };
    let text = stored.text.text("text")?;
    let port = stored.port.number16("port")?;
    let mail = stored.mail.flag("mail")?;
    let rtype = match stored.rtype.filled_text("type")? {
        Some(rtype) => rtype
            .parse()
            .map_err(|error| FormatError::field("type", error))?,
        None => infer(name, zones, host.as_ref(), port, mail, text.is_some())?,
    };
    let source = stored.source.text("source")?;
    Ok(Value {
        rtype,
        host,
        ttl: stored.ttl.ttl()?,
        port,
        priority: stored
            .priority
            .number16("priority")?
            .unwrap_or(PRIORITY_DEFAULT),
        weight: stored.weight.number16("weight")?,
        text,
        from_service: source.as_deref() == Some("svc"),
    })
}

/// The type of a value that does not say it.
fn infer(
    name: &Name,
    zones: &[Name],
    host: Option<&Host>,
    port: Option<u16>,
    mail: bool,
    text: bool,
) -> Result<RecordType, FormatError> {
    let has_port = port.is_some_and(|port| port > 0);
    Ok(match host {
        Some(_) if mail => RecordType::MX,
        Some(_) if without_infix(name, zones, &[b"ns", b"dns"]).is_some() => RecordType::NS,
        Some(_) if has_port => RecordType::SRV,
        Some(Host::Address(IpAddr::V4(_))) => RecordType::A,
        Some(Host::Address(IpAddr::V6(_))) => RecordType::AAAA,
        Some(Host::Name(_)) if key::is_reverse(name) => RecordType::PTR,
        Some(Host::Name(_)) => RecordType::CNAME,
        None if text => RecordType::TXT,
        None => return Err(FormatError::field("host", "missing: give host or text")),
    })
}

/// TXT is kept under the infix label `txt`, without which the key is its owner.
fn text_record(name: &Name, zones: &[Name], value: &Value<'_>) -> Result<Record, FormatError> {
    let text = value.text.as_ref();
    let text = text.ok_or_else(|| FormatError::field("text", "missing in a TXT record"))?;
    let rdata =
        Rdata::txt_split(text.as_bytes()).map_err(|error| FormatError::field("text", error))?;
    let owner = without_infix(name, zones, &[b"txt"]).map(|(owner, _)| owner);
    Ok(Record {
        owner: owner.unwrap_or_else(|| name.clone()),
        rtype: value.rtype,
        ttl: value.ttl,
        rdata,
    })
}

/// The records of a checked value at the key `name`.
fn records(name: &Name, zones: &[Name], value: Value<'_>) -> Result<Vec<Record>, FormatError> {
    let Value { rtype, ttl, .. } = value;
    let record = |owner, rtype, rdata| Record {
        owner,
        rtype,
        ttl,
        rdata,
    };
    let at_key = |address| {
        let (rtype, rdata) = address_rdata(address);
        record(name.clone(), rtype, rdata)
    };
    let mail_owner = || {
        let owner = without_infix(name, zones, &[b"mail"]).map(|(owner, _)| owner);
        owner.unwrap_or_else(|| name.clone())
    };
    if rtype == RecordType::TXT {
        return text_record(name, zones, &value).map(|record| vec![record]);
    }
    let host = value.host.ok_or_else(|| {
        FormatError::field("host", format_args!("missing in a record of type {rtype}"))
    })?;
    Ok(match (rtype, host) {
        (RecordType::A, Host::Address(address @ IpAddr::V4(_)))
        | (RecordType::AAAA, Host::Address(address @ IpAddr::V6(_))) => {
            let mut records = vec![record(without_id(name)?, rtype, address_rdata(address).1)];
            if value.from_service {
                records.push(at_key(address));
            }
            records
        }
        (RecordType::SRV, host) => {
            let port = value
                .port
                .ok_or_else(|| FormatError::field("port", "missing in a record of type SRV"))?;
            let weight = value.weight.unwrap_or(WEIGHT_DEFAULT);
            let srv = |target: &Name| Rdata::srv(value.priority, weight, port, target);
            let owner = without_id(name)?;
            match host {
                Host::Name(target) => vec![record(owner, rtype, srv(&target))],
                Host::Address(address) => vec![record(owner, rtype, srv(name)), at_key(address)],
            }
        }
        (RecordType::CNAME, Host::Name(target)) => {
            vec![record(name.clone(), rtype, Rdata::cname(&target))]
        }
        (RecordType::PTR, Host::Name(target)) => {
            vec![record(name.clone(), rtype, Rdata::ptr(&target))]
        }
        (RecordType::NS, host) => ns_records(name, zones, host, ttl),
        (RecordType::MX, Host::Name(exchange)) => {
            vec![record(
                mail_owner(),
                rtype,
                Rdata::mx(value.priority, &exchange),
            )]
        }
        (RecordType::MX, Host::Address(address)) => {
            vec![
                record(mail_owner(), rtype, Rdata::mx(value.priority, name)),
                at_key(address),
            ]
        }
        (rtype, host) => return Err(mismatch(rtype, &host)),
    })
}

fn ns_records(name: &Name, zones: &[Name], host: Host, ttl: Option<u32>) -> Vec<Record> {
    let record = |owner, rtype, rdata| Record {
        owner,
        rtype,
        ttl,
        rdata,
    };
    let (server, zone) = without_infix(name, zones, &[b"ns", b"dns"])
        .unwrap_or_else(|| (name.clone(), name.clone()));
    match host {
        Host::Name(target) => vec![record(server, RecordType::NS, Rdata::ns(&target))],
        Host::Address(address) => {
            let (rtype, rdata) = address_rdata(address);
            let ns = record(zone, RecordType::NS, Rdata::ns(&server));
            vec![ns, record(server, rtype, rdata)]
        }
    }
}

fn mismatch(rtype: RecordType, host: &Host) -> FormatError {
    let wanted = match rtype {
        RecordType::A => "an IPv4 address",
        RecordType::AAAA => "an IPv6 address",
        RecordType::CNAME | RecordType::PTR => "a name",
        _ => {
            return FormatError::field(
                "type",
                format_args!(
                    "{rtype} is not kept here: A, AAAA, CNAME, NS, MX, TXT, SRV and PTR are"
                ),
            );
        }
    };
    let shown = match host {
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.to_string(),
    };
    let shown = quoted(&shown);
    FormatError::field(
        "host",
        format_args!("{shown} is not {wanted}, as type {rtype} wants"),
    )
}

fn address_rdata(address: IpAddr) -> (RecordType, Rdata) {
    match address {
        IpAddr::V4(address) => (RecordType::A, Rdata::a(address)),
        IpAddr::V6(address) => (RecordType::AAAA, Rdata::aaaa(address)),
    }
}

fn without_id(name: &Name) -> Result<Name, FormatError> {
    name.parent()
        .filter(|owner| owner.label_count() > 0)
        .ok_or_else(|| {
            FormatError::Key("the last label is a record id, the owner is missing".into())
        })
}

/// The name without the labels `infix` in front of its zone, and the zone. Of several zones the
/// longest wins; a name outside all zones has the infix that is nearest to the root.
fn without_infix(name: &Name, zones: &[Name], infix: &[&[u8]]) -> Option<(Name, Name)> {
    let labels: Vec<&[u8]> = name.labels().collect();
    let ends_at = |zone_start: usize| {
        let before = labels[..zone_start].iter().rev();
        zone_start >= infix.len()
            && before
                .zip(infix.iter().rev())
                .all(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    let zone_starts = zones.iter().filter(|zone| name.is_within(zone));
    let mut starts: Vec<usize> = zone_starts
        .map(|zone| labels.len() - zone.label_count())
        .collect();
    starts.sort_unstable();
    let outside = starts.is_empty();
    let start = starts
        .into_iter()
        .find(|&start| ends_at(start))
        .or_else(|| {
            (1..labels.len())
                .rev()
                .filter(|_| outside)
                .find(|&start| ends_at(start))
        })?;
    let zone = name.strip_left(start)?;
    let kept = labels[..start - infix.len()].iter().chain(&labels[start..]);
    Some((Name::from_labels(kept).ok()?, zone))
}

/// The owner and user of a value, for those who change it; absent when the value says nothing.
///
/// # Errors
/// The value is no JSON object, or one of the two is no string.
pub fn decode_fields(value: &[u8]) -> Result<(Option<String>, Option<String>), FormatError> {
    #[derive(Deserialize)]
    struct Beside<'a> {
        #[serde(borrow, default)]
        cluster: Scalar<'a>,
        #[serde(borrow, default)]
        user: Scalar<'a>,
    }
    let beside: Beside<'_> = json::object(value)?;
    let cluster = beside.cluster.filled_text("cluster")?.map(Cow::into_owned);
    let user = beside.user.filled_text("user")?.map(Cow::into_owned);
    Ok((cluster, user))
}
