//! Values that make no sense stand beside good ones: only their own keys are skipped, and counted.

use std::time::Duration;

use crate::harness::dig::dig_short;
use crate::harness::etcd::Etcd;
use crate::harness::fixture::{
    bundle, bundle_key, numbered_address, numbered_name, numbered_names,
};
use crate::harness::poll;
use crate::harness::server::{Server, Settings};

/// Bad values in each format; every one is one bad key.
fn bad_pairs() -> Vec<(String, String)> {
    let long = format!("{}.t.test.", ["x".repeat(63).as_str(); 4].join("."));
    let rrset = |name: &str, kind: &str, ttl: &str, rdata: &str| {
        format!(
            r#"{{"v":1,"rrsets":[{{"name":{name:?},"type":{kind:?},"ttl":{ttl},"rdata":[{rdata:?}]}}]}}"#
        )
    };
    let bundles = [
        String::new(),
        "{".into(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "\u{0}\u{1}".into(),
        r#"{"v":2,"rrsets":[]}"#.into(),
        r#"{"v":1,"rrsets":{}}"#.into(),
        rrset("bad.t.test.", "A", "30", "192.0.2.256"),
        rrset("bad.t.test.", "A", "30", "2001:db8::1"),
        rrset("bad.t.test.", "AAAA", "30", "192.0.2.1"),
        rrset("bad.t.test.", "A", "-1", "192.0.2.1"),
        rrset("bad.t.test.", "A", "99999999999", "192.0.2.1"),
        rrset("bad.t.test.", "A", "\"x\"", "192.0.2.1"),
        rrset("bad.t.test.", "NOTYPE", "30", "192.0.2.1"),
        rrset(&long, "A", "30", "192.0.2.1"),
        rrset("bad..t.test.", "A", "30", "192.0.2.1"),
        rrset(
            &format!("{}.t.test.", "x".repeat(64)),
            "A",
            "30",
            "192.0.2.1",
        ),
        rrset("bad.t.test.", "MX", "30", "x one.t.test."),
        rrset("bad.t.test.", "SRV", "30", "1 2 70000 one.t.test."),
        rrset("bad.t.test.", "TYPE65280", "30", "\\# 3 aabb"),
    ];
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (number, value) in bundles.into_iter().enumerate() {
        pairs.push((bundle_key(&format!("bad{number}")), value));
    }
    for (number, value) in [
        "",
        "{",
        "17",
        r#"{"host":17}"#,
        r#"{"host":"a b..c"}"#,
        "{}",
    ]
    .into_iter()
    .enumerate()
    {
        pairs.push((format!("/skydns/test/t/bad{number}/x"), value.to_owned()));
        pairs.push((
            format!("/containerdns/test/t/bad{number}/x/"),
            value.to_owned(),
        ));
    }
    pairs
}

#[test]
fn bad_values_cost_only_themselves() {
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(50));
    let bad = bad_pairs();
    etcd.put_all(&bad);
    let server = Server::start(&Settings::new(etcd.client()));
    let metric = "containerdns_sync_keys_bad";
    let expected = bad.len() as f64;
    assert_eq!(
        server.metrics().sum(metric),
        expected,
        "{}",
        server.process.output_tail()
    );
    for number in 0..50 {
        assert_eq!(
            dig_short(server.dns, &numbered_name(number), "A"),
            [numbered_address(number)]
        );
    }

    // The same by the watch: a good value turns bad, a bad one good, one more is new.
    let n1 = bundle("n1", &[(&numbered_name(1), 30, "A", "192.0.2.1")]);
    etcd.put(&n1.0, "{");
    etcd.put(
        &bad[0].0,
        &bundle("x", &[("healed.t.test.", 30, "A", "192.0.2.2")]).1,
    );
    let healed = poll(Duration::from_secs(5), || {
        (dig_short(server.dns, "healed.t.test.", "A") == ["192.0.2.2"]).then_some(())
    });
    assert!(healed.is_some(), "a key that is good again is answered");
    assert_eq!(server.metrics().sum(metric), expected, "one more, one less");
    assert_eq!(
        dig_short(server.dns, &numbered_name(2), "A"),
        [numbered_address(2)]
    );
}

/// Each makes sense alone; together the alias loses, is counted, and comes back.
#[test]
fn an_alias_beside_an_address_is_counted() {
    let etcd = Etcd::start();
    etcd.put_all(&[
        bundle("alias", &[("both.t.test.", 30, "CNAME", "one.t.test.")]),
        bundle("address", &[("both.t.test.", 30, "A", "192.0.2.1")]),
    ]);
    let server = Server::start(&Settings::new(etcd.client()));
    let metric = "containerdns_sync_cname_conflicts";
    assert_eq!(dig_short(server.dns, "both.t.test.", "A"), ["192.0.2.1"]);
    assert_eq!(server.metrics().sum(metric), 1.0);
    etcd.delete_all(&[bundle_key("address")]);
    let back = poll(Duration::from_secs(5), || {
        (dig_short(server.dns, "both.t.test.", "CNAME") == ["one.t.test."]).then_some(())
    });
    assert!(back.is_some(), "alone again, the alias is answered");
    assert_eq!(server.metrics().sum(metric), 0.0);
}

#[test]
fn giant_values_are_skipped_and_do_not_stop_the_list() {
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(20));
    let giant = "x".repeat(1_400_000);
    for number in 0..6 {
        etcd.put(&bundle_key(&format!("giant{number}")), &giant);
    }
    // Over 64 KiB, and good otherwise.
    let text = "y".repeat(70_000);
    etcd.put(
        "/skydns/test/t/large/x",
        &format!(r#"{{"host":"192.0.2.1","text":"{text}"}}"#),
    );
    let mut server = Server::start(&Settings::new(etcd.client()));
    assert_eq!(server.metrics().sum("containerdns_sync_keys_bad"), 7.0);
    etcd.put(&bundle_key("giant6"), &giant);
    etcd.put_all(&[bundle("after", &[("after.t.test.", 30, "A", "192.0.2.3")])]);
    let seen = poll(Duration::from_secs(5), || {
        (dig_short(server.dns, "after.t.test.", "A") == ["192.0.2.3"]).then_some(())
    });
    assert!(
        seen.is_some(),
        "a change behind a giant one\n{}",
        server.process.output_tail()
    );
    for number in 0..20 {
        assert_eq!(
            dig_short(server.dns, &numbered_name(number), "A"),
            [numbered_address(number)]
        );
    }
    server.assert_running();
}
