//! The figures of a run as JSON and as a table: the same figures, units in the names.
//!
//! It computes what follows from the counts (percentages, rates, CPU per query) and the warnings
//! about runs that cannot be trusted. It prints nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::arguments::Transport;
use crate::cpu::CpuTime;
use crate::generator::{Generator, Ran};
use crate::names;
use crate::ramp::{Grade, Measured as Step, RampArguments};
use crate::run::Outcome;
use crate::schedule::Pace;
use crate::stats::{Times, rounded, us};
use crate::tally::Asked;
use crate::timeline::{self, SecondFigures};

/// More late queries than this, and the generator is taken for the bottleneck.
const LATE_PERCENT_MAX: f64 = 1.0;

/// What was asked for, as far as it is reported.
pub(crate) struct Setting {
    pub(crate) server: String,
    pub(crate) questions: usize,
    pub(crate) pace: Pace,
    pub(crate) duration_s: u64,
    pub(crate) transport: Transport,
    pub(crate) sockets: usize,
    pub(crate) asked: Asked,
    /// What the server used during the run, when its process was given.
    pub(crate) server_cpu: Option<CpuTime>,
}

/// All figures. A figure that does not apply to the run is absent.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) server: String,
    pub(crate) mode: &'static str,
    questions: usize,
    #[serde(flatten)]
    asked: Asked,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    sockets: usize,
    duration_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    intended_queries_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outstanding: Option<u64>,
    sent: u64,
    answered: u64,
    pub(crate) lost: u64,
    pub(crate) lost_percent: f64,
    unsent: u64,
    wrong_rcode: u64,
    truncated: u64,
    malformed: u64,
    unexpected: u64,
    socket_errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconnects: Option<u64>,
    #[serde(skip)]
    lacked_connections: bool,
    answers_by_rcode: BTreeMap<String, u64>,
    /// From the start to the last answer.
    answered_s: f64,
    pub(crate) queries_per_s: f64,
    #[serde(flatten)]
    pub(crate) latency: Option<Latency>,
    #[serde(flatten)]
    lateness: Option<Lateness>,
    #[serde(flatten)]
    server_cpu: Option<ServerCpu>,
    #[serde(flatten)]
    generator: Generator,
    pub(crate) timeline: Vec<SecondFigures>,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    latency_us_min: f64,
    latency_us_mean: f64,
    pub(crate) latency_us_p50: f64,
    latency_us_p90: f64,
    pub(crate) latency_us_p99: f64,
    pub(crate) latency_us_p99_9: f64,
    latency_us_p99_99: f64,
    pub(crate) latency_us_max: f64,
    pub(crate) jitter_us_standard_deviation: f64,
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

/// One line of the table.
pub(crate) struct Row {
    /// Begins with two spaces when it is a part of the one before.
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) unit: String,
}

impl Report {
    pub(crate) fn new(setting: Setting, outcome: &Outcome) -> Report {
        let counters = &outcome.counters;
        let (intended_queries_per_s, outstanding) = match setting.pace {
            Pace::Open { rate_per_s } => (Some(rate_per_s), None),
            Pace::Closed { outstanding } => (None, Some(outstanding)),
            Pace::Recorded { .. } => (None, None),
        };
        let answered_s = outcome.answered_ns as f64 / 1e9;
        let per_query = |ns: u64| rounded(ns as f64 / counters.answered as f64, 1.0);
        let mut report = Report {
            server: setting.server,
            mode: match setting.pace {
                Pace::Open { .. } => "open loop",
                Pace::Closed { .. } => "closed loop",
                Pace::Recorded { .. } => "recorded times",
            },
            questions: setting.questions,
            asked: setting.asked,
            transport: (setting.transport == Transport::Tcp).then_some("tcp"),
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
            reconnects: (setting.transport == Transport::Tcp).then_some(counters.reconnects),
            lacked_connections: counters.lacked_connections,
            answers_by_rcode: by_name(&counters.rcodes),
            answered_s: rounded(answered_s, 1e3),
            queries_per_s: match counters.answered {
                0 => 0.0,
                answered => rounded(answered as f64 / answered_s, 1.0),
            },
            latency: (counters.answered > 0).then(|| Latency::new(&outcome.latencies)),
            lateness: outstanding
                .is_none()
                .then(|| Lateness::new(&outcome.lateness, counters.late)),
            server_cpu: setting
                .server_cpu
                .filter(|_| counters.answered > 0)
                .map(|cpu| ServerCpu {
                    server_cpu_ns_per_query: per_query(cpu.total_ns),
                    server_cpu_user_ns_per_query: per_query(cpu.user_ns),
                    server_cpu_system_ns_per_query: per_query(cpu.system_ns),
                }),
            generator: outcome.generator.clone(),
            timeline: outcome.timeline.figures(),
            warnings: Vec::new(),
        };
        let server_cpu_ns = setting.server_cpu.map(|cpu| cpu.total_ns);
        report.warnings = report.find_warnings(outcome, server_cpu_ns);
        report
    }

    /// Answers with a wrong code or, where they were compared with a zone, wrong records.
    pub(crate) fn wrong(&self) -> u64 {
        self.asked.wrong_answers().unwrap_or(self.wrong_rcode)
    }

