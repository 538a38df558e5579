//! All records as the sync thread knows them: key -> contribution, merged into names, and which
//! names have changed since the cores were last told.
//!
//! Pure: no store, no clock, no channel. `put` and `delete` take what one store key says;
//! `take_changes` compiles the names that changed into nodes (`compile`). What a key contributed is
//! kept here, so a delete needs no former value from the store. Names are a tree: a name exists
//! while it has records or a name below it, which is how empty non-terminals come and go. Names at
//! and below a zone cut are kept but compiled to nothing, so that removing the cut brings them
//! back.
//!
//! Each view has a tree of its own, which holds nothing but what its own keys contribute: what its
//! clients see of the rest is decided where they ask (`answer`). All else is one: keys, health,
//! counts. So whatever keeps names from going keeps those of views, too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;

use containerdns_schema::format::{Contribution, Group};
use containerdns_schema::name::Name;

use crate::delta::Change;
use crate::table::{Policy, Soa, ViewId, Zone, ZoneId, Zones};
use crate::topology::{Topology, TopologyZone};

mod backends;
mod canonical;
mod compile;
mod hold;
mod holders;
mod nearer;
mod reverse;
mod tree;

use backends::Backends;
pub use backends::Word;
use holders::Holders;

/// Names kept at most: a flood of keys is refused, never paid for by names that exist. At some
/// 600 octets a name in the model and on two cores this is 10 GB.
pub const NAMES_MAX: usize = 16_000_000;

/// Records that a name inherits from the names below it at most (SkyDNS subtree answers). No answer
/// over TCP holds more addresses; a name with more below it has no subtree answer.
pub const INHERITED_MAX: usize = 4_096;

/// Records made for a name from those of others at most: so many names with one address get a PTR.
pub const DERIVED_MAX: usize = 64;

/// What the configuration says about merging records.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Zones, in the order of their [`ZoneId`]s, with the SOA of those that have none in the store.
    pub zones: Zones,
    /// Which of them get PTR records from the addresses of all the others.
    pub reverse: HashSet<ZoneId>,
    /// How many views there are.
    pub views: usize,
    /// TTL of records without one.
    pub ttl_default_s: u32,
    /// Records of a subset, where the policy is that.
    pub subset_len: NonZeroU8,
    /// Policy where neither name nor zone has one.
    pub policy: Policy,
    /// Policies of zones.
    pub zone_policies: HashMap<ZoneId, Policy>,
    /// Policies of single names.
    pub name_policies: Vec<(Name, Policy)>,
    /// Which topology zones addresses are in.
    pub topology: Arc<Topology>,
    /// The server's own addresses: those of `ns.dns.ZONE` where the store has none.
    pub server_addresses: Vec<IpAddr>,
}

/// The version of a key's value that was last taken in: equal stamps need no second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Revision of the last write.
    pub mod_revision: i64,
    /// Hash of the value: a store restored from a backup may reuse revisions.
    pub value_hash: u64,
}

/// What a store key says.
#[derive(Debug)]
pub enum Adds {
    /// Records for everybody.
    Records(Contribution),
    /// Records for the clients of a view.
    ViewRecords(ViewId, Contribution),
    /// What is said of the backend with this address.
    Health(IpAddr, Word),
    /// A prober lives.
    Prober(Arc<str>),
    /// The value makes no sense: what the key said before stays.
    Bad,
}

/// All names and what is known of them.
#[derive(Debug)]
pub struct Model {
    settings: ModelSettings,
    /// Apex of each zone as a canonical key.
    apexes: Vec<Vec<u8>>,
    name_policies: HashMap<Vec<u8>, Policy>,
    /// Boxed: half of the table's places are free.
    keys: HashMap<Arc<[u8]>, Box<Key>, foldhash::fast::RandomState>,
    next_key: u64,
    /// For everybody, and then one for each view: see [`place_of`].
    trees: Vec<Tree>,
    states: Vec<State>,
    free: Vec<NameId>,
    /// The parent of the name that was last made in each zone.
    parents: Vec<Option<NameId>>,
    dirty: Vec<NameId>,
    removed: Vec<(Option<ViewId>, Arc<[u8]>)>,
    backends: Backends,
    holders: Holders,
    /// SOA as last sent, by zone.
    soas: Vec<Arc<Soa>>,
    counts: Counts,
    conflicts: HashSet<NameId>,
    /// Names all of whose addresses are down.
    failed_open: HashSet<NameId>,
}

/// Sizes and oddities of the model, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names for everybody: those with records, and those between them and their apex.
    pub names: usize,
    /// Keys read.
    pub keys: usize,
    /// Keys whose value makes no sense.
    pub keys_bad: usize,
    /// Names where a CNAME stands beside other records, which win.
    pub conflicts: usize,
    /// Backends known to be down.
    pub backends_down: usize,
    /// Names all of whose addresses of a type are down: all of them are answered.
    pub failed_open: usize,
    /// Records that lie in no zone of ours, seen since the start.
    pub records_outside: u64,
    /// Records refused because [`NAMES_MAX`] names exist, since the start.
    pub records_refused: u64,
    /// SOA, NS and DS records of views, which are left out, seen since the start.
    pub records_left_out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct NameId(u32);

