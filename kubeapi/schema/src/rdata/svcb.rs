//! RDATA of SVCB and HTTPS: priority, target and parameters (RFC 9460 sections 2 and 7).
//!
//! Wire format after the target: key (16 bits), length (16 bits), value, in ascending order of
//! keys. Values of keys without a name here are any octets (`key65280="..."`). That a parameter
//! makes sense beside another one is left to the clients, but `mandatory` must name present keys.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::BASE64;

use super::{RdataError, layout};
use crate::name::{self, Name};
use crate::presentation::{self, Token};
use crate::record::RecordType;

/// Parameter names by key number (IANA "Service Parameter Keys").
const KEYS: [&str; 9] = [
    "mandatory",
    "alpn",
    "no-default-alpn",
    "port",
    "ipv4hint",
    "ech",
    "ipv6hint",
    "dohpath",
    "ohttp",
];
const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const OHTTP: u16 = 8;

/// Whether the type has RDATA of this form.
pub(super) fn applies(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::SVCB | RecordType::HTTPS)
}

/// Reads the text form into wire format.
pub(super) fn parse(
    rtype: RecordType,
    tokens: &[Token<'_>],
    origin: Option<&Name>,
) -> Result<Vec<u8>, RdataError> {
    let [priority, target, rest @ ..] = tokens else {
        return Err(RdataError::Missing {
            rtype,
            field: "a priority and a target name",
        });
    };
    let priority: u16 = priority.raw.parse().map_err(|_| RdataError::Field {
        rtype,
        field: "a priority up to 65535",
        found: priority.raw.chars().take(40).collect(),
    })?;
    let mut params = Vec::with_capacity(rest.len());
    for token in rest {
        let param =
            parse_param(token.raw).map_err(|problem| RdataError::Svcb { rtype, problem })?;
        params.push(param);
    }
    params.sort_by_key(|&(key, _)| key);
    let mut wire = priority.to_be_bytes().to_vec();
    wire.extend(layout::parse_name(rtype, target.raw, origin)?.wire());
    for (key, value) in params {
        let len = u16::try_from(value.len()).map_err(|_| RdataError::TooLong {
            rtype,
            len: value.len(),
        })?;
        wire.extend(key.to_be_bytes());
        wire.extend(len.to_be_bytes());
        wire.extend(value);
    }
    check(rtype, &wire)?;
    Ok(wire)
}

fn parse_param(raw: &str) -> Result<(u16, Vec<u8>), String> {
    let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
    let key = parse_key(name)?;
    let value = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or_else(|| {
            format!("parameter {name}: the value's quotes must enclose all of it")
        })?,
        None => value,
    };
    let octets = presentation::unescape(value).map_err(|e| format!("parameter {name}: {e}"))?;
    let value = match key {
        MANDATORY => {
            let mut keys = list(&octets)
                .iter()
                .map(|key| parse_key(&String::from_utf8_lossy(key)))
                .collect::<Result<Vec<_>, _>>()?;
            keys.sort_unstable();
            keys.into_iter().flat_map(u16::to_be_bytes).collect()
        }
        ALPN => {
            let mut value = Vec::new();
            for protocol in list(&octets) {
                let len = u8::try_from(protocol.len())
                    .map_err(|_| "parameter alpn: a protocol has at most 255 octets".to_owned())?;
                value.push(len);
                value.extend(protocol);
            }
            value
        }
        PORT => field::<u16>(name, &octets, "a port up to 65535")?
            .to_be_bytes()
            .into(),
        IPV4HINT => addresses(name, &octets, "an IPv4 address", |a: Ipv4Addr| a.octets())?,
        IPV6HINT => addresses(name, &octets, "an IPv6 address", |a: Ipv6Addr| a.octets())?,
        ECH => BASE64
            .decode(&octets)
            .map_err(|_| "parameter ech: the value is not base64".to_owned())?,
        _ => octets,
    };
    Ok((key, value))
}

fn parse_key(name: &str) -> Result<u16, String> {
    if let Some(key) = KEYS.iter().position(|known| *known == name) {
        return Ok(key as u16);
    }
    let digits = name
        .strip_prefix("key")
        .filter(|digits| !digits.starts_with('+'));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("`{name}` is no parameter: write alpn, port, ... or keyNNNNN"))
}

/// Parts between commas; `\,` and `\\` stand for themselves (RFC 9460 appendix A.1).
fn list(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut escaped = false;
    for &octet in octets {
        match octet {
            b',' if !escaped => parts.push(Vec::new()),
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ => parts
                .last_mut()
                .into_iter()
                .for_each(|part| part.push(octet)),
        }
        escaped = false;
    }
    parts
}

fn field<T: FromStr>(name: &str, octets: &[u8], wanted: &str) -> Result<T, String> {
    let text = String::from_utf8_lossy(octets);
    text.parse()
        .map_err(|_| format!("parameter {name}: `{text}` is not {wanted}"))
}

fn addresses<T: FromStr, const N: usize>(
    name: &str,
    octets: &[u8],
    wanted: &str,
    wire: impl Fn(T) -> [u8; N],
) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    for part in list(octets) {
        value.extend(wire(field(name, &part, wanted)?));
    }
    Ok(value)
}

