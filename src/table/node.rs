//! A node in one allocation: its head, its owner name and its RRsets one after the other, so that
//! an answer touches two or three cache lines beside each other, and a core's index needs one
//! pointer for each name.
//!
//! ```text
//! head | owner | RRset | RRset | ...          RRset: fixed part | records
//! fixed part, 12 octets in this machine's order:
//!   type u16 | count u16 | record_len u16 | policy u8, its number u8 | octets of the records u32
//! ```
//! What few nodes have lies behind a pointer of the head. Octets are written by [`NodeParts::pack`]
//! alone and read here alone.

use std::num::{NonZeroU8, NonZeroU32};
use std::ops::Deref;

use triomphe::ThinArc;

use crate::kernel;

use super::{Extra, Kind, Policy, RRset, RRsetView, ZoneId};

/// All that exists at one owner name. Shared: a clone is one count more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node(ThinArc<NodeHead, u8>);

/// The fixed fields of a node.
#[derive(Debug, PartialEq, Eq)]
pub struct NodeHead {
    /// [`crate::wire::hash`] of the owner.
    pub hash: u64,
    rare: Option<Box<Rare>>,
    /// TTL in seconds of the addresses that names below are called, where they are answered by
    /// their name alone: `10-0-0-1.owner` has A 10.0.0.1. No such name has a node.
    pub address_ttl_s: Option<NonZeroU32>,
    /// The zone it belongs to.
    pub zone: ZoneId,
    owner_len: u8,
    /// Its part in the zone.
    pub kind: Kind,
    /// Whether `*.owner` exists: names without a node below this one come from it (RFC 4592).
    pub wildcard_child: bool,
}

/// What few nodes have.
#[derive(Debug, PartialEq, Eq)]
struct Rare {
    /// By type.
    extras: Vec<(u16, Extra)>,
    glue: Box<[Node]>,
}

/// What a node is made from.
#[derive(Debug)]
pub struct NodeParts {
    /// Owner name on the wire, lower case, 255 octets at most.
    pub owner: Box<[u8]>,
    /// The zone it belongs to.
    pub zone: ZoneId,
    /// As in [`NodeHead`].
    pub kind: Kind,
    /// As in [`NodeHead`].
    pub wildcard_child: bool,
    /// As in [`NodeHead`].
    pub address_ttl_s: Option<NonZeroU32>,
    /// The RRsets, at most one a type, in type order.
    pub rrsets: Box<[RRset]>,
    /// Of a cut: addresses of its name servers that lie at or below the cut.
    pub glue: Box<[Node]>,
}

const CACHE_LINE: usize = 64;
/// Lines of a node with a name of 40 octets and five addresses.
const PREFETCH_LINES: usize = 3;
/// Octets of an RRset's fixed part.
const FIXED_LEN: usize = 12;

impl Deref for Node {
    type Target = NodeHead;

    fn deref(&self) -> &NodeHead {
        &self.0.header.header
    }
}

impl Node {
    /// Owner name on the wire, lower case.
    pub fn owner(&self) -> &[u8] {
        &self.0.slice[..usize::from(self.owner_len)]
    }

    /// The RRset of a type.
    pub fn rrset(&self, rtype: u16) -> Option<RRsetView<'_>> {
        self.rrsets().find(|rrset| rrset.rtype == rtype)
    }

    /// The RRsets, in type order.
    pub fn rrsets(&self) -> impl Iterator<Item = RRsetView<'_>> {
        RRsets {
            rest: &self.0.slice[usize::from(self.owner_len)..],
            rare: self.rare.as_deref(),
        }
    }

    /// Of a cut: addresses of its name servers that lie at or below the cut.
    pub fn glue(&self) -> &[Node] {
        self.rare.as_ref().map_or(&[], |rare| &rare.glue)
    }

    /// Has the caches fetch it, as far as usual nodes go. Reads nothing of it.
    #[inline]
    pub fn prefetch(&self) {
        let start: *const u8 = self.0.as_ptr().cast();
        for line in 0..PREFETCH_LINES {
            kernel::prefetch(start.wrapping_add(line * CACHE_LINE));
        }
    }
}

