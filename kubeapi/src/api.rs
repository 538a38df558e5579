//! The REST API: people and programs change names here, and never touch the store.
//!
//! A request goes one way: token ([`caller`]) -> fields (`schema::rest`) -> what the name holds
//! ([`crate::records`]) -> one guarded transaction ([`crate::plan`], [`write`]) -> audit trail
//! ([`audit`]). Reads are answered from memory. Every failure is JSON that names the field
//! ([`failure`]); tokens are in no log, since only the path without its query is logged.
//!
//! [`listener`] holds the limits of connections. What names mean to resolvers is not known here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use containerdns_schema::rest::request::{self, Method};
use containerdns_schema::rest::{BODY_LEN_MAX, RequestError};
use containerdns_schema::{Name, RecordType};
use containerdns_store::Store;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tracing::{debug, info};

use crate::mirror::Mirror;
use crate::plan::Rules;
use crate::tokens::Keyring;

pub mod audit;
mod caller;
mod failure;
mod history;
pub mod listener;
mod query;
mod read;
mod view;
mod write;

use audit::Trail;
use caller::Caller;
use failure::ApiError;
use query::Query;

/// How long a request's body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(5);
/// Octets of a body that is too large anyway which are still read, so that its sender comes to
/// read the answer.
const BODY_DISCARDED_MAX: usize = 16 << 20;
/// What clients read the API's shape from.
const OPENAPI: &str = include_str!("api/openapi.json");

/// What the API works with.
pub struct Api {
    store: Arc<dyn Store>,
    mirror: Arc<Mirror>,
    keyring: Arc<Keyring>,
    /// Whether `?token=` is taken.
    query_token: bool,
    rules: Rules,
    trail: Trail,
    names: write::Locks,
    /// Taken after those of names.
    keys: write::Locks,
    tombstones: write::Tombstones,
    histories: Semaphore,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

impl Api {
    /// An API over a store that `mirror` follows.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        mirror: Arc<Mirror>,
        keyring: Arc<Keyring>,
        query_token: bool,
        rules: Rules,
        trail: Trail,
    ) -> Arc<Api> {
        Arc::new(Api {
            store,
            mirror,
            keyring,
            query_token,
            rules,
            trail,
            names: write::Locks::default(),
            keys: write::Locks::default(),
            tombstones: write::Tombstones::default(),
            histories: Semaphore::new(history::AT_ONCE_MAX),
        })
    }

    /// The paths.
    pub fn router(self: Arc<Api>) -> Router {
        let collection = get(list).post(batch);
        Router::new()
            .route("/containerdns/api", collection.clone())
            .route("/containerdns/api/", collection)
            .route("/containerdns/api/openapi.json", get(openapi))
            .route(
                "/containerdns/api/{name}",
                get(show).post(change).put(change).delete(change),
            )
            .route("/containerdns/api/{name}/history", get(history))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .fallback(async || ApiError::NoPath)
            .method_not_allowed_fallback(async || ApiError::Method)
            .layer(middleware::from_fn(checked_and_logged))
            .with_state(self)
    }

    fn check_ready(&self) -> Result<(), ApiError> {
        if self.mirror.is_ready() {
            return Ok(());
        }
        Err(ApiError::Away("the store has not been read yet".into()))
    }

    /// The name that a path means.
    fn name(&self, path: Result<Path<String>, PathRejection>) -> Result<Name, ApiError> {
        let bad = |error: PathRejection| RequestError::new("name", error.body_text());
        let Path(text) = path.map_err(bad)?;
        Ok(self.mirror.layout().zones.resolve("name", &text, None)?)
    }
}

type Shared = State<Arc<Api>>;
type Client = ConnectInfo<SocketAddr>;

/// Refuses paths whose escapes are broken, and logs what came of every request.
async fn checked_and_logged(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let client = request.extensions().get::<Client>().map(|client| client.0);
    let response = match check_escapes(&path) {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError::from(error).into_response(),
    };
    let (status, took_us) = (response.status().as_u16(), started.elapsed().as_micros());
    if method == HttpMethod::GET || method == HttpMethod::HEAD {
        debug!(%method, path, status, ?client, took_us, "request");
    } else {
        info!(%method, path, status, ?client, took_us, "request");
    }
    response
}

