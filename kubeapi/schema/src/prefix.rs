//! An address prefix such as `10.0.0.0/8`: what configurations say of networks, and what is wrong
//! with one that is none. Looking up an address among many prefixes is the DNS server's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressPrefix {
    /// The first of them.
    address: IpAddr,
    length: u8,
}

impl AddressPrefix {
    /// Reads `ADDRESS/LENGTH`.
    ///
    /// # Errors
    /// A sentence of the form "what is wrong; what would be right".
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "`{text}` is not an address prefix; write one such as \"10.0.0.0/8\" or \
                 \"fd00::/8\""
            )
        };
        let (address, length) = text.split_once('/').ok_or_else(form)?;
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let length: u32 = length.parse().map_err(|_| form())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if length > width {
            return Err(format!(
                "`{text}` is longer than its address; write /0 to /{width}"
            ));
        }
        let bits = top_bits(address);
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        if bits & !mask != 0 {
            let network: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::from_bits(((bits & mask) >> 96) as u32).into(),
                IpAddr::V6(_) => IpAddr::from((bits & mask).to_be_bytes()),
            };
            return Err(format!(
                "`{text}` has bits set after /{length}; write \"{network}/{length}\""
            ));
        }
        Ok(Self {
            address,
            length: length as u8,
        })
    }

    /// The first address of it.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many first bits its addresses share.
    #[must_use]
    pub fn length(&self) -> u8 {
        self.length
    }
}

/// As it is read.
impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// The address as the top bits of 128, so that both families are compared alike.
#[must_use]
pub fn top_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
