//! Names as store keys: a prefix, then the labels from the root side, one path segment each.
//!
//! The trees hold labels as clients ask for them, so nearly all segments are plain. What a segment
//! cannot hold bare is escaped as in a zone file: `/` as `\047`, `.` and `\` with a backslash.

use std::net::IpAddr;

use super::FormatError;
use super::json::quoted;
use crate::name::Name;
use crate::presentation;

/// The part of `key` behind `prefix`, with or without the prefix's final `/`.
pub(crate) fn behind_prefix<'a>(prefix: &str, key: &'a [u8]) -> Result<&'a [u8], FormatError> {
    let stem = prefix.strip_suffix('/').unwrap_or(prefix);
    key.strip_prefix(stem.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"/"))
        .ok_or_else(|| FormatError::Key(format!("does not start with {stem}/")))
}

/// The name that a path spells; the record id, if any, is its first label.
pub(super) fn name_from_path(path: &[u8]) -> Result<Name, FormatError> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.is_empty() {
        return Err(FormatError::Key("no label follows the prefix".into()));
    }
    if !path.iter().any(|octet| matches!(octet, b'\\' | b'.')) {
        return Ok(Name::from_labels(path.rsplit(|&octet| octet == b'/'))?);
    }
    let labels = path.rsplit(|&octet| octet == b'/').map(segment_label);
    Ok(Name::from_labels(labels.collect::<Result<Vec<_>, _>>()?)?)
}

fn segment_label(segment: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut label = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'\\' => {
                let octet = presentation::escaped_octet(&mut rest);
                label.push(octet.map_err(|error| FormatError::Key(error.to_string()))?);
            }
            b'.' => {
                let shown = quoted(&String::from_utf8_lossy(segment));
                return Err(FormatError::Key(format!(
                    "segment {shown} holds a dot: write one label a segment, the root side first"
                )));
            }
            _ => label.push(first),
        }
    }
    Ok(label)
}

/// The key of a name: the inverse of [`name_from_path`], ending in `/` when `slash` says so.
pub(super) fn path_from_labels<'a>(
    prefix: &str,
    labels: impl DoubleEndedIterator<Item = &'a [u8]>,
    slash: bool,
) -> Vec<u8> {
    let mut key = prefix
        .strip_suffix('/')
        .unwrap_or(prefix)
        .as_bytes()
        .to_vec();
    for label in labels.rev() {
        key.push(b'/');
        for &octet in label {
            match octet {
                b'.' | b'\\' => key.extend([b'\\', octet]),
                b'/' => key.extend(b"\\047"),
                _ => key.push(octet),
            }
        }
    }
    if slash {
        key.push(b'/');
    }
    key
}

/// What a `host` field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(Name),
}

impl Host {
    /// Reads an address or a name. A name whose last label is all digits is a mistyped address.
    pub(super) fn parse(text: &str) -> Result<Self, FormatError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let name = Name::parse(text).map_err(|error| {
            FormatError::field("host", format_args!("{}: {error}", quoted(text)))
        })?;
        // `10.0.0.256`, `10.0.0.1/24`, `10.0.0.1:80`, `fd00:::1`; slashes and spaces further left
        // are for names of RFC 2317 and, escaped, for others.
        let numeric = |label: &[u8]| {
            label.contains(&b':')
                || label
                    .iter()
                    .all(|octet| octet.is_ascii_digit() || *octet == b'/')
        };
        let mistyped = name.labels().next_back().is_some_and(numeric) || text.contains(' ');
        if mistyped {
            let shown = quoted(text);
            return Err(FormatError::field(
                "host",
                format_args!("{shown} is neither an IP address nor a name"),
            ));
        }
        Ok(Self::Name(name))
    }
}

/// Whether `name` lies in one of the reverse trees, where addresses are names.
pub(super) fn is_reverse(name: &Name) -> bool {
    let mut labels = name.labels();
    labels
        .next_back()
        .is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"))
        && labels.next_back().is_some_and(|label| {
            label.eq_ignore_ascii_case(b"in-addr") || label.eq_ignore_ascii_case(b"ip6")
        })
}

/// 32-bit FNV-1a in hex without leading zeros: the record ids of a ContainerDNS tree.
pub(super) fn record_id(text: &str) -> String {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:x}")
}
