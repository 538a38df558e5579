//! A resource record and its type.
//!
//! The class is always IN and is not kept. A record without a TTL takes the server's default.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::name::Name;
use crate::rdata::Rdata;

/// The largest TTL in seconds: 2^31 - 1 (RFC 2181 section 8).
pub const TTL_MAX_S: u32 = i32::MAX as u32;

/// One resource record of class IN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The owner name, its case as written.
    pub owner: Name,
    /// The type that `rdata` was validated for.
    pub rtype: RecordType,
    /// Seconds, at most [`TTL_MAX_S`]; none takes the server's `ttl_default_s`.
    pub ttl: Option<u32>,
    /// Uncompressed RDATA.
    pub rdata: Rdata,
}

impl Record {
    /// Whether it is of type A or AAAA.
    #[must_use]
    pub fn is_address(&self) -> bool {
        matches!(self.rtype, RecordType::A | RecordType::AAAA)
    }
}

/// One line of a zone file: owner, TTL when it has one, `IN`, type, RDATA.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.owner)?;
        if let Some(ttl) = self.ttl {
            write!(f, "{ttl} ")?;
        }
        write!(f, "IN {} {}", self.rtype, self.rdata.to_text(self.rtype))
    }
}

/// A record type's number (IANA "Resource Record (RR) TYPEs").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// A text that is no record type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no record type: write a mnemonic such as AAAA, or TYPE and its number")]
pub struct RecordTypeError(pub String);

macro_rules! record_types {
    ($($name:ident = $number:literal),* $(,)?) => {
        impl RecordType {
            $(
                #[doc = concat!("Type ", $number, ".")]
                pub const $name: Self = Self($number);
            )*

            /// The mnemonic, when the type has one here.
            #[must_use]
            pub fn mnemonic(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            fn from_mnemonic(upper: &str) -> Option<Self> {
                match upper {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

record_types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, MB = 7, MG = 8, MR = 9, NULL = 10, PTR = 12, HINFO = 13,
    MINFO = 14, MX = 15, TXT = 16, RP = 17, AFSDB = 18, SIG = 24, KEY = 25, AAAA = 28, LOC = 29,
    SRV = 33, NAPTR = 35, KX = 36, CERT = 37, DNAME = 39, OPT = 41, APL = 42, DS = 43, SSHFP = 44,
    IPSECKEY = 45, RRSIG = 46, NSEC = 47, DNSKEY = 48, DHCID = 49, NSEC3 = 50, NSEC3PARAM = 51,
    TLSA = 52, SMIMEA = 53, HIP = 55, CDS = 59, CDNSKEY = 60, OPENPGPKEY = 61, CSYNC = 62,
    ZONEMD = 63, SVCB = 64, HTTPS = 65, SPF = 99, TKEY = 249, TSIG = 250, IXFR = 251, AXFR = 252,
    MAILB = 253, MAILA = 254, ANY = 255, URI = 256, CAA = 257,
}

impl RecordType {
    /// Whether a zone may hold records of this type: not the question and meta types
    /// (RFC 6895 section 3.1) and not 0.
    #[must_use]
    pub fn is_data(self) -> bool {
        !matches!(self.0, 0 | 41 | 128..=255)
    }
}

impl FromStr for RecordType {
    type Err = RecordTypeError;

    fn from_str(text: &str) -> Result<Self, RecordTypeError> {
        let mut upper = [0; 16];
        let upper = upper
            .get_mut(..text.len())
            .ok_or_else(|| RecordTypeError(text.into()))?;
        upper.copy_from_slice(text.as_bytes());
        upper.make_ascii_uppercase();
        let upper = std::str::from_utf8(upper).unwrap_or_default();
        let numbered = || {
            let digits = upper.strip_prefix("TYPE")?;
            digits
                .bytes()
                .all(|octet| octet.is_ascii_digit())
                .then_some(digits)?
                .parse()
                .ok()
        };
        Self::from_mnemonic(upper)
            .or_else(|| numbered().map(Self))
            .ok_or_else(|| RecordTypeError(text.into()))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mnemonic() {
            Some(mnemonic) => f.pad(mnemonic),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RecordType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