/// Checks wire format.
pub(super) fn check(rtype: RecordType, wire: &[u8]) -> Result<(), RdataError> {
    let (_, params) = split_head(wire).ok_or(RdataError::Missing {
        rtype,
        field: "a priority and a target name",
    })?;
    let problem = |problem: String| RdataError::Svcb { rtype, problem };
    let params = split_params(params).map_err(problem)?;
    for &(key, value) in &params {
        let valid = match key {
            MANDATORY => {
                let keys: Vec<u16> = pairs(value).collect();
                let present = |key: &u16| params.iter().any(|(other, _)| other == key);
                value.len().is_multiple_of(2)
                    && !keys.is_empty()
                    && !keys.contains(&MANDATORY)
                    && keys.is_sorted_by(|a, b| a < b)
                    && keys.iter().all(present)
            }
            ALPN => !value.is_empty() && protocols(value).is_some(),
            NO_DEFAULT_ALPN | OHTTP => value.is_empty(),
            PORT => value.len() == 2,
            IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
            IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
            ECH => !value.is_empty(),
            _ => true,
        };
        if !valid {
            let name = key_name(key);
            return Err(problem(format!(
                "parameter {name}: the value is not valid (RFC 9460)"
            )));
        }
    }
    Ok(())
}

/// Priority and target, then the octets of the parameters.
fn split_head(wire: &[u8]) -> Option<((u16, Name), &[u8])> {
    let (priority, rest) = wire.split_first_chunk::<2>()?;
    let (target, params) = rest.split_at(name::wire_len(rest).ok()?);
    let target = Name::from_wire(target).ok()?;
    Some(((u16::from_be_bytes(*priority), target), params))
}

fn split_params(mut octets: &[u8]) -> Result<Vec<(u16, &[u8])>, String> {
    let mut params: Vec<(u16, &[u8])> = Vec::new();
    while !octets.is_empty() {
        let head = octets.split_first_chunk::<4>();
        let (&[key_high, key_low, len_high, len_low], rest) =
            head.ok_or("a parameter ends inside its key or length")?;
        let key = u16::from_be_bytes([key_high, key_low]);
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let (value, rest) = rest
            .split_at_checked(len)
            .ok_or_else(|| format!("parameter {}: the value ends early", key_name(key)))?;
        if params.last().is_some_and(|&(last, _)| last >= key) {
            return Err(format!(
                "parameter {} appears twice or out of order",
                key_name(key)
            ));
        }
        params.push((key, value));
        octets = rest;
    }
    Ok(params)
}

fn pairs(value: &[u8]) -> impl Iterator<Item = u16> {
    value
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

/// The protocols of an `alpn` value; none when it is malformed or holds an empty one.
fn protocols(mut value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut protocols = Vec::new();
    while let Some((&len, rest)) = value.split_first() {
        let (protocol, rest) = rest.split_at_checked(usize::from(len))?;
        if protocol.is_empty() {
            return None;
        }
        protocols.push(protocol);
        value = rest;
    }
    Some(protocols)
}

fn key_name(key: u16) -> String {
    KEYS.get(usize::from(key))
        .map_or_else(|| format!("key{key}"), |&name| name.to_owned())
}

/// Writes the text form; none for octets that are not of the type.
pub(super) fn to_text(rtype: RecordType, wire: &[u8]) -> Option<String> {
    check(rtype, wire).ok()?;
    let ((priority, target), params) = split_head(wire)?;
    let mut text = format!("{priority} {target}");
    for (key, value) in split_params(params).ok()? {
        write!(text, " {}", key_name(key)).ok()?;
        if !value.is_empty() {
            text.push('=');
            write_value(key, value, &mut text)?;
        }
    }
    Some(text)
}

fn write_value(key: u16, value: &[u8], text: &mut String) -> Option<()> {
    match key {
        MANDATORY => {
            let names: Vec<String> = pairs(value).map(key_name).collect();
            text.push_str(&names.join(","));
        }
        ALPN => {
            let mut joined = Vec::new();
            for protocol in protocols(value)? {
                if !joined.is_empty() {
                    joined.push(b',');
                }
                for &octet in protocol {
                    if matches!(octet, b',' | b'\\') {
                        joined.push(b'\\');
                    }
                    joined.push(octet);
                }
            }
            presentation::escape_quoted(&joined, text);
        }
        PORT => write!(text, "{}", pairs(value).next()?).ok()?,
        IPV4HINT => {
            let shown = value
                .as_chunks::<4>()
                .0
                .iter()
                .map(|a| Ipv4Addr::from(*a).to_string());
            text.push_str(&shown.collect::<Vec<_>>().join(","));
        }
        IPV6HINT => {
            let shown = value
                .as_chunks::<16>()
                .0
                .iter()
                .map(|a| Ipv6Addr::from(*a).to_string());
            text.push_str(&shown.collect::<Vec<_>>().join(","));
        }
        ECH => text.push_str(&BASE64.encode(value)),
        _ => presentation::escape_quoted(value, text),
    }
    Some(())
}
