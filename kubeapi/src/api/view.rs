//! How records are shown: RRsets with the fields of the original API.

use std::collections::BTreeMap;

use containerdns_schema::rest::{Names, Rrset};
use containerdns_schema::{Name, RecordType};

use crate::plan::{self, srv_port};
use crate::records::{Entry, Item, NameRecords, Records};

/// Everything kept at a name, or the one type asked for; none when there is nothing.
pub(super) fn name(
    records: &Records,
    (owner, kept): (&Name, &NameRecords),
    rtype: Option<RecordType>,
) -> Option<Rrset> {
    let policy = kept.policy();
    let mut rrsets: BTreeMap<RecordType, Rrset> = BTreeMap::new();
    let asked = |(_, item): &(&Entry, &Item)| rtype.is_none_or(|rtype| rtype == item.rtype);
    let mut items: Vec<(&Entry, &Item)> = kept.items().filter(asked).collect();
    items.sort_by_key(|(_, item)| (item.rtype, &item.rdata));
    for (entry, item) in items {
        let rrset = rrsets
            .entry(item.rtype)
            .or_insert_with(|| Rrset::new(item.rtype));
        add(rrset, item, owner, records);
        if rrset.user.is_none() {
            rrset.user.clone_from(&entry.user);
        }
    }
    let mut rrsets = rrsets.into_values().map(|rrset| Rrset {
        policy: policy.filter(|_| plan::has_policy(rrset.rtype)),
        weights: match rrset.weights.iter().any(Option::is_some) {
            true => rrset.weights,
            false => Vec::new(),
        },
        ..rrset
    });
    let mut first = rrsets.next()?;
    first.more = rrsets.collect();
    Some(first)
}

/// A name and what it holds now, for those who asked for something else.
pub(super) fn current(records: &Records, owner: &Name) -> Names {
    let kept = records.name(owner);
    let rrset = kept.and_then(|kept| name(records, (owner, kept), None));
    rrset
        .map(|rrset| (owner.clone(), rrset))
        .into_iter()
        .collect()
}

fn add(rrset: &mut Rrset, item: &Item, owner: &Name, records: &Records) {
    let text = item.rdata.to_text(item.rtype);
    // Sorted: the same record in two keys comes twice in a row; of two weights the larger counts.
    if rrset.records.last() == Some(&text) {
        if let Some(last) = rrset.weights.last_mut() {
            *last = item.weight.max(*last);
        }
        return;
    }
    rrset.ttl = match (rrset.ttl, item.ttl) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let target = || item.rdata.target(item.rtype);
    let address = item.rdata.as_ip(item.rtype).or(item.backend);
    match item.rtype {
        RecordType::A | RecordType::AAAA => {
            rrset.ips.extend(address);
            rrset.weights.push(item.weight);
        }
        RecordType::SRV => {
            if let (Some(address), Some(port)) = (item.backend, srv_port(&item.rdata)) {
                rrset.ips.push(address);
                rrset.ports.push(port);
            }
        }
        RecordType::CNAME => rrset.alias_target = target(),
        _ if !rrset.records.is_empty() => {}
        RecordType::TXT => {
            let text: Vec<u8> = item.rdata.strings().flatten().copied().collect();
            rrset.text = String::from_utf8(text).ok();
        }
        RecordType::MX => {
            rrset.mail_host = target();
            let preference = item.rdata.wire().get(..2);
            rrset.mail_priority = preference.map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        }
        RecordType::NS => rrset.ns_host = target(),
        RecordType::PTR => rrset.host = target(),
        _ => {}
    }
    if let Some(address) = address
        && let Some(known) = records.health(address)
    {
        rrset.health.insert(address, known.health.status);
        if rrset.probe.is_none() && item.backend.is_none() {
            rrset.probe = plan::probing(&known.health, owner);
            if rrset.probe.is_some() {
                rrset.probe_ports.clone_from(&known.health.ports);
            }
        }
    }
    rrset.records.push(text);
}
