//! The stand-in under a `kube::Client`, without a connection between; and objects to put into it.

use axum::body::Body;
use axum::http::Request;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::stand_in::StandIn;

impl StandIn {
    /// A client whose requests are answered in its own task. Wants a runtime around it.
    pub(crate) fn client(&self) -> Client {
        let answer = self.answer();
        let send = move |request: Request<kube::client::Body>| answer(request.map(Body::new));
        Client::new(tower::service_fn(send), "default")
    }

    /// A client over HTTP, from a kubeconfig.
    pub(crate) async fn connect(&self) -> Client {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("kubeconfig");
        self.kubeconfig(&file);
        let kubeconfig = Kubeconfig::read_from(&file).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Client::try_from(config.expect("a configuration")).expect("a client")
    }
}

/// A Service with a label `n`.
pub(crate) fn service(namespace: &str, name: &str, n: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"n": n}},
        "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 80}]},
    })
}

/// An EndpointSlice with one address.
pub(crate) fn slice(namespace: &str, name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
    })
}
