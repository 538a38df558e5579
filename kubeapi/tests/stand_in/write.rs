//! Changes that clients make: objects are created, replaced, patched and deleted over HTTP.
//!
//! No admission but one: EndpointSlices refuse loopback addresses. Namespaces need not exist.
//! Patches are JSON merge patches.

use std::net::IpAddr;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::Reply;
use super::handler::Server;
use super::resources::{Resource, Target};
use super::status;
use super::store::Store;

/// Answers a request that is no GET.
pub(crate) fn write(
    server: &Server,
    resource: &Resource,
    target: &Target,
    method: &Method,
    body: &[u8],
) -> Result<Reply, Reply> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let name = target.name.as_deref();
    if method == Method::DELETE {
        let name = name.ok_or_else(not_allowed)?;
        let removed = server.change(|state| state.store.remove(resource.key(namespace, name)));
        let removed = removed.ok_or_else(|| status::not_found(resource, name))?;
        let deleted = status::deleted(resource, &removed);
        return Ok(Reply::Whole(StatusCode::OK, deleted));
    }
    let object: Value = serde_json::from_slice(body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| status::refuse(400, "BadRequest", "the body is no JSON object"))?;
    server.change(|state| match (method.as_str(), name) {
        ("POST", None) => {
            let created = create(&mut state.store, resource, namespace, object)?;
            Ok(Reply::Whole(StatusCode::CREATED, created))
        }
        ("PUT", Some(name)) => {
            let replaced = replace(&mut state.store, resource, (namespace, name), object)?;
            Ok(Reply::Whole(StatusCode::OK, replaced))
        }
        ("PATCH", Some(name)) => {
            let key = resource.key(namespace, name);
            let before = state.store.get(&key);
            let before = before.ok_or_else(|| status::not_found(resource, name))?;
            let mut patched = (**before).clone();
            merge(&mut patched, &object);
            let patched = replace(&mut state.store, resource, (namespace, name), patched)?;
            Ok(Reply::Whole(StatusCode::OK, patched))
        }
        _ => Err(not_allowed()),
    })
}

pub(crate) fn not_allowed() -> Reply {
    let message = "the server does not allow this method on the requested resource";
    status::refuse(405, "MethodNotAllowed", message)
}

pub(crate) fn create(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    mut object: Value,
) -> Result<Value, Reply> {
    let metadata = &mut object["metadata"];
    if metadata["name"].is_null() {
        let Some(prefix) = metadata["generateName"].as_str() else {
            let message = "resource name may not be empty";
            return Err(status::refuse(422, "Invalid", message));
        };
        metadata["name"] = json!(format!("{prefix}{:05x}", store.next_number()));
    }
    if resource.namespaced {
        placed(metadata, namespace)?;
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    let key = resource.key(namespace, &name);
    if store.get(&key).is_some() {
        return Err(status::already_exists(resource, &name));
    }
    check(resource, &name, &object)?;
    Ok((*store.put(resource, key, object)).clone())
}

pub(crate) fn replace(
    store: &mut Store,
    resource: &Resource,
    (namespace, name): (&str, &str),
    mut object: Value,
) -> Result<Value, Reply> {
    let key = resource.key(namespace, name);
    let before = store.get(&key);
    let before = before.ok_or_else(|| status::not_found(resource, name))?;
    let metadata = &mut object["metadata"];
    if metadata["name"] != name {
        let message = "the name of the object does not match the name on the URL";
        return Err(status::refuse(400, "BadRequest", message));
    }
    if resource.namespaced {
        placed(metadata, namespace)?;
    }
    for field in ["resourceVersion", "uid"] {
        let said = metadata[field].as_str().unwrap_or_default();
        if !said.is_empty() && metadata[field] != before["metadata"][field] {
            return Err(status::conflict(resource, name));
        }
    }
    check(resource, name, &object)?;
    Ok((*store.put(resource, key, object)).clone())
}

/// The object is in the namespace of its path.
fn placed(metadata: &mut Value, namespace: &str) -> Result<(), Reply> {
    let said = metadata["namespace"].as_str().unwrap_or(namespace);
    if namespace.is_empty() || said != namespace {
        let message = "the namespace of the provided object does not match the namespace sent on \
                       the request";
        return Err(status::refuse(400, "BadRequest", message));
    }
    metadata["namespace"] = json!(namespace);
    Ok(())
}

/// What a server refuses to store.
fn check(resource: &Resource, name: &str, object: &Value) -> Result<(), Reply> {
    if resource.kind != "EndpointSlice" {
        return Ok(());
    }
    let none = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&none).clone();
    for (at, endpoint) in list(&object["endpoints"]).iter().enumerate() {
        for (number, address) in list(&endpoint["addresses"]).iter().enumerate() {
            let text = address.as_str().unwrap_or_default();
            let parsed = text.parse::<IpAddr>();
            if parsed.is_ok_and(|address| address.is_loopback()) {
                let field = format!("endpoints[{at}].addresses[{number}]");
                let cause = format!(
                    "Invalid value: \"{text}\": may not be in the loopback range \
                     (127.0.0.0/8, ::1/128)"
                );
                let cause = ("FieldValueInvalid", field.as_str(), cause.as_str());
                return Err(status::invalid(resource.group, resource.kind, name, cause));
            }
        }
    }
    Ok(())
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, value) in fields {
        match value {
            Value::Null => drop(target.as_object_mut().map(|target| target.remove(field))),
            value => merge(&mut target[field], value),
        }
    }
}
