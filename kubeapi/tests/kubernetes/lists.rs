//! Lists beyond the recordings: pages, versions of the past, namespaces, selectors, and which
//! groups there are.

use serde_json::Value;

use crate::client::{service, slice};
use crate::exchange::Exchange;
use crate::stand_in::StandIn;

/// What a GET is answered with.
fn get(stand_in: &StandIn, path: &str) -> Value {
    Exchange::ask(stand_in.address(), "GET", path, "").object()
}

/// The names in a list.
fn names(list: &Value) -> String {
    let items = list["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no list: {list}"));
    let names = items
        .iter()
        .filter_map(|item| item["metadata"]["name"].as_str());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn pages_are_of_one_version() {
    let stand_in = StandIn::start();
    for (namespace, name) in [("shop", "a"), ("shop", "b"), ("shop-2", "c"), ("a", "d")] {
        stand_in.apply(service(namespace, name, "1"));
    }
    let first = get(&stand_in, "/api/v1/services?limit=2");
    // Keys are compared as a whole, and `-` is less than `/`.
    assert_eq!(names(&first), "d c");
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let token = first["metadata"]["continue"].as_str().expect("a token");
    stand_in.delete("Service", "shop", "a");
    stand_in.apply(service("shop", "bb", "1"));
    let next = format!("/api/v1/services?limit=2&continue={token}");
    let second = get(&stand_in, &next);
    assert_eq!(names(&second), "a b");
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert!(second["metadata"]["continue"].is_null());
    let both = get(&stand_in, &format!("{next}&resourceVersion=7"));
    assert_eq!(both["code"], 400);
    stand_in.compact();
    let expired = Exchange::ask(stand_in.address(), "GET", &next, "");
    assert_eq!(expired.status, "HTTP/1.1 410 Gone");
    assert_eq!(expired.object()["reason"], "Expired");
    // From the cache all comes at once.
    let cached = get(&stand_in, "/api/v1/services?limit=1&resourceVersion=0");
    assert_eq!(names(&cached), "d c b bb");
}

#[test]
fn versions_of_the_past_are_listed_until_compacted() {
    let stand_in = StandIn::start();
    stand_in.apply(service("shop", "a", "1"));
    let before = stand_in.revision();
    stand_in.apply(service("shop", "a", "2"));
    stand_in.apply(service("shop", "b", "1"));
    let exact = format!("/api/v1/services?resourceVersion={before}&resourceVersionMatch=Exact");
    let list = get(&stand_in, &exact);
    assert_eq!(names(&list), "a");
    assert_eq!(list["items"][0]["metadata"]["labels"]["n"], "1");
    let newer = exact.replace("Exact", "NotOlderThan");
    assert_eq!(names(&get(&stand_in, &newer)), "a b");
    stand_in.compact();
    assert_eq!(get(&stand_in, &exact)["code"], 410);
    assert_eq!(names(&get(&stand_in, &newer)), "a b");
}

#[test]
fn what_may_not_be_asked_together_is_refused() {
    let stand_in = StandIn::start();
    for (query, code) in [
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422),
        ("resourceVersionMatch=Other&resourceVersion=1", 422),
        ("sendInitialEvents=true", 422),
        ("watch=true&resourceVersionMatch=NotOlderThan", 422),
        ("limit=x", 400),
        ("labelSelector=a%20b", 400),
        ("fieldSelector=spec.type%3Dx", 400),
    ] {
        let answer = get(&stand_in, &format!("/api/v1/services?{query}"));
        assert_eq!(answer["code"], code, "{query}");
    }
}

#[test]
fn a_list_is_of_its_namespace_and_selection() {
    let stand_in = StandIn::start();
    stand_in.apply(service("shop", "a", "1"));
    stand_in.apply(service("shop", "b", "2"));
    stand_in.apply(service("other", "a", "2"));
    for (path, expected) in [
        ("namespaces/shop/services", "a b"),
        ("namespaces/none/services", ""),
        ("services?labelSelector=n%3D2", "a b"),
        ("namespaces/shop/services?labelSelector=n%20in%20(2,3)", "b"),
        ("services?fieldSelector=metadata.namespace%3Dother", "a"),
        ("services?labelSelector=n!%3D2,n", "a"),
    ] {
        assert_eq!(
            names(&get(&stand_in, &format!("/api/v1/{path}"))),
            expected,
            "{path}"
        );
    }
    let page = get(&stand_in, "/api/v1/services?limit=1&labelSelector=n%3D2");
    assert!(page["metadata"]["continue"].is_string());
    assert!(page["metadata"]["remainingItemCount"].is_null());
}

#[test]
fn service_imports_are_there_when_switched_on() {
    let stand_in = StandIn::start();
    let group = "/apis/multicluster.x-k8s.io/v1alpha1";
    for path in [group.to_owned(), format!("{group}/serviceimports")] {
        let missing = Exchange::ask(stand_in.address(), "GET", &path, "");
        assert_eq!(missing.status, "HTTP/1.1 404 Not Found");
        assert_eq!(missing.body(), "404 page not found\n");
        stand_in.faults(|faults| faults.service_imports = true);
        assert!(
            get(&stand_in, &path)["kind"]
                .as_str()
                .is_some_and(|kind| kind.ends_with("List"))
        );
        stand_in.faults(|faults| faults.service_imports = false);
    }
    stand_in.faults(|faults| faults.service_imports = true);
    stand_in.apply(serde_json::json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"name": "db", "namespace": "shop"},
    }));
    let list = get(&stand_in, &format!("{group}/serviceimports"));
    // Items of custom resources say their kind.
    assert_eq!(list["items"][0]["kind"], "ServiceImport");
}

#[test]
fn one_version_is_of_all_kinds() {
    let stand_in = StandIn::start();
    stand_in.apply(service("shop", "a", "1"));
    stand_in.apply(slice("shop", "a", "10.1.2.3"));
    let list = get(&stand_in, "/api/v1/services");
    assert_eq!(
        list["metadata"]["resourceVersion"],
        stand_in.revision().to_string()
    );
}
