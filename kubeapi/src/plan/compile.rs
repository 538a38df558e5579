//! Turns the wanted records of a name into puts and deletes of keys.
//!
//! A record that stays as it is keeps its key. Another goes to the tree when the tree has a place
//! for it (its type, its key still free, fewer than [`TREE_RECORDS_MAX`] of its RRset there), else
//! to the bundle of the name. A key whose record went is reused by a new record or deleted.

use std::collections::{BTreeMap, BTreeSet};

use containerdns_schema::format::containerdns::{self, Backend, Fields};
use containerdns_schema::format::{self, EncodeError, KeyValue, bundle};
use containerdns_schema::{Name, Record, RecordType};
use containerdns_store::{Guard, Operation};

use super::{Planned, Rules, TREE_RECORDS_MAX, Working};
use crate::records::{Entry, Item, Layout, NameRecords, Part, Records};

/// What the operations are for, the same for all names of a request.
pub(super) struct Target<'a> {
    pub(super) records: &'a Records,
    pub(super) layout: &'a Layout,
    pub(super) rules: &'a Rules,
    /// Keys that other names of the request write or delete.
    pub(super) taken: &'a BTreeSet<Vec<u8>>,
}

/// The operations that make the store hold `after` instead of `before` at `name`.
pub(super) fn compile(
    target: &Target<'_>,
    name: &Name,
    before: &NameRecords,
    after: &[Working],
) -> Result<Planned, EncodeError> {
    let Target {
        records,
        layout,
        rules,
        taken,
    } = *target;
    let mut writer = Writer {
        layout,
        records,
        taken,
        before,
        name,
        puts: BTreeMap::new(),
        kept: BTreeSet::new(),
        in_tree: BTreeMap::new(),
        bundled: Vec::new(),
    };
    // A backend has one place, its address's: an address record there makes room.
    let backends = after.iter().filter(|one| one.item.backend.is_some());
    let new_backends = backends.filter(|one| one.from.is_none());
    let places: BTreeSet<Vec<u8>> = new_backends
        .filter_map(|one| Some(writer.tree_pair(one, rules).ok()?.key))
        .collect();
    // What stays first: a new record must not take its key.
    let (stay, mut moving): (Vec<&Working>, Vec<&Working>) = after.iter().partition(|one| {
        let stays = |index: usize| {
            let entry = &before.entries[index];
            let makes_room = one.item.backend.is_none() && places.contains(&entry.key);
            entry.part == Part::Tree && !makes_room
        };
        one.from.is_some_and(stays)
    });
    check_whole(before, after)?;
    moving.sort_by_key(|one| one.item.backend.is_none());
    for one in stay {
        writer.keep(one);
    }
    for one in moving {
        writer.place(one, rules)?;
    }
    writer.finish(after.is_empty())
}

/// A key of the tree with several records stays whole or goes whole.
fn check_whole(before: &NameRecords, after: &[Working]) -> Result<(), EncodeError> {
    let several = |(_, entry): &(usize, &Entry)| entry.part == Part::Tree && entry.items.len() > 1;
    for (index, entry) in before.entries.iter().enumerate().filter(several) {
        let stay = after.iter().filter(|one| one.from == Some(index)).count();
        if stay != 0 && stay != entry.items.len() {
            let key = String::from_utf8_lossy(&entry.key);
            let problem = format!("{key} holds several records: change or delete all of them");
            return Err(EncodeError::Ambiguous(problem));
        }
    }
    Ok(())
}

struct Writer<'a> {
    layout: &'a Layout,
    records: &'a Records,
    taken: &'a BTreeSet<Vec<u8>>,
    before: &'a NameRecords,
    name: &'a Name,
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Entries that stay.
    kept: BTreeSet<usize>,
    /// Records of each type in the tree.
    in_tree: BTreeMap<RecordType, usize>,
    bundled: Vec<&'a Working>,
}

impl<'a> Writer<'a> {
    fn keep(&mut self, one: &Working) {
        self.kept.extend(one.from);
        *self.in_tree.entry(one.item.rtype).or_default() += 1;
    }

    fn place(&mut self, one: &'a Working, rules: &Rules) -> Result<(), EncodeError> {
        if one.from.is_some() {
            self.bundled.push(one);
            return Ok(());
        }
        let in_tree = self.in_tree.get(&one.item.rtype).copied().unwrap_or(0);
        // What has its address in the same key has no other place.
        let with_address = one.item.backend.is_some();
        if in_tree >= TREE_RECORDS_MAX && !with_address {
            self.bundled.push(one);
            return Ok(());
        }
        match self.tree_pair(one, rules) {
            Ok(KeyValue { key, value }) if self.is_free(&key) => {
                self.puts.insert(key, value);
                *self.in_tree.entry(one.item.rtype).or_default() += 1;
            }
            Err(error) if with_address => return Err(error),
            Ok(KeyValue { key, .. }) if with_address => {
                let key = String::from_utf8_lossy(&key);
                let problem = format!("the key of this backend, {key}, holds something else");
                return Err(EncodeError::Ambiguous(problem));
            }
            _ => self.bundled.push(one),
        }
        Ok(())
    }