impl NodeParts {
    /// An empty non-terminal of zone 0.
    pub fn empty(owner: Box<[u8]>) -> NodeParts {
        NodeParts {
            owner,
            zone: ZoneId(0),
            kind: Kind::Inside,
            wildcard_child: false,
            address_ttl_s: None,
            rrsets: Box::default(),
            glue: Box::default(),
        }
    }

    /// The node.
    pub fn pack(self) -> Node {
        let records: usize = self.rrsets.iter().map(|rrset| rrset.wire.len()).sum();
        let fixed = FIXED_LEN * self.rrsets.len();
        let mut octets = Vec::with_capacity(self.owner.len() + fixed + records);
        octets.extend_from_slice(&self.owner);
        let mut extras = Vec::new();
        for rrset in self.rrsets {
            write(&rrset, &mut octets);
            extras.extend(rrset.extra.map(|extra| (rrset.rtype, *extra)));
        }
        let rare = Rare {
            extras,
            glue: self.glue,
        };
        let is_rare = !rare.extras.is_empty() || !rare.glue.is_empty();
        let head = NodeHead {
            hash: crate::wire::hash(&self.owner),
            rare: is_rare.then(|| Box::new(rare)),
            address_ttl_s: self.address_ttl_s,
            zone: self.zone,
            owner_len: self.owner.len() as u8,
            kind: self.kind,
            wildcard_child: self.wildcard_child,
        };
        Node(ThinArc::from_header_and_slice(head, &octets))
    }
}

fn write(rrset: &RRset, octets: &mut Vec<u8>) {
    let (policy, number) = match rrset.policy {
        Policy::Rotate => (ROTATE, 0),
        Policy::RandomOne => (RANDOM_ONE, 0),
        Policy::Sticky => (STICKY, 0),
        Policy::Subset(len) => (SUBSET, len.get()),
        Policy::Weighted => (WEIGHTED, 0),
    };
    for field in [rrset.rtype, rrset.count, rrset.record_len] {
        octets.extend_from_slice(&field.to_ne_bytes());
    }
    octets.extend_from_slice(&[policy, number]);
    octets.extend_from_slice(&(rrset.wire.len() as u32).to_ne_bytes());
    octets.extend_from_slice(&rrset.wire);
}

const ROTATE: u8 = 0;
const RANDOM_ONE: u8 = 1;
const STICKY: u8 = 2;
const SUBSET: u8 = 3;
const WEIGHTED: u8 = 4;

/// The RRsets that are left to read.
struct RRsets<'t> {
    rest: &'t [u8],
    rare: Option<&'t Rare>,
}

impl<'t> Iterator for RRsets<'t> {
    type Item = RRsetView<'t>;

    #[inline]
    fn next(&mut self) -> Option<RRsetView<'t>> {
        let (fixed, rest) = self.rest.split_first_chunk::<FIXED_LEN>()?;
        let [t0, t1, c0, c1, r0, r1, policy, number, wire_len @ ..] = *fixed;
        let (wire, rest) = rest.split_at_checked(u32::from_ne_bytes(wire_len) as usize)?;
        self.rest = rest;
        let rtype = u16::from_ne_bytes([t0, t1]);
        Some(RRsetView {
            rtype,
            count: u16::from_ne_bytes([c0, c1]),
            record_len: u16::from_ne_bytes([r0, r1]),
            policy: match (policy, NonZeroU8::new(number)) {
                (RANDOM_ONE, _) => Policy::RandomOne,
                (STICKY, _) => Policy::Sticky,
                (SUBSET, Some(len)) => Policy::Subset(len),
                (WEIGHTED, _) => Policy::Weighted,
                _ => Policy::Rotate,
            },
            extra: self.rare.and_then(|rare| rare.extra(rtype)),
            wire,
        })
    }
}

impl Rare {
    fn extra(&self, rtype: u16) -> Option<&Extra> {
        let of_type = self.extras.iter().find(|(other, _)| *other == rtype);
        of_type.map(|(_, extra)| extra)
    }
}
