//! Records at their names: what a key contributes is held at its owner, at the names that inherit
//! it and at the reverse names of its addresses, and is let go of again by the key's number.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use containerdns_schema::format::{AnswerPolicy, Contributed, Contribution, Mark, Reach};

use super::{Held, Key, Model, NAMES_MAX, NameId, Origin, Said, Word, canonical, compile, reverse};
use crate::table::{ViewId, rtype};
use crate::topology::TopologyZone;

/// The type of a [`Mark`] among the records of a name: no record has it.
pub(super) const MARK: u16 = 0;

impl Model {
    pub(super) fn hold_server_addresses(&mut self) {
        for mut name in self.apexes.clone() {
            canonical::push_label(&mut name, b"dns");
            canonical::push_label(&mut name, b"ns");
            for address in self.settings.server_addresses.clone() {
                let (rtype, rdata) = compile::address_rdata(address);
                let origin = Origin::Derived;
                self.hold(
                    None,
                    &name,
                    Held {
                        key: 0,
                        rtype,
                        origin,
                        ttl_s: None,
                        weight: None,
                        zone: None,
                        rdata,
                        group: None,
                    },
                );
            }
        }
    }

    /// Puts the records of a key at their names; returns which names.
    pub(super) fn attach(
        &mut self,
        view: Option<ViewId>,
        key: u64,
        contribution: Contribution,
    ) -> Box<[NameId]> {
        let mut owners = Vec::new();
        let Contribution {
            records,
            marks,
            pointers_given,
            probe: _,
            zones,
        } = contribution;
        let zones = self.topology_zones(&zones);
        for (name, mark) in marks {
            let name = canonical::from_wire(name.wire());
            owners.extend(self.hold(view, &name, held_mark(key, mark)));
        }
        for contributed in records {
            let Contributed {
                record,
                reach,
                weight,
                group,
            } = contributed;
            if self.leaves_out(view, record.rtype.0) {
                continue;
            }
            let name = canonical::from_wire(record.owner.wire());
            let address = record.rdata.as_ip(record.rtype);
            let held = Held {
                key,
                rtype: record.rtype.0,
                origin: Origin::Own,
                ttl_s: record.ttl,
                weight,
                zone: address.and_then(|address| zones.get(&address).copied()),
                rdata: record.rdata.wire().into(),
                group: group.map(Box::new),
            };
            if reach == Reach::Subtree {
                self.attach_to_ancestors(view, &name, &held, &mut owners);
            }
            let pointed = address.filter(|_| !pointers_given);
            let pointer = pointed.and_then(|address| {
                let pointer = reverse::pointer(&record.owner, &name, address)?;
                let zone = self.zone_of(&pointer)?;
                self.settings.reverse.contains(&zone).then_some(pointer)
            });
            if let Some(pointer) = pointer {
                let rdata = record.owner.wire().into();
                let (rtype, origin) = (rtype::PTR, Origin::Derived);
                owners.extend(self.hold(
                    view,
                    &pointer,
                    Held {
                        rtype,
                        origin,
                        rdata,
                        ..held.clone()
                    },
                ));
            }
            owners.extend(self.hold(view, &name, held));
        }
        owners.sort_unstable();
        owners.dedup();
        owners.into()
    }

    /// Whether records of a type are left out: what makes zones and cuts is everybody's.
    fn leaves_out(&mut self, view: Option<ViewId>, rtype: u16) -> bool {
        let out = view.is_some() && matches!(rtype, rtype::SOA | rtype::NS | rtype::DS);
        self.counts.records_left_out += u64::from(out);
        out
    }

    /// The topology zones that a key gives addresses; none where nobody asks for them.
    fn topology_zones(&self, zones: &[(Box<str>, Vec<IpAddr>)]) -> HashMap<IpAddr, TopologyZone> {
        let topology = &self.settings.topology;
        let zones = zones.iter().filter(|_| !topology.is_empty());
        zones
            .flat_map(|(name, addresses)| {
                let zone = topology.named(name);
                addresses.iter().map(move |address| (*address, zone))
            })
            .collect()
    }