/// Canonical key to name.
type Tree = BTreeMap<Arc<[u8]>, NameId>;

/// The place of a view's tree.
fn place_of(view: Option<ViewId>) -> usize {
    view.map_or(0, |ViewId(place)| 1 + usize::from(place))
}

/// What a key says that holds no records.
#[derive(Debug)]
enum Said {
    /// Something of a backend.
    Backend(IpAddr),
    /// That a prober lives.
    Prober(Arc<str>),
}

#[derive(Debug)]
struct Key {
    id: u64,
    stamp: Stamp,
    /// The list that last held this key.
    list: u64,
    bad: bool,
    health: Option<Box<Said>>,
    owners: Box<[NameId]>,
}

#[derive(Debug)]
struct State {
    canonical: Arc<[u8]>,
    parent: Option<NameId>,
    view: Option<ViewId>,
    zone: ZoneId,
    apex: bool,
    children: u32,
    wildcard_child: bool,
    cut: bool,
    dirty: bool,
    records: Vec<Held>,
}

/// A record at a name.
#[derive(Debug, Clone)]
struct Held {
    key: u64,
    rtype: u16,
    origin: Origin,
    ttl_s: Option<u32>,
    weight: Option<u16>,
    /// Of an address, where its key says it.
    zone: Option<TopologyZone>,
    rdata: Box<[u8]>,
    group: Option<Box<Group>>,
}

/// Why a record is at its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The name is its owner.
    Own,
    /// Its owner lies below (SkyDNS subtree answers).
    Inherited,
    /// Made from another record; gives way to records of its type that are the name's own.
    Derived,
}

impl Model {
    /// A model with the zones' apexes and nothing else.
    pub fn new(settings: ModelSettings) -> Model {
        let zones = &settings.zones.0;
        let apexes: Vec<Vec<u8>> = zones
            .iter()
            .map(|zone| canonical::from_wire(&zone.apex))
            .collect();
        let policies = settings.name_policies.iter();
        let mut model = Model {
            name_policies: policies
                .map(|(name, policy)| (canonical::from_wire(name.wire()), *policy))
                .collect(),
            apexes,
            keys: HashMap::default(),
            next_key: 1,
            trees: vec![Tree::new(); 1 + settings.views],
            states: Vec::new(),
            free: Vec::new(),
            parents: vec![None; zones.len()],
            dirty: Vec::new(),
            removed: Vec::new(),
            backends: Backends::default(),
            holders: Holders::default(),
            soas: zones
                .iter()
                .map(|zone| Arc::new(zone.soa.clone()))
                .collect(),
            counts: Counts::default(),
            conflicts: HashSet::new(),
            failed_open: HashSet::new(),
            settings,
        };
        for place in 0..model.apexes.len() {
            let apex = model.apexes[place].clone();
            let id = model.create(None, &apex, ZoneId(place as u16));
            model.mark(id);
        }
        model.join_zones();
        model.hold_server_addresses();
        model
    }

    /// The stamp of the value last taken in from `key`.
    pub fn stamp(&self, key: &[u8]) -> Option<Stamp> {
        self.keys.get(key).map(|key| key.stamp)
    }

    /// Notes that list number `list` holds `key`.
    pub fn mark_listed(&mut self, key: &[u8], list: u64) {
        if let Some(key) = self.keys.get_mut(key) {
            key.list = list;
        }
    }

    /// The store's revisions began anew: what is held has none of them.
    pub fn forget_revisions(&mut self) {
        for key in self.keys.values_mut() {
            key.stamp.mod_revision = 0;
        }
    }

    /// Takes in what `key` says now.
    pub fn put(&mut self, key: &[u8], stamp: Stamp, list: u64, adds: Adds) {
        let former = self.keys.remove_entry(key);
        let (name, mut state) = former.unwrap_or_else(|| {
            self.next_key += 1;
            let state = Key {
                id: self.next_key,
                stamp,
                list,
                bad: false,
                health: None,
                owners: Box::default(),
            };
            (Arc::from(key), Box::new(state))
        });
        (state.stamp, state.list) = (stamp, list);
        self.counts.keys_bad -= usize::from(state.bad);
        state.bad = matches!(adds, Adds::Bad);
        self.counts.keys_bad += usize::from(state.bad);
        if !state.bad {
            self.detach(&state);
            let former = std::mem::take(&mut state.owners);
            state.health = None;
            match adds {
                Adds::Records(contribution) => {
                    state.owners = self.attach(None, state.id, contribution);
                }
                Adds::ViewRecords(view, contribution) => {
                    state.owners = self.attach(Some(view), state.id, contribution);
                }
                Adds::Health(address, word) => {
                    state.health = Some(Box::new(Said::Backend(address)));
                    self.say(address, word);
                }
                Adds::Prober(prober) => {
                    state.health = Some(Box::new(Said::Prober(Arc::clone(&prober))));
                    let changed = self.backends.live(prober);
                    self.mark_holders(&changed);
                }
                Adds::Bad => {}
            }
            self.settle(&state.owners);
            self.settle(&former);
        }
        self.keys.insert(name, state);
    }

