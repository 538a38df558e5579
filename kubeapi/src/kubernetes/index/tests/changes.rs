//! Which keys a change gives, and what is told of refusals.

use super::objects::{alias, annotated, import, pod, slice};
use super::*;

/// The keys that `change` gives, which must be those whose values differ, no more and no less.
fn changed(index: &mut Index, change: impl FnOnce(&mut Index) -> Keys) -> Vec<String> {
    let before = values(index);
    let given: BTreeSet<Vec<u8>> = change(index).into_iter().collect();
    let after = values(index);
    let all: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    let differs = all
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key));
    let differs: BTreeSet<Vec<u8>> = differs.cloned().collect();
    let texts = |keys: &BTreeSet<Vec<u8>>| keys.iter().map(|key| short(key)).collect::<Vec<_>>();
    assert_eq!(texts(&given), texts(&differs));
    texts(&given)
}

#[test]
fn a_change_gives_the_keys_that_it_changes() {
    let settings = with(|settings| {
        settings.pods = PodNames::Verified;
        settings.clusterset_zones = names(&["set.test"]);
    });
    let steps = [
        namespace("prod"),
        service("web", "10.96.0.1", "http/TCP/80"),
        service("web", "10.96.0.2", "http/TCP/80"),
        pod("a", "Running", "10.1.0.1"),
        pod("a", "Failed", "10.1.0.1"),
        import("shop", "10.112.0.1", ""),
        alias("web", "www.example.org"),
        annotated(alias("web", "www.example.org"), "ttl", "7"),
    ];
    let mut index = index(&settings, []);
    let mut told = String::new();
    for step in steps {
        let keys = changed(&mut index, |index| index.apply(&object(&step)));
        told += &format!("{}\n", keys.join(" "));
    }
    expect![[r#"
        namespaces/prod/prod
        services/prod/web
        services/prod/web
        pods/prod/a
        pods/prod/a
        serviceimports/prod/shop
        services/prod/web
        services/prod/web
    "#]]
    .assert_eq(&told);
}

#[test]
fn slices_change_with_their_service() {
    let mut index = index(
        &settings(),
        &[
            namespace("prod"),
            slice("a", "db", "", "10.1.0.1"),
            slice("b", "db", "", "10.1.0.2"),
            slice("c", "other", "", "10.1.0.3"),
        ],
    );
    let keys = index.apply(&object(&service("db", "None", "")));
    let keys: BTreeSet<String> = keys.iter().map(|key| short(key)).collect();
    let expected = [
        "endpointslices/prod/a",
        "endpointslices/prod/b",
        "services/prod/db",
    ];
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), expected);
    let keys = index.delete(&object(&service("db", "None", "")).id());
    assert_eq!(keys.len(), 3);
    assert_eq!(
        values(&index).len(),
        2,
        "the namespace and what belongs to the cluster"
    );
}

#[test]
fn an_equal_object_gives_no_keys() {
    let objects = [
        namespace("prod"),
        service("web", "10.96.0.1", "http/TCP/80"),
        slice(
            "a",
            "web",
            "http/TCP/80",
            "10.1.0.1 name=x, 10.1.0.2 notready",
        ),
        pod("p", "Running", "10.1.0.1"),
        import("shop", "10.112.0.1", "http/TCP/80"),
    ];
    let mut index = index(&settings(), &objects);
    for value in &objects {
        let mut value = value.clone();
        value["metadata"]["resourceVersion"] = "4711".into();
        value["metadata"]["labels"]["team"] = "any".into();
        assert_eq!(index.apply(&object(&value)), Keys::new(), "{value}");
    }
}

#[test]
fn a_list_removes_what_it_lacks_of_its_kind() {
    let objects = [
        namespace("prod"),
        service("a", "10.96.0.1", ""),
        service("b", "10.96.0.2", ""),
        service("other/c", "10.96.0.3", ""),
        slice("s", "a", "", "10.1.0.1"),
    ];
    let mut index = index(&settings(), &objects);
    let listed = HashSet::from([object(&objects[1]).id()]);
    let keys = index.retain(ObjectKind::Service, &listed);
    let keys: BTreeSet<String> = keys.iter().map(|key| short(key)).collect();
    assert_eq!(
        keys.into_iter().collect::<Vec<_>>(),
        ["services/other/c", "services/prod/b"]
    );
    assert_eq!(index.count(ObjectKind::Service), 1);
    assert_eq!(index.count(ObjectKind::EndpointSlice), 1);
    assert_eq!(index.count(ObjectKind::Namespace), 1);
    index.retain(ObjectKind::Namespace, &HashSet::new());
    assert_eq!(values(&index).len(), 1, "only what belongs to the cluster");
    assert_eq!(
        index.count(ObjectKind::Service),
        1,
        "it is known, and hidden"
    );
}

#[test]
fn deleting_what_is_not_there_changes_nothing() {
    let mut index = index(
        &settings(),
        &[namespace("prod"), service("web", "10.96.0.1", "")],
    );
    let full = values(&index);
    for other in [
        service("none", "", ""),
        slice("web", "web", "", ""),
        pod("web", "", ""),
        service("other/web", "", ""),
        namespace("none"),
    ] {
        index.delete(&object(&other).id());
        assert_eq!(values(&index), full);
    }
}

