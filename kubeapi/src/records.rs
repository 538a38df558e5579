//! What the store holds for each name: the view that the API reads and plans its changes on.
//!
//! Three kinds of keys are indexed by owner name: the tree of an existing ContainerDNS (one record
//! a key), the API's own bundles (records that the tree has no room for, one key a name), and the
//! change keys (who changed a name last; only their revision is kept). Beside them stands the
//! health of addresses. [`Records`] is a plain table: `mirror` feeds it, nothing here does I/O.
//!
//! Changes come from two sides, from the watch and from the API's own commits, and the newer
//! revision wins. A key that was deleted by a commit stays in mind until the watch has passed it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Bound;

use containerdns_schema::format::{self, AnswerPolicy, Mark, bundle, containerdns};
use containerdns_schema::rest::Zones;
use containerdns_schema::{
    Contributed, Format, FormatError, Health, Name, Rdata, RecordType, health,
};
use containerdns_store::{KeyValue, Revision};

/// Where keys are, and what lies in which zone.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The zones of the API.
    pub zones: Zones,
    /// The prefixes that all of it is under.
    pub prefixes: Prefixes,
    /// The parts by prefix, the longest first: health is kept inside the tree.
    parts: Vec<(Vec<u8>, Part)>,
}

/// Prefixes of the store, each with its final slash.
#[derive(Debug, Clone)]
pub struct Prefixes {
    /// The tree, `/containerdns/`.
    pub tree: String,
    /// Bundles, `/containerdns-kube/`.
    pub bundles: String,
    /// The last change of each name, `/containerdns-changes/`.
    pub changes: String,
    /// Health of addresses.
    pub health: String,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            tree: "/containerdns/".into(),
            bundles: "/containerdns-kube/".into(),
            changes: "/containerdns-changes/".into(),
            health: "/containerdns/monitor/status/".into(),
        }
    }
}

/// A kind of keys, each under a prefix of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// One record a key.
    Tree,
    /// The API's bundles.
    Bundles,
    /// Last changes.
    Changes,
    /// Health of addresses.
    Health,
}

impl Layout {
    /// A layout of these zones under these prefixes.
    #[must_use]
    pub fn new(zones: Zones, prefixes: Prefixes) -> Self {
        let mut parts = vec![
            (prefixes.tree.clone().into_bytes(), Part::Tree),
            (
                bundle::api_prefix(&prefixes.bundles).into_bytes(),
                Part::Bundles,
            ),
            (prefixes.changes.clone().into_bytes(), Part::Changes),
            (prefixes.health.clone().into_bytes(), Part::Health),
        ];
        parts.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self {
            zones,
            prefixes,
            parts,
        }
    }

    /// Each part with what all its keys start with.
    #[must_use]
    pub fn parts(&self) -> &[(Vec<u8>, Part)] {
        &self.parts
    }

    /// The part that a key belongs to.
    #[must_use]
    pub fn part_of(&self, key: &[u8]) -> Option<Part> {
        let mut around = self.parts.iter();
        let found = around.find(|(prefix, _)| key.starts_with(prefix));
        found.map(|(_, part)| *part)
    }
}

/// A record at the name it is listed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its type.
    pub rtype: RecordType,
    /// Seconds; none takes the DNS server's default.
    pub ttl: Option<u32>,
    /// Its RDATA.
    pub rdata: Rdata,
    /// How often it is chosen beside others, for addresses.
    pub weight: Option<u16>,
    /// The address that comes with it in the same key: SRV records of backends.
    pub backend: Option<IpAddr>,
}

/// One key that holds records of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The whole key.
    pub key: Vec<u8>,
    /// When it was last written.
    pub revision: Revision,
    /// Tree or bundle.
    pub part: Part,
    /// Who may change it.
    pub user: Option<String>,
    /// The cluster that wrote it.
    pub cluster: Option<String>,
    /// How answers are chosen at the name, if this key says it.
    pub policy: Option<AnswerPolicy>,
    /// Written by a watcher of Kubernetes: not changed here.
    pub foreign: bool,
    /// The records, at least one.
    pub items: Vec<Item>,
}

/// All that is kept for one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameRecords {
    /// Keys with records.
    pub entries: Vec<Entry>,
    /// When the API last changed the name.
    pub changed: Option<Revision>,
}

impl NameRecords {
    /// All records with the entries they are in.
    pub fn items(&self) -> impl Iterator<Item = (&Entry, &Item)> {
        let entries = self.entries.iter();
        entries.flat_map(|entry| entry.items.iter().map(move |item| (entry, item)))
    }

