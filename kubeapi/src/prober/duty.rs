//! Who looks at which backend: rendezvous hashing over the living probers. Pure.
//!
//! Every prober works it out for itself from the same list. When one of n comes or goes, one in n
//! backends gets another prober, and the others notice nothing.

use std::hash::{Hash as _, Hasher as _};
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// The `count` probers that look at `address`, the one that writes its status first.
#[must_use]
pub fn observers<'m>(
    members: impl IntoIterator<Item = &'m str>,
    address: IpAddr,
    count: usize,
) -> Vec<&'m str> {
    let mut weighed: Vec<(u64, &str)> = members
        .into_iter()
        .map(|member| (weight(member, address), member))
        .collect();
    weighed.sort_unstable_by(|a, b| b.cmp(a));
    weighed.truncate(count);
    weighed.into_iter().map(|(_, member)| member).collect()
}

/// The same on every machine and in every release.
fn weight(member: &str, address: IpAddr) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(member.as_bytes());
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .octets()
    .iter()
    .for_each(|octet| octet.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn backends_are_shared_evenly_and_only_those_of_who_left_move() {
        let (all, left) = (["a-1", "b-2", "c-3"], ["a-1", "c-3"]);
        let mut counts = [0; 3];
        for number in 0..9_000 {
            let before = observers(all, address(number), 1)[0];
            let after = observers(left, address(number), 1)[0];
            counts[all.iter().position(|member| *member == before).unwrap()] += 1;
            if before != "b-2" {
                assert_eq!(before, after);
            }
        }
        assert!(
            counts.iter().all(|count| (2_800..3_200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn several_look_at_each_and_the_first_is_the_one_of_a_quorum_of_one() {
        let all = ["a", "b", "c", "d"];
        for number in 0..100 {
            let three = observers(all, address(number), 3);
            assert_eq!(three.len(), 3);
            assert_eq!(three[..1], observers(all, address(number), 1));
            assert_eq!(
                observers(all[..2].iter().copied(), address(number), 3).len(),
                2
            );
        }
        assert!(observers([], address(1), 3).is_empty());
    }
}
