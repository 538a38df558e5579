//! The bundle of each object: pure functions from what is known to records.
//!
//! RRsets come in the order of name and type, RDATA in the order of its octets: equal knowledge
//! gives equal octets, so that a comparison with the store says whether anything must be written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use containerdns_schema::format::bundle::{self, Bundle, Kind, Rrset};
use containerdns_schema::format::{AnswerPolicy, EncodeError};
use containerdns_schema::probe::Wish;
use containerdns_schema::{Name, Rdata, RecordType, reverse};

use super::names;
use super::state::{
    Endpoint, ImportState, NamespaceState, PodState, Port, ServiceKind, ServiceState, SliceState,
};
use crate::kubernetes::settings::{PodNames, Settings};

/// The version of the specification that the names follow (its section 2.2).
const SPECIFICATION_VERSION: &[u8] = b"1.1.0";
/// Priority of SRV records: all servers of a service are equal.
const PRIORITY: u16 = 0;
/// Weight of SRV records, likewise.
const WEIGHT: u16 = 100;

/// The value of a bundle; none when it would have nothing in it.
type Value = Result<Option<Vec<u8>>, EncodeError>;

/// One RRset being gathered.
struct Gathered {
    owner: Name,
    /// The octets of each RDATA, once, in order.
    rdata: BTreeSet<Box<[u8]>>,
}

/// Records being gathered.
struct Records<'s> {
    settings: &'s Settings,
    ttl_s: u32,
    policy: Option<AnswerPolicy>,
    probe: Option<&'s Wish>,
    /// By owner, in octets, and type.
    rrsets: BTreeMap<(Box<[u8]>, RecordType), Gathered>,
    /// The topology zones of addresses.
    zones: BTreeMap<IpAddr, &'s str>,
}

