//! The objects that are watched, how they are told apart, and what is asked of the index of them.
//!
//! Not here: which records an object makes. Everything that writes works over [`Desired`], so that
//! it can be tested with an index of a few lines.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

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
}

impl Object {
    /// What it is called.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        let (kind, namespace, name) = match self {
            Self::Service(object) => (ObjectKind::Service, object.namespace(), object.name_any()),
            Self::EndpointSlice(object) => (
                ObjectKind::EndpointSlice,
                object.namespace(),
                object.name_any(),
            ),
            Self::Pod(object) => (ObjectKind::Pod, object.namespace(), object.name_any()),
            Self::Namespace(object) => (ObjectKind::Namespace, None, object.name_any()),
        };
        ObjectId {
            kind,
            namespace: namespace.unwrap_or_default(),
            name,
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

/// An index of objects that says what the store shall hold for them.
///
/// A key is the whole key of a bundle. Each change gives the keys whose value may have changed.
pub trait Desired: Send {
    /// Takes in an object as it is now.
    fn apply(&mut self, object: Object) -> Vec<Vec<u8>>;
    /// Takes in that an object is gone.
    fn delete(&mut self, id: &ObjectId) -> Vec<Vec<u8>>;
    /// Takes in a complete list of one kind: objects not in it are gone.
    fn retain(&mut self, kind: ObjectKind, listed: &HashSet<ObjectId>) -> Vec<Vec<u8>>;
    /// The value that a key shall have; none when it shall not exist.
    fn value(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// All keys that shall exist.
    fn keys(&self) -> Vec<Vec<u8>>;
    /// How many objects are known.
    fn counts(&self) -> usize;
}
