//! Headless services: the names of their endpoints (section 2.4 of the specification).

use super::objects::{alias, slice};
use super::*;

fn headless() -> Value {
    service("db", "None", "pg/TCP/5432")
}

#[test]
fn endpoints_are_called_by_hostname_or_address() {
    check(
        &[
            headless(),
            slice(
                "db-a",
                "db",
                "pg/TCP/5432",
                "10.1.0.1 name=db-0, 10.1.0.2, fd00:1::3",
            ),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              1.0.1.10.in-addr.arpa. 5 PTR db-0.db.prod.svc.z.test.
              2.0.1.10.in-addr.arpa. 5 PTR 10-1-0-2.db.prod.svc.z.test.
              3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa. 5 PTR fd00-1--3.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 AAAA fd00:1::3
              db.prod.svc.z.test. 5 SRV 0 100 5432 db-0.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 SRV 0 100 5432 10-1-0-2.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 SRV 0 100 5432 fd00-1--3.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5432 db-0.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5432 10-1-0-2.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5432 fd00-1--3.db.prod.svc.z.test.
              db-0.db.prod.svc.z.test. 5 A 10.1.0.1
              10-1-0-2.db.prod.svc.z.test. 5 A 10.1.0.2
              fd00-1--3.db.prod.svc.z.test. 5 AAAA fd00:1::3
        "#]],
    );
    // An endpoint of two addresses, and two endpoints of one hostname.
    check(
        &[
            headless(),
            slice(
                "db-a",
                "db",
                "",
                "10.1.0.1 10.1.0.2, 10.1.0.3 name=x, 10.1.0.4 name=x",
            ),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
              2.0.1.10.in-addr.arpa. 5 PTR 10-1-0-2.db.prod.svc.z.test.
              3.0.1.10.in-addr.arpa. 5 PTR x.db.prod.svc.z.test.
              4.0.1.10.in-addr.arpa. 5 PTR x.db.prod.svc.z.test.
              x.db.prod.svc.z.test. 5 A 10.1.0.3
              x.db.prod.svc.z.test. 5 A 10.1.0.4
              db.prod.svc.z.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 A 10.1.0.3
              db.prod.svc.z.test. 5 A 10.1.0.4
              10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
              10-1-0-2.db.prod.svc.z.test. 5 A 10.1.0.2
        "#]],
    );
}

#[test]
fn endpoints_may_be_called_like_their_pods() {
    let objects = [
        headless(),
        slice(
            "db-a",
            "db",
            "",
            "10.1.0.1 pod=db-7f, 10.1.0.2 name=db-1 pod=db-8a, 10.1.0.3",
        ),
    ];
    check(
        &objects,
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
          2.0.1.10.in-addr.arpa. 5 PTR db-1.db.prod.svc.z.test.
          3.0.1.10.in-addr.arpa. 5 PTR 10-1-0-3.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          db.prod.svc.z.test. 5 A 10.1.0.2
          db.prod.svc.z.test. 5 A 10.1.0.3
          db-1.db.prod.svc.z.test. 5 A 10.1.0.2
          10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-3.db.prod.svc.z.test. 5 A 10.1.0.3
    "#]],
    );
    let settings = with(|settings| settings.endpoint_pod_names = true);
    check_with(
        &settings,
        &objects,
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR db-7f.db.prod.svc.z.test.
          2.0.1.10.in-addr.arpa. 5 PTR db-1.db.prod.svc.z.test.
          3.0.1.10.in-addr.arpa. 5 PTR 10-1-0-3.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          db.prod.svc.z.test. 5 A 10.1.0.2
          db.prod.svc.z.test. 5 A 10.1.0.3
          db-1.db.prod.svc.z.test. 5 A 10.1.0.2
          db-7f.db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-3.db.prod.svc.z.test. 5 A 10.1.0.3
    "#]],
    );
    let mut node = slice("db-a", "db", "", "10.1.0.1 pod=n");
    node["endpoints"][0]["targetRef"]["kind"] = "Node".into();
    check_with(
        &settings,
        &[headless(), node],
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
}

#[test]
fn an_endpoint_whose_pod_has_no_label_for_a_name_is_called_by_address() {
    let settings = with(|settings| settings.endpoint_pod_names = true);
    let endpoints = format!("10.1.0.1 pod=a.b, 10.1.0.2 pod={}", "x".repeat(64));
    let objects = [headless(), slice("db-a", "db", "TCP/5432", &endpoints)];
    check_with(
        &settings,
        &objects,
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
          2.0.1.10.in-addr.arpa. 5 PTR 10-1-0-2.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          db.prod.svc.z.test. 5 A 10.1.0.2
          db.prod.svc.z.test. 5 SRV 0 100 5432 10-1-0-1.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 SRV 0 100 5432 10-1-0-2.db.prod.svc.z.test.
          10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-2.db.prod.svc.z.test. 5 A 10.1.0.2
    "#]],
    );
}

#[test]
fn zones_of_endpoints_are_told() {
    check(
        &[
            headless(),
            slice(
                "db-a",
                "db",
                "",
                "10.1.0.9 name=n zone=b, 10.1.0.1 name=n zone=a, 10.1.0.2 name=n, \
                 10.1.0.3 name=n zone=a, 10.1.0.4 name=n zone=b notready, 10.1.0.3 name=n zone=b",
            ),
            slice("web-a", "web", "", "10.1.0.5 zone=a"),
            service("web", "10.96.0.1", ""),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              a ["10.1.0.1","10.1.0.3"]
              b ["10.1.0.9"]
              1.0.1.10.in-addr.arpa. 5 PTR n.db.prod.svc.z.test.
              2.0.1.10.in-addr.arpa. 5 PTR n.db.prod.svc.z.test.
              3.0.1.10.in-addr.arpa. 5 PTR n.db.prod.svc.z.test.
              9.0.1.10.in-addr.arpa. 5 PTR n.db.prod.svc.z.test.
              n.db.prod.svc.z.test. 5 A 10.1.0.1
              n.db.prod.svc.z.test. 5 A 10.1.0.2
              n.db.prod.svc.z.test. 5 A 10.1.0.3
              n.db.prod.svc.z.test. 5 A 10.1.0.9
              db.prod.svc.z.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 A 10.1.0.3
              db.prod.svc.z.test. 5 A 10.1.0.9
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
        "#]],
    );
    let mut open = headless();
    open["spec"]["publishNotReadyAddresses"] = true.into();
    check(
        &[
            open,
            slice("db-a", "db", "", "fd00:1::4 name=n zone=b notready"),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              b ["fd00:1::4"]
              4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa. 5 PTR n.db.prod.svc.z.test.
              n.db.prod.svc.z.test. 5 AAAA fd00:1::4
              db.prod.svc.z.test. 5 AAAA fd00:1::4
        "#]],
    );
}

#[test]
fn ports_are_those_of_the_slice() {
    check(
        &[
            headless(),
            slice("db-a", "db", "pg/TCP/6432 TCP/9000", "10.1.0.1 name=db-0"),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              1.0.1.10.in-addr.arpa. 5 PTR db-0.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 SRV 0 100 6432 db-0.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 SRV 0 100 9000 db-0.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 6432 db-0.db.prod.svc.z.test.
              db-0.db.prod.svc.z.test. 5 A 10.1.0.1
        "#]],
    );
    let mut all = slice("db-a", "db", "", "10.1.0.1 name=db-0");
    all["ports"] = json!([{"name": "every", "port": null}]);
    check(
        &[headless(), all],
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR db-0.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          db-0.db.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
    let mut none = slice("db-a", "db", "", "10.1.0.1 name=db-0");
    none["ports"] = Value::Null;
    check(
        &[headless(), none],
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR db-0.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          db-0.db.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
}

#[test]
fn only_ready_endpoints_count() {
    check(
        &[
            headless(),
            slice(
                "db-a",
                "db",
                "",
                "10.1.0.1, 10.1.0.2 ready, 10.1.0.3 notready",
            ),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
              2.0.1.10.in-addr.arpa. 5 PTR 10-1-0-2.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 A 10.1.0.2
              10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
              10-1-0-2.db.prod.svc.z.test. 5 A 10.1.0.2
        "#]],
    );
    check(
        &[headless(), slice("db-a", "db", "", "10.1.0.3 notready")],
        expect![[""]],
    );
    let mut eager = headless();
    eager["spec"]["publishNotReadyAddresses"] = true.into();
    check(
        &[
            eager,
            slice("db-a", "db", "", "10.1.0.2, 10.1.0.3 notready"),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              2.0.1.10.in-addr.arpa. 5 PTR 10-1-0-2.db.prod.svc.z.test.
              3.0.1.10.in-addr.arpa. 5 PTR 10-1-0-3.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 A 10.1.0.3
              10-1-0-2.db.prod.svc.z.test. 5 A 10.1.0.2
              10-1-0-3.db.prod.svc.z.test. 5 A 10.1.0.3
        "#]],
    );
    let mut unknown = slice("db-a", "db", "", "10.1.0.1");
    unknown["endpoints"][0]["conditions"] = json!({});
    check(
        &[headless(), unknown],
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
}

#[test]
fn every_slice_has_its_own_key() {
    check(
        &[
            headless(),
            slice("db-a", "db", "pg/TCP/5432", "10.1.0.1, 10.1.0.2 name=x"),
            slice("db-b", "db", "pg/TCP/5433", "10.1.0.2 name=x, fd00:1::3"),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
              2.0.1.10.in-addr.arpa. 5 PTR x.db.prod.svc.z.test.
              x.db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 SRV 0 100 5432 x.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 SRV 0 100 5432 10-1-0-1.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5432 x.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5432 10-1-0-1.db.prod.svc.z.test.
              10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
            endpointslices/prod/db-b
              2.0.1.10.in-addr.arpa. 5 PTR x.db.prod.svc.z.test.
              3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa. 5 PTR fd00-1--3.db.prod.svc.z.test.
              x.db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 A 10.1.0.2
              db.prod.svc.z.test. 5 AAAA fd00:1::3
              db.prod.svc.z.test. 5 SRV 0 100 5433 x.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 SRV 0 100 5433 fd00-1--3.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5433 x.db.prod.svc.z.test.
              _pg._tcp.db.prod.svc.z.test. 5 SRV 0 100 5433 fd00-1--3.db.prod.svc.z.test.
              fd00-1--3.db.prod.svc.z.test. 5 AAAA fd00:1::3
        "#]],
    );
}

#[test]
fn a_slice_without_a_headless_service_has_no_names() {
    let endpoints = || slice("db-a", "db", "pg/TCP/5432", "10.1.0.1");
    check(&[endpoints()], expect![[""]]);
    check(&[endpoints(), service("other", "None", "")], expect![[""]]);
    check(
        &[endpoints(), service("elsewhere/db", "None", "")],
        expect![[""]],
    );
    check(
        &[endpoints(), alias("db", "www.example.org")],
        expect![[r#"
            services/prod/db
              db.prod.svc.z.test. 5 CNAME www.example.org.
        "#]],
    );
    let mut lost = endpoints();
    lost["metadata"]["labels"] = Value::Null;
    check(&[lost, headless()], expect![[""]]);
}

#[test]
fn a_slice_moves_to_another_service() {
    let other = service("cache", "None", "");
    let settings = with(|settings| settings.ignore_empty_services = true);
    let start = [
        namespace("prod"),
        headless(),
        other.clone(),
        slice("a", "db", "", "10.1.0.1"),
    ];
    let mut index = index(&settings, &start);
    let keys = index.apply(&object(&slice("a", "cache", "", "10.1.0.1")));
    let mut keys: Vec<String> = keys.iter().map(|key| short(key)).collect();
    keys.sort();
    expect![[r#"["endpointslices/prod/a", "endpointslices/prod/a", "services/prod/cache", "services/prod/db"]"#]].assert_eq(&format!("{keys:?}"));
    expect![[r#"
        endpointslices/prod/a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.cache.prod.svc.z.test.
          cache.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.cache.prod.svc.z.test. 5 A 10.1.0.1
    "#]]
    .assert_eq(&shown(&index, |key| key.contains("/a")));
    // The former service changes it no more.
    let keys = index.apply(&object(&service("db", "10.96.0.1", "")));
    assert_eq!(
        keys.iter().map(|key| short(key)).collect::<Vec<_>>(),
        ["services/prod/db"]
    );
}

#[test]
fn slices_of_names_are_refused() {
    let mut fqdn = slice("db-a", "db", "", "www.example.org");
    fqdn["addressType"] = "FQDN".into();
    check(
        &[headless(), fqdn],
        expect![[r#"
        AddressTypeRefused: addressType: FQDN endpoints have no addresses; use IPv4 or IPv6
    "#]],
    );
}

#[test]
fn an_address_that_is_none_is_refused_and_the_rest_stays() {
    check(
        &[
            headless(),
            slice("db-a", "db", "", "10.1.0.1, 10.1.0.x, nonsense"),
        ],
        expect![[r#"
            endpointslices/prod/db-a
              1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
              db.prod.svc.z.test. 5 A 10.1.0.1
              10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
            AddressRefused: endpoints.addresses: `10.1.0.x` is no address
            AddressRefused: endpoints.addresses: `nonsense` is no address
        "#]],
    );
}

#[test]
fn a_hostname_that_is_no_label_gives_no_name_but_the_address_stays() {
    let long = "x".repeat(64);
    let endpoints = format!("10.1.0.1 name={long}");
    check(
        &[headless(), slice("db-a", "db", "pg/TCP/5432", &endpoints)],
        expect![[r#"
            endpointslices/prod/db-a
              db.prod.svc.z.test. 5 A 10.1.0.1
        "#]],
    );
}

#[test]
fn the_order_of_endpoints_does_not_matter() {
    let of = |endpoints| {
        let objects = [
            namespace("prod"),
            headless(),
            slice("db-a", "db", "pg/TCP/5432", endpoints),
        ];
        values(&index(&settings(), &objects))
    };
    let sorted = of("10.1.0.1 name=a, 10.1.0.2 name=b, 10.1.0.3, fd00:1::4");
    assert_eq!(
        sorted,
        of("fd00:1::4, 10.1.0.3, 10.1.0.2 name=b, 10.1.0.1 name=a")
    );
    assert_eq!(
        sorted,
        of("10.1.0.2 name=b, fd00:1::4, 10.1.0.1 name=a, 10.1.0.3, 10.1.0.3")
    );
}

#[test]
fn too_many_endpoints_are_an_error_and_not_a_missing_value() {
    let endpoints: Vec<Value> = (0..30_000u32)
        .map(|n| json!({"addresses": [std::net::Ipv4Addr::from_bits(0x0a01_0000 + n).to_string()]}))
        .collect();
    let mut large = slice("db-a", "db", "pg/TCP/5432", "");
    large["endpoints"] = endpoints.into();
    let index = index(&settings(), &[namespace("prod"), headless(), large]);
    let key = bundle::key(PREFIX, "c", Kind::EndpointSlices, "prod", "db-a");
    assert!(index.keys().contains(&key));
    assert!(matches!(
        index.value(&key),
        Err(EncodeError::ValueTooLarge { .. })
    ));
    assert_eq!(index.endpoints(), 30_000);
}
