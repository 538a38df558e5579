//! Keys and values as they are written into an existing tree.

use super::*;

/// The key and value of a record, or the error.
fn written(owner: &str, rtype: RecordType, rdata: &str, ttl: Option<u32>) -> String {
    let rdata = Rdata::parse(rtype, rdata).unwrap();
    let record = Record {
        owner: owner.parse().unwrap(),
        rtype,
        ttl,
        rdata,
    };
    let fields = Fields {
        cluster: Some("k1"),
        user: Some("u"),
        ..Fields::default()
    };
    match containerdns::encode("/containerdns/", &zones(), &record, fields) {
        Ok(KeyValue { key, value }) => {
            let text = |octets| String::from_utf8(octets).unwrap();
            wrapped(&format!(
                "{} {}\n",
                text(key),
                text(value).replace(",\"", ", \"")
            ))
        }
        Err(error) => wrapped(&format!("error: {error}\n")),
    }
}

#[test]
fn keys_are_written_as_the_original_writes_them() {
    let a = "a.containerdns.local";
    let lines = [
        written(
            "cctv2.containerdns.local",
            RecordType::A,
            "192.168.10.1",
            Some(30),
        ),
        written(a, RecordType::AAAA, "fd00::1", None),
        written(a, RecordType::CNAME, "cctv2.containerdns.local.", Some(30)),
        written(
            a,
            RecordType::SRV,
            "10 10 80 b.containerdns.local.",
            Some(30),
        ),
        written(a, RecordType::NS, "ns.example.", None),
        written(a, RecordType::MX, "20 mx.example.", None),
        written(a, RecordType::TXT, "\"v=spf1 -all\"", None),
        written("containerdns.local", RecordType::TXT, "apex", None),
        written("1.0.0.10.in-addr.arpa", RecordType::PTR, a, None),
        written("elsewhere.example", RecordType::TXT, "x", None),
        written(a, RecordType::TXT, "one two", None),
        written(a, RecordType::TXT, r"\255", None),
        written(a, RecordType::CAA, "0 issue x", None),
        written("x.monitor", RecordType::CNAME, a, None),
    ];
    expect![[r#"
        /containerdns/local/containerdns/cctv2/4af19cb2/ {"host":"192.168.10.1",
        "type":"A", "ttl":30, "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/a/9954580a/ {"host":"fd00::1",
        "type":"AAAA", "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/a/ {"host":"cctv2.containerdns.local.",
        "type":"CNAME", "ttl":30, "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/a/8114078/ {"host":"b.containerdns.local.",
        "type":"SRV", "ttl":30, "port":80, "priority":10, "weight":10,
        "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/dns/ns/a/ {"host":"ns.example.",
        "type":"NS", "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/mail/a/ {"host":"mx.example.", "type":"MX",
        "mail":true, "priority":20, "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/txt/a/ {"type":"TXT", "text":"v=spf1 -all",
        "cluster":"k1", "user":"u"}
        /containerdns/local/containerdns/txt/ {"type":"TXT", "text":"apex",
        "cluster":"k1", "user":"u"}
        /containerdns/arpa/in-addr/10/0/0/1/ {"host":"a.containerdns.local.",
        "type":"PTR", "cluster":"k1", "user":"u"}
        error: elsewhere.example. lies in none of the zones
        error: text: several strings, this format keeps one text: use a bundle
        error: text: not UTF-8, which JSON cannot hold
        error: CAA records cannot be written in this format, a bundle holds every
        type
        error: x.monitor. IN CNAME a.containerdns.local. would be read back as
        another
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn a_backend_is_one_key_with_target_and_address() {
    let owner = "api.containerdns.local".parse().unwrap();
    let backend = containerdns::Backend::new("10.0.0.5".parse().unwrap(), 8080);
    let fields = Fields::default();
    let put = containerdns::encode_backend("/containerdns/", &owner, backend, Some(30), fields);
    let KeyValue { key, value } = put.unwrap();
    expect![[r#"
        api.containerdns.local. 30 IN SRV 10 10 8080
        dabeb841.api.containerdns.local.
        dabeb841.api.containerdns.local. 30 IN A 10.0.0.5 ; weight 10
    "#]]
    .assert_eq(&shown(Format::ContainerDns, &key, &value));
    let fields = containerdns::decode_fields(br#"{"cluster":"k1","user":"","host":7}"#);
    assert_eq!(fields, Ok((Some("k1".into()), None)));
}
