//! From objects to the bundles that the store shall hold, without any I/O.
//!
//! [`Index::apply`] and [`Index::delete`] take in objects and say which keys may have changed;
//! [`Index::value`] makes the bundle of a key from what is known then ([`compile`]). A slice's
//! bundle depends on its service, and everything on its namespace, so a change of those gives the
//! keys of all that depend on them. Nothing is made before it is asked for: of many changes to one
//! object only the last costs.
//!
//! Not here: whether a list is complete, what the store holds, and who may write.

mod compile;
mod names;
mod read;
mod state;
#[cfg(test)]
pub(in crate::kubernetes) mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::SystemTime;

use containerdns_schema::format::EncodeError;
use containerdns_schema::format::bundle::{self, Kind};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::SelectorExt;

pub use self::read::Refusal;
use self::state::{NamespaceState, SliceState};
use super::object::{Object, ObjectId, ObjectKind};
use super::settings::{Settings, is_top_level_domain};

/// Namespace and name in the key of what belongs to the cluster as a whole.
const CLUSTER_KEY: (&str, &str) = ("kube-system", "dns-version");
/// Refusals kept for the next to lead at most: the oldest go.
const FRESH_MAX: usize = 1000;
/// Refusals kept of one object at most: a slice may have thousands of bad addresses.
const REFUSALS_MAX: usize = 32;

/// The objects of a cluster, and what the store shall hold for them.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    namespaces: HashMap<Box<str>, NamespaceState>,
    refusals: HashMap<ObjectId, Vec<Refusal>>,
    /// Refusals that nobody was told of yet.
    fresh: Vec<Complaint>,
    /// The UID of the namespace that every cluster has: that of the cluster.
    cluster_uid: Option<String>,
}

/// A refusal, and the object that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The object.
    pub id: ObjectId,
    /// Its UID, by which people who describe it find Events.
    pub uid: Option<String>,
    /// What is refused.
    pub refusal: Refusal,
}

/// The keys whose bundle may have changed.
pub type Keys = Vec<Vec<u8>>;

