//! What the store says about backends and probers. Pure: news come in, and it is told whom they
//! concern.
//!
//! | kept | keys |
//! |---|---|
//! | status of a backend | `/containerdns/monitor/status/<ip>` |
//! | bundles (or all records) that ask for probes | `/containerdns-kube/...`, `/containerdns/...` |
//! | living probers | `/containerdns-prober/members/<identity>` |
//! | who finds a backend down, for a quorum | `/containerdns-prober/votes/<ip>/<identity>` |
//!
//! A complete list replaces what was known of its prefix, except for own writes that are newer.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use containerdns_schema::Name;
use containerdns_schema::format::{self, Contribution, FormatError};
use containerdns_schema::health::{self, Health, MEMBER_PREFIX, Status, StatusKey};
use containerdns_schema::probe::{Probe, Wish};
use containerdns_store::Revision;

use super::settings::Records;
use crate::follow::News;

/// What the keys of all probers start with.
pub const PROBER_PREFIX: &str = "/containerdns-prober/";
const VOTE_PREFIX: &str = "/containerdns-prober/votes/";

/// The key of a living prober.
#[must_use]
pub fn member_key(identity: &str) -> Vec<u8> {
    format!("{MEMBER_PREFIX}{identity}").into_bytes()
}

/// The key by which a prober says that it finds a backend down.
#[must_use]
pub fn vote_key(address: IpAddr, identity: &str) -> Vec<u8> {
    format!("{VOTE_PREFIX}{address}/{identity}").into_bytes()
}

/// What a key was read as.
#[derive(Debug, Clone)]
pub enum Said {
    /// The value of a status key.
    Status(Box<[u8]>),
    /// Addresses that are to be probed, each with its owner.
    Wishes(Vec<(IpAddr, String)>, Wish),
    /// A prober lives.
    Member(String),
    /// A prober finds a backend down.
    Vote(IpAddr, String),
    /// Nothing that concerns probers.
    Nothing,
    /// The value makes no sense: what it said before stays, as it does in answers.
    Bad,
}

/// Reads a key below [`PROBER_PREFIX`].
#[must_use]
pub fn read_prober_key(key: &[u8]) -> Said {
    let key = String::from_utf8_lossy(key);
    if let Some(identity) = key.strip_prefix(MEMBER_PREFIX) {
        return Said::Member(identity.to_owned());
    }
    let vote = key.strip_prefix(VOTE_PREFIX);
    let vote = vote.and_then(|vote| vote.split_once('/'));
    match vote.and_then(|(address, by)| Some((address.parse().ok()?, by))) {
        Some((address, by)) => Said::Vote(address, by.to_owned()),
        None => Said::Nothing,
    }
}

/// Reads a key that may ask for probes.
#[must_use]
pub fn read_records(records: &Records, zones: &[Name], key: &[u8], value: &[u8]) -> Said {
    let read = format::decode(records.format, &records.prefix, zones, key, value);
    let all = records.all_below.as_deref();
    let all = all.is_some_and(|prefix| key.starts_with(prefix.as_bytes()));
    match read {
        Ok(Contribution { records, probe, .. }) if all || probe.is_some() => {
            let records = records.into_iter().map(|held| held.record);
            let addresses = records.filter_map(|record| {
                let address = record.rdata.as_ip(record.rtype)?;
                Some((address, record.owner.to_string()))
            });
            Said::Wishes(addresses.collect(), probe.unwrap_or_default())
        }
        Ok(_) => Said::Nothing,
        Err(_) => Said::Bad,
    }
}

/// A backend to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How; none: the prober's own way.
    pub probe: Option<Probe>,
    /// The ports of its status key.
    pub ports: Vec<u16>,
    /// The names that have it.
    pub names: Vec<String>,
    /// What the store says of it.
    pub status: Status,
    /// The prober that said so last.
    pub prober: Option<String>,
}

/// A status key as last seen.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its value.
    pub value: Box<[u8]>,
    /// When it was written.
    pub revision: Revision,
    /// Whether a prober made the key.
    made: bool,
    /// The value, read.
    health: Result<Health, FormatError>,
}

/// Whom news concern.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    /// Probers have come or gone.
    pub members: bool,
    /// Backends.
    pub addresses: HashSet<IpAddr>,
    /// Those of them whose status key was written.
    pub statuses: HashSet<IpAddr>,
}

