//! From what is held at a name to the node that cores answer from.
//!
//! Here all of it is decided once: which records count (own before inherited before derived, live
//! before dead, SkyDNS groups), that a CNAME stands alone, what an apex has without being given it,
//! and what a referral needs as glue.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Bound;
use std::sync::Arc;

use super::hold::{self, MARK};
use super::nearer;
use super::{DERIVED_MAX, Held, INHERITED_MAX, Model, NameId, Origin, State, canonical};
use crate::choice;
use crate::delta::Change;
use crate::table::{Extra, Kind, Node, NodeParts, Policy, RRset, Soa, rtype};
use crate::topology::Topology;
use crate::wire;

/// Records of one RRset at most: its count is 16 bits on the wire.
const RRSET_RECORDS_MAX: usize = u16::MAX as usize;
/// Weight of an address that has none: as that of SRV records in the store's formats.
const WEIGHT_DEFAULT: u16 = 100;
/// Name servers made for an apex at most: as many as a referral of 512 octets ever held.
const NAME_SERVERS_MAX: usize = 13;

impl Model {
    /// Appends what the cores must do so that `id` is as it is here.
    pub(super) fn compile(&mut self, id: NameId, changes: &mut Vec<Change>) {
        let state = &self.states[id.0 as usize];
        let owner: Box<[u8]> = canonical::to_wire(&state.canonical).into();
        if self.is_occluded(state) {
            changes.push(Change::Remove(state.view, owner.into()));
            self.conflicts.remove(&id);
            self.failed_open.remove(&id);
            return;
        }
        let (mut chosen, mut conflict) = without_conflict(self.choose(state));
        let (view, zone) = (state.view, state.zone);
        let kind = match (state.apex, state.cut) {
            (true, _) => Kind::Apex,
            (false, true) => Kind::Cut,
            (false, false) => Kind::Inside,
        };
        let mut soa = None;
        let made;
        match kind {
            Kind::Apex => {
                // A view has neither SOA nor NS: its clients, too, get those of the zone.
                soa = view.is_none().then(|| self.soa(state, &chosen));
                // Beside the SOA that every apex has, a CNAME never stands alone.
                conflict |= chosen.iter().any(|held| held.rtype == rtype::CNAME);
                chosen.retain(|held| !matches!(held.rtype, rtype::SOA | rtype::CNAME));
                if view.is_none() && !chosen.iter().any(|held| held.rtype == rtype::NS) {
                    made = self.made_name_servers(state);
                    chosen.extend(&made);
                }
            }
            // The rest of what stands at a cut is the child zone's (RFC 2181 section 6.1).
            Kind::Cut => chosen.retain(|held| matches!(held.rtype, rtype::NS | rtype::DS)),
            Kind::Inside => chosen.retain(|held| held.rtype != rtype::SOA),
        }
        let failed_open = self.fails_open(&chosen);
        let policy = self.policy(state);
        let (ttl_default_s, topology) = (self.settings.ttl_default_s, &self.settings.topology);
        let glue = if kind == Kind::Cut {
            self.glue(state, &chosen)
        } else {
            Box::default()
        };
        let node = NodeParts {
            owner,
            zone,
            kind,
            wildcard_child: state.wildcard_child,
            address_ttl_s: hold::marked_address_ttl(&state.records),
            rrsets: rrsets(chosen, policy, ttl_default_s, Some(topology)),
            glue,
        };
        changes.push(Change::Put(view, node.pack()));
        if let Some(soa) = soa {
            let held = &mut self.soas[usize::from(zone.0)];
            if **held != soa {
                *held = Arc::new(soa);
                changes.push(Change::Soa(zone, Arc::clone(held)));
            }
        }
        for (names, belongs) in [
            (&mut self.conflicts, conflict),
            (&mut self.failed_open, failed_open),
        ] {
            match belongs {
                true => names.insert(id),
                false => names.remove(&id),
            };
        }
    }

    /// Whether a zone cut lies above the name.
    fn is_occluded(&self, state: &State) -> bool {
        let parents = std::iter::successors(state.parent, |id| self.states[id.0 as usize].parent);
        parents.into_iter().any(|id| self.states[id.0 as usize].cut)
    }

