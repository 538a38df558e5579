//! What an address belongs to, by the longest prefix that covers it.
//!
//! Overlapping prefixes are cut once, when the table is made, into disjoint ranges that cover all
//! addresses, so that a look-up is one binary search and no address needs a second one. Pure; what
//! the values mean is the caller's.

use std::net::IpAddr;

use containerdns_schema::prefix::{AddressPrefix, top_bits};

/// Values of address prefixes; the longest one that covers an address wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes<V> {
    v4: Box<[Range<V>]>,
    v6: Box<[Range<V>]>,
}

/// The addresses from here to the next range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range<V> {
    /// As the top bits of 128.
    start: u128,
    value: Option<V>,
}

/// Without prefixes; a look-up is then one branch.
impl<V> Default for Prefixes<V> {
    fn default() -> Prefixes<V> {
        Prefixes {
            v4: Box::default(),
            v6: Box::default(),
        }
    }
}

impl<V: Copy + Eq> Prefixes<V> {
    /// A table of these; of a prefix that is there twice, the last one counts.
    pub fn new(given: impl IntoIterator<Item = (AddressPrefix, V)>) -> Prefixes<V> {
        let (v4, v6): (Vec<_>, Vec<_>) = given
            .into_iter()
            .partition(|(prefix, _)| prefix.address().is_ipv4());
        Prefixes {
            v4: ranges(v4),
            v6: ranges(v6),
        }
    }

    /// The value of the longest prefix that covers `address`.
    #[inline]
    pub fn get(&self, address: IpAddr) -> Option<V> {
        match self.of_family(address) {
            [] => None,
            ranges => of_range(ranges, &address),
        }
    }

    /// How many first bits of `address` decide on its value: all addresses that begin with the same
    /// ones have it too. Prefixes of this length never overlap, whatever addresses are asked for.
    pub fn bits(&self, address: IpAddr) -> u8 {
        let (ranges, bits) = (self.of_family(address), top_bits(address));
        let behind = behind(ranges, bits);
        // As many as tell it from the address before its range, and from the one behind.
        let differing = |other: u128| (bits ^ other).leading_zeros() as u8 + 1;
        let first = behind.checked_sub(1).map_or(0, |place| ranges[place].start);
        let before = first.checked_sub(1).map_or(0, differing);
        let next = ranges.get(behind).map_or(0, |next| differing(next.start));
        before.max(next)
    }

    fn of_family(&self, address: IpAddr) -> &[Range<V>] {
        match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        }
    }
}

/// The value of the range that an address is in. A call of its own, so that a server without
/// prefixes only looks whether there are some.
#[inline(never)]
fn of_range<V: Copy>(ranges: &[Range<V>], address: &IpAddr) -> Option<V> {
    let behind = behind(ranges, top_bits(*address));
    ranges.get(behind.checked_sub(1)?)?.value
}

/// How many ranges begin at or before an address.
fn behind<V>(ranges: &[Range<V>], bits: u128) -> usize {
    ranges.partition_point(|range| range.start <= bits)
}

fn ranges<V: Copy + Eq>(mut given: Vec<(AddressPrefix, V)>) -> Box<[Range<V>]> {
    if given.is_empty() {
        return Box::default();
    }
    // Outer prefixes come before those inside them.
    given.sort_by_key(|(prefix, _)| (top_bits(prefix.address()), prefix.length()));
    let mut ranges = vec![Range {
        start: 0,
        value: None,
    }];
    // The last address and the value of the prefixes that are open, each inside the one before.
    let mut open: Vec<(u128, V)> = Vec::new();
    for (prefix, value) in given {
        let start = top_bits(prefix.address());
        close(&mut ranges, &mut open, Some(start));
        let inside = u128::MAX.checked_shr(prefix.length().into()).unwrap_or(0);
        push(&mut ranges, start, Some(value));
        open.push((start | inside, value));
    }
    close(&mut ranges, &mut open, None);
    ranges.dedup_by(|next, range| next.value == range.value);
    ranges.into()
}

/// Ends the open prefixes that do not reach `until`; all, where that is none.
fn close<V: Copy>(ranges: &mut Vec<Range<V>>, open: &mut Vec<(u128, V)>, until: Option<u128>) {
    while let Some((last, _)) = open.pop_if(|(last, _)| until.is_none_or(|until| *last < until)) {
        if let Some(start) = last.checked_add(1) {
            push(ranges, start, open.last().map(|(_, value)| *value));
        }
    }
}