fn check_escapes(path: &str) -> Result<(), RequestError> {
    let mut rest = path;
    while let Some((_, behind)) = rest.split_once('%') {
        let digits = behind.as_bytes().get(..2);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let problem = "`%` is not followed by two hex digits; write `%25` for it";
            return Err(RequestError::new("path", problem));
        }
        rest = behind;
    }
    Ok(())
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn readyz(State(api): Shared) -> Response {
    let ready = api.mirror.is_ready();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = serde_json::json!({ "ready": ready });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, format!("{body}\n")).into_response()
}

/// `GET /containerdns/api`
async fn list(State(api): Shared, request: Request) -> Result<Response, ApiError> {
    let query = Query::parse(request.uri())?;
    let caller = Caller::of(&api, request.headers(), &query)?;
    api.check_ready()?;
    query.only(&["type", "zone", "user", "after", "limit"])?;
    read::list(&api, &caller, &query).await
}

/// `GET /containerdns/api/{name}`
async fn show(
    State(api): Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let query = Query::parse(request.uri())?;
    let caller = Caller::of(&api, request.headers(), &query)?;
    let name = api.name(path)?;
    caller.check_scope(&name)?;
    api.check_ready()?;
    query.only(&["type", "user"])?;
    read::show(&api, &name, &query)
}

/// `GET /containerdns/api/{name}/history`
async fn history(
    State(api): Shared,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let query = Query::parse(request.uri())?;
    let caller = Caller::of(&api, request.headers(), &query)?;
    let name = api.name(path)?;
    caller.check_scope(&name)?;
    query.only(&["limit"])?;
    history::history(&api, &name, &query).await
}

/// `POST`, `PUT` and `DELETE` of `/containerdns/api/{name}`
async fn change(
    State(api): Shared,
    client: Client,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let query = Query::parse(request.uri())?;
    let caller = Caller::of(&api, request.headers(), &query)?;
    caller.check_writes()?;
    let name = api.name(path)?;
    caller.check_scope(&name)?;
    query.only(&["dry_run", "user"])?;
    let (method, label) = match *request.method() {
        HttpMethod::PUT => (Method::Update, "PUT"),
        HttpMethod::DELETE => (Method::Delete, "DELETE"),
        _ => (Method::Create, "POST"),
    };
    let body = body(request).await?;
    let zones = &api.mirror.layout().zones;
    let changes = request::parse(zones, method, &name, &body)?;
    write::write(&api, &caller, client.0, &query, label, changes).await
}

/// `POST /containerdns/api`
async fn batch(State(api): Shared, client: Client, request: Request) -> Result<Response, ApiError> {
    let query = Query::parse(request.uri())?;
    let caller = Caller::of(&api, request.headers(), &query)?;
    caller.check_writes()?;
    query.only(&["dry_run", "user"])?;
    let body = body(request).await?;
    let changes = request::parse_batch(&api.mirror.layout().zones, &body)?;
    write::write(&api, &caller, client.0, &query, "BATCH", changes).await
}

/// The whole body, within the limits of size and time.
async fn body(request: Request) -> Result<Vec<u8>, ApiError> {
    let late = |_| ApiError::Slow;
    let read = tokio::time::timeout(BODY_TIME_MAX, read_body(request));
    read.await.map_err(late)?
}

async fn read_body(request: Request) -> Result<Vec<u8>, ApiError> {
    let (mut octets, mut length) = (Vec::new(), 0);
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let broken = |error| RequestError::new("body", format_args!("did not arrive: {error}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        length += data.len();
        if length <= BODY_LEN_MAX {
            octets.extend_from_slice(&data);
        } else if length > BODY_DISCARDED_MAX {
            break;
        }
    }
    match length {
        0..=BODY_LEN_MAX => Ok(octets),
        _ => Err(ApiError::body_too_large()),
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// `type=` of a query.
fn rtype_of(query: &Query) -> Result<Option<RecordType>, ApiError> {
    let parse = |text: &str| {
        let parsed = text.parse();
        parsed.map_err(|error| RequestError::new("type", error))
    };
    Ok(query.get("type").map(parse).transpose()?)
}
