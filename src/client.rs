//! Who asks, as far as answers depend on it: worked out once a query, before anything is decided.
//!
//! Pure: an address in, a [`Client`] out. Which records a client then gets is chosen in `choice`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::table::ViewId;
use crate::views::Views;

/// What an answer may depend on besides its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The source it belongs to: see [`Sources::of`].
    pub source: IpAddr,
    /// The view that it sees; none: what everybody sees.
    pub view: Option<ViewId>,
}

/// What the configuration says about clients.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Which of them are one source.
    pub sources: Sources,
    /// Which of them see other records.
    pub views: Arc<Views>,
}

impl Clients {
    /// The client at `address`.
    pub fn of(&self, address: IpAddr) -> Client {
        Client {
            source: self.sources.of(address),
            view: self.views.of(address),
        }
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
}
