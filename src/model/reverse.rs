//! PTR records made from address records: `reverse` zones are answered from the same records as all
//! others (RFC 1035 section 3.5, RFC 3596 section 2.5).

use std::net::IpAddr;

use containerdns_schema::name::Name;

use super::canonical;

/// The canonical key of the reverse name of `address`, unless its owner is a wildcard, which is no
/// name that an address could have.
pub(super) fn pointer(owner: &Name, owner_key: &[u8], address: IpAddr) -> Option<Vec<u8>> {
    if canonical::is_wildcard(owner_key) || owner.wire().len() <= 1 {
        return None;
    }
    let mut key = Vec::with_capacity(80);
    canonical::push_label(&mut key, b"arpa");
    match address {
        IpAddr::V4(address) => {
            canonical::push_label(&mut key, b"in-addr");
            for octet in address.octets() {
                canonical::push_label(&mut key, octet.to_string().as_bytes());
            }
        }
        IpAddr::V6(address) => {
            canonical::push_label(&mut key, b"ip6");
            for octet in address.octets() {
                for nibble in [octet >> 4, octet & 0xf] {
                    canonical::push_label(&mut key, &[b"0123456789abcdef"[usize::from(nibble)]]);
                }
            }
        }
    }
    Some(key)
}
