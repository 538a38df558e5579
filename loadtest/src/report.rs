//! The figures of a run as JSON and as a table: the same figures, units in the names.
//!
//! It computes what follows from the counts (percentages, rates, CPU per query) and the warnings
//! about runs that cannot be trusted. It prints nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::cpu::CpuTime;
use crate::names;
use crate::run::Outcome;
use crate::schedule::Pace;
use crate::stats::Times;

/// More late queries than this, and the generator is taken for the bottleneck.
const LATE_PERCENT_MAX: f64 = 1.0;

/// What was asked for, as far as it is reported.
pub(crate) struct Setting {
    pub(crate) server: String,
    pub(crate) questions: usize,
    pub(crate) pace: Pace,
    pub(crate) duration_s: u64,
    pub(crate) sockets: usize,
    /// What the server used during the run, when its process was given.
    pub(crate) server_cpu: Option<CpuTime>,
}

/// All figures. A figure that does not apply to the run is absent.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    server: String,
    mode: &'static str,
    questions: usize,
    sockets: usize,
    duration_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    intended_queries_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outstanding: Option<u64>,
    sent: u64,
    answered: u64,
    lost: u64,
    lost_percent: f64,
    unsent: u64,
    wrong_rcode: u64,
    truncated: u64,
    malformed: u64,
    unexpected: u64,
    socket_errors: u64,
    answers_by_rcode: BTreeMap<String, u64>,
    /// From the start to the last answer.
    answered_s: f64,
    queries_per_s: f64,
    #[serde(flatten)]
    latency: Option<Latency>,
    #[serde(flatten)]
    lateness: Option<Lateness>,
    #[serde(flatten)]
    server_cpu: Option<ServerCpu>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Latency {
    latency_us_min: f64,
    latency_us_mean: f64,
    latency_us_p50: f64,
    latency_us_p90: f64,
    latency_us_p99: f64,
    latency_us_p99_9: f64,
    latency_us_p99_99: f64,
    latency_us_max: f64,
    jitter_us_standard_deviation: f64,
    jitter_us_successive_difference: f64,
}

/// How far the sending was behind its schedule (open loop only).
#[derive(Debug, Serialize)]
struct Lateness {
    sent_late_over_1ms: u64,
    sent_late_over_1ms_percent: f64,
    sent_late_us_p99: f64,
    sent_late_us_max: f64,
}

#[derive(Debug, Serialize)]
struct ServerCpu {
    server_cpu_ns_per_query: f64,
    server_cpu_user_ns_per_query: f64,
    server_cpu_system_ns_per_query: f64,
}

impl Report {
    pub(crate) fn new(setting: Setting, outcome: &Outcome) -> Report {
        let counters = &outcome.counters;
        let (intended_queries_per_s, outstanding) = match setting.pace {
            Pace::Open { rate_per_s } => (Some(rate_per_s), None),
            Pace::Closed { outstanding } => (None, Some(outstanding)),
        };
        let answered_s = outcome.answered_ns as f64 / 1e9;
        let per_query = |ns: u64| rounded(ns as f64 / counters.answered as f64, 1.0);
        let mut report = Report {
            server: setting.server,
            mode: if outstanding.is_some() {
                "closed loop"
            } else {
                "open loop"
            },
            questions: setting.questions,
            sockets: setting.sockets,
            duration_s: setting.duration_s,
            intended_queries_per_s,
            outstanding,
            sent: counters.sent,
            answered: counters.answered,
            lost: counters.lost,
            lost_percent: percent(counters.lost, counters.sent),
            unsent: counters.unsent,
            wrong_rcode: counters.wrong_rcode,
            truncated: counters.truncated,
            malformed: counters.malformed,
            unexpected: counters.unexpected,
            socket_errors: counters.socket_errors,
            answers_by_rcode: by_name(&counters.rcodes),
            answered_s: rounded(answered_s, 1e3),
            queries_per_s: match counters.answered {
                0 => 0.0,
                answered => rounded(answered as f64 / answered_s, 1.0),
            },
            latency: (counters.answered > 0).then(|| Latency::new(&outcome.latencies)),
            lateness: intended_queries_per_s
                .map(|_| Lateness::new(&outcome.lateness, counters.late)),
            server_cpu: setting
                .server_cpu
                .filter(|_| counters.answered > 0)
                .map(|cpu| ServerCpu {
                    server_cpu_ns_per_query: per_query(cpu.total_ns),
                    server_cpu_user_ns_per_query: per_query(cpu.user_ns),
                    server_cpu_system_ns_per_query: per_query(cpu.system_ns),
                }),
            warnings: Vec::new(),
        };
        report.warnings = report.find_warnings(outcome);
        report
    }

