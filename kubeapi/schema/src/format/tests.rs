//! Trees as their writers leave them, and what they contribute.

mod bundles;
mod policies;
mod properties;
mod refused;
mod written;

use expect_test::{Expect, expect};

use super::bundle::{Bundle, Kind, Rrset};
use super::containerdns::Fields;
use super::*;
use crate::record::TTL_MAX_S;
use crate::wrapped::wrapped;

/// The zones of all tests here.
fn zones() -> Vec<Name> {
    [
        "containerdns.local",
        "sub.containerdns.local",
        "example.org",
        "10.in-addr.arpa",
    ]
    .map(|zone| zone.parse().unwrap())
    .to_vec()
}

fn prefix(format: Format) -> &'static str {
    match format {
        Format::ContainerDns => "/containerdns/",
        Format::SkyDns => "/skydns/",
        Format::Bundle => "/containerdns-kube/",
    }
}

/// One line a record, or the error.
fn shown(format: Format, key: &[u8], value: &[u8]) -> String {
    let line = |contributed: Contributed| {
        let mut line = contributed.record.to_string();
        if contributed.reach == Reach::Subtree {
            line.push_str(" ; subtree");
        }
        if let Some(weight) = contributed.weight {
            line.push_str(&format!(" ; weight {weight}"));
        }
        if let Some(Group {
            key_labels,
            name: Some(name),
        }) = contributed.group
        {
            line.push_str(&format!(" ; group {name} of {key_labels} labels"));
        }
        wrapped(&line) + "\n"
    };
    match decode(format, prefix(format), &zones(), key, value) {
        Ok(contribution) => contribution.records.into_iter().map(line).collect(),
        Err(error) => wrapped(&format!("error: {error}\n")),
    }
}

/// A whole tree: keys below the prefix and their values.
fn check(format: Format, tree: &[(&str, &str)], records: Expect) {
    let key = |path: &str| format!("{}{path}", prefix(format));
    let lines = tree
        .iter()
        .map(|(path, value)| shown(format, key(path).as_bytes(), value.as_bytes()));
    records.assert_eq(&lines.collect::<String>());
}

#[test]
fn formats_have_names() {
    assert_eq!("containerdns".parse(), Ok(Format::ContainerDns));
    assert_eq!("skydns".parse(), Ok(Format::SkyDns));
    assert_eq!("bundle".parse(), Ok(Format::Bundle));
    let error = "SkyDNS".parse::<Format>().unwrap_err();
    expect!["`SkyDNS` is no format: write containerdns, skydns or bundle"]
        .assert_eq(&error.to_string());
}

