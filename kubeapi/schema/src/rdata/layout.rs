//! What the RDATA of each type is made of, and the walks over it: text, wire check, text again.
//!
//! A type missing from `layout` is opaque: any octets are valid and its only text is `\#`.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE, HEXUPPER};
use hickory_proto::serialize::txt::parse_ttl;

use super::{RdataError, STRING_LEN_MAX};
use crate::name::{self, Name};
use crate::presentation::{self, Token};
use crate::record::RecordType;

/// One field of RDATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    U8,
    U16,
    U32,
    /// 32 bits of seconds; the text may have units (`1h`).
    Seconds,
    Ipv4,
    Ipv6,
    Name,
    /// A character string.
    Text,
    /// A character string of letters and digits, written without quotes.
    Word,
    /// Character strings to the end, at least one.
    Texts,
    /// All remaining octets, written as one quoted string.
    Rest,
    /// All remaining octets in hex.
    Hex,
    /// All remaining octets in base64.
    Base64,
}

fn layout(rtype: RecordType) -> Option<&'static [Field]> {
    use Field::{Base64, Hex, Ipv4, Ipv6, Name, Rest, Seconds, Text, Texts, U8, U16, U32, Word};
    Some(match rtype {
        RecordType::A => &[Ipv4],
        RecordType::AAAA => &[Ipv6],
        RecordType::NS
        | RecordType::CNAME
        | RecordType::DNAME
        | RecordType::PTR
        | RecordType::MB
        | RecordType::MG
        | RecordType::MR => &[Name],
        RecordType::SOA => &[Name, Name, U32, Seconds, Seconds, Seconds, Seconds],
        RecordType::MX | RecordType::AFSDB | RecordType::KX => &[U16, Name],
        RecordType::RP | RecordType::MINFO => &[Name, Name],
        RecordType::TXT | RecordType::SPF => &[Texts],
        RecordType::HINFO => &[Text, Text],
        RecordType::SRV => &[U16, U16, U16, Name],
        RecordType::NAPTR => &[U16, U16, Text, Text, Text, Name],
        RecordType::CAA => &[U8, Word, Rest],
        RecordType::URI => &[U16, U16, Rest],
        RecordType::SSHFP => &[U8, U8, Hex],
        RecordType::TLSA | RecordType::SMIMEA => &[U8, U8, U8, Hex],
        RecordType::DS | RecordType::CDS => &[U16, U8, U8, Hex],
        RecordType::ZONEMD => &[U32, U8, U8, Hex],
        RecordType::DNSKEY | RecordType::CDNSKEY => &[U16, U8, U8, Base64],
        RecordType::OPENPGPKEY => &[Base64],
        _ => return None,
    })
}

impl Field {
    /// What the field holds, for errors.
    fn meaning(self) -> &'static str {
        match self {
            Self::U8 => "a number up to 255",
            Self::U16 => "a number up to 65535",
            Self::U32 => "a number up to 4294967295",
            Self::Seconds => "a time in seconds",
            Self::Ipv4 => "an IPv4 address",
            Self::Ipv6 => "an IPv6 address",
            Self::Name => "a name",
            Self::Text | Self::Texts | Self::Rest => "a string",
            Self::Word => "a word of 1 to 255 letters and digits",
            Self::Hex => "octets in hex",
            Self::Base64 => "octets in base64",
        }
    }
}

