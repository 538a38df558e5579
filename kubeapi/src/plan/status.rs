//! The status keys of addresses, as names come to them and leave them.
//!
//! Which names have an address stands in its key (`domains`), and so does whether a record asked to
//! be probed: its name is there. What is asked holds for all addresses of a type at a name. Where a
//! request asks nothing, a new address beside probed ones is probed as they are. Names that share
//! an address share the key; of two that ask for different ways, the last write counts.
//!
//! A key that makes no sense here, or has no room for another name, is left alone, unless the
//! request asks for just that. The keys of one request are edited in memory first, since several of
//! its names may share one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use containerdns_schema::health::StatusKey;
use containerdns_schema::rest::{NameChange, Probing};
use containerdns_schema::{FormatError, Health, Name, Probe, RecordType, health};
use containerdns_store::{Guard, Operation};

use super::{PlanError, ProbeMode, Rules, Working, field};
use crate::records::{Item, KnownHealth, Layout, NameRecords, Records};

/// The status keys that a request changes.
pub(super) struct StatusKeys<'a> {
    records: &'a Records,
    layout: &'a Layout,
    rules: &'a Rules,
    edited: BTreeMap<IpAddr, Edited>,
}

/// A key as it will be.
struct Edited {
    key: Vec<u8>,
    status: StatusKey,
    /// Where the request asks for it by name.
    asked_at: Option<String>,
}

/// What a request asks of the addresses of one type at a name.
struct Asked<'a> {
    probing: &'a Probing,
    ports: Option<&'a [u16]>,
    place: &'a str,
}

/// How the addresses of one type are probed afterwards.
enum Way<'a> {
    /// They are not.
    Off,
    /// As the request says.
    Given(Option<&'a Probe>, Option<&'a [u16]>),
    /// As others of the name are, where nobody says otherwise.
    AsBefore(Option<Probe>, Vec<u16>),
    /// They were not, and nobody asks.
    Unasked,
}

impl<'a> StatusKeys<'a> {
    pub(super) fn new(records: &'a Records, layout: &'a Layout, rules: &'a Rules) -> Self {
        Self {
            records,
            layout,
            rules,
            edited: BTreeMap::new(),
        }
    }

    /// Makes the keys of a name's addresses fit its records; whether any of them changed.
    pub(super) fn settle(
        &mut self,
        name: &Name,
        before: &NameRecords,
        after: &[Working],
        changes: &[NameChange],
    ) -> Result<bool, PlanError> {
        let before = before.items().filter(|(entry, _)| !entry.foreign);
        let before: Vec<&Item> = before.map(|(_, item)| item).collect();
        let after = after.iter().filter(|one| !one.foreign);
        let after: Vec<&Item> = after.map(|one| &one.item).collect();
        let mut changed = false;
        for rtype in [RecordType::A, RecordType::AAAA] {
            let (old, new) = (addresses(rtype, &before), addresses(rtype, &after));
            let asked = asked(name, rtype, changes);
            changed |= self.settle_type(name, &old, &new, asked)?;
        }
        Ok(changed)
    }

    fn settle_type(
        &mut self,
        name: &Name,
        before: &BTreeSet<IpAddr>,
        after: &BTreeSet<IpAddr>,
        asked: Option<Asked<'_>>,
    ) -> Result<bool, PlanError> {
        let place = asked.as_ref().map(|asked| asked.place);
        let way = match (&asked, self.rules.probe) {
            (None, ProbeMode::None) => return Ok(false),
            (Some(asked), ProbeMode::None) => {
                let problem =
                    "this server keeps no status keys: its configuration has probe = \"none\"";
                return Err(impossible(asked.place, problem.into()));
            }
            (Some(asked), mode) => match (asked.probing, mode) {
                (Probing::Asked(false), ProbeMode::All) => {
                    let problem =
                        "all addresses are probed: the server's configuration has probe = \"all\"";
                    return Err(impossible(asked.place, problem.into()));
                }
                (Probing::Asked(false), _) => Way::Off,
                (Probing::Asked(true), _) => Way::Given(None, asked.ports),
                (Probing::By(probe), _) => Way::Given(Some(probe), asked.ports),
            },
            (None, mode) => match self.former(name, before, after) {
                Some(health) => Way::AsBefore(health.probe.clone(), health.ports.clone()),
                None if mode == ProbeMode::All => Way::AsBefore(None, Vec::new()),
                None => Way::Unasked,
            },
        };
        let mut changed = false;
        for address in before.union(after) {
            let stays = after.contains(address);
            let is_new = self.rules.probe == ProbeMode::All || !before.contains(address);
            let edit = |status: &mut StatusKey| match &way {
                _ if !stays => status.remove(name),
                Way::Off => status.remove(name),
                Way::Given(probe, ports) => {
                    status.add(name)?;
                    status.set_probe(*probe)?;
                    ports.map_or(Ok(()), |ports| status.set_ports(ports))
                }
                Way::AsBefore(probe, ports) if is_new => join(status, name, probe.as_ref(), ports),
                Way::AsBefore(..) | Way::Unasked => Ok(()),
            };
            let creates = match way {
                Way::Given(..) => stays,
                Way::AsBefore(..) => stays && is_new,
                Way::Off | Way::Unasked => false,
            };
            changed |= self.edit(*address, place.filter(|_| creates), creates, edit)?;
        }
        Ok(changed)
    }