    /// The records that count at a name.
    fn choose<'m>(&'m self, state: &'m State) -> Vec<&'m Held> {
        let records = &state.records;
        let of = |origin| {
            records
                .iter()
                .filter(move |held: &&Held| held.origin == origin && held.rtype != MARK)
        };
        let mut chosen: Vec<&Held> = of(Origin::Own).collect();
        let has_alias = !state.apex && chosen.iter().any(|held| held.rtype == rtype::CNAME);
        if let Some(dedicated) = self.apex_records(state) {
            chosen.extend(dedicated);
        } else if !has_alias && of(Origin::Inherited).count() <= INHERITED_MAX {
            chosen.extend(of(Origin::Inherited));
        }
        in_group(&mut chosen);
        if !has_alias {
            let mut derived: Vec<&Held> = of(Origin::Derived).collect();
            if !derived.is_empty() {
                let own_types: HashSet<u16> = chosen.iter().map(|held| held.rtype).collect();
                derived.retain(|held| !own_types.contains(&held.rtype));
            }
            if derived.len() > DERIVED_MAX {
                // The first in order, so that every server has the same ones.
                derived.select_nth_unstable_by(DERIVED_MAX, |a, b| a.rdata.cmp(&b.rdata));
                derived.truncate(DERIVED_MAX);
            }
            chosen.extend(derived);
        }
        self.drop_dead(&mut chosen);
        chosen
    }

    /// SkyDNS keeps an apex's own records at `apex.dns.ZONE`; they stand in for subtree answers.
    fn apex_records<'m>(&'m self, state: &State) -> Option<impl Iterator<Item = &'m Held>> {
        if !state.apex {
            return None;
        }
        let records = &self.service_state(state, b"apex")?.records;
        let kept = records.iter().filter(|held| {
            held.origin != Origin::Derived
                && matches!(held.rtype, rtype::A | rtype::AAAA | rtype::TXT | rtype::MX)
        });
        (kept.clone().count() > 0).then_some(kept)
    }

    /// The state of `label.dns.ZONE`.
    fn service_state(&self, apex: &State, label: &[u8]) -> Option<&State> {
        let mut name = apex.canonical.to_vec();
        canonical::push_label(&mut name, b"dns");
        canonical::push_label(&mut name, label);
        self.tree(apex.view)
            .get(&name[..])
            .map(|id| &self.states[id.0 as usize])
    }

    /// Leaves out addresses whose backend is down, unless that would leave none of their type: then
    /// the checks are wrong more likely than every backend dead.
    fn drop_dead(&self, chosen: &mut Vec<&Held>) {
        if self.backends.len() == 0 {
            return;
        }
        let is_down = |held: &Held| {
            address_of(held.rtype, &held.rdata)
                .is_some_and(|address| self.backends.is_down(address))
        };
        let lives = |rtype| {
            chosen
                .iter()
                .any(|held| held.rtype == rtype && !is_down(held))
        };
        let (a_lives, aaaa_lives) = (lives(rtype::A), lives(rtype::AAAA));
        chosen.retain(|held| match held.rtype {
            rtype::A => !a_lives || !is_down(held),
            rtype::AAAA => !aaaa_lives || !is_down(held),
            _ => true,
        });
    }

    /// Whether dead addresses are answered after all, because there is no other.
    fn fails_open(&self, chosen: &[&Held]) -> bool {
        let mut addresses = chosen
            .iter()
            .filter_map(|held| address_of(held.rtype, &held.rdata));
        self.backends.len() > 0 && addresses.any(|address| self.backends.is_down(address))
    }

    /// NS of an apex that has none: the names with addresses below `ns.dns.ZONE`, else that name.
    fn made_name_servers(&self, apex: &State) -> Vec<Held> {
        let mut above = apex.canonical.to_vec();
        canonical::push_label(&mut above, b"dns");
        canonical::push_label(&mut above, b"ns");
        let below = self
            .tree(apex.view)
            .range::<[u8], _>((Bound::Excluded(&above[..]), Bound::Unbounded));
        let mut servers: Vec<&[u8]> = below
            .take_while(|(name, _)| name.starts_with(&above))
            .filter(|(_, id)| {
                let records = &self.states[id.0 as usize].records;
                records.iter().any(|held| {
                    held.origin != Origin::Inherited
                        && address_of(held.rtype, &held.rdata).is_some()
                })
            })
            .map(|(name, _)| &name[..])
            .take(NAME_SERVERS_MAX)
            .collect();
        if servers.is_empty() {
            servers.push(&above);
        }
        let server = |name: &&[u8]| Held {
            key: 0,
            rtype: rtype::NS,
            origin: Origin::Derived,
            ttl_s: None,
            weight: None,
            zone: None,
            rdata: canonical::to_wire(name).into(),
            group: None,
        };
        servers.iter().map(server).collect()
    }

    fn policy(&self, state: &State) -> Policy {
        let named = self.name_policies.get(&state.canonical[..]).copied();
        let zoned = || self.settings.zone_policies.get(&state.zone).copied();
        named
            .or_else(|| {
                let marked = hold::marked_policy(&state.records)?;
                Some(Policy::new(marked, self.settings.subset_len))
            })
            .or_else(zoned)
            .unwrap_or(self.settings.policy)
    }

    /// The zone's SOA: as stored at its apex, else as configured. The serial is never stored.
    fn soa(&self, state: &State, chosen: &[&Held]) -> Soa {
        let configured = &self.zone(state.zone).soa;
        let stored = chosen.iter().filter(|held| held.rtype == rtype::SOA);
        let stored = stored.map(|held| {
            let ttl_s = held.ttl_s.unwrap_or(self.settings.ttl_default_s);
            (&held.rdata, ttl_s)
        });
        // Of several the first in order, so that it does not matter which came first.
        stored
            .min()
            .and_then(|(rdata, ttl_s)| soa_of_rdata(rdata, ttl_s))
            .unwrap_or_else(|| configured.clone())
    }

    /// Addresses of the cut's name servers that are at or below the cut, where nobody else has
    /// them.
    fn glue(&self, cut: &State, chosen: &[&Held]) -> Box<[Node]> {
        let mut hosts: Vec<Vec<u8>> = chosen
            .iter()
            .filter(|held| held.rtype == rtype::NS)
            .map(|held| canonical::from_wire(&held.rdata))
            .filter(|host| host.starts_with(&cut.canonical))
            .collect();
        hosts.sort_unstable();
        hosts.dedup();
        let glue = hosts.into_iter().filter_map(|host| {
            let state = &self.states[self.tree(cut.view).get(&host[..])?.0 as usize];
            let mut chosen = self.choose(state);
            chosen.retain(|held| matches!(held.rtype, rtype::A | rtype::AAAA));
            // A referral has all of its glue, for whomever (RFC 9471).
            let rrsets = rrsets(chosen, Policy::Rotate, self.settings.ttl_default_s, None);
            (!rrsets.is_empty()).then(|| {
                let node = NodeParts {
                    zone: cut.zone,
                    rrsets,
                    ..NodeParts::empty(canonical::to_wire(&host).into())
                };
                node.pack()
            })
        });
        glue.collect()
    }
}

