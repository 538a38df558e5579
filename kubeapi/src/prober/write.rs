//! The value of a status key after a verdict. Pure.
//!
//! All that is not the verdict stays as its writer wrote it: ports, names, fields that are not known
//! here. A key is deleted only when a prober made it and no bundle asks for the backend any more.

use std::net::IpAddr;

use containerdns_schema::format::FormatError;
use containerdns_schema::health::{self, Health, Status};
use serde_json::{Map, Value, json};

/// The field with the names that a prober made the key for.
const MADE_FOR: &str = "made_for";

/// The value with another verdict; `former` is the value as it is.
#[must_use]
pub fn changed(former: &[u8], status: Status, prober: &str) -> Option<Vec<u8>> {
    let mut fields: Map<String, Value> = serde_json::from_slice(former).ok()?;
    fields.insert("status".into(), json!(status));
    fields.insert("prober".into(), json!(prober));
    serde_json::to_vec(&fields).ok()
}

/// Key and value of a backend that has no status key, as bundles ask for it.
///
/// # Errors
/// It has so many names that the value would be too large.
pub fn made(
    prefix: &str,
    address: IpAddr,
    names: Vec<String>,
    status: Status,
    prober: &str,
) -> Result<(Vec<u8>, Vec<u8>), FormatError> {
    let health = Health {
        status,
        ports: Vec::new(),
        names,
        cluster: None,
        probe: None,
        prober: Some(prober.to_owned()),
    };
    let (key, value) = health::encode(prefix, address, &health)?;
    let mut fields: Map<String, Value> = serde_json::from_slice(&value).unwrap_or_default();
    let names = fields.get("domains").cloned().unwrap_or_else(|| json!([]));
    fields.insert(MADE_FOR.into(), names);
    let value =
        serde_json::to_vec(&fields).map_err(|error| FormatError::Json(error.to_string()))?;
    Ok((key, value))
}

/// Whether [`made`] made this value, and nobody has put another name into it since.
#[must_use]
pub fn is_made(value: &[u8]) -> bool {
    let fields: Option<Map<String, Value>> = serde_json::from_slice(value).ok();
    let list = |key| {
        let list = fields.as_ref()?.get(key)?.as_array()?;
        Some(list.iter().collect::<Vec<_>>())
    };
    let names = list("domains").unwrap_or_default();
    list(MADE_FOR).is_some_and(|made| names.iter().all(|name| made.contains(name)))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(former: &str, status: Status, shown: Expect) {
        let value = changed(former.as_bytes(), status, "node1-7");
        let value = value.map(|value| String::from_utf8(value).unwrap());
        shown.assert_eq(&value.unwrap_or_else(|| "none".into()));
    }

    #[test]
    fn a_verdict_changes_nothing_else() {
        check(
            r#"{"status":"UP"}"#,
            Status::Down,
            expect![[r#"{"prober":"node1-7","status":"DOWN"}"#]],
        );
        check(
            r#"{"status":"DOWN","ports":["22"],"domains":["a."],"cluster":"k","old":{"x":1}}"#,
            Status::Up,
            expect![[
                r#"{"cluster":"k","domains":["a."],"old":{"x":1},"ports":["22"],"prober":"node1-7","status":"UP"}"#
            ]],
        );
        check("[]", Status::Up, expect!["none"]);
    }

    #[test]
    fn a_made_value_is_known_again_also_after_another_verdict() {
        let address = "10.0.0.1".parse().unwrap();
        let names = vec!["db.prod.svc.z.test.".to_owned()];
        let (key, value) = made("/s/", address, names, Status::Down, "node1-7").unwrap();
        assert_eq!(key, b"/s/10.0.0.1");
        assert!(is_made(&value));
        let up = changed(&value, Status::Up, "node2-8").unwrap();
        assert!(is_made(&up));
        let (_, read) = health::decode("/s/", &key, &up).unwrap();
        assert_eq!(
            (read.status, read.prober.as_deref()),
            (Status::Up, Some("node2-8"))
        );
        assert!(!is_made(br#"{"status":"UP"}"#));
        assert!(!is_made(
            br#"{"status":"UP","made_for":["a."],"domains":["a.","b."]}"#
        ));
    }
}
