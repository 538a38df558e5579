//! Objects as they come from the API server, turned into what names are made of: everything is
//! checked here, once, and what cannot become a name is a [`Refusal`] beside the rest.

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::SystemTime;

use containerdns_schema::Name;
use containerdns_schema::name::LABEL_LEN_MAX;
use containerdns_schema::record::TTL_MAX_S;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::state::{
    Endpoint, EndpointsOf, ImportState, PodState, Port, ServiceKind, ServiceState, SliceState,
};
use crate::kubernetes::import::{self, ServiceImport};
use crate::kubernetes::settings::{ExternalSource, Settings};

/// Annotation with the TTL of a Service's records, in seconds.
const TTL_ANNOTATION: &str = "containerdns.io/ttl";
/// Annotation with the answer policy of a Service's names.
const POLICY_ANNOTATION: &str = "containerdns.io/policy";
/// Annotation that asks for probes of a Service's addresses, and how.
const PROBE_ANNOTATION: &str = "containerdns.io/probe";
/// Annotation with more names of a Service, separated by commas.
const HOSTNAME_ANNOTATION: &str = "containerdns.io/hostname";
/// Names that one annotation may ask for.
const HOSTNAMES_MAX: usize = 16;
/// Annotation with the time of the change that an EndpointSlice was made for.
const TRIGGER_ANNOTATION: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Label with the Service that an EndpointSlice belongs to.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
/// Labels in front of a zone that are kept for other names.
const KEPT_LABELS: [&[u8]; 4] = [b"svc", b"pod", b"dns", b"dns-version"];

/// Why an object, or a part of it, has no name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// A word for events and metrics.
    pub reason: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, message: impl Display) -> Self {
        Self {
            reason,
            message: message.to_string(),
        }
    }
}

/// Reads a Service.
pub(super) fn service(object: &Service, settings: &Settings) -> (ServiceState, Vec<Refusal>) {
    let mut refusals = Vec::new();
    let spec = object.spec.clone().unwrap_or_default();
    let annotation = |name: &str| {
        let annotations = object.metadata.annotations.as_ref()?;
        annotations.get(name).map(|text| text.trim())
    };
    let mut cluster_ips = spec.cluster_ips.unwrap_or_default();
    if cluster_ips.is_empty() {
        cluster_ips.extend(spec.cluster_ip);
    }
    let kind = if spec.type_.as_deref() == Some("ExternalName") {
        external_name(spec.external_name.as_deref(), &mut refusals)
    } else if cluster_ips.iter().any(|address| address == "None") {
        ServiceKind::Headless
    } else {
        // Before the server has given it an address, a Service has an empty one.
        cluster_ips.retain(|address| !address.is_empty());
        ServiceKind::ClusterIp(addresses("spec.clusterIPs", &cluster_ips, &mut refusals))
    };
    let ports = spec.ports.unwrap_or_default();
    let ports = ports
        .into_iter()
        .filter_map(|port| Port::new(port.name, port.protocol, port.port));
    let external_ips = spec.external_ips.unwrap_or_default();
    let (external, external_host) = external(object, &external_ips, settings, &mut refusals);
    let state = ServiceState {
        kind,
        ports: ports.collect(),
        publish_not_ready: spec.publish_not_ready_addresses.unwrap_or_default(),
        ttl_s: annotation(TTL_ANNOTATION).and_then(|text| ttl(text, &mut refusals)),
        policy: annotation(POLICY_ANNOTATION)
            .and_then(|text| parsed(POLICY_ANNOTATION, text, &mut refusals)),
        probe: annotation(PROBE_ANNOTATION)
            .filter(|text| *text != "false")
            .and_then(|text| parsed(PROBE_ANNOTATION, text, &mut refusals)),
        hostnames: annotation(HOSTNAME_ANNOTATION)
            .map(|text| hostnames(text, settings, &mut refusals))
            .unwrap_or_default(),
        external,
        external_host,
    };
    (state, refusals)
}

fn external_name(text: Option<&str>, refusals: &mut Vec<Refusal>) -> ServiceKind {
    let text = text.unwrap_or_default().trim();
    let bare = text.strip_suffix('.').unwrap_or(text);
    let refused = |message: String| Refusal::new("ExternalNameRefused", message);
    if bare.parse::<IpAddr>().is_ok() {
        refusals.push(refused(format!(
            "spec.externalName: `{text}` is an address; an alias needs a name: make a Service \
             without selector, and an EndpointSlice with the address"
        )));
        return ServiceKind::Nameless;
    }
    match Name::parse(text) {
        Ok(name) if name.label_count() > 0 => ServiceKind::ExternalName(name),
        Ok(_) => {
            refusals.push(refused("spec.externalName: is empty; write a name".into()));
            ServiceKind::Nameless
        }
        Err(error) => {
            refusals.push(refused(format!("spec.externalName: `{text}`: {error}")));
            ServiceKind::Nameless
        }
    }
}