/// SkyDNS groups: when the records with the shortest keys agree on a group, others' records go.
fn in_group(chosen: &mut Vec<&Held>) {
    let grouped = || chosen.iter().filter_map(|held| held.group.as_deref());
    let Some(shortest) = grouped().map(|group| group.key_labels).min() else {
        return;
    };
    let mut names = grouped()
        .filter(|group| group.key_labels == shortest)
        .filter_map(|group| group.name.as_deref());
    let Some(first) = names.next() else { return };
    if names.any(|name| name != first) {
        return;
    }
    let first = first.to_owned();
    chosen.retain(|held| {
        let name = held
            .group
            .as_deref()
            .and_then(|group| group.name.as_deref());
        name.is_none_or(|name| name == first)
    });
}

/// A CNAME stands alone (RFC 1034 section 3.6.2): beside other records it loses, and of several the
/// first in order stays. TXT of the same key is let live beside it and answers TXT only: that pair
/// is how external-dns marks an alias as its own. Whether anything had to go comes with the rest.
fn without_conflict(mut chosen: Vec<&Held>) -> (Vec<&Held>, bool) {
    let first = chosen
        .iter()
        .filter(|held| held.rtype == rtype::CNAME)
        .copied();
    let Some(first) = first.min_by(|a, b| a.rdata.cmp(&b.rdata)) else {
        return (chosen, false);
    };
    let is_first =
        |held: &Held| held.rtype == rtype::CNAME && held.rdata.eq_ignore_ascii_case(&first.rdata);
    let keys: Vec<u64> = chosen
        .iter()
        .filter(|held| is_first(held))
        .map(|held| held.key)
        .collect();
    let lives_beside = |held: &Held| held.rtype == rtype::TXT && keys.contains(&held.key);
    if chosen
        .iter()
        .any(|held| held.rtype != rtype::CNAME && !lives_beside(held))
    {
        chosen.retain(|held| held.rtype != rtype::CNAME);
        return (chosen, true);
    }
    let several = chosen
        .iter()
        .any(|held| held.rtype == rtype::CNAME && !is_first(held));
    // Several keys may give the same alias: all stay, for their smallest TTL.
    chosen.retain(|held| held.rtype != rtype::CNAME || held.rdata == first.rdata);
    (chosen, several)
}

