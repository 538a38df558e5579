//! The names of the Kubernetes DNS-Based Service Discovery specification 1.1.0.

use std::net::IpAddr;

use containerdns_schema::Name;

use super::state::Port;

/// `labels` in front of `parent`; none when that is no name.
pub(super) fn below(labels: &[&str], parent: &Name) -> Option<Name> {
    let labels = labels.iter().map(|label| label.as_bytes());
    Name::from_labels(labels.chain(parent.labels())).ok()
}

/// `SERVICE.NAMESPACE.svc.ZONE` (sections 2.3 to 2.5).
pub(super) fn service(service: &str, namespace: &str, zone: &Name) -> Option<Name> {
    below(&[service, namespace, "svc"], zone)
}

/// `_PORT._PROTOCOL.SERVICE` of a port that has a name (section 2.3.2).
pub(super) fn port(port: &Port, service: &Name) -> Option<Name> {
    let name = format!("_{}", port.name.as_deref()?);
    below(&[&name, &format!("_{}", port.protocol)], service)
}

/// What an endpoint without a hostname is called: its address with dashes.
pub(super) fn dashed(address: IpAddr) -> String {
    address.to_string().replace(['.', ':'], "-")
}
