//! Keys and values as they come, and what is known then.

use expect_test::{Expect, expect};

use super::*;

fn layout() -> Layout {
    let name = |text: &str| text.parse().expect("a name");
    Layout::new(
        Zones::new(vec![name("a.test")], Vec::new()),
        Prefixes::default(),
    )
}

fn pair(key: &str, value: &str, mod_revision: Revision) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: value.into(),
        mod_revision,
    }
}

/// One line a name: its records with their keys' revisions, and when it was changed.
fn told(records: &Records) -> String {
    let mut lines = String::new();
    for (name, kept) in records.names_from(Bound::Unbounded) {
        let items = kept.items().map(|(entry, item)| {
            let (rtype, text) = (item.rtype, item.rdata.to_text(item.rtype));
            format!(" {rtype} {text}@{}", entry.revision)
        });
        let items: String = items.collect();
        let changed = kept.changed.map(|at| format!(" changed@{at}"));
        lines.push_str(&format!("{name}{items}{}\n", changed.unwrap_or_default()));
    }
    for (address, known) in &records.health {
        lines.push_str(&format!("{address} {:?}\n", known.health.status));
    }
    let (bad, deleted) = (records.bad(), records.deleted.len());
    lines.push_str(&format!("{bad} bad, {deleted} deleted in mind\n"));
    lines
}

fn check(records: &Records, expected: Expect) {
    expected.assert_eq(&told(records));
}

const A1: &str = r#"{"type":"A","host":"10.0.0.1"}"#;
const A2: &str = r#"{"type":"A","host":"10.0.0.2"}"#;

