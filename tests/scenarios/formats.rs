//! One etcd that an existing ContainerDNS, CoreDNS users, external-dns and the control plane have
//! all written to: every name is answered, by raw messages and by dig.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cases;
use crate::cases::bench::Bench;
use crate::harness::dig::{dig, dig_short};
use crate::harness::etcd::Etcd;
use crate::harness::exchange::Plain;
use crate::harness::fixture::{Pairs, bundle};
use crate::harness::poll;
use crate::harness::server::{Server, Settings};

/// What people put under `/skydns/`: name below `corp.test` and value.
fn skydns_tree() -> Vec<(&'static str, Value)> {
    let host = |address: &str| json!({"host": address});
    let grouped = |address: &str, group: &str| json!({"host": address, "group": group});
    vec![
        ("a1.api", json!({"host": "192.0.2.11", "port": 8080})),
        ("a2.api", json!({"host": "192.0.2.12", "port": 8080})),
        (
            "x1.api",
            json!({"host": "2001:db8::11", "port": 8080, "targetstrip": 1}),
        ),
        (
            "x.w",
            json!({"host": "192.0.2.21", "port": 80, "weight": 20}),
        ),
        (
            "y.w",
            json!({"host": "192.0.2.22", "port": 80, "weight": 80}),
        ),
        (
            "z.w",
            json!({"host": "192.0.2.23", "port": 80, "priority": 20}),
        ),
        ("cn", host("a1.api.corp.test")),
        ("loop1", host("loop2.corp.test")),
        ("loop2", host("loop1.corp.test")),
        ("dangling", host("gone.corp.test")),
        ("txt1", json!({"text": "hello"})),
        ("a.txt.many", json!({"text": "one"})),
        ("b.txt.many", json!({"text": "two"})),
        ("long", json!({"text": "z".repeat(300)})),
        (
            "m1.mail",
            json!({"host": "mx1.outside.test", "priority": 50, "mail": true}),
        ),
        ("m2.mail", json!({"host": "192.0.2.31", "mail": true})),
        ("*.wild", host("192.0.2.41")),
        ("exact.wild", host("192.0.2.42")),
        ("x1.ns.dns", host("192.0.2.51")),
        ("x2.ns.dns", host("192.0.2.52")),
        ("apex.dns", host("192.0.2.61")),
        ("p.dup", host("192.0.2.81")),
        ("q.dup", host("192.0.2.81")),
        (
            "both",
            json!({"host": "192.0.2.91", "text": "heritage=external-dns"}),
        ),
        (
            "bothcn",
            json!({"host": "www.outside.test", "text": "heritage=external-dns"}),
        ),
        ("a.test.corp", json!({"text": "deep"})),
        ("a.g1", grouped("192.0.2.71", "u")),
        ("b.sub.g1", grouped("192.0.2.72", "u")),
        ("a.g2", grouped("192.0.2.71", "u")),
        ("b.sub.g2", host("192.0.2.72")),
        ("a.g3", grouped("192.0.2.71", "u")),
        ("b.sub.g3", grouped("192.0.2.72", "v")),
        ("a.g4", json!({"text": "p", "group": "u"})),
        ("b.sub.g4", json!({"text": "q", "group": "u"})),
        ("a.g5", grouped("192.0.2.71", "u")),
        ("b.g5", grouped("192.0.2.72", "v")),
        ("zerottl", json!({"host": "192.0.2.96", "ttl": 0})),
        ("xz", host("www.containerdns.local")),
        ("xzgone", host("none.containerdns.local")),
        ("x.in", host("192.0.2.97")),
    ]
}

/// `/skydns/test/corp/...` for a name below `corp.test`.
fn skydns_key(name: &str) -> String {
    let labels: Vec<&str> = name.split('.').rev().collect();
    format!("/skydns/test/corp/{}", labels.join("/"))
}

fn skydns_pairs() -> Pairs {
    let mut pairs: Pairs = skydns_tree()
        .into_iter()
        .map(|(name, value)| (skydns_key(name), value.to_string()))
        .collect();
    pairs.push((skydns_key("c1"), json!({"host": "192.0.2.95"}).to_string()));
    for number in 2..=10 {
        let target = format!("c{}.corp.test", number - 1);
        pairs.push((
            skydns_key(&format!("c{number}")),
            json!({"host": target}).to_string(),
        ));
    }
    let reverse = "/skydns/arpa/in-addr/192/0/2/11";
    pairs.push((reverse.into(), json!({"host": "api.corp.test"}).to_string()));
    pairs
}

