//! What one store key and its value contribute to the DNS.
//!
//! `decode` turns a key and a value of one of the three formats into records, or into an error that
//! names the field and says what would be right; the caller skips that key only. It runs for every
//! key of the store at start and for every change, so it borrows from the value and allocates for
//! the records alone. Each format's module also has the inverse, `encode`.
//!
//! Keys. Behind the prefix, labels from the root side, joined by `/`; one final `/` is optional.
//! A label is as in a zone file, so `\047` is a slash inside it and `\.` a dot; a bare dot is
//! refused. Case is kept and keys are never changed.

pub mod bundle;
pub mod containerdns;
pub(crate) mod json;
pub(crate) mod key;
pub mod skydns;

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::{Name, NameError};
use crate::probe::Wish;
use crate::rdata::{Rdata, RdataError};
use crate::record::{Record, RecordType};

/// The octets of a value at most, bundles excepted.
pub const VALUE_LEN_MAX: usize = 64 << 10;
/// The octets of a bundle at most: some 20,000 addresses of one Kubernetes object.
pub const BUNDLE_LEN_MAX: usize = 1 << 20;
/// The records of one bundle at most: one of 1 MiB with the shortest RDATA holds fewer addresses.
pub const BUNDLE_RECORDS_MAX: usize = 65_536;

/// How the keys and values under a prefix are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The tree of an existing ContainerDNS: one record a key.
    ContainerDns,
    /// What external-dns and the etcd plugin of CoreDNS write.
    SkyDns,
    /// What `containerdns-kubeapi` writes: all records of one Kubernetes object in one key.
    Bundle,
}

/// A text that names no format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no format: write containerdns, skydns or bundle")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "containerdns" => Ok(Self::ContainerDns),
            "skydns" => Ok(Self::SkyDns),
            "bundle" => Ok(Self::Bundle),
            _ => Err(UnknownFormat(text.into())),
        }
    }
}

/// All that one key adds; nothing for keys that hold no records (`/containerdns/monitor/...`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contribution {
    /// The records, in the order of the value.
    pub records: Vec<Contributed>,
    /// What is said of names beside their records.
    pub marks: Vec<(Name, Mark)>,
    /// Whether PTR records of its addresses are among the records; else the server makes them.
    pub pointers_given: bool,
    /// Its addresses are to be probed.
    pub probe: Option<Wish>,
    /// Topology zones with the addresses of the key that are in them, no address twice.
    pub zones: ZoneAddresses,
}

/// Names of topology zones, each with addresses in it.
pub type ZoneAddresses = Vec<(Box<str>, Vec<IpAddr>)>;

/// What a key says of a name beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It exists, with or without records.
    Exists,
    /// How answers are chosen there.
    Policy(AnswerPolicy),
    /// Its children are the addresses that they are called: `10-0-0-1.NAME` has A 10.0.0.1.
    AddressNames {
        /// TTL of those records, in seconds.
        ttl_s: u32,
    },
}

/// How the addresses of an answer are ordered and chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerPolicy {
    /// All records, beginning at a random one.
    Rotate,
    /// One record, at random.
    RandomOne,
    /// One record, always the same for a source address while it exists.
    Sticky,
    /// Some records of many, always the same ones for a source address while they exist.
    Subset,
    /// One address, at random, one of weight 20 twice as often as one of weight 10.
    Weighted,
}

/// A text that names no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no answer policy: write rotate, random-one, sticky, subset or weighted")]
pub struct UnknownPolicy(pub String);

impl AnswerPolicy {
    /// Every policy, in order.
    pub const ALL: [Self; 5] = [
        Self::Rotate,
        Self::RandomOne,
        Self::Sticky,
        Self::Subset,
        Self::Weighted,
    ];

    /// As in configurations, annotations, values of the store and the REST API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::RandomOne => "random-one",
            Self::Sticky => "sticky",
            Self::Subset => "subset",
            Self::Weighted => "weighted",
        }
    }
}

impl FromStr for AnswerPolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| UnknownPolicy(text.into()))
    }
}

/// One record of a key, and where it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contributed {
    /// The record at its owner name.
    pub record: Record,
    /// Which names it answers at.
    pub reach: Reach,
    /// How often it is chosen beside others, for addresses; none: as often as any other.
    pub weight: Option<u16>,
    /// The group and key length of SkyDNS, for records of that format only.
    pub group: Option<Group>,
}

impl Contributed {
    /// A record that answers at its owner and belongs to no group.
    #[must_use]
    pub fn at_owner(record: Record) -> Self {
        Self {
            record,
            reach: Reach::Owner,
            weight: None,
            group: None,
        }
    }
}

/// Which names a record answers at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At its owner.
    Owner,
    /// At its owner and at the owner's ancestors up to the apex of its zone (SkyDNS).
    Subtree,
}

