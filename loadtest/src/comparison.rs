//! Several servers side by side, or several rounds of one: a column for each server, with the
//! medians of its rounds.
//!
//! Rounds are interleaved (A B C A B C), since what a machine can do changes while one measures.
//! The figures are those of the reports, by the names they have in JSON.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::Report;

/// The rows of the table: the figure in JSON, and its name and unit here.
const ROWS: &[(&str, &str, &str)] = &[
    ("queries_per_s", "throughput", "queries/s"),
    ("answered", "answered", "queries"),
    ("lost", "lost", "queries"),
    ("wrong_rcode", "wrong rcode", "answers"),
    ("wrong_answers", "wrong answers", "answers"),
    ("truncated", "truncated", "answers"),
    ("reconnects", "reconnects", ""),
    ("latency_us_p50", "latency p50", "us"),
    ("latency_us_p90", "latency p90", "us"),
    ("latency_us_p99", "latency p99", "us"),
    ("latency_us_p99_9", "latency p99.9", "us"),
    ("latency_us_p99_99", "latency p99.99", "us"),
    ("latency_us_max", "latency max", "us"),
    ("jitter_us_standard_deviation", "jitter, deviation", "us"),
    (
        "jitter_us_successive_difference",
        "jitter, successive",
        "us",
    ),
    ("sent_late_us_p99", "sent late p99", "us"),
    ("server_cpu_ns_per_query", "server CPU per query", "ns"),
    ("server_cpu_user_ns_per_query", "  user", "ns"),
    ("server_cpu_system_ns_per_query", "  system", "ns"),
    ("generator_busy_percent", "generator busy", "% of the time"),
];

/// One server's rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) server: String,
    /// Every figure that all rounds have.
    median: Map<String, Value>,
    rounds: Vec<Value>,
}

impl Compared {
    /// From the reports of all rounds of a server.
    pub(crate) fn new(server: String, reports: &[&Report]) -> serde_json::Result<Compared> {
        let rounds: Result<Vec<Value>, _> = reports.iter().map(serde_json::to_value).collect();
        let rounds = rounds?;
        Ok(Compared {
            server,
            median: medians(&rounds),
            rounds,
        })
    }
}

fn medians(rounds: &[Value]) -> Map<String, Value> {
    let Some(Value::Object(first)) = rounds.first() else {
        return Map::new();
    };
    let figures = first.iter().filter(|(_, value)| value.is_number());
    let medians = figures.filter_map(|(name, _)| {
        let values: Option<Vec<f64>> = rounds.iter().map(|round| round[name].as_f64()).collect();
        Some((name.clone(), Value::from(median(values?))))
    });
    medians.collect()
}

/// The value in the middle, or the mean of the two there.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// All as one JSON array.
pub(crate) fn json(servers: &[Compared]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(servers).map(|json| json + "\n")
}

/// A column for each server.
pub(crate) fn table(servers: &[Compared], rounds: usize) -> String {
    let width = |server: &Compared| server.server.len().max(14) + 2;
    let mut table = format!("{:<22}", format!("medians of {rounds} rounds"));
    for server in servers {
        let width = width(server);
        write!(table, "{:>width$}", server.server).expect("writing to a string cannot fail");
    }
    table.push('\n');
    for (figure, name, unit) in ROWS {
        let is_there = |server: &Compared| server.median.contains_key(*figure);
        if !servers.iter().any(is_there) {
            continue;
        }
        let mut row = format!("{name:<22}");
        for server in servers {
            let width = width(server);
            let value = server.median.get(*figure).and_then(Value::as_f64);
            let value = value.map_or("-".to_owned(), |value| match unit {
                &"us" => format!("{value:.1}"),
                _ => format!("{value:.0}"),
            });
            write!(row, "{value:>width$}").expect("writing to a string cannot fail");
        }
        writeln!(table, "{}", format!("{row} {unit}").trim_end())
            .expect("writing to a string cannot fail");
    }
    for server in servers {
        for (number, round) in server.rounds.iter().enumerate() {
            for warning in round["warnings"].as_array().into_iter().flatten() {
                let text = warning.as_str().unwrap_or_default();
                writeln!(
                    table,
                    "warning: {}, round {}: {text}",
                    server.server,
                    number + 1
                )
                .expect("writing to a string cannot fail");
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn compared(server: &str, rounds: &[(f64, f64)]) -> Compared {
        let round = |(speed, p50): &(f64, f64)| {
            json!({"queries_per_s": speed, "latency_us_p50": p50, "mode": "open loop",
                   "warnings": []})
        };
        let mut rounds: Vec<Value> = rounds.iter().map(round).collect();
        rounds[0]["warnings"] = json!(["the sun was in its eyes"]);
        Compared {
            server: server.into(),
            median: medians(&rounds),
            rounds,
        }
    }

    #[test]
    fn a_column_is_the_medians_of_its_rounds() {
        let servers = [
            compared("one", &[(100.0, 7.0), (300.0, 5.0), (200.0, 6.0)]),
            compared("a longer name of one", &[(10.0, 70.0), (30.0, 50.0)]),
        ];
        let expect = expect![[r#"
            medians of 3 rounds                one  a longer name of one
            throughput                         200                    20 queries/s
            latency p50                        6.0                  60.0 us
            warning: one, round 1: the sun was in its eyes
            warning: a longer name of one, round 1: the sun was in its eyes
        "#]];
        expect.assert_eq(&table(&servers, 3));
    }
}