/// Sorts records into RRsets, the smallest TTL for all of a type; with a topology also those of
/// each zone.
fn rrsets(
    mut chosen: Vec<&Held>,
    policy: Policy,
    ttl_default_s: u32,
    topology: Option<&Topology>,
) -> Box<[RRset]> {
    chosen.sort_by(|a, b| (a.rtype, &a.rdata).cmp(&(b.rtype, &b.rdata)));
    chosen
        .chunk_by(|a, b| a.rtype == b.rtype)
        .map(|records| {
            let ttls = records
                .iter()
                .map(|held| held.ttl_s.unwrap_or(ttl_default_s));
            let ttl_s = ttls.min().unwrap_or(ttl_default_s);
            let near = topology.and_then(|all| nearer::nearer(all, records, policy, ttl_s));
            let mut rrset = rrset(records, policy, ttl_s);
            if let Some(nearer) = near {
                rrset.extra.get_or_insert_default().nearer = nearer;
            }
            rrset
        })
        .collect()
}

/// One RRset of records of one type, in the order of their RDATA: the same record once.
pub(super) fn rrset(records: &[&Held], policy: Policy, ttl_s: u32) -> RRset {
    let rtype = records.first().map_or(0, |held| held.rtype);
    let mut rdata: Vec<&[u8]> = records.iter().map(|held| &held.rdata[..]).collect();
    rdata.dedup();
    rdata.truncate(RRSET_RECORDS_MAX);
    let policy = match (rtype, policy) {
        (rtype::A | rtype::AAAA, policy) => policy,
        // SRV tells its weights itself (RFC 2782).
        (rtype::SRV, policy) if policy != Policy::Weighted => policy,
        _ => Policy::Rotate,
    };
    if let Policy::Subset(_) = policy {
        rdata.sort_by_cached_key(|rdata| choice::ring_place(rdata));
    }
    let extra = (policy == Policy::Weighted).then(|| Extra {
        weights: weights(records),
        ..Extra::default()
    });
    RRset {
        extra: extra.map(Box::new),
        ..RRset::new(rtype, ttl_s, policy, rdata.into_iter())
    }
}

/// The weights of records in the order of their RDATA, added up. Of several keys with one address
/// the largest counts.
fn weights(records: &[&Held]) -> Vec<u32> {
    let same = records.chunk_by(|a, b| a.rdata == b.rdata);
    let sums = same.scan(0, |sum, same| {
        let given = same.iter().filter_map(|held| held.weight).max();
        *sum += u32::from(given.unwrap_or(WEIGHT_DEFAULT));
        Some(*sum)
    });
    sums.take(RRSET_RECORDS_MAX).collect()
}

fn soa_of_rdata(rdata: &[u8], ttl_s: u32) -> Option<Soa> {
    let (mname, rest) = rdata.split_at_checked(wire::name_length(rdata))?;
    let (rname, numbers) = rest.split_at_checked(wire::name_length(rest))?;
    let timer = |place: usize| {
        let octets = numbers.get(4 * place..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*octets))
    };
    let timers_s = [timer(1)?, timer(2)?, timer(3)?, timer(4)?];
    Some(Soa {
        mname: mname.into(),
        rname: rname.into(),
        timers_s,
        ttl_s,
    })
}

/// The address in the RDATA of A and AAAA.
pub(super) fn address_of(rtype: u16, rdata: &[u8]) -> Option<IpAddr> {
    match rtype {
        rtype::A => <[u8; 4]>::try_from(rdata)
            .ok()
            .map(|octets| Ipv4Addr::from(octets).into()),
        rtype::AAAA => <[u8; 16]>::try_from(rdata)
            .ok()
            .map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// Type and RDATA of an address.
pub(super) fn address_rdata(address: IpAddr) -> (u16, Box<[u8]>) {
    match address {
        IpAddr::V4(address) => (rtype::A, address.octets().into()),
        IpAddr::V6(address) => (rtype::AAAA, address.octets().into()),
    }
}