    /// Adds a warning that was found elsewhere.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The figures of a rate that was tried.
    pub(crate) fn step(&self, rate_per_s: u64, ramp: &RampArguments) -> Step {
        let latency = self.latency.as_ref();
        let of = |figure: fn(&Latency) -> f64| latency.map(figure);
        let mut step = Step {
            rate_per_s,
            queries_per_s: self.queries_per_s,
            lost_percent: self.lost_percent,
            wrong_percent: percent(self.wrong(), self.sent),
            latency_us_p50: of(|latency| latency.latency_us_p50),
            latency_us_p99: of(|latency| latency.latency_us_p99),
            latency_us_p99_9: of(|latency| latency.latency_us_p99_9),
            sent_late_over_1ms_percent: self.late_percent(),
            grade: Grade::GeneratorTooSlow,
        };
        if self.lacked_connections {
            // What could not be sent was lost by the server.
            let intended = self.sent + self.unsent;
            step.lost_percent = percent(self.lost + self.unsent, intended);
            step.wrong_percent = percent(self.wrong(), intended);
        }
        if !self.is_behind() || self.lacked_connections || !self.is_answered() {
            step.grade = ramp.grade(&step);
        }
        step
    }

    fn late_percent(&self) -> f64 {
        let late = self.lateness.as_ref();
        late.map_or(0.0, |late| late.sent_late_over_1ms_percent)
    }

    /// Whether less was sent than was intended, or later.
    fn is_behind(&self) -> bool {
        self.unsent > 0 || self.late_percent() > LATE_PERCENT_MAX
    }

    /// Whether any query was answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered > 0
    }

    fn find_warnings(&self, outcome: &Outcome, server_cpu_ns: Option<u64>) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.answered == 0 {
            warnings.push(format!("{} answered nothing", self.server));
        }
        if let Some(ns) = outcome.interrupted_ns {
            warnings.push(format!(
                "ended by a signal after {} of {} s",
                rounded(ns as f64 / 1e9, 1e3),
                self.duration_s
            ));
        }
        if let Some(error) = &outcome.socket_error {
            warnings.push(format!(
                "{} socket errors, the last: {error}",
                self.socket_errors
            ));
        }
        let cause = match self.lacked_connections {
            true => "no connection to send on",
            false => "generator too slow",
        };
        if let Some(lateness) = &self.lateness
            && lateness.sent_late_over_1ms_percent > LATE_PERCENT_MAX
        {
            warnings.push(format!(
                "{cause}: {}% sent over 1 ms late (p99 {} us, max {} us)",
                lateness.sent_late_over_1ms_percent,
                lateness.sent_late_us_p99,
                lateness.sent_late_us_max,
            ));
        }
        if self.unsent > 0 {
            warnings.push(format!("{cause}: {} queries never sent", self.unsent));
        }
        warnings.extend(self.generator.warnings(Ran {
            is_open: self.lateness.is_some(),
            is_behind: self.is_behind() && !self.lacked_connections,
            lost: self.lost,
            server_cpu_ns,
        }));
        warnings
    }

    /// The report as one JSON object.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }

    /// The report as aligned lines.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for Row { name, value, unit } in self.rows() {
            let row = format!("{name:<22}{value:>14} {unit}");
            table.push_str(row.trim_end());
            table.push('\n');
        }
        table += &self.asked.mistakes_text();
        for warning in &self.warnings {
            writeln!(table, "warning: {warning}").expect("writing to a string cannot fail");
        }
        table
    }

    /// The lines of the table but for the warnings.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = self.count_rows();
        rows.extend(self.speed_rows());
        rows
    }

    fn count_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut line =
            |name: &str, value: String, unit: &str| rows.push(Row::new(name, value, unit));
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
        self.asked.rows(&mut line);
        let ports = match self.transport {
            Some(_) => "connections",
            None => "source ports",
        };
        line(ports, self.sockets.to_string(), "");
        line("duration", number(self.duration_s), "s");
        line("sent", number(self.sent), "queries");
        line("answered", number(self.answered), "queries");
        line(
            "lost",
            number(self.lost),
            &format!("queries ({}%)", self.lost_percent),
        );
        if self.generator.dropped_by_generator > 0 {
            line(
                "  dropped here",
                number(self.generator.dropped_by_generator),
                "packets (the generator's buffers were full)",
            );
        }
        if self.unsent > 0 {
            line("unsent", number(self.unsent), "queries");
        }
        line("wrong rcode", number(self.wrong_rcode), "answers");
        if let Some(count) = self.asked.wrong_answers() {
            line("wrong answers", number(count), "answers");
        }
        line("truncated", number(self.truncated), "answers");
        line("malformed", number(self.malformed), "packets");
        line("unexpected", number(self.unexpected), "packets");
        line("socket errors", number(self.socket_errors), "");
        if let Some(reconnects) = self.reconnects {
            line("reconnects", number(reconnects), "");
        }
        for (rcode, count) in &self.answers_by_rcode {
            line(&format!("  {rcode}"), number(*count), "answers");
        }
        rows
    }

    fn speed_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut line =
            |name: &str, value: String, unit: &str| rows.push(Row::new(name, value, unit));
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
        line(
            "generator busy",
            format!("{:.1}", self.generator.generator_busy_percent),
            "% of the time",
        );
        rows
    }

    /// The figures of each second as a table.
    pub(crate) fn timeline_table(&self) -> String {
        timeline::table(&self.timeline)
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

impl Row {
    fn new(name: &str, value: String, unit: &str) -> Row {
        Row {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        }
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

/// Percent, to a ten-thousandth.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        rounded(part as f64 * 100.0 / whole as f64, 1e4)
    }
}

fn by_name(rcodes: &[u64; 16]) -> BTreeMap<String, u64> {
    let counted = (0u8..).zip(rcodes).filter(|&(_, &count)| count > 0);
    counted
        .map(|(rcode, &count)| (names::rcode_name(rcode), count))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
