//! What a core answers from: nodes, their RRsets and the zones.
//!
//! A node is all that exists at one owner name, made once by `model`, shared by every core and
//! never changed: a change makes a new node. Answering finds a node and copies octets out of it. It
//! is packed into one allocation (`node`), from RRsets as they are made (`rrset`).
//!
//! RRsets hold ready-made records whose owner is the pointer `C0 0C`, the question's name. They
//! suit an answer to the very name asked as they are; `response` writes others (CNAME targets,
//! additional records, RDATA names to compress) from the same octets.

mod node;
mod rrset;
mod soa;

use std::num::NonZeroU8;
use std::sync::Arc;

use containerdns_schema::format::AnswerPolicy;

pub use self::node::{Node, NodeHead, NodeParts};
pub use self::rrset::{Extra, Nearer, RRset, RRsetView, Records};
pub use self::soa::SoaRecord;

/// DNS types that the packet path treats in its own way (IANA "DNS parameters").
#[allow(missing_docs, reason = "the names are the definition")]
pub mod rtype {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const HINFO: u16 = 13;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const SVCB: u16 = 64;
    pub const HTTPS: u16 = 65;
    pub const TKEY: u16 = 249;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const ANY: u16 = 255;
}

/// Class IN.
pub const CLASS_IN: u16 = 1;
/// Octets of a ready-made record before its RDATA: owner pointer, type, class, TTL, RDLENGTH.
pub const RECORD_FIXED_LEN: usize = 12;

/// Place of a zone in the table of zones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ZoneId(pub u16);

/// Place of a view in the configuration: records that some clients see instead of everybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewId(pub u8);

/// What a node is in its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name inside the zone; without RRsets an empty non-terminal.
    Inside,
    /// The zone's apex: SOA is made from the zone and the revision.
    Apex,
    /// A zone cut: all at and below it is a referral (RFC 1034 section 4.2.1). Names below have no
    /// node of their own.
    Cut,
}

/// How the addresses of an answer are ordered and chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// All records, beginning at a random one.
    #[default]
    Rotate,
    /// One record, at random.
    RandomOne,
    /// One record, always the same for a source address while it exists (rendezvous hashing).
    Sticky,
    /// So many records, always the same ones for a source address while they exist. The RRset's
    /// records are in the order of [`crate::choice::ring_place`].
    Subset(NonZeroU8),
    /// One record, at random by [`RRset::weights`].
    Weighted,
}

impl Policy {
    /// The policy that a configuration or a key names; `subset_len` is the size of a subset.
    pub fn new(named: AnswerPolicy, subset_len: NonZeroU8) -> Policy {
        match named {
            AnswerPolicy::Rotate => Policy::Rotate,
            AnswerPolicy::RandomOne => Policy::RandomOne,
            AnswerPolicy::Sticky => Policy::Sticky,
            AnswerPolicy::Subset => Policy::Subset(subset_len),
            AnswerPolicy::Weighted => Policy::Weighted,
        }
    }
}

/// What a zone adds to its nodes: the SOA without its serial, which is the revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Apex on the wire, lower case.
    pub apex: Arc<[u8]>,
    /// The zone that this one is cut out of, when that is ours too: DS at the apex is its.
    pub parent: Option<ZoneId>,
    /// Fields of the SOA.
    pub soa: Soa,
}

/// SOA fields other than the serial (RFC 1035 section 3.3.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// Primary name server, on the wire.
    pub mname: Box<[u8]>,
    /// Mailbox of who is responsible, on the wire.
    pub rname: Box<[u8]>,
    /// Refresh, retry, expire and minimum, seconds.
    pub timers_s: [u32; 4],
    /// TTL of the SOA itself, seconds.
    pub ttl_s: u32,
}

impl Soa {
    /// TTL of negative answers: the smaller of the SOA's TTL and its minimum (RFC 2308 section 5).
    pub fn negative_ttl_s(&self) -> u32 {
        self.ttl_s.min(self.timers_s[3])
    }
}

/// Every zone of the server. Few: found by apex only through nodes.
#[derive(Debug, Clone, Default)]
pub struct Zones(pub Vec<Zone>);

impl Zones {
    /// The zone of an id that a node carries.
    pub fn get(&self, id: ZoneId) -> Option<&Zone> {
        self.0.get(usize::from(id.0))
    }
}
