//! Requests, and the transactions they become.

use containerdns_schema::rest::request::{self, Method};
use containerdns_schema::rest::{NameChange, Zones};
use containerdns_store::KeyValue;
use expect_test::{Expect, expect};

use super::*;
use crate::records::Prefixes;

mod settings;
mod standing;
mod status;

fn layout() -> Layout {
    let name = |text: &str| text.parse().expect("a name");
    let zones = Zones::new(
        vec![name("a.test"), name("b.a.test")],
        vec![name("10.in-addr.arpa")],
    );
    Layout::new(zones, Prefixes::default())
}

/// Records that hold `pairs`, each written at revision 1 and on.
fn records(pairs: &[(&str, &str)]) -> Records {
    let mut records = Records::default();
    for ((key, value), mod_revision) in pairs.iter().zip(1..) {
        let pair = KeyValue {
            key: key.as_bytes().into(),
            value: value.as_bytes().into(),
            mod_revision,
        };
        records.put(&layout(), pair);
    }
    records
}

/// Reads `METHOD NAME BODY`, or a batch.
fn changes(request: &str) -> Vec<NameChange> {
    let zones = &layout().zones;
    if request.starts_with('[') {
        return request::parse_batch(zones, request.as_bytes()).expect("a batch");
    }
    let mut parts = request.splitn(3, ' ');
    let method = match parts.next() {
        Some("POST") => Method::Create,
        Some("PUT") => Method::Update,
        _ => Method::Delete,
    };
    let name = parts.next().expect("a name");
    let name = zones.resolve("name", name, None).expect("a name of ours");
    let body = parts.next().unwrap_or_default().as_bytes();
    request::parse(zones, method, &name, body).expect("a request")
}

/// What a request becomes: operations with their guards, or the error.
fn told(records: &Records, request: &str) -> String {
    told_in(ProbeMode::Asked, records, request)
}

fn told_in(probe: ProbeMode, records: &Records, request: &str) -> String {
    let rules = Rules {
        ttl_default_s: 30,
        cluster: None,
        probe,
    };
    match plan(records, &layout(), &rules, &changes(request)) {
        Ok(planned) if planned.names.is_empty() => "nothing to do\n".into(),
        Ok(planned) => {
            let names = planned.names.iter().map(told_name);
            let status = planned.status.iter();
            let status = status.map(|(guard, operation)| told_operation(operation, guard));
            names.chain(status).collect()
        }
        Err(error) => format!("{}\n", told_error(&error)),
    }
}

fn told_error(error: &PlanError) -> String {
    let (kind, field) = match error {
        PlanError::NotFound { field, .. } => ("not found", field.as_str()),
        PlanError::Conflict { field, .. } => ("conflict", field.as_str()),
        PlanError::Foreign { field, .. } => ("foreign", field.as_str()),
        PlanError::Impossible { field, .. } => ("impossible", field.as_str()),
        PlanError::TooLarge(_) => ("too large", "body"),
    };
    format!("{kind}: {field}: {error}")
}

fn guard(guard: &Guard) -> String {
    match guard {
        Guard::ModRevision { revision, .. } => format!("at {revision}"),
        Guard::Absent { .. } => "absent".into(),
        Guard::Present { .. } => "present".into(),
    }
}

fn told_operation(operation: &Operation, of: &Guard) -> String {
    let (verb, key, value) = match operation {
        Operation::Put { key, value, .. } => ("put", key, &value[..]),
        Operation::Delete { key } => ("delete", key, &b""[..]),
    };
    assert_eq!(of.key(), key, "each operation is guarded by its own key");
    let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
    let line = format!("{verb} {key} ({}) {value}", guard(of));
    format!("{}\n", line.trim_end())
}

fn told_name(name: &Planned) -> String {
    let mut lines = String::new();
    for (operation, of) in name.operations.iter().zip(&name.guards) {
        lines.push_str(&told_operation(operation, of));
    }
    let key = String::from_utf8_lossy(&name.change_key);
    let emptied = if name.emptied { " emptied" } else { "" };
    lines.push_str(&format!(
        "note {key} ({}){emptied}\n",
        guard(&name.change_guard)
    ));
    lines
}

fn check(pairs: &[(&str, &str)], request: &str, expected: Expect) {
    expected.assert_eq(&told(&records(pairs), request));
}

const WWW: &[(&str, &str)] = &[
    (
        "/containerdns/test/a/www/aaa/",
        r#"{"type":"A","host":"10.0.0.1","ttl":60}"#,
    ),
    (
        "/containerdns/test/a/www/bbb",
        r#"{"host":"10.0.0.2","ttl":60}"#,
    ),
    (
        "/containerdns/test/a/txt/www/",
        r#"{"type":"TXT","text":"one"}"#,
    ),
    ("/containerdns-changes/test/a/www", "{}"),
];

