//! What is reached from outside of the cluster, and what comes from other clusters.

use super::objects::{balanced, import, imported_slice, slice};
use super::*;

fn lb() -> Value {
    let mut object = service("lb", "10.96.0.7", "http/TCP/80");
    object["spec"]["externalIPs"] = json!(["10.200.0.1", "198.51.100.2"]);
    balanced(object, "198.51.100.9 198.51.100.2 fd00:200::1")
}

fn external(source: ExternalSource) -> Settings {
    with(|settings| {
        settings.external_zones = names(&["pub.test", "more.test"]);
        settings.external_source = source;
    })
}

#[test]
fn external_addresses_come_from_their_source() {
    check(
        &[lb()],
        expect![[r#"
        services/prod/lb
          7.0.96.10.in-addr.arpa. 5 PTR lb.prod.svc.z.test.
          lb.prod.svc.z.test. 5 A 10.96.0.7
          lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
          _http._tcp.lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
    "#]],
    );
    check_with(
        &external(ExternalSource::Any),
        &[lb()],
        expect![[r#"
        services/prod/lb
          1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.d.f.ip6.arpa. 5 PTR lb.prod.pub.test.
          1.0.200.10.in-addr.arpa. 5 PTR lb.prod.pub.test.
          7.0.96.10.in-addr.arpa. 5 PTR lb.prod.svc.z.test.
          lb.prod.pub.test. 5 A 10.200.0.1
          lb.prod.pub.test. 5 A 198.51.100.2
          lb.prod.pub.test. 5 A 198.51.100.9
          lb.prod.pub.test. 5 AAAA fd00:200::1
          lb.prod.pub.test. 5 SRV 0 100 80 lb.prod.pub.test.
          lb.prod.svc.z.test. 5 A 10.96.0.7
          lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
          lb.prod.more.test. 5 A 10.200.0.1
          lb.prod.more.test. 5 A 198.51.100.2
          lb.prod.more.test. 5 A 198.51.100.9
          lb.prod.more.test. 5 AAAA fd00:200::1
          lb.prod.more.test. 5 SRV 0 100 80 lb.prod.more.test.
          _http._tcp.lb.prod.pub.test. 5 SRV 0 100 80 lb.prod.pub.test.
          _http._tcp.lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
          _http._tcp.lb.prod.more.test. 5 SRV 0 100 80 lb.prod.more.test.
    "#]],
    );
}

#[test]
fn external_addresses_come_from_one_source_alone() {
    check_with(
        &external(ExternalSource::LoadBalancer),
        &[lb()],
        expect![[r#"
            services/prod/lb
              1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.d.f.ip6.arpa. 5 PTR lb.prod.pub.test.
              7.0.96.10.in-addr.arpa. 5 PTR lb.prod.svc.z.test.
              lb.prod.pub.test. 5 A 198.51.100.2
              lb.prod.pub.test. 5 A 198.51.100.9
              lb.prod.pub.test. 5 AAAA fd00:200::1
              lb.prod.pub.test. 5 SRV 0 100 80 lb.prod.pub.test.
              lb.prod.svc.z.test. 5 A 10.96.0.7
              lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
              lb.prod.more.test. 5 A 198.51.100.2
              lb.prod.more.test. 5 A 198.51.100.9
              lb.prod.more.test. 5 AAAA fd00:200::1
              lb.prod.more.test. 5 SRV 0 100 80 lb.prod.more.test.
              _http._tcp.lb.prod.pub.test. 5 SRV 0 100 80 lb.prod.pub.test.
              _http._tcp.lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
              _http._tcp.lb.prod.more.test. 5 SRV 0 100 80 lb.prod.more.test.
        "#]],
    );
    check_with(
        &external(ExternalSource::ExternalIp),
        &[lb()],
        expect![[r#"
            services/prod/lb
              1.0.200.10.in-addr.arpa. 5 PTR lb.prod.pub.test.
              7.0.96.10.in-addr.arpa. 5 PTR lb.prod.svc.z.test.
              lb.prod.pub.test. 5 A 10.200.0.1
              lb.prod.pub.test. 5 A 198.51.100.2
              lb.prod.pub.test. 5 SRV 0 100 80 lb.prod.pub.test.
              lb.prod.svc.z.test. 5 A 10.96.0.7
              lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
              lb.prod.more.test. 5 A 10.200.0.1
              lb.prod.more.test. 5 A 198.51.100.2
              lb.prod.more.test. 5 SRV 0 100 80 lb.prod.more.test.
              _http._tcp.lb.prod.pub.test. 5 SRV 0 100 80 lb.prod.pub.test.
              _http._tcp.lb.prod.svc.z.test. 5 SRV 0 100 80 lb.prod.svc.z.test.
              _http._tcp.lb.prod.more.test. 5 SRV 0 100 80 lb.prod.more.test.
        "#]],
    );
}

#[test]
fn a_load_balancer_may_give_a_name() {
    let named = || {
        balanced(
            service("lb", "None", "http/TCP/80"),
            "b.cloud.test a.cloud.test.",
        )
    };
    check_with(
        &external(ExternalSource::Any),
        &[named()],
        expect![[r#"
        services/prod/lb
          lb.prod.pub.test. 5 CNAME a.cloud.test.
          lb.prod.more.test. 5 CNAME a.cloud.test.
    "#]],
    );
    check_with(
        &external(ExternalSource::ExternalIp),
        &[named()],
        expect![[""]],
    );
    // An address says more than a name.
    let both = balanced(service("lb", "None", ""), "a.cloud.test 198.51.100.9");
    check_with(
        &external(ExternalSource::Any),
        &[both],
        expect![[r#"
        services/prod/lb
          lb.prod.pub.test. 5 A 198.51.100.9
          lb.prod.more.test. 5 A 198.51.100.9
    "#]],
    );
    let bad = balanced(service("lb", "None", ""), "a..b");
    check_with(
        &external(ExternalSource::Any),
        &[bad],
        expect![[r#"
        AddressRefused: status.loadBalancer.ingress: `a..b`: label 2 is empty: a name is labels of 1 to 63 octets between single dots
    "#]],
    );
}

#[test]
fn external_addresses_that_are_none_are_refused() {
    let mut object = service("lb", "None", "");
    object["spec"]["externalIPs"] = json!(["nonsense", "198.51.100.2"]);
    object["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.999"}]}});
    check_with(
        &external(ExternalSource::Any),
        &[object],
        expect![[r#"
        services/prod/lb
          lb.prod.pub.test. 5 A 198.51.100.2
          lb.prod.more.test. 5 A 198.51.100.2
        AddressRefused: spec.externalIPs: `nonsense` is no address
        AddressRefused: status.loadBalancer.ingress: `10.0.0.999` is no address
    "#]],
    );
}

fn set() -> Settings {
    with(|settings| settings.clusterset_zones = names(&["set.test"]))
}

#[test]
fn imports_with_addresses_have_those() {
    let objects = [
        import("shop", "10.112.0.1 fd00:112::1", "http/TCP/80"),
        imported_slice("shop-eu", ("shop", "eu"), "http/TCP/80", "10.1.0.1 name=x"),
    ];
    check_with(
        &set(),
        &objects,
        expect![[r#"
        serviceimports/prod/shop
          shop.prod.svc.set.test. 5 A 10.112.0.1
          shop.prod.svc.set.test. 5 AAAA fd00:112::1
          shop.prod.svc.set.test. 5 SRV 0 100 80 shop.prod.svc.set.test.
          _http._tcp.shop.prod.svc.set.test. 5 SRV 0 100 80 shop.prod.svc.set.test.
    "#]],
    );
    check(&objects, expect![[""]]);
    check_with(
        &set(),
        &[import("odd", "10.112.0.1 x", "")],
        expect![[r#"
        serviceimports/prod/odd
          odd.prod.svc.set.test. 5 A 10.112.0.1
        AddressRefused: spec.ips: `x` is no address
    "#]],
    );
}

#[test]
fn headless_imports_have_endpoints_of_all_clusters() {
    let objects = [
        import("shop", "", "http/TCP/80"),
        imported_slice(
            "shop-eu",
            ("shop", "eu"),
            "http/TCP/80",
            "10.1.0.1 name=x, 10.1.0.2",
        ),
        imported_slice(
            "shop-us",
            ("shop", "us"),
            "http/TCP/80",
            "10.2.0.1 name=x, 10.2.0.3 notready",
        ),
    ];
    check_with(
        &set(),
        &objects,
        expect![[r#"
        endpointslices/prod/shop-eu
          x.eu.shop.prod.svc.set.test. 5 A 10.1.0.1
          shop.prod.svc.set.test. 5 A 10.1.0.1
          shop.prod.svc.set.test. 5 A 10.1.0.2
          shop.prod.svc.set.test. 5 SRV 0 100 80 x.eu.shop.prod.svc.set.test.
          shop.prod.svc.set.test. 5 SRV 0 100 80 10-1-0-2.eu.shop.prod.svc.set.test.
          _http._tcp.shop.prod.svc.set.test. 5 SRV 0 100 80 x.eu.shop.prod.svc.set.test.
          _http._tcp.shop.prod.svc.set.test. 5 SRV 0 100 80 10-1-0-2.eu.shop.prod.svc.set.test.
          10-1-0-2.eu.shop.prod.svc.set.test. 5 A 10.1.0.2
        endpointslices/prod/shop-us
          x.us.shop.prod.svc.set.test. 5 A 10.2.0.1
          shop.prod.svc.set.test. 5 A 10.2.0.1
          shop.prod.svc.set.test. 5 SRV 0 100 80 x.us.shop.prod.svc.set.test.
          _http._tcp.shop.prod.svc.set.test. 5 SRV 0 100 80 x.us.shop.prod.svc.set.test.
    "#]],
    );
    let mut nowhere = imported_slice("shop-x", ("shop", ""), "", "10.1.0.1 name=x");
    let labels = nowhere["metadata"]["labels"]
        .as_object_mut()
        .expect("an object");
    labels.remove("multicluster.kubernetes.io/source-cluster");
    check_with(
        &set(),
        &[import("shop", "", ""), nowhere],
        expect![[r#"
        endpointslices/prod/shop-x
          x.shop.prod.svc.set.test. 5 A 10.1.0.1
          shop.prod.svc.set.test. 5 A 10.1.0.1
    "#]],
    );
}

#[test]
fn a_service_and_an_import_of_one_name_share_nothing() {
    let objects = [
        import("shop", "", ""),
        service("shop", "None", ""),
        slice("local", "shop", "", "10.1.0.1"),
        imported_slice("far", ("shop", "eu"), "", "10.2.0.1"),
    ];
    check_with(
        &set(),
        &objects,
        expect![[r#"
        endpointslices/prod/far
          shop.prod.svc.set.test. 5 A 10.2.0.1
          10-2-0-1.eu.shop.prod.svc.set.test. 5 A 10.2.0.1
        endpointslices/prod/local
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.shop.prod.svc.z.test.
          shop.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.shop.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
}
