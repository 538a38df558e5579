//! What a probe, Prometheus and an operator ask over HTTP: `/healthz` whether the process still
//! works, `/readyz` whether it has read all that it needs, `/metrics` what it counted.
//!
//! There is no TLS, no login and no write here: listen on an address that only operators reach.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::mirror::Mirror;
use crate::role::Status;

/// A loop that has not turned for so long is stuck: it does so every second.
const AGE_MAX: Duration = Duration::from_secs(10);

/// What is shown.
#[derive(Debug)]
pub struct Admin {
    /// The metrics.
    pub registry: Registry,
    /// The roles that run here by themselves.
    pub roles: Vec<Status>,
    /// The REST API's view of the store, if it runs here.
    pub mirror: Option<Arc<Mirror>>,
}

/// The paths.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            let text = "not found; paths: /healthz /readyz /metrics\n";
            (StatusCode::NOT_FOUND, text)
        })
        .with_state(Arc::new(admin))
}

async fn healthz(State(admin): State<Arc<Admin>>) -> Response {
    let stuck = admin.roles.iter().filter(|role| role.age() > AGE_MAX);
    let reasons = stuck.map(|status| {
        let (role, age_ms) = (status.role, status.age().as_millis());
        format!("the loop of the {role} role last turned {age_ms} ms ago")
    });
    verdict("healthy", reasons.collect())
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let lists = admin.roles.iter().flat_map(Status::waits_for);
    let waits = lists.map(|what| format!("waits for a complete list of {what}"));
    let mut reasons: Vec<String> = waits.collect();
    if admin
        .mirror
        .as_ref()
        .is_some_and(|mirror| !mirror.is_ready())
    {
        reasons.push("the REST API waits for a complete list of the store".into());
    }
    verdict("ready", reasons)
}

/// 200 when nothing is against it, else 503 with what is.
fn verdict(name: &str, against: Vec<String>) -> Response {
    let status = match against.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({ name: against.is_empty(), "reasons": against });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, format!("{body}\n")).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
