//! The configuration of `containerdns-kubeapi`: one TOML file, read once.
//!
//! `configs/containerdns-kubeapi.toml` shows every key with its default. Unknown keys are errors;
//! an error names the file, the line and what would be right. Values are read into their types
//! while the file is, so that each error has its line.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use containerdns_schema::Name;
use containerdns_schema::rest::Zones;
use containerdns_schema::reverse::reverse_zones;
use containerdns_store::embedded::EmbeddedStore;
use containerdns_store::etcd::{self, EtcdOptions, EtcdStore};
use containerdns_store::{Store, StoreError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use self::kubernetes::KubernetesSection;
use self::prober::ProberSection;
use crate::api::listener::TlsFiles;
use crate::kubernetes::controller;
use crate::plan::ProbeMode;
use crate::records::{Layout, Prefixes};
use crate::tokens::located;

mod kubernetes;
mod prober;

/// Size of a configuration file at most.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Everything that `containerdns-kubeapi` is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Zones whose names are managed; the first completes names of one label.
    #[serde(default = "zones_default")]
    pub zones: Vec<Name>,
    /// Address prefixes whose reverse zones are managed.
    #[serde(default = "reverse_default")]
    pub reverse: Vec<Reverse>,
    /// Written into the values of records, when it is not empty.
    #[serde(default)]
    pub cluster: String,
    /// Where records are kept.
    #[serde(default)]
    pub store: StoreSection,
    /// The REST API.
    #[serde(default)]
    pub api: ApiSection,
    /// Metrics and probes.
    #[serde(default)]
    pub admin: AdminSection,
    /// Names of a Kubernetes cluster.
    #[serde(default)]
    pub kubernetes: KubernetesSection,
    /// Health of backends.
    #[serde(default)]
    pub prober: ProberSection,
}

/// `[admin]`: metrics and probes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSection {
    /// Where.
    pub listen: SocketAddr,
}

impl Default for AdminSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9601)),
        }
    }
}

/// An address prefix, as the reverse zones that cover it.
#[derive(Debug)]
pub struct Reverse(pub Vec<Name>);

/// `[store]`: as in the configuration of the DNS server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    kind: StoreKind,
    endpoints: Vec<String>,
    tls: Option<EtcdTls>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    data: Option<PathBuf>,
    prefix: Prefix,
    bundle_prefix: Prefix,
    change_prefix: Prefix,
    health_prefix: Prefix,
    /// Seconds between complete lists, which heal what a watch lost.
    relist_s: RelistSeconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoreKind {
    Etcd,
    Embedded,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EtcdTls {
    ca: PathBuf,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// A key prefix: begins and ends with a slash.
#[derive(Debug)]
struct Prefix(String);

/// Seconds between complete lists.
type RelistSeconds = Within<1, 86_400>;

/// A number from MIN to MAX.
#[derive(Debug, Clone, Copy)]
struct Within<const MIN: u64, const MAX: u64>(u64);

/// `[api]`: the REST API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSection {
    /// Whether this process serves it.
    pub enabled: bool,
    /// Where.
    pub listen: SocketAddr,
    /// The file of tokens.
    pub tokens: PathBuf,
    /// Whether `?token=` is taken, as the original did: URLs stand in many logs.
    pub query_token: bool,
    /// TTL of records for which none is given.
    pub ttl_default_s: Ttl,
    /// Whose addresses have status keys, from which probers take their work.
    pub probe: ProbeMode,
    /// An audit trail as JSON lines; empty: only the store's.
    pub audit: PathBuf,
    /// Certificates; none: plain HTTP.
    pub tls: Option<ApiTls>,
}

/// A TTL in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Ttl(pub u32);

/// `[api] tls`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTls {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl Default for StoreSection {
    fn default() -> Self {
        let prefixes = Prefixes::default();
        Self {
            kind: StoreKind::Etcd,
            endpoints: vec!["http://127.0.0.1:2379".into()],
            tls: None,
            user: None,
            password_file: None,
            data: None,
            prefix: Prefix(prefixes.tree),
            bundle_prefix: Prefix(prefixes.bundles),
            change_prefix: Prefix(prefixes.changes),
            health_prefix: Prefix(prefixes.health),
            relist_s: Within(300),
        }
    }
}

impl Default for ApiSection {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 9003)),
            tokens: "/etc/containerdns/tokens.toml".into(),
            query_token: false,
            ttl_default_s: Ttl(30),
            probe: ProbeMode::Asked,
            audit: PathBuf::new(),
            tls: None,
        }
    }
}

fn zones_default() -> Vec<Name> {
    let name = |text: &str| Name::parse(text).expect("the names of the defaults are names");
    vec![name("cluster.local."), name("containerdns.local.")]
}

fn reverse_default() -> Vec<Reverse> {
    let zones = |prefix| reverse_zones(prefix).expect("the prefixes of the defaults are prefixes");
    vec![Reverse(zones("10.0.0.0/8")), Reverse(zones("fd00::/8"))]
}

