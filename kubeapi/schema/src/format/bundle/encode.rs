//! Writing: an object's records as the value of one key.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::{Bundle, VERSION};
use crate::format::{AnswerPolicy, BUNDLE_LEN_MAX, BUNDLE_RECORDS_MAX, EncodeError};
use crate::name::Name;
use crate::probe::Wish;
use crate::record::RecordType;

/// Writes the value of a bundle.
///
/// # Errors
/// [`EncodeError::ValueTooLarge`] when the value, or its number of records, exceeds the limit.
pub fn encode(bundle: &Bundle<'_>) -> Result<Vec<u8>, EncodeError> {
    let rrsets = bundle.rrsets.iter().map(|rrset| WrittenRrset {
        name: &rrset.name,
        rtype: rrset.rtype,
        ttl: rrset.ttl,
        rdata: rrset
            .rdata
            .iter()
            .map(|rdata| rdata.to_text(rrset.rtype))
            .collect(),
        weights: &rrset.weights,
    });
    let address_names = bundle.address_names.iter();
    let written = Written {
        v: VERSION,
        user: bundle.user,
        policy: bundle.policy.map(AnswerPolicy::as_str),
        names: bundle.names,
        address_names: address_names
            .map(|(name, ttl)| WrittenAddressName { name, ttl: *ttl })
            .collect(),
        pointers_given: bundle.pointers_given,
        probe: bundle.probe.map(Wish::to_string),
        zones: bundle
            .zones
            .iter()
            .map(|(zone, list)| (*zone, list))
            .collect(),
        rrsets: rrsets.collect(),
    };
    let records: usize = written.rrsets.iter().map(|rrset| rrset.rdata.len()).sum();
    let records = records.max(bundle.names.len() + bundle.address_names.len());
    let value = serde_json::to_vec(&written)
        .map_err(|_| EncodeError::Text("not UTF-8, which JSON cannot hold"))?;
    if value.len() > BUNDLE_LEN_MAX || records > BUNDLE_RECORDS_MAX {
        return Err(EncodeError::ValueTooLarge {
            len: value.len(),
            max: BUNDLE_LEN_MAX,
        });
    }
    Ok(value)
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Name]>::is_empty")]
    names: &'a [Name],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    address_names: Vec<WrittenAddressName<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    pointers_given: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    zones: BTreeMap<&'a str, &'a Vec<IpAddr>>,
    rrsets: Vec<WrittenRrset<'a>>,
}

#[derive(Serialize)]
struct WrittenAddressName<'a> {
    name: &'a Name,
    ttl: u32,
}

#[derive(Serialize)]
struct WrittenRrset<'a> {
    name: &'a Name,
    #[serde(rename = "type")]
    rtype: RecordType,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    rdata: Vec<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    weights: &'a [Option<u16>],
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls it with"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
