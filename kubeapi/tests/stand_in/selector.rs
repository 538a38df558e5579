//! Which objects a request is about: its namespace, its labels and its fields.
//!
//! Fields are `metadata.name` and `metadata.namespace`; a real server knows some more for some
//! kinds.

use serde_json::Value;

use super::answer::Reply;
use super::status;

/// What an object must be like.
#[derive(Debug, Default)]
pub(crate) struct Selector {
    pub(crate) namespace: Option<String>,
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

/// One condition of a selector.
#[derive(Debug, PartialEq, Eq)]
enum Requirement {
    /// The key has one of the values.
    In(String, Vec<String>),
    /// The key has none of the values; it may be absent.
    NotIn(String, Vec<String>),
    Present(String),
    Absent(String),
}

impl Selector {
    pub(crate) fn parse(
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Selector, Reply> {
        let parse = |text: &str| {
            requirements(text).ok_or_else(|| {
                let message = format!("unable to parse requirement: {text}");
                status::refuse(400, "BadRequest", &message)
            })
        };
        let selector = Selector {
            namespace: namespace.map(str::to_owned),
            labels: parse(labels)?,
            fields: parse(fields)?,
        };
        for requirement in &selector.fields {
            let key = requirement.key();
            if !["metadata.name", "metadata.namespace"].contains(&key) {
                let message = format!("field label not supported: {key}");
                return Err(status::refuse(400, "BadRequest", &message));
            }
        }
        Ok(selector)
    }

    /// Whether objects are chosen by more than their namespace.
    pub(crate) fn is_selective(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str();
        let label = |key: &str| metadata["labels"][key].as_str();
        let field = |key: &str| metadata[key.trim_start_matches("metadata.")].as_str();
        (self.namespace.is_none() || self.namespace.as_deref() == namespace)
            && self.labels.iter().all(|wanted| wanted.holds(label))
            && self.fields.iter().all(|wanted| wanted.holds(field))
    }
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Present(key) | Self::Absent(key) => key,
        }
    }

    fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        let value = value(self.key());
        let among = |values: &[String]| values.iter().any(|one| Some(one.as_str()) == value);
        match self {
            Self::In(_, values) => among(values),
            Self::NotIn(_, values) => !among(values),
            Self::Present(_) => value.is_some(),
            Self::Absent(_) => value.is_none(),
        }
    }
}

/// The conditions between commas; those in parentheses part values.
fn requirements(text: &str) -> Option<Vec<Requirement>> {
    let mut depth = 0;
    let parts = text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    });
    let parts: Vec<&str> = parts.map(str::trim).collect();
    match parts[..] {
        [""] => Some(Vec::new()),
        _ => parts.into_iter().map(requirement).collect(),
    }
}

fn requirement(text: &str) -> Option<Requirement> {
    let set = |(key, values): (&str, &str)| {
        let values = values.trim().strip_prefix('(')?.strip_suffix(')')?;
        let values = values.split(',').map(|value| value.trim().to_owned());
        Some((key_of(key)?, values.collect()))
    };
    if let Some(parts) = text.split_once(" notin ") {
        return set(parts).map(|(key, values)| Requirement::NotIn(key, values));
    }
    if let Some(parts) = text.split_once(" in ") {
        return set(parts).map(|(key, values)| Requirement::In(key, values));
    }
    if let Some(key) = text.strip_prefix('!') {
        return key_of(key).map(Requirement::Absent);
    }
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Requirement::NotIn(key_of(key)?, one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Requirement::In(key_of(key)?, one(value)));
    }
    key_of(text).map(Requirement::Present)
}

fn key_of(text: &str) -> Option<String> {
    let key = text.trim();
    let known = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!key.is_empty() && key.chars().all(known)).then(|| key.to_owned())
}

#[test]
fn selectors_choose_by_labels_and_fields() {
    let web = serde_json::json!({
        "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b", "x.y/z": "1"}},
    });
    let chosen = |labels: &str, fields: &str| {
        let selector = Selector::parse(Some("shop"), labels, fields);
        selector.is_ok_and(|selector| selector.matches(&web))
    };
    for labels in [
        "",
        "a=b",
        "a==b",
        "a!=c",
        "a",
        "!q",
        "a in (c, b)",
        "a notin (c)",
        "q notin (c)",
        "q!=1",
        "a=b,x.y/z in (1,2),!q",
        "a = b",
    ] {
        assert!(chosen(labels, ""), "{labels}");
    }
    for labels in [
        "a=c",
        "a!=b",
        "!a",
        "q",
        "a in (c,d)",
        "a notin (b)",
        "q in (1)",
        "a=b,q",
        "a in b",
        "=b",
        "a b",
    ] {
        assert!(!chosen(labels, ""), "{labels}");
    }
    assert!(chosen("", "metadata.name=web,metadata.namespace==shop"));
    assert!(!chosen("", "metadata.name!=web"));
    assert!(Selector::parse(None, "", "spec.type=x").is_err());
    let elsewhere = Selector::parse(Some("other"), "", "");
    assert!(elsewhere.is_ok_and(|selector| !selector.matches(&web)));
}
