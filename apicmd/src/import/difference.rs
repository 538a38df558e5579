//! What has to be done to names so that they hold what a file says.
//!
//! Everything is a function of what is there and what is wanted; nothing is read or sent. Within a
//! name records come before others go, except around CNAME, which stands alone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use containerdns_schema::rest::{Difference, Names, State, Zones};
use containerdns_schema::{Name, Rdata, RdataError, RecordType};
use serde_json::{Map, Value, json};

use crate::client::Method;
use crate::import::settings::Settings;

/// All records of names, by type.
pub(crate) type Records = BTreeMap<Name, BTreeMap<RecordType, RecordSet>>;

/// The records of one name and type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecordSet {
    /// Seconds; none: whatever the server has.
    pub(crate) ttl: Option<u32>,
    /// The owner.
    pub(crate) user: Option<String>,
    /// What stands beside the records.
    pub(crate) settings: Settings,
    /// At least one.
    pub(crate) records: BTreeSet<Rdata>,
}

/// What an import is to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The file's records exist, beside others.
    Add,
    /// The zone holds the file's records and no others.
    Equal(Name),
}

/// All that is to be done to one name.
#[derive(Debug)]
pub(crate) struct NameChange<'a> {
    /// The name.
    pub(crate) name: &'a Name,
    rrsets: Vec<RrsetChange<'a>>,
}

/// What one RRset is and what it is to be; never the same.
#[derive(Debug)]
struct RrsetChange<'a> {
    rtype: RecordType,
    /// On whose behalf the file has it.
    user: Option<&'a str>,
    before: Option<&'a RecordSet>,
    after: Option<Cow<'a, RecordSet>>,
}

/// A part of a request: one body of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// JSON.
    pub(crate) body: String,
    /// The store's operations that it takes at most.
    pub(crate) cost: usize,
    /// The records that it is about, for the progress.
    pub(crate) records: usize,
}

/// RRsets with more records than this are sent whole.
const LARGE: usize = 100;
/// Probed addresses that are added or removed at once: each has a key more, its status key.
const PROBED_PART: usize = 40;
/// The server keeps RRsets with more records than this in one key.
const ONE_KEY: usize = 32;
/// The store's operations for an RRset and its name at most, as it comes into one key or leaves it.
const COST_MAX: usize = ONE_KEY + 2;

/// The records of an answer of the API.
pub(crate) fn of_names(names: &Names) -> Result<Records, RdataError> {
    let mut all = Records::new();
    for (name, rrset) in names {
        let sets = all.entry(name.clone()).or_default();
        for rrset in rrset.all() {
            let records = rrset.to_records(name)?;
            let set = RecordSet {
                ttl: rrset.ttl,
                user: rrset.user.clone(),
                settings: Settings::of_rrset(rrset),
                records: records.into_iter().map(|record| record.rdata).collect(),
            };
            sets.insert(rrset.rtype, set);
        }
    }
    Ok(all)
}

/// What has to be done, by name.
pub(crate) fn changes<'a>(
    present: &'a Records,
    wanted: &'a Records,
    aim: &Aim,
) -> Vec<NameChange<'a>> {
    let nothing = const { &BTreeMap::new() };
    let mut all = Vec::new();
    for (name, wanted) in wanted {
        let present = present.get(name).unwrap_or(nothing);
        let rrsets = rrsets(present, wanted, aim);
        all.push(NameChange { name, rrsets });
    }
    if let Aim::Equal(zone) = aim {
        // Names of services and pods are Kubernetes', not the file's to delete.
        let zones = Zones::new(vec![zone.clone()], Vec::new());
        let gone = |(name, _): &(&Name, _)| {
            !wanted.contains_key(name) && name.is_within(zone) && !zones.is_kubernetes(name)
        };
        for (name, present) in present.iter().filter(gone) {
            let rrsets = rrsets(present, nothing, aim);
            all.push(NameChange { name, rrsets });
        }
    }
    all.retain(|change| !change.rrsets.is_empty());
    all
}

fn rrsets<'a>(
    present: &'a BTreeMap<RecordType, RecordSet>,
    wanted: &'a BTreeMap<RecordType, RecordSet>,
    aim: &Aim,
) -> Vec<RrsetChange<'a>> {
    let types: BTreeSet<RecordType> = present.keys().chain(wanted.keys()).copied().collect();
    let change = |rtype: RecordType| {
        let before = present.get(&rtype);
        let after = match (before, wanted.get(&rtype), aim) {
            (_, None, Aim::Add) => return None,
            (_, None, Aim::Equal(_)) => None,
            (None, Some(wanted), _) => Some(Cow::Borrowed(wanted)),
            (Some(before), Some(wanted), aim) => {
                let mut after = wanted.clone();
                after.ttl = wanted.ttl.or(before.ttl);
                after.user.clone_from(&before.user);
                if *aim == Aim::Add {
                    after.records.extend(before.records.iter().cloned());
                }
                after.settings.keep(&before.settings, rtype, &after.records);
                Some(Cow::Owned(after))
            }
        };
        (before != after.as_deref()).then_some(RrsetChange {
            rtype,
            user: wanted.get(&rtype).and_then(|set| set.user.as_deref()),
            before,
            after,
        })
    };
    types.into_iter().filter_map(change).collect()
}

