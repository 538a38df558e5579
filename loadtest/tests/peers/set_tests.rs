//! The set of names and its questions are what is promised.

use std::collections::{BTreeMap, HashSet};

use crate::set::*;

#[test]
fn the_seed_fixes_everything() {
    let (set, again) = (
        names(7, 100, Addresses::Varied),
        names(7, 100, Addresses::Varied),
    );
    assert_eq!(set, again);
    assert_ne!(set, names(8, 100, Addresses::Varied));
    assert_eq!(mixed_questions(7, &set), mixed_questions(7, &again));
    assert_eq!(set[0].owner, "billing-orders-0.team-146.svc.cluster.local");
}

#[test]
fn names_differ_and_have_the_promised_addresses() {
    let set = names(1, 50_000, Addresses::Varied);
    let owners: HashSet<&str> = set.iter().map(|name| name.owner.as_str()).collect();
    assert_eq!(owners.len(), 50_000);
    let with = |least: usize, most: usize| {
        let has = |name: &&Name| (least..=most).contains(&name.addresses.len());
        set.iter().filter(has).count()
    };
    assert_eq!(
        (with(1, 1), with(2, 2), with(3, 10)),
        (30_000, 10_000, 10_000)
    );
    for name in &set {
        let different: HashSet<_> = name.addresses.iter().collect();
        assert_eq!(different.len(), name.addresses.len(), "{name:?}");
    }
    assert_eq!(set.iter().filter(|name| name.text.is_some()).count(), 2_500);
    assert_eq!(set.iter().filter(|name| name.service).count(), 2_500);
    let ones = names(1, 1000, Addresses::One);
    assert!(
        ones.iter()
            .all(|name| name.addresses.len() == 1 && !name.service)
    );
}

#[test]
fn mixed_questions_have_the_promised_shares() {
    let set = names(1, 50_000, Addresses::Varied);
    let owners: HashSet<&str> = set.iter().map(|name| name.owner.as_str()).collect();
    let questions = mixed_questions(1, &set);
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    for question in questions.lines() {
        let (name, kind) = question.split_once(' ').expect("a type");
        *shares.entry(kind).or_default() += 1;
        assert_eq!(
            owners.contains(name),
            !kind.contains("NX") && kind != "SRV",
            "{question}"
        );
    }
    let expected = [
        ("A", 35_000),
        ("A NXDOMAIN", 5_000),
        ("AAAA", 5_000),
        ("SRV", 2_500),
        ("TXT", 2_500),
    ];
    assert_eq!(shares, BTreeMap::from(expected));
}
