//! Objects with values that no API server would let pass: nothing panics, and what is written can
//! be read.

use proptest::prelude::*;

use super::objects::{alias, annotated, balanced, import, imported_slice, pod, slice};
use super::*;

/// Texts that are odd in a name, an address or an annotation.
fn odd() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "",
        ".",
        "..",
        "*",
        "None",
        "10.1.0.1",
        "fd00::1%eth0",
        "::ffff:1.2.3.4",
        "0.0.0.0",
        "a.b",
        "a..b",
        "\\",
        "\\999",
        "\"",
        "x.z.test",
        "svc.z.test",
        "www.apps.test,",
        "-1",
        "4294967296",
    ]);
    prop_oneof![
        known.prop_map(str::to_owned),
        any::<String>(),
        "[a-z.-]{0,300}",
        "\\PC{0,80}",
    ]
}

fn everything() -> Settings {
    with(|settings| {
        settings.clusterset_zones = names(&["set.test"]);
        settings.external_zones = names(&["pub.test"]);
        settings.pods = PodNames::Verified;
        settings.endpoint_pod_names = true;
    })
}

/// One object of each kind with `texts` wherever a text can be.
fn objects(name: &str, texts: &[String], number: i32) -> Vec<Value> {
    let text = |place: usize| texts[place % texts.len()].clone();
    let ports = json!([
        {"name": text(0), "protocol": text(1), "port": number},
        {"name": text(2), "port": 80},
    ]);
    let path = format!("prod/{name}");
    let mut cluster_ip = service(&path, "10.96.0.1", "");
    cluster_ip["spec"]["clusterIPs"] = json!([text(3), "10.96.0.1"]);
    cluster_ip["spec"]["ports"] = ports.clone();
    cluster_ip["spec"]["externalIPs"] = json!([text(4)]);
    let mut cluster_ip = balanced(cluster_ip, "x 198.51.100.1");
    cluster_ip["status"]["loadBalancer"]["ingress"][0]["hostname"] = text(5).into();
    for (place, annotation) in ["ttl", "policy", "hostname"].into_iter().enumerate() {
        cluster_ip = annotated(cluster_ip, annotation, &text(6 + place));
    }
    let endpoints = json!([
        {"addresses": [text(0), "10.1.0.1"], "hostname": text(1)},
        {"addresses": ["10.1.0.2"], "targetRef": {"kind": "Pod", "name": text(2)}},
    ]);
    let mut local = slice(&path, "db", "", "");
    let mut far = imported_slice(&format!("{path}-far"), ("shop", &text(3)), "", "");
    for object in [&mut local, &mut far] {
        object["endpoints"] = endpoints.clone();
        object["ports"] = ports.clone();
        object["addressType"] = text(4).into();
    }
    let mut multi = import(&path, "10.112.0.1", "");
    multi["spec"] = json!({"type": text(5), "ips": [text(6), "10.112.0.1"], "ports": ports});
    vec![
        namespace("prod"),
        cluster_ip,
        alias(&format!("{path}-alias"), &text(7)),
        service("db", "None", ""),
        local,
        far,
        pod(&path, &text(8), &text(0)),
        import("shop", "", ""),
        multi,
    ]
}

proptest! {
    #[test]
    fn odd_values_are_read_or_refused(
        name in "[a-z0-9.-]{1,70}",
        texts in proptest::collection::vec(odd(), 9),
        number in any::<i32>(),
    ) {
        let objects = objects(&name, &texts, number);
        let index = index(&everything(), &objects);
        // `shown` reads every bundle as the server does.
        let told = shown(&index, |_| true);
        prop_assert_eq!(told, shown(&super::index(&everything(), objects.iter().rev()), |_| true));
    }

    #[test]
    fn odd_names_of_objects_do_no_harm(name in odd(), namespace_name in odd()) {
        let mut all = objects(&name, &["x".into()], 80);
        for value in &mut all {
            value["metadata"]["name"] = name.clone().into();
            value["metadata"]["namespace"] = namespace_name.clone().into();
        }
        all.push(namespace(&namespace_name));
        let mut index = index(&everything(), &all);
        for key in index.keys() {
            let _ = (index.value(&key), index.object_of_key(&key), index.triggered_at(&key));
        }
        for value in &all {
            index.delete(&object(value).id());
        }
        prop_assert_eq!(values(&index).len(), 1);
    }
}
