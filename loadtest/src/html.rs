//! The report as one HTML page that needs no network and no script: cards, charts, figures.
//!
//! Charts are SVG, values appear under the pointer by styles alone, and light and dark follow the
//! reader's setting. Several servers stand side by side. All foreign text is escaped.

use std::fmt::Write as _;
use std::time::SystemTime;

use hdrhistogram::Histogram;

use crate::charts;
use crate::curves::{self, Curve};
use crate::report::Report;
use crate::svg::{self, Area, escape, time_label};

const STYLE: &str = include_str!("html.css");

/// One server of the page.
pub(crate) struct Measured<'a> {
    pub(crate) report: &'a Report,
    pub(crate) latencies: &'a Histogram<u64>,
}

/// The page for a run that began at `started`.
pub(crate) fn page(started: SystemTime, servers: &[Measured<'_>]) -> String {
    let curves: Vec<Curve> = servers
        .iter()
        .map(|server| Curve {
            name: server.report.server.clone(),
            histogram: server.latencies.clone(),
            lost: server.report.lost,
        })
        .collect();
    let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
    let names = escape(&names.join(", "));
    let mode = servers.first().map_or("", |server| server.report.mode);
    let started = humantime::format_rfc3339_seconds(started);
    let parts = [
        warnings(servers),
        first_look(servers),
        percentile_curves(&curves),
        jitter(servers),
        spread(&curves),
        figures(servers),
    ]
    .concat();
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{names}: DNS load test</title>
<style>
{}{STYLE}</style>
</head>
<body>
<main>
<header><h1>DNS load test</h1><p>{names} · {mode} · {started}</p></header>
{parts}<footer>Latency counts from the time a query was to be sent. Lost queries have none.
Written by containerdns-loadtest.</footer>
</main>
</body>
</html>
"#,
        svg::STYLE
    )
}

