//! All records of one Kubernetes object in one key: what `containerdns-kubeapi` writes.
//!
//! Key: `<prefix><cluster>/<kind>/<namespace>/<name>`, kind one of services, endpointslices, pods,
//! namespaces, serviceimports, records. Value: `{"v":1,"rrsets":[{"name","type","ttl",
//! "rdata":[...]},...]}`, RDATA in presentation format; `ttl` may be left out. An RRset of
//! addresses may have `weights`, one for each of `rdata` or null. Beside `v` may stand
//!
//! - `names`: names that exist also without a record (answered with NODATA);
//! - `policy`: how answers are chosen at every owner of the bundle;
//! - `address_names`: `[{"name","ttl"}]`, names whose children are the addresses that they are
//!   called: `10-0-0-1.NAME` has A 10.0.0.1, stored nowhere;
//! - `pointers_given`: true when the bundle holds the PTR records of its addresses itself; else the
//!   server makes them in its reverse zones;
//! - `probe`: its addresses are to be probed, and how (see [`crate::probe`]);
//! - `zones`: `{"zone-a":["10.0.0.1",...],...}`, the topology zones that its addresses are in.
//!
//! Fields not named here are ignored, another `v` is refused. One bad RRset makes the whole bundle
//! bad: half an object is not served.
//!
//! The kind records is for what comes from no object of Kubernetes: the REST API keeps there, in
//! the cluster [`API_CLUSTER`], one key a name with the records that the `containerdns` tree cannot
//! hold; then `user` stands beside `v`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

use super::json::{self, List, Scalar, quoted};
use super::{
    AnswerPolicy, BUNDLE_RECORDS_MAX, Contributed, Contribution, FormatError, Mark, ZoneAddresses,
    key,
};
use crate::name::Name;
use crate::probe::{ProbeError, Wish};
use crate::rdata::Rdata;
use crate::record::{Record, RecordType, TTL_MAX_S};

mod encode;

pub use encode::encode;

/// The version of the value's form.
const VERSION: u32 = 1;

/// The cluster in the keys of the REST API.
pub const API_CLUSTER: &str = "api";

/// The kind of Kubernetes object that a bundle comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A Service.
    Services,
    /// An EndpointSlice.
    EndpointSlices,
    /// A Pod.
    Pods,
    /// A Namespace; its own name is also its namespace.
    Namespaces,
    /// A ServiceImport of a set of clusters.
    ServiceImports,
    /// A name of the REST API.
    Records,
}

/// The kind as a segment of the key.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
            Self::Pods => "pods",
            Self::Namespaces => "namespaces",
            Self::ServiceImports => "serviceimports",
            Self::Records => "records",
        })
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "services" => Self::Services,
            "endpointslices" => Self::EndpointSlices,
            "pods" => Self::Pods,
            "namespaces" => Self::Namespaces,
            "serviceimports" => Self::ServiceImports,
            "records" => Self::Records,
            _ => return Err(()),
        })
    }
}

/// What a bundle is written from.
#[derive(Debug, Default, Clone, Copy)]
pub struct Bundle<'a> {
    /// Who owns it, in bundles of the REST API.
    pub user: Option<&'a str>,
    /// How answers are chosen at its owners.
    pub policy: Option<AnswerPolicy>,
    /// Names that exist also without a record.
    pub names: &'a [Name],
    /// Names whose children are addresses, with the TTL in seconds of those.
    pub address_names: &'a [(Name, u32)],
    /// Whether the PTR records of its addresses are among the RRsets.
    pub pointers_given: bool,
    /// Whether and how its addresses are to be probed.
    pub probe: Option<&'a Wish>,
    /// Topology zones with the addresses that are in them, in the order of both.
    pub zones: &'a [(&'a str, Vec<IpAddr>)],
    /// The records.
    pub rrsets: &'a [Rrset],
}

/// All records of one owner and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rrset {
    /// The owner.
    pub name: Name,
    /// The type.
    pub rtype: RecordType,
    /// Seconds; none takes the server's default.
    pub ttl: Option<u32>,
    /// At least one.
    pub rdata: Vec<Rdata>,
    /// How often each is chosen beside the others, in the same order; empty: none has a weight.
    pub weights: Vec<Option<u16>>,
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow, default)]
    v: Scalar<'a>,
    #[serde(borrow)]
    rrsets: Option<Vec<StoredRrset<'a>>>,
    #[serde(borrow, default)]
    names: List<'a>,
    #[serde(borrow, default)]
    policy: Scalar<'a>,
    #[serde(borrow, default)]
    address_names: Vec<StoredAddressName<'a>>,
    #[serde(borrow, default)]
    pointers_given: Scalar<'a>,
    #[serde(borrow, default)]
    probe: Scalar<'a>,
    #[serde(borrow, default)]
    zones: StoredZones<'a>,
}

