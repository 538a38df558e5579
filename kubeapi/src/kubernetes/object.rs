//! The objects that are watched, and how they are told apart.

use k8s_openapi::api::core::v1::{Namespace, ObjectReference, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use super::import::ServiceImport;

/// Of no use here, and often the largest part of an object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A Kubernetes object of a kind that names come from.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "boxed as a whole where it waits in a queue"
)]
pub enum Object {
    /// `v1` Service.
    Service(Service),
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice(EndpointSlice),
    /// `v1` Pod.
    Pod(Pod),
    /// `v1` Namespace.
    Namespace(Namespace),
    /// `multicluster.x-k8s.io/v1alpha1` ServiceImport.
    ServiceImport(ServiceImport),
}

impl Object {
    /// Drops what no name is made of, as far as it is large.
    pub fn drop_bulk(&mut self) {
        let meta = match self {
            Self::Service(object) => &mut object.metadata,
            Self::EndpointSlice(object) => &mut object.metadata,
            Self::Pod(object) => {
                object.spec = None;
                &mut object.metadata
            }
            Self::Namespace(object) => &mut object.metadata,
            Self::ServiceImport(object) => &mut object.metadata,
        };
        meta.managed_fields = None;
        if let Some(annotations) = &mut meta.annotations {
            annotations.remove(LAST_APPLIED);
        }
    }

    /// What it is called.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        let (kind, meta): (_, &ObjectMeta) = match self {
            Self::Service(object) => (ObjectKind::Service, object.meta()),
            Self::EndpointSlice(object) => (ObjectKind::EndpointSlice, object.meta()),
            Self::Pod(object) => (ObjectKind::Pod, object.meta()),
            Self::Namespace(object) => (ObjectKind::Namespace, object.meta()),
            Self::ServiceImport(object) => (ObjectKind::ServiceImport, object.meta()),
        };
        ObjectId {
            kind,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// Service.
    Service,
    /// EndpointSlice.
    EndpointSlice,
    /// Pod.
    Pod,
    /// Namespace.
    Namespace,
    /// ServiceImport.
    ServiceImport,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Service,
        Self::EndpointSlice,
        Self::Pod,
        Self::Namespace,
        Self::ServiceImport,
    ];

    /// As it is called in objects.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
            Self::ServiceImport => "ServiceImport",
        }
    }

    fn api_version(self) -> &'static str {
        match self {
            Self::Service | Self::Pod | Self::Namespace => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::ServiceImport => "multicluster.x-k8s.io/v1alpha1",
        }
    }
}

/// What tells an object from all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace; empty for a Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// The object as Events refer to it.
    #[must_use]
    pub fn reference(&self, uid: Option<String>) -> ObjectReference {
        ObjectReference {
            uid,
            api_version: Some(self.kind.api_version().into()),
            kind: Some(self.kind.as_str().into()),
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()).filter(|name| !name.is_empty()),
            ..ObjectReference::default()
        }
    }
}