/// What SkyDNS needs to choose among the records that answer at one name: when the records with
/// the fewest labels in their key agree on a group, records of other groups are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The labels of the key behind the prefix.
    pub key_labels: u8,
    /// The group; none belongs to every group.
    pub name: Option<Box<str>>,
}

/// A key and its value, as `encode` makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The whole key, prefix included.
    pub key: Vec<u8>,
    /// The value, JSON.
    pub value: Vec<u8>,
}

/// Why a key and its value contribute nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// The value is longer than its format allows; it was not read.
    #[error("value: {len} octets, at most {max} are read: split it over several keys")]
    ValueTooLarge {
        /// Its length in octets.
        len: usize,
        /// The limit in octets.
        max: usize,
    },
    /// The key does not have its format's form.
    #[error("key: {0}")]
    Key(String),
    /// The key's labels are no name.
    #[error("key: {0}")]
    KeyName(#[from] NameError),
    /// The value is not a JSON object of its format.
    #[error("value: {0}")]
    Json(String),
    /// A field is missing, of the wrong type or out of range.
    #[error("{field}: {problem}")]
    Field {
        /// Its path in the value.
        field: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// More records than a value may give.
    #[error("rrsets: {0} records or more, at most 65536 in one key")]
    TooManyRecords(usize),
}

impl FormatError {
    pub(crate) fn field(field: impl Into<String>, problem: impl ToString) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.to_string(),
        }
    }
}

/// Why a record cannot be written in a format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The format has no place for the type.
    #[error("{0} records cannot be written in this format, a bundle holds every type")]
    Type(RecordType),
    /// The owner lies in none of the zones given.
    #[error("{0} lies in none of the zones")]
    Zone(Name),
    /// The owner or target would be read back as something else.
    #[error("{0}")]
    Ambiguous(String),
    /// The text of a TXT record does not survive the format.
    #[error("text: {0}")]
    Text(&'static str),
    /// RDATA that is not of the record's type.
    #[error(transparent)]
    Rdata(#[from] RdataError),
    /// The value would be longer than its format allows.
    #[error("value: {len} octets, at most {max} can be written")]
    ValueTooLarge {
        /// Its length in octets.
        len: usize,
        /// The limit in octets.
        max: usize,
    },
}

/// Reads one key and its value. `zones` are the authoritative suffixes: `containerdns` keys keep
/// NS, MX and TXT under a label in front of the zone, so where the zone starts must be known.
///
/// # Errors
/// A [`FormatError`] that concerns this key alone.
pub fn decode(
    format: Format,
    prefix: &str,
    zones: &[Name],
    key: &[u8],
    value: &[u8],
) -> Result<Contribution, FormatError> {
    let max = if format == Format::Bundle {
        BUNDLE_LEN_MAX
    } else {
        VALUE_LEN_MAX
    };
    if value.len() > max {
        return Err(FormatError::ValueTooLarge {
            len: value.len(),
            max,
        });
    }
    match format {
        Format::ContainerDns => containerdns::decode(prefix, zones, key, value),
        Format::SkyDns => skydns::decode(prefix, key, value),
        Format::Bundle => bundle::decode(prefix, key, value),
    }
}

/// The key of a name behind `prefix`, in lower case: `/changes/test/a/www` for `www.a.test`.
#[must_use]
pub fn name_key(prefix: &str, name: &Name) -> Vec<u8> {
    key::path_from_labels(prefix, name.to_lower().labels(), false)
}

/// The name of a key that [`name_key`] made.
///
/// # Errors
/// [`FormatError::Key`] or [`FormatError::KeyName`] for any other key.
pub fn name_of_key(prefix: &str, key: &[u8]) -> Result<Name, FormatError> {
    key::name_from_path(key::behind_prefix(prefix, key)?)
}

/// The text of a TXT record that a JSON string can hold: strings of 255 octets, the last shorter.
fn joined_text(rdata: &Rdata) -> Result<Vec<u8>, EncodeError> {
    let text: Vec<u8> = rdata.strings().flatten().copied().collect();
    if Rdata::txt_split(&text).as_ref() != Ok(rdata) {
        return Err(EncodeError::Text(
            "several strings, this format keeps one text: use a bundle",
        ));
    }
    Ok(text)
}

/// Whether what was written is read back as the one record it came from.
fn same(read: Result<Contribution, FormatError>, record: &Record) -> Result<(), EncodeError> {
    match read {
        Ok(contribution) => match &contribution.records[..] {
            [only] if only.record == *record => Ok(()),
            _ => Err(EncodeError::Ambiguous(format!(
                "{record} would be read back as another"
            ))),
        },
        Err(error) => Err(EncodeError::Ambiguous(format!(
            "{record} would be refused: {error}"
        ))),
    }
}

#[cfg(test)]
mod tests;
