//! What a change does to names in memory, as far as the tests need it.

use std::collections::{BTreeMap, BTreeSet};

use containerdns_schema::rest::request::{NewRecord, Selector};
use containerdns_schema::rest::{Change, Difference, NameChange, Names, Probing, Rrset, State};
use containerdns_schema::{Name, Rdata, RecordType};

/// What a change takes of the store's transaction.
pub(super) fn operations(change: &NameChange) -> usize {
    let records = match &change.change {
        Change::Add { records, .. } | Change::Replace { records, .. } => records.len(),
        Change::Update { pairs, .. } => pairs.len(),
        Change::Remove { records, .. } => records.len(),
        Change::Set { .. } | Change::RemoveAll => 1,
    };
    records.min(32) + 1
}

/// Status and words of a failure.
pub(super) type Refusal = (u16, String);

/// Changes one name.
pub(super) fn apply(names: &mut Names, change: &NameChange) -> Result<(), Refusal> {
    let name = &change.name;
    let mut sets: BTreeMap<RecordType, Rrset> = names
        .remove(name)
        .iter()
        .flat_map(Rrset::all)
        .map(|rrset| (rrset.rtype, rrset.clone()))
        .collect();
    sets.values_mut().for_each(|rrset| rrset.more.clear());
    let done = apply_to(&mut sets, change);
    set(&mut sets, change);
    sets.retain(|_, rrset| !rrset.records.is_empty());
    let mut all = sets.into_values();
    if let Some(mut first) = all.next() {
        first.more = all.collect();
        names.insert(name.clone(), first);
    }
    done
}

fn apply_to(sets: &mut BTreeMap<RecordType, Rrset>, change: &NameChange) -> Result<(), Refusal> {
    let name = &change.name;
    let set = |sets: &mut BTreeMap<RecordType, Rrset>, rtype, ttl: Option<u32>| -> Rrset {
        let mut set = sets.remove(&rtype).unwrap_or_else(|| Rrset::new(rtype));
        set.ttl = ttl.or(set.ttl);
        set.user = set.user.or(change.user.clone());
        set
    };
    let missing = |text: &str| (409, format!("{name} has no record {text}"));
    match &change.change {
        Change::Add {
            rtype,
            records,
            ttl,
        } => {
            let mut one = set(sets, *rtype, *ttl);
            for text in records.iter().map(|record| new_text(*rtype, record)) {
                if !one.records.contains(&text) {
                    one.records.push(text);
                }
            }
            sets.insert(*rtype, one);
        }
        Change::Replace {
            rtype,
            records,
            ttl,
        } => {
            let mut one = set(sets, *rtype, *ttl);
            one.records = records
                .iter()
                .map(|record| new_text(*rtype, record))
                .collect();
            sets.insert(*rtype, one);
        }
        Change::Update { rtype, pairs, ttl } => {
            let mut one = set(sets, *rtype, *ttl);
            update(&mut one, pairs).map_err(|text| missing(&text))?;
            sets.insert(*rtype, one);
        }
        Change::Set { rtype, ttl } => {
            let one = set(sets, *rtype, *ttl);
            sets.insert(*rtype, one);
        }
        Change::Remove { rtype, records } => {
            let mut one = set(sets, *rtype, None);
            if one.records.is_empty() {
                return Err((404, format!("{name} has no {rtype} records")));
            }
            remove(&mut one, records).map_err(|text| missing(&text))?;
            if !records.is_empty() {
                sets.insert(*rtype, one);
            }
        }
        Change::RemoveAll if sets.is_empty() => return Err((404, format!("{name} is not there"))),
        Change::RemoveAll => sets.clear(),
    }
    let alone = sets
        .get(&RecordType::CNAME)
        .map(|alias| alias.records.len());
    match alone {
        Some(1) if sets.len() > 1 => Err((409, format!("{name}: a CNAME record stands alone"))),
        Some(count) if count > 1 => Err((409, format!("{name} has a CNAME record already"))),
        _ => Ok(()),
    }
}

/// What is asked beside records. The order of `ips` is that of `records`.
fn set(sets: &mut BTreeMap<RecordType, Rrset>, change: &NameChange) {
    let settings = &change.settings;
    if let Some(policy) = settings.policy {
        sets.values_mut().for_each(|set| set.policy = policy);
    }
    let rtype = change.change.rtype();
    let Some(set) = rtype.and_then(|rtype| sets.get_mut(&rtype)) else {
        return;
    };
    let address = |text: &String| text.parse().ok();
    set.ips = set.records.iter().filter_map(address).collect();
    set.weights.resize(set.ips.len(), None);
    for (ip, weight) in set.ips.iter().zip(&mut set.weights) {
        *weight = settings.weights.get(ip).copied().unwrap_or(*weight);
    }
    if set.weights.iter().all(Option::is_none) {
        set.weights.clear();
    }
    if let Some(probe) = &settings.probe {
        set.probe = Some(probe.clone()).filter(|probe| *probe != Probing::Asked(false));
    }
    if let Some(ports) = &settings.probe_ports {
        set.probe_ports.clone_from(ports);
    }
}

/// Turns records into others; an error is the one that is not there.
fn update(set: &mut Rrset, pairs: &[(Selector, NewRecord)]) -> Result<(), String> {
    for (old, new) in pairs {
        let old = selected(set.rtype, old);
        let found = set.records.iter().position(|text| *text == old);
        set.records[found.ok_or(old)?] = new_text(set.rtype, new);
    }
    Ok(())
}

/// Removes records; an error is the one that is not there.
fn remove(set: &mut Rrset, records: &[Selector]) -> Result<(), String> {
    for record in records {
        let text = selected(set.rtype, record);
        let found = set.records.iter().position(|found| *found == text);
        set.records.remove(found.ok_or(text)?);
    }
    Ok(())
}

fn new_text(rtype: RecordType, record: &NewRecord) -> String {
    match record {
        NewRecord::Rdata(rdata) => Rdata::to_text(rdata, rtype),
        NewRecord::Backend { .. } => panic!("the command line sends RDATA"),
    }
}

fn selected(rtype: RecordType, selector: &Selector) -> String {
    match selector {
        Selector::Rdata(rdata) => rdata.to_text(rtype),
        Selector::Backend { .. } => panic!("the command line sends RDATA"),
    }
}

/// What is different, by name and type.
pub(super) fn differences(before: &Names, after: &Names) -> Vec<Difference> {
    let sets = |names: &Names| -> BTreeMap<(Name, RecordType), State> {
        let mut all = BTreeMap::new();
        for (name, rrset) in names {
            for rrset in rrset.all() {
                let state = State {
                    ttl: rrset.ttl,
                    user: rrset.user.clone(),
                    records: rrset.records.clone(),
                    ..State::default()
                };
                all.insert((name.clone(), rrset.rtype), state);
            }
        }
        all
    };
    let (before, after) = (sets(before), sets(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| before.get(key) != after.get(key));
    changed
        .map(|key| Difference {
            name: key.0.clone(),
            rtype: key.1,
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .collect()
}