    /// SkyDNS: a record also answers at the names above its owner, up to the apex; those kept for
    /// the zone's own name servers and apex addresses (`dns.ZONE` and below) at theirs only. Those
    /// of a view do not reach the apex: each of them would hide all that the zone has there.
    fn attach_to_ancestors(
        &mut self,
        view: Option<ViewId>,
        name: &[u8],
        held: &Held,
        owners: &mut Vec<NameId>,
    ) {
        let Some(zone) = self.zone_of(name) else {
            return;
        };
        let apex = self.apexes[usize::from(zone.0)].clone();
        let mut services = apex.clone();
        canonical::push_label(&mut services, b"dns");
        let mut above = name;
        while above.len() > apex.len() {
            above = canonical::parent(above);
            if above.len() == apex.len() && (view.is_some() || name.starts_with(&services)) {
                return;
            }
            let origin = Origin::Inherited;
            owners.extend(self.hold(
                view,
                above,
                Held {
                    origin,
                    ..held.clone()
                },
            ));
        }
    }

    fn hold(&mut self, view: Option<ViewId>, name: &[u8], held: Held) -> Option<NameId> {
        let Some(zone) = self.zone_of(name) else {
            self.counts.records_outside += 1;
            return None;
        };
        let names = self.states.len() - self.free.len();
        if names >= NAMES_MAX && !self.tree(view).contains_key(name) {
            self.counts.records_refused += 1;
            return None;
        }
        let id = self.create(view, name, zone);
        if let Some(address) = compile::address_of(held.rtype, &held.rdata) {
            self.holders.insert(address, id);
        }
        let records = &mut self.states[id.0 as usize].records;
        if records.is_empty() {
            // Most names have one record: room for four, as by default, would cost 100 octets each.
            records.reserve_exact(1);
        }
        records.push(held);
        self.mark(id);
        Some(id)
    }

    /// Takes a key's records from their names.
    pub(super) fn detach(&mut self, key: &Key) {
        match key.health.as_deref() {
            Some(Said::Backend(address)) => self.say(*address, Word::Up),
            Some(Said::Prober(prober)) => self.backends.leave(prober),
            None => {}
        }
        for id in &key.owners {
            let state = &mut self.states[id.0 as usize];
            let mut addresses = Vec::new();
            state.records.retain(|record| {
                let stays = record.key != key.id;
                if !stays {
                    addresses.extend(compile::address_of(record.rtype, &record.rdata));
                }
                stays
            });
            let stay = state.records.iter();
            let stay: HashSet<IpAddr> = stay
                .filter_map(|record| compile::address_of(record.rtype, &record.rdata))
                .filter(|_| !addresses.is_empty())
                .collect();
            for address in addresses.iter().filter(|address| !stay.contains(address)) {
                self.holders.remove(*address, *id);
            }
            self.mark(*id);
        }
    }
}

/// A mark is held as a record is, so that it comes, goes and keeps its name in the same way.
fn held_mark(key: u64, mark: Mark) -> Held {
    let (rdata, ttl_s): (Box<[u8]>, _) = match mark {
        Mark::Exists => (Box::default(), None),
        Mark::Policy(policy) => (Box::new([policy as u8]), None),
        Mark::AddressNames { ttl_s } => (Box::default(), Some(ttl_s)),
    };
    Held {
        key,
        rtype: MARK,
        origin: Origin::Own,
        ttl_s,
        weight: None,
        zone: None,
        rdata,
        group: None,
    }
}

/// The policy that the marks of a name give: of several the one that comes first in
/// [`AnswerPolicy`], so that it does not matter which key was read first.
pub(super) fn marked_policy(records: &[Held]) -> Option<AnswerPolicy> {
    let marks = records.iter().filter(|held| held.rtype == MARK);
    let first = marks.filter_map(|held| held.rdata.first()).min()?;
    AnswerPolicy::ALL.get(usize::from(*first)).copied()
}

/// The TTL of the addresses that children of a name are called, where that is marked.
pub(super) fn marked_address_ttl(records: &[Held]) -> Option<NonZeroU32> {
    let marks = records.iter().filter(|held| held.rtype == MARK);
    let least = marks.filter_map(|held| held.ttl_s).min()?;
    // A TTL of 0 becomes 1: what is counted in whole seconds differs by less than that.
    Some(NonZeroU32::new(least).unwrap_or(NonZeroU32::MIN))
}