    fn tree_pair(&self, one: &Working, rules: &Rules) -> Result<KeyValue, EncodeError> {
        let Item {
            rtype,
            ttl,
            rdata,
            weight,
            backend,
        } = &one.item;
        let prefix = &self.layout.prefixes.tree;
        let fields = Fields {
            cluster: one.cluster.as_deref().or(rules.cluster.as_deref()),
            user: one.user.as_deref(),
            policy: one.policy,
            weight: *weight,
        };
        if let (Some(address), RecordType::SRV) = (backend, *rtype) {
            let number = |at: usize| {
                let octets = rdata.wire().get(at..at + 2);
                octets.map_or(0, |pair| u16::from_be_bytes([pair[0], pair[1]]))
            };
            let backend = Backend {
                address: *address,
                priority: number(0),
                weight: number(2),
                port: number(4),
            };
            return containerdns::encode_backend(prefix, self.name, backend, *ttl, fields);
        }
        if backend.is_some() {
            return Err(EncodeError::Ambiguous(format!(
                "another program keeps this {rtype} record and its address in one key: delete \
                 it and create it anew"
            )));
        }
        let record = Record {
            owner: self.name.clone(),
            rtype: *rtype,
            ttl: *ttl,
            rdata: rdata.clone(),
        };
        containerdns::encode(prefix, self.layout.zones.all(), &record, fields)
    }

    /// Whether a new record may be written to `key`: nothing is there that stays.
    fn is_free(&self, key: &[u8]) -> bool {
        if self.puts.contains_key(key) || self.taken.contains(key) {
            return false;
        }
        let ours = self
            .before
            .entries
            .iter()
            .position(|entry| entry.key == key);
        match ours {
            Some(index) => !self.kept.contains(&index),
            None => self.records.revision_of(key).is_none(),
        }
    }

    fn finish(mut self, emptied: bool) -> Result<Planned, EncodeError> {
        self.write_bundle()?;
        let guard = |key: &[u8]| match self.records.revision_of(key) {
            Some(revision) => Guard::ModRevision {
                key: key.to_vec(),
                revision,
            },
            None => Guard::Absent { key: key.to_vec() },
        };
        let change_key = format::name_key(&self.layout.prefixes.changes, self.name);
        let change_guard = guard(&change_key);
        let (mut guards, mut operations) = (Vec::new(), Vec::new());
        for (index, entry) in self.before.entries.iter().enumerate() {
            let stays = self.kept.contains(&index) || self.puts.contains_key(&entry.key);
            if !stays {
                guards.push(guard(&entry.key));
                let key = entry.key.clone();
                operations.push(Operation::Delete { key });
            }
        }
        for (key, value) in std::mem::take(&mut self.puts) {
            guards.push(guard(&key));
            operations.push(Operation::Put {
                key,
                value,
                lease: None,
            });
        }
        Ok(Planned {
            name: self.name.clone(),
            change_key,
            change_guard,
            guards,
            operations,
            emptied,
            differences: Vec::new(),
        })
    }

    /// Writes the bundle of the name anew if what it holds changed; one that is empty goes.
    fn write_bundle(&mut self) -> Result<(), EncodeError> {
        let mut entries = self.before.entries.iter().enumerate();
        let held = entries.find(|(_, entry)| entry.part == Part::Bundles);
        let unchanged = |index: usize, items: &[Item]| {
            let from_there = |one: &&Working| one.from == Some(index);
            self.bundled.len() == items.len() && self.bundled.iter().all(from_there)
        };
        match held {
            Some((index, entry)) if unchanged(index, &entry.items) => {
                self.kept.insert(index);
                return Ok(());
            }
            _ if self.bundled.is_empty() => return Ok(()),
            _ => {}
        }
        let mut rrsets: BTreeMap<RecordType, bundle::Rrset> = BTreeMap::new();
        for one in &self.bundled {
            let Item {
                rtype,
                ttl,
                rdata,
                weight,
                ..
            } = &one.item;
            let rrset = rrsets.entry(*rtype).or_insert_with(|| bundle::Rrset {
                name: self.name.clone(),
                rtype: *rtype,
                ttl: *ttl,
                rdata: Vec::new(),
                weights: Vec::new(),
            });
            rrset.rdata.push(rdata.clone());
            rrset.weights.push(*weight);
        }
        let mut rrsets: Vec<bundle::Rrset> = rrsets.into_values().collect();
        for rrset in &mut rrsets {
            if rrset.weights.iter().all(Option::is_none) {
                rrset.weights.clear();
            }
        }
        let policies = self.bundled.iter().filter_map(|one| one.policy);
        let user = self.bundled.iter().find_map(|one| one.user.as_deref());
        let value = bundle::encode(&bundle::Bundle {
            user,
            policy: policies.min(),
            rrsets: &rrsets,
            ..bundle::Bundle::default()
        })?;
        let zone = self.layout.zones.zone_of(self.name);
        let zone = zone.ok_or_else(|| EncodeError::Zone(self.name.clone()))?;
        let key = bundle::api_key(&self.layout.prefixes.bundles, zone, self.name);
        if held.is_none() && self.records.revision_of(&key).is_some() {
            let key = String::from_utf8_lossy(&key);
            let problem = format!("{key} holds something that is not understood here");
            return Err(EncodeError::Ambiguous(problem));
        }
        self.puts.insert(key, value);
        Ok(())
    }
}
