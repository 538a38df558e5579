//! What is behind both mounts: the state, and the answer to one request.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, AUTHORIZATION, HeaderName, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::answer::Reply;
use super::faults::Faults;
use super::options::Options;
use super::resources::{Resource, Target, discovery};
use super::store::Store;
use super::{list, status, watch as watching, write};

/// Larger bodies are refused.
const BODY_MAX_B: usize = 3 << 20;

/// Everything that changes.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    /// `METHOD path?query`, and how often.
    pub(crate) requests: BTreeMap<String, usize>,
    /// How often all watches were ended well, and how often they were cut.
    pub(crate) closes: u64,
    pub(crate) cuts: u64,
    pub(crate) open_watches: usize,
    /// Nothing is answered.
    pub(crate) stopped: bool,
}

/// The state, and word of each change of it.
pub(crate) struct Server {
    state: Mutex<State>,
    pub(crate) changed: watch::Sender<()>,
}

impl Server {
    pub(crate) fn new() -> Server {
        Server {
            state: Mutex::new(State {
                store: Store::new(),
                faults: Faults::none(),
                requests: BTreeMap::new(),
                closes: 0,
                cuts: 0,
                open_watches: 0,
                stopped: false,
            }),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
        changed
    }

    /// Waits until a version is reached; not for ever.
    pub(crate) async fn reached(&self, version: u64) -> bool {
        let mut changed = self.changed.subscribe();
        let limit = Instant::now() + self.look(|state| state.faults.version_wait);
        while self.look(|state| state.store.revision) < version {
            if timeout_at(limit, changed.changed()).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// Answers a request. An error: there is no server.
pub(crate) async fn handle(
    server: Arc<Server>,
    request: Request<Body>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let asked = format!("{} {path}", head.method);
    let (stopped, number) = server.change(|state| {
        if !state.stopped {
            *state.requests.entry(asked).or_default() += 1;
        }
        (state.stopped, state.requests.values().sum())
    });
    if stopped {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // For people, as a real server tells them: by their programs.
    let agent = header(&head, USER_AGENT);
    let pretty = agent.starts_with("curl/") || agent.starts_with("Wget/");
    let reply = reply(&server, &head, body).await;
    Ok(reply
        .unwrap_or_else(|refused| refused)
        .into_response(pretty, number))
}

async fn reply(server: &Arc<Server>, head: &Parts, body: Body) -> Result<Reply, Reply> {
    let path = head.uri.path();
    admit(server, head)?;
    if let Some(reply) = of_the_server(path) {
        return Ok(reply);
    }
    let custom = server.look(|state| state.faults.service_imports);
    if let Some(described) = discovery(path, custom) {
        return Ok(Reply::Whole(StatusCode::OK, described));
    }
    let target = Target::parse(path).ok_or_else(Reply::no_path)?;
    let resource = target.resource(custom).ok_or_else(Reply::no_path)?;
    if head.method != Method::GET {
        let body = to_bytes(body, BODY_MAX_B).await;
        let body = body.map_err(|error| status::refuse(400, "BadRequest", &error.to_string()))?;
        return write::write(server, resource, &target, &head.method, &body);
    }
    let partial = header(head, ACCEPT).contains("as=PartialObjectMetadata");
    if let Some(name) = &target.name {
        return get(server, resource, &target, name, partial);
    }
    let options = Options::parse(head.uri.query().unwrap_or_default(), &target, partial)?;
    match options.watch {
        true => watching::watch(server, resource, options),
        false => list::list(server, resource, &options).await,
    }
}

fn get(
    server: &Server,
    resource: &Resource,
    target: &Target,
    name: &str,
    partial: bool,
) -> Result<Reply, Reply> {
    let key = resource.key(target.namespace.as_deref().unwrap_or_default(), name);
    let object = server.look(|state| state.store.get(&key).cloned());
    let object = object.ok_or_else(|| status::not_found(resource, name))?;
    Ok(Reply::Whole(
        StatusCode::OK,
        resource.present(&object, partial),
    ))
}

/// Whether the client is known and may do this.
fn admit(server: &Server, head: &Parts) -> Result<(), Reply> {
    let token = header(head, AUTHORIZATION).strip_prefix("Bearer ");
    let known = server.look(|state| match &state.faults.token {
        Some(wanted) => token == Some(wanted.as_str()),
        None => true,
    });
    if !known {
        return Err(status::unauthorized());
    }
    if !server.change(|state| state.faults.forbid.take()) {
        return Ok(());
    }
    let query = head.uri.query().unwrap_or_default();
    let named = Target::parse(head.uri.path()).is_some_and(|target| target.name.is_some());
    let verb = match head.method.as_str() {
        "GET" if named => "get",
        "GET" if query.split('&').any(|pair| pair == "watch=true") => "watch",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        _ => "delete",
    };
    Err(status::forbidden(verb, head.uri.path()))
}

/// Paths that are about the server itself.
fn of_the_server(path: &str) -> Option<Reply> {
    match path {
        "/version" => Some(Reply::Whole(StatusCode::OK, version())),
        "/readyz" | "/livez" | "/healthz" => Some(Reply::Text(StatusCode::OK, "ok")),
        _ => None,
    }
}

/// What the recorded server says it is.
fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.2",
        "gitCommit": "98b35193b2ac7a23a673325f5e9b830ecd5ba406",
        "gitTreeState": "clean",
        "buildDate": "2026-08-21T00:00:00Z",
        "goVersion": "go1.26.10",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

fn header(head: &Parts, name: HeaderName) -> &str {
    let value = head.headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