/// The bundle of an object; none when it has no names.
pub(super) fn object(
    settings: &Settings,
    state: &NamespaceState,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> Value {
    if !state.is_exposed() {
        return Ok(None);
    }
    let made = match kind {
        Kind::Namespaces => Some(self::namespace(settings, namespace)),
        Kind::Services => state
            .services
            .get(name)
            .filter(|service| !is_hidden(settings, state, service, name))
            .map(|service| self::service(settings, service, namespace, name)),
        Kind::EndpointSlices => state
            .slices
            .get(name)
            .map(|slice| self::slice(settings, state, namespace, slice)),
        Kind::Pods => state
            .pods
            .get(name)
            .map(|pod| self::pod(settings, namespace, pod)),
        Kind::ServiceImports => state
            .imports
            .get(name)
            .map(|import| self::import(settings, import, namespace, name)),
        Kind::Records => None,
    };
    made.unwrap_or(Ok(None))
}

fn is_hidden(
    settings: &Settings,
    state: &NamespaceState,
    service: &ServiceState,
    name: &str,
) -> bool {
    settings.ignore_empty_services
        && matches!(service.kind, ServiceKind::ClusterIp(_))
        && !state.has_endpoints(name)
}

/// What belongs to the cluster as a whole: the version, and names above all others.
pub(super) fn cluster(settings: &Settings) -> Value {
    let mut records = Records::new(settings, None);
    let mut exist = Vec::new();
    let version = Rdata::txt(&[SPECIFICATION_VERSION])?;
    for zone in settings.zones.iter().chain(&settings.clusterset_zones) {
        exist.extend(names::below(&["svc"], zone));
    }
    for zone in &settings.zones {
        exist.extend(names::below(&["pod"], zone));
        if let Some(owner) = names::below(&["dns-version"], zone) {
            records.push(&owner, RecordType::TXT, &version);
        }
    }
    for zone in &settings.external_zones {
        for (place, address) in settings.external_servers.iter().enumerate() {
            let label = format!("ns{}", place + 1);
            if let Some(server) = names::below(&[&label, "dns"], zone) {
                records.push(zone, RecordType::NS, &Rdata::ns(&server));
                records.push_addresses(&server, &[*address]);
            }
        }
    }
    records.encode(&exist, &[])
}

fn namespace(settings: &Settings, name: &str) -> Value {
    let mut exist = Vec::new();
    let mut address_names = Vec::new();
    for zone in settings.zones.iter().chain(&settings.clusterset_zones) {
        exist.extend(names::below(&[name, "svc"], zone));
    }
    for zone in &settings.zones {
        let pods = names::below(&[name, "pod"], zone);
        match settings.pods {
            PodNames::Disabled => {}
            PodNames::Verified => exist.extend(pods),
            PodNames::Insecure => {
                address_names.extend(pods.map(|pods| (pods, settings.ttl_s)));
            }
        }
    }
    Records::new(settings, None).encode(&exist, &address_names)
}

fn service(settings: &Settings, service: &ServiceState, namespace: &str, name: &str) -> Value {
    let mut records = Records::new(settings, Some(service));
    for (place, zone) in settings.zones.iter().enumerate() {
        let Some(owner) = names::service(name, namespace, zone) else {
            continue;
        };
        match &service.kind {
            ServiceKind::ClusterIp(addresses) => {
                records.push_service(&owner, addresses, &service.ports, place == 0);
            }
            ServiceKind::ExternalName(target) => records.push_alias(&owner, target),
            ServiceKind::Headless | ServiceKind::Nameless => {}
        }
    }
    for owner in &service.hostnames {
        match &service.kind {
            ServiceKind::ClusterIp(addresses) => records.push_addresses(owner, addresses),
            ServiceKind::ExternalName(target) => records.push_alias(owner, target),
            ServiceKind::Headless | ServiceKind::Nameless => {}
        }
    }
    for (place, zone) in settings.external_zones.iter().enumerate() {
        let Some(owner) = names::below(&[name, namespace], zone) else {
            continue;
        };
        if !service.external.is_empty() {
            records.push_service(&owner, &service.external, &service.ports, place == 0);
        } else if let Some(target) = &service.external_host {
            records.push_alias(&owner, target);
        }
    }
    records.encode(&[], &[])
}

fn slice<'s>(
    settings: &'s Settings,
    state: &NamespaceState,
    namespace: &str,
    slice: &'s SliceState,
) -> Value {
    let of = &slice.endpoints_of;
    let service = of.service.as_deref();
    let service = service.and_then(|name| Some((name, state.services.get(name)?)));
    let service = service.filter(|(_, service)| service.kind == ServiceKind::Headless);
    let import = of.import.as_deref();
    let import = import.filter(|name| {
        let import = state.imports.get(*name);
        import.is_some_and(|import| import.addresses.is_none())
    });
    let mut records = Records::new(settings, service.map(|(_, service)| service));
    if let Some((name, service)) = service {
        let counted = || slice.counted(service.publish_not_ready);
        records.place(counted());
        for (place, zone) in settings.zones.iter().enumerate() {
            if let Some(owner) = names::service(name, namespace, zone) {
                for endpoint in counted() {
                    records.push_endpoint(&owner, None, endpoint, &slice.ports, place == 0);
                }
            }
        }
        for owner in &service.hostnames {
            for endpoint in counted() {
                records.push_addresses(owner, &endpoint.addresses);
            }
        }
    }
    let imported = |zone| names::service(import?, namespace, zone);
    if import.is_some() {
        records.place(slice.counted(false));
    }
    for owner in settings.clusterset_zones.iter().filter_map(imported) {
        for endpoint in slice.counted(false) {
            let cluster = of.cluster.as_deref();
            records.push_endpoint(&owner, cluster, endpoint, &slice.ports, false);
        }
    }
    records.encode(&[], &[])
}

fn pod(settings: &Settings, namespace: &str, pod: &PodState) -> Value {
    if settings.pods != PodNames::Verified {
        return Ok(None);
    }
    let mut records = Records::new(settings, None);
    for zone in &settings.zones {
        for address in &pod.addresses {
            let owner = names::below(&[&names::dashed(*address), namespace, "pod"], zone);
            if let Some(owner) = owner {
                records.push_addresses(&owner, &[*address]);
            }
        }
    }
    records.encode(&[], &[])
}

fn import(settings: &Settings, import: &ImportState, namespace: &str, name: &str) -> Value {
    let Some(addresses) = &import.addresses else {
        return Ok(None);
    };
    let mut records = Records::new(settings, None);
    for zone in &settings.clusterset_zones {
        if let Some(owner) = names::service(name, namespace, zone) {
            records.push_service(&owner, addresses, &import.ports, false);
        }
    }
    records.encode(&[], &[])
}

impl<'s> Records<'s> {
    /// None yet; `service` says what its annotations wish for them.
    fn new(settings: &'s Settings, service: Option<&'s ServiceState>) -> Self {
        let ttl_s = service.and_then(|service| service.ttl_s);
        Self {
            settings,
            ttl_s: ttl_s.unwrap_or(settings.ttl_s),
            policy: service.and_then(|service| service.policy),
            probe: service.and_then(|service| service.probe.as_ref()),
            rrsets: BTreeMap::new(),
            zones: BTreeMap::new(),
        }
    }

