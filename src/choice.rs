//! Which records of an RRset are sent, and in which order: one number at most, decided by policy.
//!
//! The hot path's part of load balancing: no state, no memory but one word of random numbers a
//! core.

use std::net::IpAddr;

use crate::table::{Policy, RRset};

/// The records to send: `count` of them from the `start`-th on, past the end back to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// First record.
    pub start: usize,
    /// How many.
    pub count: usize,
}

/// Random numbers of one core (xorshift64*): to spread answers, not to keep secrets.
#[derive(Debug, Clone)]
pub struct Spread(u64);

impl Spread {
    /// Starts from any seed.
    pub fn new(seed: u64) -> Spread {
        Spread(seed | 1)
    }

    /// A number below `bound`, each about equally often; 0 for 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        (random as usize * bound) >> 32
    }
}

/// Chooses for one client.
pub fn choose(rrset: &RRset, client: IpAddr, spread: &mut Spread) -> Choice {
    let count = usize::from(rrset.count);
    if count < 2 {
        return Choice { start: 0, count };
    }
    match rrset.policy {
        Policy::Rotate => Choice {
            start: spread.below(count),
            count,
        },
        Policy::RandomOne => Choice {
            start: spread.below(count),
            count: 1,
        },
        Policy::Sticky => Choice {
            start: rendezvous(rrset, client),
            count: 1,
        },
    }
}

/// Rendezvous hashing: the record whose hash together with the client's address is highest. When
/// one of n records comes or goes, one in n clients moves.
fn rendezvous(rrset: &RRset, client: IpAddr) -> usize {
    let client = match client {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let client = mix(client as u64 ^ mix((client >> 64) as u64));
    let weight = |record: &[u8]| {
        let rdata = record
            .get(crate::table::RECORD_FIXED_LEN..)
            .unwrap_or_default();
        let rdata = rdata
            .iter()
            .fold(0, |state, octet| mix(state ^ u64::from(*octet)));
        mix(client ^ rdata)
    };
    let weighed = rrset
        .records()
        .enumerate()
        .map(|(place, record)| (weight(record), place));
    weighed.max().map_or(0, |(_, place)| place)
}

/// Finaliser of SplitMix64: every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::table::rtype;

    fn addresses(policy: Policy, last_octets: &[u8]) -> RRset {
        let rdata: Vec<[u8; 4]> = last_octets.iter().map(|last| [10, 0, 0, *last]).collect();
        RRset::new(rtype::A, 30, policy, rdata.iter().map(|rdata| &rdata[..]))
    }

    fn chosen(rrset: &RRset, client: u32, spread: &mut Spread) -> u8 {
        let choice = choose(rrset, Ipv4Addr::from(client).into(), spread);
        *rrset.records().nth(choice.start).unwrap().last().unwrap()
    }

    #[test]
    fn every_start_comes_about_equally_often() {
        let mut spread = Spread::new(7);
        for policy in [Policy::Rotate, Policy::RandomOne] {
            let rrset = addresses(policy, &[0, 1, 2, 3, 4]);
            let mut counts = [0; 5];
            for client in 0..10_000 {
                counts[usize::from(chosen(&rrset, client, &mut spread))] += 1;
            }
            assert!(
                counts.iter().all(|count| (1_800..2_200).contains(count)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn sticky_clients_stay_and_only_a_fair_share_moves() {
        let mut spread = Spread::new(7);
        let before = addresses(Policy::Sticky, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let after = addresses(Policy::Sticky, &[0, 1, 2, 4, 5, 6, 7, 8, 9]);
        let mut counts = [0; 10];
        for client in 0..10_000 {
            let first = chosen(&before, client, &mut spread);
            assert_eq!(first, chosen(&before, client, &mut spread));
            counts[usize::from(first)] += 1;
            if first != 3 {
                assert_eq!(first, chosen(&after, client, &mut spread));
            }
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
    }
}