fn push<V>(ranges: &mut Vec<Range<V>>, start: u128, value: Option<V>) {
    // What begins at the same address is inside, or behind, what was there.
    if ranges.last().is_some_and(|range| range.start == start) {
        ranges.pop();
    }
    ranges.push(Range { start, value });
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn table(prefixes: &str) -> Prefixes<u8> {
        let given = prefixes.split_whitespace().zip(1..);
        Prefixes::new(given.map(|(prefix, value)| (AddressPrefix::parse(prefix).unwrap(), value)))
    }

    /// Each address with the number of its prefix, and the length of what has the same.
    fn check(prefixes: &str, addresses: &str, expected: Expect) {
        let table = table(prefixes);
        let lines = addresses.split_whitespace().map(|text| {
            let address: IpAddr = text.parse().unwrap();
            let value = table.get(address);
            let value = value.map_or("-".into(), |value| value.to_string());
            format!("{text}/{} {value}", table.bits(address))
        });
        expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn the_longest_prefix_wins() {
        check(
            "10.0.0.0/8 10.1.0.0/16 10.1.2.0/24 10.1.2.3/32",
            "9.255.255.255 10.0.0.0 10.1.0.1 10.1.2.2 10.1.2.3 10.1.2.4 10.1.3.0 10.2.0.0 \
             10.255.255.255 11.0.0.0 0.0.0.0 255.255.255.255 fd00::1",
            expect![[r#"
                9.255.255.255/7 -
                10.0.0.0/16 1
                10.1.0.1/23 2
                10.1.2.2/32 3
                10.1.2.3/32 4
                10.1.2.4/30 3
                10.1.3.0/24 2
                10.2.0.0/15 1
                10.255.255.255/9 1
                11.0.0.0/8 -
                0.0.0.0/5 -
                255.255.255.255/1 -
                fd00::1/0 -"#]],
        );
        check(
            "fd00:1::/48 fd00::/8 ::/0",
            "fd00:1::5 fd00:2::5 fe00:: ::",
            expect![[r#"
                fd00:1::5/48 1
                fd00:2::5/31 2
                fe00::/7 3
                ::/1 3"#]],
        );
    }

    #[test]
    fn borders() {
        check(
            "",
            "10.0.0.1 ::1",
            expect![[r#"
            10.0.0.1/0 -
            ::1/0 -"#]],
        );
        check(
            "0.0.0.0/0",
            "10.0.0.1 255.255.255.255",
            expect![[r#"
            10.0.0.1/0 1
            255.255.255.255/0 1"#]],
        );
        check(
            "255.255.255.255/32 0.0.0.0/32",
            "0.0.0.0 0.0.0.1 255.255.255.254 255.255.255.255",
            expect![[r#"
                0.0.0.0/32 2
                0.0.0.1/32 -
                255.255.255.254/32 -
                255.255.255.255/32 1"#]],
        );
        // One inside another that ends where it does, and a neighbour.
        check(
            "10.0.0.0/8 10.128.0.0/9 11.0.0.0/8",
            "10.127.0.0 10.128.0.0 11.0.0.0 12.0.0.0",
            expect![[r#"
                10.127.0.0/9 1
                10.128.0.0/9 2
                11.0.0.0/8 3
                12.0.0.0/6 -"#]],
        );
        let twice = table("10.0.0.0/8 10.0.0.0/8");
        assert_eq!(twice.get([10, 1, 1, 1].into()), Some(2), "the last counts");
    }

    fn prefixes() -> impl Strategy<Value = Vec<(AddressPrefix, u8)>> {
        let one = (any::<u8>(), 0u32..=8, 0u8..4).prop_map(|(octet, length, value)| {
            let network = u32::from(octet) & !(0xff >> length);
            let text = format!("{network}.0.0.0/{length}");
            (AddressPrefix::parse(&text).unwrap(), value)
        });
        prop::collection::vec(one, 0..20)
    }

    proptest! {
        /// The table says what a look at every prefix says, and all addresses that begin with the
        /// bits that decide have the same value.
        #[test]
        fn equals_a_look_at_all(given in prefixes()) {
            let table = Prefixes::new(given.iter().copied());
            let address = |octet: u8| IpAddr::from([octet, 1, 2, 3]);
            for octet in 0..=255 {
                let covers = |prefix: &AddressPrefix| {
                    let away = top_bits(prefix.address()) ^ top_bits(address(octet));
                    away.leading_zeros() >= prefix.length().into()
                };
                let longest = given.iter().filter(|(prefix, _)| covers(prefix));
                let longest = longest.max_by_key(|(prefix, _)| prefix.length());
                let value = longest.map(|(_, value)| *value);
                prop_assert_eq!(table.get(address(octet)), value);
                let bits = table.bits(address(octet));
                prop_assert!(bits <= 8);
                for other in 0..=255u8 {
                    if (octet ^ other).leading_zeros() >= bits.into() {
                        prop_assert_eq!(table.get(address(other)), value);
                        prop_assert_eq!(table.bits(address(other)), bits);
                    }
                }
            }
        }
    }
}
