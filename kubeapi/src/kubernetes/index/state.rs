//! What the index keeps of each object: no more than names are made of, because a cluster has some
//! 100,000 endpoints.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::SystemTime;

use containerdns_schema::Name;
use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::probe::Wish;

/// All that is known of one namespace.
#[derive(Debug, Default)]
pub(super) struct NamespaceState {
    /// Whether its names are served; none while the Namespace itself is not known.
    pub(super) exposed: Option<bool>,
    pub(super) services: HashMap<Box<str>, ServiceState>,
    pub(super) slices: HashMap<Box<str>, SliceState>,
    pub(super) pods: HashMap<Box<str>, PodState>,
    pub(super) imports: HashMap<Box<str>, ImportState>,
    /// Slices by the Service that they belong to.
    pub(super) slices_of_service: HashMap<Box<str>, BTreeSet<Box<str>>>,
    /// Slices by the ServiceImport that they belong to.
    pub(super) slices_of_import: HashMap<Box<str>, BTreeSet<Box<str>>>,
}

impl NamespaceState {
    pub(super) fn is_exposed(&self) -> bool {
        self.exposed == Some(true)
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.exposed.is_none()
            && self.services.is_empty()
            && self.slices.is_empty()
            && self.pods.is_empty()
            && self.imports.is_empty()
    }

    /// Whether a Service has an endpoint that its records would name.
    pub(super) fn has_endpoints(&self, service: &str) -> bool {
        let publish_not_ready = self
            .services
            .get(service)
            .is_some_and(|state| state.publish_not_ready);
        let slices = self.slices_of_service.get(service).into_iter().flatten();
        slices
            .filter_map(|slice| self.slices.get(slice))
            .any(|slice| slice.counted(publish_not_ready).next().is_some())
    }
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceState {
    pub(super) kind: ServiceKind,
    pub(super) ports: Box<[Port]>,
    pub(super) publish_not_ready: bool,
    pub(super) ttl_s: Option<u32>,
    pub(super) policy: Option<AnswerPolicy>,
    pub(super) probe: Option<Wish>,
    pub(super) hostnames: Vec<Name>,
    pub(super) external: Vec<IpAddr>,
    pub(super) external_host: Option<Name>,
}

/// What the names of a Service hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServiceKind {
    /// Its own addresses.
    ClusterIp(Vec<IpAddr>),
    /// Those of its endpoints.
    Headless,
    /// An alias.
    ExternalName(Name),
    /// Nothing: it was refused.
    Nameless,
}

/// An EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SliceState {
    pub(super) endpoints_of: EndpointsOf,
    pub(super) ports: Box<[Port]>,
    pub(super) endpoints: Box<[Endpoint]>,
    pub(super) triggered_at: Option<SystemTime>,
}

impl SliceState {
    /// The endpoints that count.
    pub(super) fn counted(&self, publish_not_ready: bool) -> impl Iterator<Item = &Endpoint> {
        let counts = move |endpoint: &&Endpoint| endpoint.ready || publish_not_ready;
        self.endpoints.iter().filter(counts)
    }
}

/// What an EndpointSlice belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndpointsOf {
    pub(super) service: Option<Box<str>>,
    pub(super) import: Option<Box<str>>,
    /// The cluster that the endpoints of a ServiceImport are in.
    pub(super) cluster: Option<Box<str>>,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) addresses: Box<[IpAddr]>,
    pub(super) ready: bool,
    /// Its name below the service; none: its address with dashes.
    pub(super) hostname: Option<Box<str>>,
    /// The topology zone that it is in.
    pub(super) zone: Option<Box<str>>,
}

/// A port of a Service or of its endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    /// None when the service has one port without a name.
    pub(super) name: Option<Box<str>>,
    /// In lower case.
    pub(super) protocol: Box<str>,
    pub(super) number: u16,
}

impl Port {
    /// None when the number is none of a port.
    pub(super) fn new(name: Option<String>, protocol: Option<String>, number: i32) -> Option<Self> {
        Some(Self {
            name: name
                .filter(|name| !name.is_empty())
                .map(String::into_boxed_str),
            protocol: protocol
                .map_or_else(|| "tcp".into(), |text| text.to_ascii_lowercase().into()),
            number: u16::try_from(number).ok().filter(|number| *number > 0)?,
        })
    }
}

/// A Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PodState {
    pub(super) addresses: Box<[IpAddr]>,
}

/// A ServiceImport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImportState {
    /// None when it is headless.
    pub(super) addresses: Option<Vec<IpAddr>>,
    pub(super) ports: Box<[Port]>,
}
