//! The bodies of the REST API: what its server sends and its clients read.
//!
//! Requests come in through [`request`], which turns a body into typed changes of names; answers
//! go out as the types here. Both ends use them, so that the command line cannot misread the
//! server. Fields are those of the original API; `records` is new: every type has it, as text of a
//! zone file. What a change means for the store is the server's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::format::AnswerPolicy;
use crate::health::Status;
use crate::name::Name;
use crate::probe::Probe;
use crate::rdata::{Rdata, RdataError};
use crate::record::{Record, RecordType};

pub mod request;
mod zones;

pub use request::{Change, NameChange, NewRecord, RequestError, Selector, Settings, check_user};
pub use zones::Zones;

/// The octets of a request's body at most; one with more is answered 413.
pub const BODY_LEN_MAX: usize = 1 << 20;

/// Whether and how addresses are probed: `true`, `false`, or a way such as `"tcp:8080"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Probing {
    /// In the prober's own way, or not at all.
    Asked(bool),
    /// In this way.
    By(Probe),
}

/// The answer to `GET`: names with all that is kept there.
pub type Names = BTreeMap<Name, Rrset>;

/// One RRset as the API shows it, and with `more` the other types of its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rrset {
    /// The type.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Seconds; none takes the DNS server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// Who may change it; none: everybody whose token may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A, AAAA and SRV: how answers are chosen at the name; none: as its zone says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AnswerPolicy>,
    /// A and AAAA: the addresses. SRV: those of backends, in the order of `ports`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpAddr>,
    /// SRV: the ports of backends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// A and AAAA: how often each of `ips` is chosen beside the others, when any has a weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Option<u16>>,
    /// A and AAAA: how the addresses are probed, when they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probing>,
    /// A and AAAA: the ports they are probed at; none: the prober's own choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe_ports: Vec<u16>,
    /// CNAME: the target.
    #[serde(
        rename = "alias-domain",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub alias_target: Option<Name>,
    /// TXT: the text of the first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// MX: the exchange of the first record.
    #[serde(rename = "mailHost", default, skip_serializing_if = "Option::is_none")]
    pub mail_host: Option<Name>,
    /// MX: the preference of the first record.
    #[serde(
        rename = "mailPriority",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub mail_priority: Option<u16>,
    /// NS: the server of the first record.
    #[serde(rename = "nsHost", default, skip_serializing_if = "Option::is_none")]
    pub ns_host: Option<Name>,
    /// PTR: the target of the first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// The RDATA of every record, in presentation format.
    #[serde(default)]
    pub records: Vec<String>,
    /// What probers say of the addresses, where they say something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub health: BTreeMap<IpAddr, Status>,
    /// The RRsets of the other types at this name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Rrset>,
}

impl Rrset {
    /// An RRset without records.
    #[must_use]
    pub fn new(rtype: RecordType) -> Self {
        Self {
            rtype,
            ttl: None,
            user: None,
            policy: None,
            ips: Vec::new(),
            ports: Vec::new(),
            weights: Vec::new(),
            probe: None,
            probe_ports: Vec::new(),
            alias_target: None,
            text: None,
            mail_host: None,
            mail_priority: None,
            ns_host: None,
            host: None,
            records: Vec::new(),
            health: BTreeMap::new(),
            more: Vec::new(),
        }
    }

    /// This RRset and those of the other types at its name.
    pub fn all(&self) -> impl Iterator<Item = &Rrset> {
        std::iter::once(self).chain(&self.more)
    }

    /// The records at `owner`.
    ///
    /// # Errors
    /// A text in `records` is no RDATA of the type: the server is no ContainerDNS.
    pub fn to_records(&self, owner: &Name) -> Result<Vec<Record>, RdataError> {
        let record = |text: &String| {
            Ok(Record {
                owner: owner.clone(),
                rtype: self.rtype,
                ttl: self.ttl,
                rdata: Rdata::parse(self.rtype, text)?,
            })
        };
        self.records.iter().map(record).collect()
    }
}

/// An RRset before or after a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// The owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How answers are chosen at the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AnswerPolicy>,
    /// Weights of those `records` that have one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, u16>,
    /// How the addresses are probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probing>,
    /// The ports they are probed at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probe_ports: Vec<u16>,
    /// RDATA in presentation format. Of large RRsets only what differs.
    pub records: Vec<String>,
    /// How many records are left out of `records`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What happened, or would happen, to one RRset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The owner name.
    pub name: Name,
    /// The type.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// None: it did not exist.
    pub before: Option<State>,
    /// None: it is gone.
    pub after: Option<State>,
}

/// The answer to a write with `dry_run=true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    /// Always true: nothing was written.
    pub dry_run: bool,
    /// One for each RRset that would differ.
    pub changes: Vec<Difference>,
}

/// One change of a name, as the audit trail keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, in UTC (RFC 3339).
    pub time: String,
    /// The name of the token that was used.
    pub token: String,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What was asked: POST, PUT, DELETE, or BATCH.
    pub method: String,
    /// The address that asked.
    pub client: String,
    /// What it changed at this name.
    pub changes: Vec<Difference>,
}

/// The answer to `GET .../{name}/history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The name.
    pub name: Name,
    /// Whether the first entry is the first change ever made through the API; if not, older ones
    /// are compacted away in the store or beyond the limit asked for.
    pub complete: bool,
    /// Newest first.
    pub entries: Vec<HistoryEntry>,
}

/// One change with the store's revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The store's revision of the change.
    pub revision: i64,
    /// The change.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// The body of every failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What is wrong, and what would be right.
    pub error: String,
    /// The field of the body, or the part of the request, that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With 409: what the name holds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Names>,
}
