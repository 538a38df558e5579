//! What a bundle says of names beside their records.

use expect_test::expect;

use super::*;

const KEY: &str = "/containerdns-kube/one/namespaces/default/default";

#[test]
fn a_name_exists_without_records_while_a_key_says_so() {
    Told::new()
        .put(KEY, r#"{"v":1,"names":["a.b.t","b.t."],"rrsets":[]}"#)
        .tells(expect![[r#"
            + a.b.t.
            + b.t."#]])
        .bundle("one", &["a.b.t 5 A 10.0.0.1"])
        .tells(expect!["+ a.b.t.: A 5 10.0.0.1"])
        .delete_bundle("one")
        .tells(expect!["+ a.b.t."])
        .delete(KEY)
        .tells(expect![[r#"
            - a.b.t.
            - b.t."#]]);
}

#[test]
fn a_bundle_chooses_how_its_owners_are_answered() {
    let sticky = r#"{"v":1,"policy":"sticky","rrsets":[
        {"name":"a.t","type":"A","ttl":5,"rdata":["10.0.0.1","10.0.0.2"]},
        {"name":"a.t","type":"TXT","ttl":5,"rdata":["x"]}]}"#;
    Told::new()
        .put(KEY, sticky)
        .tells(expect![[
            r#"+ a.t.: A 5 10.0.0.1, 10.0.0.2 (sticky) | TXT 5 "x""#
        ]])
        .put(&bundle_key("two"), &sticky.replace("sticky", "random-one"))
        .tells(expect![[
            r#"+ a.t.: A 5 10.0.0.1, 10.0.0.2 (random-one) | TXT 5 "x""#
        ]])
        .put(&bundle_key("two"), &sticky.replace("sticky", "often"))
        .tells(expect![""])
        .delete_bundle("two")
        .tells(expect![[
            r#"+ a.t.: A 5 10.0.0.1, 10.0.0.2 (sticky) | TXT 5 "x""#
        ]]);
}

#[test]
fn a_policy_of_the_configuration_comes_before_a_marked_one() {
    let mut settings = settings(&["t"]);
    settings.name_policies = vec![(Name::parse("a.t").unwrap(), Policy::Rotate)];
    settings.zone_policies = [(ZoneId(0), Policy::RandomOne)].into();
    let mut told = Told::with(settings);
    told.take();
    told.put(
        KEY,
        r#"{"v":1,"policy":"sticky","rrsets":[
            {"name":"a.t","type":"A","ttl":5,"rdata":["10.0.0.1"]},
            {"name":"b.t","type":"A","ttl":5,"rdata":["10.0.0.1"]}]}"#,
    )
    .bundle("one", &["c.t 5 A 10.0.0.1"])
    .tells(expect![[r#"
        + a.t.: A 5 10.0.0.1
        + b.t.: A 5 10.0.0.1 (sticky)
        + c.t.: A 5 10.0.0.1 (random-one)"#]]);
}

#[test]
fn names_of_addresses_have_the_smallest_ttl() {
    let value =
        |ttl| format!(r#"{{"v":1,"address_names":[{{"name":"pod.t","ttl":{ttl}}}],"rrsets":[]}}"#);
    Told::new()
        .put(KEY, &value(30))
        .tells(expect!["+ pod.t. with addresses 30"])
        .put(&bundle_key("two"), &value(0))
        .tells(expect!["+ pod.t. with addresses 1"])
        .delete_bundle("two")
        .tells(expect!["+ pod.t. with addresses 30"]);
}

#[test]
fn pointers_that_are_given_are_not_made() {
    let mut told = Told::with(settings(&["t", "10.in-addr.arpa"]));
    told.take();
    let records = r#""rrsets":[{"name":"a.t","type":"A","ttl":5,"rdata":["10.0.0.1"]}]"#;
    told.put(
        KEY,
        &format!(r#"{{"v":1,"pointers_given":true,{records}}}"#),
    )
    .tells(expect!["+ a.t.: A 5 10.0.0.1"])
    .put(
        KEY,
        &format!(r#"{{"v":1,"pointers_given":false,{records}}}"#),
    )
    .tells(expect![[r#"
            + 0.0.10.in-addr.arpa. of zone 1
            + 0.10.in-addr.arpa. of zone 1
            + 1.0.0.10.in-addr.arpa. of zone 1: PTR 5 a.t.
            + a.t.: A 5 10.0.0.1"#]]);
}