/// Addresses and a name under which a Service is reached from outside.
fn external(
    object: &Service,
    external_ips: &[String],
    settings: &Settings,
    refusals: &mut Vec<Refusal>,
) -> (Vec<IpAddr>, Option<Name>) {
    let (mut found, mut hosts) = (Vec::new(), Vec::new());
    if settings.external_zones.is_empty() {
        return (found, None);
    }
    if settings.external_source != ExternalSource::LoadBalancer {
        found = addresses("spec.externalIPs", external_ips, refusals);
    }
    let balancer = object.status.as_ref().and_then(|status| {
        let balancer = status.load_balancer.as_ref()?;
        balancer.ingress.as_ref()
    });
    if let Some(ingress) = balancer
        && settings.external_source != ExternalSource::ExternalIp
    {
        let ips: Vec<String> = ingress.iter().filter_map(|one| one.ip.clone()).collect();
        found.extend(addresses("status.loadBalancer.ingress", &ips, refusals));
        let texts = ingress.iter().filter_map(|one| one.hostname.as_deref());
        for text in texts.filter(|text| !text.is_empty()) {
            match Name::parse(text) {
                Ok(name) => hosts.push(name),
                Err(error) => refusals.push(Refusal::new(
                    "AddressRefused",
                    format_args!("status.loadBalancer.ingress: `{text}`: {error}"),
                )),
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    (found, hosts.into_iter().min())
}

fn addresses(field: &str, texts: &[String], refusals: &mut Vec<Refusal>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => refusals.push(Refusal::new(
                "AddressRefused",
                format_args!("{field}: `{text}` is no address"),
            )),
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn ttl(text: &str, refusals: &mut Vec<Refusal>) -> Option<u32> {
    let ttl_s = text.parse().ok().filter(|ttl_s| *ttl_s <= TTL_MAX_S);
    if ttl_s.is_none() {
        refusals.push(Refusal::new(
            "AnnotationRefused",
            format_args!("{TTL_ANNOTATION}: `{text}` is no TTL; write seconds, 0 to {TTL_MAX_S}"),
        ));
    }
    ttl_s
}

/// The value of an annotation that is one word of a known form.
fn parsed<T: FromStr<Err: Display>>(
    annotation: &str,
    text: &str,
    refusals: &mut Vec<Refusal>,
) -> Option<T> {
    let refuse = |error| {
        let message = format_args!("{annotation}: {error}").to_string();
        refusals.push(Refusal::new("AnnotationRefused", message));
    };
    text.parse().map_err(refuse).ok()
}

fn hostnames(text: &str, settings: &Settings, refusals: &mut Vec<Refusal>) -> Vec<Name> {
    let mut names = Vec::new();
    let texts = text
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    for (place, text) in texts.enumerate() {
        let problem = match Name::parse(text) {
            _ if place >= HOSTNAMES_MAX => format!("at most {HOSTNAMES_MAX} names are taken"),
            Err(error) => error.to_string(),
            Ok(name) => match why_not_offered(&name, settings) {
                None => {
                    names.push(name.to_lower());
                    continue;
                }
                Some(problem) => problem.into(),
            },
        };
        refusals.push(Refusal::new(
            "AnnotationRefused",
            format_args!("{HOSTNAME_ANNOTATION}: `{text}`: {problem}"),
        ));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Why an annotation may not ask for a name, if it may not.
fn why_not_offered(name: &Name, settings: &Settings) -> Option<&'static str> {
    let below = |zone: &Name| match name.is_within(zone) {
        true => Some(name.label_count() - zone.label_count()),
        false => None,
    };
    let offered = &settings.hostname_zones;
    let within = |zones: &[Name]| zones.iter().any(|zone| below(zone).is_some());
    if !within(offered) {
        return Some("lies in none of the zones for that: hostname_zones in the configuration");
    }
    if within(&settings.external_zones) || within(&settings.clusterset_zones) {
        return Some("lies in external_zones or clusterset_zones, where every name is an object's");
    }
    if name.labels().any(|label| label == b"*") {
        return Some("a wildcard would answer for names that nobody asked for");
    }
    // A zone of the cluster may lie below one that is open, which keeps its labels all the same.
    let made = settings.zones.iter().chain(&settings.clusterset_zones);
    let mut all = offered.iter().chain(made);
    let in_front = |zone: &Name| name.labels().nth(below(zone)?.checked_sub(1)?);
    let is_kept = |zone| {
        let label: Option<&[u8]> = in_front(zone);
        let kept = |label: &[u8]| {
            KEPT_LABELS
                .iter()
                .any(|kept| label.eq_ignore_ascii_case(kept))
        };
        label.is_some_and(kept)
    };
    if all.clone().any(|zone| below(zone) == Some(0)) {
        return Some("is a zone itself; write a name below it");
    }
    all.any(is_kept)
        .then_some("svc, pod, dns and dns-version in front of a zone are kept for other names")
}

/// Reads an EndpointSlice.
pub(super) fn slice(object: &EndpointSlice, settings: &Settings) -> (SliceState, Vec<Refusal>) {
    let mut refusals = Vec::new();
    let label = |name: &str| {
        let labels = object.metadata.labels.as_ref()?;
        labels.get(name).map(|text| text.clone().into_boxed_str())
    };
    if object.address_type == "FQDN" {
        refusals.push(Refusal::new(
            "AddressTypeRefused",
            "addressType: FQDN endpoints have no addresses; use IPv4 or IPv6",
        ));
    }
    let ports = object.ports.iter().flatten();
    let ports =
        ports.filter_map(|port| Port::new(port.name.clone(), port.protocol.clone(), port.port?));
    let mut endpoints = Vec::new();
    for endpoint in &object.endpoints {
        if object.address_type == "FQDN" {
            break;
        }
        // Unknown is to be taken as ready (EndpointConditions.ready).
        let ready = endpoint
            .conditions
            .as_ref()
            .and_then(|conditions| conditions.ready);
        let pod = endpoint.target_ref.as_ref();
        let pod = pod.filter(|target| target.kind.as_deref() == Some("Pod"));
        // Names of pods may be longer than a label, and have dots.
        let is_label =
            |name: &String| (1..=LABEL_LEN_MAX).contains(&name.len()) && !name.contains('.');
        let pod = pod.and_then(|target| target.name.clone()).filter(is_label);
        endpoints.push(Endpoint {
            addresses: addresses("endpoints.addresses", &endpoint.addresses, &mut refusals).into(),
            ready: ready.unwrap_or(true),
            hostname: endpoint
                .hostname
                .clone()
                .filter(|name| !name.is_empty())
                .or(pod.filter(|_| settings.endpoint_pod_names))
                .map(String::into_boxed_str),
            zone: endpoint
                .zone
                .clone()
                .filter(|zone| !zone.is_empty())
                .map(String::into_boxed_str),
        });
    }
    let annotations = object.metadata.annotations.as_ref();
    let trigger = annotations.and_then(|all| all.get(TRIGGER_ANNOTATION));
    let state = SliceState {
        endpoints_of: EndpointsOf {
            service: label(SERVICE_LABEL),
            import: label(import::SERVICE_LABEL),
            cluster: label(import::CLUSTER_LABEL),
        },
        ports: ports.collect(),
        endpoints: endpoints.into(),
        triggered_at: trigger.and_then(|text| time(text)),
    };
    (state, refusals)
}

fn time(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

/// Reads a Pod: its addresses, unless it has ended.
pub(super) fn pod(object: &Pod) -> PodState {
    let Some(status) = &object.status else {
        return PodState::default();
    };
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return PodState::default();
    }
    let several = status.pod_ips.iter().flatten();
    let texts = several
        .map(|one| &one.ip[..])
        .chain(status.pod_ip.as_deref());
    let mut addresses: Vec<IpAddr> = texts.filter_map(|text| text.parse().ok()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    PodState {
        addresses: addresses.into(),
    }
}

/// Reads a ServiceImport.
pub(super) fn service_import(object: &ServiceImport) -> (ImportState, Vec<Refusal>) {
    let mut refusals = Vec::new();
    let ports = object.ports().into_iter();
    let ports = ports.filter_map(|port| Port::new(port.name, port.protocol, port.number));
    let state = ImportState {
        addresses: match object.is_headless() {
            true => None,
            false => Some(addresses("spec.ips", &object.ips(), &mut refusals)),
        },
        ports: ports.collect(),
    };
    (state, refusals)
}