/// `zones`, or what is there in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredZones<'a> {
    Zones(#[serde(borrow)] BTreeMap<Cow<'a, str>, List<'a>>),
    Other(Scalar<'a>),
}

impl Default for StoredZones<'_> {
    fn default() -> Self {
        Self::Other(Scalar::Absent)
    }
}

#[derive(Deserialize)]
struct StoredAddressName<'a> {
    #[serde(borrow, default)]
    name: Scalar<'a>,
    #[serde(borrow, default)]
    ttl: Scalar<'a>,
}

#[derive(Deserialize)]
struct StoredRrset<'a> {
    #[serde(borrow, default)]
    name: Scalar<'a>,
    #[serde(borrow, default, rename = "type")]
    rtype: Scalar<'a>,
    #[serde(borrow, default)]
    ttl: Scalar<'a>,
    #[serde(borrow, default)]
    rdata: List<'a>,
    #[serde(borrow, default)]
    weights: List<'a>,
}

/// Reads one key and its value; see [`super::decode`].
pub(super) fn decode(prefix: &str, key: &[u8], value: &[u8]) -> Result<Contribution, FormatError> {
    check_key(prefix, key)?;
    // The version first: another one may have another form.
    #[derive(Deserialize)]
    struct Version<'a> {
        #[serde(borrow, default)]
        v: Scalar<'a>,
    }
    let stored = json::object::<Stored<'_>>(value).or_else(|error| {
        if let Ok(Version { v }) = json::object(value) {
            check_version(&v)?;
        }
        Err(error)
    })?;
    check_version(&stored.v)?;
    let rrsets = stored
        .rrsets
        .ok_or_else(|| FormatError::field("rrsets", "missing"))?;
    let mut records = Vec::new();
    for (index, rrset) in rrsets.into_iter().enumerate() {
        push_rrset(rrset, &mut records).map_err(|error| match error {
            FormatError::Field { field, problem } => FormatError::Field {
                field: format!("rrsets[{index}].{field}"),
                problem,
            },
            other => other,
        })?;
    }
    let mut marks = Vec::new();
    push_marks(&mut marks, stored.names, stored.address_names)?;
    if let Some(policy) = stored.policy.policy()? {
        let mut owners: Vec<&Name> = records.iter().map(|held| &held.record.owner).collect();
        owners.dedup();
        marks.extend(
            owners
                .into_iter()
                .map(|owner| (owner.clone(), Mark::Policy(policy))),
        );
    }
    let probe = stored.probe.filled_text("probe")?;
    let probe = probe.map(|text| text.parse()).transpose();
    Ok(Contribution {
        records,
        marks,
        pointers_given: stored.pointers_given.flag("pointers_given")?,
        probe: probe.map_err(|error: ProbeError| FormatError::field("probe", error))?,
        zones: zones(stored.zones)?,
    })
}

/// Which topology zones addresses are in.
fn zones(stored: StoredZones<'_>) -> Result<ZoneAddresses, FormatError> {
    let stored = match stored {
        StoredZones::Zones(zones) => zones,
        StoredZones::Other(Scalar::Absent) => return Ok(Vec::new()),
        StoredZones::Other(other) => {
            return Err(other.wrong("zones", "an object with a list of addresses for each zone"));
        }
    };
    let mut seen = HashSet::new();
    let mut zones = Vec::new();
    for (zone, texts) in stored {
        if seen.len() + texts.0.len() > BUNDLE_RECORDS_MAX {
            return Err(FormatError::TooManyRecords(seen.len() + texts.0.len()));
        }
        let mut addresses = Vec::with_capacity(texts.0.len());
        for (index, text) in texts.0.into_iter().enumerate() {
            let field = format!("zones.{zone}[{index}]");
            let text = required(text.filled_text(&field)?, &field)?;
            let address: IpAddr = text.parse().map_err(|_| {
                FormatError::field(&field, format_args!("{} is no IP address", quoted(&text)))
            })?;
            if !seen.insert(address) {
                return Err(FormatError::field(
                    field,
                    format_args!("{address} is there twice, an address is in one zone"),
                ));
            }
            addresses.push(address);
        }
        zones.push((zone.into(), addresses));
    }
    Ok(zones)
}

/// What is said of names beside their records.
fn push_marks(
    marks: &mut Vec<(Name, Mark)>,
    names: List<'_>,
    address_names: Vec<StoredAddressName<'_>>,
) -> Result<(), FormatError> {
    if names.0.len() + address_names.len() > BUNDLE_RECORDS_MAX {
        let count = names.0.len() + address_names.len();
        return Err(FormatError::TooManyRecords(count));
    }
    for (index, text) in names.0.into_iter().enumerate() {
        let name = parse_name(text, &format!("names[{index}]"))?;
        marks.push((name, Mark::Exists));
    }
    for (index, stored) in address_names.into_iter().enumerate() {
        let name = parse_name(stored.name, &format!("address_names[{index}].name"))?;
        let field = format!("address_names[{index}].ttl");
        let ttl_s = stored.ttl.number(&field, TTL_MAX_S)?;
        let ttl_s = ttl_s.ok_or_else(|| FormatError::field(field, "missing"))?;
        marks.push((name, Mark::AddressNames { ttl_s }));
    }
    Ok(())
}