#[test]
fn every_part_is_read() {
    let mut records = Records::default();
    for (key, value) in [
        ("/containerdns/test/a/www/1/", A1),
        ("/containerdns/test/a/WWW/2", A2),
        ("/containerdns/test/a/bad/", "not JSON"),
        (
            "/containerdns/monitor/status/10.0.0.1",
            r#"{"status":"DOWN"}"#,
        ),
        ("/containerdns/monitor/status/x", r#"{"status":"DOWN"}"#),
        ("/containerdns/monitor/heart/x", "anything"),
        (
            "/containerdns-kube/api/records/a.test/www.a.test",
            r#"{"v":1,"rrsets":[{"name":"www.a.test.","type":"CAA","rdata":["0 issue \"x\""]}]}"#,
        ),
        ("/containerdns-changes/test/a/www", "{}"),
        ("/elsewhere/x", "{}"),
    ] {
        records.put(&layout(), pair(key, value, 7));
    }
    check(
        &records,
        expect![[r#"
        www.a.test. CAA 0 issue "x"@7 A 10.0.0.2@7 A 10.0.0.1@7 changed@7
        10.0.0.1 Down
        3 bad, 0 deleted in mind
    "#]],
    );
}

#[test]
fn the_newer_revision_wins() {
    let mut records = Records::default();
    let key = "/containerdns/test/a/www/1/";
    records.put(&layout(), pair(key, A2, 5));
    records.put(&layout(), pair(key, A1, 4));
    check(
        &records,
        expect![[r#"
        www.a.test. A 10.0.0.2@5
        0 bad, 0 deleted in mind
    "#]],
    );
    records.delete(&layout(), key.as_bytes(), 4);
    check(
        &records,
        expect![[r#"
        www.a.test. A 10.0.0.2@5
        0 bad, 0 deleted in mind
    "#]],
    );
    records.delete(&layout(), key.as_bytes(), 6);
    check(
        &records,
        expect![[r#"
        0 bad, 0 deleted in mind
    "#]],
    );
}

#[test]
fn a_committed_deletion_outlives_older_news() {
    let mut records = Records::default();
    let key = "/containerdns/test/a/www/1/";
    records.put(&layout(), pair(key, A1, 5));
    records.delete_committed(&layout(), key.as_bytes(), 7);
    records.put(&layout(), pair(key, A2, 6));
    check(
        &records,
        expect![[r#"
        0 bad, 1 deleted in mind
    "#]],
    );
    records.passed(&layout(), Part::Health, 9);
    check(
        &records,
        expect![[r#"
        0 bad, 1 deleted in mind
    "#]],
    );
    records.passed(&layout(), Part::Tree, 7);
    records.put(&layout(), pair(key, A2, 8));
    check(
        &records,
        expect![[r#"
        www.a.test. A 10.0.0.2@8
        0 bad, 0 deleted in mind
    "#]],
    );
}

#[test]
fn a_commit_that_the_watch_overtook_is_no_news() {
    let mut records = Records::default();
    let key = "/containerdns/test/a/www/1/";
    records.passed(&layout(), Part::Tree, 9);
    records.put_committed(&layout(), pair(key, A1, 8));
    records.delete_committed(&layout(), key.as_bytes(), 8);
    check(
        &records,
        expect![[r#"
        0 bad, 0 deleted in mind
    "#]],
    );
    records.put_committed(&layout(), pair(key, A1, 10));
    check(
        &records,
        expect![[r#"
        www.a.test. A 10.0.0.1@10
        0 bad, 0 deleted in mind
    "#]],
    );
}

#[test]
fn a_list_removes_what_it_lacks_but_not_what_came_later() {
    let mut records = Records::default();
    for (key, revision) in [("1", 3), ("2", 4), ("3", 9)] {
        let key = format!("/containerdns/test/a/www/{key}/");
        records.put(&layout(), pair(&key, A1, revision));
    }
    let status = r#"{"status":"UP"}"#;
    let health = "/containerdns/monitor/status/10.0.0.1";
    records.put(&layout(), pair(health, status, 2));
    let listed = vec![
        pair("/containerdns/test/a/www/2/", A2, 6),
        pair("/containerdns/monitor/status/10.0.0.2", status, 2),
    ];
    records.replace(&layout(), Part::Tree, 7, listed);
    check(
        &records,
        expect![[r#"
        www.a.test. A 10.0.0.2@6 A 10.0.0.1@9
        10.0.0.1 Up
        0 bad, 0 deleted in mind
    "#]],
    );
}

#[test]
fn what_stands_beside_a_record_is_kept() {
    let mut records = Records::default();
    for (key, value) in [
        (
            "/containerdns/test/a/www/1/",
            r#"{"type":"A","host":"10.0.0.1","weight":7,"policy":"subset"}"#,
        ),
        (
            "/containerdns-kube/api/records/a.test/www.a.test",
            r#"{"v":1,"policy":"random-one","rrsets":[{"name":"www.a.test.","type":"A",
                "rdata":["10.0.0.2","10.0.0.3"],"weights":[null,9]}]}"#,
        ),
    ] {
        records.put(&layout(), pair(key, value, 7));
    }
    let kept = records.name(&"www.a.test".parse().expect("a name"));
    let kept = kept.expect("records");
    let weights = kept.items().map(|(entry, item)| {
        let (text, weight) = (item.rdata.to_text(item.rtype), item.weight);
        format!("{text} {weight:?} {:?}\n", entry.policy)
    });
    expect![[r#"
        10.0.0.2 None Some(RandomOne)
        10.0.0.3 Some(9) Some(RandomOne)
        10.0.0.1 Some(7) Some(Subset)
    "#]]
    .assert_eq(&weights.collect::<String>());
    assert_eq!(kept.policy(), Some(AnswerPolicy::RandomOne));
}

/// Two spellings of one address: what goes is its own, not the other's.
#[test]
fn a_status_key_goes_alone() {
    let mut records = Records::default();
    let (down, up) = (r#"{"status":"DOWN"}"#, r#"{"status":"UP"}"#);
    let key = "/containerdns/monitor/status/10.0.0.1";
    records.put(&layout(), pair(&format!("{key}/"), down, 5));
    records.put(&layout(), pair(key, up, 6));
    records.delete(&layout(), format!("{key}/").as_bytes(), 7);
    check(
        &records,
        expect![[r#"
        10.0.0.1 Up
        0 bad, 0 deleted in mind
    "#]],
    );
    let known = records.health("10.0.0.1".parse().expect("an address"));
    assert_eq!(known.map(|known| &known.value[..]), Some(up.as_bytes()));
    records.delete(&layout(), key.as_bytes(), 8);
    check(
        &records,
        expect![[r#"
        0 bad, 0 deleted in mind
    "#]],
    );
}
