//! Which records of an RRset are sent, and in which order: one number at most, decided by policy.
//!
//! The hot path's part of load balancing: no state, no memory but one word of random numbers a
//! core.

use std::net::IpAddr;

use crate::client::{Client, Scopes};
use crate::table::{Policy, RECORD_FIXED_LEN, RRsetView};

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

/// The records of an RRset that a client's answer is chosen from: those in its topology zone, where
/// there are some, else all.
#[inline]
pub fn nearest<'t>(rrset: RRsetView<'t>, client: &Client) -> RRsetView<'t> {
    match (rrset.extra, client.zone) {
        (Some(extra), Some(zone)) => extra.nearer.of(zone).unwrap_or(rrset),
        _ => rrset,
    }
}

/// How many first bits of a subnet's address the answer from `rrset` depends on, `near` being the
/// [`nearest`] of its records.
pub fn scope_bits(rrset: RRsetView<'_>, near: RRsetView<'_>, scopes: &Scopes) -> u8 {
    let by_zone = rrset.extra.is_some_and(|extra| !extra.nearer.0.is_empty());
    let zone = if by_zone { scopes.zone } else { 0 };
    let source = match near.policy {
        Policy::Sticky | Policy::Subset(_) if near.count > 1 => scopes.source,
        _ => 0,
    };
    zone.max(source).max(scopes.view)
}

/// Chooses for one client.
#[inline]
pub fn choose(rrset: RRsetView<'_>, client: &Client, spread: &mut Spread) -> Choice {
    match usize::from(rrset.count) {
        count @ (0 | 1) => Choice { start: 0, count },
        count => choose_of(count, rrset, client, spread),
    }
}

fn choose_of(count: usize, rrset: RRsetView<'_>, client: &Client, spread: &mut Spread) -> Choice {
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
            start: rendezvous(rrset, client.source),
            count: 1,
        },
        Policy::Weighted => Choice {
            start: weighted(rrset, spread),
            count: 1,
        },
        Policy::Subset(len) => Choice {
            start: successor(rrset, client.source),
            count: count.min(len.get().into()),
        },
    }
}

/// A record at random, each as often as its weight says.
fn weighted(rrset: RRsetView<'_>, spread: &mut Spread) -> usize {
    let sums = rrset.extra.map_or(&[][..], |extra| &extra.weights);
    match sums.last() {
        Some(all) if *all > 0 => {
            let drawn = spread.below(*all as usize) as u32;
            sums.partition_point(|sum| *sum <= drawn)
        }
        // Nobody has a weight: all are equal.
        _ => spread.below(rrset.count.into()),
    }
}

/// The place of RDATA on the ring of a subset.
pub fn ring_place(rdata: &[u8]) -> u64 {
    rdata
        .iter()
        .fold(0, |state, octet| mix(state ^ u64::from(*octet)))
}

