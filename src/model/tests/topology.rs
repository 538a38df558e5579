//! Which addresses clients of a topology zone get: those in their zone while it has live ones.

use expect_test::expect;
use serde_json::json;

use super::*;

/// Zones a and b by prefix, c by nothing but what keys say.
fn zoned(policy: Policy) -> Told {
    let mut settings = settings(&["t"]);
    settings.policy = policy;
    settings.topology = topology(&[
        ("a", "10.1.0.0/16"),
        ("b", "10.2.0.0/16"),
        ("c", "fd00::/8"),
    ]);
    let mut told = Told::with(settings);
    told.take();
    told
}

/// A bundle of the addresses of `a.t` with its `zones`.
fn endpoints(told: &mut Told, id: &str, addresses: &[&str], zones: serde_json::Value) {
    let rrset = json!({"name": "a.t", "type": "A", "ttl": 5, "rdata": addresses});
    let value = json!({"v": 1, "zones": zones, "rrsets": [rrset]});
    told.put(&bundle_key(id), &value.to_string());
}

#[test]
fn addresses_are_where_their_bits_say() {
    zoned(Policy::Rotate)
        .bundle(
            "one",
            &["a.t 5 A 10.1.0.1", "a.t 9 A 10.1.0.2", "a.t 9 A 10.3.0.1"],
        )
        .tells(expect![[r#"
            + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.3.0.1
                in a A 5 10.1.0.1, 10.1.0.2"#]])
        .bundle("two", &["a.t 9 A 10.2.0.1"])
        .tells(expect![[r#"
            + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.2.0.1, 10.3.0.1
                in a A 5 10.1.0.1, 10.1.0.2
                in b A 5 10.2.0.1"#]])
        .delete_bundle("one")
        .tells(expect!["+ a.t.: A 9 10.2.0.1"])
        .bundle("two", &["a.t 9 A 10.3.0.1", "a.t 9 A 10.4.0.1"])
        .tells(expect!["+ a.t.: A 9 10.3.0.1, 10.4.0.1"]);
}

#[test]
fn each_family_counts_for_itself_and_other_types_not_at_all() {
    zoned(Policy::Rotate)
        .bundle(
            "one",
            &[
                "a.t 5 A 10.1.0.1",
                "a.t 5 A 10.2.0.1",
                "a.t 5 AAAA fd00::1",
                "a.t 5 AAAA fd00::2",
                "a.t 5 SRV 0 0 80 b.t.",
                "a.t 5 SRV 0 0 80 c.t.",
            ],
        )
        .tells(expect![[r#"
            + a.t.: A 5 10.1.0.1, 10.2.0.1
                in a A 5 10.1.0.1
                in b A 5 10.2.0.1 | AAAA 5 fd00::1, fd00::2 | SRV 5 0 0 80 b.t., 0 0 80 c.t."#]]);
}

#[test]
fn dead_addresses_are_no_ones_neighbours() {
    let mut told = zoned(Policy::Rotate);
    told.bundle(
        "one",
        &["a.t 5 A 10.1.0.1", "a.t 5 A 10.1.0.2", "a.t 5 A 10.2.0.1"],
    )
    .tells(expect![[r#"
        + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.2.0.1
            in a A 5 10.1.0.1, 10.1.0.2
            in b A 5 10.2.0.1"#]])
    .health("10.1.0.1", "DOWN")
    .tells(expect![[r#"
        + a.t.: A 5 10.1.0.2, 10.2.0.1
            in a A 5 10.1.0.2
            in b A 5 10.2.0.1"#]])
    .health("10.1.0.2", "DOWN")
    .tells(expect!["+ a.t.: A 5 10.2.0.1"])
    .health("10.2.0.1", "DOWN")
    .tells(expect![[r#"
        + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.2.0.1
            in a A 5 10.1.0.1, 10.1.0.2
            in b A 5 10.2.0.1"#]])
    .health("10.1.0.2", "UP")
    .tells(expect!["+ a.t.: A 5 10.1.0.2"]);
}

#[test]
fn keys_say_where_addresses_are() {
    let mut told = zoned(Policy::Rotate);
    let addresses = ["10.1.0.1", "10.1.0.2", "10.9.0.1"];
    endpoints(
        &mut told,
        "one",
        &addresses,
        json!({"b": ["10.1.0.2"], "c": ["10.9.0.1"]}),
    );
    told.tells(expect![[r#"
        + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.9.0.1
            in a A 5 10.1.0.1
            in b A 5 10.1.0.2
            in c A 5 10.9.0.1"#]]);
    // A zone that has no clients is a zone all the same: not the one of the address's bits.
    endpoints(
        &mut told,
        "one",
        &addresses,
        json!({"elsewhere": ["10.1.0.1"]}),
    );
    told.tells(expect![[r#"
        + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.9.0.1
            in a A 5 10.1.0.2"#]]);
    // Two keys, two zones: the address is in both.
    endpoints(&mut told, "two", &["10.1.0.2"], json!({"b": ["10.1.0.2"]}));
    endpoints(
        &mut told,
        "three",
        &["10.1.0.2"],
        json!({"c": ["10.1.0.2"]}),
    );
    told.tells(expect![[r#"
        + a.t.: A 5 10.1.0.1, 10.1.0.2, 10.9.0.1
            in b A 5 10.1.0.2
            in c A 5 10.1.0.2"#]]);
    endpoints(&mut told, "one", &["10.9.0.1"], json!({}));
    told.tells(expect![[r#"
        + a.t.: A 5 10.1.0.2, 10.9.0.1
            in b A 5 10.1.0.2
            in c A 5 10.1.0.2"#]]);
}

#[test]
fn without_a_topology_zones_of_keys_are_nothing() {
    let mut told = Told::new();
    endpoints(
        &mut told,
        "one",
        &["10.1.0.1", "10.2.0.1"],
        json!({"a": ["10.1.0.1"]}),
    );
    told.tells(expect!["+ a.t.: A 5 10.1.0.1, 10.2.0.1"]);
}

/// Weights and the order on the ring are made anew for the records of a zone.
#[test]
fn policies_are_those_of_the_name() {
    let mut told = zoned(Policy::Weighted);
    for (id, host, weight) in [
        ("x", "10.1.0.1", 7),
        ("y", "10.1.0.2", 20),
        ("z", "10.2.0.1", 1),
    ] {
        let value = json!({"host": host, "weight": weight}).to_string();
        told.put(&format!("/skydns/t/a/{id}"), &value);
    }
    told.take();
    let node = &told.nodes[&Name::parse("a.t").unwrap()];
    let rrset = node.rrset(crate::table::rtype::A).unwrap();
    let extra = rrset.extra.unwrap();
    assert_eq!(extra.weights, [7, 27, 28]);
    let near = extra.nearer.0.iter();
    let weights: Vec<_> = near
        .map(|(_, near)| &near.extra.as_ref().unwrap().weights)
        .collect();
    assert_eq!(weights, [&vec![7, 27], &vec![1]]);

    let mut told = zoned(Policy::Subset(NonZeroU8::MIN));
    let records: Vec<String> = (0..9)
        .map(|last| format!("a.t 5 A 10.{}.0.{last}", 1 + last % 2))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    told.bundle("one", &records).take();
    let node = &told.nodes[&Name::parse("a.t").unwrap()];
    let rrset = node.rrset(crate::table::rtype::A).unwrap();
    for (_, rrset) in &rrset.extra.unwrap().nearer.0 {
        let place = |record: &[u8]| crate::choice::ring_place(&record[RECORD_FIXED_LEN..]);
        assert!(rrset.view().records().map(place).is_sorted());
    }
}

#[test]
fn a_record_in_the_model_has_its_size() {
    assert_eq!(size_of::<Held>(), 48, "there are millions of them");
}
