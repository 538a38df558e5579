//! Tells people what was refused: a log line, and an Event at the object where that is wanted.
//!
//! Both at a bounded rate: one who writes a million bad Services must not fill the cluster with
//! Events. What comes too fast is counted and dropped; the metrics always say what is refused.

use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tracing::{debug, warn};

use super::controller::Options;
use super::index::Complaint;
use super::metrics::Metrics;
use super::pace::Pace;

/// Refusals that may wait to be told.
const WAITING_MAX: usize = 256;
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
        let reporter = Reporter {
            controller: "containerdns-kubeapi".into(),
            instance: Some(options.identity.clone()),
        };
        let recorder = client.map(|client| Recorder::new(client, reporter));
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(recorder, receiver, metrics.clone()));
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
    recorder: Option<Recorder>,
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
        let Some(recorder) = &recorder else { continue };
        let event = Event {
            type_: EventType::Warning,
            reason: refusal.reason.into(),
            note: Some(refusal.message),
            action: "Publish".into(),
            secondary: None,
        };
        if let Err(error) = recorder.publish(&event, &id.reference(uid)).await {
            metrics.events_lost.inc();
            debug!(%error, "an Event could not be written");
        }
    }
}