/// Everything known.
#[derive(Debug)]
pub struct Board {
    health_prefix: String,
    statuses: HashMap<IpAddr, Kept>,
    members: BTreeSet<String>,
    votes: HashMap<IpAddr, BTreeSet<String>>,
    /// Which addresses each key asks for.
    asking: HashMap<Vec<u8>, Vec<IpAddr>>,
    /// Which keys ask for an address, and what with: the first in order says how.
    wishes: HashMap<IpAddr, BTreeMap<Vec<u8>, (String, Wish)>>,
    /// The revision of the last list of each prefix.
    listed: HashMap<Vec<u8>, Revision>,
}

impl Board {
    /// Nothing is known; status keys have this prefix.
    #[must_use]
    pub fn new(health_prefix: &str) -> Self {
        Self {
            health_prefix: health_prefix.to_owned(),
            statuses: HashMap::new(),
            members: BTreeSet::new(),
            votes: HashMap::new(),
            asking: HashMap::new(),
            wishes: HashMap::new(),
            listed: HashMap::new(),
        }
    }

    /// Takes in news of all keys with `prefix`.
    pub fn take(&mut self, prefix: &[u8], news: News<Said>) -> Concerned {
        let mut concerned = Concerned::default();
        match news {
            News::Changed { seen, .. } => {
                for seen in seen {
                    self.see(&seen.key, seen.value, seen.revision, &mut concerned);
                }
            }
            News::Listed { revision, seen } => {
                let former = self.listed.insert(prefix.to_vec(), revision);
                // A store that went back in time knows nothing of what was written after.
                let replaced = former.is_some_and(|former| former > revision);
                let keys: HashSet<&[u8]> = seen.iter().map(|seen| &seen.key[..]).collect();
                for key in self.keys(prefix) {
                    if !keys.contains(&key[..]) {
                        let at = if replaced { Revision::MAX } else { revision };
                        self.see(&key, None, at, &mut concerned);
                    }
                }
                if replaced {
                    self.statuses
                        .values_mut()
                        .for_each(|kept| kept.revision = 0);
                }
                for seen in seen {
                    self.see(&seen.key, seen.value, seen.revision, &mut concerned);
                }
            }
        }
        concerned
    }

    /// A status key was written at `revision`, or deleted.
    pub fn committed(&mut self, address: IpAddr, value: Option<&[u8]>, revision: Revision) {
        self.keep(address, value.map(Box::from), revision);
    }

    /// A prober's vote was written, or deleted.
    pub fn voted(&mut self, address: IpAddr, identity: &str, down: bool) {
        let vote = Said::Vote(address, identity.to_owned());
        self.see_prober(vote, down, &mut Concerned::default());
    }

    /// The backend at an address, if it is to be probed. One whose status key makes no sense is
    /// left alone: its writer may mean something that is not known here.
    #[must_use]
    pub fn target(&self, address: IpAddr) -> Option<Target> {
        let kept = self.statuses.get(&address).map(|kept| &kept.health);
        let health = kept.map(Result::as_ref).transpose().ok()?;
        let wishes = self.wishes.get(&address);
        if wishes.is_none() && health.is_none_or(|_| self.is_leftover(address)) {
            return None;
        }
        let wished = wishes.and_then(|wishes| wishes.values().find_map(|(_, wish)| wish.way()));
        let mut names: Vec<String> = health
            .map(|health| health.names.clone())
            .unwrap_or_default();
        for (name, _) in wishes.into_iter().flat_map(BTreeMap::values) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Some(Target {
            probe: health
                .and_then(|health| health.probe.clone())
                .or(wished.cloned()),
            ports: health
                .map(|health| health.ports.clone())
                .unwrap_or_default(),
            names,
            status: health.map_or(Status::Up, |health| health.status),
            prober: health.and_then(|health| health.prober.clone()),
        })
    }

    /// Whether a prober made the status key for bundles, and none of them asks for it any more.
    #[must_use]
    pub fn is_leftover(&self, address: IpAddr) -> bool {
        let kept = self.statuses.get(&address);
        !self.wishes.contains_key(&address) && kept.is_some_and(|kept| kept.made)
    }

    /// The status key of an address.
    #[must_use]
    pub fn status(&self, address: IpAddr) -> Option<&Kept> {
        self.statuses.get(&address)
    }