    /// Takes back what `key` said. Whether there was such a key.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let Some(state) = self.keys.remove(key) else {
            return false;
        };
        self.counts.keys_bad -= usize::from(state.bad);
        self.detach(&state);
        self.settle(&state.owners);
        true
    }

    /// Keys that list number `list` did not hold.
    pub fn keys_not_in(&self, list: u64) -> Vec<Arc<[u8]>> {
        let unlisted = self.keys.iter().filter(|(_, key)| key.list != list);
        unlisted.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// For everybody and then for each view: names that would have no record left without `keys`,
    /// and names with records in all.
    pub fn names_only_from(&self, keys: &[Arc<[u8]>]) -> Vec<(usize, usize)> {
        if keys.is_empty() {
            return Vec::new();
        }
        let ids: HashSet<u64> = keys
            .iter()
            .filter_map(|key| self.keys.get(key))
            .map(|key| key.id)
            .collect();
        let counted = self.trees.iter().map(|tree| {
            let named = tree.values().map(|id| &self.states[id.0 as usize].records);
            let named = named.filter(|records| !records.is_empty());
            named.fold((0, 0), |(lost, all), records| {
                let goes = records.iter().all(|record| ids.contains(&record.key));
                (lost + usize::from(goes), all + 1)
            })
        });
        counted.collect()
    }

    /// Compiles up to `max` changed names. Call again until nothing comes.
    pub fn take_changes(&mut self, max: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < max {
            if let Some((view, name)) = self.removed.pop() {
                // It came back meanwhile: a core must not be without it for even one delta.
                if self.tree(view).contains_key(&name) {
                    continue;
                }
                changes.push(Change::Remove(view, canonical::to_wire(&name).into()));
                continue;
            }
            let Some(id) = self.dirty.pop() else { break };
            if std::mem::take(&mut self.states[id.0 as usize].dirty) {
                self.compile(id, &mut changes);
            }
        }
        changes
    }

    /// Sizes and oddities.
    pub fn counts(&self) -> Counts {
        Counts {
            names: self.trees[0].len(),
            keys: self.keys.len(),
            conflicts: self.conflicts.len(),
            backends_down: self.backends.len(),
            failed_open: self.failed_open.len(),
            ..self.counts
        }
    }

    /// Names of each view.
    pub fn names_in_views(&self) -> impl Iterator<Item = usize> {
        self.trees.iter().skip(1).map(BTreeMap::len)
    }

    /// Probers that call backends down although they have no key, and whose word still counts.
    pub fn unvouched(&self) -> impl Iterator<Item = &Arc<str>> {
        self.backends.unvouched()
    }

    /// Forgets lapsed probers of which nothing is left.
    pub fn forget_silent_probers(&mut self) {
        self.backends.forget_silent();
    }

    /// The word of a prober that has gone counts no more; how many backends come up by that.
    pub fn lapse(&mut self, prober: &Arc<str>) -> usize {
        let changed = self.backends.lapse(prober);
        self.mark_holders(&changed);
        changed.len()
    }

    fn say(&mut self, address: IpAddr, word: Word) {
        if self.backends.say(address, word) {
            self.mark_holders(&[address]);
        }
    }

    fn mark_holders(&mut self, addresses: &[IpAddr]) {
        for &address in addresses {
            for id in self.holders.of(address, &self.states) {
                self.mark(id);
            }
        }
    }

    fn tree(&self, view: Option<ViewId>) -> &Tree {
        &self.trees[place_of(view)]
    }

    fn tree_mut(&mut self, view: Option<ViewId>) -> &mut Tree {
        &mut self.trees[place_of(view)]
    }

    /// The zone of a name: the longest apex it lies at or below.
    fn zone_of(&self, name: &[u8]) -> Option<ZoneId> {
        let zones = self
            .apexes
            .iter()
            .enumerate()
            .filter(|(_, apex)| name.starts_with(apex));
        zones
            .max_by_key(|(_, apex)| apex.len())
            .map(|(place, _)| ZoneId(place as u16))
    }

    fn zone(&self, id: ZoneId) -> &Zone {
        &self.settings.zones.0[usize::from(id.0)]
    }
}

#[cfg(test)]
mod tests;