/// The first record at or behind the source's place on the ring, past its end the first of all.
/// When a record comes or goes, only the sources whose subset it is in notice.
fn successor(rrset: RRsetView<'_>, source: IpAddr) -> usize {
    let wanted = source_place(source);
    let place = |record: &[u8]| ring_place(record.get(RECORD_FIXED_LEN..).unwrap_or_default());
    let count = usize::from(rrset.count);
    let start = match usize::from(rrset.record_len) {
        0 => rrset.records().position(|record| place(record) >= wanted),
        length => {
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = (low + high) / 2;
                let record = rrset.wire.get(middle * length..(middle + 1) * length);
                match place(record.unwrap_or_default()) < wanted {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            Some(low)
        }
    };
    start.filter(|start| *start < count).unwrap_or(0)
}

fn source_place(source: IpAddr) -> u64 {
    let bits = match source {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    mix(bits as u64 ^ mix((bits >> 64) as u64))
}

/// Rendezvous hashing: the record whose hash together with the source is highest. When one of n
/// records comes or goes, one in n sources moves.
fn rendezvous(rrset: RRsetView<'_>, source: IpAddr) -> usize {
    let source = source_place(source);
    let weight = |record: &[u8]| {
        let rdata = record.get(RECORD_FIXED_LEN..).unwrap_or_default();
        mix(source ^ ring_place(rdata))
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
    use std::num::NonZeroU8;

    use super::*;
    use crate::table::{Extra, Nearer, RRset, rtype};
    use crate::topology::{Topology, TopologyZone};

    fn addresses(policy: Policy, last_octets: &[u8]) -> RRset {
        let rdata: Vec<[u8; 4]> = last_octets.iter().map(|last| [10, 0, 0, *last]).collect();
        RRset::new(rtype::A, 30, policy, rdata.iter().map(|rdata| &rdata[..]))
    }

    fn client(address: u32) -> Client {
        Client {
            source: Ipv4Addr::from(address).into(),
            zone: None,
            scopes: None,
            view: None,
        }
    }

    fn chosen(rrset: &RRset, address: u32, spread: &mut Spread) -> u8 {
        let choice = choose(rrset.view(), &client(address), spread);
        *rrset
            .view()
            .records()
            .nth(choice.start)
            .unwrap()
            .last()
            .unwrap()
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
        let mut counts = [0u32; 10];
        let sources = 100_000;
        for client in 0..sources {
            let first = chosen(&before, client, &mut spread);
            assert_eq!(first, chosen(&before, client, &mut spread));
            counts[usize::from(first)] += 1;
            if first != 3 {
                assert_eq!(first, chosen(&after, client, &mut spread));
            }
        }
        let fair = f64::from(sources) / 10.0;
        let squares = counts.map(|count| (f64::from(count) - fair).powi(2) / fair);
        let chi_square: f64 = squares.iter().sum();
        // 9 degrees of freedom: a fair spread stays below this in 999 of 1,000 cases.
        assert!(chi_square < 27.88, "{chi_square} {counts:?}");
    }

    fn ring(last_octets: &[u8], len: u8) -> RRset {
        let rdata = last_octets.iter().map(|last| [10, 0, 0, *last]);
        let mut rdata: Vec<[u8; 4]> = rdata.collect();
        rdata.sort_by_key(|rdata| ring_place(rdata));
        let policy = Policy::Subset(NonZeroU8::new(len).unwrap());
        RRset::new(rtype::A, 30, policy, rdata.iter().map(|rdata| &rdata[..]))
    }

    fn subset(rrset: &RRset, address: u32) -> Vec<u8> {
        let choice = choose(rrset.view(), &client(address), &mut Spread::new(1));
        let records = rrset.view().records_from(choice.start).take(choice.count);
        records.map(|record| *record.last().unwrap()).collect()
    }

    #[test]
    fn a_source_keeps_its_subset_while_the_records_of_it_stay() {
        let all: Vec<u8> = (0..200).collect();
        let without: Vec<u8> = (0..200).filter(|last| *last != 77).collect();
        let (before, after) = (ring(&all, 8), ring(&without, 8));
        let mut counts = [0u32; 200];
        for client in 0..10_000 {
            let chosen = subset(&before, client);
            assert_eq!(chosen.len(), 8);
            chosen
                .iter()
                .for_each(|last| counts[usize::from(*last)] += 1);
            match chosen.contains(&77) {
                false => assert_eq!(chosen, subset(&after, client)),
                true => {
                    let kept = chosen.iter().filter(|last| **last != 77);
                    let now = subset(&after, client);
                    assert!(kept.clone().all(|last| now.contains(last)));
                }
            }
        }
        // On average 400 each; how even it is depends on the size of the subset.
        assert!(
            counts.iter().all(|count| (80..1200).contains(count)),
            "{counts:?}"
        );
        assert_eq!(subset(&ring(&[1, 2, 3], 8), 5).len(), 3);
    }

    fn weights(sums: &[u32]) -> Box<Extra> {
        Box::new(Extra {
            weights: sums.to_vec(),
            ..Extra::default()
        })
    }

    #[test]
    fn weights_say_how_often() {
        let mut rrset = addresses(Policy::Weighted, &[0, 1, 2, 3]);
        rrset.extra = Some(weights(&[10, 10, 40, 100]));
        let mut spread = Spread::new(7);
        let mut counts = [0; 4];
        for client in 0..10_000 {
            counts[usize::from(chosen(&rrset, client, &mut spread))] += 1;
        }
        assert!((900..1_100).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[1], 0, "weight 0 beside others");
        assert!((2_800..3_200).contains(&counts[2]), "{counts:?}");
        rrset.extra = Some(weights(&[0, 0, 0, 0]));
        let drawn = (0..100).map(|client| chosen(&rrset, client, &mut spread));
        let drawn: std::collections::HashSet<u8> = drawn.collect();
        assert_eq!(drawn.len(), 4, "all without weight are equal");
    }

    #[test]
    fn records_of_several_lengths_are_on_the_ring_too() {
        let rdata: [&[u8]; 3] = [b"a", b"bb", b"ccc"];
        let mut sorted = rdata.to_vec();
        sorted.sort_by_key(|rdata| ring_place(rdata));
        let one = Policy::Subset(NonZeroU8::MIN);
        let rrset = RRset::new(rtype::SRV, 30, one, sorted.iter().copied());
        assert_eq!(rrset.record_len, 0);
        let starts: std::collections::HashSet<usize> = (0..1000u32)
            .map(|address| choose(rrset.view(), &client(address), &mut Spread::new(1)).start)
            .collect();
        assert_eq!(starts.len(), 3);
    }

    #[test]
    fn a_client_gets_what_is_near_it() {
        let names = ["a", "b", "c"].map(|name| (name.to_owned(), Vec::new()));
        let topology = Topology::new(&names);
        let (a, b) = (topology.named("a"), topology.named("b"));
        let near = vec![
            (a, addresses(Policy::Sticky, &[1])),
            (b, addresses(Policy::Sticky, &[2, 3])),
        ];
        let mut rrset = addresses(Policy::Sticky, &[1, 2, 3, 4]);
        let scopes = Scopes {
            source: 24,
            zone: 16,
            view: 0,
        };
        // How many records a client is chosen one of, and how many bits that depends on.
        let shown = |rrset: &RRset, zone: Option<TopologyZone>| {
            let near = nearest(rrset.view(), &Client { zone, ..client(7) });
            (near.count, scope_bits(rrset.view(), near, &scopes))
        };
        assert_eq!(shown(&rrset, Some(a)), (4, 24));
        rrset.extra.get_or_insert_default().nearer = Nearer(near);
        assert_eq!(
            shown(&rrset, Some(a)),
            (1, 16),
            "one is sticky for all in the zone"
        );
        assert_eq!(shown(&rrset, Some(b)), (2, 24));
        assert_eq!(shown(&rrset, Some(topology.named("c"))), (4, 24));
        assert_eq!(shown(&rrset, None), (4, 24));
        for policy in [Policy::Rotate, Policy::RandomOne, Policy::Weighted] {
            assert_eq!(shown(&addresses(policy, &[1, 2]), Some(a)), (2, 0));
        }
        let single = addresses(Policy::Subset(NonZeroU8::MIN), &[1]);
        assert_eq!(shown(&single, Some(a)), (1, 0));
    }
}
