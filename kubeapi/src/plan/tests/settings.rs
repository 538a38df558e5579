//! Policies and weights of records, and what the audit trail tells of them.

use super::status::{ONE, PROBED, TWO};
use super::*;

#[test]
fn a_policy_is_on_all_records_that_can_have_one() {
    let www = [
        ONE,
        (
            "/containerdns/test/a/www/3/",
            r#"{"type":"SRV","host":"10.0.0.3","port":80}"#,
        ),
        (
            "/containerdns/test/a/txt/www/",
            r#"{"type":"TXT","text":"x","policy":"subset"}"#,
        ),
    ];
    check(
        &www,
        r#"PUT www {"type":"A","policy":"sticky"}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            delete /containerdns/test/a/www/3/ (at 2)
            put /containerdns/test/a/txt/www/ (at 3) {"type":"TXT","text":"x"}
            put /containerdns/test/a/www/dcbebb67/ (absent) {"host":"10.0.0.3","type":"SRV","port":80,"priority":10,"weight":100,"policy":"sticky"}
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":60,"policy":"sticky"}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
}

#[test]
fn a_policy_outlives_single_records() {
    let sticky = [
        (
            "/containerdns/test/a/www/1/",
            r#"{"type":"A","host":"10.0.0.1","policy":"sticky","weight":7}"#,
        ),
        TWO,
    ];
    check(
        &sticky,
        r#"POST www {"type":"AAAA","ips":["fd00::1"]}"#,
        expect![[r#"
            put /containerdns/test/a/www/9954580a/ (absent) {"host":"fd00::1","type":"AAAA","ttl":30,"policy":"sticky"}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &sticky,
        r#"PUT www {"type":"A","update":{"10.0.0.1":"10.0.0.3"}}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            put /containerdns/test/a/www/dcbebb67/ (absent) {"host":"10.0.0.3","type":"A","weight":7,"policy":"sticky"}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &sticky,
        r#"PUT www {"type":"A","ips":["10.0.0.4"]}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            delete /containerdns/test/a/www/2/ (at 2)
            put /containerdns/test/a/www/d9beb6ae/ (absent) {"host":"10.0.0.4","type":"A","ttl":60,"policy":"sticky"}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &sticky,
        r#"PUT www {"type":"A","policy":null}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","weight":7}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &sticky[..1],
        r#"POST www {"type":"A","ips":["10.0.0.1"],"policy":"sticky"}"#,
        expect![[r#"
            nothing to do
        "#]],
    );
    check(
        &sticky,
        r#"PUT www {"type":"AAAA","policy":"sticky"}"#,
        expect![[r#"
            not found: type: www.a.test. has no AAAA records
        "#]],
    );
}

#[test]
fn weights_are_of_addresses() {
    check(
        &[ONE],
        r#"POST www {"type":"A","ips":["10.0.0.1","10.0.0.2"],"weights":[5,null]}"#,
        expect![[r#"
            delete /containerdns/test/a/www/1/ (at 1)
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":60}
            put /containerdns/test/a/www/debebe8d/ (absent) {"host":"10.0.0.1","type":"A","ttl":60,"weight":5}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &[ONE, TWO],
        r#"PUT www {"type":"A","weights":{"10.0.0.2":50}}"#,
        expect![[r#"
            delete /containerdns/test/a/www/2/ (at 2)
            put /containerdns/test/a/www/dbbeb9d4/ (absent) {"host":"10.0.0.2","type":"A","ttl":60,"weight":50}
            note /containerdns-changes/test/a/www (absent)
        "#]],
    );
    check(
        &[ONE],
        r#"PUT www {"type":"A","weights":{"10.0.0.2":50}}"#,
        expect![[r#"
            not found: weights: www.a.test. has no A record 10.0.0.2
        "#]],
    );
}

#[test]
fn weights_and_policy_stay_in_the_bundle_of_a_large_rrset() {
    let ips: Vec<String> = (0..34).map(|n| format!("\"10.0.1.{n}\"")).collect();
    let weights: Vec<String> = (0..34).map(|n| n.to_string()).collect();
    let (ips, weights) = (ips.join(","), weights.join(","));
    let request = format!(
        r#"POST www {{"type":"A","ips":[{ips}],"weights":[{weights}],"policy":"weighted"}}"#
    );
    let planned = told(&records(&[]), &request);
    let bundles = planned.lines().filter(|line| line.contains("kube/api"));
    expect![[r#"put /containerdns-kube/api/records/a.test/www.a.test (absent) {"v":1,"policy":"weighted","rrsets":[{"name":"www.a.test.","type":"A","ttl":30,"rdata":["10.0.1.32","10.0.1.33"],"weights":[32,33]}]}"#]].assert_eq(&bundles.collect::<String>());
}

#[test]
fn the_trail_tells_of_settings() {
    let rules = Rules {
        ttl_default_s: 30,
        cluster: None,
        probe: ProbeMode::Asked,
    };
    let request =
        r#"PUT www {"type":"A","policy":"sticky","weights":{"10.0.0.1":5},"probe":"icmp"}"#;
    let records = records(&[ONE, PROBED]);
    let planned = plan(&records, &layout(), &rules, &changes(request)).expect("a plan");
    let told = serde_json::to_string(&planned.names[0].differences).expect("JSON");
    expect![[r#"
        [{"name":"www.a.test.","type":"A","before":{"ttl":60,"probe":"tcp:80","records":["10.0.0.1"]},
        "after":{"ttl":60,"policy":"sticky","weights":{"10.0.0.1":5},"probe":"icmp","records":["10.0.0.1"]}}]"#]].assert_eq(&told.replace(",\"after", ",\n\"after"));
}