#[test]
fn keys_tell_their_kind_of_object() {
    let index = index(&settings(), []);
    let kind = |key: &str| index.object_of_key(key.as_bytes()).map(|id| id.kind);
    assert_eq!(
        kind("/containerdns-kube/c/services/prod/web"),
        Some(ObjectKind::Service)
    );
    assert_eq!(
        kind("/containerdns-kube/c/endpointslices/prod/web"),
        Some(ObjectKind::EndpointSlice)
    );
    assert_eq!(
        kind("/containerdns-kube/c/records/kube-system/dns-version"),
        Some(ObjectKind::Namespace)
    );
    for other in [
        "/containerdns-kube/d/services/prod/web",
        "/containerdns-kube/cc/services/prod/web",
        "/containerdns-kube/c/things/prod/web",
        "/containerdns-kube/c/services/prod",
        "/containerdns-kube/c/services/prod/web/more",
        "/other/c/services/prod/web",
        "",
    ] {
        assert_eq!(kind(other), None, "{other}");
        assert_eq!(index.value(other.as_bytes()), Ok(None), "{other}");
    }
    assert_eq!(
        index.object_of_key(b"/containerdns-kube/c/services/prod/\xff"),
        None
    );
}

#[test]
fn the_time_of_the_change_is_that_of_the_slice() {
    let mut object_of_slice = slice("a", "db", "", "10.1.0.1");
    let annotation = "endpoints.kubernetes.io/last-change-trigger-time";
    object_of_slice["metadata"]["annotations"][annotation] = "2026-01-02T03:04:05Z".into();
    let mut index = index(&settings(), &[object_of_slice.clone()]);
    let key = bundle::key(PREFIX, "c", Kind::EndpointSlices, "prod", "a");
    let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_767_323_045);
    assert_eq!(index.triggered_at(&key), Some(at));
    assert_eq!(
        index.triggered_at(b"/containerdns-kube/c/services/prod/a"),
        None
    );
    object_of_slice["metadata"]["annotations"][annotation] = "soon".into();
    object_of_slice["endpoints"] = json!([]);
    index.apply(&object(&object_of_slice));
    assert_eq!(index.triggered_at(&key), None);
}

fn told(index: &mut Index) -> Vec<String> {
    let refusals = index.take_refusals().into_iter();
    refusals
        .map(|one| format!("{} {}", one.id.name, one.refusal.message))
        .collect()
}

#[test]
fn a_refusal_is_told_once_while_it_stays() {
    let mut index = index(&settings(), &[namespace("prod")]);
    let bad = |target: &str, address: &str| {
        let mut object = alias("lit", target);
        object["spec"]["externalIPs"] = json!([address]);
        object
    };
    index.apply(&object(&bad("192.0.2.1", "x")));
    assert_eq!(told(&mut index).len(), 1);
    assert_eq!(told(&mut index), Vec::<String>::new());
    // The object changes, what is wrong does not.
    let mut other = bad("192.0.2.1", "x");
    other["spec"]["ports"] = json!([{"name": "http", "port": 80}]);
    index.apply(&object(&other));
    assert_eq!(told(&mut index), Vec::<String>::new());
    assert_eq!(index.refusals().count(), 1);
    // It was right in between.
    index.apply(&object(&alias("lit", "www.example.org")));
    assert_eq!(index.refusals().count(), 0);
    index.apply(&object(&bad("192.0.2.1", "x")));
    assert_eq!(told(&mut index).len(), 1);
    index.delete(&object(&alias("lit", "")).id());
    assert_eq!(index.refusals().count(), 0);
}

#[test]
fn a_refusal_is_told_also_when_the_names_stay_as_they_are() {
    let web = || service("web", "10.96.0.1", "");
    let mut index = index(&settings(), &[namespace("prod"), web()]);
    assert_eq!(
        index.apply(&object(&annotated(web(), "ttl", "soon"))),
        Keys::new()
    );
    assert_eq!(told(&mut index).len(), 1, "it is wrong since now");
    index.apply(&object(&annotated(web(), "ttl", "later")));
    assert_eq!(told(&mut index).len(), 1, "it is wrong in another way");
    index.apply(&object(&web()));
    assert_eq!(index.refusals().count(), 0, "nothing is wrong any more");
    index.apply(&object(&import("shop", "10.112.0.1", "")));
    index.apply(&object(&import("shop", "10.112.0.1 x", "")));
    assert_eq!(told(&mut index).len(), 1);
}

#[test]
fn what_is_wrong_twice_in_one_object_is_told_once() {
    let mut index = index(&settings(), &[slice("a", "db", "", "x, x, 10.1.0.1")]);
    assert_eq!(
        told(&mut index),
        ["a endpoints.addresses: `x` is no address"]
    );
    assert_eq!(index.refusals().count(), 1);
}

#[test]
fn refusals_are_bounded() {
    let mut index = index(&settings(), []);
    let endpoints: Vec<String> = (0..REFUSALS_MAX + 5).map(|n| format!("x{n}")).collect();
    for place in 0..FRESH_MAX / REFUSALS_MAX + 5 {
        let name = format!("a{place}");
        let keys = index.apply(&object(&slice(&name, "db", "", &endpoints.join(","))));
        assert_eq!(keys.len(), 1);
        let of_object = index.refusals.values().next().expect("it is refused");
        assert_eq!(of_object.len(), REFUSALS_MAX);
        assert!(index.fresh.len() <= FRESH_MAX);
    }
    index.apply(&object(&alias("last", "192.0.2.1")));
    let told = told(&mut index);
    assert_eq!(told.len(), FRESH_MAX);
    assert!(
        told[FRESH_MAX - 1].starts_with("last "),
        "the newest are kept"
    );
}