    /// Notes where endpoints are; of an address in several zones, the first one.
    fn place(&mut self, endpoints: impl Iterator<Item = &'s Endpoint>) {
        for endpoint in endpoints {
            let Some(zone) = endpoint.zone.as_deref() else {
                continue;
            };
            for address in &endpoint.addresses {
                self.zones.entry(*address).or_insert(zone);
            }
        }
    }

    fn push(&mut self, owner: &Name, rtype: RecordType, rdata: &Rdata) {
        let owner = owner.to_lower();
        let rrset = self.rrsets.entry((owner.wire().into(), rtype));
        let gathered = rrset.or_insert_with(|| Gathered {
            owner,
            rdata: BTreeSet::new(),
        });
        gathered.rdata.insert(rdata.wire().into());
    }

    fn push_addresses(&mut self, owner: &Name, addresses: &[IpAddr]) {
        for address in addresses {
            match address {
                IpAddr::V4(v4) => self.push(owner, RecordType::A, &Rdata::a(*v4)),
                IpAddr::V6(v6) => self.push(owner, RecordType::AAAA, &Rdata::aaaa(*v6)),
            }
        }
    }

    fn push_alias(&mut self, owner: &Name, target: &Name) {
        // A name that is an alias of itself is nothing.
        if owner.to_lower() != target.to_lower() {
            self.push(owner, RecordType::CNAME, &Rdata::cname(target));
        }
    }

    /// Addresses of a service, SRV of its ports, and PTR when they point to this zone.
    fn push_service(&mut self, owner: &Name, addresses: &[IpAddr], ports: &[Port], point: bool) {
        if addresses.is_empty() {
            return;
        }
        self.push_addresses(owner, addresses);
        self.push_ports(owner, owner, ports);
        if point {
            self.push_pointers(addresses, owner);
        }
    }

    /// An endpoint at its service's name and at its own.
    fn push_endpoint(
        &mut self,
        service: &Name,
        cluster: Option<&str>,
        endpoint: &Endpoint,
        ports: &[Port],
        point: bool,
    ) {
        self.push_addresses(service, &endpoint.addresses);
        for address in &endpoint.addresses {
            let dashed;
            let hostname = match endpoint.hostname.as_deref() {
                Some(hostname) => hostname,
                None => {
                    dashed = names::dashed(*address);
                    &dashed
                }
            };
            let labels = [Some(hostname), cluster];
            let labels: Vec<&str> = labels.into_iter().flatten().collect();
            let Some(owner) = names::below(&labels, service) else {
                continue;
            };
            self.push_addresses(&owner, &[*address]);
            self.push_ports(service, &owner, ports);
            if point {
                self.push_pointers(&[*address], &owner);
            }
        }
    }

    /// SRV of every port at the service's name, and of those with a name at their own.
    fn push_ports(&mut self, service: &Name, target: &Name, ports: &[Port]) {
        for port in ports {
            let rdata = Rdata::srv(PRIORITY, WEIGHT, port.number, target);
            self.push(service, RecordType::SRV, &rdata);
            if let Some(owner) = names::port(port, service) {
                self.push(&owner, RecordType::SRV, &rdata);
            }
        }
    }

    fn push_pointers(&mut self, addresses: &[IpAddr], target: &Name) {
        for address in addresses {
            let owner = reverse::pointer(*address);
            if self
                .settings
                .reverse
                .iter()
                .any(|zone| owner.is_within(zone))
            {
                self.push(&owner, RecordType::PTR, &Rdata::ptr(target));
            }
        }
    }

    /// The value; none when there is nothing in it.
    fn encode(self, exist: &[Name], address_names: &[(Name, u32)]) -> Value {
        if self.rrsets.is_empty() && exist.is_empty() && address_names.is_empty() {
            return Ok(None);
        }
        let ttl = Some(self.ttl_s);
        let rrsets = self.rrsets.into_iter().map(|((_, rtype), gathered)| {
            let rdata = gathered.rdata.iter();
            let rdata = rdata.filter_map(|wire| Rdata::from_wire(rtype, wire).ok());
            Rrset {
                name: gathered.owner,
                rtype,
                ttl,
                rdata: rdata.collect(),
                weights: Vec::new(),
            }
        });
        let rrsets: Vec<Rrset> = rrsets.collect();
        let mut zones: BTreeMap<&str, Vec<IpAddr>> = BTreeMap::new();
        for (address, zone) in self.zones {
            zones.entry(zone).or_default().push(address);
        }
        let zones: Vec<(&str, Vec<IpAddr>)> = zones.into_iter().collect();
        bundle::encode(&Bundle {
            policy: self.policy,
            names: exist,
            address_names,
            pointers_given: true,
            probe: self.probe,
            zones: &zones,
            rrsets: &rrsets,
            ..Bundle::default()
        })
        .map(Some)
    }
}
