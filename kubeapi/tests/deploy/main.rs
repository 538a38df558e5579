//! The manifests of `deploy/kubernetes`, checked without a cluster and without kustomize: that each
//! object is what its kind says, that what one file names is in another, and that nothing may more
//! than it needs. What a cluster does with them is not tested here.

mod kustomize;
mod manifests;
mod rights;
mod schema;
mod wiring;

use serde_json::{Value, json};

use crate::manifests::manifests;

#[test]
fn every_object_is_what_its_kind_says() {
    let found = manifests().into_iter().flat_map(|manifest| {
        let problems = schema::problems(&manifest.object).into_iter();
        problems.map(move |problem| format!("{}: {problem}", manifest.label()))
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The Service of the DNS servers with one value changed.
fn changed(pointer: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let manifests = manifests();
    let service = manifests.iter().find(|m| m.file == "service.yaml");
    let mut object = service.expect("service.yaml is there").object.clone();
    assert_eq!(schema::problems(&object), [""; 0]);
    change(object.pointer_mut(pointer).expect("the value is there"));
    schema::problems(&object)
}

#[test]
fn a_wrong_object_is_told_with_its_field() {
    let misspelt = changed("/spec", |spec| spec["selectors"] = json!({"a": "b"}));
    assert_eq!(misspelt, ["/spec/selectors: no such field"]);
    let deep = changed("/spec/ports/1", |port| port["portocol"] = json!("TCP"));
    assert_eq!(deep, ["/spec/ports/1/portocol: no such field"]);
    let missing = changed("/spec/ports/0", |port| {
        port.as_object_mut().expect("a port").remove("port");
    });
    assert_eq!(missing, ["/spec/ports/0/port: required, and not given"]);
    let mistyped = changed("/spec/ports/0/port", |port| *port = json!("53"));
    assert_eq!(mistyped.len(), 1);
    assert!(
        mistyped[0].starts_with("/spec/ports/0/port: invalid type"),
        "{mistyped:?}"
    );
    let version = changed("/apiVersion", |version| *version = json!("v2"));
    assert!(
        version[0].starts_with("/apiVersion: invalid value"),
        "{version:?}"
    );
    let kind = changed("/kind", |kind| *kind = json!("Servcie"));
    assert_eq!(kind, ["`Servcie` is no kind that is known here"]);
}
