//! ServiceImport of the Multi-Cluster Services API (KEP-1645, `multicluster.x-k8s.io/v1alpha1`): a
//! service that clusters of one set share. Only the fields that names are made of; a server need
//! not have this kind.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};

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
    pub spec: ServiceImportSpec,
}

/// What a ServiceImport offers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ServiceImportSpec {
    /// `ClusterSetIP` or `Headless`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Addresses of the service in this cluster.
    #[serde(default)]
    pub ips: Vec<String>,
    /// Ports of the service.
    #[serde(default)]
    pub ports: Vec<ImportPort>,
}

/// A port of a ServiceImport.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportPort {
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// TCP when there is none.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Number.
    pub port: i32,
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
