//! Who asks, as far as answers depend on it: worked out once a query, before anything is decided.
//!
//! Pure: an address in, a [`Client`] out. Which records a client then gets is chosen in `choice`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::prefixes::Prefixes;
use crate::subnet::ClientSubnet;
use crate::table::ViewId;
use crate::topology::{Topology, TopologyZone};
use crate::views::Views;

/// What an answer may depend on besides its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The source it belongs to: see [`Sources::of`].
    pub source: IpAddr,
    /// The topology zone it is in.
    pub zone: Option<TopologyZone>,
    /// The view that it sees; none: what everybody sees.
    pub view: Option<ViewId>,
    /// Of a client that a forwarder asks for.
    pub scopes: Option<Scopes>,
}

/// How many first bits of a subnet's address say each part of a [`Client`]: an answer that depends
/// on that part holds for clients that begin with the same bits (SCOPE PREFIX-LENGTH, RFC 7871
/// section 7.2.1). More bits than the forwarder gave tell it that more were of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes {
    /// Its source.
    pub source: u8,
    /// Its topology zone.
    pub zone: u8,
    /// Its view.
    pub view: u8,
}

/// What the configuration says about clients.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Which of them are one source.
    pub sources: Sources,
    /// Forwarders whose word counts about whom they ask for.
    pub forwarders: Arc<Prefixes<()>>,
    /// Which topology zone they are in.
    pub topology: Arc<Topology>,
    /// Which of them see other records.
    pub views: Arc<Views>,
}

/// Every query comes through here: as calls of their own, these cost 7 ns for the copies of an
/// address alone.
impl Clients {
    /// The client at `address`.
    #[inline(always)]
    pub fn of(&self, address: IpAddr) -> Client {
        Client {
            source: self.sources.of(address),
            zone: self.topology.zone_of(address),
            view: self.views.of(address),
            scopes: None,
        }
    }

    /// The client that the forwarder at `sender` asks for; itself, where it names none.
    #[inline(always)]
    pub fn behind(&self, sender: IpAddr, subnet: Option<&ClientSubnet>) -> Client {
        match subnet {
            None => self.of(sender),
            Some(subnet) => self.of_subnet(sender, subnet),
        }
    }

    #[cold]
    #[inline(never)]
    fn of_subnet(&self, sender: IpAddr, subnet: &ClientSubnet) -> Client {
        let Some(address) = subnet.address() else {
            return self.of(sender);
        };
        Client {
            scopes: Some(Scopes {
                source: self.sources.bits(address),
                zone: self.topology.bits(address),
                view: self.views.bits(address),
            }),
            ..self.of(address)
        }
    }

    /// Whether `sender` is a forwarder whose word counts.
    pub fn trusts(&self, sender: IpAddr) -> bool {
        self.forwarders.get(sender).is_some()
    }
}

/// Which clients are one source: those with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    v4_mask: u32,
    v6_mask: u128,
}

impl Sources {
    /// Sources of these prefix lengths, at most 32 and 128 bits.
    pub fn new(v4_bits: u8, v6_bits: u8) -> Sources {
        let (v4_bits, v6_bits) = (u32::from(v4_bits.min(32)), u32::from(v6_bits.min(128)));
        Sources {
            v4_mask: u32::MAX.checked_shl(32 - v4_bits).unwrap_or(0),
            v6_mask: u128::MAX.checked_shl(128 - v6_bits).unwrap_or(0),
        }
    }

    /// The source that a client belongs to, as an address.
    pub fn of(self, client: IpAddr) -> IpAddr {
        match client {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & self.v4_mask).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & self.v6_mask).into(),
        }
    }

    /// How many first bits of an address its source has.
    pub fn bits(self, client: IpAddr) -> u8 {
        let bits = match client {
            IpAddr::V4(_) => self.v4_mask.count_ones(),
            IpAddr::V6(_) => self.v6_mask.count_ones(),
        };
        bits as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_one_prefix_are_one_source() {
        let source = |sources: Sources, client: &str| sources.of(client.parse().unwrap());
        let wide = Sources::new(24, 56);
        assert_eq!(source(wide, "10.1.2.3"), source(wide, "10.1.2.250"));
        assert_ne!(source(wide, "10.1.2.3"), source(wide, "10.1.3.3"));
        assert_eq!(
            source(wide, "fd00:1:2:3::4"),
            source(wide, "fd00:1:2:ff::5")
        );
        assert_ne!(
            source(wide, "fd00:1:2:3::4"),
            source(wide, "fd00:1:2:103::4")
        );
        let single = Sources::new(32, 128);
        assert_ne!(source(single, "10.1.2.3"), source(single, "10.1.2.4"));
        let one = Sources::new(0, 0);
        assert_eq!(source(one, "10.1.2.3"), source(one, "192.0.2.1"));
    }
    #[test]
    fn a_forwarder_asks_for_others() {
        let prefix = |text: &str| containerdns_schema::AddressPrefix::parse(text).unwrap();
        let topology = [("a".to_owned(), vec![prefix("10.1.0.0/16")])];
        let clients = Clients {
            sources: Sources::new(24, 56),
            forwarders: Arc::new(Prefixes::new([(prefix("10.9.0.53/32"), ())])),
            topology: Arc::new(Topology::new(&topology)),
            views: Arc::new(Views::new([("v", &[prefix("10.1.2.0/24")][..])])),
        };
        let forwarder = IpAddr::from([10, 9, 0, 53]);
        assert!(clients.trusts(forwarder));
        assert!(!clients.trusts([10, 9, 0, 54].into()));
        let behind = |option: &[u8]| {
            let subnet = ClientSubnet::parse(option).unwrap();
            clients.behind(forwarder, Some(&subnet))
        };
        let client = behind(&[0, 1, 32, 0, 10, 1, 2, 3]);
        assert_eq!(client.source, IpAddr::from([10, 1, 2, 0]));
        assert_eq!(client.zone, Some(clients.topology.named("a")));
        let scopes = client.scopes.unwrap();
        assert_eq!((scopes.source, scopes.zone, scopes.view), (24, 16, 24));
        assert_eq!(client.view, Some(ViewId(0)));
        // The table decides by its longest prefix, however few bits were given.
        let wide = behind(&[0, 1, 8, 0, 10]);
        let scopes = wide.scopes.unwrap();
        assert_eq!((wide.zone, scopes.source, scopes.zone), (None, 24, 16));
        let v6 = behind(&[0, 2, 16, 0, 0xfd, 0]);
        assert_eq!(
            v6.scopes.unwrap(),
            Scopes {
                source: 56,
                zone: 0,
                view: 0
            }
        );
        let hidden = behind(&[0, 1, 0, 0]);
        assert_eq!(
            hidden,
            clients.of(forwarder),
            "who asks for nobody asks for itself"
        );
        assert_eq!(clients.behind(forwarder, None), clients.of(forwarder));
    }
}
