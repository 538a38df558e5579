//! The admin server: what an operator, a probe and Prometheus ask over HTTP.
//!
//! `/healthz` says whether every shard's loop still turns, `/readyz` whether every shard holds the
//! first complete list, `/metrics` every count as Prometheus text, `/stats` the same as JSON. It
//! runs on the sync thread's runtime and only reads counters, so that it cannot slow a shard.
//!
//! One connection carries one request and lives for [`CONNECTION_TIME_MAX`] at most, so that a
//! slow client holds nothing for long. There is no TLS, no login and no write here: listen on an
//! address that only operators reach.

mod metrics;
mod process;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use self::metrics::{Metric, MetricKind, Sample};
use crate::counters::ShardCounters;

/// Connections at once at most; more wait in the listener's queue. One is 16 KiB and a task.
const CONNECTIONS_MAX: usize = 64;
/// A connection is closed after this, whatever it is doing.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(5);
/// Size of a request's head at most, in octets.
const REQUEST_LEN_MAX: usize = 8 << 10;
/// Pause after a failed accept: descriptors have run out, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A shard whose last turn is older is stuck: its loop wakes every 100 ms at least.
const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(2);

/// What the admin server reads.
#[derive(Clone)]
pub struct AdminState {
    /// The shards' counters, in the order of their numbers.
    pub shards: Vec<Arc<ShardCounters>>,
    /// When the process started: what `heartbeat_ms` counts from.
    pub started: Instant,
    /// The sync thread's metrics, as of the call.
    pub sync: Arc<dyn Fn() -> Vec<Metric> + Send + Sync>,
}

/// Serves `listener` until the future is dropped.
pub async fn serve(listener: TcpListener, state: AdminState) {
    serve_within(listener, state, CONNECTIONS_MAX, CONNECTION_TIME_MAX).await;
}

async fn serve_within(
    listener: TcpListener,
    state: AdminState,
    connections_max: usize,
    connection_time_max: Duration,
) {
    let service = TowerToHyperService::new(router(state));
    let connections = Arc::new(Semaphore::new(connections_max));
    loop {
        let slot = Arc::clone(&connections).acquire_owned().await;
        let slot = slot.expect("the semaphore is never closed");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let mut builder = http1::Builder::new();
        builder.keep_alive(false).max_buf_size(REQUEST_LEN_MAX);
        let connection = builder.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            // A broken or late client is its own problem: there is nobody to tell.
            let _ = tokio::time::timeout(connection_time_max, connection).await;
            drop(slot);
        });
    }
}

async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "admin connection not accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn router(state: AdminState) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route("/stats", get(metrics_json))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "not found; paths: /healthz /readyz /metrics /stats\n",
            )
        })
        .with_state(state)
}

impl AdminState {
    /// Time since each shard's last turn.
    fn heartbeat_ages(&self) -> Vec<Duration> {
        let now = self.started.elapsed();
        let last = |shard: &Arc<ShardCounters>| Duration::from_millis(shard.heartbeat_ms.get());
        self.shards
            .iter()
            .map(|shard| now.saturating_sub(last(shard)))
            .collect()
    }
}

/// 200 while every shard turned within [`HEARTBEAT_AGE_MAX`].
async fn healthz(State(state): State<AdminState>) -> Response {
    let stuck = state.heartbeat_ages().into_iter().enumerate();
    let stuck = stuck
        .filter(|(_, age)| *age > HEARTBEAT_AGE_MAX)
        .map(|(shard, age)| {
            let reason = format!("its loop last turned {} ms ago", age.as_millis());
            json!({ "shard": shard, "reason": reason })
        });
    verdict("healthy", stuck.collect())
}

/// 200 once every shard holds the first complete list.
async fn readyz(State(state): State<AdminState>) -> Response {
    let waiting = state
        .shards
        .iter()
        .enumerate()
        .filter(|(_, shard)| shard.ready.get() == 0);
    let waiting = waiting.map(|(shard, counters)| {
        let names = counters.names.get();
        let reason = format!("waits for the first complete list ({names} names so far)");
        json!({ "shard": shard, "reason": reason })
    });
    verdict("ready", waiting.collect())
}

/// 200 when no shard is against it, else 503 with those that are.
fn verdict(name: &str, against: Vec<serde_json::Value>) -> Response {
    let status = match against.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({ name: against.is_empty(), "shards": against });
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        format!("{body}\n"),
    )
        .into_response()
}

async fn metrics_text(State(state): State<AdminState>) -> Response {
    let text = metrics::prometheus_text(&metrics::collect(&state));
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

async fn metrics_json(State(state): State<AdminState>) -> Response {
    let body = metrics::json(&metrics::collect(&state));
    (
        [(header::CONTENT_TYPE, "application/json")],
        format!("{body}\n"),
    )
        .into_response()
}