#[test]
fn new_records_go_to_the_tree() {
    check(
        &[],
        r#"POST www {"type":"A","ips":["10.0.0.1","10.0.0.2"],"user":"ann"}"#,
        expect![[r#"
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":30,"user":"ann"}
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30,"user":"ann"}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        WWW,
        r#"POST www {"type":"A","ips":["10.0.0.2","10.0.0.3"]}"#,
        expect![[r#"
        put /containerdns/test/a/www/dcbebb67/ (absent) {"host":"10.0.0.3","type":"A","ttl":60}
        note /containerdns-changes/test/a/www (at 4)
    "#]],
    );
    check(
        WWW,
        r#"POST www {"type":"A","ips":["10.0.0.2"]}"#,
        expect![[r#"
        nothing to do
    "#]],
    );
    check(
        &[],
        r#"POST api {"type":"SRV","ips":["10.0.0.1"],"ports":[80]}"#,
        expect![[r#"
            put /containerdns/test/a/api/debebe8d/ (absent) {"host":"10.0.0.1","type":"SRV","ttl":30,"port":80,"priority":10,"weight":10}
            note /containerdns-changes/test/a/api (absent)
        "#]],
    );
}

#[test]
fn what_the_tree_has_no_room_for_goes_to_the_bundle_of_the_name() {
    check(
        WWW,
        r#"POST www {"type":"TXT","text":"two"}"#,
        expect![[r#"
        put /containerdns-kube/api/records/a.test/www.a.test (absent) {"v":1,"rrsets":[{"name":"www.a.test.","type":"TXT","rdata":["\"two\""]}]}
        note /containerdns-changes/test/a/www (at 4)
    "#]],
    );
    check(
        &[],
        r#"POST www {"type":"CAA","records":["0 issue \"x\""]}"#,
        expect![[r#"
        put /containerdns-kube/api/records/a.test/www.a.test (absent) {"v":1,"rrsets":[{"name":"www.a.test.","type":"CAA","ttl":30,"rdata":["0 issue \"x\""]}]}
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
    let bundled = [(
        "/containerdns-kube/api/records/a.test/www.a.test",
        r#"{"v":1,"user":"ann","rrsets":[{"name":"www.a.test.","type":"TXT","ttl":30,"rdata":["\"x\""]},{"name":"www.a.test.","type":"CAA","rdata":["0 issue \"x\""]}]}"#,
    )];
    check(
        &bundled,
        r#"DELETE www {"type":"CAA","user":"ann"}"#,
        expect![[r#"
        put /containerdns-kube/api/records/a.test/www.a.test (at 1) {"v":1,"user":"ann","rrsets":[{"name":"www.a.test.","type":"TXT","ttl":30,"rdata":["\"x\""]}]}
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
    check(
        &bundled,
        r#"DELETE www {"user":"ann"}"#,
        expect![[r#"
        delete /containerdns-kube/api/records/a.test/www.a.test (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
    "#]],
    );
    let foreign = [("/containerdns/test/a/txt/www/", "not JSON")];
    check(
        &foreign,
        r#"POST www {"type":"TXT","text":"x"}"#,
        expect![[r#"
        put /containerdns-kube/api/records/a.test/www.a.test (absent) {"v":1,"rrsets":[{"name":"www.a.test.","type":"TXT","ttl":30,"rdata":["\"x\""]}]}
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
}

#[test]
fn an_rrset_of_any_size_is_one_transaction() {
    let ips: Vec<String> = (0..500)
        .map(|n| format!("\"10.0.{}.{}\"", n / 250, n % 250))
        .collect();
    let request = format!(r#"POST www {{"type":"A","ips":[{}]}}"#, ips.join(","));
    let planned = told(&records(&[]), &request);
    let puts = |prefix: &str| {
        planned
            .lines()
            .filter(|line| line.starts_with(prefix))
            .count()
    };
    assert_eq!(puts("put /containerdns/"), TREE_RECORDS_MAX);
    assert_eq!(puts("put /containerdns-kube/"), 1);
}

#[test]
fn a_change_keeps_the_keys_that_stay() {
    check(
        WWW,
        r#"PUT www {"type":"A","update":{"10.0.0.1":"10.0.0.9"}}"#,
        expect![[r#"
            delete /containerdns/test/a/www/aaa/ (at 1)
            put /containerdns/test/a/www/d6beb1f5/ (absent) {"host":"10.0.0.9","type":"A","ttl":60}
            note /containerdns-changes/test/a/www (at 4)
        "#]],
    );
    check(
        WWW,
        r#"PUT www {"type":"TXT","update":{"one":"two"}}"#,
        expect![[r#"
        put /containerdns/test/a/txt/www/ (at 3) {"type":"TXT","text":"two"}
        note /containerdns-changes/test/a/www (at 4)
    "#]],
    );
    check(
        WWW,
        r#"PUT www {"type":"A","ips":["10.0.0.2"]}"#,
        expect![[r#"
        delete /containerdns/test/a/www/aaa/ (at 1)
        note /containerdns-changes/test/a/www (at 4)
    "#]],
    );
    check(
        WWW,
        r#"PUT www {"type":"A","ttl":5}"#,
        expect![[r#"
        delete /containerdns/test/a/www/aaa/ (at 1)
        delete /containerdns/test/a/www/bbb (at 2)
        put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":5}
        put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":5}
        note /containerdns-changes/test/a/www (at 4)
    "#]],
    );
    check(
        WWW,
        r#"DELETE www {"type":"A","ips":["10.0.0.1"]}"#,
        expect![[r#"
        delete /containerdns/test/a/www/aaa/ (at 1)
        note /containerdns-changes/test/a/www (at 4)
    "#]],
    );
    check(
        WWW,
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/txt/www/ (at 3)
        delete /containerdns/test/a/www/aaa/ (at 1)
        delete /containerdns/test/a/www/bbb (at 2)
        note /containerdns-changes/test/a/www (at 4) emptied
    "#]],
    );
}

#[test]
fn a_batch_is_planned_in_its_order() {
    check(
        WWW,
        r#"[{"name":"www","method":"DELETE"},
            {"name":"www","type":"CNAME","records":["web.a.test."]},
            {"name":"web","type":"A","ips":["10.0.0.7"]}]"#,
        expect![[r#"
            put /containerdns/test/a/web/d8beb51b/ (absent) {"host":"10.0.0.7","type":"A","ttl":30}
            note /containerdns-changes/test/a/web (absent)
            delete /containerdns/test/a/txt/www/ (at 3)
            delete /containerdns/test/a/www/aaa/ (at 1)
            delete /containerdns/test/a/www/bbb (at 2)
            put /containerdns/test/a/www/ (absent) {"host":"web.a.test.","type":"CNAME","ttl":30}
            note /containerdns-changes/test/a/www (at 4)
        "#]],
    );
}

#[test]
fn what_stands_against_a_change() {
    let alias = [(
        "/containerdns/test/a/al/",
        r#"{"type":"CNAME","host":"www.a.test"}"#,
    )];
    check(
        &alias,
        r#"POST al {"type":"A","ips":["10.0.0.1"]}"#,
        expect![[r#"
        conflict: type: al.a.test. would be an alias of www.a.test. and have A records: a CNAME stands alone, delete one of them first
    "#]],
    );
    check(
        &alias,
        r#"POST al {"type":"CNAME","records":["x.a.test."]}"#,
        expect![[r#"
        conflict: type: al.a.test. would be an alias of www.a.test. and x.a.test.: a name has one CNAME, change it by PUT
    "#]],
    );
    check(
        WWW,
        r#"POST x {"type":"CNAME","alias":"www"}"#,
        expect![[r#"
        conflict: type: www.a.test. would be an alias of x.a.test. and have TXT records: a CNAME stands alone, delete one of them first
    "#]],
    );
    check(
        &[],
        r#"POST a.test {"type":"CNAME","records":["x.test."]}"#,
        expect![[r#"
        conflict: type: a.test. is a zone: its apex has SOA and NS, beside which no CNAME may stand
    "#]],
    );
    check(
        &[],
        r#"POST x {"type":"CNAME","records":["x.a.test."]}"#,
        expect![[r#"
        conflict: type: x.a.test. would be an alias of itself
    "#]],
    );
    check(
        WWW,
        r#"PUT www {"type":"A","update":{"10.0.0.7":"10.0.0.8"}}"#,
        expect![[r#"
            conflict: update: www.a.test. has no A record 10.0.0.7 any more: read the name and try again
        "#]],
    );
    check(
        WWW,
        r#"PUT www {"type":"MX","ttl":5}"#,
        expect![[r#"
        not found: type: www.a.test. has no MX records
    "#]],
    );
    check(
        WWW,
        r#"DELETE www {"type":"A","ips":["10.0.0.7"]}"#,
        expect![[r#"
        not found: records: www.a.test. has no A record 10.0.0.7
    "#]],
    );
    check(
        &[],
        "DELETE www",
        expect![[r#"
        not found: name: www.a.test. has no records
    "#]],
    );
}
