//! What the Kubernetes role counts, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::object::ObjectKind;

/// The kind of object that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    kind: &'static str,
}

impl From<ObjectKind> for KindLabel {
    fn from(kind: ObjectKind) -> Self {
        let kind = kind.as_str();
        Self { kind }
    }
}

/// How a write ended: `committed`, `conflict`, `fenced`, `failed`, `too_large`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// The outcome.
    pub outcome: &'static str,
}

/// Why an object, or a part of it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// The reason, as in Events.
    pub reason: &'static str,
}

/// Counts since the start, and sizes as they are. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Objects known.
    pub objects: Family<KindLabel, Gauge>,
    /// Endpoints known.
    pub endpoints: Gauge,
    /// Refusals that stand.
    pub refused: Family<ReasonLabel, Gauge>,
    /// Complete lists of objects.
    pub lists: Family<KindLabel, Counter>,
    /// Requests and watches of the Kubernetes API that failed.
    pub watch_failures: Family<KindLabel, Counter>,
    /// Complete lists of the store.
    pub store_lists: Counter,
    /// Writes of the store.
    pub writes: Family<OutcomeLabel, Counter>,
    /// Octets of values written.
    pub written_bytes: Counter,
    /// Keys that wait to be looked at.
    pub queue_len: Gauge,
    /// Whether this process leads.
    pub leader: Gauge,
    /// From an object's arrival to the commit of its key.
    pub publish: Histogram,
    /// From the change that an EndpointSlice was made for to the commit of its key.
    pub programming: Histogram,
    /// Events that could not be written.
    pub events_lost: Counter,
    /// Seconds since the API server last answered, for the kind for which that is longest ago.
    pub silence_s: Gauge,
}

impl Metrics {
    /// Metrics that `registry` shows.
    pub fn new(registry: &mut Registry) -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let metrics = Self {
            objects: Family::default(),
            endpoints: Gauge::default(),
            refused: Family::default(),
            lists: Family::default(),
            watch_failures: Family::default(),
            store_lists: Counter::default(),
            writes: Family::default(),
            written_bytes: Counter::default(),
            queue_len: Gauge::default(),
            leader: Gauge::default(),
            publish: seconds(),
            programming: seconds(),
            events_lost: Counter::default(),
            silence_s: Gauge::default(),
        };
        metrics.register(registry.sub_registry_with_prefix("containerdns_kubernetes"));
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let all = self.clone();
        let help = "Since the Kubernetes API last answered";
        registry.register_with_unit("silence", help, Unit::Seconds, all.silence_s);
        registry.register("objects", "Objects known", all.objects);
        registry.register("endpoints", "Endpoints known", all.endpoints);
        registry.register("refused", "Refusals that stand", all.refused);
        registry.register("lists", "Complete lists of objects", all.lists);
        let help = "Requests and watches of the Kubernetes API that failed";
        registry.register("watch_failures", help, all.watch_failures);
        registry.register(
            "store_lists",
            "Complete lists of the store",
            all.store_lists,
        );
        registry.register("writes", "Writes of the store", all.writes);
        let help = "Octets of values written";
        registry.register_with_unit("written", help, Unit::Bytes, all.written_bytes);
        registry.register("queue_len", "Keys that wait to be looked at", all.queue_len);
        registry.register("leader", "1 while this process leads", all.leader);
        let help = "From an object's arrival to the commit of its key";
        registry.register_with_unit("publish", help, Unit::Seconds, all.publish);
        let help = "From the change of endpoints to the commit of their key";
        registry.register_with_unit("programming", help, Unit::Seconds, all.programming);
        registry.register(
            "events_lost",
            "Events that could not be written",
            all.events_lost,
        );
    }
}
