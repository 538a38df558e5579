//! What a plan changes, as the audit trail and a dry run tell it: each RRset before and after.

use std::collections::BTreeMap;

use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::rest::{Difference, State};
use containerdns_schema::{Health, Name, RecordType};

use super::status::StatusKeys;
use super::{Working, has_policy, probing};
use crate::records::{Item, NameRecords};

/// Records told of a state before and after; of larger RRsets only those that differ.
const TOLD_RECORDS_MAX: usize = 64;

/// The RRsets that differ.
pub(super) fn differences(
    name: &Name,
    before: &NameRecords,
    after: &[Working],
    status: &StatusKeys<'_>,
) -> Vec<Difference> {
    let mut old = States::default();
    for (entry, item) in before.items() {
        let known = address_of(item).and_then(|address| status.known(address));
        let state = old.add(item, entry.user.as_ref(), entry.policy);
        tell_probe(state, known.map(|known| &known.health), name);
    }
    let mut new = States::default();
    for one in after {
        let health = address_of(&one.item).and_then(|address| status.health(address));
        let state = new.add(&one.item, one.user.as_ref(), one.policy);
        tell_probe(state, health, name);
    }
    let (old, new) = (old.finish(), new.finish());
    let mut types: Vec<RecordType> = old.keys().chain(new.keys()).copied().collect();
    types.sort_unstable();
    types.dedup();
    let differing = types
        .into_iter()
        .filter(|rtype| old.get(rtype) != new.get(rtype));
    let difference = |rtype| {
        let (before, after) = (old.get(&rtype), new.get(&rtype));
        Difference {
            name: name.clone(),
            rtype,
            before: before.map(|state| told(state, after)),
            after: after.map(|state| told(state, before)),
        }
    };
    differing.map(difference).collect()
}

/// The first address that is probed speaks for its RRset.
fn tell_probe(state: &mut State, health: Option<&Health>, name: &Name) {
    let Some(health) = health.filter(|_| state.probe.is_none()) else {
        return;
    };
    state.probe = probing(health, name);
    if state.probe.is_some() {
        state.probe_ports.clone_from(&health.ports);
    }
}

fn address_of(item: &Item) -> Option<std::net::IpAddr> {
    item.rdata
        .as_ip(item.rtype)
        .filter(|_| item.backend.is_none())
}

/// The whole state of every type.
#[derive(Default)]
struct States {
    of_types: BTreeMap<RecordType, State>,
    policy: Option<AnswerPolicy>,
}

impl States {
    fn add(
        &mut self,
        item: &Item,
        user: Option<&String>,
        policy: Option<AnswerPolicy>,
    ) -> &mut State {
        self.policy = self.policy.into_iter().chain(policy).min();
        let state = self.of_types.entry(item.rtype).or_default();
        state.ttl = match (state.ttl, item.ttl) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if state.user.is_none() {
            state.user = user.cloned();
        }
        let text = item.rdata.to_text(item.rtype);
        if let Some(weight) = item.weight {
            let held = state.weights.entry(text.clone()).or_default();
            *held = weight.max(*held);
        }
        state.records.push(text);
        state
    }

    fn finish(mut self) -> BTreeMap<RecordType, State> {
        for (rtype, state) in &mut self.of_types {
            state.records.sort_unstable();
            state.records.dedup();
            state.policy = self.policy.filter(|_| has_policy(*rtype));
        }
        self.of_types
    }
}

/// A state as it is told; of a large one only records that the other lacks or weighs otherwise, and
/// not all of those.
pub(super) fn told(state: &State, other: Option<&State>) -> State {
    let large = state.records.len() > TOLD_RECORDS_MAX;
    let in_other = |record: &&String| {
        other.is_some_and(|other| {
            other.records.binary_search(record).is_ok()
                && other.weights.get(*record) == state.weights.get(*record)
        })
    };
    let shown = state.records.iter();
    let shown = shown.filter(|record| !large || !in_other(record));
    let shown: Vec<String> = shown.take(TOLD_RECORDS_MAX).cloned().collect();
    let weights = shown.iter().filter_map(|record| {
        let weight = state.weights.get(record)?;
        Some((record.clone(), *weight))
    });
    State {
        weights: weights.collect(),
        omitted: state.records.len() - shown.len(),
        records: shown,
        ttl: state.ttl,
        user: state.user.clone(),
        policy: state.policy,
        probe: state.probe.clone(),
        probe_ports: state.probe_ports.clone(),
    }
}
