//! The records of one type at a node: as they are made, and as a view of octets that lie anywhere.
//!
//! Most RRsets are a few fixed fields and their records. What only some have, weights and the
//! records of topology zones, is apart, so that it costs the others one pointer.

use super::{CLASS_IN, Policy, RECORD_FIXED_LEN, rtype};
use crate::topology::TopologyZone;

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
    /// What only some RRsets have.
    pub extra: Option<Box<Extra>>,
    /// The records, one after the other: `C0 0C`, type, class IN, TTL, RDLENGTH, RDATA
    /// (uncompressed). Never empty.
    pub wire: Box<[u8]>,
}

/// What only some RRsets have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    /// Of `Weighted`: for each record its weight and those of all before it, added up.
    pub weights: Vec<u32>,
    /// Of A and AAAA: what clients in some topology zones get in its place.
    pub nearer: Nearer,
}

/// An RRset as it is read, wherever it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RRsetView<'t> {
    /// As in [`RRset`].
    pub rtype: u16,
    /// As in [`RRset`].
    pub count: u16,
    /// As in [`RRset`].
    pub record_len: u16,
    /// As in [`RRset`].
    pub policy: Policy,
    /// As in [`RRset`].
    pub extra: Option<&'t Extra>,
    /// As in [`RRset`].
    pub wire: &'t [u8],
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
            extra: None,
            wire: wire.into(),
        }
    }

    /// It as it is read.
    pub fn view(&self) -> RRsetView<'_> {
        RRsetView {
            rtype: self.rtype,
            count: self.count,
            record_len: self.record_len,
            policy: self.policy,
            extra: self.extra.as_deref(),
            wire: &self.wire,
        }
    }
}

impl<'t> RRsetView<'t> {
    /// The records, each whole, in order.
    pub fn records(self) -> Records<'t> {
        Records { rest: self.wire }
    }

    /// The records from the `start`-th on, then those before it.
    pub fn records_from(self, start: usize) -> impl Iterator<Item = &'t [u8]> {
        self.records().skip(start).chain(self.records().take(start))
    }

    /// Whether its RDATA holds a name that matters when it is written.
    #[inline]
    pub fn has_names(self) -> bool {
        self.compressible_offset().is_some() || self.target_offset().is_some()
    }

    /// Where the RDATA of this type holds the name of a host that has addresses, if it does.
    pub fn target_offset(self) -> Option<usize> {
        match self.rtype {
            rtype::NS => Some(0),
            rtype::MX | rtype::SVCB | rtype::HTTPS => Some(2),
            rtype::SRV => Some(6),
            _ => None,
        }
    }

    /// Whether RDATA ends with a name that may be compressed, and where it begins: the types of
    /// RFC 1035 only (RFC 3597 section 4). SOA is made elsewhere.
    pub fn compressible_offset(self) -> Option<usize> {
        match self.rtype {
            rtype::NS | rtype::CNAME | rtype::PTR => Some(0),
            rtype::MX => Some(2),
            _ => None,
        }
    }
}

/// For each topology zone that has some records of an RRset, but not all: those, as an RRset of the
/// same policy. In the order of zones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nearer(pub Vec<(TopologyZone, RRset)>);

impl Nearer {
    /// What clients in a zone get, if that differs from what all get.
    pub fn of(&self, zone: TopologyZone) -> Option<RRsetView<'_>> {
        let place = self.0.binary_search_by_key(&zone, |(zone, _)| *zone);
        place.ok().map(|place| self.0[place].1.view())
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