impl NameChange<'_> {
    /// What to send, in order; `user` stands where the file names nobody.
    pub(crate) fn items(&self, user: Option<&str>) -> Vec<Item> {
        let steps = self.rrsets.iter().flat_map(RrsetChange::steps);
        let mut steps: Vec<_> = steps.collect();
        let cname = |change: &RrsetChange<'_>| change.rtype == RecordType::CNAME;
        let removed_first = self.rrsets.iter().any(cname);
        steps.sort_by_key(|step| (step.method == Method::Delete) != removed_first);
        let item = |step: Step<'_>| step.into_item(self.name, user);
        steps.into_iter().map(item).collect()
    }

    /// What will be different.
    pub(crate) fn differences(&self) -> impl Iterator<Item = Difference> {
        self.rrsets.iter().map(|rrset| {
            let state = |set: &RecordSet| State {
                ttl: set.ttl,
                user: set.user.clone(),
                records: texts(rrset.rtype, &set.records),
                ..set.settings.state()
            };
            Difference {
                name: self.name.clone(),
                rtype: rrset.rtype,
                before: rrset.before.map(state),
                after: rrset.after.as_deref().map(state),
            }
        })
    }
}

fn texts<'a>(rtype: RecordType, records: impl IntoIterator<Item = &'a Rdata>) -> Vec<String> {
    let records = records.into_iter();
    records.map(|rdata| rdata.to_text(rtype)).collect()
}

/// One request for one RRset.
struct Step<'a> {
    method: Method,
    rtype: RecordType,
    /// Empty: `DELETE` of the type, or `PUT` of the TTL alone.
    records: Vec<&'a Rdata>,
    ttl: Option<u32>,
    user: Option<&'a str>,
    /// Fields beside the records.
    settings: Vec<(&'static str, Value)>,
    /// Records that the server writes or removes.
    touched: usize,
    /// Status keys of addresses that it writes or removes.
    status_keys: usize,
    /// Whether the server keeps the RRset in one key, before or after.
    is_one_key: bool,
}

impl RrsetChange<'_> {
    fn steps(&self) -> Vec<Step<'_>> {
        let none = const { &BTreeSet::new() };
        let before = self.before.map_or(none, |set| &set.records);
        let after = self.after.as_deref().map_or(none, |set| &set.records);
        let ttl_of = |set: Option<&RecordSet>| set.and_then(|set| set.ttl);
        let ttl = ttl_of(self.after.as_deref());
        let ttl = ttl.filter(|_| ttl != ttl_of(self.before));
        let all = before.len() + after.len();
        let probed = self.is_probed();
        let part_len = if probed { PROBED_PART } else { usize::MAX };
        if after.is_empty() && before.len() <= part_len {
            return vec![self.step(Method::Delete, Vec::new(), None, before.len())];
        }
        let mut added: Vec<_> = after.difference(before).collect();
        let removed: Vec<_> = before.difference(after).collect();
        let whole = stands_alone(self.rtype) || all > LARGE && !probed;
        if !removed.is_empty() && whole {
            let step = self.step(Method::Update, after.iter().collect(), ttl, all);
            return vec![self.with_settings(step, after)];
        }
        let mut steps = Vec::new();
        let rest = added.split_off(added.len().min(part_len));
        // A new TTL or policy is one of the whole RRset.
        let rewrites = ttl.is_some() || self.has_new_policy();
        let rewritten = if rewrites { before.len() } else { 0 };
        let first = match added.is_empty() {
            false => {
                let touched = added.len() + rewritten;
                self.step(Method::Create, added, ttl, touched)
            }
            true => self.step(Method::Update, Vec::new(), ttl, rewritten),
        };
        let there = first.records.iter().copied().chain(before);
        let there = there.cloned().collect();
        let first = self.with_settings(first, &there);
        if !first.records.is_empty() || ttl.is_some() || !first.settings.is_empty() {
            steps.push(first);
        }
        for part in rest.chunks(part_len) {
            let mut step = self.step(Method::Create, part.to_vec(), None, part.len());
            let part = part.iter().copied().cloned().collect();
            step.settings = self.weights(&part);
            steps.push(step);
        }
        for part in removed.chunks(part_len) {
            steps.push(self.step(Method::Delete, part.to_vec(), None, part.len()));
        }
        steps
    }

    /// The settings that the file has and the server has not; weights of these records only.
    fn with_settings<'a>(&self, step: Step<'a>, there: &BTreeSet<Rdata>) -> Step<'a> {
        let mut settings = self.new_settings();
        let reprobed = settings.iter().any(|(field, _)| *field == "probe");
        let before = self.before.map_or(0, |set| set.records.len());
        settings.extend(self.weights(there));
        Step {
            settings,
            status_keys: step.status_keys + if reprobed { before } else { 0 },
            ..step
        }
    }

    fn new_settings(&self) -> Vec<(&'static str, Value)> {
        let former = self.before.map(|set| &set.settings);
        let after = self.after.as_deref();
        after.map_or_else(Vec::new, |set| set.settings.differing(former))
    }

    fn weights(&self, there: &BTreeSet<Rdata>) -> Vec<(&'static str, Value)> {
        let former = self.before.map(|set| &set.settings);
        let after = self.after.as_deref();
        let weights = after.and_then(|set| set.settings.weights(former, self.rtype, there));
        weights
            .map(|weights| ("weights", weights))
            .into_iter()
            .collect()
    }

    fn has_new_policy(&self) -> bool {
        let policy = |set: Option<&RecordSet>| set.and_then(|set| set.settings.policy);
        policy(self.before) != policy(self.after.as_deref())
    }

    /// Whether the addresses have status keys, before or after.
    fn is_probed(&self) -> bool {
        let sets = [self.before, self.after.as_deref()];
        let mut sets = sets.into_iter().flatten();
        sets.any(|set| set.settings.probe.is_some())
    }

    fn step<'a>(
        &'a self,
        method: Method,
        records: Vec<&'a Rdata>,
        ttl: Option<u32>,
        touched: usize,
    ) -> Step<'a> {
        Step {
            method,
            rtype: self.rtype,
            records,
            ttl,
            user: self.user,
            settings: Vec::new(),
            touched,
            status_keys: if self.is_probed() { touched } else { 0 },
            is_one_key: [self.before, self.after.as_deref()]
                .into_iter()
                .flatten()
                .any(|set| set.records.len() >= ONE_KEY),
        }
    }
}

