//! Writing: one record or one backend as one key of the tree.

use std::net::IpAddr;

use serde::Serialize;

use super::{PRIORITY_DEFAULT, decode};
use crate::format::{self, AnswerPolicy, EncodeError, KeyValue, VALUE_LEN_MAX, key};
use crate::name::{Name, NameError};
use crate::rdata::RdataError;
use crate::record::{Record, RecordType};

/// Fields that stand beside a record in a value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// The cluster the record comes from.
    pub cluster: Option<&'a str>,
    /// Who may change it.
    pub user: Option<&'a str>,
    /// How answers are chosen at the owner.
    pub policy: Option<AnswerPolicy>,
    /// How often it is chosen beside others, for addresses; SRV has its own.
    pub weight: Option<u16>,
}

/// One backend of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend {
    /// Where it listens.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// SRV's priority; the original writes 10.
    pub priority: u16,
    /// SRV's weight; the original writes 10.
    pub weight: u16,
}

impl Backend {
    /// A backend as the original writes it.
    #[must_use]
    pub fn new(address: IpAddr, port: u16) -> Self {
        Self {
            address,
            port,
            priority: PRIORITY_DEFAULT,
            weight: PRIORITY_DEFAULT,
        }
    }

    /// The name that its SRV record at `owner` points to, where its address is.
    ///
    /// # Errors
    /// The name would be too long.
    pub fn target(&self, owner: &Name) -> Result<Name, NameError> {
        let id = key::record_id(&self.address.to_string());
        Name::from_labels(std::iter::once(id.as_bytes()).chain(owner.labels()))
    }
}

/// A value as it is written; the order of the fields is that of the original.
#[derive(Default, Serialize)]
#[serde(bound(serialize = ""))]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(rename = "type")]
    rtype: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mail: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
}

/// Writes one record as one key.
///
/// # Errors
/// The type has no place in the tree, or the record would not be read back as itself.
pub fn encode(
    prefix: &str,
    zones: &[Name],
    record: &Record,
    fields: Fields<'_>,
) -> Result<KeyValue, EncodeError> {
    let Record {
        owner,
        rtype,
        ttl,
        rdata,
    } = record;
    let text = match *rtype {
        RecordType::TXT => format::joined_text(rdata)?,
        _ => Vec::new(),
    };
    let mut written = Written {
        rtype: rtype.to_string(),
        ttl: *ttl,
        cluster: fields.cluster,
        user: fields.user,
        policy: fields.policy.map(AnswerPolicy::as_str),
        ..Written::default()
    };
    let mut labels: Vec<&[u8]> = owner.labels().collect();
    let host = || rdata.target(*rtype).map(|target| target.to_string());
    let number = |start: usize| {
        rdata
            .wire()
            .get(start..start + 2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
    };
    let id;
    match *rtype {
        RecordType::A | RecordType::AAAA => {
            let address = rdata.as_ip(*rtype).ok_or_else(|| wrong_rdata(*rtype))?;
            let address = address.to_string();
            id = key::record_id(&address);
            labels.insert(0, id.as_bytes());
            written.host = Some(address);
            written.weight = fields.weight;
        }
        RecordType::SRV => {
            id = key::record_id(&rdata.to_text(*rtype));
            labels.insert(0, id.as_bytes());
            written.host = host();
            (written.priority, written.weight, written.port) = (number(0), number(2), number(4));
        }
        RecordType::CNAME | RecordType::PTR => written.host = host(),
        RecordType::NS => {
            insert_infix(owner, zones, &mut labels, &[b"ns", b"dns"])?;
            written.host = host();
        }
        RecordType::MX => {
            insert_infix(owner, zones, &mut labels, &[b"mail"])?;
            written.mail = true;
            written.host = host();
            written.priority = number(0);
        }
        RecordType::TXT => {
            insert_infix(owner, zones, &mut labels, &[b"txt"])?;
            let text = std::str::from_utf8(&text)
                .map_err(|_| EncodeError::Text("not UTF-8, which JSON cannot hold"))?;
            written.text = Some(text);
        }
        other => return Err(EncodeError::Type(other)),
    }
    finish(prefix, &labels, &written, record, zones)
}

fn wrong_rdata(rtype: RecordType) -> RdataError {
    RdataError::Missing {
        rtype,
        field: "an address",
    }
}

fn insert_infix<'a>(
    owner: &Name,
    zones: &[Name],
    labels: &mut Vec<&'a [u8]>,
    infix: &[&'a [u8]],
) -> Result<(), EncodeError> {
    let zone = zones
        .iter()
        .filter(|zone| owner.is_within(zone))
        .max_by_key(|zone| zone.label_count())
        .ok_or_else(|| EncodeError::Zone(owner.clone()))?;
    let at = labels.len() - zone.label_count();
    labels.splice(at..at, infix.iter().copied());
    Ok(())
}

fn finish(
    prefix: &str,
    labels: &[&[u8]],
    written: &Written<'_>,
    record: &Record,
    zones: &[Name],
) -> Result<KeyValue, EncodeError> {
    let key = key::path_from_labels(prefix, labels.iter().copied(), true);
    let value = serde_json::to_vec(written)
        .map_err(|_| EncodeError::Text("not UTF-8, which JSON cannot hold"))?;
    if value.len() > VALUE_LEN_MAX {
        return Err(EncodeError::ValueTooLarge {
            len: value.len(),
            max: VALUE_LEN_MAX,
        });
    }
    let put = KeyValue { key, value };
    let read = decode(prefix, zones, &put.key, &put.value);
    format::same(read, record)?;
    Ok(put)
}

/// Writes the address of one backend as the original's SRV records are: target and address are one
/// key, `<id>.<owner>`.
///
/// # Errors
/// The name would be too long.
pub fn encode_backend(
    prefix: &str,
    owner: &Name,
    backend: Backend,
    ttl: Option<u32>,
    fields: Fields<'_>,
) -> Result<KeyValue, EncodeError> {
    let Backend {
        address,
        port,
        priority,
        weight,
    } = backend;
    let written = Written {
        host: Some(address.to_string()),
        rtype: RecordType::SRV.to_string(),
        ttl,
        port: Some(port),
        priority: Some(priority),
        weight: Some(weight),
        cluster: fields.cluster,
        user: fields.user,
        policy: fields.policy.map(AnswerPolicy::as_str),
        ..Written::default()
    };
    let target = backend.target(owner);
    let target = target.map_err(|error| EncodeError::Ambiguous(error.to_string()))?;
    let key = key::path_from_labels(prefix, target.labels(), true);
    let value = serde_json::to_vec(&written)
        .map_err(|_| EncodeError::Text("not UTF-8, which JSON cannot hold"))?;
    Ok(KeyValue { key, value })
}