    /// What is known of an address of the name that was probed for it: of one that goes, if there
    /// is one, since what takes its place is probed as it was.
    fn former(
        &self,
        name: &Name,
        before: &BTreeSet<IpAddr>,
        after: &BTreeSet<IpAddr>,
    ) -> Option<&'a Health> {
        let (stay, go): (Vec<IpAddr>, Vec<IpAddr>) =
            before.iter().partition(|address| after.contains(address));
        let known = go.into_iter().chain(stay);
        let mut known = known.filter_map(|address| self.records.health(address));
        let listing = known.find(|known| known.health.lists(name));
        listing.map(|known| &known.health)
    }

    /// Changes one key; whether that made a difference.
    fn edit(
        &mut self,
        address: IpAddr,
        place: Option<&str>,
        creates: bool,
        change: impl FnOnce(&mut StatusKey) -> Result<(), FormatError>,
    ) -> Result<bool, PlanError> {
        if !self.open(address, creates) {
            return match place {
                None => Ok(false),
                Some(place) => {
                    let key = health::key(&self.layout.prefixes.health, address);
                    let key = String::from_utf8_lossy(&key);
                    let problem = format!("{key} holds something that is not understood here");
                    Err(impossible(place, problem))
                }
            };
        }
        let Some(edited) = self.edited.get_mut(&address) else {
            return Ok(false);
        };
        edited.asked_at = place.map(str::to_owned).or(edited.asked_at.take());
        let former = edited.status.health().clone();
        let changed = change(&mut edited.status);
        changed.map_err(|error| impossible(place.unwrap_or_default(), error.to_string()))?;
        Ok(*edited.status.health() != former)
    }

    /// Whether there is a key to change, `creates` one that is missing.
    fn open(&mut self, address: IpAddr, creates: bool) -> bool {
        if self.edited.contains_key(&address) {
            return true;
        }
        let prefix = &self.layout.prefixes.health;
        let (key, status) = match self.records.health(address) {
            Some(KnownHealth { key, value, .. }) => {
                (key.clone(), StatusKey::parse(prefix, key, value))
            }
            None => {
                let key = health::key(prefix, address);
                if !creates || self.records.revision_of(&key).is_some() {
                    return false;
                }
                (key, StatusKey::new(self.rules.cluster.as_deref()))
            }
        };
        let Ok(status) = status else { return false };
        let edited = Edited {
            key,
            status,
            asked_at: None,
        };
        self.edited.insert(address, edited);
        true
    }

    /// What is in the store for an address.
    pub(super) fn known(&self, address: IpAddr) -> Option<&KnownHealth> {
        self.records.health(address)
    }

    /// What will be known of an address.
    pub(super) fn health(&self, address: IpAddr) -> Option<&Health> {
        let edited = self.edited.get(&address);
        let edited = edited.map(|edited| edited.status.health());
        edited.or_else(|| self.records.health(address).map(|known| &known.health))
    }

    /// The operations on keys that differ, each with its guard.
    pub(super) fn finish(self) -> Result<Vec<(Guard, Operation)>, PlanError> {
        let mut operations = Vec::new();
        for (address, edited) in self.edited {
            let Edited {
                key,
                status,
                asked_at,
            } = edited;
            if !status.is_changed() {
                continue;
            }
            let revision = self.records.revision_of(&key);
            let guard = match revision {
                Some(revision) => Guard::ModRevision {
                    key: key.clone(),
                    revision,
                },
                None => Guard::Absent { key: key.clone() },
            };
            if status.is_over() {
                if revision.is_some() {
                    operations.push((guard, Operation::Delete { key }));
                }
                continue;
            }
            match (status.to_value(), asked_at) {
                (Ok(value), _) => {
                    let lease = None;
                    operations.push((guard, Operation::Put { key, value, lease }));
                }
                (Err(_), None) => {}
                (Err(error), Some(place)) => {
                    return Err(impossible(
                        &place,
                        format!("status key of {address}: {error}"),
                    ));
                }
            }
        }
        Ok(operations)
    }
}

/// A name comes to a key. Where no other name says how to probe, it is as the name's others are.
fn join(
    status: &mut StatusKey,
    name: &Name,
    probe: Option<&Probe>,
    ports: &[u16],
) -> Result<(), FormatError> {
    let health = status.health();
    let alone = health.names.is_empty();
    let takes_probe = alone && health.probe.is_none();
    let takes_ports = alone && health.ports.is_empty();
    status.add(name)?;
    if takes_probe {
        status.set_probe(probe)?;
    }
    if takes_ports {
        status.set_ports(ports)?;
    }
    Ok(())
}

fn addresses(rtype: RecordType, items: &[&Item]) -> BTreeSet<IpAddr> {
    let of_type = items.iter().filter(|item| item.rtype == rtype);
    of_type.filter_map(|item| item.rdata.as_ip(rtype)).collect()
}

/// The last that a request asks of the addresses of one type at a name.
fn asked<'c>(name: &Name, rtype: RecordType, changes: &'c [NameChange]) -> Option<Asked<'c>> {
    let mut of_name = changes.iter().rev().filter(|change| change.name == *name);
    of_name.find_map(|change| {
        let probing = change.settings.probe.as_ref()?;
        (change.change.rtype() == Some(rtype)).then_some(Asked {
            probing,
            ports: change.settings.probe_ports.as_deref(),
            place: &change.place,
        })
    })
}

fn impossible(place: &str, problem: String) -> PlanError {
    PlanError::Impossible {
        field: field(place, "probe"),
        problem,
    }
}
