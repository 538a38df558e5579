//! Health of backends as probers leave it in the store: one key an address.
//!
//! Key: prefix and address, `/containerdns/monitor/status/10.0.0.1`. Value:
//! `{"status":"UP"|"DOWN","ports":[...],"domains":[...],"cluster":...,"probe":...,"prober":...}`;
//! whoever changes one that it did not write goes by [`StatusKey`], which loses no field. `ports`
//! holds strings in existing trees and numbers elsewhere, both are read. An address without
//! a key is up. What a bad value means is the caller's to decide: it concerns that key only.
//!
//! `prober` names the member of [`MEMBER_PREFIX`] that found the backend down: when that member's
//! lease ends and nobody takes its place, its word is worth nothing any more. A value without it
//! (one that another scanner wrote) counts for as long as it stands.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::format::json::{self, List, Scalar, quoted};
use crate::format::{self, FormatError, VALUE_LEN_MAX};
use crate::name::Name;
use crate::probe::{Probe, ProbeError};

mod status_key;

pub use status_key::StatusKey;

/// Where each living prober has a key with its identity, under a lease.
pub const MEMBER_PREFIX: &str = "/containerdns-prober/members/";

/// Whether a backend answered its probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It did.
    Up,
    /// It did not.
    Down,
}

/// What is known about one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The outcome of the probes.
    pub status: Status,
    /// TCP ports to probe; empty: the prober's own choice.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_strings")]
    pub ports: Vec<u16>,
    /// The names that have the address, as their writers wrote them; the key in the value is
    /// `domains`.
    #[serde(rename = "domains", skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The cluster that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// How to probe; none: the prober's own way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// The prober that found it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prober: Option<String>,
}

impl Health {
    /// Whether this name is among those that have the address.
    #[must_use]
    pub fn lists(&self, name: &Name) -> bool {
        let is_it = |text: &String| Name::parse(text).is_ok_and(|listed| listed == *name);
        self.names.iter().any(is_it)
    }
}

/// Existing probers read the ports as strings only.
fn as_strings<S: serde::Serializer>(ports: &[u16], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ports.iter().map(u16::to_string))
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow, default)]
    status: Scalar<'a>,
    #[serde(borrow, default)]
    ports: List<'a>,
    #[serde(borrow, default)]
    domains: List<'a>,
    #[serde(borrow, default)]
    cluster: Scalar<'a>,
    #[serde(borrow, default)]
    probe: Scalar<'a>,
    #[serde(borrow, default)]
    prober: Scalar<'a>,
}

/// Reads one key and its value.
///
/// # Errors
/// The key does not end in an address, or a field of the value is not what it should be.
pub fn decode(prefix: &str, key: &[u8], value: &[u8]) -> Result<(IpAddr, Health), FormatError> {
    let address = address(prefix, key)?;
    if value.len() > VALUE_LEN_MAX {
        return Err(FormatError::ValueTooLarge {
            len: value.len(),
            max: VALUE_LEN_MAX,
        });
    }
    let stored: Stored<'_> = json::object(value)?;
    let status = match stored.status.filled_text("status")? {
        Some(text) if text.eq_ignore_ascii_case("up") => Status::Up,
        Some(text) if text.eq_ignore_ascii_case("down") => Status::Down,
        Some(text) => {
            let problem = format_args!("{} is neither UP nor DOWN", quoted(&text));
            return Err(FormatError::field("status", problem));
        }
        None => return Err(FormatError::field("status", "missing, write UP or DOWN")),
    };
    let mut ports = Vec::with_capacity(stored.ports.0.len());
    for (index, port) in stored.ports.0.into_iter().enumerate() {
        ports.extend(port.number16(&format!("ports[{index}]"))?);
    }
    let mut names = Vec::with_capacity(stored.domains.0.len());
    for (index, name) in stored.domains.0.into_iter().enumerate() {
        names.extend(name.text(&format!("domains[{index}]"))?.map(String::from));
    }
    let cluster = stored.cluster.filled_text("cluster")?.map(String::from);
    let probe = stored.probe.filled_text("probe")?;
    let probe = probe.map(|text| text.parse()).transpose();
    let probe = probe.map_err(|error: ProbeError| FormatError::field("probe", error))?;
    let prober = stored.prober.filled_text("prober")?.map(String::from);
    Ok((
        address,
        Health {
            status,
            ports,
            names,
            cluster,
            probe,
            prober,
        },
    ))
}

/// The address whose health a key holds; also for keys that were deleted.
///
/// # Errors
/// The key does not start with `prefix` or does not end in an address.
pub fn address(prefix: &str, key: &[u8]) -> Result<IpAddr, FormatError> {
    let text = String::from_utf8_lossy(format::key::behind_prefix(prefix, key)?);
    let text = text.strip_suffix('/').unwrap_or(&text);
    text.parse().map_err(|_| {
        FormatError::Key(format!(
            "{} behind the prefix is no IP address",
            quoted(text)
        ))
    })
}

/// The key of an address.
#[must_use]
pub fn key(prefix: &str, address: IpAddr) -> Vec<u8> {
    let stem = prefix.strip_suffix('/').unwrap_or(prefix);
    format!("{stem}/{address}").into_bytes()
}

/// Writes one key and its value.
///
/// # Errors
/// [`FormatError::ValueTooLarge`] when the value would not be read back.
pub fn encode(
    prefix: &str,
    address: IpAddr,
    health: &Health,
) -> Result<(Vec<u8>, Vec<u8>), FormatError> {
    let value = serde_json::to_vec(health).map_err(|error| FormatError::Json(error.to_string()))?;
    if value.len() > VALUE_LEN_MAX {
        return Err(FormatError::ValueTooLarge {
            len: value.len(),
            max: VALUE_LEN_MAX,
        });
    }
    Ok((key(prefix, address), value))
}

#[cfg(test)]
mod tests;