    /// How many backends are known of.
    #[must_use]
    pub fn len(&self) -> usize {
        let only_wished = self
            .wishes
            .keys()
            .filter(|address| !self.statuses.contains_key(address));
        self.statuses.len() + only_wished.count()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every address that is known of.
    #[must_use]
    pub fn addresses(&self) -> HashSet<IpAddr> {
        self.statuses
            .keys()
            .chain(self.wishes.keys())
            .copied()
            .collect()
    }

    /// The living probers.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    /// Whether a prober has said that it finds a backend down.
    #[must_use]
    pub fn has_vote(&self, address: IpAddr, identity: &str) -> bool {
        self.votes
            .get(&address)
            .is_some_and(|votes| votes.contains(identity))
    }

    /// The keys known with `prefix`.
    fn keys(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let statuses = self.statuses.keys();
        let statuses = statuses.map(|address| health::key(&self.health_prefix, *address));
        let members = self.members.iter().map(|identity| member_key(identity));
        let votes = self
            .votes
            .iter()
            .flat_map(|(address, votes)| votes.iter().map(|identity| vote_key(*address, identity)));
        let all = statuses
            .chain(members)
            .chain(votes)
            .chain(self.asking.keys().cloned());
        all.filter(|key| key.starts_with(prefix)).collect()
    }

    fn see(&mut self, key: &[u8], said: Option<Said>, at: Revision, concerned: &mut Concerned) {
        if key.starts_with(self.health_prefix.as_bytes()) {
            // Inside the tree of records, where it means nothing else.
            let value = match said {
                Some(Said::Status(value)) => Some(value),
                Some(_) => return,
                None => None,
            };
            if let Ok(address) = health::address(&self.health_prefix, key)
                && self.keep(address, value, at)
            {
                concerned.addresses.insert(address);
                concerned.statuses.insert(address);
            }
            return;
        }
        if key.starts_with(PROBER_PREFIX.as_bytes()) {
            self.see_prober(read_prober_key(key), said.is_some(), concerned);
            return;
        }
        if matches!(said, Some(Said::Bad)) {
            return;
        }
        for address in self.asking.remove(key).unwrap_or_default() {
            if let Some(wishes) = self.wishes.get_mut(&address) {
                wishes.remove(key);
                if wishes.is_empty() {
                    self.wishes.remove(&address);
                }
            }
            concerned.addresses.insert(address);
        }
        if let Some(Said::Wishes(addresses, wish)) = said {
            for (address, name) in &addresses {
                let wishes = self.wishes.entry(*address).or_default();
                let wish = || (name.clone(), wish.clone());
                wishes.entry(key.to_vec()).or_insert_with(wish);
                concerned.addresses.insert(*address);
            }
            let addresses = addresses.into_iter().map(|(address, _)| address);
            self.asking.insert(key.to_vec(), addresses.collect());
        }
    }

    fn see_prober(&mut self, said: Said, stands: bool, concerned: &mut Concerned) {
        match (said, stands) {
            (Said::Member(identity), lives) => {
                concerned.members |= match lives {
                    true => self.members.insert(identity),
                    false => self.members.remove(&identity),
                };
            }
            (Said::Vote(address, identity), true) => {
                self.votes.entry(address).or_default().insert(identity);
                concerned.addresses.insert(address);
            }
            (Said::Vote(address, identity), false) => {
                if let Some(votes) = self.votes.get_mut(&address) {
                    votes.remove(&identity);
                    if votes.is_empty() {
                        self.votes.remove(&address);
                    }
                    concerned.addresses.insert(address);
                }
            }
            _ => {}
        }
    }

    /// Whether that was new.
    fn keep(&mut self, address: IpAddr, value: Option<Box<[u8]>>, revision: Revision) -> bool {
        let former = self.statuses.get(&address);
        if former.is_some_and(|former| former.revision >= revision) {
            return false;
        }
        let Some(value) = value else {
            return self.statuses.remove(&address).is_some();
        };
        let key = health::key(&self.health_prefix, address);
        let read = StatusKey::parse(&self.health_prefix, &key, &value);
        let kept = Kept {
            value,
            revision,
            made: read.as_ref().is_ok_and(StatusKey::is_made),
            health: read.map(|key| key.health().clone()),
        };
        self.statuses.insert(address, kept);
        true
    }
}

#[cfg(test)]
mod tests;
