//! What single values of the configuration mean. Each function takes one TOML value and returns
//! what it stands for, or a sentence of the form "what is wrong; what would be right". Pure, but
//! for [`file`] and [`path_to_write`], which look whether the path named can be used.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use containerdns_schema::{AddressPrefix, Name};
use toml::de::DeValue;

use containerdns_schema::reverse::reverse_zones;

/// What a value is, for messages.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A string.
pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("is {}; write a string in quotes", kind(other))),
    }
}

/// A whole number in `range`.
pub(super) fn integer<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let right = || {
            format!(
                "write a whole number from {} to {}",
                range.start(),
                range.end()
            )
        };
        let DeValue::Integer(integer) = value else {
            return Err(format!("is {}; {}", kind(value), right()));
        };
        u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("{integer} is out of range; {}", right()))
    }
}

/// A whole number of seconds in `range`.
pub(super) fn seconds(
    range: RangeInclusive<u64>,
) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    let seconds = integer(range);
    move |value| seconds(value).map(Duration::from_secs)
}

/// One of the words of `choices`.
pub(super) fn one_of<T: Copy>(
    choices: &'static [(&'static str, T)],
) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let word = text(value)?;
        let choice = choices.iter().find(|(name, _)| *name == word);
        choice.map(|&(_, meaning)| meaning).ok_or_else(|| {
            let words: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            format!("\"{word}\" is not known; write {}", words.join(" or "))
        })
    }
}

/// A zone, owner or host name; the final dot is optional.
pub(super) fn name(value: &DeValue<'_>) -> Result<Name, String> {
    parse_name(text(value)?)
}

/// The same from a key. The root is no zone of ours and no name of a host.
pub(super) fn parse_name(text: &str) -> Result<Name, String> {
    match Name::parse(text) {
        Ok(name) if name.label_count() > 0 => Ok(name),
        Ok(_) => Err("is the root; write a name below it".to_owned()),
        Err(error) => Err(format!("`{text}` is not a name: {error}")),
    }
}

/// The name of a zone: an apex stands for itself, never for names like it.
pub(super) fn zone(value: &DeValue<'_>) -> Result<Name, String> {
    let zone = name(value)?;
    match zone.labels().next() {
        Some(b"*") => Err("is a wildcard; write the zone that it lies in".to_owned()),
        _ => Ok(zone),
    }
}

/// An address prefix, as the reverse zones that cover it.
pub(super) fn reverse(value: &DeValue<'_>) -> Result<Vec<Name>, String> {
    reverse_zones(text(value)?)
}

/// An address and a port to listen on.
pub(super) fn listen_address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let text = text(value)?;
    let right = "write ADDRESS:PORT, such as \"127.0.0.1:53\" or \"[::1]:53\"";
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err(format!(
            "`{text}` has port 0, which no client could know; {right}"
        )),
        Ok(address) => Ok(address),
        Err(_) => Err(format!("`{text}` is not an address with a port; {right}")),
    }
}

/// The URL of an etcd member: scheme, host and port, nothing else.
pub(super) fn endpoint(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    let right = "write http://HOST:PORT or https://HOST:PORT";
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("`{text}` is not a URL; {right}"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        Err(format!("`{text}` has no scheme that etcd speaks; {right}"))
    } else if authority.contains('@') {
        Err(format!(
            "`{text}` carries a user; {right}, with store.user and store.password_file"
        ))
    } else if uri.port_u16().is_none_or(|port| port == 0) {
        Err(format!(
            "`{text}` has no port; {right} (etcd's port is 2379)"
        ))
    } else if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        Err(format!("`{text}` has a path; {right}"))
    } else {
        Ok(text.trim_end_matches('/').to_owned())
    }
}

/// A key prefix of the store.
pub(super) fn key_prefix(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    if text.len() > 1 && text.starts_with('/') && text.ends_with('/') {
        return Ok(text.to_owned());
    }
    let name = text.trim_matches('/');
    let name = if name.is_empty() {
        "containerdns"
    } else {
        name
    };
    Err(format!(
        "`{text}` is not a key prefix; begin and end it with a slash, as in \"/{name}/\""
    ))
}

/// A file that exists and can be read.
pub(super) fn file(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let path = text(value)?;
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Ok(path.into()),
        Ok(_) => Err(format!("`{path}` is not a file; name a file")),
        Err(error) => Err(format!(
            "`{path}` cannot be read ({error}); name a file that can"
        )),
    }
}

/// A path whose folder exists; none for the empty string.
pub(super) fn path_to_write(value: &DeValue<'_>) -> Result<Option<PathBuf>, String> {
    let text = text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let path = Path::new(text);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if path.is_dir() {
        Err(format!("`{text}` is a folder; name a file in it"))
    } else if !folder.is_dir() {
        Err(format!(
            "`{text}` is in a folder that does not exist; create {}",
            folder.display()
        ))
    } else {
        Ok(Some(path.into()))
    }
}

/// A path that need not exist yet.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match text(value)? {
        "" => Err("is empty; name a folder".to_owned()),
        path => Ok(path.into()),
    }
}

/// A secret of 128 bits. The message never shows what was written.
pub(super) fn secret(value: &DeValue<'_>) -> Result<[u8; 16], String> {
    let text = text(value)?;
    let decoded = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .ok();
    decoded
        .and_then(|octets| octets.try_into().ok())
        .ok_or_else(|| {
            let count = text.chars().count();
            format!(
                "is not a secret ({count} characters); write 32 hex digits (`openssl rand -hex 16`)"
            )
        })
}

/// A longer identity beside a name of 255 octets could not be sent in a response of 512.
const IDENTITY_LEN_MAX: usize = 64;

/// A server identity: what NSID and `hostname.bind` say.
pub(super) fn identity(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    let printable = text.bytes().all(|octet| (0x20..0x7f).contains(&octet));
    if text.len() <= IDENTITY_LEN_MAX && printable {
        return Ok(text.to_owned());
    }
    Err("is not an identity; write at most 64 printable ASCII characters".to_owned())
}

/// A user of etcd.
pub(super) fn user(value: &DeValue<'_>) -> Result<String, String> {
    match text(value)? {
        "" => Err("is empty; name a user, or remove the key".to_owned()),
        user => Ok(user.to_owned()),
    }
}

/// An address prefix, as `10.0.0.0/8`.
pub(super) fn prefix(value: &DeValue<'_>) -> Result<AddressPrefix, String> {
    AddressPrefix::parse(text(value)?)
}