    /// How answers are chosen at the name: of several that keys say, the first counts.
    #[must_use]
    pub fn policy(&self) -> Option<AnswerPolicy> {
        self.entries.iter().filter_map(|entry| entry.policy).min()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.changed.is_none()
    }
}

/// The status key of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHealth {
    /// The whole key.
    pub key: Vec<u8>,
    /// Its value, with fields that are not known here.
    pub value: Vec<u8>,
    /// What it says.
    pub health: Health,
}

/// What is known of one key.
#[derive(Debug, Clone)]
struct Held {
    revision: Revision,
    /// None: the value makes no sense, or says nothing about a name.
    name: Option<Name>,
    bad: bool,
}

/// The table.
#[derive(Debug, Default)]
pub struct Records {
    names: BTreeMap<Name, NameRecords>,
    keys: HashMap<Vec<u8>, Held>,
    health: BTreeMap<IpAddr, KnownHealth>,
    /// Keys that a commit deleted, and when: a watch may still tell of their former values.
    deleted: HashMap<Vec<u8>, Revision>,
    /// Up to where lists and watches have told everything, by part.
    passed: HashMap<Part, Revision>,
    /// Keys whose value makes no sense.
    bad: usize,
}

impl Records {
    /// The records of a name.
    #[must_use]
    pub fn name(&self, name: &Name) -> Option<&NameRecords> {
        self.names.get(name)
    }

    /// Names with their records in canonical order, from `from` on.
    pub fn names_from(&self, from: Bound<&Name>) -> impl Iterator<Item = (&Name, &NameRecords)> {
        self.names.range((from, Bound::Unbounded))
    }

    /// What probers say of an address.
    #[must_use]
    pub fn health(&self, address: IpAddr) -> Option<&KnownHealth> {
        self.health.get(&address)
    }

    /// When a key was last written, whatever it holds.
    #[must_use]
    pub fn revision_of(&self, key: &[u8]) -> Option<Revision> {
        self.keys.get(key).map(|held| held.revision)
    }

    /// How many keys make no sense.
    #[must_use]
    pub fn bad(&self) -> usize {
        self.bad
    }

    /// Takes in a complete list of one part at `revision`: what it lacks is gone, except what was
    /// written later.
    pub fn replace(
        &mut self,
        layout: &Layout,
        part: Part,
        revision: Revision,
        pairs: Vec<KeyValue>,
    ) {
        let listed: std::collections::HashSet<&[u8]> =
            pairs.iter().map(|pair| &pair.key[..]).collect();
        let gone = self.keys.iter().filter(|(key, held)| {
            held.revision <= revision
                && !listed.contains(&key[..])
                && layout.part_of(key) == Some(part)
        });
        let gone: Vec<Vec<u8>> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.remove(layout, &key);
        }
        // Health lies inside the tree, and has a list of its own.
        let ours = |pair: &KeyValue| layout.part_of(&pair.key) == Some(part);
        for pair in pairs.into_iter().filter(ours) {
            self.put(layout, pair);
        }
        self.passed(layout, part, revision);
    }

    /// Takes in a value, unless something newer is known.
    pub fn put(&mut self, layout: &Layout, pair: KeyValue) {
        let newer = |revision: Revision| revision >= pair.mod_revision;
        let held = self.keys.get(&pair.key).map(|held| held.revision);
        let deleted = self.deleted.get(&pair.key).copied();
        if held.is_some_and(newer) || deleted.is_some_and(newer) {
            return;
        }
        self.remove(layout, &pair.key);
        let Some(part) = layout.part_of(&pair.key) else {
            return;
        };
        let (revision, mut bad) = (pair.mod_revision, false);
        let name = match read(layout, part, &pair) {
            Ok(Read::Entry(name, entry)) => {
                let records = self.names.entry(name.clone()).or_default();
                let at = records
                    .entries
                    .partition_point(|other| other.key < entry.key);
                records.entries.insert(at, *entry);
                Some(name)
            }
            Ok(Read::Change(name)) => {
                self.names.entry(name.clone()).or_default().changed = Some(revision);
                Some(name)
            }
            Ok(Read::Health(address, health)) => {
                let (key, value) = (pair.key.clone(), pair.value);
                let known = KnownHealth { key, value, health };
                self.health.insert(address, known);
                None
            }
            Ok(Read::Nothing) => None,
            Err(_) => {
                bad = true;
                None
            }
        };
        self.bad += usize::from(bad);
        let held = Held {
            revision,
            name,
            bad,
        };
        self.keys.insert(pair.key, held);
    }

    /// Takes in a deletion, unless the key was written later.
    pub fn delete(&mut self, layout: &Layout, key: &[u8], revision: Revision) {
        let held = self.keys.get(key).map(|held| held.revision);
        if held.is_some_and(|held| held <= revision) {
            self.remove(layout, key);
        }
    }

    /// Takes in a value that was committed, unless the watch was faster and knows more.
    pub fn put_committed(&mut self, layout: &Layout, pair: KeyValue) {
        let is_old = self.has_passed(layout, &pair.key, pair.mod_revision);
        if !is_old || self.keys.contains_key(&pair.key) {
            self.put(layout, pair);
        }
    }

    /// The same for a deletion.
    pub fn delete_committed(&mut self, layout: &Layout, key: &[u8], revision: Revision) {
        self.delete(layout, key, revision);
        if !self.has_passed(layout, key, revision) {
            self.deleted.insert(key.to_vec(), revision);
        }
    }

    fn has_passed(&self, layout: &Layout, key: &[u8], revision: Revision) -> bool {
        let part = layout.part_of(key);
        let passed = part.and_then(|part| self.passed.get(&part));
        passed.is_some_and(|passed| *passed >= revision)
    }

    /// A list or the watch of one part has told everything up to `revision`.
    pub fn passed(&mut self, layout: &Layout, part: Part, revision: Revision) {
        self.passed.insert(part, revision);
        self.deleted
            .retain(|key, at| *at > revision || layout.part_of(key) != Some(part));
    }

    fn remove(&mut self, layout: &Layout, key: &[u8]) {
        let Some(held) = self.keys.remove(key) else {
            return;
        };
        self.bad -= usize::from(held.bad);
        let part = layout.part_of(key);
        let Some(name) = held.name else {
            if part == Some(Part::Health)
                && let Ok(address) = health::address(&layout.prefixes.health, key)
                && self
                    .health
                    .get(&address)
                    .is_some_and(|known| known.key == key)
            {
                self.health.remove(&address);
            }
            return;
        };
        if let Some(records) = self.names.get_mut(&name) {
            match part {
                Some(Part::Changes) => records.changed = None,
                _ => records.entries.retain(|entry| entry.key != key),
            }
            if records.is_empty() {
                self.names.remove(&name);
            }
        }
    }
}

