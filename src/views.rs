//! Views: clients of certain addresses see other records (split horizon).
//!
//! Pure: a table made from `[views]` that says whose client an address is. The records of a view
//! are held apart in `model`, by the prefix of their key (`sync/routes.rs`), and in an index of
//! their own on each core; what a client of the view sees of both is decided in `answer`.

use std::net::IpAddr;

use containerdns_schema::AddressPrefix;

use crate::prefixes::Prefixes;
use crate::table::ViewId;

/// Views at most: each is an index on every core, and its look-ups come before those of the rest.
pub const VIEWS_MAX: usize = 16;

/// The views, and which clients are theirs.
#[derive(Debug, Clone, Default)]
pub struct Views {
    names: Box<[String]>,
    prefixes: Prefixes<ViewId>,
}

impl Views {
    /// The views of a configuration, in its order: at most [`VIEWS_MAX`], no prefix in two of them.
    pub fn new<'c>(views: impl IntoIterator<Item = (&'c str, &'c [AddressPrefix])>) -> Views {
        let views: Vec<_> = views.into_iter().take(VIEWS_MAX).collect();
        let numbered = views.iter().zip(0..);
        let prefixes = numbered.flat_map(|((_, clients), place)| {
            let clients = clients.iter();
            clients.map(move |prefix| (*prefix, ViewId(place)))
        });
        Views {
            prefixes: Prefixes::new(prefixes),
            names: views.iter().map(|(name, _)| (*name).to_owned()).collect(),
        }
    }

    /// Their names, in the order of [`ViewId`].
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The view whose client an address is: that of the longest prefix.
    #[inline]
    pub fn of(&self, address: IpAddr) -> Option<ViewId> {
        self.prefixes.get(address)
    }

    /// How many first bits of an address decide on its view: see [`Prefixes::bits`].
    pub fn bits(&self, address: IpAddr) -> u8 {
        self.prefixes.bits(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_of_all_views_wins() {
        let prefixes = |texts: &[&str]| -> Vec<AddressPrefix> {
            let parsed = texts.iter().map(|text| AddressPrefix::parse(text).unwrap());
            parsed.collect()
        };
        let office = prefixes(&["10.9.0.0/16", "fd00:9::/32"]);
        let lab = prefixes(&["10.9.8.0/24", "10.0.0.0/8"]);
        let views = Views::new([("office", &office[..]), ("lab", &lab[..])]);
        let of = |text: &str| views.of(text.parse().unwrap());
        for (address, place) in [
            ("10.9.1.1", Some(0)),
            ("10.9.8.1", Some(1)),
            ("10.1.1.1", Some(1)),
            ("fd00:9::1", Some(0)),
            ("fd00:8::1", None),
            ("192.0.2.1", None),
        ] {
            assert_eq!(of(address), place.map(ViewId), "{address}");
        }
        assert_eq!(views.names(), ["office", "lab"]);
        assert_eq!(Views::default().of([10, 9, 1, 1].into()), None);
    }
}
