//! Tells people what was refused: a log line, and an Event at the object where that is wanted.
//!
//! Both at a bounded rate: one who writes a million bad Services must not fill the cluster with
//! Events. What comes too fast is counted and dropped; the metrics always say what is refused.

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::controller::Options;
use super::index::{Complaint, Refusal};
use super::metrics::Metrics;
use super::object::ObjectId;
use crate::pace::Pace;

/// Refusals that may wait to be told.
const WAITING_MAX: usize = 256;
/// Characters of an Event's note at most: the API server takes 1,024 octets.
const NOTE_CHARS_MAX: usize = 256;
/// Refusals told a second, after a first burst.
const PER_S: u32 = 10;

/// Where refusals are told.
#[derive(Debug)]
pub struct Complaints {
    sender: mpsc::Sender<Complaint>,
    metrics: Metrics,
}

impl Complaints {
    /// Starts to tell; without a client only to the log.
    pub(super) fn start(client: Option<Client>, options: &Options, metrics: &Metrics) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let instance = options.identity.clone();
        tokio::spawn(run(client, instance, receiver, metrics.clone()));
        Self {
            sender,
            metrics: metrics.clone(),
        }
    }

    pub(super) fn tell(&self, complaint: Complaint) {
        if self.sender.try_send(complaint).is_err() {
            self.metrics.events_lost.inc();
        }
    }
}

async fn run(
    client: Option<Client>,
    instance: String,
    mut complaints: mpsc::Receiver<Complaint>,
    metrics: Metrics,
) {
    let mut pace = Pace::per_second(PER_S);
    while let Some(Complaint { id, uid, refusal }) = complaints.recv().await {
        while let Err(due) = pace.ready() {
            sleep_until(due).await;
        }
        pace.take();
        warn!(
            kind = id.kind.as_str(),
            namespace = id.namespace,
            name = id.name,
            reason = refusal.reason,
            "{}",
            refusal.message
        );
        let Some(client) = &client else { continue };
        let event = event(&id, uid, refusal, &instance);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            metrics.events_lost.inc();
            debug!(%error, "an Event could not be written");
        }
    }
}

/// An Event of its own for each refusal: a series of them would show only the first text.
fn event(id: &ObjectId, uid: Option<String>, refusal: Refusal, instance: &str) -> Event {
    let now = Timestamp::now();
    // Events about what is in no namespace are in this one.
    let namespace = match &id.namespace[..] {
        "" => "default",
        namespace => namespace,
    };
    let note: String = refusal.message.chars().take(NOTE_CHARS_MAX).collect();
    Event {
        action: Some("Publish".into()),
        event_time: Some(MicroTime(now)),
        metadata: ObjectMeta {
            name: Some(format!("{}.{:x}", id.name, now.as_nanosecond())),
            namespace: Some(namespace.into()),
            ..ObjectMeta::default()
        },
        note: Some(note),
        reason: Some(refusal.reason.into()),
        regarding: Some(id.reference(uid)),
        reporting_controller: Some("containerdns-kubeapi".into()),
        reporting_instance: Some(instance.into()),
        type_: Some("Warning".into()),
        ..Event::default()
    }
}