/// What a key and its value say.
enum Read {
    Entry(Name, Box<Entry>),
    Change(Name),
    Health(IpAddr, Health),
    /// Nothing about a name of ours.
    Nothing,
}

fn read(layout: &Layout, part: Part, pair: &KeyValue) -> Result<Read, FormatError> {
    match part {
        Part::Health => {
            let prefix = &layout.prefixes.health;
            let (address, health) = health::decode(prefix, &pair.key, &pair.value)?;
            Ok(Read::Health(address, health))
        }
        Part::Changes => Ok(Read::Change(format::name_of_key(
            &layout.prefixes.changes,
            &pair.key,
        )?)),
        Part::Tree => read_records(
            layout,
            Format::ContainerDns,
            &layout.prefixes.tree,
            part,
            pair,
        ),
        Part::Bundles => read_records(layout, Format::Bundle, &layout.prefixes.bundles, part, pair),
    }
}

fn read_records(
    layout: &Layout,
    format: Format,
    prefix: &str,
    part: Part,
    pair: &KeyValue,
) -> Result<Read, FormatError> {
    let zones = layout.zones.all();
    let contribution = format::decode(format, prefix, zones, &pair.key, &pair.value)?;
    let (cluster, user) = containerdns::decode_fields(&pair.value)?;
    let records = contribution.records;
    let Some(first) = records.first().map(|contributed| &contributed.record) else {
        return Ok(Read::Nothing);
    };
    let name = first.owner.clone();
    let policy = contribution.marks.iter().find_map(|(at, mark)| match mark {
        Mark::Policy(policy) if *at == name => Some(*policy),
        _ => None,
    });
    // A second record of a tree key is the address at the key's own name.
    let beside = records.get(1).filter(|_| part == Part::Tree);
    let backend = beside.and_then(|beside| beside.record.rdata.as_ip(beside.record.rtype));
    let foreign = backend.is_some() && first.rdata.as_ip(first.rtype).is_some();
    let item = |contributed: &Contributed| Item {
        rtype: contributed.record.rtype,
        ttl: contributed.record.ttl,
        rdata: contributed.record.rdata.clone(),
        weight: contributed.weight,
        backend,
    };
    let at_name = records.iter().filter(|held| held.record.owner == name);
    let entry = Entry {
        key: pair.key.clone(),
        revision: pair.mod_revision,
        part,
        user,
        cluster,
        policy,
        foreign,
        items: at_name.map(item).collect(),
    };
    Ok(Read::Entry(name, Box::new(entry)))
}

#[cfg(test)]
mod tests;
