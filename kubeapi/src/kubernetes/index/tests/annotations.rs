//! What annotations of a Service may ask for.

use super::objects::{alias, annotated, slice};
use super::*;

fn web() -> Value {
    service("web", "10.96.0.1", "")
}

#[test]
fn a_ttl_is_seconds() {
    check(
        &[annotated(web(), "ttl", "0")],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 0 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 0 A 10.96.0.1
    "#]],
    );
    check(
        &[annotated(web(), "ttl", " 2147483647 ")],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 2147483647 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 2147483647 A 10.96.0.1
    "#]],
    );
    for bad in ["2147483648", "-1", "5s", "", "1.5"] {
        let told = shown(&index(&settings(), &[annotated(web(), "ttl", bad)]), |_| {
            false
        });
        let refused = format!("`{bad}` is no TTL; write seconds, 0 to 2147483647\n");
        assert!(told.ends_with(&refused), "{told}");
    }
    // A bad one changes nothing else.
    check(
        &[annotated(web(), "ttl", "soon")],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
        AnnotationRefused: containerdns.io/ttl: `soon` is no TTL; write seconds, 0 to 2147483647
    "#]],
    );
}

#[test]
fn endpoints_of_a_headless_service_take_its_ttl_and_policy() {
    let object = annotated(service("db", "None", ""), "ttl", "60");
    let object = annotated(object, "policy", "sticky");
    check(
        &[object, slice("db-a", "db", "", "10.1.0.1")],
        expect![[r#"
            endpointslices/prod/db-a
              policy sticky
              1.0.1.10.in-addr.arpa. 60 PTR 10-1-0-1.db.prod.svc.z.test.
              db.prod.svc.z.test. 60 A 10.1.0.1
              10-1-0-1.db.prod.svc.z.test. 60 A 10.1.0.1
        "#]],
    );
}

#[test]
fn a_policy_is_one_of_ours() {
    check(
        &[annotated(web(), "policy", "random-one")],
        expect![[r#"
        services/prod/web
          policy random-one
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
    "#]],
    );
    check(
        &[annotated(web(), "policy", "random")],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
            AnnotationRefused: containerdns.io/policy: `random` is no answer policy: write rotate, random-one, sticky, subset or weighted
        "#]],
    );
}

#[test]
fn more_names_lie_in_zones_for_them() {
    let asks = |names: &str| annotated(web(), "hostname", names);
    check(
        &[asks("Shop.apps.test., www.z.test,, shop.apps.test")],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
              www.z.test. 5 A 10.96.0.1
              shop.apps.test. 5 A 10.96.0.1
        "#]],
    );
    check(
        &[annotated(
            alias("ext", "www.example.org"),
            "hostname",
            "x.apps.test",
        )],
        expect![[r#"
            services/prod/ext
              x.apps.test. 5 CNAME www.example.org.
              ext.prod.svc.z.test. 5 CNAME www.example.org.
        "#]],
    );
    check(
        &[
            annotated(service("db", "None", ""), "hostname", "db.apps.test"),
            slice("a", "db", "", "10.1.0.1 name=x"),
        ],
        expect![[r#"
            endpointslices/prod/a
              1.0.1.10.in-addr.arpa. 5 PTR x.db.prod.svc.z.test.
              x.db.prod.svc.z.test. 5 A 10.1.0.1
              db.apps.test. 5 A 10.1.0.1
              db.prod.svc.z.test. 5 A 10.1.0.1
        "#]],
    );
    check(
        &[annotated(
            alias("ext", "x.apps.test"),
            "hostname",
            "x.apps.test",
        )],
        expect![[r#"
            services/prod/ext
              ext.prod.svc.z.test. 5 CNAME x.apps.test.
        "#]],
    );
}

#[test]
fn names_that_may_not_be_asked_for_are_refused() {
    let asks = |names: &str| annotated(web(), "hostname", names);
    let bad = "www.example.org, apps.test, z.test, test, a..b, other.prod.svc.z.test, SVC.z.test, \
               1-2-3-4.prod.pod.z.test, ns.dns.z.test, dns-version.z.test, svc.apps.test, .";
    check(
        &[asks(bad)],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
            AnnotationRefused: containerdns.io/hostname: `.`: lies in none of the zones for that: hostname_zones in the configuration
            AnnotationRefused: containerdns.io/hostname: `1-2-3-4.prod.pod.z.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `SVC.z.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `a..b`: label 2 is empty: a name is labels of 1 to 63 octets between single dots
            AnnotationRefused: containerdns.io/hostname: `apps.test`: is a zone itself; write a name below it
            AnnotationRefused: containerdns.io/hostname: `dns-version.z.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `ns.dns.z.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `other.prod.svc.z.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `svc.apps.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `test`: lies in none of the zones for that: hostname_zones in the configuration
            AnnotationRefused: containerdns.io/hostname: `www.example.org`: lies in none of the zones for that: hostname_zones in the configuration
            AnnotationRefused: containerdns.io/hostname: `z.test`: is a zone itself; write a name below it
        "#]],
    );
    let none = with(|settings| settings.hostname_zones.clear());
    check_with(
        &none,
        &[asks("www.apps.test")],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
            AnnotationRefused: containerdns.io/hostname: `www.apps.test`: lies in none of the zones for that: hostname_zones in the configuration
        "#]],
    );
}

#[test]
fn seventeen_names_are_one_too_many() {
    let names: Vec<String> = (1..=17).map(|n| format!("n{n}.apps.test")).collect();
    let index = index(
        &settings(),
        &[
            namespace("prod"),
            annotated(web(), "hostname", &names.join(",")),
        ],
    );
    let told = shown(&index, |key| key.starts_with("services/"));
    assert!(told.contains("n16.apps.test. 5 A") && !told.contains("n17.apps.test. 5 A"));
    let refused: Vec<_> = index
        .refusals()
        .map(|refusal| &refusal.message[..])
        .collect();
    let message = "containerdns.io/hostname: `n17.apps.test`: at most 16 names are taken";
    assert_eq!(refused, [message]);
}

#[test]
fn names_of_the_cluster_are_kept_also_when_a_zone_around_it_is_open() {
    let settings = with(|settings| {
        settings.zones = names(&["k8s.corp.test"]);
        settings.clusterset_zones = names(&["set.corp.test"]);
        settings.hostname_zones = names(&["corp.test"]);
    });
    let bad = "other.prod.svc.k8s.corp.test, 1-2-3-4.prod.pod.k8s.corp.test, \
               dns-version.k8s.corp.test, x.y.svc.set.corp.test, ok.k8s.corp.test, ok.corp.test";
    check_with(
        &settings,
        &[annotated(web(), "hostname", bad)],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.k8s.corp.test.
              ok.k8s.corp.test. 5 A 10.96.0.1
              ok.corp.test. 5 A 10.96.0.1
              web.prod.svc.k8s.corp.test. 5 A 10.96.0.1
            AnnotationRefused: containerdns.io/hostname: `1-2-3-4.prod.pod.k8s.corp.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `dns-version.k8s.corp.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `other.prod.svc.k8s.corp.test`: svc, pod, dns and dns-version in front of a zone are kept for other names
            AnnotationRefused: containerdns.io/hostname: `x.y.svc.set.corp.test`: lies in external_zones or clusterset_zones, where every name is an object's
        "#]],
    );
}

#[test]
fn probes_are_asked_for_at_the_service_and_at_its_endpoints() {
    check(
        &[annotated(web(), "probe", "http:8080/healthz")],
        expect![[r#"
            services/prod/web
              probe http:8080/healthz
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
        "#]],
    );
    let object = annotated(service("db", "None", ""), "probe", "true");
    check(
        &[object, slice("db-a", "db", "", "10.1.0.1")],
        expect![[r#"
        endpointslices/prod/db-a
          probe default
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
          db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
    check(
        &[annotated(web(), "probe", "false")],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
    "#]],
    );
    check(
        &[annotated(web(), "probe", "udp:53")],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
        AnnotationRefused: containerdns.io/probe: `udp` is no probe; write tcp, icmp, http, https or grpc
    "#]],
    );
}