/// External-dns: the record's id is one more label, which `targetstrip` takes off.
fn external_dns_pairs() -> Pairs {
    let registry = "\"heritage=external-dns,external-dns/owner=me\"";
    let stripped = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let text = json!({"text": registry, "targetstrip": 1}).to_string();
    vec![
        stripped(
            "/skydns/test/corp/xd/048b0377",
            r#"{"host":"192.0.2.101","ttl":120,"targetstrip":1}"#,
        ),
        stripped(
            "/skydns/test/corp/xd2/11112222",
            r#"{"host":"192.0.2.102","targetstrip":1}"#,
        ),
        stripped(
            "/skydns/test/corp/xd2/22223333",
            r#"{"host":"192.0.2.103","targetstrip":1}"#,
        ),
        stripped(
            "/skydns/test/corp/xd2/44445555",
            r#"{"host":"2001:db8::102","targetstrip":1}"#,
        ),
        stripped("/skydns/test/corp/a-xd/33334444", &text),
        stripped(
            "/skydns/test/corp/xcn/55556666",
            r#"{"host":"lb.outside.test","targetstrip":1}"#,
        ),
        stripped("/skydns/test/corp/cname-xcn/66667777", &text),
        stripped(
            "/skydns/test/corp/xwild/*/77778888",
            r#"{"host":"192.0.2.104","ttl":60,"targetstrip":1}"#,
        ),
    ]
}

/// A tree as an existing ContainerDNS keeps it.
fn containerdns_pairs() -> Pairs {
    let pair = |key: &str, value: &str| (format!("/containerdns/{key}"), value.to_owned());
    vec![
        pair(
            "local/containerdns/www/9ab1fe2e/",
            r#"{"type":"A","host":"10.1.0.1","ttl":30}"#,
        ),
        pair(
            "local/containerdns/www/9bb1ffc1/",
            r#"{"type":"A","host":"10.1.0.2","ttl":30}"#,
        ),
        pair(
            "local/containerdns/www/0c0c0c0c/",
            r#"{"type":"AAAA","host":"2001:db8::c1","ttl":30}"#,
        ),
        pair(
            "local/containerdns/tv/",
            r#"{"type":"CNAME","host":"www.containerdns.local"}"#,
        ),
        pair(
            "local/containerdns/txt/www/",
            r#"{"type":"TXT","text":"some text"}"#,
        ),
        pair(
            "local/containerdns/mail/www/",
            r#"{"type":"MX","host":"mx.containerdns.local","priority":10,"mail":true}"#,
        ),
        pair(
            "local/containerdns/dns/ns/",
            r#"{"type":"NS","host":"ns1.containerdns.local"}"#,
        ),
        pair(
            "local/containerdns/srv/77aa77aa/",
            r#"{"type":"SRV","host":"10.1.0.7","port":8080,"priority":10,"weight":20}"#,
        ),
        pair(
            "local/containerdns/typeless/88aa88aa/",
            r#"{"host":"10.1.0.9"}"#,
        ),
        pair(
            "local/containerdns/noslash/99aa99aa",
            r#"{"type":"A","host":"10.1.0.10"}"#,
        ),
        pair(
            "local/containerdns/nottl/66aa66aa/",
            r#"{"type":"A","host":"10.1.0.11"}"#,
        ),
        pair(
            "arpa/in-addr/10/1/0/1/",
            r#"{"type":"PTR","host":"www.containerdns.local"}"#,
        ),
    ]
}

/// What the control plane writes for two services.
fn bundle_pairs() -> Pairs {
    let (web, db) = ("web.prod.svc.cluster.local.", "db.prod.svc.cluster.local.");
    let port = format!("_http._tcp.{web}");
    let target = format!("0 100 80 {web}");
    let reverse = format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(23));
    vec![
        bundle("reverse", &[(&reverse, 5, "PTR", web)]),
        bundle(
            "web",
            &[(web, 5, "A", "10.20.0.10"), (&port, 5, "SRV", &target)],
        ),
        bundle(
            "db-1",
            &[(db, 5, "A", "10.30.0.2"), (db, 5, "A", "10.30.0.3")],
        ),
        bundle(
            "db-2",
            &[(db, 5, "A", "10.30.0.3"), (db, 5, "A", "10.30.0.4")],
        ),
    ]
}

