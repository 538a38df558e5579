//! Which names hold an address, to find them when what is said of its health changes.
//!
//! Made from all names when that is first asked: where nobody ever says that a backend is down, it
//! takes neither memory nor time.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{NameId, State, compile};

/// Names by the addresses that they hold.
#[derive(Debug, Default)]
pub(super) struct Holders(Option<BTreeSet<(IpAddr, NameId)>>);

impl Holders {
    /// The names that hold an address.
    pub(super) fn of(&mut self, address: IpAddr, states: &[State]) -> Vec<NameId> {
        let holders = self.0.get_or_insert_with(|| all(states));
        let range = (address, NameId(0))..=(address, NameId(u32::MAX));
        holders.range(range).map(|(_, id)| *id).collect()
    }

    /// The name has got the address.
    pub(super) fn insert(&mut self, address: IpAddr, id: NameId) {
        if let Some(holders) = &mut self.0 {
            holders.insert((address, id));
        }
    }

    /// None of the name's records has the address any more.
    pub(super) fn remove(&mut self, address: IpAddr, id: NameId) {
        if let Some(holders) = &mut self.0 {
            holders.remove(&(address, id));
        }
    }

    /// How many are known, made from all names if need be.
    #[cfg(test)]
    pub(super) fn len(&mut self, states: &[State]) -> usize {
        self.0.get_or_insert_with(|| all(states)).len()
    }
}

fn all(states: &[State]) -> BTreeSet<(IpAddr, NameId)> {
    let named = (0..).map(NameId).zip(states);
    let held = named.flat_map(|(id, state)| state.records.iter().map(move |held| (held, id)));
    held.filter_map(|(held, id)| Some((compile::address_of(held.rtype, &held.rdata)?, id)))
        .collect()
}
