//! Where queries come from: the addresses of prefixes, a socket on each in turn, so that a server
//! which keeps a client's address, and a card that spreads clients over queues, see many.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address with the number of its first bits that are fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    first: IpAddr,
    /// How many addresses there are, 2^32 at most.
    count: u64,
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Source, String> {
        let wanted = || "not ADDRESS/BITS, as in 10.0.0.0/24".to_owned();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| wanted())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wanted())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        let Some(free) = width.checked_sub(bits) else {
            return Err(format!("/{bits}: an address has {width} bits"));
        };
        let count = 1u64 << free.min(32);
        let first = match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(free).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(free).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Ok(Source { first, count })
    }
}

impl Source {
    fn address(&self, number: u64) -> IpAddr {
        match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + number as u32).into(),
            IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() + u128::from(number)).into(),
        }
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }
}

/// The address for socket `index` of so many: one prefix after the other, and within each the
/// addresses spread evenly over it; none without prefixes.
pub(crate) fn address_of(sources: &[Source], index: usize, sockets: usize) -> Option<IpAddr> {
    let source = sources.get(index % sources.len().max(1))?;
    let turn = (index / sources.len()) as u64;
    let turns = (sockets.div_ceil(sources.len()) as u64).max(1);
    let step = (source.count / turns).max(1);
    Some(source.address(turn * step % source.count))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(sources: &[&str], sockets: usize, expect: Expect) {
        let sources: Vec<Source> = sources.iter().map(|text| text.parse().unwrap()).collect();
        let addresses = (0..sockets).filter_map(|index| address_of(&sources, index, sockets));
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        expect.assert_eq(&addresses.join(" "));
    }

    #[test]
    fn sockets_are_spread_over_prefixes() {
        check(&[], 2, expect![""]);
        check(&["10.0.0.9"], 3, expect!["10.0.0.9 10.0.0.9 10.0.0.9"]);
        check(
            &["10.0.0.77/30"],
            4,
            expect!["10.0.0.76 10.0.0.77 10.0.0.78 10.0.0.79"],
        );
        check(
            &["10.0.0.0/30"],
            6,
            expect!["10.0.0.0 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.0 10.0.0.1"],
        );
        check(
            &["127.7.0.0/16"],
            4,
            expect!["127.7.0.0 127.7.64.0 127.7.128.0 127.7.192.0"],
        );
        check(
            &["10.0.0.0/31", "10.1.0.0/31"],
            4,
            expect!["10.0.0.0 10.1.0.0 10.0.0.1 10.1.0.1"],
        );
        check(&["fd00::/64"], 2, expect!["fd00:: fd00::8000:0"]);
        check(&["0.0.0.0/0"], 2, expect!["0.0.0.0 128.0.0.0"]);
    }

    #[test]
    fn prefixes_that_are_none_say_what_would_be_right() {
        let check = |text: &str, expect: Expect| {
            expect.assert_eq(&text.parse::<Source>().unwrap_err());
        };
        check("10.0.0/8", expect!["not ADDRESS/BITS, as in 10.0.0.0/24"]);
        check("10.0.0.0/x", expect!["not ADDRESS/BITS, as in 10.0.0.0/24"]);
        check("10.0.0.0/33", expect!["/33: an address has 32 bits"]);
    }
}
