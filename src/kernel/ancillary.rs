//! What the kernel writes beside a datagram: the client's address and the control message that
//! says which of our addresses was asked. Read and changed as the octets they are, so nothing here
//! trusts the kernel's lengths or needs a cast.
//!
//! Layouts (Linux, 64 bits): `sockaddr_in` is family 2, port 2, address 4; `sockaddr_in6` is family
//! 2, port 2, flow 4, address 16, scope 4; `cmsghdr` is length 8, level 4, type 4; `in_pktinfo` is
//! interface 4, our address 4, destination 4; `in6_pktinfo` is destination 16, interface 4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets of a `sockaddr_in6`, the larger kind of client.
pub(super) const CLIENT_BYTES: usize = 28;

/// Room for one `in6_pktinfo`, the larger kind, with its header and padding.
pub(super) const CONTROL_BYTES: usize = 40;

const HEADER_BYTES: usize = 16;
const CONTROL_V4_BYTES: usize = HEADER_BYTES + 12;
const CONTROL_V6_BYTES: usize = HEADER_BYTES + 20;

/// A socket address as the kernel wrote it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Client(pub(super) [u8; CLIENT_BYTES]);

impl Client {
    /// Its address; `None` for what is neither IPv4 nor IPv6.
    #[inline]
    pub(super) fn address(&self) -> Option<IpAddr> {
        let octets = &self.0;
        match i32::from(u16::from_ne_bytes([octets[0], octets[1]])) {
            libc::AF_INET => {
                let address = <[u8; 4]>::try_from(&octets[4..8]).ok()?;
                Some(IpAddr::V4(Ipv4Addr::from(address)))
            }
            libc::AF_INET6 => {
                let address = <[u8; 16]>::try_from(&octets[8..24]).ok()?;
                Some(IpAddr::V6(Ipv6Addr::from(address)))
            }
            _ => None,
        }
    }
}

/// A control message as the kernel wrote it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL_BYTES]);

impl Control {
    /// Turns the control message of a received datagram, `received_length` long, into that of its
    /// response and returns the response's control length; 0: the kernel chooses the source.
    #[inline]
    pub(super) fn answer_from(&mut self, received_length: usize) -> usize {
        if received_length < CONTROL_V4_BYTES {
            return 0;
        }
        match (self.length(), self.number(8), self.number(12)) {
            (CONTROL_V4_BYTES, libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                // Our address stays. Routing chooses the interface, as it did for the query.
                self.0[HEADER_BYTES..HEADER_BYTES + 4].fill(0);
                received_length
            }
            (CONTROL_V6_BYTES, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let (destination, interface) =
                    self.0[HEADER_BYTES..CONTROL_V6_BYTES].split_at_mut(16);
                let link_local = destination[0] == 0xfe && destination[1] & 0xc0 == 0x80;
                if !link_local {
                    interface.fill(0); // only a link-local address means nothing without it
                }
                let multicast = destination[0] == 0xff;
                if multicast { 0 } else { received_length }
            }
            _ => 0,
        }
    }

    /// The header's length field.
    fn length(&self) -> usize {
        let mut octets = [0; 8];
        octets.copy_from_slice(&self.0[..8]);
        usize::from_ne_bytes(octets)
    }

    /// The native number at `offset`.
    fn number(&self, offset: usize) -> i32 {
        let octets = &self.0[offset..offset + 4];
        i32::from_ne_bytes([octets[0], octets[1], octets[2], octets[3]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(length: usize, level: i32, kind: i32, rest: &[u8]) -> Control {
        let mut control = Control([0; CONTROL_BYTES]);
        control.0[..8].copy_from_slice(&length.to_ne_bytes());
        control.0[8..12].copy_from_slice(&level.to_ne_bytes());
        control.0[12..16].copy_from_slice(&kind.to_ne_bytes());
        control.0[16..16 + rest.len()].copy_from_slice(rest);
        control
    }

    #[test]
    fn ipv4_keeps_our_address_and_frees_the_interface() {
        let rest = [3, 0, 0, 0, 127, 0, 0, 2, 127, 0, 0, 2];
        let mut control = control(CONTROL_V4_BYTES, libc::IPPROTO_IP, libc::IP_PKTINFO, &rest);
        assert_eq!(control.answer_from(32), 32);
        assert_eq!(control.0[16..28], [0, 0, 0, 0, 127, 0, 0, 2, 127, 0, 0, 2]);
    }

    #[test]
    fn ipv6_keeps_the_interface_of_a_link_local_address_only() {
        for (first, interface, length) in [
            ([0xfd, 0x00], [0; 4], 40),
            ([0xfe, 0x80], [3, 0, 0, 0], 40),
            ([0xff, 0x02], [0; 4], 0), // multicast: no address to answer from
        ] {
            let mut rest = [0; 20];
            rest[..2].copy_from_slice(&first);
            rest[16] = 3;
            let (level, kind) = (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
            let mut control = control(CONTROL_V6_BYTES, level, kind, &rest);
            assert_eq!(control.answer_from(40), length, "{first:?}");
            assert_eq!(control.0[32..36], interface, "{first:?}");
        }
    }

    #[test]
    fn what_is_not_ours_to_read_is_left_to_the_kernel() {
        let (level, kind) = (libc::IPPROTO_IP, libc::IP_PKTINFO);
        assert_eq!(
            control(CONTROL_V4_BYTES, level, kind, &[]).answer_from(0),
            0
        );
        assert_eq!(
            control(CONTROL_V4_BYTES, level, kind + 1, &[]).answer_from(32),
            0
        );
        assert_eq!(
            control(CONTROL_V6_BYTES, level, kind, &[]).answer_from(40),
            0
        );
    }

    #[test]
    fn addresses_of_both_families() {
        let mut client = Client([0; CLIENT_BYTES]);
        assert_eq!(client.address(), None);
        client.0[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        client.0[4..8].copy_from_slice(&[192, 0, 2, 1]);
        assert_eq!(client.address(), Some(IpAddr::from([192, 0, 2, 1])));
        client.0[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        client.0[8..24].copy_from_slice(&Ipv6Addr::LOCALHOST.octets());
        assert_eq!(client.address(), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }
}
