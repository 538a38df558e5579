//! Values of bundles, read.

use super::*;

#[test]
fn bundles() {
    check(
        Format::Bundle,
        &[
            (
                "k1/services/default/web",
                concat!(
                    r#"{"v":1,"rrsets":[{"name":"web.default.svc.cluster.local.","type":"A","#,
                    r#""ttl":5,"rdata":["10.96.0.10","10.96.0.11"]},"#,
                    r#"{"name":"_http._tcp.web.default.svc.cluster.local","type":"SRV","#,
                    r#""rdata":["0 100 80 web.default.svc.cluster.local."]},"#,
                    r#"{"name":"t.","type":"TYPE65280","rdata":["\\# 1 ff"],"later":[1,{}]}],"#,
                    r#""more":{"a":[]}}"#
                ),
            ),
            ("k1/pods/default/empty", r#"{"v":1,"rrsets":[]}"#),
        ],
        expect![[r#"
            web.default.svc.cluster.local. 5 IN A 10.96.0.10
            web.default.svc.cluster.local. 5 IN A 10.96.0.11
            _http._tcp.web.default.svc.cluster.local. IN SRV 0 100 80
            web.default.svc.cluster.local.
            t. IN TYPE65280 \# 1 ff
        "#]],
    );
    let rrset = Rrset {
        name: "a.cluster.local".parse().unwrap(),
        rtype: RecordType::TXT,
        ttl: Some(5),
        rdata: vec![Rdata::txt(&[b"a\"b", b""]).unwrap()],
        weights: Vec::new(),
    };
    let value = bundle::encode(&Bundle {
        rrsets: &[rrset],
        ..Bundle::default()
    })
    .unwrap();
    let expected = concat!(
        r#"{"v":1,"rrsets":[{"name":"a.cluster.local.","type":"TXT","ttl":5,"#,
        r#""rdata":["\"a\\\"b\" \"\""]}]}"#
    );
    assert_eq!(String::from_utf8(value).unwrap(), expected);
    let key = bundle::key(
        "/containerdns-kube/",
        "k1",
        Kind::EndpointSlices,
        "ns",
        "web-x1",
    );
    assert_eq!(key, b"/containerdns-kube/k1/endpointslices/ns/web-x1");
}

#[test]
fn bundles_say_where_their_addresses_are() {
    let address = |text: &str| text.parse().unwrap();
    let zones = [
        ("zone-a", vec![address("10.0.0.1"), address("fd00::1")]),
        ("zone-b", vec![address("10.0.0.2")]),
    ];
    let value = bundle::encode(&Bundle {
        zones: &zones,
        ..Bundle::default()
    })
    .unwrap();
    let expected = concat!(
        r#"{"v":1,"zones":{"zone-a":["10.0.0.1","fd00::1"],"zone-b":["10.0.0.2"]},"#,
        r#""rrsets":[]}"#
    );
    assert_eq!(String::from_utf8(value.clone()).unwrap(), expected);
    let key = b"/containerdns-kube/k1/endpointslices/ns/web-x1";
    let read = |value: &[u8]| {
        decode(Format::Bundle, "/containerdns-kube/", &[], key, value).map(|read| read.zones)
    };
    let zones = zones.map(|(zone, addresses)| (zone.into(), addresses));
    assert_eq!(read(&value), Ok(zones.to_vec()));
    let none = r#"{"v":1,"rrsets":[],"zones":null}"#;
    assert_eq!(read(none.as_bytes()), Ok(Vec::new()));
}

#[test]
fn bundles_ask_for_probes() {
    let asked = |probe: &str| {
        let value = format!(r#"{{"v":1,"rrsets":[],"probe":{probe}}}"#);
        let key = b"/containerdns-kube/c1/services/prod/web";
        let read = decode(
            Format::Bundle,
            "/containerdns-kube/",
            &[],
            key,
            value.as_bytes(),
        );
        match read {
            Ok(contribution) => format!("{:?}", contribution.probe.map(|wish| wish.to_string())),
            Err(error) => format!("error: {error}"),
        }
    };
    expect![[r#"Some("http:8080/healthz")"#]].assert_eq(&asked(r#""http:8080/healthz""#));
    expect![[r#"Some("default")"#]].assert_eq(&asked(r#""default""#));
    expect!["None"].assert_eq(&asked(r#""""#));
    let problem = expect!["error: probe: `udp` is no probe; write tcp, icmp, http, https or grpc"];
    problem.assert_eq(&asked(r#""udp""#));
    expect!["error: probe: 7 is not a string"].assert_eq(&asked("7"));
}
