//! ServiceImport of the Multi-Cluster Services API (KEP-1645, `multicluster.x-k8s.io/v1alpha1`): a
//! service that clusters of one set share. A server need not have this kind, and what it holds may
//! have been checked by nobody: the fields that names are made of are read here from any JSON.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Label of an EndpointSlice: the ServiceImport that it belongs to.
pub const SERVICE_LABEL: &str = "multicluster.kubernetes.io/service-name";
/// Label of an EndpointSlice: the cluster that its endpoints are in.
pub const CLUSTER_LABEL: &str = "multicluster.kubernetes.io/source-cluster";

/// A ServiceImport.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ServiceImport {
    /// Names, labels, annotations.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What it offers.
    #[serde(default)]
    pub spec: Value,
}

/// A port of a ServiceImport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPort {
    /// Name.
    pub name: Option<String>,
    /// TCP when there is none.
    pub protocol: Option<String>,
    /// Number.
    pub number: i32,
}

impl ServiceImport {
    /// Whether its names are those of its endpoints: type `Headless`, not `ClusterSetIP`.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.spec["type"] == "Headless"
    }

    /// Addresses of the service in this cluster, as they are written.
    #[must_use]
    pub fn ips(&self) -> Vec<String> {
        let ips = self.spec["ips"].as_array().into_iter().flatten();
        ips.map(|ip| ip.as_str().map_or_else(|| ip.to_string(), str::to_owned))
            .collect()
    }

    /// Ports of the service; those without a number are left out.
    #[must_use]
    pub fn ports(&self) -> Vec<ImportPort> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let ports = self.spec["ports"].as_array().into_iter().flatten();
        let ports = ports.filter_map(|port| {
            let number = port["port"].as_i64()?;
            Some(ImportPort {
                name: text(&port["name"]),
                protocol: text(&port["protocol"]),
                number: i32::try_from(number).ok()?,
            })
        });
        ports.collect()
    }
}

impl Resource for ServiceImport {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "ServiceImport".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "multicluster.x-k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "serviceimports".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
