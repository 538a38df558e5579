//! The description at `/containerdns/api/openapi.json` is true: every request that any test here
//! makes, and its answer, are held against it. What was accepted must be described as acceptable;
//! every answer must have a described status, content type, headers and body. One test asks every
//! operation itself, so that nothing described is dead.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::server::{ALICE, API, Api, READER, ROOT, ZONED};

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../src/api/openapi.json");
    serde_json::from_str(text).expect("the description is JSON")
});

/// Checks one exchange; panics with what is not as described.
pub(crate) fn check(method: &str, target: &str, body: &str, answer: &Answer) {
    if method == "HEAD" {
        return;
    }
    let path = target.split('?').next().unwrap_or_default();
    let Some((template, operations)) = path_item(path) else {
        assert_eq!(answer.status, 404, "{target} is not described: {answer:?}");
        return check_schema("Failure", &answer.json(), target);
    };
    let Some(operation) = operations.get(method.to_ascii_lowercase()) else {
        assert_eq!(answer.status, 405, "{method} {target}: {answer:?}");
        assert!(answer.header("allow").is_some(), "{answer:?}");
        return check_schema("Failure", &answer.json(), target);
    };
    let place = format!("{method} {template} -> {}", answer.status);
    let response = resolved(&operation["responses"][answer.status.to_string()]);
    assert!(response.is_object(), "{place} is not described: {answer:?}");
    check_answer(response, answer, &place);
    if answer.status == 200 && !body.trim().is_empty() {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let body: Value = serde_json::from_str(body).expect("what was accepted is JSON");
        validate(
            schema,
            &body,
            &format!("the accepted body of {method} {target}"),
        );
    }
}

/// The template and the operations of a path.
fn path_item(path: &str) -> Option<(String, &'static Value)> {
    let rest = path.strip_prefix(API);
    let template = match rest {
        _ if path == "/healthz" || path == "/readyz" => path.to_owned(),
        Some("" | "/") => API.to_owned(),
        Some("/openapi.json") => path.to_owned(),
        Some(rest) if rest.starts_with('/') => match rest[1..].split_once('/') {
            None => format!("{API}/{{name}}"),
            Some((_, "history")) => format!("{API}/{{name}}/history"),
            Some(_) => return None,
        },
        _ => return None,
    };
    let item = DESCRIPTION["paths"].get(&template);
    let item = item.unwrap_or_else(|| panic!("{template} is not described"));
    Some((template, item))
}

/// What a reference means.
fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        None => value,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references are local");
            let found = DESCRIPTION.pointer(pointer);
            found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
    }
}

fn check_answer(response: &Value, answer: &Answer, place: &str) {
    let headers = response.get("headers").and_then(Value::as_object);
    for (name, header) in headers.into_iter().flatten() {
        let required = header["required"] == true;
        let found = answer.header(&name.to_ascii_lowercase());
        assert!(
            found.is_some() || !required,
            "{place}: no {name}: {answer:?}"
        );
    }
    let Some(content) = response.get("content").and_then(Value::as_object) else {
        assert_eq!(answer.body, "", "{place} is described without a body");
        return;
    };
    let found = answer.header("content-type").unwrap_or_default();
    let found = found.split(';').next().unwrap_or_default();
    let described = content.get(found);
    let described = described.unwrap_or_else(|| panic!("{place}: {found:?}: {answer:?}"));
    let body = match found {
        "application/json" => answer.json(),
        _ => json!(answer.body),
    };
    if let Some(schema) = described.get("schema") {
        validate(schema, &body, place);
    }
}

fn check_schema(name: &str, value: &Value, place: &str) {
    let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
    validate(&reference, value, place);
}

