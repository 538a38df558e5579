//! Changes over HTTP, and the words of their refusals.

use serde_json::{Value, json};

use crate::client::{service, slice};
use crate::exchange::Exchange;
use crate::stand_in::StandIn;

const SERVICES: &str = "/api/v1/namespaces/shop/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

fn send(stand_in: &StandIn, method: &str, path: &str, body: &Value) -> Value {
    Exchange::send(stand_in.address(), method, path, "", &body.to_string()).object()
}

#[test]
fn objects_are_made_changed_and_removed() {
    let stand_in = StandIn::start();
    let made = send(&stand_in, "POST", SERVICES, &service("shop", "a", "1"));
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&made), stand_in.revision().to_string());
    let path = format!("{SERVICES}/a");
    let replaced = send(&stand_in, "PUT", &path, &service("shop", "a", "2"));
    assert_eq!(replaced["metadata"]["uid"], made["metadata"]["uid"]);
    let same = send(&stand_in, "PUT", &path, &replaced);
    assert_eq!(version(&same), version(&replaced));
    let patch = json!({"metadata": {"labels": {"n": null, "m": "3"}}});
    let patched = send(&stand_in, "PATCH", &path, &patch);
    assert_eq!(patched["metadata"]["labels"], json!({"m": "3"}));
    let removed = send(&stand_in, "DELETE", &path, &json!({}));
    assert_eq!(removed["status"], "Success");
    assert_eq!(removed["details"]["uid"], made["metadata"]["uid"]);
    assert!(stand_in.objects("Service").is_empty());
}

#[test]
fn refusals_are_said_as_by_a_real_server() {
    let stand_in = StandIn::start();
    let made = send(&stand_in, "POST", SERVICES, &service("shop", "a", "1"));
    stand_in.apply(service("shop", "a", "2"));
    let looped = slice("shop", "loop", "127.0.0.1");
    let path = format!("{SERVICES}/a");
    let missing = format!("{SLICES}/x");
    for (method, path, body, code, message) in [
        (
            "PUT",
            path.as_str(),
            &made,
            409,
            "Operation cannot be fulfilled on services \"a\": ",
        ),
        (
            "POST",
            SERVICES,
            &made,
            409,
            "services \"a\" already exists",
        ),
        (
            "DELETE",
            &missing,
            &made,
            404,
            "endpointslices.discovery.k8s.io \"x\" not found",
        ),
        (
            "POST",
            SLICES,
            &looped,
            422,
            "EndpointSlice.discovery.k8s.io \"loop\" is invalid: endpoints[0].addresses[0]: ",
        ),
        (
            "POST",
            SERVICES,
            &service("other", "b", "1"),
            400,
            "the namespace ",
        ),
        ("POST", SERVICES, &json!([]), 400, "the body "),
        (
            "POST",
            SERVICES,
            &json!({}),
            422,
            "resource name may not be empty",
        ),
        (
            "DELETE",
            SERVICES,
            &made,
            405,
            "the server does not allow this method",
        ),
    ] {
        let answer = send(&stand_in, method, path, body);
        assert_eq!(answer["code"], code, "{method} {path}: {answer}");
        let said = answer["message"].as_str().unwrap_or_default();
        assert!(said.starts_with(message), "{said}");
    }
}
