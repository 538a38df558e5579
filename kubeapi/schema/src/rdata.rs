//! RDATA: validated, in uncompressed wire format.
//!
//! What a type's RDATA is made of stands in one table (`layout`); reading text, writing text and
//! checking wire format all walk it. SVCB and HTTPS have their parameters in `svcb`. Every type,
//! known or not, can be written as `\# length hex` (RFC 3597); a known type's is checked as if it
//! had come from the wire. RDATA does not carry its type: the record does.

mod layout;
mod svcb;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data_encoding::HEXLOWER;
use thiserror::Error;

use crate::name::{self, Name, NameError};
use crate::presentation::{self, TextError, Token};
use crate::record::RecordType;

/// The octets of RDATA at most: its length field has 16 bits.
pub const RDATA_LEN_MAX: usize = 65_535;
/// The octets of one character string at most (RFC 1035 section 3.3).
pub const STRING_LEN_MAX: usize = 255;

/// RDATA in uncompressed wire format, valid for the type it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rdata(Box<[u8]>);

/// Why octets or a text are no RDATA of a type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RdataError {
    /// A type that no zone holds, such as ANY or OPT.
    #[error("{0} is no type of records: it appears in queries and messages only")]
    NotData(RecordType),
    /// A field of the type is missing.
    #[error("{rtype}: {field} is missing")]
    Missing {
        /// The type.
        rtype: RecordType,
        /// What the field holds.
        field: &'static str,
    },
    /// More text or octets than the type has fields.
    #[error("{rtype}: nothing may follow its last field, but `{extra}` does")]
    Extra {
        /// The type.
        rtype: RecordType,
        /// The first of it.
        extra: String,
    },
    /// A field's text or octets are not what it holds.
    #[error("{rtype}: `{found}` is not {field}")]
    Field {
        /// The type.
        rtype: RecordType,
        /// What the field holds.
        field: &'static str,
        /// What was there.
        found: String,
    },
    /// A field that is a name.
    #[error("{rtype}: {error}")]
    Name {
        /// The type.
        rtype: RecordType,
        /// What is wrong with it.
        error: NameError,
    },
    /// A character string beyond [`STRING_LEN_MAX`].
    #[error("{rtype}: a string of {len} octets: at most 255, write several strings")]
    StringTooLong {
        /// The type.
        rtype: RecordType,
        /// Its length in octets.
        len: usize,
    },
    /// RDATA beyond [`RDATA_LEN_MAX`].
    #[error("{rtype}: {len} octets of RDATA: at most 65535")]
    TooLong {
        /// The type.
        rtype: RecordType,
        /// Its length in octets.
        len: usize,
    },
    /// The text of a type that has no text form here.
    #[error("{0} has no text form here: write \\# <length> <hex> (RFC 3597)")]
    NoTextForm(RecordType),
    /// `\#` is not followed by a length and as many octets in hex.
    #[error("`\\#` wants a length in octets and as many octets in hex (RFC 3597): {0}")]
    Generic(String),
    /// Quotes, parentheses, escapes or line breaks.
    #[error("{rtype}: {error}")]
    Text {
        /// The type.
        rtype: RecordType,
        /// What is wrong with it.
        error: TextError,
    },
    /// Parameters of SVCB and HTTPS.
    #[error("{rtype}: {problem}")]
    Svcb {
        /// The type.
        rtype: RecordType,
        /// What is wrong with them.
        problem: String,
    },
}

impl Rdata {
    /// Reads presentation format; names in it are absolute.
    pub fn parse(rtype: RecordType, text: &str) -> Result<Self, RdataError> {
        let mut entries = presentation::entries(text);
        let tokens = match entries.next().transpose() {
            Ok(entry) => entry.map(|entry| entry.tokens).unwrap_or_default(),
            Err((_, error)) => return Err(RdataError::Text { rtype, error }),
        };
        if entries.next().is_some() {
            return Err(RdataError::Extra {
                rtype,
                extra: "a second line".into(),
            });
        }
        Self::from_tokens(rtype, &tokens, None)
    }