fn settings(etcd: &Etcd) -> Settings {
    let mut settings = Settings::new(etcd.client());
    settings.zones = [
        "corp.test",
        "in.corp.test",
        "containerdns.local",
        "cluster.local",
    ]
    .map(str::to_owned)
    .into();
    settings.reverse = ["192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32"]
        .map(str::to_owned)
        .into();
    settings.answer = "soa = { minimum_s = 30 }".into();
    settings
}

#[test]
fn every_format_in_one_etcd_is_answered() {
    let etcd = Etcd::start();
    for pairs in [
        skydns_pairs(),
        external_dns_pairs(),
        containerdns_pairs(),
        bundle_pairs(),
    ] {
        etcd.put_all(&pairs);
    }
    let server = Server::start(&settings(&etcd));
    let bad = server.metrics().sum("containerdns_sync_keys_bad");
    assert_eq!(bad, 0.0, "no key is bad\n{}", server.process.output_tail());
    let dns = server.dns;
    assert_eq!(
        dig_short(dns, "api.corp.test", "A"),
        ["192.0.2.11", "192.0.2.12"]
    );
    assert_eq!(
        dig_short(dns, "www.containerdns.local", "A"),
        ["10.1.0.1", "10.1.0.2"]
    );
    assert_eq!(
        dig_short(dns, "db.prod.svc.cluster.local", "A"),
        ["10.30.0.2", "10.30.0.3", "10.30.0.4"]
    );
    let whole = dig(dns, &["+tcp", "+dnssec", "+nsid", "xd.corp.test", "A"]);
    assert!(
        whole.contains("status: NOERROR") && whole.contains("xd.corp.test."),
        "{whole}"
    );
    for complaint in ["Warning", "malformed", "extra bytes"] {
        assert!(!whole.contains(complaint), "{whole}");
    }
    let mut long = dig_short(dns, "long.corp.test", "TXT").concat();
    long.retain(|character| character == 'z');
    assert_eq!(long.len(), 300, "the long text comes in whole");

    let plain = Plain {
        name: "exact.wild.corp.test.".into(),
        address: Some("192.0.2.42".into()),
    };
    let rows = cases::read_tables(&[("formats", include_str!("formats.txt"))]);
    cases::run(&mut Bench::of_one(server, etcd, plain), &rows);
}

/// External-dns deletes by prefix; CoreDNS users move a host while it is asked for.
#[test]
fn trees_of_every_format_change_live() {
    let etcd = Etcd::start();
    for pairs in [skydns_pairs(), external_dns_pairs(), containerdns_pairs()] {
        etcd.put_all(&pairs);
    }
    let server = Server::start(&settings(&etcd));
    let expect = |name: &str, kind: &str, rdata: &[&str]| {
        let seen = poll(Duration::from_secs(5), || {
            (dig_short(server.dns, name, kind) == rdata).then_some(())
        });
        let now = || dig_short(server.dns, name, kind);
        assert!(
            seen.is_some(),
            "{name} {kind} is {:?}, not {rdata:?}",
            now()
        );
    };
    expect("xd.corp.test", "A", &["192.0.2.101"]);
    etcd.etcdctl(&["del", "--prefix", "/skydns/test/corp/xd/048b0377"]);
    expect("xd.corp.test", "A", &[]);
    etcd.etcdctl(&[
        "put",
        "/skydns/test/corp/api/a1",
        r#"{"host":"192.0.2.13"}"#,
    ]);
    expect("api.corp.test", "A", &["192.0.2.12", "192.0.2.13"]);
    let live = "/containerdns/local/containerdns/www/0d0d0d0d/";
    etcd.etcdctl(&["put", live, r#"{"type":"AAAA","host":"2001:db8::c2"}"#]);
    expect(
        "www.containerdns.local",
        "AAAA",
        &["2001:db8::c1", "2001:db8::c2"],
    );
    etcd.etcdctl(&[
        "put",
        "/containerdns/local/containerdns/tv/",
        r#"{"type":"A","host":"10.1.0.3"}"#,
    ]);
    etcd.etcdctl(&["del", "--prefix", "/containerdns/local/containerdns/www/"]);
    expect("www.containerdns.local", "A", &[]);
}
