//! What ContainerDNS is to reach, beside what it reached. Pure.
//!
//! A figure that was not measured is neither met nor missed: it says so.

use serde::Serialize;

use crate::figures;
use crate::load::Measured;
use crate::results::{Part, Results};

const OURS: &str = "containerdns";
const PEERS: &[&str] = &["knot", "nsd", "named", "unbound", "dnsmasq"];
/// Five times what the first ContainerDNS (in Go) answered on one core of such a machine.
const QUERIES_PER_S_MIN: f64 = 5.0 * 34_000.0;

/// One line of the table of targets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Target {
    pub(crate) figure: String,
    pub(crate) bound: Bound,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) measured: Option<f64>,
    pub(crate) unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) met: Option<bool>,
}

/// The side on which the figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    pub(crate) fn new(
        figure: &str,
        bound: Bound,
        unit: &'static str,
        measured: Option<f64>,
    ) -> Target {
        let met = measured.map(|measured| match bound {
            Bound::AtLeast(least) => measured >= least,
            Bound::AtMost(most) => measured <= most,
        });
        Target {
            figure: figure.to_owned(),
            bound,
            measured,
            unit,
            met,
        }
    }
}

/// All targets, in the order of the table.
pub(crate) fn targets(results: &Results) -> Vec<Target> {
    let mut targets = throughput(results);
    targets.extend(latency(results));
    targets.extend(sizes(results));
    targets
}

fn throughput(results: &Results) -> Vec<Target> {
    let speed = |measured: &Measured| measured.report.queries_per_s;
    let of = |reference| results.ratio(Part::Saturation, (OURS, reference), speed);
    let user = results.user_ns(OURS, Part::Saturation).map(|(ns, _)| ns);
    let figures = results
        .servers
        .iter()
        .find(|figures| figures.server == OURS);
    vec![
        Target::new(
            "queries/s, of the echo limit",
            Bound::AtLeast(0.93),
            "x",
            of("echo"),
        ),
        Target::new("queries/s, of Knot", Bound::AtLeast(1.35), "x", of("knot")),
        Target::new(
            "queries/s on this machine",
            Bound::AtLeast(QUERIES_PER_S_MIN),
            "/s",
            results.median(OURS, Part::Saturation, speed),
        ),
        Target::new("user CPU of a query", Bound::AtMost(350.0), "ns", user),
        Target::new(
            "system calls of a query",
            Bound::AtMost(0.1),
            "",
            figures.and_then(|figures| figures.system_calls_per_query),
        ),
        Target::new(
            "CPU of a query, 1,000,000 names to 50,000",
            Bound::AtMost(1.15),
            "x",
            results.part_ratio(
                OURS,
                (Part::ManyNames, Part::FewNames),
                Measured::cpu_ns_per_query,
            ),
        ),
    ]
}

fn latency(results: &Results) -> Vec<Target> {
    let peers = PEERS
        .iter()
        .map(|peer| results.by_round(peer, Part::Paced, Measured::p99_9));
    let best = figures::least(&peers.collect::<Vec<_>>());
    let ours = results.by_round(OURS, Part::Paced, Measured::p99_9);
    let quiet = (Part::Changes, Part::Quiet);
    let changes = results.changes.as_ref();
    let lost = changes.map(|changes| (changes.lost + changes.wrong) as f64);
    let wrong = changes.map(|changes| changes.names_wrong as f64);
    vec![
        Target::new(
            "p99.9 at half of Knot's saturation, of the echo limit",
            Bound::AtMost(1.15),
            "x",
            results.ratio(Part::Paced, (OURS, "echo"), Measured::p99_9),
        ),
        Target::new(
            "the same, of the best peer of each round",
            Bound::AtMost(1.0),
            "x",
            figures::ratio(&ours, &best),
        ),
        Target::new(
            "p99.9 with 5,000 changes/s, of quiet",
            Bound::AtMost(1.3),
            "x",
            results.part_ratio(OURS, quiet, Measured::p99_9),
        ),
        Target::new(
            "lost or wrong answers meanwhile",
            Bound::AtMost(0.0),
            "",
            lost,
        ),
        Target::new("names wrong after it", Bound::AtMost(0.0), "", wrong),
    ]
}

fn sizes(results: &Results) -> Vec<Target> {
    let memory = results.memory.as_ref();
    let wire = memory.map_or(0.0, |memory| memory.wire_bytes_per_name);
    let many = results.many.as_ref();
    vec![
        Target::new(
            "memory of a name: 250 and its records",
            Bound::AtMost((250.0 + wire).round()),
            "B",
            memory.map(|memory| memory.bytes_per_name()),
        ),
        Target::new(
            "memory of a name on each further core",
            Bound::AtMost(40.0),
            "B",
            memory.map(|memory| memory.bytes_per_name_and_core()),
        ),
        Target::new(
            "1,000,000 records from etcd to ready",
            Bound::AtMost(10.0),
            "s",
            many.filter(|many| many.records >= 1_000_000)
                .map(|many| many.ready_s),
        ),
    ]
}
