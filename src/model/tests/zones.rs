//! What zones have of their own: apexes, name servers, reverse records, and which zone a name is
//! in.

use expect_test::expect;

use super::*;

#[test]
fn an_apex_has_soa_and_ns_without_being_given_them() {
    let mut told = Told::with(settings(&["t"]));
    told.tells(expect!["+ t. apex: NS 30 ns.dns.t."])
        .bundle("soa", &["t 9 SOA ns1.t. admin.t. 77 1 2 3 4"])
        .tells(expect![[r#"
            soa of zone 0: 9 ns1.t. admin.t. [1, 2, 3, 4]
            + t. apex: NS 30 ns.dns.t."#]])
        .bundle("ns", &["t 5 NS ns1.t.", "t 5 A 10.0.0.1"])
        .tells(expect!["+ t. apex: A 5 10.0.0.1 | NS 5 ns1.t."])
        .delete_bundle("soa")
        .delete_bundle("ns")
        .tells(expect![[r#"
            soa of zone 0: 30 ns.dns.t. hostmaster.t. [7200, 1800, 86400, 5]
            + t. apex: NS 30 ns.dns.t."#]]);
}

/// Of two stored SOAs one is chosen by what it says, not by when it came.
#[test]
fn the_order_of_two_soas_does_not_matter() {
    let mut told = Told::new();
    told.bundle("b", &["t 9 SOA b.t. admin.t. 1 1 2 3 4"])
        .bundle("a", &["t 8 SOA a.t. admin.t. 1 1 2 3 4"])
        .tells(expect![[r#"
            soa of zone 0: 8 a.t. admin.t. [1, 2, 3, 4]
            + t. apex: NS 30 ns.dns.t."#]])
        .bundle("b", &["t 9 SOA b.t. admin.t. 1 1 2 3 4"])
        .bundle("a", &["t 8 SOA a.t. admin.t. 1 1 2 3 4"])
        .tells(expect!["+ t. apex: NS 30 ns.dns.t."]);
}

/// An apex always has an SOA, so a CNAME there is always beside other data.
#[test]
fn an_alias_at_an_apex_loses() {
    let mut told = Told::new();
    told.bundle("alias", &["t 5 CNAME a.t."])
        .tells(expect!["+ t. apex: NS 30 ns.dns.t."]);
    assert_eq!(told.model.counts().conflicts, 1);
    told.put("/skydns/t/a", r#"{"host":"10.0.0.1"}"#)
        .tells(expect![[r#"
            + a.t.: A 300 10.0.0.1
            + t. apex: A 300 10.0.0.1 | NS 30 ns.dns.t."#]]);
}

#[test]
fn soa_below_an_apex_is_left_out() {
    Told::new()
        .bundle(
            "one",
            &["a.t 9 SOA b.t. c.t. 1 1 2 3 4", "a.t 5 A 10.0.0.1"],
        )
        .tells(expect!["+ a.t.: A 5 10.0.0.1"]);
}

#[test]
fn the_server_is_its_own_name_server() {
    let mut all = settings(&["t"]);
    all.server_addresses = ["10.0.0.53", "fd00::53"]
        .map(|address| address.parse::<IpAddr>().unwrap())
        .to_vec();
    Told::with(all)
        .tells(expect![[r#"
            + dns.t.
            + ns.dns.t.: A 30 10.0.0.53 | AAAA 30 fd00::53
            + t. apex: NS 30 ns.dns.t."#]])
        .bundle("own", &["ns.dns.t 5 A 10.0.0.1"])
        .tells(expect![[r#"
            + ns.dns.t.: A 5 10.0.0.1 | AAAA 30 fd00::53
            + t. apex: NS 30 ns.dns.t."#]])
        .bundle("own", &["ns.dns.t 5 CNAME ns.other."])
        .tells(expect![[r#"
            + ns.dns.t.: CNAME 5 ns.other.
            + t. apex: NS 30 ns.dns.t."#]])
        .delete_bundle("own")
        .tells(expect![[r#"
            + ns.dns.t.: A 30 10.0.0.53 | AAAA 30 fd00::53
            + t. apex: NS 30 ns.dns.t."#]]);
}

#[test]
fn the_longest_zone_has_the_name() {
    let mut told = Told::with(settings(&["t", "c.t", "cluster.local"]));
    told.take();
    told.bundle("one", &["a.t 5 A 10.0.0.1", "a.c.t 5 A 10.0.0.2"])
        .bundle("two", &["c.t 5 A 10.0.0.3", "C.T 5 NS ns.other."])
        .bundle(
            "outside",
            &["xcluster.local 5 A 10.0.0.4", "local 5 A 10.0.0.4"],
        )
        .tells(expect![[r#"
            + a.c.t. of zone 1: A 5 10.0.0.2
            + a.t.: A 5 10.0.0.1
            + c.t. apex of zone 1: A 5 10.0.0.3 | NS 5 ns.other."#]]);
    assert_eq!(told.model.counts().records_outside, 2);
}

#[test]
fn addresses_have_reverse_records() {
    // fd00::/120
    let long = format!("{}d.f.ip6.arpa", "0.".repeat(28));
    let mut told = Told::with(settings(&["t", "10.in-addr.arpa", &long]));
    told.take();
    told.bundle("one", &["Web.t 5 A 10.0.0.1", "web.t 5 AAAA fd00::1"])
        .bundle("two", &["*.w.t 5 A 10.0.0.2", "out.t 5 A 192.0.2.1"])
        .bundle("three", &["www.t 9 A 10.0.0.1"])
        .tells(expect![[r#"
            + *.w.t.: A 5 10.0.0.2
            + 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. of zone 2
            + 0.0.10.in-addr.arpa. of zone 1
            + 0.10.in-addr.arpa. of zone 1
            + 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. of zone 2: PTR 5 web.t.
            + 1.0.0.10.in-addr.arpa. of zone 1: PTR 5 Web.t., www.t.
            + out.t.: A 5 192.0.2.1
            + w.t. with *
            + web.t.: A 5 10.0.0.1 | AAAA 5 fd00::1
            + www.t.: A 9 10.0.0.1"#]])
        .bundle("explicit", &["1.0.0.10.in-addr.arpa 7 PTR name.elsewhere."])
        .tells(expect!["+ 1.0.0.10.in-addr.arpa. of zone 1: PTR 7 name.elsewhere."])
        .bundle(
            "explicit",
            &["1.0.0.10.in-addr.arpa 7 CNAME 1.0-25.0.0.10.in-addr.arpa."],
        )
        .tells(expect!["+ 1.0.0.10.in-addr.arpa. of zone 1: CNAME 7 1.0-25.0.0.10.in-addr.arpa."]);
    assert_eq!(told.model.counts().conflicts, 0);
    told.delete_bundle("explicit")
        .delete_bundle("one")
        .tells(expect![[r#"
            - 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.
            - 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.
            + 1.0.0.10.in-addr.arpa. of zone 1: PTR 9 www.t.
            - web.t."#]]);
}
