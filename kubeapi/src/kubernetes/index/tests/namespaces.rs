//! Which namespaces have names.

use super::objects::{import, pod, slice};
use super::*;

fn labelled(name: &str, label: &str) -> Value {
    let (key, value) = label.split_once('=').expect("key=value");
    json!({"kind": "Namespace", "metadata": {"name": name, "labels": {key: value}}})
}

/// Which namespaces of `objects` have a value, and what is refused.
fn exposed(settings: &Settings, objects: &[Value], expected: Expect) {
    expected.assert_eq(&shown(&index(settings, objects), |key| {
        key.starts_with("namespaces/")
    }));
}

#[test]
fn namespaces_have_names_unless_they_are_denied() {
    exposed(
        &settings(),
        &[namespace("prod"), namespace("com"), namespace("arpa")],
        expect![[r#"
            namespaces/prod/prod
              prod.svc.z.test. exists
            TopLevelDomain: `arpa` is also a top-level domain: it has no names, so that it captures no searches
            TopLevelDomain: `com` is also a top-level domain: it has no names, so that it captures no searches
        "#]],
    );
    let none = with(|settings| settings.namespaces_denied.clear());
    exposed(
        &none,
        &[
            namespace("com"),
            namespace("de"),
            namespace("dev"),
            namespace("d2"),
        ],
        expect![[r#"
            namespaces/com/com
              com.svc.z.test. exists
            namespaces/d2/d2
              d2.svc.z.test. exists
            namespaces/de/de
              de.svc.z.test. exists
            namespaces/dev/dev
              dev.svc.z.test. exists
            TopLevelDomain: `com` is also a top-level domain: its services capture searches for names below it; namespaces_denied keeps it out of the DNS
            TopLevelDomain: `de` is also a top-level domain: its services capture searches for names below it; namespaces_denied keeps it out of the DNS
            TopLevelDomain: `dev` is also a top-level domain: its services capture searches for names below it; namespaces_denied keeps it out of the DNS
        "#]],
    );
}

#[test]
fn namespaces_may_be_listed() {
    let settings = with(|settings| {
        settings.namespaces = vec!["prod".into(), "org".into()];
    });
    // What is not listed is not warned of; denied wins over listed.
    exposed(
        &settings,
        &[
            namespace("prod"),
            namespace("test"),
            namespace("io"),
            namespace("org"),
        ],
        expect![[r#"
            namespaces/prod/prod
              prod.svc.z.test. exists
            TopLevelDomain: `org` is also a top-level domain: it has no names, so that it captures no searches
        "#]],
    );
}

#[test]
fn namespaces_may_be_selected_by_labels() {
    let selector = json!({"matchLabels": {"dns": "yes"}, "matchExpressions": [
        {"key": "tier", "operator": "NotIn", "values": ["dev"]},
    ]});
    let selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector =
        serde_json::from_value(selector).expect("a selector");
    let settings = with(|settings| {
        settings.namespace_selector = selector.try_into().expect("a selector");
    });
    let mut both = labelled("both", "dns=yes");
    both["metadata"]["labels"]["tier"] = "dev".into();
    let objects = [
        labelled("a", "dns=yes"),
        labelled("b", "dns=no"),
        namespace("c"),
        both,
    ];
    exposed(
        &settings,
        &objects,
        expect![[r#"
        namespaces/a/a
          a.svc.z.test. exists
    "#]],
    );
}

#[test]
fn nothing_of_a_hidden_namespace_has_a_value() {
    let settings = with(|settings| {
        settings.pods = PodNames::Verified;
        settings.clusterset_zones = names(&["set.test"]);
    });
    let objects = |namespace: &str| {
        let path = |name: &str| format!("{namespace}/{name}");
        [
            service(&path("web"), "10.96.0.1", ""),
            service(&path("db"), "None", ""),
            slice(&path("db-a"), "db", "", "10.1.0.1"),
            pod(&path("a"), "Running", "10.1.0.1"),
            import(&path("shop"), "10.112.0.1", ""),
        ]
    };
    let count = |objects: &[Value]| {
        let index = index(&settings, objects);
        let values = values(&index);
        values
            .keys()
            .filter(|key| !short(key).starts_with("records/"))
            .count()
    };
    let denied: Vec<Value> = objects("com")
        .into_iter()
        .chain([namespace("com")])
        .collect();
    assert_eq!(count(&denied), 0, "denied");
    assert_eq!(count(&objects("prod")), 0, "not known yet");
    let known: Vec<Value> = objects("prod")
        .into_iter()
        .chain([namespace("prod")])
        .collect();
    assert_eq!(
        count(&known),
        5,
        "one each, and the namespace; the headless service has none"
    );
}

#[test]
fn a_namespace_is_hidden_and_shown_with_all_that_is_in_it() {
    let settings = with(|settings| {
        let selector =
            kube::core::Selector::from(kube::core::Expression::Equal("dns".into(), "yes".into()));
        settings.namespace_selector = selector;
    });
    let shows = labelled("prod", "dns=yes");
    let mut index = index(
        &settings,
        &[
            shows.clone(),
            service("web", "10.96.0.1", ""),
            service("elsewhere/web", "10.96.0.2", ""),
        ],
    );
    let full = values(&index);
    let mut keys = index.apply(&object(&labelled("prod", "dns=no")));
    keys.sort();
    let short = keys.iter().map(|key| short(key)).collect::<Vec<_>>();
    assert_eq!(short, ["namespaces/prod/prod", "services/prod/web"]);
    assert_eq!(values(&index).len(), 1, "only what belongs to the cluster");
    assert_eq!(
        index.apply(&object(&namespace("prod"))),
        Keys::new(),
        "hidden as before"
    );
    let again = index.apply(&object(&shows));
    assert_eq!(again.len(), 2);
    assert_eq!(values(&index), full);
}
