//! What stands already and must not be harmed: owners, neighbours, values of other programs.

use containerdns_schema::rest::State;

use super::*;

#[test]
fn a_name_with_an_owner_is_its_owners() {
    let owned = [
        (
            "/containerdns/test/a/own/1/",
            r#"{"type":"A","host":"10.0.0.1","user":"ann"}"#,
        ),
        (
            "/containerdns/test/a/own/2/",
            r#"{"type":"A","host":"10.0.0.2","user":"bob"}"#,
        ),
    ];
    check(
        &owned[..1],
        r#"POST own {"type":"A","ips":["10.0.0.3"],"user":"bob"}"#,
        expect![[r#"
        foreign: user: own.a.test. is owned by ann, not by bob
    "#]],
    );
    check(
        &owned[..1],
        r#"POST own {"type":"A","ips":["10.0.0.3"]}"#,
        expect![[r#"
        foreign: user: own.a.test. is owned by ann: only that user changes it
    "#]],
    );
    check(
        &owned[..1],
        "DELETE own",
        expect![[r#"
        foreign: user: own.a.test. is owned by ann: only that user changes it
    "#]],
    );
    check(
        &owned,
        r#"DELETE own {"user":"ann"}"#,
        expect![[r#"
        delete /containerdns/test/a/own/1/ (at 1)
        note /containerdns-changes/test/a/own (absent)
    "#]],
    );
    let mixed = [
        (
            "/containerdns/test/a/mix/1/",
            r#"{"type":"A","host":"10.0.0.1"}"#,
        ),
        (
            "/containerdns/test/a/mix/2/",
            r#"{"type":"A","host":"10.0.0.2","user":"ann"}"#,
        ),
    ];
    check(
        &mixed,
        r#"DELETE mix {"user":"ann"}"#,
        expect![[r#"
        delete /containerdns/test/a/mix/2/ (at 2)
        note /containerdns-changes/test/a/mix (absent)
    "#]],
    );
    check(
        &mixed[..1],
        r#"DELETE mix {"user":"ann"}"#,
        expect![[r#"
        delete /containerdns/test/a/mix/1/ (at 1)
        note /containerdns-changes/test/a/mix (absent) emptied
    "#]],
    );
}

#[test]
fn services_of_kubernetes_are_nobodys_here() {
    let service = [(
        "/containerdns/test/a/k/1/",
        r#"{"type":"A","host":"10.0.0.1","source":"svc"}"#,
    )];
    check(
        &service,
        "DELETE k",
        expect![[r#"
        foreign: user: k.a.test. comes from Kubernetes: change its Service, not its records
    "#]],
    );
}

#[test]
fn records_kept_with_their_address_are_not_torn_apart() {
    let server = [(
        "/containerdns/test/a/dns/ns/x1/",
        r#"{"type":"NS","host":"10.0.0.53"}"#,
    )];
    check(
        &server,
        r#"PUT a.test {"type":"NS","ttl":5}"#,
        expect![[r#"
        impossible: records: another program keeps this NS record and its address in one key: delete it and create it anew
    "#]],
    );
    check(
        &server,
        r#"DELETE a.test {"type":"NS"}"#,
        expect![[r#"
        delete /containerdns/test/a/dns/ns/x1/ (at 1)
        note /containerdns-changes/test/a (absent) emptied
    "#]],
    );
}

#[test]
fn a_record_that_stands_in_two_keys_goes_from_both() {
    let twice = [
        (
            "/containerdns/test/a/www/debebe8d",
            r#"{"host":"10.0.0.1","ttl":30}"#,
        ),
        (
            "/containerdns/test/a/www/debebe8d/",
            r#"{"host":"10.0.0.1","ttl":60}"#,
        ),
        (
            "/containerdns/test/a/www/x/",
            r#"{"host":"10.0.0.2","ttl":60}"#,
        ),
    ];
    check(
        &twice,
        r#"DELETE www {"type":"A","ips":["10.0.0.1"]}"#,
        expect![[r#"
        delete /containerdns/test/a/www/debebe8d (at 1)
        delete /containerdns/test/a/www/debebe8d/ (at 2)
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
    check(
        &twice,
        r#"PUT www {"type":"A","update":{"10.0.0.1":"10.0.0.3"}}"#,
        expect![[r#"
        delete /containerdns/test/a/www/debebe8d (at 1)
        delete /containerdns/test/a/www/debebe8d/ (at 2)
        put /containerdns/test/a/www/dcbebb67/ (absent) {"host":"10.0.0.3","type":"A","ttl":30}
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
    // The least TTL is 30 already: all the same none may keep another.
    check(
        &twice[1..],
        r#"PUT www {"type":"A","ttl":60}"#,
        expect![[r#"
        nothing to do
    "#]],
    );
    check(
        &twice,
        r#"PUT www {"type":"A","ttl":30}"#,
        expect![[r#"
        delete /containerdns/test/a/www/x/ (at 3)
        put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":30}
        put /containerdns/test/a/www/debebe8d/ (at 2) {"host":"10.0.0.1","type":"A","ttl":30}
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
}

#[test]
fn what_is_not_understood_is_not_overwritten() {
    let later = [(
        "/containerdns-kube/api/records/a.test/www.a.test",
        r#"{"v":2,"rrsets":[]}"#,
    )];
    check(
        &later,
        r#"POST www {"type":"CAA","records":["0 issue \"x\""]}"#,
        expect![[r#"
        impossible: records: /containerdns-kube/api/records/a.test/www.a.test holds something that is not understood here
    "#]],
    );
    let apex = [(
        "/containerdns/test/a/dns/ns/",
        r#"{"type":"NS","host":"10.0.0.53"}"#,
    )];
    check(
        &apex,
        r#"DELETE a.test {"type":"A"}"#,
        expect![[r#"
        impossible: records: /containerdns/test/a/dns/ns/ holds several records: change or delete all of them
    "#]],
    );
}

#[test]
fn a_backend_that_moves_keeps_its_weight_and_cluster() {
    let weighted = [(
        "/containerdns/test/a/api/debebe8d/",
        r#"{"type":"SRV","host":"10.0.0.1","port":80,"priority":5,"weight":50,"cluster":"east"}"#,
    )];
    check(
        &weighted,
        r#"PUT api {"type":"SRV","update":{"10.0.0.1:80":"10.0.0.2:80"}}"#,
        expect![[r#"
        delete /containerdns/test/a/api/debebe8d/ (at 1)
        put /containerdns/test/a/api/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"SRV","port":80,"priority":5,"weight":50,"cluster":"east"}
        note /containerdns-changes/test/a/api (absent)
    "#]],
    );
    check(
        &weighted,
        r#"POST api {"type":"SRV","ips":["10.0.0.1"],"ports":[80]}"#,
        expect![[r#"
        nothing to do
    "#]],
    );
}

#[test]
fn aliases_may_change_places() {
    let aliases = [
        (
            "/containerdns/test/a/a1/",
            r#"{"type":"CNAME","host":"www.a.test"}"#,
        ),
        (
            "/containerdns/test/a/a2/",
            r#"{"type":"CNAME","host":"www.a.test"}"#,
        ),
    ];
    check(
        &aliases,
        r#"PUT www {"type":"CNAME","update":{"a1":"a2","a2":"a1"}}"#,
        expect![[r#"
        put /containerdns/test/a/a1/ (at 1) {"host":"www.a.test.","type":"CNAME","ttl":30}
        note /containerdns-changes/test/a/a1 (absent)
        put /containerdns/test/a/a2/ (at 2) {"host":"www.a.test.","type":"CNAME","ttl":30}
        note /containerdns-changes/test/a/a2 (absent)
    "#]],
    );
    check(
        &aliases,
        r#"PUT www {"type":"CNAME","update":{"a1":"a2","a2":"a3"}}"#,
        expect![[r#"
        delete /containerdns/test/a/a1/ (at 1)
        note /containerdns-changes/test/a/a1 (absent) emptied
        put /containerdns/test/a/a2/ (at 2) {"host":"www.a.test.","type":"CNAME","ttl":30}
        note /containerdns-changes/test/a/a2 (absent)
        put /containerdns/test/a/a3/ (absent) {"host":"www.a.test.","type":"CNAME","ttl":30}
        note /containerdns-changes/test/a/a3 (absent)
    "#]],
    );
}

#[test]
fn many_records_are_planned_in_no_time() {
    let ips: Vec<String> = (0..60_000)
        .map(|n| format!("\"10.{}.{}.{}\"", n >> 16, n >> 8 & 255, n & 255))
        .collect();
    let request = format!(r#"POST www {{"type":"A","ips":[{}]}}"#, ips.join(","));
    // Quadratic work would take minutes here.
    expect!["put /containerdns-kube/api/records/a.test/www.a.test (absent"]
        .assert_eq(&told(&records(&[]), &request)[..60]);
}

#[test]
fn large_states_are_told_by_their_difference() {
    let state = |last: u16| {
        let mut records: Vec<String> = (0..100).map(|n| format!("10.0.0.{n}")).collect();
        records.push(format!("10.0.1.{last}"));
        records.sort_unstable();
        State {
            records,
            weights: BTreeMap::from([("10.0.0.7".into(), last), ("10.0.0.8".into(), 1)]),
            ..State::default()
        }
    };
    let state = difference::told(&state(1), Some(&state(2)));
    assert_eq!(
        (state.records, state.omitted),
        (vec!["10.0.0.7".into(), "10.0.1.1".into()], 99)
    );
    assert_eq!(state.weights, BTreeMap::from([("10.0.0.7".into(), 1)]));
}
