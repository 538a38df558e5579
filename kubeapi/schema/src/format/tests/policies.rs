//! How answers are chosen at a name, and how often an address, as values of each format say it.

use super::*;

/// Records with their weights, and what is said of names; or the error.
fn check(format: Format, path: &str, value: &str, expected: Expect) {
    let key = format!("{}{path}", prefix(format));
    let read = decode(
        format,
        prefix(format),
        &zones(),
        key.as_bytes(),
        value.as_bytes(),
    );
    let told = match read {
        Err(error) => format!("error: {error}"),
        Ok(contribution) => {
            let weight = |weight: Option<u16>| {
                weight.map_or(String::new(), |weight| format!(" weight {weight}"))
            };
            let records = contribution.records.iter();
            let records = records.map(|held| format!("{}{}", held.record, weight(held.weight)));
            let marks = contribution.marks.iter();
            let marks = marks.map(|(name, mark)| format!("{name} {mark:?}"));
            records.chain(marks).collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&wrapped(&told));
}

#[test]
fn a_policy_is_of_the_owner() {
    check(
        Format::ContainerDns,
        "local/containerdns/www/1/",
        r#"{"type":"A","host":"10.0.0.1","policy":"sticky","weight":"7"}"#,
        expect![[r#"
            www.containerdns.local. IN A 10.0.0.1 weight 7
            www.containerdns.local.
            Policy(Sticky)"#]],
    );
    check(
        Format::ContainerDns,
        "local/containerdns/api/1",
        r#"{"type":"SRV","host":"10.0.0.1","port":80,"policy":"random-one"}"#,
        expect![[r#"
            api.containerdns.local. IN SRV 10 100 80
            1.api.containerdns.local.
            1.api.containerdns.local. IN A
            10.0.0.1
            api.containerdns.local. Policy(RandomOne)"#]],
    );
    check(
        Format::SkyDns,
        "org/example/www/x1",
        r#"{"host":"10.0.0.1","targetstrip":1,"policy":"subset","weight":5}"#,
        expect![[r#"
            www.example.org. 300 IN A 10.0.0.1 weight 5
            www.example.org. Policy(Subset)"#]],
    );
    check(
        Format::Bundle,
        "api/records/a/b",
        r#"{"v":1,"policy":"weighted","rrsets":[{"name":"b.a","type":"A",
            "rdata":["10.0.0.1","10.0.0.2"],"weights":[3,null]}]}"#,
        expect![[r#"
            b.a. IN A 10.0.0.1 weight 3
            b.a. IN A 10.0.0.2
            b.a. Policy(Weighted)"#]],
    );
}

#[test]
fn a_policy_left_empty_is_none() {
    check(
        Format::SkyDns,
        "org/example/www",
        r#"{"host":"10.0.0.1","policy":""}"#,
        expect!["www.example.org. 300 IN A 10.0.0.1"],
    );
}

#[test]
fn a_bad_policy_or_weight_is_named() {
    check(
        Format::ContainerDns,
        "local/containerdns/www/1/",
        r#"{"type":"A","host":"10.0.0.1","policy":"stiky"}"#,
        expect![[r#"
            error: policy: `stiky` is no answer policy: write rotate, random-one,
            sticky, subset or weighted"#]],
    );
    check(
        Format::SkyDns,
        "org/example/www",
        r#"{"host":"10.0.0.1","policy":5}"#,
        expect!["error: policy: 5 is not a string"],
    );
    check(
        Format::ContainerDns,
        "local/containerdns/www/1/",
        r#"{"type":"A","host":"10.0.0.1","weight":65536}"#,
        expect!["error: weight: 65536 is not a whole number from 0 to 65535"],
    );
    check(
        Format::Bundle,
        "api/records/a/b",
        r#"{"v":1,"rrsets":[{"name":"b.a","type":"A","rdata":["10.0.0.1"],"weights":[3,4]}]}"#,
        expect!["error: rrsets[0].weights: 2 for 1 records: write one each, or null"],
    );
    check(
        Format::Bundle,
        "api/records/a/b",
        r#"{"v":1,"rrsets":[{"name":"b.a","type":"A","rdata":["10.0.0.1"],"weights":["x"]}]}"#,
        expect![[r#"error: rrsets[0].weights[0]: "x" is not a whole number from 0 to 65535"#]],
    );
}

#[test]
fn what_is_written_is_read_back() {
    let record = Record {
        owner: "www.containerdns.local".parse().unwrap(),
        rtype: RecordType::A,
        ttl: None,
        rdata: Rdata::parse(RecordType::A, "10.0.0.1").unwrap(),
    };
    let fields = Fields {
        policy: Some(AnswerPolicy::RandomOne),
        weight: Some(0),
        ..Fields::default()
    };
    let pair = containerdns::encode("/containerdns/", &zones(), &record, fields).unwrap();
    let value = String::from_utf8(pair.value).unwrap();
    expect![[r#"{"host":"10.0.0.1","type":"A","weight":0,"policy":"random-one"}"#]]
        .assert_eq(&value);
    check(
        Format::ContainerDns,
        "local/containerdns/www/1/",
        &value,
        expect![[r#"
            www.containerdns.local. IN A 10.0.0.1 weight 0
            www.containerdns.local.
            Policy(RandomOne)"#]],
    );
}
