//! SkyDNS: subtree answers, groups, and the names a zone keeps for itself.

use expect_test::expect;

use super::*;

#[test]
fn records_also_answer_above_their_owner() {
    Told::new()
        .put("/skydns/t/a/b/c", r#"{"host":"10.0.0.1","ttl":60}"#)
        .tells(expect![[r#"
            + a.t.: A 60 10.0.0.1
            + b.a.t.: A 60 10.0.0.1
            + c.b.a.t.: A 60 10.0.0.1
            + t. apex: A 60 10.0.0.1 | NS 30 ns.dns.t."#]])
        .put("/skydns/t/a/b/d", r#"{"host":"10.0.0.2"}"#)
        .put("/skydns/t/a/e/id", r#"{"host":"10.0.0.3","targetstrip":1}"#)
        .put("/skydns/t/a/f", r#"{"host":"g.t"}"#)
        .tells(expect![[r#"
            + a.t.: A 60 10.0.0.1, 10.0.0.2
            + b.a.t.: A 60 10.0.0.1, 10.0.0.2
            + d.b.a.t.: A 300 10.0.0.2
            + e.a.t.: A 300 10.0.0.3
            + f.a.t.: CNAME 300 g.t.
            + t. apex: A 60 10.0.0.1, 10.0.0.2 | NS 30 ns.dns.t."#]])
        .delete("/skydns/t/a/b/c")
        .tells(expect![[r#"
            + a.t.: A 300 10.0.0.2
            + b.a.t.: A 300 10.0.0.2
            - c.b.a.t.
            + t. apex: A 300 10.0.0.2 | NS 30 ns.dns.t."#]]);
}

/// An alias of its own is what a name answers, whatever is below it.
#[test]
fn an_alias_inherits_nothing() {
    let mut told = Told::new();
    told.put("/skydns/t/a/b", r#"{"host":"10.0.0.1"}"#)
        .put("/skydns/t/a", r#"{"host":"c.t"}"#)
        .tells(expect![[r#"
            + a.t.: CNAME 300 c.t.
            + b.a.t.: A 300 10.0.0.1
            + t. apex: A 300 10.0.0.1 | NS 30 ns.dns.t."#]]);
    assert_eq!(told.model.counts().conflicts, 0);
}

#[test]
fn an_apex_has_records_of_its_own() {
    Told::new()
        .put("/skydns/t/a", r#"{"host":"10.0.0.1"}"#)
        .tells(expect![[r#"
            + a.t.: A 300 10.0.0.1
            + t. apex: A 300 10.0.0.1 | NS 30 ns.dns.t."#]])
        .put("/skydns/t/dns/apex", r#"{"host":"10.0.0.2"}"#)
        .tells(expect![[r#"
            + apex.dns.t.: A 300 10.0.0.2
            + dns.t.: A 300 10.0.0.2
            + t. apex: A 300 10.0.0.2 | NS 30 ns.dns.t."#]])
        .put("/skydns/t/dns/apex/x", r#"{"host":"10.0.0.3"}"#)
        .tells(expect![[r#"
            + apex.dns.t.: A 300 10.0.0.2, 10.0.0.3
            + dns.t.: A 300 10.0.0.2, 10.0.0.3
            + t. apex: A 300 10.0.0.2, 10.0.0.3 | NS 30 ns.dns.t.
            + x.apex.dns.t.: A 300 10.0.0.3"#]])
        .delete("/skydns/t/dns/apex")
        .delete("/skydns/t/dns/apex/x")
        .tells(expect![[r#"
            - apex.dns.t.
            - dns.t.
            + t. apex: A 300 10.0.0.1 | NS 30 ns.dns.t.
            - x.apex.dns.t."#]]);
}

#[test]
fn names_below_ns_dns_are_name_servers() {
    Told::new()
        .put("/skydns/t/dns/ns/one", r#"{"host":"10.0.0.1"}"#)
        .put("/skydns/t/dns/ns/two", r#"{"host":"10.0.0.2"}"#)
        .tells(expect![[r#"
            + dns.t.: A 300 10.0.0.1, 10.0.0.2
            + ns.dns.t.: A 300 10.0.0.1, 10.0.0.2
            + one.ns.dns.t.: A 300 10.0.0.1
            + t. apex: NS 30 one.ns.dns.t., two.ns.dns.t.
            + two.ns.dns.t.: A 300 10.0.0.2"#]])
        .put("/skydns/t/dns/ns/x/three", r#"{"host":"10.0.0.3"}"#)
        .delete("/skydns/t/dns/ns/two")
        .tells(expect![[r#"
            + dns.t.: A 300 10.0.0.1, 10.0.0.3
            + ns.dns.t.: A 300 10.0.0.1, 10.0.0.3
            + t. apex: NS 30 one.ns.dns.t., three.x.ns.dns.t.
            + three.x.ns.dns.t.: A 300 10.0.0.3
            - two.ns.dns.t.
            + x.ns.dns.t.: A 300 10.0.0.3"#]])
        .delete("/skydns/t/dns/ns/one")
        .delete("/skydns/t/dns/ns/x/three")
        .tells(expect![[r#"
            - dns.t.
            - ns.dns.t.
            - one.ns.dns.t.
            + t. apex: NS 30 ns.dns.t.
            - three.x.ns.dns.t.
            - x.ns.dns.t."#]]);
}

/// The keys of the etcd plugin's own tests: `u` stands alone, without a group both answer, of the
/// two groups `v` the shorter keys decide.
#[test]
fn the_shortest_keys_choose_the_group() {
    let host = |address: &str, group: &str| format!(r#"{{"host":"{address}","group":"{group}"}}"#);
    Told::new()
        .put("/skydns/t/dom/a", &host("127.0.0.1", "g1"))
        .put("/skydns/t/dom/b/sub", &host("127.0.0.2", "g2"))
        .tells(expect![[r#"
            + a.dom.t.: A 300 127.0.0.1
            + b.dom.t.: A 300 127.0.0.2
            + dom.t.: A 300 127.0.0.1
            + sub.b.dom.t.: A 300 127.0.0.2
            + t. apex: A 300 127.0.0.1 | NS 30 ns.dns.t."#]]);
    Told::new()
        .put("/skydns/t/dom/a", &host("127.0.0.1", "g1"))
        .put("/skydns/t/dom/b", &host("127.0.0.2", "g2"))
        .put("/skydns/t/dom/c/sub", &host("127.0.0.3", "g2"))
        .tells(expect![[r#"
            + a.dom.t.: A 300 127.0.0.1
            + b.dom.t.: A 300 127.0.0.2
            + c.dom.t.: A 300 127.0.0.3
            + dom.t.: A 300 127.0.0.1, 127.0.0.2, 127.0.0.3
            + sub.c.dom.t.: A 300 127.0.0.3
            + t. apex: A 300 127.0.0.1, 127.0.0.2, 127.0.0.3 | NS 30 ns.dns.t."#]]);
    Told::new()
        .put("/skydns/t/dom/a", &host("127.0.0.1", ""))
        .put("/skydns/t/dom/b/sub", &host("127.0.0.2", "g2"))
        .tells(expect![[r#"
            + a.dom.t.: A 300 127.0.0.1
            + b.dom.t.: A 300 127.0.0.2
            + dom.t.: A 300 127.0.0.1, 127.0.0.2
            + sub.b.dom.t.: A 300 127.0.0.2
            + t. apex: A 300 127.0.0.1, 127.0.0.2 | NS 30 ns.dns.t."#]]);
    Told::new()
        .put("/skydns/t/dom/a", &host("127.0.0.1", "g1"))
        .put("/skydns/t/dom/b", &host("127.0.0.2", ""))
        .put("/skydns/t/dom/c/sub", &host("127.0.0.3", "g2"))
        .tells(expect![[r#"
            + a.dom.t.: A 300 127.0.0.1
            + b.dom.t.: A 300 127.0.0.2
            + c.dom.t.: A 300 127.0.0.3
            + dom.t.: A 300 127.0.0.1, 127.0.0.2
            + sub.c.dom.t.: A 300 127.0.0.3
            + t. apex: A 300 127.0.0.1, 127.0.0.2 | NS 30 ns.dns.t."#]]);
}

/// A name with too much below it has no subtree answer, and nothing of it stays when all is gone.
#[test]
fn too_much_below_a_name_is_no_answer() {
    let mut told = Told::new();
    let key = |place: usize| format!("/skydns/t/a/b{place}");
    for place in 0..INHERITED_MAX {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + place as u32);
        told.put(&key(place), &format!(r#"{{"host":"{address}"}}"#));
    }
    told.take();
    let inherited = |told: &mut Told| {
        told.take();
        let node = &told.nodes[&Name::parse("a.t").unwrap()];
        node.rrsets().next().map_or(0, |rrset| rrset.count)
    };
    assert_eq!(usize::from(inherited(&mut told)), INHERITED_MAX);
    told.put("/skydns/t/a/more", r#"{"host":"10.1.0.1"}"#);
    assert_eq!(inherited(&mut told), 0);
    told.health("10.0.0.5", "DOWN");
    assert_eq!(inherited(&mut told), 0);
    for place in 0..INHERITED_MAX {
        told.delete(&key(place));
    }
    told.delete("/skydns/t/a/more").take();
    assert_eq!(told.nodes.len(), 1, "only the apex is left");
    told.health("10.0.0.5", "UP").tells(expect![""]);
}
