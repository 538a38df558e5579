//! Objects, and the bundles that the store shall hold for them.
//!
//! Every table applies its objects twice, in the given order and backwards: what comes of them must
//! not depend on it. A bundle is printed as its key and one line a record; those of Namespaces and
//! of the whole cluster only where they are what is tested.

use std::collections::BTreeMap;

use containerdns_schema::format::{self, Format};
use containerdns_schema::{Name, reverse};
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use self::objects::{namespace, object, service};
use super::super::settings::{ExternalSource, NAMESPACES_DENIED, PodNames};
use super::*;

mod annotations;
mod changes;
mod endpoints;
mod foreign;
mod namespaces;
pub(in crate::kubernetes) mod objects;
mod outside;
mod pods;
mod properties;
mod services;

const PREFIX: &str = "/containerdns-kube/";

pub(in crate::kubernetes) fn names(texts: &[&str]) -> Vec<Name> {
    let name = |text: &&str| text.parse().expect("a name");
    texts.iter().map(name).collect()
}

/// Every setting is its default.
pub(in crate::kubernetes) fn settings() -> Settings {
    let zones = |prefix| reverse::reverse_zones(prefix).expect("a prefix");
    Settings {
        bundle_prefix: PREFIX.into(),
        cluster: "c".into(),
        zones: names(&["z.test"]),
        clusterset_zones: Vec::new(),
        external_zones: Vec::new(),
        external_source: ExternalSource::Any,
        external_servers: Vec::new(),
        hostname_zones: names(&["z.test", "apps.test"]),
        reverse: [zones("10.0.0.0/8"), zones("fd00::/8")].concat(),
        ttl_s: 5,
        pods: PodNames::Disabled,
        ignore_empty_services: false,
        namespaces: Vec::new(),
        namespace_selector: kube::core::Selector::default(),
        namespaces_denied: NAMESPACES_DENIED.map(str::to_owned).to_vec(),
        endpoint_pod_names: false,
    }
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = settings();
    change(&mut settings);
    settings
}

fn index<'o>(settings: &Settings, objects: impl IntoIterator<Item = &'o Value>) -> Index {
    let mut index = Index::new(settings.clone());
    for value in objects {
        index.apply(&object(value));
    }
    index
}

/// Every key that has a value, with it.
fn values(index: &Index) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let value = |key: Vec<u8>| {
        let value = index.value(&key).expect("it fits a bundle")?;
        Some((key, value))
    };
    index.keys().into_iter().filter_map(value).collect()
}

/// The key without what all keys have.
fn short(key: &[u8]) -> String {
    let key = String::from_utf8(key.to_vec()).expect("a key is text");
    let short = key
        .strip_prefix(PREFIX)
        .and_then(|key| key.strip_prefix("c/"));
    short.expect("a key of the cluster").to_owned()
}

/// Bundles whose short key `is_wanted`, then what is refused.
fn shown(index: &Index, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut shown = String::new();
    for (key, value) in values(index) {
        let read = format::decode(Format::Bundle, PREFIX, &[], &key, &value);
        assert!(read.expect("the server reads it").pointers_given);
        if is_wanted(&short(&key)) {
            shown += &format!("{}\n", short(&key));
            push_bundle(&mut shown, &value);
        }
    }
    let mut refusals: Vec<_> = index.refusals().collect();
    refusals.sort_by_key(|refusal| (refusal.reason, refusal.message.clone()));
    for refusal in refusals {
        shown += &format!("{}: {}\n", refusal.reason, refusal.message);
    }
    shown
}

fn push_bundle(shown: &mut String, value: &[u8]) {
    let bundle: Value = serde_json::from_slice(value).expect("JSON");
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    if let Some(policy) = bundle.get("policy") {
        *shown += &format!("  policy {}\n", text(policy));
    }
    if let Some(probe) = bundle.get("probe") {
        *shown += &format!("  probe {}\n", text(probe));
    }
    let list = |key: &str| bundle[key].as_array().cloned().unwrap_or_default();
    for name in list("names") {
        *shown += &format!("  {} exists\n", text(&name));
    }
    for one in list("address_names") {
        *shown += &format!("  {} {} addresses\n", text(&one["name"]), one["ttl"]);
    }
    for (zone, addresses) in bundle["zones"].as_object().into_iter().flatten() {
        *shown += &format!("  {zone} {addresses}\n");
    }
    for rrset in list("rrsets") {
        for rdata in rrset["rdata"].as_array().expect("a list") {
            let [name, rtype, rdata] = [&rrset["name"], &rrset["type"], rdata].map(text);
            *shown += &format!("  {name} {} {rtype} {rdata}\n", rrset["ttl"]);
        }
    }
}

/// Objects in the namespace `prod`, whatever the order.
fn check(objects: &[Value], expected: Expect) {
    check_with(&settings(), objects, expected);
}

fn check_with(settings: &Settings, objects: &[Value], expected: Expect) {
    let objects: Vec<Value> = [namespace("prod")].iter().chain(objects).cloned().collect();
    let of_object = |key: &str| !key.starts_with("namespaces/") && !key.starts_with("records/");
    let told = shown(&index(settings, &objects), of_object);
    let backwards = index(settings, objects.iter().rev());
    assert_eq!(shown(&backwards, of_object), told, "backwards");
    expected.assert_eq(&told);
}

#[test]
fn what_belongs_to_the_cluster_needs_no_object() {
    let settings = with(|settings| {
        settings.zones = names(&["z.test", "y.test"]);
        settings.clusterset_zones = names(&["set.test"]);
    });
    expect![[r#"
        records/kube-system/dns-version
          svc.z.test. exists
          svc.y.test. exists
          svc.set.test. exists
          pod.z.test. exists
          pod.y.test. exists
          dns-version.y.test. 5 TXT "1.1.0"
          dns-version.z.test. 5 TXT "1.1.0"
    "#]]
    .assert_eq(&shown(&index(&settings, []), |_| true));
}
