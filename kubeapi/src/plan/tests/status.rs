//! The status keys that come and go with records.

use super::*;

/// As [`check`], under a mode of probing.
fn check_in(mode: ProbeMode, pairs: &[(&str, &str)], request: &str, expected: Expect) {
    expected.assert_eq(&told_in(mode, &records(pairs), request));
}

pub(super) const ONE: (&str, &str) = (
    "/containerdns/test/a/www/1/",
    r#"{"type":"A","host":"10.0.0.1","ttl":60}"#,
);
pub(super) const TWO: (&str, &str) = (
    "/containerdns/test/a/www/2/",
    r#"{"type":"A","host":"10.0.0.2","ttl":60}"#,
);
const STATUS_ONE: &str = "/containerdns/monitor/status/10.0.0.1";
const STATUS_TWO: &str = "/containerdns/monitor/status/10.0.0.2";
/// The key of a record that asked.
pub(super) const PROBED: (&str, &str) = (
    STATUS_ONE,
    r#"{"status":"DOWN","domains":["www.a.test."],"probe":"tcp:80","x":1}"#,
);

#[test]
fn a_probed_record_has_a_status_key() {
    check(
        &[],
        r#"POST www {"type":"A","ips":["10.0.0.1"],"probe":"tcp:80","probe_ports":[80,81]}"#,
        expect![[r#"
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.1 (absent) {"domains":["www.a.test."],"ports":["80","81"],"probe":"tcp:80","status":"UP"}
        "#]],
    );
    check(
        &[ONE],
        r#"PUT www {"type":"A","probe":true}"#,
        expect![[r#"
        note /containerdns-changes/test/a/www (absent)
        put /containerdns/monitor/status/10.0.0.1 (absent) {"domains":["www.a.test."],"status":"UP"}
    "#]],
    );
    check(
        &[ONE, PROBED],
        r#"PUT www {"type":"A","probe":"tcp:80"}"#,
        expect![[r#"
            nothing to do
        "#]],
    );
    check(
        &[ONE, PROBED],
        r#"PUT www {"type":"A","probe":true}"#,
        expect![[r#"
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.1 (at 2) {"domains":["www.a.test."],"status":"DOWN","x":1}
        "#]],
    );
    check(
        &[ONE, PROBED],
        r#"PUT www {"type":"A","probe":false}"#,
        expect![[r#"
            note /containerdns-changes/test/a/www (absent)
            delete /containerdns/monitor/status/10.0.0.1 (at 2)
        "#]],
    );
    check(
        &[ONE],
        r#"PUT www {"type":"A","probe":false}"#,
        expect![[r#"
        nothing to do
    "#]],
    );
}

#[test]
fn status_keys_follow_the_addresses() {
    check(
        &[ONE, PROBED],
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/www/1/ (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
        delete /containerdns/monitor/status/10.0.0.1 (at 2)
    "#]],
    );
    check(
        &[ONE, TWO, PROBED],
        r#"DELETE www {"type":"A","ips":["10.0.0.2"]}"#,
        expect![[r#"
            delete /containerdns/test/a/www/2/ (at 2)
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &[ONE, PROBED],
        r#"PUT www {"type":"A","update":{"10.0.0.1":"10.0.0.9"}}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            put /containerdns/test/a/www/d6beb1f5/ (absent) {"host":"10.0.0.9","type":"A","ttl":60}
            note /containerdns-changes/test/a/www (absent)
            delete /containerdns/monitor/status/10.0.0.1 (at 2)
            put /containerdns/monitor/status/10.0.0.9 (absent) {"domains":["www.a.test."],"probe":"tcp:80","status":"UP"}
        "#]],
    );
    check(
        &[ONE, PROBED],
        r#"POST www {"type":"A","ips":["10.0.0.2"]}"#,
        expect![[r#"
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":60}
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.2 (absent) {"domains":["www.a.test."],"probe":"tcp:80","status":"UP"}
        "#]],
    );
    check(
        &[ONE, PROBED],
        r#"PUT www {"type":"A","ttl":5}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":5}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &[ONE],
        r#"POST www {"type":"A","ips":["10.0.0.2"]}"#,
        expect![[r#"
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":60}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
}

#[test]
fn names_share_the_key_of_an_address() {
    let shared = [
        ONE,
        (
            STATUS_ONE,
            r#"{"status":"UP","domains":["V.a.test","www.a.test"],"probe":"icmp"}"#,
        ),
    ];
    check(
        &shared,
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/www/1/ (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
        put /containerdns/monitor/status/10.0.0.1 (at 2) {"domains":["V.a.test"],"probe":"icmp","status":"UP"}
    "#]],
    );
    check(
        &shared,
        r#"POST v {"type":"A","ips":["10.0.0.1"],"probe":"tcp"}"#,
        expect![[r#"
            put /containerdns/test/a/v/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/v (absent)
            put /containerdns/monitor/status/10.0.0.1 (at 2) {"domains":["V.a.test","www.a.test"],"probe":"tcp","status":"UP"}
        "#]],
    );
    check(
        &[ONE, PROBED],
        r#"[{"name":"www","method":"DELETE"},
            {"name":"abc","type":"A","ips":["10.0.0.1"],"probe":"icmp"}]"#,
        expect![[r#"
            put /containerdns/test/a/abc/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/abc (absent)
            delete /containerdns/test/a/www/1/ (at 1)
            note /containerdns-changes/test/a/www (absent) emptied
            put /containerdns/monitor/status/10.0.0.1 (at 2) {"domains":["abc.a.test."],"probe":"icmp","status":"DOWN","x":1}
        "#]],
    );
    check(
        &[],
        r#"[{"name":"b","type":"A","ips":["10.0.0.1"],"probe":"icmp"},
            {"name":"c","type":"A","ips":["10.0.0.1"],"probe":true},
            {"name":"d","type":"A","ips":["10.0.0.1"]}]"#,
        expect![[r#"
            put /containerdns/test/a/b/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/b (absent)
            put /containerdns/test/a/c/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/c (absent)
            put /containerdns/test/a/d/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/d (absent)
            put /containerdns/monitor/status/10.0.0.1 (absent) {"domains":["b.a.test.","c.a.test."],"status":"UP"}
        "#]],
    );
}

#[test]
fn who_comes_to_a_probed_address_probes_it_no_other_way() {
    check(
        &[
            ONE,
            PROBED,
            (
                STATUS_TWO,
                r#"{"status":"UP","domains":["v.a.test."],"probe":"icmp"}"#,
            ),
        ],
        r#"PUT www {"type":"A","update":{"10.0.0.1":"10.0.0.2"}}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":60}
            note /containerdns-changes/test/a/www (absent)
            delete /containerdns/monitor/status/10.0.0.1 (at 2)
            put /containerdns/monitor/status/10.0.0.2 (at 3) {"domains":["v.a.test.","www.a.test."],"probe":"icmp","status":"UP"}
        "#]],
    );
}

#[test]
fn keys_of_old_scanners_stay() {
    let scanned = [ONE, (STATUS_ONE, r#"{"status":"DOWN","ports":["22"]}"#)];
    check(
        &scanned,
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/www/1/ (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
    "#]],
    );
    check(
        &scanned,
        r#"PUT www {"type":"A","probe":"icmp"}"#,
        expect![[r#"
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.1 (at 2) {"domains":["www.a.test."],"ports":["22"],"probe":"icmp","status":"DOWN","stays":true}
        "#]],
    );
    let joined = [
        ONE,
        (
            STATUS_ONE,
            r#"{"domains":["www.a.test."],"ports":["22"],"probe":"icmp","stays":true,"status":"UP"}"#,
        ),
    ];
    check(
        &joined,
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/www/1/ (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
        put /containerdns/monitor/status/10.0.0.1 (at 2) {"ports":["22"],"status":"UP"}
    "#]],
    );
}

#[test]
fn a_key_that_makes_no_sense_is_left_alone() {
    let bad = [ONE, (STATUS_ONE, "no JSON")];
    check(
        &bad,
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/www/1/ (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
    "#]],
    );
    check(
        &bad,
        r#"PUT www {"type":"A","probe":true}"#,
        expect![[r#"
            impossible: probe: /containerdns/monitor/status/10.0.0.1 holds something that is not understood here
        "#]],
    );
    check_in(
        ProbeMode::All,
        &bad[1..],
        r#"POST www {"type":"A","ips":["10.0.0.1"]}"#,
        expect![[r#"
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    let names: Vec<String> = (0..3_000).map(|n| format!("\"name{n}.a.test.\"")).collect();
    let full = format!(r#"{{"status":"UP","domains":[{}]}}"#, names.join(","));
    let padding = "p".repeat(65_530 - full.len() - 12);
    let full = full.replacen('{', &format!(r#"{{"more":"{padding}","#), 1);
    let full = [(STATUS_ONE, &full[..])];
    let post = |settings: &str| format!(r#"POST www {{"type":"A","ips":["10.0.0.1"]{settings}}}"#);
    check(
        &full,
        &post(r#","probe":true"#),
        expect![[r#"
        impossible: probe: status key of 10.0.0.1: value: 65542 octets, at most 65536 are read: split it over several keys
    "#]],
    );
    check_in(
        ProbeMode::All,
        &full,
        &post(""),
        expect![[r#"
        put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
        note /containerdns-changes/test/a/www (absent)
    "#]],
    );
}

#[test]
fn a_mode_is_for_all_names() {
    check_in(
        ProbeMode::All,
        &[],
        r#"POST www {"type":"A","ips":["10.0.0.1"]}"#,
        expect![[r#"
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":30}
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.1 (absent) {"domains":["www.a.test."],"status":"UP"}
        "#]],
    );
    check_in(
        ProbeMode::All,
        &[ONE, PROBED],
        r#"PUT www {"type":"A","ips":["10.0.0.1","10.0.0.2"]}"#,
        expect![[r#"
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":60}
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.2 (absent) {"domains":["www.a.test."],"probe":"tcp:80","status":"UP"}
        "#]],
    );
    check_in(
        ProbeMode::All,
        &[ONE],
        r#"POST www {"type":"A","ips":["10.0.0.1"]}"#,
        expect![[r#"
            note /containerdns-changes/test/a/www (absent)
            put /containerdns/monitor/status/10.0.0.1 (absent) {"domains":["www.a.test."],"status":"UP"}
        "#]],
    );
    check_in(
        ProbeMode::All,
        &[ONE],
        r#"PUT www {"type":"A","probe":false}"#,
        expect![[r#"
            impossible: probe: all addresses are probed: the server's configuration has probe = "all"
        "#]],
    );
    check_in(
        ProbeMode::None,
        &[ONE, PROBED],
        "DELETE www",
        expect![[r#"
        delete /containerdns/test/a/www/1/ (at 1)
        note /containerdns-changes/test/a/www (absent) emptied
    "#]],
    );
    check_in(
        ProbeMode::None,
        &[],
        r#"POST www {"type":"A","ips":["10.0.0.1"],"probe":true}"#,
        expect![[r#"
            impossible: probe: this server keeps no status keys: its configuration has probe = "none"
        "#]],
    );
}

#[test]
fn status_keys_count_as_operations() {
    let ips: Vec<String> = (0..100).map(|n| format!("\"10.0.1.{n}\"")).collect();
    let post = |settings: &str| {
        let ips = ips.join(",");
        format!(r#"POST www {{"type":"A","ips":[{ips}]{settings}}}"#)
    };
    let lines = |text: String| text.lines().count();
    assert_eq!(lines(told(&records(&[]), &post(""))), TREE_RECORDS_MAX + 2);
    check(
        &[],
        &post(r#","probe":true"#),
        expect![[r#"
        too large: body: 134 operations of the store for 1 names: one transaction has at most 128; send less at a time
    "#]],
    );
}
