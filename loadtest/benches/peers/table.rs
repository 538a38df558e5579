//! The results as tables for the terminal and for documents (Markdown), and how lines are printed.
//!
//! Figures stand where they were measured; `-` is for what was not.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::figures;
use crate::load::Measured;
use crate::results::{Part, Results, ServerFigures};
use crate::targets::{Bound, Target};

/// A line of progress, on the standard error.
pub(crate) fn say(line: &str) {
    // Nobody may be reading; the figures are in the files.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// All tables.
pub(crate) fn tables(results: &Results, targets: &[Target]) -> String {
    let mut text = format!("{}\n\n", results.machine);
    text.push_str(&comparison(results));
    text.push_str(&latencies(results));
    text.push_str(&scenarios(results));
    text.push_str(&target_table(targets));
    let notes = results.notes.iter().cloned();
    for note in notes
        .chain(results.wrong_answers())
        .chain(results.warnings())
    {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn comparison(results: &Results) -> String {
    let heads = [
        "server",
        "A queries/s (range)",
        "of echo",
        "of Knot",
        "busy",
        "CPU ns",
        "user ns",
        "mixed queries/s",
        "calls/query",
        "ready s",
        "memory MB, start / end",
    ];
    let rows = results
        .servers
        .iter()
        .map(|figures| comparison_row(results, figures));
    format!("{}\n", table(&heads, rows))
}

fn comparison_row(results: &Results, figures: &ServerFigures) -> Vec<String> {
    let server = figures.server;
    let speed = |measured: &Measured| measured.report.queries_per_s;
    let saturation = results.by_round(server, Part::Saturation, speed);
    let range = figures::range(saturation.values().copied());
    let range = range.map(|(least, most)| format!(" ({}-{})", thousands(least), thousands(most)));
    let median = figures::median(saturation.into_values());
    let of = |reference| results.ratio(Part::Saturation, (server, reference), speed);
    let user = results.user_ns(server, Part::Saturation);
    let mega = |bytes: Option<u64>| number(bytes.map(|bytes| bytes as f64 / 1e6), 0);
    if let (None, Some(failure)) = (median, &figures.failure) {
        return vec![server.to_owned(), failure.clone()];
    }
    vec![
        server.to_owned(),
        median.map_or("-".into(), thousands) + &range.unwrap_or_default(),
        number(of("echo"), 2),
        number(of("knot"), 2),
        number(results.median(server, Part::Saturation, Measured::busy), 2),
        number(
            results.median(server, Part::Saturation, Measured::cpu_ns_per_query),
            0,
        ),
        user.map_or("-".into(), |(ns, error)| format!("{ns:.0} +-{error:.0}")),
        results
            .median(server, Part::Mixed, speed)
            .map_or("-".into(), thousands),
        number(figures.system_calls_per_query, 3),
        number(figures.ready_ms.map(|ms| ms / 1e3), 2),
        format!(
            "{} / {}",
            mega(figures.memory_start_bytes),
            mega(figures.memory_end_bytes)
        ),
    ]
}

fn latencies(results: &Results) -> String {
    let Some(rate) = results.paced_queries_per_s else {
        return String::new();
    };
    let heads = [
        "server",
        "p50 us",
        "p99",
        "p99.9",
        "p99.99",
        "p99.9 of echo",
        "lost",
        "sent late %",
    ];
    let rows = results
        .servers
        .iter()
        .map(|figures| latency_row(results, figures.server, Part::Paced));
    format!(
        "A queries, open loop at {rate} queries/s\n\n{}\n",
        table(&heads, rows)
    )
}

fn latency_row(results: &Results, server: &'static str, part: Part) -> Vec<String> {
    let median = |figure: fn(&Measured) -> f64| results.median(server, part, figure);
    let late = |measured: &Measured| {
        measured
            .report
            .sent_late_over_1ms_percent
            .unwrap_or(f64::NAN)
    };
    let (sent, lost) = (
        results.sum(server, part, |measured| measured.report.sent),
        results.sum(server, part, |measured| {
            measured.report.lost + measured.report.unsent
        }),
    );
    vec![
        server.to_owned(),
        number(median(Measured::p50), 0),
        number(median(Measured::p99), 0),
        number(median(Measured::p99_9), 0),
        number(median(Measured::p99_99), 0),
        number(results.ratio(part, (server, "echo"), Measured::p99_9), 2),
        match sent {
            0 => "-".into(),
            _ => format!("{lost} ({:.3}%)", 100.0 * lost as f64 / (sent as f64)),
        },
        number(median(late), 2),
    ]
}

fn scenarios(results: &Results) -> String {
    let mut text = String::new();
    let ours = "containerdns";
    if let Some(changes) = &results.changes {
        let p99_9 = |part| number(results.median(ours, part, Measured::p99_9), 0);
        let beside = results.part_ratio(
            ours,
            (Part::Changes, Part::WritesElsewhere),
            Measured::p99_9,
        );
        let _ = writeln!(
            text,
            "changes: {:.0}/s; p99.9 quiet {} us, with writes that nobody watches {} us, with changes \
             {} us (in the middle of the rounds {} of the latter); {} lost, {} wrong; \
             {} names checked after it, {} wrong\n",
            changes.changes_per_s,
            p99_9(Part::Quiet),
            p99_9(Part::WritesElsewhere),
            p99_9(Part::Changes),
            number(beside, 2),
            changes.lost,
            changes.wrong,
            changes.names_checked,
            changes.names_wrong,
        );
    }
    if let Some(many) = &results.many {
        let _ = writeln!(
            text,
            "{} records: ready in {:.2} s, {:.0} MB",
            many.records,
            many.ready_s,
            many.memory_bytes as f64 / 1e6
        );
    }
    for server in [ours, "knot"] {
        let cost = |part| results.median(server, part, Measured::cpu_ns_per_query);
        let parts = (Part::ManyNames, Part::FewNames);
        if let Some(ratio) = results.part_ratio(server, parts, Measured::cpu_ns_per_query) {
            let _ = writeln!(
                text,
                "{server}: CPU of a query {} ns with few names, {} ns with many: {ratio:.3}\n",
                number(cost(Part::FewNames), 0),
                number(cost(Part::ManyNames), 0),
            );
        }
    }
    if let Some(memory) = &results.memory {
        let _ = writeln!(
            text,
            "memory of a name: {:.0} bytes, of which {:.0} are its records; {:.0} on each further core\n",
            memory.bytes_per_name(),
            memory.wire_bytes_per_name,
            memory.bytes_per_name_and_core(),
        );
    }
    text
}

fn target_table(targets: &[Target]) -> String {
    let rows = targets.iter().map(|target| {
        let bound = match target.bound {
            Bound::AtLeast(least) => format!(">= {least} {}", target.unit),
            Bound::AtMost(most) => format!("<= {most} {}", target.unit),
        };
        let measured = target.measured.map(|measured| {
            let digits = if measured.abs() >= 100.0 { 0 } else { 3 };
            format!("{measured:.digits$} {}", target.unit)
        });
        let verdict = match target.met {
            None => "not measured",
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        let measured = measured.unwrap_or("-".into());
        [target.figure.clone(), measured, bound, verdict.into()]
            .map(|cell| cell.trim_end().to_owned())
            .to_vec()
    });
    format!("{}\n", table(&["target", "measured", "bound", ""], rows))
}

/// Columns of one width, as Markdown has tables.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(heads.clone()).chain(rows).collect();
    let width = |column: usize| {
        // A row of two cells says why there are no more: that text makes no column wide.
        let counting = rows
            .iter()
            .filter(|row| column == 0 || row.len() == heads.len());
        let cells = counting.map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            let lines = widths
                .iter()
                .map(|width| format!("|{}", "-".repeat(width + 2)));
            text.extend(lines);
            text.push_str("|\n");
        }
    }
    text
}

/// As a cell: `-` when it was not measured, `lost` when losses reach so far.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    match value {
        Some(f64::INFINITY) => "lost".into(),
        Some(value) if !value.is_nan() => format!("{value:.digits$}"),
        _ => "-".into(),
    }
}

fn thousands(value: f64) -> String {
    format!("{:.1} k", value / 1e3)
}
