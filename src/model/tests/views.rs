//! Views in the model: each holds what its own keys contribute and nothing else.

use expect_test::expect;

use super::*;

fn office(told: &mut Told, id: &str, records: &[&str]) {
    let (key, value) = bundle_pair("/views/office/bundle", id, records);
    told.put(&key, &value);
}

#[test]
fn a_view_is_held_apart() {
    let mut told = Told::new();
    told.bundle("one", &["a.t 5 A 10.0.0.1", "b.a.t 5 A 10.0.0.2"]);
    told.tells(expect![[r#"
        + a.t.: A 5 10.0.0.1
        + b.a.t.: A 5 10.0.0.2"#]]);
    office(
        &mut told,
        "web",
        &["a.t 5 A 10.9.0.1", "*.new.t 5 A 10.9.0.2"],
    );
    told.tells(expect![[r#"
        + view 0: *.new.t.: A 5 10.9.0.2
        + view 0: a.t.: A 5 10.9.0.1
        + view 0: new.t. with *
        + view 0: t. apex"#]]);
    told.delete("/views/office/bundle/one/services/default/web");
    told.tells(expect![[r#"
        - view 0: *.new.t.
        - view 0: a.t.
        - view 0: new.t.
        - view 0: t."#]]);
    assert_eq!(told.view_nodes.len(), 0);
    told.delete_bundle("one").tells(expect![[r#"
        - a.t.
        - b.a.t."#]]);
}

#[test]
fn neither_soa_nor_name_servers_nor_cuts() {
    let mut told = Told::new();
    office(
        &mut told,
        "zone",
        &[
            "t 5 SOA a.t. b.t. 1 2 3 4 5",
            "t 5 NS ns.t.",
            "t 5 MX 10 mail.t.",
            "sub.t 5 NS ns.sub.t.",
            "sub.t 5 DS 1 8 2 00",
            "ns.sub.t 5 A 10.9.0.1",
        ],
    );
    told.tells(expect![[r#"
        + view 0: ns.sub.t.: A 5 10.9.0.1
        + view 0: sub.t.
        + view 0: t. apex: MX 5 10 mail.t."#]]);
    assert_eq!(told.model.counts().records_left_out, 4);
    assert_eq!(told.model.names_in_views().collect::<Vec<_>>(), [3, 0]);
}

#[test]
fn pointers_are_the_views() {
    let mut told = Told::with(settings(&["t", "10.in-addr.arpa"]));
    told.take();
    office(&mut told, "web", &["a.t 5 A 10.9.0.1"]);
    told.tells(expect![[r#"
        + view 0: 0.9.10.in-addr.arpa. of zone 1
        + view 0: 1.0.9.10.in-addr.arpa. of zone 1: PTR 5 a.t.
        + view 0: 10.in-addr.arpa. apex of zone 1
        + view 0: 9.10.in-addr.arpa. of zone 1
        + view 0: a.t.: A 5 10.9.0.1
        + view 0: t. apex"#]]);
}

/// Addresses that are down are left out in views, too, and their policies are those of the name.
#[test]
fn health_and_policies() {
    let mut all = settings(&["t"]);
    all.name_policies = vec![(Name::parse("a.t").unwrap(), Policy::Sticky)];
    let mut told = Told::with(all);
    told.take();
    office(&mut told, "web", &["a.t - A 10.9.0.1", "a.t - A 10.9.0.2"]);
    told.tells(expect![[r#"
        + view 0: a.t.: A 30 10.9.0.1, 10.9.0.2 (sticky)
        + view 0: t. apex"#]]);
    told.health("10.9.0.1", "DOWN")
        .tells(expect!["+ view 0: a.t.: A 30 10.9.0.2 (sticky)"]);
    told.health("10.9.0.2", "DOWN")
        .tells(expect!["+ view 0: a.t.: A 30 10.9.0.1, 10.9.0.2 (sticky)"]);
    assert_eq!(told.model.counts().failed_open, 1);
}

/// A record without an id in its key answers above it, but at the apex only what is meant for it.
#[test]
fn subtree_answers_stay_below_the_apex() {
    let mut told = Told::new();
    told.put(
        "/views/office/skydns/t/dept/web/1",
        r#"{"host":"10.9.0.1"}"#,
    );
    told.tells(expect![[r#"
        + view 0: 1.web.dept.t.: A 300 10.9.0.1
        + view 0: dept.t.: A 300 10.9.0.1
        + view 0: t. apex
        + view 0: web.dept.t.: A 300 10.9.0.1"#]]);
    told.put(
        "/views/office/skydns/t/dns/apex/1",
        r#"{"host":"10.9.0.2"}"#,
    );
    told.tells(expect![[r#"
        + view 0: 1.apex.dns.t.: A 300 10.9.0.2
        + view 0: apex.dns.t.: A 300 10.9.0.2
        + view 0: dns.t.: A 300 10.9.0.2
        + view 0: t. apex: A 300 10.9.0.2"#]]);
}

#[test]
fn each_format_and_each_view() {
    let mut told = Told::new();
    told.put(
        "/views/office/tree/t/a/id/",
        r#"{"type":"A","host":"10.9.0.1"}"#,
    );
    told.put(
        "/views/lab/tree/t/a/id/",
        r#"{"type":"A","host":"10.8.0.1"}"#,
    );
    told.put("/containerdns/t/a/id/", r#"{"type":"A","host":"10.0.0.1"}"#);
    told.tells(expect![[r#"
        + a.t.: A 30 10.0.0.1
        + view 0: a.t.: A 30 10.9.0.1
        + view 0: t. apex
        + view 1: a.t.: A 30 10.8.0.1
        + view 1: t. apex"#]]);
    told.put("/views/lab/tree/t/a/id/", "no value");
    told.tells(expect![""]);
    assert_eq!(told.model.counts().keys_bad, 1);
    told.delete("/views/lab/tree/t/a/id/").tells(expect![[r#"
        - view 1: a.t.
        - view 1: t."#]]);
}

/// What a list lacks is counted in each view: a view loses all of its names, the rest none.
#[test]
fn losses_are_counted_by_view() {
    let mut told = Told::new();
    told.bundle("one", &["a.t 5 A 10.0.0.1", "b.t 5 A 10.0.0.2"]);
    office(&mut told, "web", &["a.t 5 A 10.9.0.1", "c.t 5 A 10.9.0.2"]);
    let key = "/views/office/bundle/one/services/default/web".as_bytes();
    let lost = told.model.names_only_from(&[key.into()]);
    assert_eq!(lost, [(0, 2), (2, 2), (0, 0)]);
}