fn parse_name(text: Scalar<'_>, field: &str) -> Result<Name, FormatError> {
    let text = required(text.filled_text(field)?, field)?;
    Name::parse(&text)
        .map_err(|error| FormatError::field(field, format_args!("{}: {error}", quoted(&text))))
}

fn check_version(v: &Scalar<'_>) -> Result<(), FormatError> {
    match v {
        Scalar::Number(number) if *number == i64::from(VERSION) => Ok(()),
        Scalar::Absent => Err(FormatError::field(
            "v",
            format_args!("missing, write {VERSION}"),
        )),
        other => Err(other.wrong("v", format_args!("a known version, write {VERSION}"))),
    }
}

fn push_rrset(rrset: StoredRrset<'_>, records: &mut Vec<Contributed>) -> Result<(), FormatError> {
    let owner = parse_name(rrset.name, "name")?;
    let rtype: RecordType = required(rrset.rtype.filled_text("type")?, "type")?
        .parse()
        .map_err(|error| FormatError::field("type", error))?;
    let ttl = rrset.ttl.ttl()?;
    let texts = rrset.rdata.0;
    if texts.is_empty() {
        return Err(FormatError::field(
            "rdata",
            "missing: an RRset has one record or more",
        ));
    }
    if records.len() + texts.len() > BUNDLE_RECORDS_MAX {
        return Err(FormatError::TooManyRecords(records.len() + texts.len()));
    }
    let weights = read_weights(rrset.weights, texts.len())?;
    for (index, text) in texts.into_iter().enumerate() {
        let field = || format!("rdata[{index}]");
        let Scalar::Text(text) = text else {
            return Err(text.wrong(&field(), "a string in presentation format"));
        };
        let rdata = Rdata::parse(rtype, &text).map_err(|e| FormatError::field(field(), e))?;
        let record = Record {
            owner: owner.clone(),
            rtype,
            ttl,
            rdata,
        };
        let weight = weights.get(index).copied().flatten();
        records.push(Contributed {
            weight: weight.filter(|_| record.is_address()),
            ..Contributed::at_owner(record)
        });
    }
    Ok(())
}

/// None at all, or one for each record.
fn read_weights(weights: List<'_>, records: usize) -> Result<Vec<Option<u16>>, FormatError> {
    let given = weights.0.len();
    if given != 0 && given != records {
        let problem = format_args!("{given} for {records} records: write one each, or null");
        return Err(FormatError::field("weights", problem));
    }
    let weight =
        |(index, weight): (usize, Scalar<'_>)| weight.number16(&format!("weights[{index}]"));
    weights.0.into_iter().enumerate().map(weight).collect()
}

fn required<'a>(text: Option<Cow<'a, str>>, field: &str) -> Result<Cow<'a, str>, FormatError> {
    text.ok_or_else(|| FormatError::field(field, "missing"))
}

fn check_key(prefix: &str, key: &[u8]) -> Result<(), FormatError> {
    let path = key::behind_prefix(prefix, key)?;
    let segments: Vec<&[u8]> = path.split(|&octet| octet == b'/').collect();
    let is_kind =
        |segment: &[u8]| std::str::from_utf8(segment).is_ok_and(|s| Kind::from_str(s).is_ok());
    match segments[..] {
        [cluster, kind, namespace, name]
            if is_kind(kind)
                && ![cluster, namespace, name]
                    .iter()
                    .any(|segment| segment.is_empty()) =>
        {
            Ok(())
        }
        _ => Err(FormatError::Key(
            "a bundle's is <cluster>/<services|endpointslices|pods|namespaces|serviceimports\
             |records>/<namespace>/<name>"
                .into(),
        )),
    }
}

/// The key of an object's bundle. The names are Kubernetes names, which hold no `/`.
#[must_use]
pub fn key(prefix: &str, cluster: &str, kind: Kind, namespace: &str, name: &str) -> Vec<u8> {
    let stem = prefix.strip_suffix('/').unwrap_or(prefix);
    format!("{stem}/{cluster}/{kind}/{namespace}/{name}").into_bytes()
}

/// The key of a name of the REST API, in its zone.
#[must_use]
pub fn api_key(prefix: &str, zone: &Name, name: &Name) -> Vec<u8> {
    let segment = |name: &Name| {
        let text = name.to_lower().to_string();
        let text = text.strip_suffix('.').unwrap_or(&text);
        text.replace('/', "\\047")
    };
    key(
        prefix,
        API_CLUSTER,
        Kind::Records,
        &segment(zone),
        &segment(name),
    )
}

/// What all keys of the REST API start with.
#[must_use]
pub fn api_prefix(prefix: &str) -> String {
    let stem = prefix.strip_suffix('/').unwrap_or(prefix);
    format!("{stem}/{API_CLUSTER}/{}/", Kind::Records)
}
