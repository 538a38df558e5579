//! Turns an address prefix into the reverse zones that cover it. Zones end at octets (IPv4) or
//! nibbles (IPv6), so a prefix between two such ends becomes all the zones one step below:
//! 10.96.0.0/12 is the sixteen zones 96.10.in-addr.arpa. to 111.10.in-addr.arpa.
//! One prefix is at most 128 zones (IPv4) or 8 (IPv6).

use std::fmt::Write;
use std::net::IpAddr;

use crate::name::Name;
use crate::prefix::{AddressPrefix, top_bits};

/// The reverse zones of `text`, an address prefix such as `10.0.0.0/8`, or what is wrong with it.
///
/// # Errors
/// A sentence of the form "what is wrong; what would be right".
pub fn reverse_zones(text: &str) -> Result<Vec<Name>, String> {
    let prefix = AddressPrefix::parse(text)?;
    let (bits, length) = (top_bits(prefix.address()), u32::from(prefix.length()));
    let (step, suffix) = match prefix.address() {
        IpAddr::V4(_) => (8, "in-addr.arpa."),
        IpAddr::V6(_) => (4, "ip6.arpa."),
    };
    let labels = length.div_ceil(step);
    let zones = 1u128 << (labels * step - length);
    let zone = |index: u128| {
        let bits = bits | index.checked_shl(128 - labels * step).unwrap_or(0);
        Name::parse(&(zone_name(bits, labels, step) + suffix))
            .expect("at most 34 labels of digits are a name")
    };
    Ok((0..zones).map(zone).collect())
}

/// The top `labels` groups of `step` bits of `bits`, last group first.
fn zone_name(bits: u128, labels: u32, step: u32) -> String {
    let mut name = String::new();
    for label in (1..=labels).rev() {
        let value = bits >> (128 - label * step) & ((1 << step) - 1);
        let written = match step {
            8 => write!(name, "{value}."),
            _ => write!(name, "{value:x}."),
        };
        written.expect("writing to a string cannot fail");
    }
    name
}

/// The name that holds the PTR records of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
#[must_use]
pub fn pointer(address: IpAddr) -> Name {
    let (labels, step, suffix) = match address {
        IpAddr::V4(_) => (4, 8, "in-addr.arpa."),
        IpAddr::V6(_) => (32, 4, "ip6.arpa."),
    };
    Name::parse(&(zone_name(top_bits(address), labels, step) + suffix))
        .expect("at most 34 labels of digits are a name")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Name, pointer, reverse_zones};

    #[test]
    fn names_of_addresses() {
        let check = |address: &str, name: Expect| {
            name.assert_eq(&pointer(address.parse().unwrap()).to_string());
        };
        check("10.30.0.4", expect!["4.0.30.10.in-addr.arpa."]);
        check(
            "fd00:30::1",
            expect!["1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.0.0.0.0.d.f.ip6.arpa."],
        );
    }

    fn check(prefix: &str, expected: Expect) {
        expected.assert_eq(&match reverse_zones(prefix) {
            Ok(zones) if zones.len() > 4 => {
                format!(
                    "{} ... {} ({})",
                    zones[0],
                    zones[zones.len() - 1],
                    zones.len()
                )
            }
            Ok(zones) => zones
                .iter()
                .map(Name::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(message) => message,
        });
    }

    #[test]
    fn on_a_boundary_one_zone() {
        check("10.0.0.0/8", expect!["10.in-addr.arpa."]);
        check("192.0.2.0/24", expect!["2.0.192.in-addr.arpa."]);
        check("192.0.2.7/32", expect!["7.2.0.192.in-addr.arpa."]);
        check("0.0.0.0/0", expect!["in-addr.arpa."]);
        check("fd00::/8", expect!["d.f.ip6.arpa."]);
        check("2001:db8::/32", expect!["8.b.d.0.1.0.0.2.ip6.arpa."]);
        check("::/0", expect!["ip6.arpa."]);
    }

    #[test]
    fn between_boundaries_every_child_zone() {
        check(
            "10.96.0.0/12",
            expect!["96.10.in-addr.arpa. ... 111.10.in-addr.arpa. (16)"],
        );
        check(
            "192.0.2.254/31",
            expect!["254.2.0.192.in-addr.arpa. 255.2.0.192.in-addr.arpa."],
        );
        check(
            "128.0.0.0/1",
            expect!["128.in-addr.arpa. ... 255.in-addr.arpa. (128)"],
        );
        check("fc00::/7", expect!["c.f.ip6.arpa. d.f.ip6.arpa."]);
    }

    #[test]
    fn what_is_not_a_prefix() {
        check(
            "10.0.0.0",
            expect![[
                r#"`10.0.0.0` is not an address prefix; write one such as "10.0.0.0/8" or "fd00::/8""#
            ]],
        );
        check(
            "10.0.0.0/33",
            expect!["`10.0.0.0/33` is longer than its address; write /0 to /32"],
        );
        check(
            "10.1.0.0/8",
            expect![[r#"`10.1.0.0/8` has bits set after /8; write "10.0.0.0/8""#]],
        );
        check(
            "fd00::1/64",
            expect![[r#"`fd00::1/64` has bits set after /64; write "fd00::/64""#]],
        );
        check(
            "10.0.0.0/-1",
            expect![[
                r#"`10.0.0.0/-1` is not an address prefix; write one such as "10.0.0.0/8" or "fd00::/8""#
            ]],
        );
        check(
            "cluster.local/8",
            expect![[
                r#"`cluster.local/8` is not an address prefix; write one such as "10.0.0.0/8" or "fd00::/8""#
            ]],
        );
    }
}
