//! A stand-in for a Kubernetes API server: objects in memory, behind the API that a controller
//! uses, with faults at the push of a button.
//!
//! It behaves as the recordings of a real server say (`tests/kubernetes/recordings`): versions,
//! pages, watches, bookmarks, streamed lists, and the words of each refusal. One handler answers
//! all requests; it is mounted behind a port ([`StandIn::address`]) and can be mounted under a
//! client without one ([`StandIn::answer`]). The methods of [`StandIn`] block for no longer than a
//! lock is held, and work from any thread.
//!
//! It is no Kubernetes: no controller runs, no default value is filled in, nothing is compressed,
//! there are no leases and no subresources, and who a client is matters only when a token is asked
//! for. Used by several test programs through `#[path]`, so that it refers only to itself, and to
//! crates that all of them have.

mod answer;
mod faults;
mod handler;
mod list;
mod listener;
mod options;
mod resources;
mod selector;
mod status;
mod store;
mod token;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::Value;

use answer::Reply;
pub(crate) use faults::{Faults, Streaming, Times};
use handler::Server;
use listener::Listener;
use resources::{RESOURCES, Resource};

/// The token in the file that a kubeconfig names.
pub(crate) const TOKEN: &str = "stand-in";

/// A running stand-in; it ends when dropped.
pub(crate) struct StandIn {
    server: Arc<Server>,
    address: SocketAddr,
    listener: Mutex<Option<Listener>>,
}

impl StandIn {
    /// One without objects.
    pub(crate) fn start() -> StandIn {
        let server = Arc::new(Server::new());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::open(Arc::clone(&server), address);
        StandIn {
            address: listener.address,
            server,
            listener: Mutex::new(Some(listener)),
        }
    }

    /// Where it listens, for plain HTTP; the same after a restart.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes a kubeconfig, and beside it a file `*.token` with [`TOKEN`], which it names.
    pub(crate) fn kubeconfig(&self, file: &Path) {
        let token = file.with_extension("token");
        fs::write(&token, TOKEN).expect("write the token");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: stand-in\n\
             clusters:\n- name: stand-in\n  cluster:\n    server: http://{}\n\
             users:\n- name: dns\n  user:\n    tokenFile: {token:?}\n\
             contexts:\n- name: stand-in\n  context:\n    cluster: stand-in\n    user: dns\n",
            self.address
        );
        fs::write(file, text).expect("write the kubeconfig");
    }

    /// The other mount: what answers requests without a connection. An error while stopped.
    pub(crate) fn answer(
        &self,
    ) -> impl Fn(Request<Body>) -> Answer + Clone + Send + Sync + 'static + use<> {
        let server = Arc::clone(&self.server);
        move |request| Box::pin(handler::handle(Arc::clone(&server), request))
    }

    /// Creates or replaces an object; gives it as it is then. The same again changes nothing.
    pub(crate) fn apply(&self, mut object: Value) -> Value {
        let resource = Resource::of(&object).unwrap_or_else(|| panic!("unknown kind: {object}"));
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        let name = text("name").expect("an object has a name");
        let namespace = text("namespace").unwrap_or_default();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|field, _| field != "resourceVersion" && field != "uid");
        }
        let applied = self.server.change(|state| {
            let exists = state.store.get(&resource.key(&namespace, &name)).is_some();
            match exists {
                true => write::replace(&mut state.store, resource, (&namespace, &name), object),
                false => write::create(&mut state.store, resource, &namespace, object),
            }
        });
        match applied {
            Ok(applied) => applied,
            Err(Reply::Whole(_, status)) => panic!("refused: {status}"),
            Err(_) => unreachable!("refusals are objects"),
        }
    }

    /// Deletes an object that there is; `namespace` is empty for objects that are in none.
    pub(crate) fn delete(&self, kind: &str, namespace: &str, name: &str) {
        let removed = self.server.change(|state| {
            let of_kind = RESOURCES.iter().filter(|resource| resource.kind == kind);
            let mut keys = of_kind.map(|resource| resource.key(namespace, name));
            keys.find_map(|key| state.store.remove(key))
        });
        assert!(removed.is_some(), "no {kind} {namespace}/{name}");
    }

    /// All objects of a kind, such as the events that clients have posted.
    pub(crate) fn objects(&self, kind: &str) -> Vec<Value> {
        self.server.look(|state| state.store.of_kind(kind))
    }

    /// The version of the newest change.
    pub(crate) fn revision(&self) -> u64 {
        self.server.look(|state| state.store.revision)
    }

    /// Versions before now are gone: for watches, lists and pages that ask for them from now on.
    pub(crate) fn compact(&self) {
        self.server
            .change(|state| state.store.compacted = state.store.revision);
    }

    /// As after a restore from a backup: these objects, as they are, at a version; the past is
    /// gone, and running watches are cut.
    pub(crate) fn restore(&self, objects: Vec<Value>, revision: u64) {
        self.server.change(|state| {
            state.cuts += 1;
            state.store.restore(objects, revision);
        });
    }

    /// Ends all running watches well, after what they have to say.
    pub(crate) fn close_watches(&self) {
        self.server.change(|state| state.closes += 1);
    }

    /// How many watches are running.
    pub(crate) fn watches(&self) -> usize {
        self.server.look(|state| state.open_watches)
    }

    /// Cuts all connections and closes the port. Objects stay.
    pub(crate) fn stop(&self) {
        self.server.change(|state| {
            state.stopped = true;
            state.cuts += 1;
        });
        drop(self.listener().take());
    }

    /// Listens again.
    pub(crate) fn restart(&self) {
        self.server.change(|state| state.stopped = false);
        let listener = Listener::open(Arc::clone(&self.server), self.address);
        *self.listener() = Some(listener);
    }

    /// Sets switches.
    pub(crate) fn faults(&self, set: impl FnOnce(&mut Faults)) {
        self.server.change(|state| set(&mut state.faults));
    }

    /// What was asked, as `METHOD path?query`, and how often; also what was refused.
    pub(crate) fn requests(&self) -> BTreeMap<String, usize> {
        self.server.look(|state| state.requests.clone())
    }

    /// How many requests had all these parts in them.
    pub(crate) fn requests_with(&self, parts: &[&str]) -> usize {
        let requests = self.requests();
        let with = requests
            .iter()
            .filter(|(request, _)| parts.iter().all(|part| request.contains(part)));
        with.map(|(_, count)| count).sum()
    }

    fn listener(&self) -> std::sync::MutexGuard<'_, Option<Listener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to come to one request.
pub(crate) type Answer = std::pin::Pin<Box<dyn Future<Output = io::Result<Response<Body>>> + Send>>;
