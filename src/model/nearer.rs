//! Which records of an RRset clients of each topology zone get: those of their own zone.
//!
//! Decided here, when something changes, from the records that are left after dead ones were
//! dropped: a zone without any has no RRset of its own, so that its clients get the rest. An
//! address is in the zones that keys give it, where none does in the one that its own bits say.

use std::collections::BTreeMap;

use super::{Held, compile};
use crate::table::{Nearer, Policy, RRset};
use crate::topology::{Topology, TopologyZone};

/// For each zone that has some of `records`, but not all: an RRset of those. The records are of one
/// type, in the order of their RDATA.
pub(super) fn nearer(
    topology: &Topology,
    records: &[&Held],
    policy: Policy,
    ttl_s: u32,
) -> Option<Nearer> {
    if topology.is_empty() || records.len() < 2 {
        return None;
    }
    let mut zones: BTreeMap<TopologyZone, Vec<&Held>> = BTreeMap::new();
    let mut all = 0;
    for same in records.chunk_by(|a, b| a.rdata == b.rdata) {
        let address = compile::address_of(same[0].rtype, &same[0].rdata)?;
        all += 1;
        let mut zones_of: Vec<TopologyZone> = same.iter().filter_map(|held| held.zone).collect();
        if zones_of.is_empty() {
            zones_of.extend(topology.zone_of(address));
        }
        zones_of.sort_unstable();
        zones_of.dedup();
        for zone in zones_of {
            zones.entry(zone).or_default().extend(same);
        }
    }
    zones.remove(&TopologyZone::ELSEWHERE);
    let near = zones.into_iter().map(|(zone, records)| {
        let rrset = compile::rrset(&records, policy, ttl_s);
        (zone, rrset)
    });
    let near: Vec<(TopologyZone, RRset)> = near
        .filter(|(_, rrset)| usize::from(rrset.count) < all)
        .collect();
    (!near.is_empty()).then_some(Nearer(near))
}
