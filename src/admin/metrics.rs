//! Every metric: the table of what a shard counts, and the two ways to write metrics out. A new
//! counter of a shard is one line of [`SHARD_METRICS`].

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{AdminState, process};
use crate::counters::{Counter, ShardCounters};

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from 0 at the start of the process; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One metric with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// `containerdns_...`, with its unit last.
    pub name: &'static str,
    /// How it moves.
    pub kind: MetricKind,
    /// One sentence on one line.
    pub help: &'static str,
    /// One value for each set of labels.
    pub samples: Vec<Sample>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name and value of each label.
    pub labels: Vec<(&'static str, String)>,
    /// The value, in the unit of the metric's name.
    pub value: f64,
}

impl Metric {
    /// A counter without labels.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Metric {
        Metric::single(name, MetricKind::Counter, help, value)
    }

    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Metric {
        Metric::single(name, MetricKind::Gauge, help, value)
    }

    fn single(name: &'static str, kind: MetricKind, help: &'static str, value: f64) -> Metric {
        Metric {
            name,
            kind,
            help,
            samples: vec![Sample {
                labels: Vec::new(),
                value,
            }],
        }
    }
}

/// Name, kind, place and help of a count that each shard has.
type ShardMetric = (
    &'static str,
    MetricKind,
    fn(&ShardCounters) -> &Counter,
    &'static str,
);

use MetricKind::{Counter as Total, Gauge};

/// Every count of a shard but its RCODEs and its heartbeat.
#[rustfmt::skip] // a table
const SHARD_METRICS: &[ShardMetric] = &[
    ("containerdns_udp_queries_total", Total, |c| &c.udp_queries, "Queries received over UDP."),
    ("containerdns_tcp_queries_total", Total, |c| &c.tcp_queries, "Queries received over TCP."),
    ("containerdns_dropped_total", Total, |c| &c.dropped, "Messages dropped unanswered."),
    ("containerdns_truncated_total", Total, |c| &c.truncated, "Responses with TC set."),
    ("containerdns_panics_total", Total, |c| &c.panics, "Queries whose answering panicked."),
    ("containerdns_send_errors_total", Total, |c| &c.send_errors, "Datagrams the kernel refused."),
    ("containerdns_udp_batches_total", Total, |c| &c.udp_batches, "Batches received over UDP."),
    ("containerdns_tcp_connections", Gauge, |c| &c.tcp_connections, "TCP connections open now."),
    ("containerdns_tcp_accepted_total", Total, |c| &c.tcp_accepted, "TCP connections accepted."),
    ("containerdns_tcp_refused_total", Total, |c| &c.tcp_refused, "TCP connections over a limit."),
    ("containerdns_tcp_timeouts_total", Total, |c| &c.tcp_timeouts, "TCP connections out of time."),
    ("containerdns_changes_applied_total", Total, |c| &c.changes_applied, "Changes applied."),
    ("containerdns_names", Gauge, |c| &c.names, "Names in the index."),
    ("containerdns_revision", Gauge, |c| &c.revision, "Store revision of the last change."),
    ("containerdns_ready", Gauge, |c| &c.ready, "1 once the first complete list is applied."),
];

/// Every metric as of now.
pub(super) fn collect(state: &AdminState) -> Vec<Metric> {
    let mut metrics = shard_metrics(&state.shards);
    metrics.push(Metric {
        name: "containerdns_heartbeat_age_seconds",
        kind: Gauge,
        help: "Time since the last turn of the shard's loop.",
        samples: state
            .heartbeat_ages()
            .iter()
            .enumerate()
            .map(|(shard, age)| Sample {
                labels: vec![shard_label(shard)],
                value: age.as_secs_f64(),
            })
            .collect(),
    });
    metrics.extend((state.sync)());
    let name = "containerdns_uptime_seconds";
    let uptime = state.started.elapsed().as_secs_f64();
    metrics.push(Metric::gauge(
        name,
        "Time since the process started.",
        uptime,
    ));
    metrics.extend(process::resident_bytes().map(|bytes| {
        Metric::gauge(
            "containerdns_process_resident_bytes",
            "Resident memory.",
            bytes,
        )
    }));
    metrics.extend(process::cpu_seconds().map(|seconds| {
        Metric::counter(
            "containerdns_process_cpu_seconds_total",
            "CPU time used.",
            seconds,
        )
    }));
    metrics
}

fn shard_label(shard: usize) -> (&'static str, String) {
    ("shard", shard.to_string())
}

/// The counts of every shard.
fn shard_metrics(shards: &[impl AsRef<ShardCounters>]) -> Vec<Metric> {
    let shards = || shards.iter().map(AsRef::as_ref).enumerate();
    let of_table = SHARD_METRICS
        .iter()
        .map(|&(name, kind, read, help)| Metric {
            name,
            kind,
            help,
            samples: shards()
                .map(|(shard, counters)| Sample {
                    labels: vec![shard_label(shard)],
                    value: read(counters).get() as f64,
                })
                .collect(),
        });
    let rcode = |shard, rcode: usize, counter: &Counter| Sample {
        labels: vec![shard_label(shard), ("rcode", rcode.to_string())],
        value: counter.get() as f64,
    };
    let rcodes = Metric {
        name: "containerdns_responses_total",
        kind: Total,
        help: "Responses by RCODE; extended RCODEs count under 15.",
        samples: shards()
            .flat_map(|(shard, counters)| {
                let rcodes = counters.rcodes.iter().enumerate();
                rcodes.map(move |(number, counter)| rcode(shard, number, counter))
            })
            .collect(),
    };
    of_table.chain([rcodes]).collect()
}

/// Prometheus' text format, version 0.0.4.
pub(super) fn prometheus_text(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        let name = metric.name;
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", metric.help);
        for sample in &metric.samples {
            text.push_str(name);
            for (index, (label, value)) in sample.labels.iter().enumerate() {
                let before = if index == 0 { '{' } else { ',' };
                let value = value
                    .replace('\\', r"\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                let _ = write!(text, "{before}{label}=\"{value}\"");
            }
            let after = if sample.labels.is_empty() { "" } else { "}" };
            let _ = writeln!(text, "{after} {}", sample.value);
        }
    }
    text
}

/// An object from metric to its values: `{"NAME": [{"labels": {...}, "value": 1}, ...], ...}`.
pub(super) fn json(metrics: &[Metric]) -> Value {
    let sample = |sample: &Sample| {
        let labels = sample
            .labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), json!(value)));
        json!({ "labels": labels.collect::<Map<_, _>>(), "value": sample.value })
    };
    let samples = |metric: &Metric| metric.samples.iter().map(sample).collect::<Value>();
    metrics
        .iter()
        .map(|metric| (metric.name.to_owned(), samples(metric)))
        .collect()
}