impl Index {
    /// An index of nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            namespaces: HashMap::new(),
            refusals: HashMap::new(),
            fresh: Vec::new(),
            cluster_uid: None,
        }
    }

    /// Takes in an object as it is now.
    pub fn apply(&mut self, object: &Object) -> Keys {
        let id = object.id();
        match object {
            Object::Service(object) => {
                let (state, refusals) = read::service(object, &self.settings);
                self.set_refusals(&id, object.metadata.uid.as_deref(), refusals);
                let services = &mut self.namespace(&id).services;
                if services.get(&*id.name) == Some(&state) {
                    return Vec::new();
                }
                services.insert(id.name.as_str().into(), state);
                self.keys_of_service(&id)
            }
            Object::EndpointSlice(object) => {
                let (state, refusals) = read::slice(object, &self.settings);
                self.set_refusals(&id, object.metadata.uid.as_deref(), refusals);
                self.put_slice(&id, state)
            }
            Object::Pod(object) => {
                let state = read::pod(object);
                let pods = &mut self.namespace(&id).pods;
                if pods.get(&*id.name) == Some(&state) {
                    return Vec::new();
                }
                pods.insert(id.name.as_str().into(), state);
                vec![self.key(Kind::Pods, &id)]
            }
            Object::Namespace(object) => self.put_namespace(&id, object),
            Object::ServiceImport(object) => {
                let (state, refusals) = read::service_import(object);
                self.set_refusals(&id, object.metadata.uid.as_deref(), refusals);
                let imports = &mut self.namespace(&id).imports;
                if imports.get(&*id.name) == Some(&state) {
                    return Vec::new();
                }
                imports.insert(id.name.as_str().into(), state);
                self.keys_of_import(&id)
            }
        }
    }

    /// Takes in that an object is gone.
    pub fn delete(&mut self, id: &ObjectId) -> Keys {
        self.refusals.remove(id);
        let Some(namespace) = self.namespaces.get_mut(namespace_of(id)) else {
            return Vec::new();
        };
        let name = &*id.name;
        let keys = match id.kind {
            ObjectKind::Service => {
                namespace.services.remove(name);
                self.keys_of_service(id)
            }
            ObjectKind::EndpointSlice => match namespace.slices.remove(name) {
                Some(slice) => {
                    forget_slice(namespace, name, &slice);
                    self.keys_of_slice(id, &slice)
                }
                None => Vec::new(),
            },
            ObjectKind::Pod => {
                namespace.pods.remove(name);
                vec![self.key(Kind::Pods, id)]
            }
            ObjectKind::Namespace => {
                namespace.exposed = None;
                self.keys_of_namespace(name)
            }
            ObjectKind::ServiceImport => {
                namespace.imports.remove(name);
                self.keys_of_import(id)
            }
        };
        let gone = |namespace: &NamespaceState| namespace.is_unknown();
        if self.namespaces.get(namespace_of(id)).is_some_and(gone) {
            self.namespaces.remove(namespace_of(id));
        }
        keys
    }

    /// Takes in a complete list of one kind: objects that it lacks are gone.
    pub fn retain(&mut self, kind: ObjectKind, listed: &HashSet<ObjectId>) -> Keys {
        let gone: Vec<ObjectId> = self.ids(kind).filter(|id| !listed.contains(id)).collect();
        gone.iter().flat_map(|id| self.delete(id)).collect()
    }

    /// The value that a key shall have; none when it shall not exist.
    ///
    /// # Errors
    /// It would be too large for a bundle.
    pub fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EncodeError> {
        let Some((kind, namespace, name)) = self.read_key(key) else {
            return Ok(None);
        };
        if (kind, namespace, name) == (Kind::Records, CLUSTER_KEY.0, CLUSTER_KEY.1) {
            return compile::cluster(&self.settings);
        }
        match self.namespaces.get(namespace) {
            Some(state) => compile::object(&self.settings, state, kind, namespace, name),
            None => Ok(None),
        }
    }

    /// All keys that may have a value.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let (namespace, name) = CLUSTER_KEY;
        let mut keys = vec![self.key_of(Kind::Records, namespace, name)];
        for namespace in self.namespaces.keys() {
            keys.extend(self.keys_of_namespace(namespace));
        }
        keys
    }

    /// What tells this cluster from all others, once that is known.
    #[must_use]
    pub fn cluster_uid(&self) -> Option<&str> {
        self.cluster_uid.as_deref()
    }

    /// The object that a key is made from; none for keys that are not of this index.
    #[must_use]
    pub fn object_of_key(&self, key: &[u8]) -> Option<ObjectId> {
        let (kind, namespace, name) = self.read_key(key)?;
        let (kind, namespace) = match kind {
            Kind::Services => (ObjectKind::Service, namespace),
            Kind::EndpointSlices => (ObjectKind::EndpointSlice, namespace),
            Kind::Pods => (ObjectKind::Pod, namespace),
            Kind::ServiceImports => (ObjectKind::ServiceImport, namespace),
            // What belongs to the whole cluster needs no object.
            Kind::Namespaces | Kind::Records => (ObjectKind::Namespace, ""),
        };
        Some(ObjectId {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// When the change of the endpoints happened that the value of `key` was made for.
    #[must_use]
    pub fn triggered_at(&self, key: &[u8]) -> Option<SystemTime> {
        let (Kind::EndpointSlices, namespace, name) = self.read_key(key)? else {
            return None;
        };
        self.namespaces
            .get(namespace)?
            .slices
            .get(name)?
            .triggered_at
    }

    /// Objects known, by kind.
    #[must_use]
    pub fn count(&self, kind: ObjectKind) -> usize {
        let all = self.namespaces.values();
        match kind {
            ObjectKind::Service => all.map(|one| one.services.len()).sum(),
            ObjectKind::EndpointSlice => all.map(|one| one.slices.len()).sum(),
            ObjectKind::Pod => all.map(|one| one.pods.len()).sum(),
            ObjectKind::Namespace => all.filter(|one| one.exposed.is_some()).count(),
            ObjectKind::ServiceImport => all.map(|one| one.imports.len()).sum(),
        }
    }

    /// Endpoints known.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        let slices = self.namespaces.values().flat_map(|one| one.slices.values());
        slices.map(|slice| slice.endpoints.len()).sum()
    }

    /// What is refused now.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.refusals.values().flatten()
    }

    /// What was refused since the last call, each once while it stays the same.
    pub fn take_refusals(&mut self) -> Vec<Complaint> {
        std::mem::take(&mut self.fresh)
    }

    fn namespace(&mut self, id: &ObjectId) -> &mut NamespaceState {
        self.namespaces.entry(namespace_of(id).into()).or_default()
    }

    fn put_slice(&mut self, id: &ObjectId, state: SliceState) -> Keys {
        let namespace = self.namespace(id);
        let former = namespace.slices.get(&*id.name);
        if let Some(former) = former
            && former.endpoints_of == state.endpoints_of
            && former.ports == state.ports
            && former.endpoints == state.endpoints
        {
            return Vec::new();
        }
        let former = namespace.slices.remove(&*id.name);
        if let Some(former) = &former {
            forget_slice(namespace, &id.name, former);
        }
        let of = &state.endpoints_of;
        for (owner, slices) in [
            (&of.service, &mut namespace.slices_of_service),
            (&of.import, &mut namespace.slices_of_import),
        ] {
            if let Some(owner) = owner {
                let slices = slices.entry(owner.clone()).or_default();
                slices.insert(id.name.as_str().into());
            }
        }
        namespace
            .slices
            .insert(id.name.as_str().into(), state.clone());
        let mut keys = self.keys_of_slice(id, &state);
        if let Some(former) = former.filter(|former| former.endpoints_of != state.endpoints_of) {
            keys.extend(self.keys_of_slice(id, &former));
        }
        keys
    }

    fn put_namespace(&mut self, id: &ObjectId, object: &Namespace) -> Keys {
        let settings = &self.settings;
        let labels = object.metadata.labels.clone().unwrap_or_default();
        let denied = settings.namespaces_denied.contains(&id.name);
        let listed = settings.namespaces.is_empty() || settings.namespaces.contains(&id.name);
        let exposed = !denied && listed && settings.namespace_selector.matches(&labels);
        let mut refusals = Vec::new();
        if is_top_level_domain(&id.name) && listed {
            let name = &id.name;
            let does = match exposed {
                true => {
                    "its services capture searches for names below it; namespaces_denied \
                         keeps it out of the DNS"
                }
                false => "it has no names, so that it captures no searches",
            };
            let message = format_args!("`{name}` is also a top-level domain: {does}").to_string();
            refusals.push(Refusal::new("TopLevelDomain", message));
        }
        let uid = &object.metadata.uid;
        self.set_refusals(id, uid.as_deref(), refusals);
        if id.name == CLUSTER_KEY.0 {
            self.cluster_uid.clone_from(uid);
        }
        let namespace = self.namespace(id);
        if namespace.exposed == Some(exposed) {
            return Vec::new();
        }
        namespace.exposed = Some(exposed);
        self.keys_of_namespace(&id.name)
    }

    fn set_refusals(&mut self, id: &ObjectId, uid: Option<&str>, mut refusals: Vec<Refusal>) {
        let mut told = HashSet::new();
        refusals.retain(|one| told.len() < REFUSALS_MAX && told.insert(one.clone()));
        let former = self.refusals.remove(id).unwrap_or_default();
        let fresh = refusals.iter().filter(|one| !former.contains(one));
        self.fresh.extend(fresh.map(|refusal| Complaint {
            id: id.clone(),
            uid: uid.map(str::to_owned),
            refusal: refusal.clone(),
        }));
        let excess = self.fresh.len().saturating_sub(FRESH_MAX);
        self.fresh.drain(..excess);
        if !refusals.is_empty() {
            self.refusals.insert(id.clone(), refusals);
        }
    }

    fn keys_of_service(&self, id: &ObjectId) -> Keys {
        let mut keys = vec![self.key(Kind::Services, id)];
        if let Some(namespace) = self.namespaces.get(&*id.namespace) {
            let slices = namespace.slices_of_service.get(&*id.name);
            keys.extend(self.keys_of_slices(&id.namespace, slices));
        }
        keys
    }

    fn keys_of_import(&self, id: &ObjectId) -> Keys {
        let mut keys = vec![self.key(Kind::ServiceImports, id)];
        if let Some(namespace) = self.namespaces.get(&*id.namespace) {
            let slices = namespace.slices_of_import.get(&*id.name);
            keys.extend(self.keys_of_slices(&id.namespace, slices));
        }
        keys
    }

    fn keys_of_slices(&self, namespace: &str, slices: Option<&BTreeSet<Box<str>>>) -> Keys {
        let slices = slices.into_iter().flatten();
        slices
            .map(|slice| self.key_of(Kind::EndpointSlices, namespace, slice))
            .collect()
    }

    /// A slice's own key, and that of its service where it matters whether it has endpoints.
    fn keys_of_slice(&self, id: &ObjectId, slice: &SliceState) -> Keys {
        let mut keys = vec![self.key(Kind::EndpointSlices, id)];
        if let Some(service) = &slice.endpoints_of.service
            && self.settings.ignore_empty_services
        {
            keys.push(self.key_of(Kind::Services, &id.namespace, service));
        }
        keys
    }

    fn keys_of_namespace(&self, namespace: &str) -> Keys {
        let mut keys = vec![self.key_of(Kind::Namespaces, namespace, namespace)];
        let Some(state) = self.namespaces.get(namespace) else {
            return keys;
        };
        let services = state.services.keys().map(|name| (Kind::Services, name));
        let slices = state.slices.keys();
        let slices = slices.map(|name| (Kind::EndpointSlices, name));
        let pods = state.pods.keys().map(|name| (Kind::Pods, name));
        let imports = state.imports.keys();
        let imports = imports.map(|name| (Kind::ServiceImports, name));
        let all = services.chain(slices).chain(pods).chain(imports);
        keys.extend(all.map(|(kind, name)| self.key_of(kind, namespace, name)));
        keys
    }

    fn ids(&self, kind: ObjectKind) -> impl Iterator<Item = ObjectId> {
        self.namespaces.iter().flat_map(move |(namespace, state)| {
            let names: Vec<&Box<str>> = match kind {
                ObjectKind::Service => state.services.keys().collect(),
                ObjectKind::EndpointSlice => state.slices.keys().collect(),
                ObjectKind::Pod => state.pods.keys().collect(),
                ObjectKind::Namespace => state.exposed.map(|_| namespace).into_iter().collect(),
                ObjectKind::ServiceImport => state.imports.keys().collect(),
            };
            let of = match kind {
                ObjectKind::Namespace => "",
                _ => namespace,
            };
            names.into_iter().map(move |name| ObjectId {
                kind,
                namespace: of.into(),
                name: name.as_ref().into(),
            })
        })
    }

    fn key(&self, kind: Kind, id: &ObjectId) -> Vec<u8> {
        self.key_of(kind, &id.namespace, &id.name)
    }

    fn key_of(&self, kind: Kind, namespace: &str, name: &str) -> Vec<u8> {
        let settings = &self.settings;
        bundle::key(
            &settings.bundle_prefix,
            &settings.cluster,
            kind,
            namespace,
            name,
        )
    }

    fn read_key<'k>(&self, key: &'k [u8]) -> Option<(Kind, &'k str, &'k str)> {
        let key = std::str::from_utf8(key).ok()?;
        let path = key.strip_prefix(&self.settings.bundle_prefix)?;
        let path = path
            .strip_prefix(&self.settings.cluster)?
            .strip_prefix('/')?;
        let mut segments = path.split('/');
        let kind = segments.next()?.parse().ok()?;
        let (namespace, name) = (segments.next()?, segments.next()?);
        segments.next().is_none().then_some((kind, namespace, name))
    }
}

/// The namespace that an object is kept in: a Namespace in its own.
fn namespace_of(id: &ObjectId) -> &str {
    match id.kind {
        ObjectKind::Namespace => &id.name,
        _ => &id.namespace,
    }
}

fn forget_slice(namespace: &mut NamespaceState, name: &str, slice: &SliceState) {
    let of = &slice.endpoints_of;
    for (owner, slices) in [
        (&of.service, &mut namespace.slices_of_service),
        (&of.import, &mut namespace.slices_of_import),
    ] {
        let Some(owner) = owner else { continue };
        if let Some(of_owner) = slices.get_mut(owner) {
            of_owner.remove(name);
            if of_owner.is_empty() {
                slices.remove(owner);
            }
        }
    }
}
