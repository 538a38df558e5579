//! What the configuration says about names: which objects get some, in which zones, with what TTL.

use std::net::IpAddr;

use containerdns_schema::Name;
use kube::core::Selector;
use serde::Deserialize;

/// Settings of the index.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What keys of bundles start with.
    pub bundle_prefix: String,
    /// The cluster in keys.
    pub cluster: String,
    /// Zones with the cluster's names; PTR records point into the first.
    pub zones: Vec<Name>,
    /// Zones with the names of ServiceImports.
    pub clusterset_zones: Vec<Name>,
    /// Zones with `SERVICE.NAMESPACE.ZONE` for addresses that are reached from outside.
    pub external_zones: Vec<Name>,
    /// Which addresses those are.
    pub external_source: ExternalSource,
    /// Addresses at which external zones are served: they are their name servers `ns1.dns` ...
    pub external_servers: Vec<IpAddr>,
    /// Zones in which an annotation may ask for names.
    pub hostname_zones: Vec<Name>,
    /// Reverse zones: no PTR record is written outside of them.
    pub reverse: Vec<Name>,
    /// TTL in seconds where no annotation gives one.
    pub ttl_s: u32,
    /// Whether pods have names.
    pub pods: PodNames,
    /// Whether a service without ready endpoints has no names.
    pub ignore_empty_services: bool,
    /// Namespaces that have names; empty: all.
    pub namespaces: Vec<String>,
    /// Labels that a namespace must have.
    pub namespace_selector: Selector,
    /// Namespaces that never have names.
    pub namespaces_denied: Vec<String>,
    /// Whether endpoints without a hostname are called like their pods.
    pub endpoint_pod_names: bool,
}

/// Whether pods have names `10-0-0-1.NAMESPACE.pod.ZONE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodNames {
    /// They have none.
    #[default]
    Disabled,
    /// Every address has one in every namespace, whether there is such a pod or not.
    Insecure,
    /// Pods that exist have one.
    Verified,
}

/// Which addresses of a service are reached from outside of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExternalSource {
    /// `status.loadBalancer` and `spec.externalIPs`.
    #[default]
    Any,
    /// `status.loadBalancer`.
    LoadBalancer,
    /// `spec.externalIPs`.
    ExternalIp,
}

/// Top-level domains that nobody names a namespace after, denied unless configured otherwise: in a
/// namespace `com`, a service `example` would be what a pod finds when it looks for `example.com`.
pub const NAMESPACES_DENIED: [&str; 8] = ["arpa", "com", "edu", "gov", "int", "mil", "net", "org"];

/// Other top-level domains that are likely to be looked for, besides those of two letters.
const TOP_LEVEL_DOMAINS: &[&str] = &[
    "agency",
    "app",
    "art",
    "biz",
    "blog",
    "cloud",
    "club",
    "com",
    "company",
    "design",
    "dev",
    "digital",
    "edu",
    "email",
    "fun",
    "global",
    "gov",
    "group",
    "host",
    "info",
    "int",
    "life",
    "link",
    "live",
    "media",
    "mil",
    "mobi",
    "name",
    "net",
    "network",
    "news",
    "online",
    "org",
    "page",
    "plus",
    "pro",
    "run",
    "sh",
    "shop",
    "site",
    "social",
    "software",
    "solutions",
    "space",
    "store",
    "studio",
    "systems",
    "team",
    "tech",
    "today",
    "tools",
    "top",
    "travel",
    "vip",
    "web",
    "website",
    "wiki",
    "work",
    "world",
    "xyz",
    "zip",
    "zone",
    "arpa",
];

/// Whether names below `namespace` are also names of a top-level domain.
#[must_use]
pub fn is_top_level_domain(namespace: &str) -> bool {
    let country = namespace.len() == 2 && namespace.bytes().all(|b| b.is_ascii_lowercase());
    country || TOP_LEVEL_DOMAINS.contains(&namespace)
}
