//! What the server says when it refuses: Status objects, in the words of a real server.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Reply;
use super::resources::{Resource, Target};

/// Who every client is.
const USER: &str = "dns";

/// A failure without details.
pub(crate) fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    })
}

/// The answer that says a failure.
pub(crate) fn refused(status: Value) -> Reply {
    let code = status["code"]
        .as_u64()
        .and_then(|code| code.try_into().ok());
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    Reply::Whole(code.expect("a failure has a code"), status)
}

pub(crate) fn refuse(code: u16, reason: &str, message: &str) -> Reply {
    refused(failure(code, reason, message))
}

pub(crate) fn unauthorized() -> Reply {
    refuse(401, "Unauthorized", "Unauthorized")
}

/// 403 to a verb on what the path names.
pub(crate) fn forbidden(verb: &str, path: &str) -> Reply {
    let Some(target) = Target::parse(path) else {
        let message = format!("forbidden: User \"{USER}\" cannot get path \"{path}\"");
        let mut status = failure(403, "Forbidden", &message);
        status["details"] = json!({});
        return refused(status);
    };
    let Target { group, plural, .. } = &target;
    let subject = named(&target.group, plural, target.name.as_deref());
    let place = match &target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let message = format!(
        "{subject} is forbidden: User \"{USER}\" cannot {verb} resource \"{plural}\" \
         in API group \"{group}\" {place}"
    );
    let mut status = failure(403, "Forbidden", &message);
    status["details"] = details(group, plural, target.name.as_deref());
    refused(status)
}

pub(crate) fn not_found(resource: &Resource, name: &str) -> Reply {
    about(404, "NotFound", resource, name, "not found")
}

pub(crate) fn already_exists(resource: &Resource, name: &str) -> Reply {
    about(409, "AlreadyExists", resource, name, "already exists")
}

pub(crate) fn conflict(resource: &Resource, name: &str) -> Reply {
    let subject = named(resource.group, resource.plural, Some(name));
    let message = format!(
        "Operation cannot be fulfilled on {subject}: the object has been modified; please apply \
         your changes to the latest version and try again"
    );
    let mut status = failure(409, "Conflict", &message);
    status["details"] = details(resource.group, resource.plural, Some(name));
    refused(status)
}

/// 422: a field of an object, or of a question, may not be so.
pub(crate) fn invalid(
    group: &str,
    kind: &str,
    name: &str,
    (reason, field, cause): (&str, &str, &str),
) -> Reply {
    let subject = match group {
        "" => kind.to_owned(),
        group => format!("{kind}.{group}"),
    };
    let message = format!("{subject} \"{name}\" is invalid: {field}: {cause}");
    let mut status = failure(422, "Invalid", &message);
    status["details"] = details(group, kind, Some(name).filter(|name| !name.is_empty()));
    status["details"]["causes"] = json!([{"reason": reason, "message": cause, "field": field}]);
    refused(status)
}

/// 422 to the options of a list or a watch.
pub(crate) fn option_forbidden(field: &str, cause: &str) -> Reply {
    let cause = format!("Forbidden: {cause}");
    let cause = ("FieldValueForbidden", field, cause.as_str());
    invalid("meta.k8s.io", "ListOptions", "", cause)
}

/// 504: a version that is not reached.
pub(crate) fn too_large(version: u64, current: u64) -> Value {
    let message = format!("Timeout: Too large resource version: {version}, current: {current}");
    let mut status = failure(504, "Timeout", &message);
    status["details"] = json!({
        "causes": [{
            "reason": "ResourceVersionTooLarge",
            "message": "Too large resource version",
        }],
        "retryAfterSeconds": 1,
    });
    status
}

/// 410: a version that is gone.
pub(crate) fn expired(message: &str) -> Value {
    failure(410, "Expired", message)
}

/// What a delete is answered with.
pub(crate) fn deleted(resource: &Resource, object: &Value) -> Value {
    let name = object["metadata"]["name"].as_str();
    let mut details = details(resource.group, resource.plural, name);
    details["uid"] = object["metadata"]["uid"].clone();
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

fn about(code: u16, reason: &str, resource: &Resource, name: &str, what: &str) -> Reply {
    let subject = named(resource.group, resource.plural, Some(name));
    let mut status = failure(code, reason, &format!("{subject} {what}"));
    status["details"] = details(resource.group, resource.plural, Some(name));
    refused(status)
}

/// `services`, `endpointslices.discovery.k8s.io "web"`.
fn named(group: &str, plural: &str, name: Option<&str>) -> String {
    let mut text = plural.to_owned();
    if !group.is_empty() {
        text = format!("{text}.{group}");
    }
    match name {
        Some(name) => format!("{text} \"{name}\""),
        None => text,
    }
}

fn details(group: &str, kind: &str, name: Option<&str>) -> Value {
    let mut details = json!({ "kind": kind });
    if let Some(name) = name {
        details["name"] = json!(name);
    }
    if !group.is_empty() {
        details["group"] = json!(group);
    }
    details
}
