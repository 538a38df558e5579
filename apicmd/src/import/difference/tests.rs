//! Zones as they are, files as they shall be, and the requests between.

use expect_test::{Expect, expect};

use super::*;
use crate::import::read;
use crate::show::{Colors, difference};

fn check(present: &str, wanted: &str, aim: &Aim, want: Expect) {
    // Lines of JSON have settings, too.
    let read = |text: &str| match text.starts_with('{') {
        true => read::json_lines(text, None, "file").expect("a good file"),
        false => read::zone(text, None, "file").expect("a good file"),
    };
    let (present, wanted) = (read(present), read(wanted));
    let changes = changes(&present, &wanted, aim);
    let items = changes.iter().flat_map(|change| change.items(None));
    let mut told: String = items
        .map(|item| format!("{} {} {}\n", item.cost, item.records, item.body))
        .collect();
    let differences: Vec<_> = changes.iter().flat_map(NameChange::differences).collect();
    told += &difference::told(&differences, Colors::Off);
    told += &Sum::of(&changes).told(Duration::ZERO);
    want.assert_eq(&told);
}

fn equal() -> Aim {
    Aim::Equal("a.test".parse().expect("a name"))
}

#[test]
fn what_is_equal_needs_nothing() {
    let zone = "w.a.test. 5 A 10.0.0.1\nw.a.test. 5 A 10.0.0.2\n";
    let turned = "W.a.test. 5 A 10.0.0.2\nw.A.test. 5 A 10.0.0.1\n";
    check(
        zone,
        turned,
        &equal(),
        expect![[r#"
        nothing would change
        nothing to change: zone and file are equal (0.0 s)
    "#]],
    );
    check(
        zone,
        "w.a.test. A 10.0.0.1\n",
        &Aim::Add,
        expect![[r#"
        nothing would change
        nothing to change: zone and file are equal (0.0 s)
    "#]],
    );
}

#[test]
fn an_import_adds() {
    let present = "w.a.test. 5 A 10.0.0.1\nv.a.test. A 10.0.0.1\n";
    let wanted = "w.a.test. 9 A 10.0.0.2\nw.a.test. 9 TXT x\nn.a.test. A 10.0.0.3\n";
    check(
        present,
        wanted,
        &Aim::Add,
        expect![[r#"
            2 1 {"name":"n.a.test.","records":["10.0.0.3"],"ttl":9,"type":"A"}
            3 2 {"name":"w.a.test.","records":["10.0.0.2"],"ttl":9,"type":"A"}
            2 1 {"name":"w.a.test.","records":["\"x\""],"ttl":9,"type":"TXT"}
            + n.a.test. 9 IN A 10.0.0.3
            - w.a.test. 5 IN A 10.0.0.1
            + w.a.test. 9 IN A 10.0.0.1
            + w.a.test. 9 IN A 10.0.0.2
            + w.a.test. 9 IN TXT "x"
            3 records would be added, 0 removed, 1 given another TTL; nothing was changed
            2 names changed: 3 records added, 0 removed, 1 TTL changed in 0.0 s
        "#]],
    );
}

#[test]
fn records_come_before_others_go() {
    let present = "w.a.test. 5 A 10.0.0.1\nw.a.test. 5 A 10.0.0.2\nw.a.test. TXT x\n";
    let wanted = "w.a.test. 5 A 10.0.0.2\nw.a.test. 5 A 10.0.0.3\nw.a.test. MX 1 m.test.\n";
    check(
        present,
        wanted,
        &equal(),
        expect![[r#"
            2 1 {"name":"w.a.test.","records":["10.0.0.3"],"type":"A"}
            2 1 {"name":"w.a.test.","records":["1 m.test."],"ttl":5,"type":"MX"}
            2 1 {"method":"DELETE","name":"w.a.test.","records":["10.0.0.1"],"type":"A"}
            2 1 {"method":"DELETE","name":"w.a.test.","type":"TXT"}
            - w.a.test. 5 IN A 10.0.0.1
            + w.a.test. 5 IN A 10.0.0.3
            + w.a.test. 5 IN MX 1 m.test.
            - w.a.test. 5 IN TXT "x"
            2 records would be added, 2 removed; nothing was changed
            1 name changed: 2 records added, 2 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
}

#[test]
fn around_cname_records_go_first() {
    let present = "w.a.test. A 10.0.0.1\n";
    let alias = "w.a.test. CNAME x.a.test.\n";
    check(
        present,
        alias,
        &equal(),
        expect![[r#"
            2 1 {"method":"DELETE","name":"w.a.test.","type":"A"}
            2 1 {"name":"w.a.test.","records":["x.a.test."],"type":"CNAME"}
            - w.a.test. IN A 10.0.0.1
            + w.a.test. IN CNAME x.a.test.
            1 record would be added, 1 removed; nothing was changed
            1 name changed: 1 record added, 1 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
    check(
        alias,
        present,
        &equal(),
        expect![[r#"
            2 1 {"method":"DELETE","name":"w.a.test.","type":"CNAME"}
            2 1 {"name":"w.a.test.","records":["10.0.0.1"],"type":"A"}
            + w.a.test. IN A 10.0.0.1
            - w.a.test. IN CNAME x.a.test.
            1 record would be added, 1 removed; nothing was changed
            1 name changed: 1 record added, 1 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
    check(
        alias,
        "w.a.test. 5 CNAME y.a.test.\n",
        &equal(),
        expect![[r#"
            3 2 {"method":"PUT","name":"w.a.test.","records":["y.a.test."],"ttl":5,"type":"CNAME"}
            - w.a.test. IN CNAME x.a.test.
            + w.a.test. 5 IN CNAME y.a.test.
            1 record would be added, 1 removed; nothing was changed
            1 name changed: 1 record added, 1 removed, 1 TTL changed in 0.0 s
        "#]],
    );
}

#[test]
fn a_soa_is_replaced() {
    check(
        "a.test. 5 SOA n.a.test. h.a.test. 1 2 3 4 5\n",
        "a.test. 5 SOA n.a.test. h.a.test. 2 2 3 4 5\n",
        &equal(),
        expect![[r#"
            3 2 {"method":"PUT","name":"a.test.","records":["n.a.test. h.a.test. 2 2 3 4 5"],"type":"SOA"}
            - a.test. 5 IN SOA n.a.test. h.a.test. 1 2 3 4 5
            + a.test. 5 IN SOA n.a.test. h.a.test. 2 2 3 4 5
            1 record would be added, 1 removed; nothing was changed
            1 name changed: 1 record added, 1 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
}

#[test]
fn a_ttl_alone_is_put() {
    let present = "w.a.test. 5 A 10.0.0.1\n";
    check(
        present,
        "w.a.test. 9 A 10.0.0.1\n",
        &equal(),
        expect![[r#"
            2 1 {"method":"PUT","name":"w.a.test.","ttl":9,"type":"A"}
            - w.a.test. 5 IN A 10.0.0.1
            + w.a.test. 9 IN A 10.0.0.1
            0 records would be added, 0 removed, 1 given another TTL; nothing was changed
            1 name changed: 0 records added, 0 removed, 1 TTL changed in 0.0 s
        "#]],
    );
    check(
        present,
        "w.a.test. A 10.0.0.1\n",
        &equal(),
        expect![[r#"
        nothing would change
        nothing to change: zone and file are equal (0.0 s)
    "#]],
    );
    check(
        "w.a.test. A 10.0.0.1\n",
        present,
        &equal(),
        expect![[r#"
            2 1 {"method":"PUT","name":"w.a.test.","ttl":5,"type":"A"}
            - w.a.test. IN A 10.0.0.1
            + w.a.test. 5 IN A 10.0.0.1
            0 records would be added, 0 removed, 1 given another TTL; nothing was changed
            1 name changed: 0 records added, 0 removed, 1 TTL changed in 0.0 s
        "#]],
    );
}

#[test]
fn only_the_zones_own_names_are_deleted() {
    check(
        "gone.a.test. A 10.0.0.1\nweb.shop.svc.a.test. A 10.0.0.2\nx.b.test. A 10.0.0.3\n",
        "w.a.test. A 10.0.0.1\n",
        &equal(),
        expect![[r#"
            2 1 {"name":"w.a.test.","records":["10.0.0.1"],"type":"A"}
            2 1 {"method":"DELETE","name":"gone.a.test.","type":"A"}
            + w.a.test. IN A 10.0.0.1
            - gone.a.test. IN A 10.0.0.1
            1 record would be added, 1 removed; nothing was changed
            2 names changed: 1 record added, 1 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
}

/// A zone file of `count` addresses, the first one 10.0.`third`.0.
fn addresses(count: usize, third: usize) -> String {
    let record = |index| format!("w.a.test. A 10.0.{third}.{index}\n");
    (0..count).map(record).collect()
}

#[test]
fn a_large_rrset_is_one_item_and_cheap() {
    let told = |present: &str, wanted: &str| {
        let present = read::zone(present, None, "present").expect("a good file");
        let wanted = read::zone(wanted, None, "wanted").expect("a good file");
        let changes = changes(&present, &wanted, &equal());
        let items = changes.iter().flat_map(|change| change.items(None));
        let shape = |item: Item| {
            let method = item.body.contains("PUT");
            format!("cost {}, {} records, put {method}", item.cost, item.records)
        };
        items.map(shape).collect::<Vec<_>>().join("; ")
    };
    expect!["cost 101, 100 records, put false"].assert_eq(&told("", &addresses(100, 0)));
    expect!["cost 34, 101 records, put false"].assert_eq(&told("", &addresses(101, 0)));
    expect!["cost 34, 1 records, put false"]
        .assert_eq(&told(&addresses(101, 0), &addresses(102, 0)));
    expect!["cost 34, 104 records, put true"]
        .assert_eq(&told(&addresses(101, 0), &addresses(3, 1)));
}

#[test]
fn a_user_stands_where_the_file_names_nobody() {
    let text = r#"{"name":"w.a.test","type":"A","records":["10.0.0.1"],"user":"ann"}
{"name":"v.a.test","type":"A","records":["10.0.0.1"]}"#;
    let wanted = read::json_lines(text, None, "f").expect("a good file");
    let present = Records::new();
    let changes = changes(&present, &wanted, &Aim::Add);
    let items = changes.iter().flat_map(|change| change.items(Some("bob")));
    let told: Vec<String> = items.map(|item| item.body).collect();
    expect![[r#"
        {"name":"v.a.test.","records":["10.0.0.1"],"type":"A","user":"bob"}
        {"name":"w.a.test.","records":["10.0.0.1"],"type":"A","user":"ann"}"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_zone_file_says_nothing_of_settings() {
    check(
        r#"{"name":"w.a.test","type":"A","ips":["10.0.0.1"],"weights":[5],"policy":"sticky","probe":true}"#,
        "w.a.test. A 10.0.0.1\n",
        &equal(),
        expect![[r#"
            nothing would change
            nothing to change: zone and file are equal (0.0 s)
        "#]],
    );
    check(
        r#"{"name":"w.a.test","type":"A","ips":["10.0.0.1"],"weights":[5],"policy":"sticky","probe":true}"#,
        "w.a.test. A 10.0.0.2\n",
        &equal(),
        expect![[r#"
            3 1 {"name":"w.a.test.","records":["10.0.0.2"],"type":"A"}
            3 1 {"method":"DELETE","name":"w.a.test.","records":["10.0.0.1"],"type":"A"}
            - w.a.test. IN A 10.0.0.1
            + w.a.test. IN A 10.0.0.2
            1 record would be added, 1 removed; nothing was changed
            1 name changed: 1 record added, 1 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
}

#[test]
fn settings_of_a_line_are_sent() {
    let line = r#"{"name":"w.a.test","type":"A","ips":["10.0.0.1","10.0.0.2"],"weights":[5,null],"policy":"sticky","probe":"tcp","probe_ports":[80]}"#;
    check(
        "",
        line,
        &equal(),
        expect![[r#"
        5 2 {"name":"w.a.test.","policy":"sticky","probe":"tcp","probe_ports":[80],"records":["10.0.0.1","10.0.0.2"],"type":"A","weights":{"10.0.0.1":5}}
        + w.a.test. IN A 10.0.0.1
        + w.a.test. IN A 10.0.0.2
          w.a.test. A: policy sticky, was default
          w.a.test. A: weight of 10.0.0.1 5, was default
          w.a.test. A: probe tcp 80, was off
        2 records would be added, 0 removed; nothing was changed
        1 name changed: 2 records added, 0 removed, 0 TTLs changed in 0.0 s
    "#]],
    );
    check(
        line,
        line,
        &equal(),
        expect![[r#"
        nothing would change
        nothing to change: zone and file are equal (0.0 s)
    "#]],
    );
    check(
        "w.a.test. A 10.0.0.1\nw.a.test. A 10.0.0.2\n",
        line,
        &Aim::Add,
        expect![[r#"
            7 2 {"method":"PUT","name":"w.a.test.","policy":"sticky","probe":"tcp","probe_ports":[80],"type":"A","weights":{"10.0.0.1":5}}
              w.a.test. A: policy sticky, was default
              w.a.test. A: weight of 10.0.0.1 5, was default
              w.a.test. A: probe tcp 80, was off
            0 records would be added, 0 removed; nothing was changed
            1 name changed: 0 records added, 0 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
    check(
        line,
        r#"{"name":"w.a.test","type":"A","ips":["10.0.0.1","10.0.0.3"],"weights":[6,7],"probe":"icmp"}"#,
        &equal(),
        expect![[r#"
            5 1 {"name":"w.a.test.","probe":"icmp","probe_ports":[],"records":["10.0.0.3"],"type":"A","weights":{"10.0.0.1":6,"10.0.0.3":7}}
            3 1 {"method":"DELETE","name":"w.a.test.","records":["10.0.0.2"],"type":"A"}
            - w.a.test. IN A 10.0.0.2
            + w.a.test. IN A 10.0.0.3
              w.a.test. A: weight of 10.0.0.1 6, was 5
              w.a.test. A: weight of 10.0.0.3 7, was default
              w.a.test. A: probe icmp, was tcp 80
            1 record would be added, 1 removed; nothing was changed
            1 name changed: 1 record added, 1 removed, 0 TTLs changed in 0.0 s
        "#]],
    );
}

#[test]
fn many_probed_addresses_are_sent_in_parts() {
    let ips: Vec<String> = (0..100).map(|last| format!("\"10.0.0.{last}\"")).collect();
    let ips = ips.join(",");
    let line = format!(r#"{{"name":"w.a.test","type":"A","ips":[{ips}],"probe":true}}"#);
    let probed = read::json_lines(&line, None, "file").expect("a good file");
    let told = |present: &Records, wanted: &Records| {
        let changes = changes(present, wanted, &equal());
        let items = changes.iter().flat_map(|change| change.items(None));
        let items = items.map(|item| {
            let probe = if item.body.contains("probe") {
                " probe"
            } else {
                ""
            };
            format!("{} {}{probe}\n", item.cost, item.records)
        });
        items.collect::<String>()
    };
    expect![[r#"
        81 40 probe
        81 40
        54 20
    "#]]
    .assert_eq(&told(&Records::new(), &probed));
    expect![[r#"
        81 40
        81 40
        54 20
    "#]]
    .assert_eq(&told(&probed, &Records::new()));
}
