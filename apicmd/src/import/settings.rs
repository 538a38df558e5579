//! What stands beside the records of an RRset: policy, weights and probe, on the server and in a
//! file. Lines of JSON have them, zone files do not; what a file does not say stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::rest::{self, Probing, Rrset, State};
use containerdns_schema::{Rdata, RecordType};
use serde_json::{Map, Value, json};

/// Of one RRset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How answers are chosen at the name.
    pub(crate) policy: Option<AnswerPolicy>,
    /// How often addresses are chosen.
    pub(crate) weights: BTreeMap<IpAddr, u16>,
    /// How addresses are probed.
    pub(crate) probe: Option<Probing>,
    /// At which ports.
    pub(crate) probe_ports: Vec<u16>,
}

impl Settings {
    /// As the server has them.
    pub(crate) fn of_rrset(rrset: &Rrset) -> Self {
        let weights = rrset.ips.iter().zip(&rrset.weights);
        Self {
            policy: rrset.policy,
            weights: weights
                .filter_map(|(address, weight)| Some((*address, (*weight)?)))
                .collect(),
            probe: rrset.probe.clone(),
            probe_ports: rrset.probe_ports.clone(),
        }
    }

    /// As a line of a file has them; what it takes away is as if it said nothing.
    pub(crate) fn of_line(settings: rest::Settings) -> Self {
        let weights = settings.weights.into_iter();
        Self {
            policy: settings.policy.flatten(),
            weights: weights
                .filter_map(|(address, weight)| Some((address, weight?)))
                .collect(),
            probe: settings
                .probe
                .filter(|probe| *probe != Probing::Asked(false)),
            probe_ports: settings.probe_ports.unwrap_or_default(),
        }
    }

    /// Takes what another line says of the same RRset.
    pub(crate) fn extend(&mut self, other: Self) {
        self.policy = other.policy.or(self.policy);
        self.weights.extend(other.weights);
        if other.probe.is_some() {
            self.probe = other.probe;
            self.probe_ports = other.probe_ports;
        }
    }

    /// What is not said here stays as it was, for records that stay.
    pub(crate) fn keep(&mut self, before: &Self, rtype: RecordType, stay: &BTreeSet<Rdata>) {
        let mut kept = before.clone();
        let stay: BTreeSet<IpAddr> = stay.iter().filter_map(|rdata| rdata.as_ip(rtype)).collect();
        kept.weights.retain(|address, _| stay.contains(address));
        kept.extend(std::mem::take(self));
        *self = kept;
    }

    /// The fields of a body that make the server have these; of weights, see [`Self::weights`].
    pub(crate) fn differing(&self, before: Option<&Self>) -> Vec<(&'static str, Value)> {
        let none = Self::default();
        let before = before.unwrap_or(&none);
        let mut fields = Vec::new();
        if let Some(policy) = self.policy
            && before.policy != self.policy
        {
            fields.push(("policy", json!(policy)));
        }
        if let Some(probe) = &self.probe
            && (&before.probe, &before.probe_ports) != (&self.probe, &self.probe_ports)
        {
            fields.push(("probe", json!(probe)));
            if before.probe_ports != self.probe_ports {
                fields.push(("probe_ports", json!(self.probe_ports)));
            }
        }
        fields
    }

    /// The weights of these records that differ, by address.
    pub(crate) fn weights(
        &self,
        before: Option<&Self>,
        rtype: RecordType,
        there: &BTreeSet<Rdata>,
    ) -> Option<Value> {
        let addresses = there.iter().filter_map(|rdata| rdata.as_ip(rtype));
        let differing = addresses.filter_map(|address| {
            let weight = self.weights.get(&address)?;
            let former = before.and_then(|before| before.weights.get(&address));
            (former != Some(weight)).then(|| (address.to_string(), json!(weight)))
        });
        let differing: Map<String, Value> = differing.collect();
        (!differing.is_empty()).then_some(Value::Object(differing))
    }

    /// As a difference tells them.
    pub(crate) fn state(&self) -> State {
        let weights = self.weights.iter();
        State {
            policy: self.policy,
            weights: weights
                .map(|(address, weight)| (address.to_string(), *weight))
                .collect(),
            probe: self.probe.clone(),
            probe_ports: self.probe_ports.clone(),
            ..State::default()
        }
    }
}
