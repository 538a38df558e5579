//! Kubernetes objects as short texts; each builder gives the JSON that an API server would.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::kubernetes::Object;

/// The object as its type.
pub(in crate::kubernetes) fn object(value: &Value) -> Object {
    fn typed<T: DeserializeOwned>(value: &Value) -> T {
        serde_json::from_value(value.clone()).expect("an object of its kind")
    }
    match value["kind"].as_str() {
        Some("Service") => Object::Service(typed(value)),
        Some("EndpointSlice") => Object::EndpointSlice(typed(value)),
        Some("Pod") => Object::Pod(typed(value)),
        Some("Namespace") => Object::Namespace(typed(value)),
        Some("ServiceImport") => Object::ServiceImport(typed(value)),
        other => panic!("no kind of ours: {other:?}"),
    }
}

/// A Namespace.
pub(in crate::kubernetes) fn namespace(name: &str) -> Value {
    json!({"kind": "Namespace", "metadata": {"name": name}})
}

/// A Service: `[NAMESPACE/]NAME`, cluster addresses (`None`: headless), ports
/// `[NAME/]PROTOCOL/NUMBER`, each list separated by spaces.
pub(in crate::kubernetes) fn service(path: &str, addresses: &str, ports: &str) -> Value {
    let addresses: Vec<&str> = addresses.split_whitespace().collect();
    json!({
        "kind": "Service",
        "metadata": metadata(path),
        "spec": {
            "clusterIP": addresses.first(), "clusterIPs": addresses,
            "ports": ports.split_whitespace().map(port).collect::<Vec<_>>(),
        },
    })
}

/// A Service that is an alias.
pub(in crate::kubernetes) fn alias(path: &str, target: &str) -> Value {
    json!({
        "kind": "Service",
        "metadata": metadata(path),
        "spec": {"type": "ExternalName", "externalName": target},
    })
}

/// An EndpointSlice of a service; endpoints are separated by commas, each is addresses and
/// `name=HOSTNAME`, `pod=POD`, `zone=ZONE`, `ready` or `notready`.
pub(in crate::kubernetes) fn slice(path: &str, of: &str, ports: &str, endpoints: &str) -> Value {
    let mut metadata = metadata(path);
    metadata["labels"] = json!({"kubernetes.io/service-name": of});
    let endpoints = endpoints.split(',').filter(|text| !text.trim().is_empty());
    json!({
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": ports.split_whitespace().map(port).collect::<Vec<_>>(),
        "endpoints": endpoints.map(endpoint).collect::<Vec<_>>(),
    })
}

/// An EndpointSlice that a cluster of the set exported.
pub(in crate::kubernetes) fn imported_slice(
    path: &str,
    (import, cluster): (&str, &str),
    ports: &str,
    endpoints: &str,
) -> Value {
    let mut object = slice(path, "", ports, endpoints);
    object["metadata"]["labels"] = json!({
        "multicluster.kubernetes.io/service-name": import,
        "multicluster.kubernetes.io/source-cluster": cluster,
    });
    object
}

/// A ServiceImport: headless without addresses.
pub(in crate::kubernetes) fn import(path: &str, addresses: &str, ports: &str) -> Value {
    let addresses: Vec<&str> = addresses.split_whitespace().collect();
    let kind = match addresses[..] {
        [] => "Headless",
        _ => "ClusterSetIP",
    };
    json!({
        "kind": "ServiceImport",
        "metadata": metadata(path),
        "spec": {
            "type": kind, "ips": addresses,
            "ports": ports.split_whitespace().map(port).collect::<Vec<_>>(),
        },
    })
}

/// A Pod in a phase.
pub(in crate::kubernetes) fn pod(path: &str, phase: &str, addresses: &str) -> Value {
    let addresses: Vec<Value> = addresses
        .split_whitespace()
        .map(|ip| json!({"ip": ip}))
        .collect();
    json!({
        "kind": "Pod",
        "metadata": metadata(path),
        "status": {"phase": phase, "podIPs": addresses},
    })
}

/// The same object with an annotation `containerdns.io/NAME`.
pub(in crate::kubernetes) fn annotated(mut object: Value, name: &str, value: &str) -> Value {
    object["metadata"]["annotations"][format!("containerdns.io/{name}")] = value.into();
    object
}

/// The same Service with what a load balancer gave it, addresses or names.
pub(in crate::kubernetes) fn balanced(mut service: Value, given: &str) -> Value {
    let ingress = |text: &str| match text.parse::<std::net::IpAddr>() {
        Ok(_) => json!({"ip": text}),
        Err(_) => json!({"hostname": text}),
    };
    let ingress: Vec<Value> = given.split_whitespace().map(ingress).collect();
    service["status"] = json!({"loadBalancer": {"ingress": ingress}});
    service
}

fn metadata(path: &str) -> Value {
    let (namespace, name) = path.split_once('/').unwrap_or(("prod", path));
    json!({"name": name, "namespace": namespace})
}

fn port(text: &str) -> Value {
    let mut parts = text.rsplit('/');
    let number = parts.next().and_then(|number| number.parse::<i32>().ok());
    json!({"port": number, "protocol": parts.next(), "name": parts.next()})
}

fn endpoint(text: &str) -> Value {
    let mut object = json!({"addresses": []});
    for word in text.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("name", name) => object["hostname"] = name.into(),
            ("pod", name) => object["targetRef"] = json!({"kind": "Pod", "name": name}),
            ("zone", name) => object["zone"] = name.into(),
            ("ready", "") => object["conditions"] = json!({"ready": true}),
            ("notready", "") => object["conditions"] = json!({"ready": false}),
            _ => object["addresses"]
                .as_array_mut()
                .expect("a list")
                .push(word.into()),
        }
    }
    object
}