#[test]
fn an_existing_containerdns_tree() {
    check(
        Format::ContainerDns,
        &[
            (
                "local/containerdns/cctv2/3b0a6e3a/",
                r#"{"host":"192.168.10.1","type":"A","ttl":30,"cluster":"k1","user":"u"}"#,
            ),
            (
                "local/containerdns/cctv2/3c0a6fcd",
                r#"{"host":"192.168.10.2","type":"A","ttl":30}"#,
            ),
            (
                "local/containerdns/cctv2/3d0a7160/",
                r#"{"host":"192.168.10.3","type":"A"}"#,
            ),
            (
                "local/containerdns/cctv2/1/",
                r#"{"host":"fd00::1","type":"AAAA","ttl":30}"#,
            ),
            (
                "local/containerdns/tv1/",
                r#"{"host":"cctv2.containerdns.local.","type":"CNAME"}"#,
            ),
            (
                "local/containerdns/api/5a/",
                r#"{"host":"10.0.0.5","type":"SRV","ttl":30,"port":8080,"priority":1,"weight":2}"#,
            ),
            (
                "local/containerdns/api/5b/",
                r#"{"host":"b.example.org","type":"SRV","port":81}"#,
            ),
        ],
        expect![[r#"
            cctv2.containerdns.local. 30 IN A 192.168.10.1
            cctv2.containerdns.local. 30 IN A 192.168.10.2
            cctv2.containerdns.local. IN A 192.168.10.3
            cctv2.containerdns.local. 30 IN AAAA fd00::1
            tv1.containerdns.local. IN CNAME cctv2.containerdns.local.
            api.containerdns.local. 30 IN SRV 1 2 8080 5a.api.containerdns.local.
            5a.api.containerdns.local. 30 IN A 10.0.0.5 ; weight 2
            api.containerdns.local. IN SRV 10 100 81 b.example.org.
        "#]],
    );
}

#[test]
fn names_under_infix_labels_and_whole_keys() {
    check(
        Format::ContainerDns,
        &[
            (
                "local/containerdns/dns/ns/foo/",
                r#"{"host":"ns.foo.example.","type":"NS"}"#,
            ),
            (
                "local/containerdns/dns/ns/ns1/",
                r#"{"host":"10.0.0.53","type":"NS","ttl":60}"#,
            ),
            (
                "local/containerdns/mail/foo/",
                r#"{"host":"mx.example.org","type":"MX","mail":true,"priority":20}"#,
            ),
            (
                "local/containerdns/mail/bar/",
                r#"{"host":"10.0.0.25","type":"MX","mail":true}"#,
            ),
            (
                "local/containerdns/txt/foo/",
                r#"{"text":"v=spf1 -all","type":"TXT"}"#,
            ),
            (
                "local/containerdns/txt/",
                r#"{"text":"at the apex","type":"TXT"}"#,
            ),
            (
                "arpa/in-addr/10/0/0/5/",
                r#"{"host":"api.containerdns.local","type":"PTR"}"#,
            ),
            ("monitor/status/10.0.0.5", r#"{"status":"UP"}"#),
        ],
        expect![[r#"
            foo.containerdns.local. IN NS ns.foo.example.
            containerdns.local. 60 IN NS ns1.containerdns.local.
            ns1.containerdns.local. 60 IN A 10.0.0.53
            foo.containerdns.local. IN MX 20 mx.example.org.
            bar.containerdns.local. IN MX 10 bar.mail.containerdns.local.
            bar.mail.containerdns.local. IN A 10.0.0.25
            foo.containerdns.local. IN TXT "v=spf1 -all"
            containerdns.local. IN TXT "at the apex"
            5.0.0.10.in-addr.arpa. IN PTR api.containerdns.local.
        "#]],
    );
}

#[test]
fn records_of_kubernetes_services_in_a_containerdns_tree() {
    check(
        Format::ContainerDns,
        &[
            (
                "local/containerdns/svc/ns/web/4f/",
                r#"{"type":"A","source":"svc","host":"10.1.2.3","ttl":30,"priority":10}"#,
            ),
            (
                "local/containerdns/svc/ns/web/_tcp/_http/4f/",
                r#"{"type":"SRV","host":"4f.web.ns.svc.containerdns.local.","port":80}"#,
            ),
            (
                "local/containerdns/svc/ns/pod1/ip/",
                r#"{"type":"A","source":"pod","host":"10.1.2.4","ttl":30}"#,
            ),
        ],
        expect![[r#"
            web.ns.svc.containerdns.local. 30 IN A 10.1.2.3
            4f.web.ns.svc.containerdns.local. 30 IN A 10.1.2.3
            _http._tcp.web.ns.svc.containerdns.local. IN SRV 10 100 80
            4f.web.ns.svc.containerdns.local.
            pod1.ns.svc.containerdns.local. 30 IN A 10.1.2.4
        "#]],
    );
}

#[test]
fn a_missing_type_follows_from_the_other_fields() {
    check(
        Format::ContainerDns,
        &[
            ("org/example/a/1/", r#"{"host":"10.0.0.1"}"#),
            ("org/example/a/2/", r#"{"host":"::1","ttl":"30"}"#),
            (
                "org/example/a/3/",
                r#"{"host":"10.0.0.1","port":"80","weight":1}"#,
            ),
            ("org/example/a/4/", r#"{"host":"b.example.org","port":80}"#),
            ("org/example/c/", r#"{"host":"b.example.org","port":0}"#),
            ("org/example/t/txt/", r#"{"text":"hello"}"#),
            ("org/example/txt/t/", r#"{"text":"hello","host":""}"#),
            (
                "org/example/mail/m/",
                r#"{"host":"b.example.org","mail":"true"}"#,
            ),
            ("org/example/dns/ns/n/", r#"{"host":"b.example.org"}"#),
            ("arpa/in-addr/10/0/0/1/", r#"{"host":"b.example.org"}"#),
            ("ARPA/IP6/1/0/", r#"{"host":"b.example.org"}"#),
        ],
        expect![[r#"
            a.example.org. IN A 10.0.0.1
            a.example.org. 30 IN AAAA ::1
            a.example.org. IN SRV 10 1 80 3.a.example.org.
            3.a.example.org. IN A 10.0.0.1 ; weight 1
            a.example.org. IN SRV 10 100 80 b.example.org.
            c.example.org. IN CNAME b.example.org.
            txt.t.example.org. IN TXT "hello"
            t.example.org. IN TXT "hello"
            m.example.org. IN MX 10 b.example.org.
            n.example.org. IN NS b.example.org.
            1.0.0.10.in-addr.arpa. IN PTR b.example.org.
            0.1.IP6.ARPA. IN PTR b.example.org.
        "#]],
    );
}

/// The infix stands directly in front of the zone, the longest that has it; outside all zones the
/// one nearest to the root is taken.
#[test]
fn infix_labels_are_found_by_the_zone() {
    let text = r#"{"type":"TXT","text":"x"}"#;
    check(
        Format::ContainerDns,
        &[
            ("local/containerdns/txt/foo", text),
            ("local/containerdns/TXT/txt/foo", text),
            ("local/containerdns/sub/txt/foo", text),
            ("local/containerdns/txt/sub", text),
            ("local/containerdns/foo", text),
            ("net/other/txt/b/txt/a", text),
        ],
        expect![[r#"
            foo.containerdns.local. IN TXT "x"
            foo.txt.containerdns.local. IN TXT "x"
            foo.sub.containerdns.local. IN TXT "x"
            sub.containerdns.local. IN TXT "x"
            foo.containerdns.local. IN TXT "x"
            a.txt.b.other.net. IN TXT "x"
        "#]],
    );
}

#[test]
fn a_tree_of_external_dns() {
    check(
        Format::SkyDns,
        &[
            (
                "org/example/nginx/1a2b3c4d",
                r#"{"host":"192.0.2.1","ttl":60,"targetstrip":1}"#,
            ),
            (
                "org/example/nginx/2a2b3c4d",
                r#"{"host":"2001:db8::1","targetstrip":1}"#,
            ),
            (
                "org/example/app/5e6f7a8b",
                r#"{"host":"lb.example.net","targetstrip":1}"#,
            ),
            (
                "org/example/a-nginx/60b1c2d3",
                concat!(
                    r#"{"text":"\"heritage=external-dns,external-dns/owner=default,"#,
                    r#"resource=ingress/nginx\"","targetstrip":1,"#,
                    r#""owner":"default"}"#
                ),
            ),
            (
                "org/example/both/0a0b0c0d",
                r#"{"host":"192.0.2.2","text":"heritage=external-dns","targetstrip":1}"#,
            ),
            (
                "org/example/alias/0a0b0c0d",
                r#"{"host":"lb.example.net","text":"heritage=external-dns","targetstrip":1}"#,
            ),
            (
                "org/example/deep/x/y",
                r#"{"host":"192.0.2.3","targetstrip":2}"#,
            ),
            ("arpa/in-addr/192/0/2/1", r#"{"host":"nginx.example.org"}"#),
            ("org/example/*", r#"{"host":"192.0.2.9"}"#),
        ],
        expect![[r#"
            nginx.example.org. 60 IN A 192.0.2.1
            nginx.example.org. 300 IN AAAA 2001:db8::1
            app.example.org. 300 IN CNAME lb.example.net.
            a-nginx.example.org. 300 IN TXT
            "\"heritage=external-dns,external-dns/owner=default,resource=ingress/nginx\""
            both.example.org. 300 IN A 192.0.2.2
            both.example.org. 300 IN TXT "heritage=external-dns"
            alias.example.org. 300 IN CNAME lb.example.net.
            alias.example.org. 300 IN TXT "heritage=external-dns"
            deep.example.org. 300 IN A 192.0.2.3
            1.2.0.192.in-addr.arpa. 300 IN PTR nginx.example.org.
            *.example.org. 300 IN A 192.0.2.9 ; subtree
        "#]],
    );
}

#[test]
fn a_tree_of_skydns() {
    check(
        Format::SkyDns,
        &[
            (
                "local/skydns/east/rails/1",
                r#"{"host":"10.0.0.125","port":8080,"priority":20,"weight":50,"group":"g1"}"#,
            ),
            (
                "local/skydns/east/rails/2/",
                r#"{"host":"server2.example","port":8082,"ttl":0}"#,
            ),
            (
                "local/skydns/mx/1",
                r#"{"host":"mail.example","mail":true,"priority":5}"#,
            ),
            (
                "local/skydns/mx/2",
                r#"{"host":"10.0.0.25","mail":true,"targetstrip":1}"#,
            ),
            ("local/skydns/dns/ns/ns1", r#"{"host":"10.0.0.53"}"#),
            (
                "local/skydns/dns/apex/1",
                r#"{"host":"10.0.0.54","text":""}"#,
            ),
            ("local/skydns/t", r#"{"text":"only text"}"#),
            ("local/skydns/e", r#"{"text":""}"#),
            (
                "local/skydns/c",
                r#"{"host":"other.example.","group":"g2"}"#,
            ),
            ("arpa/ip6/8/b/d/0", r#"{"host":"v6.example","port":80}"#),
        ],
        expect![[r#"
            1.rails.east.skydns.local. 300 IN A 10.0.0.125 ; subtree ; weight 50 ; group
            g1 of 5 labels
            1.rails.east.skydns.local. 300 IN SRV 20 50 8080 1.rails.east.skydns.local.
            ; subtree ; group g1 of 5 labels
            2.rails.east.skydns.local. 300 IN SRV 10 100 8082 server2.example. ; subtree
            1.mx.skydns.local. 300 IN MX 5 mail.example. ; subtree
            mx.skydns.local. 300 IN A 10.0.0.25
            mx.skydns.local. 300 IN MX 10 mx.skydns.local.
            ns1.ns.dns.skydns.local. 300 IN A 10.0.0.53 ; subtree
            1.apex.dns.skydns.local. 300 IN A 10.0.0.54 ; subtree
            t.skydns.local. 300 IN TXT "only text" ; subtree
            e.skydns.local. 300 IN TXT "" ; subtree
            c.skydns.local. 300 IN CNAME other.example. ; group g2 of 3 labels
            0.d.b.8.ip6.arpa. 300 IN PTR v6.example.
            0.d.b.8.ip6.arpa. 300 IN SRV 10 100 80 v6.example. ; subtree
        "#]],
    );
}

#[test]
fn long_texts_are_split_at_255_octets() {
    let value = format!(r#"{{"text":"{}é{}"}}"#, "x".repeat(254), "y".repeat(300));
    let contribution = decode(
        Format::SkyDns,
        "/skydns/",
        &[],
        b"/skydns/org/t",
        value.as_bytes(),
    )
    .unwrap();
    let strings = contribution.records[0].record.rdata.strings();
    assert_eq!(strings.map(<[u8]>::len).collect::<Vec<_>>(), [255, 255, 46]);
}

#[test]
fn labels_of_any_octets_survive_in_keys() {
    check(
        Format::SkyDns,
        &[
            (r"arpa/in-addr/192/0/2/0\04725", r#"{"host":"a.example"}"#),
            (
                r"org/Example/*/_tcp/a\.b/WWW",
                r#"{"host":"192.0.2.1","targetstrip":1}"#,
            ),
            ("org/bücher/x y", r#"{"host":"192.0.2.1"}"#),
        ],
        expect![[r#"
            0/25.2.0.192.in-addr.arpa. 300 IN PTR a.example.
            a\.b._tcp.*.Example.org. 300 IN A 192.0.2.1
            x\032y.b\195\188cher.org. 300 IN A 192.0.2.1 ; subtree
        "#]],
    );
    check(
        Format::SkyDns,
        &[("org/www.example", r#"{"host":"192.0.2.1"}"#)],
        expect![[r#"
            error: key: segment "www.example" holds a dot: write one label a segment,
            the root side first
        "#]],
    );
}
