//! Kubernetes objects as short texts: what the scenarios put into the API server.
//!
//! A service is `NAMESPACE/NAME ADDRESSES PORTS`; its endpoints are slices of their own, as in a
//! real cluster, where nothing here would make them.

use serde_json::{Value, json};

/// A Namespace.
pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A Service with cluster addresses (`None`: headless) and ports `name/protocol/number`.
pub(crate) fn service(path: &str, addresses: &[&str], ports: &[&str]) -> Value {
    let (namespace, name) = split(path);
    let families: Vec<&str> = addresses.iter().copied().filter_map(family).collect();
    let mut object = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": "ClusterIP", "clusterIP": addresses[0], "clusterIPs": addresses,
            "ports": ports.iter().copied().map(service_port).collect::<Vec<_>>(),
        },
    });
    if !families.is_empty() {
        object["spec"]["ipFamilies"] = families.into();
        object["spec"]["ipFamilyPolicy"] = match addresses.len() {
            1 => "SingleStack".into(),
            _ => "RequireDualStack".into(),
        };
    }
    object
}

/// A Service that is an alias.
pub(crate) fn external_name(path: &str, target: &str) -> Value {
    let (namespace, name) = split(path);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ExternalName", "externalName": target},
    })
}

/// An EndpointSlice of a service; endpoints are
/// `ADDRESS [name=HOSTNAME] [zone=ZONE] [notready]`.
pub(crate) fn slice(service: &str, id: &str, ports: &[&str], endpoints: &[&str]) -> Value {
    let (namespace, name) = split(service);
    let v6 = endpoints.iter().any(|endpoint| endpoint.contains(':'));
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-{id}"), "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": if v6 { "IPv6" } else { "IPv4" },
        "ports": ports.iter().copied().map(port).collect::<Vec<_>>(),
        "endpoints": endpoints.iter().copied().map(endpoint).collect::<Vec<_>>(),
    })
}

/// An EndpointSlice that a cluster of the set exported.
pub(crate) fn imported_slice(
    import: &str,
    cluster: &str,
    ports: &[&str],
    endpoints: &[&str],
) -> Value {
    let (_, name) = split(import);
    let mut object = slice(import, cluster, ports, endpoints);
    object["metadata"]["labels"] = json!({
        "multicluster.kubernetes.io/service-name": name,
        "multicluster.kubernetes.io/source-cluster": cluster,
    });
    object
}

/// A ServiceImport: headless without addresses.
pub(crate) fn service_import(path: &str, addresses: &[&str], ports: &[&str]) -> Value {
    let (namespace, name) = split(path);
    let kind = match addresses {
        [] => "Headless",
        _ => "ClusterSetIP",
    };
    json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceImport",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "type": kind, "ips": addresses,
            "ports": ports.iter().copied().map(port).collect::<Vec<_>>(),
        },
    })
}

/// A running Pod.
pub(crate) fn pod(path: &str, addresses: &[&str]) -> Value {
    let (namespace, name) = split(path);
    let ips: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "none"}]},
        "status": {"phase": "Running", "podIP": addresses[0], "podIPs": ips},
    })
}

/// The same object with an annotation.
pub(crate) fn annotated(mut object: Value, name: &str, value: &str) -> Value {
    object["metadata"]["annotations"][name] = value.into();
    object
}

/// The same Service with what a load balancer gave it: an address or a name.
pub(crate) fn balanced(mut service: Value, given: &str) -> Value {
    let ingress = match given.parse::<std::net::IpAddr>() {
        Ok(_) => json!({"ip": given}),
        Err(_) => json!({"hostname": given}),
    };
    service["spec"]["type"] = "LoadBalancer".into();
    service["status"] = json!({"loadBalancer": {"ingress": [ingress]}});
    service
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('/').expect("namespace/name")
}

fn family(address: &str) -> Option<&'static str> {
    match address.parse().ok()? {
        std::net::IpAddr::V4(_) => Some("IPv4"),
        std::net::IpAddr::V6(_) => Some("IPv6"),
    }
}

fn port(text: &str) -> Value {
    let parts: Vec<&str> = text.split('/').collect();
    let [name, protocol, number] = parts[..] else {
        panic!("{text} is no name/protocol/number");
    };
    let number: u16 = number.parse().expect("a port");
    json!({"name": name, "protocol": protocol, "port": number})
}

fn service_port(text: &str) -> Value {
    let mut port = port(text);
    port["targetPort"] = port["port"].clone();
    port
}

fn endpoint(text: &str) -> Value {
    let mut words = text.split_whitespace();
    let address = words.next().expect("an address");
    let mut object = json!({"addresses": [address], "conditions": {"ready": true}});
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("name", name) => object["hostname"] = name.into(),
            ("zone", name) => object["zone"] = name.into(),
            ("notready", "") => object["conditions"]["ready"] = false.into(),
            _ => panic!("unknown word {word}"),
        }
    }
    object
}
