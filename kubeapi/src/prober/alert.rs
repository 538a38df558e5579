//! A webhook is told of backends that went down or came up.
//!
//! [`Alerts::tell`] never waits. One task decides what is told and when (`silence`), another sends
//! it, one at a time and with few tries (`webhook`); what does not fit into the queues between them
//! is lost and counted. An alert is one POST of one JSON object:
//!
//! ```json
//! {"address":"10.0.0.1","status":"DOWN","names":["shop.example."],"reason":"refused",
//!  "prober":"node1-77","cluster":"k1","at":"2026-01-01T00:00:00Z","suppressed":0}
//! ```
//!
//! `at` is when the change was seen; `suppressed` counts the changes of that address since the last
//! alert that were left out. Nothing is kept over a restart.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use containerdns_schema::Status;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, warn};

use self::silence::Silence;
use self::webhook::{Patience, Webhook};
use crate::pace::Seldom;

mod silence;
mod webhook;

/// Changes that wait for a decision, and alerts that wait to be sent, at most.
const QUEUE_LEN: usize = 1024;
/// Names in one alert at most.
const NAMES_MAX: usize = 32;
/// Octets of these names at most.
const NAMES_LEN_MAX: usize = 4096;

/// Who is told.
#[derive(Debug, Clone)]
pub struct AlertSettings {
    /// `http` or `https`; a user and password in it are sent as Basic authorization. Authorities
    /// of the host or of `SSL_CERT_FILE` are trusted; Mozilla's if there are none.
    pub url: String,
    /// A file with a token that is sent as Bearer authorization; read each time.
    pub token_file: Option<PathBuf>,
    /// After an alert, that address is not told about for so long.
    pub silence: Duration,
}

/// A backend that went down or came up.
#[derive(Debug, Clone)]
pub struct Change {
    /// The backend.
    pub address: IpAddr,
    /// What it is now.
    pub status: Status,
    /// Names that have the address; the first 32 are told.
    pub names: Vec<String>,
    /// Why it is down; empty when it is up.
    pub reason: String,
}

/// How alerts ended. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct AlertMetrics {
    alerts: Family<AlertLabel, Counter>,
}

/// `sent`, `failed` (after the last try) or `lost` (no room in a queue).
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlertLabel {
    outcome: &'static str,
}

impl AlertMetrics {
    /// Metrics that `registry` shows.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("alerts", "Alerts that ended", metrics.alerts.clone());
        metrics
    }

    fn count(&self, outcome: &'static str) {
        self.alerts.get_or_create(&AlertLabel { outcome }).inc();
    }
}

/// A change with what else is said of it.
#[derive(Debug, Clone)]
struct Alert {
    change: Change,
    at: SystemTime,
    suppressed: u64,
}

/// Takes changes.
#[derive(Debug)]
pub struct Alerts {
    changes: mpsc::Sender<Alert>,
    metrics: AlertMetrics,
}

/// Starts the tasks that alert. `identity` and `cluster` are what alerts say of this prober. The
/// tasks end when the answer is dropped, and what is queued then has been sent.
///
/// A URL that is none is logged, and every alert is lost.
pub fn start(
    settings: AlertSettings,
    identity: String,
    cluster: String,
    metrics: AlertMetrics,
) -> Alerts {
    start_with(settings, identity, cluster, metrics, Patience::default())
}

fn start_with(
    settings: AlertSettings,
    prober: String,
    cluster: String,
    metrics: AlertMetrics,
    patience: Patience,
) -> Alerts {
    let (changes, heard) = mpsc::channel(QUEUE_LEN);
    let (queue, queued) = mpsc::channel(QUEUE_LEN);
    match Webhook::new(&settings.url, settings.token_file, patience) {
        Ok(webhook) => {
            let silence = Silence::new(settings.silence, silence::ADDRESSES_MAX);
            tokio::spawn(decide(heard, silence, queue, metrics.clone()));
            tokio::spawn(send(queued, webhook, prober, cluster, metrics.clone()));
        }
        Err(problem) => error!(%problem, "no alert will be sent"),
    }
    Alerts { changes, metrics }
}

impl Alerts {
    /// Tells of a change, unless its address is silent. Never waits.
    pub fn tell(&self, mut change: Change) {
        let mut len = 0;
        change.names.truncate(NAMES_MAX);
        change.names.retain(|name| {
            len += name.len();
            len <= NAMES_LEN_MAX
        });
        let (at, suppressed) = (SystemTime::now(), 0);
        let alert = Alert {
            change,
            at,
            suppressed,
        };
        if self.changes.try_send(alert).is_err() {
            self.metrics.count("lost");
        }
    }
}

/// Hands over what is to be told when it is.
async fn decide(
    mut heard: mpsc::Receiver<Alert>,
    mut silence: Silence,
    queue: mpsc::Sender<Alert>,
    metrics: AlertMetrics,
) {
    let mut log = Seldom::default();
    let mut lose = || {
        metrics.count("lost");
        if log.due() {
            warn!("alerts are lost: more than the webhook takes");
        }
    };
    loop {
        let alert = tokio::select! {
            () = at(silence.next()) => None,
            alert = heard.recv() => match alert {
                Some(alert) => Some(alert),
                None => return,
            },
        };
        let now = Instant::now();
        while let Some(alert) = silence.ended(now) {
            if queue.try_send(alert).is_err() {
                lose();
            }
        }
        let Some(alert) = alert else { continue };
        let outcome = silence.heard(alert, now);
        if outcome.lost {
            lose();
        }
        if outcome
            .tell
            .is_some_and(|alert| queue.try_send(alert).is_err())
        {
            lose();
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// An alert as it is written.
#[derive(Serialize)]
struct Body<'a> {
    address: IpAddr,
    status: Status,
    names: &'a [String],
    reason: &'a str,
    prober: &'a str,
    cluster: &'a str,
    at: String,
    suppressed: u64,
}

/// Sends what is queued, one after the other.
async fn send(
    mut queued: mpsc::Receiver<Alert>,
    webhook: Webhook,
    prober: String,
    cluster: String,
    metrics: AlertMetrics,
) {
    let mut log = Seldom::default();
    while let Some(alert) = queued.recv().await {
        let body = serde_json::to_vec(&Body {
            address: alert.change.address,
            status: alert.change.status,
            names: &alert.change.names,
            reason: &alert.change.reason,
            prober: &prober,
            cluster: &cluster,
            at: humantime::format_rfc3339_seconds(alert.at).to_string(),
            suppressed: alert.suppressed,
        });
        let body = body.expect("texts and numbers are JSON");
        match webhook.post(body.into()).await {
            Ok(()) => metrics.count("sent"),
            Err(problem) => {
                metrics.count("failed");
                if log.due() {
                    warn!(%problem, webhook = webhook.shown(), "an alert was not taken");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