fn warnings(servers: &[Measured<'_>]) -> String {
    let mut list = String::new();
    for Measured { report, .. } in servers {
        for warning in &report.warnings {
            let who = match servers.len() {
                1 => String::new(),
                _ => format!("<b>{}</b> ", escape(&report.server)),
            };
            svg::push(&mut list, format_args!("<li>{who}{}</li>", escape(warning)));
        }
    }
    match list.is_empty() {
        true => list,
        false => {
            format!("<section class=\"warnings\"><h2>Warnings</h2><ul>{list}</ul></section>\n")
        }
    }
}

/// A figure that one looks at first.
struct Glance {
    name: &'static str,
    value: String,
    unit: String,
    is_bad: bool,
}

/// The first look: cards for one server, a table for several.
fn first_look(servers: &[Measured<'_>]) -> String {
    match servers {
        [server] => {
            let cards = glances(server.report).into_iter().map(|glance| {
                let class = if glance.is_bad { " bad" } else { "" };
                let Glance {
                    name, value, unit, ..
                } = glance;
                format!(
                    "<div class=\"card{class}\"><span>{name}</span>\
                     <b>{value}<small> {unit}</small></b></div>\n"
                )
            });
            let cards = cards.collect::<String>();
            format!("<section class=\"bare cards\">\n{cards}</section>\n")
        }
        several => compared(several),
    }
}

fn compared(servers: &[Measured<'_>]) -> String {
    let rows: Vec<_> = servers
        .iter()
        .map(|server| glances(server.report))
        .collect();
    // One that answered nothing has no latencies: the longest row has all heads.
    let longest = rows.iter().max_by_key(|row| row.len());
    let heads: Vec<_> = longest
        .into_iter()
        .flatten()
        .map(|glance| glance.name)
        .collect();
    let mut table = String::from("<thead><tr><th></th>");
    table.extend(heads.iter().map(|head| format!("<th>{head}</th>")));
    table += "</tr></thead>\n";
    for (index, (row, server)) in rows.iter().zip(servers).enumerate() {
        table += &format!(
            "<tr><th>{}{}</th>",
            swatch(index),
            escape(&server.report.server)
        );
        for head in &heads {
            let cell = match row.iter().find(|glance| glance.name == *head) {
                None => "<td>-</td>".to_owned(),
                Some(glance) => {
                    let class = if glance.is_bad { " class=\"bad\"" } else { "" };
                    let Glance { value, unit, .. } = glance;
                    format!("<td{class}>{value} <small>{unit}</small></td>")
                }
            };
            table += &cell;
        }
        table += "</tr>\n";
    }
    format!(
        "<section><h2>Compared</h2><div class=\"scroll\"><table class=\"wide\">\n{table}\
         </table></div></section>\n"
    )
}

fn glances(report: &Report) -> Vec<Glance> {
    let glance = |name, value: &str, unit: &str, is_bad| Glance {
        name,
        value: value.to_owned(),
        unit: unit.to_owned(),
        is_bad,
    };
    let throughput = svg::count_label(report.queries_per_s as u64);
    let mut glances = vec![glance("throughput", &throughput, "queries/s", false)];
    if let Some(latency) = &report.latency {
        let times = [
            ("median", latency.latency_us_p50),
            ("p99", latency.latency_us_p99),
            ("p99.9", latency.latency_us_p99_9),
            ("slowest", latency.latency_us_max),
            ("jitter (deviation)", latency.jitter_us_standard_deviation),
        ];
        for (name, time_us) in times {
            let label = time_label(time_us * 1e3);
            let (value, unit) = label.split_once(' ').unwrap_or((&label, ""));
            glances.push(glance(name, value, unit, false));
        }
    }
    let (lost, wrong) = (report.lost, report.wrong());
    let share = format!("{}%", report.lost_percent);
    glances.push(glance("lost", &svg::count_label(lost), &share, lost > 0));
    glances.push(glance(
        "wrong",
        &svg::count_label(wrong),
        "answers",
        wrong > 0,
    ));
    glances
}

fn swatch(index: usize) -> String {
    format!(
        "<svg class=\"swatch\" width=\"11\" height=\"11\"><rect class=\"{}\" width=\"11\" \
         height=\"11\" rx=\"2\"/></svg>",
        svg::fill_class(index)
    )
}

const WIDTH: f64 = 960.0;

fn area(height: f64) -> Area {
    Area {
        left: 76.0,
        top: 12.0,
        right: WIDTH - 34.0,
        bottom: height - 34.0,
    }
}

/// A section with a chart in the area that `draw` gets.
fn chart(
    title: &str,
    note: &str,
    legend: &str,
    height: f64,
    draw: impl Fn(Area) -> String,
) -> String {
    let drawing = draw(area(height));
    format!(
        "<section><h2>{title}</h2><p>{note}</p>{legend}<div class=\"scroll\">\
         <svg class=\"k-chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">\n{drawing}</svg></div></section>\n"
    )
}

fn legend<'a>(names: impl Iterator<Item = (&'a str, usize)>) -> String {
    let names =
        names.map(|(name, index)| format!("<span>{}{}</span>", swatch(index), escape(name)));
    format!("<div class=\"legend\">{}</div>", names.collect::<String>())
}

fn server_legend(curves: &[Curve]) -> String {
    match curves.len() {
        1 => String::new(),
        _ => legend(curves.iter().map(|curve| curve.name.as_str()).zip(0..)),
    }
}

fn percentile_curves(curves: &[Curve]) -> String {
    chart(
        "Latency by percentile",
        "how long the slowest 1 in 10, in 100, in 1,000 … took",
        &server_legend(curves),
        400.0,
        |area| curves::draw(area, curves) + &curves::hover(area, curves),
    )
}

/// One time line for each server, all on the same axis.
fn jitter(servers: &[Measured<'_>]) -> String {
    let all = || servers.iter().flat_map(|server| &server.report.timeline);
    let axis = charts::jitter_axis(all());
    let mut sections = String::new();
    for Measured { report, .. } in servers {
        let title = match servers.len() {
            1 => "Jitter".to_owned(),
            _ => format!("Jitter: {}", escape(&report.server)),
        };
        sections += &chart(
            &title,
            "latencies of the queries that were to be sent in each second; red: some were lost",
            &legend(charts::jitter_legend()),
            280.0,
            |area| charts::jitter(area, axis, &report.timeline),
        );
    }
    sections
}

fn spread(curves: &[Curve]) -> String {
    chart(
        "Distribution",
        "answers by latency; both axes are logarithmic",
        &server_legend(curves),
        280.0,
        |area| charts::histogram(area, curves),
    )
}

/// All figures, a column for each server.
fn figures(servers: &[Measured<'_>]) -> String {
    let columns: Vec<_> = servers.iter().map(|server| server.report.rows()).collect();
    let mut names: Vec<&str> = Vec::new();
    for row in columns.iter().flatten() {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    let mut table = String::new();
    for name in names {
        let class = if name.starts_with(' ') {
            " class=\"part\""
        } else {
            ""
        };
        write!(table, "<tr><th{class}>{}</th>", escape(name.trim_start()))
            .expect("writing to a string cannot fail");
        for rows in &columns {
            let cell = match rows.iter().find(|row| row.name == name) {
                None => "<td></td>".to_owned(),
                Some(row) => format!(
                    "<td>{} <small>{}</small></td>",
                    escape(&row.value),
                    escape(&row.unit)
                ),
            };
            table += &cell;
        }
        table += "</tr>\n";
    }
    format!(
        "<section><h2>All figures</h2><div class=\"scroll\"><table>\n{table}\
         </table></div></section>\n"
    )
}

#[cfg(test)]
mod tests;
