//! The cluster that the table of names is asked against.

use serde_json::Value;

use super::objects::{
    annotated, balanced, external_name, imported_slice, namespace, pod, service, service_import,
    slice,
};

const HTTP: &[&str] = &["http/TCP/80"];
const HEADLESS: &[&str] = &["None"];

/// Every object, in an order in which a server takes them.
pub(crate) fn objects() -> Vec<Value> {
    let mut all: Vec<Value> = ["prod", "podns", "hidden", "com"].map(namespace).into();
    all.extend(services());
    all.extend(headless());
    all.extend(aliases());
    all.extend(annotated_services());
    all.push(pod("podns/p1", &["10.40.0.7", "fd00:40::7"]));
    all
}

/// Objects of the multi-cluster API, which not every server has.
pub(crate) fn imports() -> Vec<Value> {
    vec![
        service_import("prod/web", &["10.21.0.10"], HTTP),
        service_import("prod/hd", &[], &["h/TCP/80"]),
        imported_slice("prod/hd", "c1", &["h/TCP/80"], &["10.31.0.1 name=n0"]),
        imported_slice(
            "prod/hd",
            "c2",
            &["h/TCP/80"],
            &["10.31.0.2 name=n0", "10.31.0.3"],
        ),
    ]
}

fn services() -> Vec<Value> {
    vec![
        service("prod/web", &["10.20.0.10"], HTTP),
        slice("prod/web", "a", HTTP, &["10.30.1.1"]),
        service("prod/web0", &["10.20.0.11"], HTTP),
        slice("prod/web0", "a", HTTP, &[]),
        service("prod/web6", &["fd00:20::10"], HTTP),
        service("prod/dual", &["10.20.0.30", "fd00:20::30"], HTTP),
        service(
            "prod/multi",
            &["10.20.0.40"],
            &["http/TCP/80", "dns/UDP/53"],
        ),
        service("hidden/web", &["10.20.0.90"], HTTP),
        slice("hidden/web", "a", HTTP, &["10.30.9.1"]),
        service("com/example", &["10.20.0.91"], HTTP),
        balanced(service("prod/lb", &["10.20.0.70"], HTTP), "198.51.100.7"),
        balanced(service("prod/lbh", &["10.20.0.72"], HTTP), "elb.cloud.test"),
    ]
}

fn headless() -> Vec<Value> {
    let sixty: Vec<String> = (1..=60).map(|last| format!("10.30.4.{last}")).collect();
    let sixty: Vec<&str> = sixty.iter().map(String::as_str).collect();
    let pg = &["pg/TCP/5432"];
    let mut early = service("prod/early", HEADLESS, HTTP);
    early["spec"]["publishNotReadyAddresses"] = true.into();
    let four = &[
        "10.30.0.2",
        "10.30.0.3",
        "10.30.0.4 name=rep",
        "10.30.0.5 name=rep",
    ];
    vec![
        service("prod/db", HEADLESS, pg),
        slice("prod/db", "a", pg, four),
        slice("prod/db", "b", pg, &["fd00:30::1", "fd00:30::2"]),
        service("prod/wide", HEADLESS, HTTP),
        slice("prod/wide", "a", HTTP, &sixty),
        service("prod/raw", HEADLESS, &[]),
        slice("prod/raw", "a", &[], &["10.30.0.20"]),
        service("prod/cold", HEADLESS, HTTP),
        slice("prod/cold", "a", HTTP, &["10.30.0.30 notready"]),
        early,
        slice(
            "prod/early",
            "a",
            HTTP,
            &["10.30.0.31", "10.30.0.32 notready"],
        ),
        service("prod/skew", HEADLESS, HTTP),
        slice("prod/skew", "a", HTTP, &["10.30.0.50 name=s0"]),
        slice("prod/skew", "b", HTTP, &["10.30.0.50 name=s0"]),
        service("prod/sh1", HEADLESS, &["h/TCP/80"]),
        slice("prod/sh1", "a", &["h/TCP/80"], &["10.30.0.99 name=twin"]),
        service("prod/sh2", HEADLESS, &["h/TCP/80"]),
        slice("prod/sh2", "a", &["h/TCP/80"], &["10.30.0.99 name=twin"]),
    ]
}

fn aliases() -> Vec<Value> {
    vec![
        external_name("prod/ext", "ext.example.test"),
        external_name("prod/alias", "web.prod.svc.cluster.local"),
        external_name("prod/lit", "192.0.2.7"),
    ]
}

fn annotated_services() -> Vec<Value> {
    let service = |path, addresses| service(path, addresses, HTTP);
    vec![
        annotated(
            service("prod/slow", &["10.20.0.80"]),
            "containerdns.io/ttl",
            "77",
        ),
        annotated(
            service("prod/never", &["10.20.0.81"]),
            "containerdns.io/ttl",
            "-1",
        ),
        annotated(
            service("prod/one", HEADLESS),
            "containerdns.io/policy",
            "sticky",
        ),
        slice(
            "prod/one",
            "a",
            HTTP,
            &["10.30.2.1", "10.30.2.2", "10.30.2.3"],
        ),
        annotated(
            service("prod/shop", &["10.20.0.82"]),
            "containerdns.io/hostname",
            "shop.t.test, www.example.org, web.prod.svc.cluster.local, lbh.prod.pub.test, *.t.test",
        ),
    ]
}
