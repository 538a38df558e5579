//! What a core answers from: nodes, their RRsets and the zones.
//!
//! A node is all that exists at one owner name, made once by `model`, shared by every core and
//! never changed: a change makes a new node. Answering finds a node and copies octets out of it.
//!
//! RRsets hold ready-made records whose owner is the pointer `C0 0C`, the question's name. They
//! suit an answer to the very name asked as they are; `response` writes others (CNAME targets,
//! additional records, RDATA names to compress) from the same octets.

use std::num::{NonZeroU8, NonZeroU32};
use std::sync::Arc;

use containerdns_schema::format::AnswerPolicy;

use crate::topology::TopologyZone;

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

/// All that exists at one owner name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Owner name on the wire, lower case.
    pub owner: Box<[u8]>,
    /// [`crate::wire::hash`] of the owner.
    pub hash: u64,
    /// The zone it belongs to.
    pub zone: ZoneId,
    /// Its part in the zone.
    pub kind: Kind,
    /// Whether `*.owner` exists: names without a node below this one come from it (RFC 4592).
    pub wildcard_child: bool,
    /// TTL in seconds of the addresses that names below are called, where they are answered by
    /// their name alone: `10-0-0-1.owner` has A 10.0.0.1. No such name has a node.
    pub address_ttl_s: Option<NonZeroU32>,
    /// The RRsets, at most one a type, in type order.
    pub rrsets: Box<[RRset]>,
    /// Of a cut: addresses of its name servers that lie at or below the cut.
    pub glue: Box<[Node]>,
}

impl Node {
    /// An empty non-terminal of zone 0.
    pub fn empty(owner: Box<[u8]>) -> Node {
        Node {
            hash: crate::wire::hash(&owner),
            owner,
            zone: ZoneId(0),
            kind: Kind::Inside,
            wildcard_child: false,
            address_ttl_s: None,
            rrsets: Box::default(),
            glue: Box::default(),
        }
    }

    /// The RRset of a type.
    pub fn rrset(&self, rtype: u16) -> Option<&RRset> {
        self.rrsets.iter().find(|rrset| rrset.rtype == rtype)
    }
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

/// The records of one type at a node, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RRset {
    /// Type.
    pub rtype: u16,
    /// Number of records.
    pub count: u16,
    /// Octets of each record when all are the same, else 0.
    pub record_len: u16,
    /// How to choose among the records; only A, AAAA and SRV have other than `Rotate`.
    pub policy: Policy,
    /// Of `Weighted`: for each record its weight and those of all before it, added up. Boxed twice
    /// so that it costs others little.
    pub weights: Option<Box<Vec<u32>>>,
    /// Of A and AAAA: what clients in some topology zones get in its place. Boxed for the same
    /// reason.
    pub nearer: Option<Box<Nearer>>,
    /// The records, one after the other: `C0 0C`, type, class IN, TTL, RDLENGTH, RDATA
    /// (uncompressed). Never empty.
    pub wire: Box<[u8]>,
}

impl RRset {
    /// Makes the records of `rdata`, all with `ttl_s`. The caller has bounded count and sizes.
    pub fn new<'r>(
        rtype: u16,
        ttl_s: u32,
        policy: Policy,
        rdata: impl Iterator<Item = &'r [u8]>,
    ) -> RRset {
        let mut wire = Vec::new();
        let mut count = 0;
        let mut record_len = None;
        for rdata in rdata {
            wire.extend_from_slice(&[0xc0, 0x0c]);
            wire.extend_from_slice(&rtype.to_be_bytes());
            wire.extend_from_slice(&CLASS_IN.to_be_bytes());
            wire.extend_from_slice(&ttl_s.to_be_bytes());
            wire.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            wire.extend_from_slice(rdata);
            count += 1;
            let length = (RECORD_FIXED_LEN + rdata.len()) as u16;
            record_len = match record_len {
                None => Some(length),
                Some(same) if same == length => Some(same),
                Some(_) => Some(0),
            };
        }
        let record_len = record_len.unwrap_or(0);
        RRset {
            rtype,
            count,
            record_len,
            policy,
            weights: None,
            nearer: None,
            wire: wire.into(),
        }
    }

    /// The records, each whole, in order.
    pub fn records(&self) -> Records<'_> {
        Records { rest: &self.wire }
    }

    /// The records from the `start`-th on, then those before it.
    pub fn records_from(&self, start: usize) -> impl Iterator<Item = &[u8]> {
        self.records().skip(start).chain(self.records().take(start))
    }

    /// Where the RDATA of this type holds the name of a host that has addresses, if it does.
    pub fn target_offset(&self) -> Option<usize> {
        match self.rtype {
            rtype::NS => Some(0),
            rtype::MX | rtype::SVCB | rtype::HTTPS => Some(2),
            rtype::SRV => Some(6),
            _ => None,
        }
    }

    /// Whether RDATA ends with a name that may be compressed, and where it begins: the types of
    /// RFC 1035 only (RFC 3597 section 4). SOA is made elsewhere.
    pub fn compressible_offset(&self) -> Option<usize> {
        match self.rtype {
            rtype::NS | rtype::CNAME | rtype::PTR => Some(0),
            rtype::MX => Some(2),
            _ => None,
        }
    }
}

/// For each topology zone that has some records of an RRset, but not all: those, as an RRset of the
/// same policy. In the order of zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearer(pub Vec<(TopologyZone, RRset)>);

impl Nearer {
    /// What clients in a zone get, if that differs from what all get.
    pub fn of(&self, zone: TopologyZone) -> Option<&RRset> {
        let place = self.0.binary_search_by_key(&zone, |(zone, _)| *zone);
        place.ok().map(|place| &self.0[place].1)
    }
}

/// Iterator over the whole records of an RRset.
#[derive(Debug, Clone)]
pub struct Records<'t> {
    rest: &'t [u8],
}

impl<'t> Iterator for Records<'t> {
    type Item = &'t [u8];

    fn next(&mut self) -> Option<&'t [u8]> {
        let length = self.rest.get(10..12)?;
        let length = RECORD_FIXED_LEN + usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (record, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(record)
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
