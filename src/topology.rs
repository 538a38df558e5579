//! Where clients and addresses are: topology zones, such as the zones of a cloud or the rooms of a
//! data centre. They have nothing to do with DNS zones.
//!
//! Pure: a table made from `[topology]`. Which addresses a client of a zone gets is decided in
//! `model` when something changes, and looked up in `choice`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU8;

use containerdns_schema::AddressPrefix;

use crate::prefixes::Prefixes;

/// Topology zones at most, so that one octet holds any: records in the model have room for that.
pub const ZONES_MAX: usize = 250;

/// Place of a topology zone in the configuration, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopologyZone(NonZeroU8);

impl TopologyZone {
    /// A zone that the configuration does not name: addresses may be in it, no client is.
    pub const ELSEWHERE: TopologyZone = TopologyZone(NonZeroU8::MAX);
}

/// The topology zones, and which addresses are in them.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    names: HashMap<Box<str>, TopologyZone>,
    prefixes: Prefixes<TopologyZone>,
}

impl Topology {
    /// The zones of a configuration: at most [`ZONES_MAX`], no prefix in two of them.
    pub fn new(zones: &[(String, Vec<AddressPrefix>)]) -> Topology {
        let numbered = || {
            let numbers = (1..=ZONES_MAX as u8).filter_map(NonZeroU8::new);
            zones.iter().zip(numbers.map(TopologyZone))
        };
        let prefixes = numbered().flat_map(|((_, prefixes), zone)| {
            let prefixes = prefixes.iter();
            prefixes.map(move |prefix| (*prefix, zone))
        });
        Topology {
            names: numbered()
                .map(|((name, _), zone)| (name.as_str().into(), zone))
                .collect(),
            prefixes: Prefixes::new(prefixes),
        }
    }

    /// Whether there are no zones.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The zone that an address is in.
    #[inline]
    pub fn zone_of(&self, address: IpAddr) -> Option<TopologyZone> {
        self.prefixes.get(address)
    }

    /// How many first bits of an address decide on its zone: see [`Prefixes::bits`].
    pub fn bits(&self, address: IpAddr) -> u8 {
        self.prefixes.bits(address)
    }

    /// The zone of a name.
    pub fn named(&self, name: &str) -> TopologyZone {
        let zone = self.names.get(name).copied();
        zone.unwrap_or(TopologyZone::ELSEWHERE)
    }
}
