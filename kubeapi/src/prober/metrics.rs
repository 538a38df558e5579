//! What the prober counts, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::alert::AlertMetrics;

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProbeLabel {
    /// What was done.
    pub method: &'static str,
    /// `alive`, or why not.
    pub outcome: &'static str,
}

/// The new verdict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VerdictLabel {
    /// `up` or `down`.
    pub to: &'static str,
}

/// How a write ended: `committed`, `conflict`, `fenced`, `failed`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// The outcome.
    pub outcome: &'static str,
}

/// Counts since the start, and sizes as they are. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Backends known of.
    pub targets: Gauge,
    /// Backends that this prober looks at.
    pub own_targets: Gauge,
    /// Living probers.
    pub members: Gauge,
    /// Whether this prober takes itself for cut off.
    pub blind: Gauge,
    /// Probes under way.
    pub in_flight: Gauge,
    /// Probes that ended.
    pub probes: Family<ProbeLabel, Counter>,
    /// How long a probe took that was answered.
    pub answer: Histogram,
    /// How late a probe began.
    pub late: Histogram,
    /// Verdicts that this prober wrote.
    pub verdicts: Family<VerdictLabel, Counter>,
    /// Writes of the store.
    pub writes: Family<OutcomeLabel, Counter>,
    /// Alerts.
    pub alerts: AlertMetrics,
}

impl Metrics {
    /// Metrics that `registry` shows.
    pub fn new(registry: &mut Registry) -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 14));
        let registry = registry.sub_registry_with_prefix("containerdns_prober");
        let metrics = Self {
            targets: Gauge::default(),
            own_targets: Gauge::default(),
            members: Gauge::default(),
            blind: Gauge::default(),
            in_flight: Gauge::default(),
            probes: Family::default(),
            answer: seconds(),
            late: seconds(),
            verdicts: Family::default(),
            writes: Family::default(),
            alerts: AlertMetrics::new(registry),
        };
        let all = metrics.clone();
        registry.register("targets", "Backends to be probed", all.targets);
        let help = "Backends that this process probes";
        registry.register("own_targets", help, all.own_targets);
        registry.register("members", "Living probers", all.members);
        let help = "1 while this process takes itself for cut off and writes no DOWN";
        registry.register("blind", help, all.blind);
        registry.register("in_flight", "Probes under way", all.in_flight);
        registry.register("probes", "Probes that ended", all.probes);
        let help = "Time to an answer";
        registry.register_with_unit("answer", help, Unit::Seconds, all.answer);
        let help = "How late probes began";
        registry.register_with_unit("late", help, Unit::Seconds, all.late);
        registry.register("verdicts", "Verdicts written", all.verdicts);
        registry.register("writes", "Writes of the store", all.writes);
        metrics
    }
}
