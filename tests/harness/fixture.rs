//! Records for the store, written in its documented formats from text: a bundle for any record,
//! and the zone `t.test.` that the RFC cases are asked against.

use std::collections::BTreeMap;

use serde_json::json;

/// `(key, value)` pairs of the store.
pub(crate) type Pairs = Vec<(String, String)>;

/// One RRset of one record: `(owner, ttl, type, RDATA in presentation format)`.
pub(crate) type Record<'a> = (&'a str, u32, &'a str, &'a str);

/// One bundle under the name `object` that holds `records`; RRsets are put together here.
pub(crate) fn bundle(object: &str, records: &[Record<'_>]) -> (String, String) {
    let mut rrsets: BTreeMap<(&str, &str, u32), Vec<&str>> = BTreeMap::new();
    for (owner, ttl, kind, rdata) in records {
        rrsets.entry((owner, kind, *ttl)).or_default().push(rdata);
    }
    let rrsets: Vec<_> = rrsets
        .into_iter()
        .map(|((name, kind, ttl), rdata)| json!({"name": name, "type": kind, "ttl": ttl, "rdata": rdata}))
        .collect();
    (
        bundle_key(object),
        json!({"v": 1, "rrsets": rrsets}).to_string(),
    )
}

/// The key of the bundle `object`.
pub(crate) fn bundle_key(object: &str) -> String {
    format!("/containerdns-kube/c1/services/tests/{object}")
}

/// `count` names `n0.t.test.` ... with one address each, a bundle a name.
pub(crate) fn numbered_names(count: u32) -> Pairs {
    (0..count)
        .map(|number| {
            let (name, address) = (numbered_name(number), numbered_address(number));
            bundle(&format!("n{number}"), &[(&name, 30, "A", &address)])
        })
        .collect()
}

/// The owner of number `number`.
pub(crate) fn numbered_name(number: u32) -> String {
    format!("n{number}.t.test.")
}

/// Its address, in 10.64.0.0/10.
pub(crate) fn numbered_address(number: u32) -> String {
    let [_, b, c, d] = number.to_be_bytes();
    format!("10.{}.{c}.{d}", 64 + b)
}

/// The records of `t.test.` that are written out one by one.
const ZONE: &[Record<'_>] = &[
    ("t.test.", 60, "NS", "ns1.t.test."),
    ("ns1.t.test.", 60, "A", "192.0.2.53"),
    ("www.t.test.", 30, "A", "192.0.2.1"),
    ("www.t.test.", 30, "A", "192.0.2.2"),
    ("www.t.test.", 30, "AAAA", "2001:db8::1"),
    ("one.t.test.", 30, "A", "192.0.2.10"),
    ("MiXeD.t.test.", 30, "A", "192.0.2.11"),
    ("zero.t.test.", 0, "A", "192.0.2.12"),
    // 0x5b: adding 0x20 gives another legal octet, but it is no letter.
    ("br\\091.t.test.", 30, "A", "192.0.2.13"),
    ("alias.t.test.", 30, "CNAME", "www.t.test."),
    ("chain1.t.test.", 30, "CNAME", "chain2.t.test."),
    ("chain2.t.test.", 30, "CNAME", "one.t.test."),
    ("dangling.t.test.", 30, "CNAME", "nothere.t.test."),
    ("outalias.t.test.", 30, "CNAME", "www.example.org."),
    ("toent.t.test.", 30, "CNAME", "ent.t.test."),
    ("towild.t.test.", 30, "CNAME", "any.wild.t.test."),
    ("tochild.t.test.", 30, "CNAME", "www.child.t.test."),
    ("loop-a.t.test.", 30, "CNAME", "loop-b.t.test."),
    ("loop-b.t.test.", 30, "CNAME", "loop-a.t.test."),
    ("self.t.test.", 30, "CNAME", "self.t.test."),
    ("a.ent.t.test.", 30, "A", "192.0.2.20"),
    ("*.wild.t.test.", 30, "A", "192.0.2.30"),
    ("*.wild.t.test.", 30, "TXT", "\"w\""),
    ("host.wild.t.test.", 30, "A", "192.0.2.31"),
    ("deep.sub.wild.t.test.", 30, "A", "192.0.2.32"),
    ("*.spin.t.test.", 30, "CNAME", "y.spin.t.test."),
    ("*.cw.t.test.", 30, "CNAME", "one.t.test."),
    ("x.*.inner.t.test.", 30, "A", "192.0.2.33"),
    ("_http._tcp.t.test.", 30, "SRV", "10 60 80 one.t.test."),
    ("_null._tcp.t.test.", 30, "SRV", "0 0 0 ."),
    ("_out._tcp.t.test.", 30, "SRV", "0 0 1 www.example.org."),
    ("mx.t.test.", 30, "MX", "10 one.t.test."),
    ("nullmx.t.test.", 30, "MX", "0 ."),
    ("txt.t.test.", 30, "TXT", "\"aa\" \"\" \"bb\""),
    ("caa.t.test.", 30, "CAA", "0 issue \"ca.test\""),
    ("svc.t.test.", 30, "HTTPS", "1 . alpn=h2"),
    ("opaque.t.test.", 30, "TYPE65280", "\\# 4 deadbeef"),
    ("child.t.test.", 60, "NS", "ns.child.t.test."),
    ("ns.child.t.test.", 60, "A", "192.0.2.99"),
    ("1.2.0.192.in-addr.arpa.", 30, "PTR", "www.t.test."),
];

/// Everything of `t.test.`: one bundle a record, so that RRsets are united from several keys.
pub(crate) fn test_zone() -> Pairs {
    let mut pairs: Pairs = Vec::new();
    for (number, record) in ZONE.iter().enumerate() {
        pairs.push(bundle(&format!("record{number}"), &[*record]));
    }
    let text = "x".repeat(255);
    pairs.push(bundle(
        "long",
        &[("long.t.test.", 30, "TXT", &format!("\"{text}\""))],
    ));
    let longest = longest_name();
    pairs.push(bundle("longest", &[(&longest, 30, "A", "192.0.2.17")]));
    // The same record from two objects, with two TTLs: one record, the smaller TTL.
    pairs.push(bundle(
        "twice1",
        &[("twice.t.test.", 40, "A", "192.0.2.14")],
    ));
    pairs.push(bundle(
        "twice2",
        &[("twice.t.test.", 20, "A", "192.0.2.14")],
    ));
    // A CNAME beside an address: only one of them may be served.
    pairs.push(bundle(
        "clash1",
        &[("clash.t.test.", 30, "A", "192.0.2.15")],
    ));
    pairs.push(bundle(
        "clash2",
        &[("clash.t.test.", 30, "CNAME", "one.t.test.")],
    ));
    for (owner, count, net) in [
        ("x30.t.test.", 30, "10.30"),
        ("x31.t.test.", 31, "10.31"),
        ("mid.t.test.", 40, "10.40"),
        ("big.t.test.", 100, "10.100"),
        ("many.t.test.", 3000, "10.77"),
        ("over.t.test.", 5000, "10.99"),
    ] {
        pairs.push(addresses(owner, count, net));
    }
    pairs.extend(srv_targets());
    pairs.push(long_chain());
    pairs
}

/// 255 octets in wire format: 64 + 64 + 64 + 55 + 8.
pub(crate) fn longest_name() -> String {
    let labels = [63, 63, 63, 54].map(|length| "l".repeat(length));
    format!("{}.t.test.", labels.join("."))
}

/// `owner` with `count` addresses in `net`.
fn addresses(owner: &str, count: u32, net: &str) -> (String, String) {
    let rdata: Vec<String> = (0..count)
        .map(|n| format!("{net}.{}.{}", n / 256, n % 256))
        .collect();
    let records: Vec<Record<'_>> = rdata
        .iter()
        .map(|text| (owner, 30, "A", text.as_str()))
        .collect();
    bundle(owner.trim_end_matches('.'), &records)
}

/// `srvbig.t.test.`: 20 SRV records whose targets have two addresses each.
fn srv_targets() -> Pairs {
    let mut pairs = Pairs::new();
    for number in 1..=20 {
        let target = format!("t{number}.t.test.");
        let srv = format!("0 0 {} {target}", 8000 + number);
        let (a, aaaa) = (
            format!("10.20.0.{number}"),
            format!("2001:db8:20::{number}"),
        );
        pairs.push(bundle(
            &format!("srv{number}"),
            &[
                ("srvbig.t.test.", 30, "SRV", &srv),
                (&target, 30, "A", &a),
                (&target, 30, "AAAA", &aaaa),
            ],
        ));
    }
    pairs
}

/// `hop1` ... `hop40`: aliases to the next, longer than any resolver follows.
fn long_chain() -> (String, String) {
    let names: Vec<String> = (1..=41)
        .map(|number| format!("hop{number}.t.test."))
        .collect();
    let aliases = names
        .windows(2)
        .map(|pair| (pair[0].as_str(), 30, "CNAME", pair[1].as_str()));
    let mut records: Vec<Record<'_>> = aliases.collect();
    records.push((&names[40], 30, "A", "192.0.2.16"));
    bundle("chain", &records)
}