fn validate(schema: &Value, value: &Value, place: &str) {
    let errors: Vec<String> = validator(schema)
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{place}: {errors:#?}\nof {value}");
}

/// The schema with the components that it refers to.
fn validator(schema: &Value) -> Validator {
    let mut schema = schema.clone();
    let object = schema.as_object_mut().expect("a schema is an object");
    object.insert("components".into(), DESCRIPTION["components"].clone());
    jsonschema::draft202012::new(&schema).expect("the schema is one")
}

#[test]
fn the_description_is_served_as_it_is() {
    let api = Api::embedded();
    let answer = api.call("GET", &format!("{API}/openapi.json"), "", "");
    assert_eq!(answer.expect(200).json(), *DESCRIPTION);
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    fn collect(value: &'static Value, used: &mut BTreeSet<String>) {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            resolved(value);
            used.insert(reference.trim_start_matches("#/components/").to_owned());
        }
        match value {
            Value::Object(members) => members.values().for_each(|value| collect(value, used)),
            Value::Array(items) => items.iter().for_each(|value| collect(value, used)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    collect(&DESCRIPTION, &mut used);
    for kind in ["schemas", "responses", "parameters"] {
        let components = DESCRIPTION["components"][kind].as_object();
        for name in components.into_iter().flat_map(|members| members.keys()) {
            let name = format!("{kind}/{name}");
            assert!(used.contains(&name), "{name} is described and never used");
        }
    }
}

/// Requests for every operation, with the statuses that can be provoked.
const EXCHANGES: &[(&str, &str, &str, &str, u16)] = &[
    ("GET", "/healthz", "", "", 200),
    ("GET", "/readyz", "", "", 200),
    (
        "POST",
        "/www",
        ROOT,
        r#"{"type":"A","ips":["10.0.0.1"],"ttl":5}"#,
        200,
    ),
    (
        "POST",
        "/set",
        ROOT,
        r#"{"type":"A","ips":["10.0.0.1"],"policy":"sticky","weights":[5],"probe":true}"#,
        200,
    ),
    (
        "PUT",
        "/set",
        ROOT,
        r#"{"type":"A","policy":null,"weights":{"10.0.0.1":"7"},"probe":"http:80/x"}"#,
        200,
    ),
    (
        "PUT",
        "/set",
        ROOT,
        r#"{"type":"a","update":{"10.0.0.1":"10.0.0.2"},"probe":"icmp","probe_ports":80}"#,
        200,
    ),
    ("GET", "/set", ROOT, "", 200),
    ("GET", "/set/history", ROOT, "", 200),
    (
        "POST",
        "",
        ROOT,
        r#"[{"name":"set","method":"PUT","type":"A","policy":"default","probe":false}]"#,
        200,
    ),
    (
        "POST",
        "/www",
        ROOT,
        r#"{"type":"AAAA","ips":["fd00::1"],"user":"ann"}"#,
        200,
    ),
    (
        "POST",
        "/s",
        ROOT,
        r#"{"type":"SRV","ips":["10.0.0.1"],"ports":[80]}"#,
        200,
    ),
    ("POST", "/t", ROOT, r#"{"type":"TXT","text":"x"}"#, 200),
    (
        "POST",
        "/t",
        ROOT,
        r#"{"type":"MX","mailHost":"m.a.test","mailPriority":5}"#,
        200,
    ),
    (
        "POST",
        "/a.test",
        ROOT,
        r#"{"type":"NS","nsHost":"ns.a.test"}"#,
        200,
    ),
    (
        "POST",
        "/1.0.0.10.in-addr.arpa",
        ROOT,
        r#"{"type":"PTR","host":"www.a.test"}"#,
        200,
    ),
    ("POST", "/t", ROOT, r#"{"type":"cname","alias":"tv1"}"#, 200),
    (
        "POST",
        "/t",
        ROOT,
        r#"{"type":"CAA","records":["0 issue \"x\""]}"#,
        200,
    ),
    (
        "POST",
        "/t?dry_run=true",
        ROOT,
        r#"{"type":"TXT","text":"y"}"#,
        200,
    ),
    ("POST", "/t", ROOT, r#"{"type":"A"}"#, 400),
    ("POST", "/t", "", r#"{"type":"A"}"#, 401),
    ("POST", "/t", READER, r#"{"type":"A"}"#, 403),
    (
        "POST",
        "/tv1",
        ROOT,
        r#"{"type":"A","ips":["10.0.0.1"]}"#,
        409,
    ),
    (
        "PUT",
        "/s",
        ROOT,
        r#"{"type":"SRV","update":{"10.0.0.1:80":"10.0.0.2:80"}}"#,
        200,
    ),
    ("PUT", "/t", ROOT, r#"{"type":"TXT","ttl":9}"#, 200),
    ("PUT", "/t", ROOT, r#"{"type":"TXT","text":"z"}"#, 200),
    (
        "PUT",
        "/t?dry_run=true",
        ROOT,
        r#"{"type":"TXT","text":"y"}"#,
        200,
    ),
    (
        "PUT",
        "/t",
        ROOT,
        r#"{"type":"TXT","update":{"gone":"new"}}"#,
        409,
    ),
    ("PUT", "/none", ROOT, r#"{"type":"A","ttl":9}"#, 404),
    ("PUT", "/t", ROOT, "{}", 400),
    ("PUT", "/t", "", "{}", 401),
    ("PUT", "/www", ALICE, r#"{"type":"A","ttl":9}"#, 403),
    ("GET", "", ROOT, "", 200),
    ("GET", "?limit=1&type=A&zone=a.test", ROOT, "", 200),
    ("GET", "?limit=0", ROOT, "", 400),
    ("GET", "", "", "", 401),
    ("GET", "/www", ROOT, "", 200),
    ("GET", "/t", READER, "", 200),
    ("GET", "/none", ROOT, "", 404),
    ("GET", "/x.c.test", ROOT, "", 400),
    ("GET", "/www", "", "", 401),
    ("GET", "/www.a.test", ZONED, "", 403),
    ("GET", "/www/history", ROOT, "", 200),
    ("GET", "/none/history", ROOT, "", 404),
    ("GET", "/www/history?limit=x", ROOT, "", 400),
    ("GET", "/www/history", "", "", 401),
    ("GET", "/www.a.test/history", ZONED, "", 403),
    (
        "POST",
        "",
        ROOT,
        r#"[{"name":"b1","type":"A","ips":["10.0.0.1"]}]"#,
        200,
    ),
    (
        "POST",
        "?dry_run=1",
        ROOT,
        r#"[{"name":"b1","method":"DELETE"}]"#,
        200,
    ),
    (
        "POST",
        "",
        ROOT,
        r#"[{"name":"none","method":"DELETE"}]"#,
        404,
    ),
    (
        "POST",
        "",
        ROOT,
        r#"[{"name":"tv1","type":"A","ips":["10.0.0.1"]}]"#,
        409,
    ),
    ("POST", "", ROOT, "[]", 400),
    ("POST", "", "", "[]", 401),
    ("POST", "", READER, "[]", 403),
    ("PATCH", "/www", ROOT, "{}", 405),
    ("DELETE", "", ROOT, "", 405),
    ("DELETE", "/t", ROOT, r#"{"type":"TXT"}"#, 200),
    (
        "DELETE",
        "/t",
        ROOT,
        r#"{"type":"MX","records":["5 m.a.test."]}"#,
        200,
    ),
    (
        "DELETE",
        "/s",
        ROOT,
        r#"{"type":"SRV","ips":["10.0.0.2"]}"#,
        200,
    ),
    ("DELETE", "/t?dry_run=true", ROOT, "", 200),
    ("DELETE", "/t", ROOT, "", 200),
    ("DELETE", "/t", ROOT, "", 404),
    ("DELETE", "/b1", ROOT, r#"{"type":"ANY"}"#, 400),
    ("DELETE", "/b1", "", "", 401),
    ("DELETE", "/b1", READER, "", 403),
];

#[test]
fn every_operation_does_what_is_described() {
    let api = Api::embedded();
    let mut asked = BTreeSet::new();
    let described = format!("{API}/openapi.json");
    api.call("GET", &described, "", "").expect(200);
    asked.insert(format!("{described} get 200"));
    for (method, path, token, body, status) in EXCHANGES {
        let target = match *path {
            "/healthz" | "/readyz" => (*path).to_owned(),
            path => format!("{API}{path}"),
        };
        let answer = api.call(method, &target, token, body);
        assert_eq!(
            answer.status, *status,
            "{method} {target} {body}: {answer:?}"
        );
        if let Some((template, _)) = path_item(target.split('?').next().unwrap_or_default()) {
            let method = method.to_ascii_lowercase();
            asked.insert(format!("{template} {method} {status}"));
        }
    }
    // Those that want a slow client, a full or absent store, or a large body are asked elsewhere.
    let elsewhere = ["408", "413", "431", "500", "503", "507"];
    for (template, item) in DESCRIPTION["paths"].as_object().expect("paths") {
        let operations = item.as_object().expect("operations").iter();
        for (method, operation) in operations.filter(|(method, _)| *method != "parameters") {
            let statuses = operation["responses"]
                .as_object()
                .expect("responses")
                .keys();
            for status in statuses.filter(|status| !elsewhere.contains(&status.as_str())) {
                let row = format!("{template} {method} {status}");
                // A DELETE is refused only when others change the name again and again.
                if row == format!("{API}/{{name}} delete 409") {
                    continue;
                }
                assert!(asked.contains(&row), "no exchange for {row}");
            }
        }
    }
}