impl<'de> Deserialize<'de> for Reverse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        reverse_zones(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > 1 && text.starts_with('/') && text.ends_with('/') {
            return Ok(Self(text));
        }
        let problem = format!("`{text}` is no key prefix; begin and end it with a slash");
        Err(D::Error::custom(problem))
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            number if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            other => Err(D::Error::custom(format!(
                "{other} is out of range; write {MIN} to {MAX}"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        let most = containerdns_schema::record::TTL_MAX_S;
        match u32::try_from(seconds) {
            Ok(seconds) if seconds <= most => Ok(Self(seconds)),
            _ => Err(D::Error::custom(format!(
                "{seconds} is out of range; write 0 to {most}"
            ))),
        }
    }
}

/// What is wrong with a configuration, with file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    file: String,
    problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.problem)
    }
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// The first problem.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let file = path.display().to_string();
        let failed = |error: std::io::Error| ConfigError {
            file: file.clone(),
            problem: format!("cannot be read: {error}; name a configuration file"),
        };
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > FILE_LEN_MAX {
            let problem = format!("has {length} bytes; a configuration has at most {FILE_LEN_MAX}");
            return Err(ConfigError { file, problem });
        }
        Config::parse(&file, &std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads `text`, called `file` in errors.
    ///
    /// # Errors
    /// The first problem.
    pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
        let failed = |problem| ConfigError {
            file: file.into(),
            problem,
        };
        let config: Config = toml::from_str(text)
            .map_err(|error| failed(located(text, error.span(), error.message())))?;
        config.check().map_err(failed)?;
        Ok(config)
    }

    /// What one value alone cannot tell.
    fn check(&self) -> Result<(), String> {
        if self.zones.is_empty() {
            return Err("zones: is empty; name a zone".into());
        }
        if self.zones.iter().any(|zone| zone.label_count() == 0) {
            return Err("zones: the root is no zone of ours; write a name below it".into());
        }
        if !self.api.enabled && !self.kubernetes.enabled && !self.prober.enabled {
            return Err(
                "api.enabled: false, and so are kubernetes.enabled and prober.enabled; \
                        nothing would run"
                    .into(),
            );
        }
        self.kubernetes.check(&self.zones)?;
        self.prober.check()?;
        if let Some(tls) = &self.store.tls
            && tls.cert.is_some() != tls.key.is_some()
        {
            return Err("store.tls: cert and key go together; set both, or none".into());
        }
        self.check_prefixes()?;
        match (self.store.kind, &self.store.data) {
            (StoreKind::Embedded, None) => {
                Err("store.data: missing; name a folder for the embedded store".into())
            }
            (StoreKind::Etcd, Some(_)) => {
                Err("store.data: is for kind = \"embedded\"; remove it, or change kind".into())
            }
            _ => Ok(()),
        }
    }

    /// A key has one meaning; health may lie inside the tree, where it always was.
    fn check_prefixes(&self) -> Result<(), String> {
        let store = &self.store;
        let prefixes = [
            ("prefix", &store.prefix.0),
            ("bundle_prefix", &store.bundle_prefix.0),
            ("change_prefix", &store.change_prefix.0),
            ("health_prefix", &store.health_prefix.0),
        ];
        for (index, (key, prefix)) in prefixes.iter().enumerate() {
            for (other_key, other) in &prefixes[..index] {
                let health_in_tree =
                    *key == "health_prefix" && *other_key == "prefix" && prefix.len() > other.len();
                let overlaps = prefix.starts_with(&other[..]) || other.starts_with(&prefix[..]);
                if overlaps && !health_in_tree {
                    return Err(format!(
                        "store.{key}: `{prefix}` overlaps {other_key} `{other}`; a key has one \
                         meaning"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The zones and where keys are.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let reverse = self.reverse.iter().flat_map(|reverse| reverse.0.clone());
        let zones: Vec<Name> = self.zones.iter().map(Name::to_lower).collect();
        let prefixes = Prefixes {
            tree: self.store.prefix.0.clone(),
            bundles: self.store.bundle_prefix.0.clone(),
            changes: self.store.change_prefix.0.clone(),
            health: self.store.health_prefix.0.clone(),
        };
        Layout::new(Zones::new(zones, reverse.collect()), prefixes)
    }

    /// What the Kubernetes role runs with.
    #[must_use]
    pub fn kubernetes_options(&self, identity: String) -> controller::Options {
        let reverse = self.reverse.iter().flat_map(|reverse| reverse.0.clone());
        self.kubernetes.options(
            &self.store.bundle_prefix.0,
            reverse.collect(),
            self.relist(),
            identity,
        )
    }

    /// Time between complete lists.
    #[must_use]
    pub fn relist(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.store.relist_s.0)
    }

    /// The store, to which nothing is sent yet.
    ///
    /// # Errors
    /// Its options make no sense.
    pub fn open_store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = &self.store;
        if let Some(data) = &store.data {
            return Ok(EmbeddedStore::open(data)?);
        }
        let tls = store.tls.as_ref().map(|tls| etcd::TlsFiles {
            ca: tls.ca.clone(),
            client: tls.cert.clone().zip(tls.key.clone()),
        });
        Ok(EtcdStore::connect(EtcdOptions {
            endpoints: store.endpoints.clone(),
            tls,
            user: store.user.clone(),
            password_file: store.password_file.clone(),
        })?)
    }

    /// Files of TLS, if any.
    #[must_use]
    pub fn tls_files(&self) -> Option<TlsFiles> {
        self.api.tls.clone().map(|tls| TlsFiles {
            cert: tls.cert,
            key: tls.key,
            client_ca: tls.client_ca,
        })
    }
}

#[cfg(test)]
mod tests;
