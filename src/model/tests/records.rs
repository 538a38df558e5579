//! How the records of several keys become the RRsets of one name.

use expect_test::expect;

use super::*;

#[test]
fn keys_are_united_with_the_smallest_ttl() {
    Told::new()
        .bundle("one", &["a.t 60 A 10.0.0.2", "a.t 60 A 10.0.0.1"])
        .bundle("two", &["A.T 20 A 10.0.0.3", "a.t - TXT text"])
        .bundle("three", &["a.t 90 A 10.0.0.1"])
        .tells(expect![[
            r#"+ a.t.: A 20 10.0.0.1, 10.0.0.2, 10.0.0.3 | TXT 30 "text""#
        ]])
        .delete_bundle("two")
        .tells(expect!["+ a.t.: A 60 10.0.0.1, 10.0.0.2"])
        .delete_bundle("one")
        .tells(expect!["+ a.t.: A 90 10.0.0.1"]);
}

#[test]
fn the_three_formats_meet_at_one_name() {
    Told::new()
        .put(
            "/containerdns/t/a/5f6c1c2f/",
            r#"{"type":"A","host":"10.0.0.1","ttl":40}"#,
        )
        .put("/skydns/t/a/id", r#"{"host":"10.0.0.2","targetstrip":1}"#)
        .bundle("one", &["a.t - A 10.0.0.3"])
        .tells(expect!["+ a.t.: A 30 10.0.0.1, 10.0.0.2, 10.0.0.3"]);
}

#[test]
fn a_key_put_again_replaces_what_it_said() {
    Told::new()
        .bundle("one", &["a.t 5 A 10.0.0.1", "a.t 5 A 10.0.0.2"])
        .tells(expect!["+ a.t.: A 5 10.0.0.1, 10.0.0.2"])
        .bundle("one", &["a.t 5 A 10.0.0.2"])
        .tells(expect!["+ a.t.: A 5 10.0.0.2"])
        .bundle("one", &["x.b.t 5 A 10.0.0.2"])
        .tells(expect![[r#"
            - a.t.
            + b.t.
            + x.b.t.: A 5 10.0.0.2"#]])
        .bundle("one", &["b.t 5 A 10.0.0.2"])
        .tells(expect![[r#"
            + b.t.: A 5 10.0.0.2
            - x.b.t."#]])
        .delete_bundle("one")
        .tells(expect!["- b.t."]);
}

#[test]
fn addresses_are_weighed_by_their_keys() {
    let mut settings = settings(&["t"]);
    settings.policy = Policy::Weighted;
    let mut told = Told::with(settings);
    told.take();
    let host = |address: &str, weight: &str| format!(r#"{{"host":"{address}"{weight}}}"#);
    told.put("/skydns/t/a/x", &host("10.0.0.1", r#","weight":20"#))
        .put("/skydns/t/a/y", &host("10.0.0.2", ""))
        .put(
            "/containerdns/t/a/z/",
            &host("10.0.0.3", r#","type":"A","weight":0"#),
        )
        .put(
            "/containerdns/t/a/w/",
            &host("10.0.0.1", r#","type":"A","weight":30"#),
        )
        .take();
    let node = &told.nodes[&Name::parse("a.t").unwrap()];
    let rrset = node.rrset(crate::table::rtype::A).unwrap();
    assert_eq!(rrset.extra.unwrap().weights, [30, 130, 130]);
    assert_eq!(rrset.count, 3);
}

#[test]
fn a_subset_lies_on_a_ring() {
    let mut settings = settings(&["t"]);
    settings.policy = Policy::Subset(settings.subset_len);
    let mut told = Told::with(settings);
    told.take();
    let records: Vec<String> = (0..9)
        .map(|last| format!("a.t 5 A 10.0.0.{last}"))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    told.bundle("one", &records).take();
    let node = &told.nodes[&Name::parse("a.t").unwrap()];
    let rrset = node.rrset(crate::table::rtype::A).unwrap();
    let places = rrset
        .records()
        .map(|record| crate::choice::ring_place(&record[RECORD_FIXED_LEN..]));
    assert!(places.is_sorted());
    assert_eq!(rrset.count, 9);
}

#[test]
fn empty_non_terminals_come_and_go() {
    Told::new()
        .bundle("one", &["c.b.a.t 5 A 10.0.0.1"])
        .tells(expect![[r#"
            + a.t.
            + b.a.t.
            + c.b.a.t.: A 5 10.0.0.1"#]])
        .bundle("two", &["a.t 5 A 10.0.0.2"])
        .tells(expect!["+ a.t.: A 5 10.0.0.2"])
        .delete_bundle("one")
        .tells(expect![[r#"
            - b.a.t.
            - c.b.a.t."#]]);
    Told::new()
        .bundle("one", &["b.a.t 5 A 10.0.0.1"])
        .delete_bundle("one")
        .tells(expect![[r#"
            - a.t.
            - b.a.t."#]]);
}

#[test]
fn a_name_knows_of_its_wildcard_child() {
    Told::new()
        .bundle("one", &["*.a.t 5 A 10.0.0.1"])
        .tells(expect![[r#"
            + *.a.t.: A 5 10.0.0.1
            + a.t. with *"#]])
        .bundle("two", &["b.a.t 5 A 10.0.0.2", "x.*.a.t 5 TXT below"])
        .tells(expect![[r#"
            + b.a.t.: A 5 10.0.0.2
            + x.*.a.t.: TXT 5 "below""#]])
        .delete_bundle("one")
        .tells(expect!["+ *.a.t."])
        .bundle("two", &["b.a.t 5 A 10.0.0.2"])
        .tells(expect![[r#"
            - *.a.t.
            + a.t.
            + b.a.t.: A 5 10.0.0.2
            - x.*.a.t."#]]);
}

#[test]
fn a_cname_stands_alone() {
    let mut told = Told::new();
    told.bundle("alias", &["a.t 5 CNAME b.t."])
        .tells(expect!["+ a.t.: CNAME 5 b.t."]);
    assert_eq!(told.model.counts().conflicts, 0);
    told.bundle("address", &["a.t 5 A 10.0.0.1"])
        .tells(expect!["+ a.t.: A 5 10.0.0.1"]);
    assert_eq!(told.model.counts().conflicts, 1);
    told.delete_bundle("address")
        .tells(expect!["+ a.t.: CNAME 5 b.t."]);
    assert_eq!(told.model.counts().conflicts, 0);
    told.bundle("second", &["a.t 5 CNAME a.other."])
        .tells(expect!["+ a.t.: CNAME 5 a.other."]);
    assert_eq!(told.model.counts().conflicts, 1);
    told.delete_bundle("alias")
        .tells(expect!["+ a.t.: CNAME 5 a.other."]);
    assert_eq!(told.model.counts().conflicts, 0);
    told.bundle("same", &["a.t 3 CNAME A.other."])
        .bundle("again", &["a.t 2 CNAME a.other."])
        .tells(expect!["+ a.t.: CNAME 3 A.other."]);
    assert_eq!(told.model.counts().conflicts, 0);
}

/// Two writers give the same alias, one of them with its mark: whoever came last, nothing changes.
#[test]
fn the_order_of_equal_aliases_does_not_matter() {
    let mut told = Told::new();
    told.put(
        "/skydns/t/a/id",
        r#"{"host":"b.t","text":"heritage","targetstrip":1}"#,
    )
    .tells(expect![[r#"+ a.t.: CNAME 300 b.t. | TXT 300 "heritage""#]])
    .bundle("alias", &["a.t 5 CNAME b.t."])
    .tells(expect![[r#"+ a.t.: CNAME 5 b.t. | TXT 300 "heritage""#]])
    .put(
        "/skydns/t/a/id",
        r#"{"host":"b.t","text":"heritage","targetstrip":1,"ttl":7}"#,
    )
    .tells(expect![[r#"+ a.t.: CNAME 5 b.t. | TXT 7 "heritage""#]]);
    assert_eq!(told.model.counts().conflicts, 0);
}

#[test]
fn text_of_the_same_key_lives_beside_an_alias() {
    let mut told = Told::new();
    told.put(
        "/skydns/t/a",
        r#"{"host":"b.t","text":"heritage=external-dns"}"#,
    )
    .tells(expect![[r#"
        + a.t.: CNAME 300 b.t. | TXT 300 "heritage=external-dns"
        + t. apex: NS 30 ns.dns.t. | TXT 300 "heritage=external-dns""#]]);
    assert_eq!(told.model.counts().conflicts, 0);
    told.bundle("text", &["a.t 5 TXT other"]).tells(expect![[
        r#"+ a.t.: TXT 5 "other", "heritage=external-dns""#
    ]]);
    assert_eq!(told.model.counts().conflicts, 1);
}

#[test]
fn a_bad_value_keeps_what_was() {
    let mut told = Told::new();
    told.put("/skydns/t/a", r#"{"host":"10.0.0.1"}"#)
        .tells(expect![[r#"
            + a.t.: A 300 10.0.0.1
            + t. apex: A 300 10.0.0.1 | NS 30 ns.dns.t."#]])
        .put("/skydns/t/a", r#"{"host":"10.0.0."#)
        .put("/skydns/t/b", "no JSON")
        .tells(expect![[""]]);
    assert_eq!(told.model.counts().keys_bad, 2);
    assert_eq!(told.model.counts().keys, 2);
    told.put("/skydns/t/a", r#"{"host":"10.0.0.2"}"#)
        .delete("/skydns/t/b")
        .tells(expect![[r#"
            + a.t.: A 300 10.0.0.2
            + t. apex: A 300 10.0.0.2 | NS 30 ns.dns.t."#]]);
    assert_eq!(told.model.counts().keys_bad, 0);
    told.put("/skydns/t/a", "bad")
        .delete("/skydns/t/a")
        .tells(expect![[r#"
            - a.t.
            + t. apex: NS 30 ns.dns.t."#]]);
    assert_eq!(told.model.counts().keys_bad, 0);
}

#[test]
fn a_dead_backend_is_left_out() {
    let mut told = Told::new();
    told.bundle("one", &["a.t 5 A 10.0.0.1", "a.t 5 A 10.0.0.2"])
        .bundle("two", &["b.t 5 A 10.0.0.1", "b.t 5 AAAA fd00::1"])
        .tells(expect![[r#"
            + a.t.: A 5 10.0.0.1, 10.0.0.2
            + b.t.: A 5 10.0.0.1 | AAAA 5 fd00::1"#]])
        .health("10.0.0.1", "DOWN")
        .tells(expect![[r#"
            + a.t.: A 5 10.0.0.2
            + b.t.: A 5 10.0.0.1 | AAAA 5 fd00::1"#]]);
    assert_eq!(told.model.counts().backends_down, 1);
    assert_eq!(told.model.counts().failed_open, 1, "b.t has no other A");
    told.health("10.0.0.2", "down")
        .tells(expect!["+ a.t.: A 5 10.0.0.1, 10.0.0.2"]);
    told.health("10.0.0.1", "UP").tells(expect![[r#"
        + a.t.: A 5 10.0.0.1
        + b.t.: A 5 10.0.0.1 | AAAA 5 fd00::1"#]]);
    told.health("10.0.0.1", "MAYBE").tells(expect![[""]]);
    assert_eq!(told.model.counts().keys_bad, 1);
    told.delete("/containerdns/monitor/status/10.0.0.2")
        .tells(expect!["+ a.t.: A 5 10.0.0.1, 10.0.0.2"]);
    assert_eq!(told.model.counts().backends_down, 0);
    told.health("10.0.0.9", "DOWN").tells(expect![[""]]);
    told.bundle("three", &["c.t 5 A 10.0.0.9", "c.t 5 A 10.0.0.8"])
        .tells(expect!["+ c.t.: A 5 10.0.0.8"]);
}

#[test]
fn what_a_prober_called_down_comes_up_when_its_word_lapses() {
    let mut told = Told::new();
    let down = |told: &mut Told, address: &str, by: &str| {
        let key = format!("/containerdns/monitor/status/{address}");
        told.put(&key, &format!(r#"{{"status":"DOWN","prober":"{by}"}}"#));
    };
    told.bundle(
        "one",
        &["a.t 5 A 10.0.0.1", "a.t 5 A 10.0.0.2", "a.t 5 A 10.0.0.3"],
    );
    told.put("/containerdns-prober/members/p-1", "");
    down(&mut told, "10.0.0.1", "p-1");
    told.tells(expect!["+ a.t.: A 5 10.0.0.2, 10.0.0.3"]);
    told.delete("/containerdns-prober/members/p-1")
        .tells(expect![""]);
    let gone: Vec<_> = told.model.unvouched().cloned().collect();
    assert_eq!(gone, ["p-1".into()]);
    assert_eq!(told.model.lapse(&gone[0]), 1);
    told.tells(expect!["+ a.t.: A 5 10.0.0.1, 10.0.0.2, 10.0.0.3"]);
    assert_eq!(told.model.unvouched().count(), 0);
    // Another one takes it over.
    told.put("/containerdns-prober/members/p-2", "");
    down(&mut told, "10.0.0.1", "p-2");
    told.tells(expect!["+ a.t.: A 5 10.0.0.2, 10.0.0.3"]);
}

#[test]
fn policies_of_name_zone_and_server() {
    let mut all = settings(&["t", "u"]);
    all.policy = Policy::Sticky;
    all.zone_policies.insert(ZoneId(1), Policy::RandomOne);
    all.name_policies = vec![(Name::parse("A.u").unwrap(), Policy::Rotate)];
    let mut told = Told::with(all);
    told.take();
    told.bundle("one", &["a.t 5 A 10.0.0.1", "a.t 5 TXT text"])
        .bundle("two", &["a.u 5 A 10.0.0.1", "b.u 5 A 10.0.0.1"])
        .tells(expect![[r#"
            + a.t.: A 5 10.0.0.1 (sticky) | TXT 5 "text"
            + a.u. of zone 1: A 5 10.0.0.1
            + b.u. of zone 1: A 5 10.0.0.1 (random-one)"#]]);
}
