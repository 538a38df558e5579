//! The API server of a scenario: the stand-in, or a real one; the same to those who use it.

use std::path::Path;

use serde_json::Value;

use super::real::RealServer;
use super::stand_in::StandIn;

/// An API server with objects.
pub(crate) enum Cluster {
    StandIn(StandIn),
    Real(Box<RealServer>),
}

impl Cluster {
    /// Runs a scenario against every API server that there is here.
    pub(crate) fn each(scenario: impl Fn(&Cluster)) {
        let cluster = Cluster::StandIn(StandIn::start());
        scenario(&cluster);
        drop(cluster);
        match RealServer::start() {
            Some(server) => scenario(&Cluster::Real(Box::new(server))),
            None => say_skipped(),
        }
    }

    /// Creates or replaces an object.
    pub(crate) fn apply(&self, object: &Value) {
        match self {
            Cluster::StandIn(stand_in) => drop(stand_in.apply(object.clone())),
            Cluster::Real(server) => server.apply(object),
        }
    }

    /// Creates or replaces objects, in this order.
    pub(crate) fn apply_all(&self, objects: &[Value]) {
        objects.iter().for_each(|object| self.apply(object));
    }

    /// Deletes an object as it was applied.
    pub(crate) fn delete(&self, object: &Value) {
        match self {
            Cluster::StandIn(stand_in) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let metadata = &object["metadata"];
                let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
                stand_in.delete(&text(&object["kind"]), &namespace, &name);
            }
            Cluster::Real(server) => server.delete(object),
        }
    }

    /// Makes the server know ServiceImports.
    pub(crate) fn serve_imports(&self) {
        match self {
            Cluster::StandIn(stand_in) => stand_in.faults(|faults| faults.service_imports = true),
            Cluster::Real(server) => server.serve_imports(),
        }
    }

    /// Events that were written: reason and note.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let events = match self {
            Cluster::StandIn(stand_in) => stand_in.objects("Event"),
            Cluster::Real(server) => server.events(),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let both = |event: &Value| (text(&event["reason"]), text(&event["note"]));
        events.iter().map(both).collect()
    }

    /// Writes a kubeconfig for the control plane.
    pub(crate) fn kubeconfig(&self, file: &Path) {
        match self {
            Cluster::StandIn(stand_in) => stand_in.kubeconfig(file),
            Cluster::Real(server) => server.kubeconfig(file),
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn say_skipped() {
    eprintln!(
        "skipped for a real API server: KUBEBUILDER_ASSETS names no folder with kube-apiserver \
         and etcd"
    );
}