/// Whether a name has one record of the type at most, which cannot be added before the old one
/// goes.
fn stands_alone(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::CNAME | RecordType::DNAME | RecordType::SOA
    )
}

impl Step<'_> {
    fn into_item(self, name: &Name, user: Option<&str>) -> Item {
        let mut body = Map::new();
        let mut put = |key: &str, value: Value| drop(body.insert(key.into(), value));
        put("name", json!(name));
        put("type", json!(self.rtype));
        if self.method != Method::Create {
            put("method", json!(self.method.name()));
        }
        if !self.records.is_empty() {
            put("records", json!(texts(self.rtype, self.records)));
        }
        if let Some(ttl) = self.ttl {
            put("ttl", json!(ttl));
        }
        if let Some(user) = self.user.or(user) {
            put("user", json!(user));
        }
        for (field, value) in self.settings {
            put(field, value);
        }
        let cost = match self.touched {
            0..=LARGE if self.is_one_key => COST_MAX.max(self.touched + 1),
            0..=LARGE => self.touched + 1,
            _ => COST_MAX,
        };
        Item {
            body: Value::Object(body).to_string(),
            cost: cost + self.status_keys,
            records: self.touched,
        }
    }
}

/// How much is different.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Names with any difference.
    pub(crate) names: usize,
    /// Records that come.
    pub(crate) added: usize,
    /// Records that go.
    pub(crate) removed: usize,
    /// RRsets with another TTL.
    pub(crate) retimed: usize,
}

impl Sum {
    /// Of these changes.
    pub(crate) fn of(changes: &[NameChange<'_>]) -> Self {
        let mut sum = Self {
            names: changes.len(),
            ..Self::default()
        };
        let none = const { &BTreeSet::new() };
        for change in changes.iter().flat_map(|change| &change.rrsets) {
            let (before, after) = (change.before, change.after.as_deref());
            let records = |set: Option<&RecordSet>| set.map_or(none.clone(), |s| s.records.clone());
            let (old, new) = (records(before), records(after));
            sum.added += new.difference(&old).count();
            sum.removed += old.difference(&new).count();
            if let (Some(before), Some(after)) = (before, after) {
                sum.retimed += usize::from(before.ttl != after.ttl);
            }
        }
        sum
    }

    /// The last line of a synchronisation.
    pub(crate) fn told(self, took: Duration) -> String {
        let Self {
            names,
            added,
            removed,
            retimed,
        } = self;
        let seconds = took.as_secs_f64();
        match names {
            0 => format!("nothing to change: zone and file are equal ({seconds:.1} s)\n"),
            _ => format!(
                "{} changed: {} added, {removed} removed, {} changed in {seconds:.1} s\n",
                counted(names, "name"),
                counted(added, "record"),
                counted(retimed, "TTL"),
            ),
        }
    }
}

fn counted(count: usize, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

#[cfg(test)]
mod tests;
