//! EDNS Client Subnet (RFC 7871): for whom a forwarder asks, and for whom the answer holds.
//!
//! Pure: octets in, a [`ClientSubnet`] out, and back. Whose option is looked at is the
//! configuration's to say (`client`), which records a client gets is chosen in `choice`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The code of the option.
pub const OPTION: u16 = 8;
const FAMILY_NONE: u16 = 0;
const FAMILY_V4: u16 = 1;
const FAMILY_V6: u16 = 2;
/// Octets before the address: FAMILY and both lengths.
const FIXED_LEN: usize = 4;

/// The option of a query, well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSubnet {
    family: u16,
    /// SOURCE PREFIX-LENGTH.
    source_bits: u8,
    /// ADDRESS, padded with zeros.
    octets: [u8; 16],
}

impl ClientSubnet {
    /// Reads the option's content; none when it is malformed. That is an unknown FAMILY (section
    /// 7.2.1), a SCOPE PREFIX-LENGTH other than 0, a prefix longer than the address, and octets of
    /// ADDRESS that are too few, too many, or have bits set behind the prefix (section 6).
    ///
    /// FAMILY 0 is known where there is no ADDRESS to have a family: section 7.1.2 only recommends
    /// another, drafts demanded it, and dig sends it.
    pub fn parse(content: &[u8]) -> Option<ClientSubnet> {
        let (&[f0, f1, source_bits, scope_bits], address) =
            content.split_first_chunk::<FIXED_LEN>()?;
        let family = u16::from_be_bytes([f0, f1]);
        let bits_max = match family {
            FAMILY_NONE => 0,
            FAMILY_V4 => 32,
            FAMILY_V6 => 128,
            _ => return None,
        };
        let length = usize::from(source_bits.div_ceil(8));
        if scope_bits != 0 || source_bits > bits_max || address.len() != length {
            return None;
        }
        let mut octets = [0; 16];
        octets[..length].copy_from_slice(address);
        let behind = u128::MAX.checked_shr(source_bits.into()).unwrap_or(0);
        (u128::from_be_bytes(octets) & behind == 0).then_some(ClientSubnet {
            family,
            source_bits,
            octets,
        })
    }

    /// The first address of the subnet; none when the client does not want to be known.
    pub fn address(&self) -> Option<IpAddr> {
        let bits = u128::from_be_bytes(self.octets);
        match self.family {
            _ if self.source_bits == 0 => None,
            FAMILY_V4 => Some(Ipv4Addr::from_bits((bits >> 96) as u32).into()),
            _ => Some(Ipv6Addr::from_bits(bits).into()),
        }
    }

    /// Octets of the option's content.
    pub fn len(&self) -> usize {
        FIXED_LEN + self.octets().len()
    }

    /// Never: the fixed part is always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// FAMILY and lengths as in the response: what the query had, and how many bits the answer
    /// depended on.
    pub fn fixed(&self, scope_bits: u8) -> [u8; FIXED_LEN] {
        let [f0, f1] = self.family.to_be_bytes();
        [f0, f1, self.source_bits, scope_bits]
    }

    /// ADDRESS.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.source_bits.div_ceil(8))]
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(hex: &str, expected: Expect) {
        let hex: String = hex.split_whitespace().collect();
        let content = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let shown = match ClientSubnet::parse(&content) {
            Some(subnet) => {
                let echoed = [&subnet.fixed(0)[..], subnet.octets()].concat();
                assert_eq!((echoed, subnet.len()), (content.clone(), content.len()));
                match subnet.address() {
                    Some(address) => format!("{address}/{}", subnet.source_bits),
                    None => "unknown".into(),
                }
            }
            None => "malformed".into(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn subnets() {
        check("0001 18 00 0a0102", expect!["10.1.2.0/24"]);
        check("0001 20 00 0a010203", expect!["10.1.2.3/32"]);
        check("0001 11 00 0a0180", expect!["10.1.128.0/17"]);
        check("0002 38 00 fd000001000200", expect!["fd00:1:2::/56"]);
        let whole = "0002 80 00 fd000000000000000000000000000001";
        check(whole, expect!["fd00::1/128"]);
        check("0001 00 00", expect!["unknown"]);
        check("0002 00 00", expect!["unknown"]);
        check("0000 00 00", expect!["unknown"]);
    }

    #[test]
    fn malformed_ones() {
        for malformed in [
            "",
            "0001",
            "0001 00",
            "0003 18 00 0a0102",
            "0000 18 00 0a0102",
            "0001 18 18 0a0102",
            "0001 21 00 0a01020300",
            "0002 81 00 fd00000000000000000000000000000100",
            "0001 18 00 0a01",
            "0001 18 00 0a010200",
            "0001 00 00 0a",
            "0001 17 00 0a0103",
            "0002 01 00 c0",
        ] {
            check(malformed, expect!["malformed"]);
        }
    }
}
