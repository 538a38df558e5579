//! Objects held against the types of the Kubernetes API, without a cluster.
//!
//! An object is read into the type of its kind and written again. What was not kept is no field of
//! that type; what came in addition is required and was not given. A value of the wrong type is
//! found by leaving out one value after the other until the object can be read.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is wrong with an object, one line each: its field and why.
pub(crate) fn problems(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let check = match kind {
        "ClusterRole" => check::<ClusterRole>,
        "ClusterRoleBinding" => check::<ClusterRoleBinding>,
        "DaemonSet" => check::<DaemonSet>,
        "Deployment" => check::<Deployment>,
        "Namespace" => check::<Namespace>,
        "PodDisruptionBudget" => check::<PodDisruptionBudget>,
        "Service" => check::<Service>,
        "ServiceAccount" => check::<ServiceAccount>,
        "StatefulSet" => check::<StatefulSet>,
        _ => return vec![format!("`{kind}` is no kind that is known here")],
    };
    check(object)
}

fn check<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    match serde_json::from_value::<T>(object.clone()) {
        Ok(read) => {
            let kept = serde_json::to_value(read).expect("what was read can be written");
            let mut found = Vec::new();
            compare("", object, &kept, &mut found);
            found
        }
        Err(error) => vec![format!("{}: {error}", wrong_value::<T>(object))],
    }
}

/// The value without which the object can be read.
fn wrong_value<T: DeserializeOwned>(object: &Value) -> String {
    let mut pointers = Vec::new();
    values("", object, &mut pointers);
    let wrong = pointers.into_iter().find(|pointer| {
        let mut without = object.clone();
        remove(&mut without, pointer);
        serde_json::from_value::<T>(without).is_ok()
    });
    wrong.unwrap_or_else(|| "several values".into())
}

fn remove(object: &mut Value, pointer: &str) {
    let (around, member) = pointer.rsplit_once('/').expect("a slash is in front");
    match object.pointer_mut(around).expect("the value is there") {
        Value::Object(fields) => {
            fields.remove(&member.replace("~1", "/").replace("~0", "~"));
        }
        Value::Array(items) => {
            items.remove(member.parse().expect("an index"));
        }
        _ => unreachable!("only these have members"),
    }
}

/// Pointers of all values; those inside come before those around them.
fn values(pointer: &str, value: &Value, found: &mut Vec<String>) {
    for (key, inner) in inside(value) {
        let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        values(&pointer, inner, found);
        found.push(pointer);
    }
}

fn inside(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, v)| (index.to_string(), v)).collect()
        }
        _ => Vec::new(),
    }
}

/// An optional field that says nothing may be kept or not.
fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

fn compare(pointer: &str, given: &Value, kept: &Value, found: &mut Vec<String>) {
    if let (Value::Object(given), Value::Object(kept)) = (given, kept) {
        for (key, value) in given {
            let pointer = format!("{pointer}/{key}");
            match kept.get(key) {
                Some(kept) => compare(&pointer, value, kept, found),
                None if is_empty(value) => {}
                None => found.push(format!("{pointer}: no such field")),
            }
        }
        for (key, value) in kept.iter().filter(|(key, _)| !given.contains_key(*key)) {
            // Objects inside others are written with their kind, which need not be given.
            let implied = ["apiVersion", "kind"].contains(&key.as_str()) && !pointer.is_empty();
            let implied = implied || key == "metadata" && is_empty(value);
            if !implied {
                found.push(format!("{pointer}/{key}: required, and not given"));
            }
        }
        return;
    }
    if let (Value::Array(given), Value::Array(kept)) = (given, kept)
        && given.len() == kept.len()
    {
        for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
            compare(&format!("{pointer}/{index}"), given, kept, found);
        }
        return;
    }
    if given != kept {
        found.push(format!("{pointer}: `{given}` is read as `{kept}`"));
    }
}