    /// Reads tokens; names without a final dot are relative to `origin` when there is one.
    pub(crate) fn from_tokens(
        rtype: RecordType,
        tokens: &[Token<'_>],
        origin: Option<&Name>,
    ) -> Result<Self, RdataError> {
        check_type(rtype)?;
        let rdata = match tokens {
            [
                Token {
                    raw: "\\#",
                    quoted: false,
                },
                rest @ ..,
            ] => {
                return Self::from_wire(rtype, &generic(rest)?);
            }
            _ if svcb::applies(rtype) => svcb::parse(rtype, tokens, origin)?,
            _ => layout::parse(rtype, tokens, origin)?,
        };
        check_len(rtype, rdata.len())?;
        Ok(Self(rdata.into()))
    }

    /// Takes uncompressed wire format; checked field by field when the type is known here.
    pub fn from_wire(rtype: RecordType, wire: &[u8]) -> Result<Self, RdataError> {
        check_type(rtype)?;
        check_len(rtype, wire.len())?;
        if svcb::applies(rtype) {
            svcb::check(rtype, wire)?;
        } else {
            layout::check(rtype, wire)?;
        }
        Ok(Self(wire.into()))
    }

    /// Presentation format; `\# length hex` for types not known here.
    #[must_use]
    pub fn to_text(&self, rtype: RecordType) -> String {
        let text = if svcb::applies(rtype) {
            svcb::to_text(rtype, &self.0)
        } else {
            layout::to_text(rtype, &self.0)
        };
        text.unwrap_or_else(|| {
            let separator = if self.0.is_empty() { "" } else { " " };
            format!(
                "\\# {}{separator}{}",
                self.0.len(),
                HEXLOWER.encode(&self.0)
            )
        })
    }

    /// The uncompressed octets.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The name the record points at: of NS, CNAME, DNAME, PTR, MX, SRV, SVCB and HTTPS.
    #[must_use]
    pub fn target(&self, rtype: RecordType) -> Option<Name> {
        let start = match rtype {
            RecordType::NS | RecordType::CNAME | RecordType::DNAME | RecordType::PTR => 0,
            RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
            RecordType::SRV => 6,
            _ => return None,
        };
        let octets = self.0.get(start..)?;
        let len = name::wire_len(octets).ok()?;
        Name::from_wire(&octets[..len]).ok()
    }

    /// The address of an A or AAAA record.
    #[must_use]
    pub fn as_ip(&self, rtype: RecordType) -> Option<IpAddr> {
        match rtype {
            RecordType::A => Some(IpAddr::from(<[u8; 4]>::try_from(&*self.0).ok()?)),
            RecordType::AAAA => Some(IpAddr::from(<[u8; 16]>::try_from(&*self.0).ok()?)),
            _ => None,
        }
    }

    /// The character strings of a TXT record, in order.
    pub fn strings(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&len, after) = rest.split_first()?;
            let (string, after) = after.split_at_checked(usize::from(len))?;
            rest = after;
            Some(string)
        })
    }

    /// RDATA of an A record.
    #[must_use]
    pub fn a(address: Ipv4Addr) -> Self {
        Self(Box::new(address.octets()))
    }

    /// RDATA of an AAAA record.
    #[must_use]
    pub fn aaaa(address: Ipv6Addr) -> Self {
        Self(Box::new(address.octets()))
    }

    /// RDATA of a CNAME record.
    #[must_use]
    pub fn cname(target: &Name) -> Self {
        Self(target.wire().into())
    }

    /// RDATA of an NS record.
    #[must_use]
    pub fn ns(server: &Name) -> Self {
        Self(server.wire().into())
    }

    /// RDATA of a PTR record.
    #[must_use]
    pub fn ptr(target: &Name) -> Self {
        Self(target.wire().into())
    }

    /// RDATA of an MX record.
    #[must_use]
    pub fn mx(preference: u16, exchange: &Name) -> Self {
        Self([&preference.to_be_bytes(), exchange.wire()].concat().into())
    }

    /// RDATA of an SRV record (RFC 2782).
    #[must_use]
    pub fn srv(priority: u16, weight: u16, port: u16, target: &Name) -> Self {
        let numbers = [priority, weight, port].map(u16::to_be_bytes);
        Self([numbers.as_flattened(), target.wire()].concat().into())
    }

    /// RDATA of a TXT record of at least one string of at most 255 octets each.
    pub fn txt(strings: &[&[u8]]) -> Result<Self, RdataError> {
        let rtype = RecordType::TXT;
        if strings.is_empty() {
            return Err(RdataError::Missing {
                rtype,
                field: "a string",
            });
        }
        let mut wire = Vec::with_capacity(strings.iter().map(|string| string.len() + 1).sum());
        for string in strings {
            layout::push_string(rtype, string, &mut wire)?;
        }
        check_len(rtype, wire.len())?;
        Ok(Self(wire.into()))
    }

    /// RDATA of a TXT record that holds `text` in strings of 255 octets, the last one shorter.
    pub fn txt_split(text: &[u8]) -> Result<Self, RdataError> {
        let strings: Vec<&[u8]> = text.chunks(STRING_LEN_MAX).collect();
        Self::txt(if strings.is_empty() { &[b""] } else { &strings })
    }
}

fn check_type(rtype: RecordType) -> Result<(), RdataError> {
    if rtype.is_data() {
        Ok(())
    } else {
        Err(RdataError::NotData(rtype))
    }
}

fn check_len(rtype: RecordType, len: usize) -> Result<(), RdataError> {
    if len <= RDATA_LEN_MAX {
        Ok(())
    } else {
        Err(RdataError::TooLong { rtype, len })
    }
}

/// The octets behind `\#`.
fn generic(tokens: &[Token<'_>]) -> Result<Vec<u8>, RdataError> {
    let Some((len, hex)) = tokens.split_first() else {
        return Err(RdataError::Generic("the length is missing".into()));
    };
    let len: u16 = len
        .raw
        .parse()
        .map_err(|_| RdataError::Generic(format!("`{}` is no length up to 65535", len.raw)))?;
    let digits: String = hex.iter().map(|token| token.raw).collect();
    let octets = data_encoding::HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .map_err(|_| RdataError::Generic("the octets are not pairs of hex digits".into()))?;
    if octets.len() != usize::from(len) {
        let counted = octets.len();
        return Err(RdataError::Generic(format!(
            "length {len}, but {counted} octets follow"
        )));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests;
