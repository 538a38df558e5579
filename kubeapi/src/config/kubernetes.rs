//! `[kubernetes]`: which cluster is watched, and which names its objects get.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use containerdns_schema::Name;
use containerdns_schema::format::bundle::API_CLUSTER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{RelistSeconds, Ttl, Within};
use crate::kubernetes::controller::Options;
use crate::kubernetes::settings::{ExternalSource, NAMESPACES_DENIED, PodNames, Settings};

/// Clusters in keys that are not those of a Kubernetes cluster.
const CLUSTERS_KEPT: [&str; 2] = [API_CLUSTER, "zone-file"];
/// Name servers of an external zone at most: as many as a referral of 512 octets ever held.
const EXTERNAL_SERVERS_MAX: usize = 13;
/// Writes a second that may be configured at most.
const WRITES_PER_S_MAX: u64 = 100_000;

/// `[kubernetes]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesSection {
    /// Whether this process watches a cluster.
    pub enabled: bool,
    /// How to reach it; empty: as a pod of it, else as the environment says.
    pub kubeconfig: PathBuf,
    cluster: Cluster,
    zones: Vec<Name>,
    clusterset_zones: Vec<Name>,
    external_zones: Vec<Name>,
    external_source: ExternalSource,
    external_servers: Vec<IpAddr>,
    hostname_zones: Vec<Name>,
    ttl_s: Ttl,
    pods: PodNames,
    ignore_empty_services: bool,
    namespaces: Vec<String>,
    namespace_selector: Labels,
    namespaces_denied: Vec<String>,
    endpoint_pod_names: bool,
    relist_s: RelistSeconds,
    writes_per_s_max: Within<1, WRITES_PER_S_MAX>,
    events: bool,
}

/// The cluster in keys.
#[derive(Debug)]
struct Cluster(String);

/// A selector of labels.
#[derive(Debug, Default)]
struct Labels(Selector);

impl Default for KubernetesSection {
    fn default() -> Self {
        let zone = Name::parse("cluster.local.").expect("the name of the default is a name");
        Self {
            enabled: false,
            kubeconfig: PathBuf::new(),
            cluster: Cluster("default".into()),
            zones: vec![zone],
            clusterset_zones: Vec::new(),
            external_zones: Vec::new(),
            external_source: ExternalSource::default(),
            external_servers: Vec::new(),
            hostname_zones: Vec::new(),
            ttl_s: Ttl(5),
            pods: PodNames::default(),
            ignore_empty_services: false,
            namespaces: Vec::new(),
            namespace_selector: Labels::default(),
            namespaces_denied: NAMESPACES_DENIED.map(str::to_owned).to_vec(),
            endpoint_pod_names: false,
            relist_s: Within(600),
            writes_per_s_max: Within(1000),
            events: true,
        }
    }
}

impl<'de> Deserialize<'de> for Cluster {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        if CLUSTERS_KEPT.contains(&&text[..]) {
            let problem = format!("`{text}` is kept for other records; choose another name");
            return Err(D::Error::custom(problem));
        }
        if text.is_empty() || text.len() > 63 || !text.bytes().all(plain) {
            let problem = format!(
                "`{text}` is no name of a cluster; write 1 to 63 letters, digits, `-`, `_`, `.`"
            );
            return Err(D::Error::custom(problem));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            deny_unknown_fields,
            rename_all = "camelCase",
            expecting = "a table with matchLabels, matchExpressions or both"
        )]
        #[expect(dead_code, reason = "only their names matter")]
        struct Fields {
            match_labels: Option<toml::Value>,
            match_expressions: Option<toml::Value>,
        }
        // The whole text of an error of a value ends with a line break.
        let failed = |error: toml::de::Error| D::Error::custom(error.message());
        let value = toml::Value::deserialize(deserializer)?;
        Fields::deserialize(value.clone()).map_err(failed)?;
        let selector = LabelSelector::deserialize(value).map_err(failed)?;
        let selector = Selector::try_from(selector).map_err(D::Error::custom)?;
        Ok(Self(selector))
    }
}

impl KubernetesSection {
    /// What one value alone cannot tell. `zones` are those of the whole configuration.
    pub(super) fn check(&self, zones: &[Name]) -> Result<(), String> {
        if !self.enabled {
            return Ok(());
        }
        if self.zones.is_empty() && self.clusterset_zones.is_empty() {
            return Err("kubernetes.zones: is empty; name a zone of the cluster".into());
        }
        let lists = [
            ("zones", &self.zones),
            ("clusterset_zones", &self.clusterset_zones),
            ("external_zones", &self.external_zones),
            ("hostname_zones", &self.hostname_zones),
        ];
        for (key, names) in lists {
            let inside = |name: &&Name| zones.iter().any(|zone| name.is_within(zone));
            if let Some(name) = names.iter().find(|name| !inside(name)) {
                return Err(format!(
                    "kubernetes.{key}: {name} lies in none of zones; add it there"
                ));
            }
        }
        let servers = self.external_servers.len();
        if servers > EXTERNAL_SERVERS_MAX {
            return Err(format!(
                "kubernetes.external_servers: has {servers} addresses; write at most \
                 {EXTERNAL_SERVERS_MAX}"
            ));
        }
        let twice = |name: &&Name| self.zones.contains(name);
        for (key, names) in [lists[2], lists[1]] {
            if let Some(name) = names.iter().find(twice) {
                return Err(format!(
                    "kubernetes.{key}: {name} is one of kubernetes.zones too; a zone has one meaning"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn options(
        &self,
        bundle_prefix: &str,
        reverse: Vec<Name>,
        store_relist: Duration,
        identity: String,
    ) -> Options {
        let lower = |names: &[Name]| names.iter().map(Name::to_lower).collect();
        Options {
            settings: Settings {
                bundle_prefix: bundle_prefix.into(),
                cluster: self.cluster.0.clone(),
                zones: lower(&self.zones),
                clusterset_zones: lower(&self.clusterset_zones),
                external_zones: lower(&self.external_zones),
                external_source: self.external_source,
                external_servers: self.external_servers.clone(),
                hostname_zones: lower(&self.hostname_zones),
                reverse,
                ttl_s: self.ttl_s.0,
                pods: self.pods,
                ignore_empty_services: self.ignore_empty_services,
                namespaces: self.namespaces.clone(),
                namespace_selector: self.namespace_selector.0.clone(),
                namespaces_denied: self.namespaces_denied.clone(),
                endpoint_pod_names: self.endpoint_pod_names,
            },
            relist: Duration::from_secs(self.relist_s.0),
            store_relist,
            writes_per_s_max: self.writes_per_s_max.0 as u32,
            events: self.events,
            identity,
        }
    }
}
