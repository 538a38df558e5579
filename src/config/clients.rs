//! What the configuration says of clients: forwarders whose word counts about whom they ask for,
//! and `[topology]`, where clients and addresses are.

use std::collections::HashMap;

use containerdns_schema::AddressPrefix;

use super::reader::Section;
use super::values::prefix;
use crate::topology::ZONES_MAX;

/// Prefixes of one list at most: whole networks, not single clients.
const PREFIXES_MAX: usize = 1024;
/// Octets of a topology zone's name at most: as many as a label of Kubernetes has.
const ZONE_NAME_LEN_MAX: usize = 63;

/// `answer.client_subnet_from`.
pub(super) fn forwarders(answer: &Section<'_>) -> Vec<AddressPrefix> {
    let from = answer.list("client_subnet_from", 0..=PREFIXES_MAX, prefix);
    from.unwrap_or_default()
}

/// `[topology]`: zones with the prefixes of clients and addresses in them.
pub(super) fn topology(mut section: Section<'_>) -> Vec<(String, Vec<AddressPrefix>)> {
    let zones = section.named_lists(1..=PREFIXES_MAX, prefix);
    if zones.len() > ZONES_MAX {
        let count = zones.len();
        section.fail_whole(format!("has {count} zones; write at most {ZONES_MAX}"));
    }
    let mut zone_of: HashMap<AddressPrefix, &str> = HashMap::new();
    for (zone, prefixes) in &zones {
        if !(1..=ZONE_NAME_LEN_MAX).contains(&zone.len()) {
            section.fail(
                zone,
                format!("is not a zone's name; write 1 to {ZONE_NAME_LEN_MAX} octets"),
            );
        }
        for prefix in prefixes {
            if let Some(other) = zone_of.insert(*prefix, zone) {
                section.fail(
                    zone,
                    format!("`{prefix}` is in `{other}`, too; remove it from one of them"),
                );
            }
        }
    }
    let zones = zones.into_iter();
    zones
        .map(|(zone, prefixes)| (zone.to_owned(), prefixes))
        .collect()
}