/// Reads the text form into wire format.
pub(super) fn parse(
    rtype: RecordType,
    tokens: &[Token<'_>],
    origin: Option<&Name>,
) -> Result<Vec<u8>, RdataError> {
    let fields = layout(rtype).ok_or(RdataError::NoTextForm(rtype))?;
    let mut wire = Vec::new();
    let mut rest = tokens;
    for &field in fields {
        let Some((token, after)) = rest.split_first() else {
            return Err(RdataError::Missing {
                rtype,
                field: field.meaning(),
            });
        };
        match field {
            Field::Texts => {
                for token in std::mem::take(&mut rest) {
                    push_string(rtype, &text_octets(rtype, *token)?, &mut wire)?;
                }
            }
            Field::Hex | Field::Base64 => {
                let digits: String = std::mem::take(&mut rest).iter().map(|t| t.raw).collect();
                let encoding = if field == Field::Hex {
                    HEXLOWER_PERMISSIVE
                } else {
                    BASE64
                };
                let octets = encoding.decode(digits.as_bytes());
                wire.extend(octets.map_err(|_| wrong(rtype, field, &digits))?);
            }
            _ => {
                parse_field(rtype, field, *token, origin, &mut wire)?;
                rest = after;
            }
        }
    }
    match rest.first() {
        Some(token) => Err(RdataError::Extra {
            rtype,
            extra: shown(token.raw),
        }),
        None => Ok(wire),
    }
}

fn parse_field(
    rtype: RecordType,
    field: Field,
    token: Token<'_>,
    origin: Option<&Name>,
    wire: &mut Vec<u8>,
) -> Result<(), RdataError> {
    let raw = token.raw;
    match field {
        Field::U8 => wire.push(number(rtype, field, raw)?),
        Field::U16 => wire.extend(number::<u16>(rtype, field, raw)?.to_be_bytes()),
        Field::U32 => wire.extend(number::<u32>(rtype, field, raw)?.to_be_bytes()),
        Field::Seconds => {
            let seconds = parse_ttl(raw).map_err(|_| wrong(rtype, field, raw))?;
            wire.extend(seconds.to_be_bytes());
        }
        Field::Ipv4 => wire.extend(number::<Ipv4Addr>(rtype, field, raw)?.octets()),
        Field::Ipv6 => wire.extend(number::<Ipv6Addr>(rtype, field, raw)?.octets()),
        Field::Name => wire.extend(parse_name(rtype, raw, origin)?.wire()),
        Field::Text => push_string(rtype, &text_octets(rtype, token)?, wire)?,
        Field::Word => {
            if !is_word(raw.as_bytes()) {
                return Err(wrong(rtype, field, raw));
            }
            push_string(rtype, raw.as_bytes(), wire)?;
        }
        Field::Rest => wire.extend(text_octets(rtype, token)?),
        // These take all remaining tokens: see the caller.
        Field::Texts | Field::Hex | Field::Base64 => {}
    }
    Ok(())
}

/// Reads a name; `@` is the origin.
pub(super) fn parse_name(
    rtype: RecordType,
    raw: &str,
    origin: Option<&Name>,
) -> Result<Name, RdataError> {
    match origin {
        Some(origin) if raw == "@" => Ok(origin.clone()),
        _ => Name::parse_in(raw, origin).map_err(|error| RdataError::Name { rtype, error }),
    }
}

fn number<T: FromStr>(rtype: RecordType, field: Field, raw: &str) -> Result<T, RdataError> {
    raw.parse().map_err(|_| wrong(rtype, field, raw))
}

fn text_octets(rtype: RecordType, token: Token<'_>) -> Result<Vec<u8>, RdataError> {
    presentation::unescape(token.raw).map_err(|error| RdataError::Text { rtype, error })
}

fn is_word(octets: &[u8]) -> bool {
    (1..=STRING_LEN_MAX).contains(&octets.len()) && octets.iter().all(u8::is_ascii_alphanumeric)
}

fn wrong(rtype: RecordType, field: Field, found: &str) -> RdataError {
    RdataError::Field {
        rtype,
        field: field.meaning(),
        found: shown(found),
    }
}

/// The first characters of a text, for errors.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Appends a character string with its length octet.
pub(super) fn push_string(
    rtype: RecordType,
    octets: &[u8],
    wire: &mut Vec<u8>,
) -> Result<(), RdataError> {
    let len = u8::try_from(octets.len()).map_err(|_| RdataError::StringTooLong {
        rtype,
        len: octets.len(),
    })?;
    wire.push(len);
    wire.extend_from_slice(octets);
    Ok(())
}

/// The octets at the start of `wire` that `field` takes; none when they are not such a field.
fn field_len(field: Field, wire: &[u8]) -> Option<usize> {
    let fixed = |len: usize| (wire.len() >= len).then_some(len);
    match field {
        Field::U8 => fixed(1),
        Field::U16 => fixed(2),
        Field::U32 | Field::Seconds | Field::Ipv4 => fixed(4),
        Field::Ipv6 => fixed(16),
        Field::Name => name::wire_len(wire).ok(),
        Field::Text => fixed(1 + usize::from(*wire.first()?)),
        Field::Word => {
            let len = fixed(1 + usize::from(*wire.first()?))?;
            is_word(&wire[1..len]).then_some(len)
        }
        Field::Texts => {
            let mut len = fixed(1 + usize::from(*wire.first()?))?;
            while let Some(&next) = wire.get(len) {
                len = fixed(len + 1 + usize::from(next))?;
            }
            Some(len)
        }
        Field::Rest | Field::Hex | Field::Base64 => Some(wire.len()),
    }
}

/// Checks wire format; a type without a layout passes.
pub(super) fn check(rtype: RecordType, wire: &[u8]) -> Result<(), RdataError> {
    let Some(fields) = layout(rtype) else {
        return Ok(());
    };
    let mut rest = wire;
    for &field in fields {
        // Keys and digests are never empty; the value of a CAA or URI may be.
        if rest.is_empty() && field != Field::Rest {
            return Err(RdataError::Missing {
                rtype,
                field: field.meaning(),
            });
        }
        let found = || HEXUPPER.encode(&rest[..rest.len().min(16)]);
        let len = field_len(field, rest).ok_or_else(|| wrong(rtype, field, &found()))?;
        rest = &rest[len..];
    }
    if rest.is_empty() {
        return Ok(());
    }
    let extra = HEXUPPER.encode(&rest[..rest.len().min(16)]);
    Err(RdataError::Extra { rtype, extra })
}

/// Writes the text form; none for a type without a layout, or octets that are not of the type.
pub(super) fn to_text(rtype: RecordType, wire: &[u8]) -> Option<String> {
    let fields = layout(rtype)?;
    let mut text = String::new();
    let mut rest = wire;
    for &field in fields {
        let (octets, after) = rest.split_at(field_len(field, rest)?);
        rest = after;
        if !text.is_empty() {
            text.push(' ');
        }
        write_field(field, octets, &mut text)?;
    }
    rest.is_empty().then_some(text)
}

fn write_field(field: Field, octets: &[u8], text: &mut String) -> Option<()> {
    match field {
        Field::U8 => write!(text, "{}", octets[0]).ok(),
        Field::U16 => write!(text, "{}", u16::from_be_bytes(octets.try_into().ok()?)).ok(),
        Field::U32 | Field::Seconds => {
            write!(text, "{}", u32::from_be_bytes(octets.try_into().ok()?)).ok()
        }
        Field::Ipv4 => write!(
            text,
            "{}",
            Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)
        )
        .ok(),
        Field::Ipv6 => write!(
            text,
            "{}",
            Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)
        )
        .ok(),
        Field::Name => write!(text, "{}", Name::from_wire(octets).ok()?).ok(),
        Field::Word => {
            text.extend(octets[1..].iter().copied().map(char::from));
            Some(())
        }
        Field::Text => {
            presentation::escape_quoted(&octets[1..], text);
            Some(())
        }
        Field::Texts => {
            let mut rest = octets;
            while let Some((&len, after)) = rest.split_first() {
                let (string, after) = after.split_at(usize::from(len));
                if rest.len() < octets.len() {
                    text.push(' ');
                }
                presentation::escape_quoted(string, text);
                rest = after;
            }
            Some(())
        }
        Field::Rest => {
            presentation::escape_quoted(octets, text);
            Some(())
        }
        Field::Hex => {
            text.push_str(&HEXUPPER.encode(octets));
            Some(())
        }
        Field::Base64 => {
            text.push_str(&BASE64.encode(octets));
            Some(())
        }
    }
}