    /// Adds a warning that was found elsewhere.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Whether any query was answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered > 0
    }

    fn find_warnings(&self, outcome: &Outcome) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.answered == 0 {
            warnings.push(format!("{} answered nothing", self.server));
        }
        if let Some(error) = &outcome.socket_error {
            warnings.push(format!(
                "{} socket errors, the last: {error}",
                self.socket_errors
            ));
        }
        if let Some(lateness) = &self.lateness
            && lateness.sent_late_over_1ms_percent > LATE_PERCENT_MAX
        {
            warnings.push(format!(
                "generator too slow: {}% sent over 1 ms late (p99 {} us, max {} us)",
                lateness.sent_late_over_1ms_percent,
                lateness.sent_late_us_p99,
                lateness.sent_late_us_max,
            ));
        }
        if self.unsent > 0 {
            warnings.push(format!(
                "generator too slow: {} queries never sent",
                self.unsent
            ));
        }
        warnings
    }

    /// The report as one JSON object.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// The report as aligned lines.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |name: &str, value: String, unit: &str| {
            let row = format!("{name:<22}{value:>14} {unit}");
            table.push_str(row.trim_end());
            table.push('\n');
        };
        let number = |count: u64| count.to_string();
        line("server", self.server.clone(), "");
        line("mode", self.mode.to_owned(), "");
        if let Some(rate_per_s) = self.intended_queries_per_s {
            line("intended", number(rate_per_s), "queries/s");
        }
        if let Some(outstanding) = self.outstanding {
            line("outstanding", number(outstanding), "queries");
        }
        line("questions", self.questions.to_string(), "");
        line("source ports", self.sockets.to_string(), "");
        line("duration", number(self.duration_s), "s");
        line("sent", number(self.sent), "queries");
        line("answered", number(self.answered), "queries");
        line(
            "lost",
            number(self.lost),
            &format!("queries ({}%)", self.lost_percent),
        );
        if self.unsent > 0 {
            line("unsent", number(self.unsent), "queries");
        }
        line("wrong rcode", number(self.wrong_rcode), "answers");
        line("truncated", number(self.truncated), "answers");
        line("malformed", number(self.malformed), "packets");
        line("unexpected", number(self.unexpected), "packets");
        line("socket errors", number(self.socket_errors), "");
        for (rcode, count) in &self.answers_by_rcode {
            line(&format!("  {rcode}"), number(*count), "answers");
        }
        line(
            "throughput",
            format!("{:.0}", self.queries_per_s),
            "queries/s",
        );
        for (name, value_us) in self.times() {
            line(name, format!("{value_us:.1}"), "us");
        }
        if let Some(cpu) = &self.server_cpu {
            line(
                "server CPU per query",
                format!("{:.0}", cpu.server_cpu_ns_per_query),
                "ns",
            );
            line(
                "  user",
                format!("{:.0}", cpu.server_cpu_user_ns_per_query),
                "ns",
            );
            line(
                "  system",
                format!("{:.0}", cpu.server_cpu_system_ns_per_query),
                "ns",
            );
        }
        for warning in &self.warnings {
            writeln!(table, "warning: {warning}").expect("writing to a string cannot fail");
        }
        table
    }

    /// The times of the table in microseconds, by their names there.
    fn times(&self) -> Vec<(&'static str, f64)> {
        let mut times = Vec::new();
        if let Some(latency) = &self.latency {
            times.extend([
                ("latency min", latency.latency_us_min),
                ("latency mean", latency.latency_us_mean),
                ("latency p50", latency.latency_us_p50),
                ("latency p90", latency.latency_us_p90),
                ("latency p99", latency.latency_us_p99),
                ("latency p99.9", latency.latency_us_p99_9),
                ("latency p99.99", latency.latency_us_p99_99),
                ("latency max", latency.latency_us_max),
                ("jitter, deviation", latency.jitter_us_standard_deviation),
                (
                    "jitter, successive",
                    latency.jitter_us_successive_difference,
                ),
            ]);
        }
        if let Some(lateness) = &self.lateness {
            times.extend([
                ("sent late p99", lateness.sent_late_us_p99),
                ("sent late max", lateness.sent_late_us_max),
            ]);
        }
        times
    }
}

impl Latency {
    fn new(times: &Times) -> Latency {
        let percentile_us = |percent| us(times.percentile_ns(percent) as f64);
        Latency {
            latency_us_min: us(times.min_ns() as f64),
            latency_us_mean: us(times.mean_ns()),
            latency_us_p50: percentile_us(50.0),
            latency_us_p90: percentile_us(90.0),
            latency_us_p99: percentile_us(99.0),
            latency_us_p99_9: percentile_us(99.9),
            latency_us_p99_99: percentile_us(99.99),
            latency_us_max: us(times.max_ns() as f64),
            jitter_us_standard_deviation: us(times.standard_deviation_ns()),
            jitter_us_successive_difference: us(times.successive_difference_ns()),
        }
    }
}

impl Lateness {
    fn new(times: &Times, late: u64) -> Lateness {
        Lateness {
            sent_late_over_1ms: late,
            sent_late_over_1ms_percent: percent(late, times.count()),
            sent_late_us_p99: us(times.percentile_ns(99.0) as f64),
            sent_late_us_max: us(times.max_ns() as f64),
        }
    }
}

/// Microseconds, to a tenth.
fn us(ns: f64) -> f64 {
    rounded(ns / 1e3, 10.0)
}

/// Percent, to a ten-thousandth.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        rounded(part as f64 * 100.0 / whole as f64, 1e4)
    }
}

/// `value` to the nearest 1 / `parts`.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn by_name(rcodes: &[u64; 16]) -> BTreeMap<String, u64> {
    let counted = (0u8..).zip(rcodes).filter(|&(_, &count)| count > 0);
    counted
        .map(|(rcode, &count)| (names::rcode_name(rcode), count))
        .collect()
}

#[cfg(test)]
mod tests;
