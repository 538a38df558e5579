//! Percentile curves: how long the slowest 1 in 10, in 100, in 1,000 ... queries took.
//!
//! The horizontal axis is the percentile p on the scale log 1 / (1 - p), on which the tail takes
//! the most place; the vertical axis is the latency, logarithmic. A curve ends with a dot at the
//! slowest of its queries, where 1 / (1 - p) is their number, if that is on the axis. Lost queries
//! have no latency and no place here.

use hdrhistogram::Histogram;

use crate::svg::{self, Area, TimeAxis};

/// The latencies of one server, in nanoseconds.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) histogram: Histogram<u64>,
    pub(crate) lost: u64,
}

/// Percentiles with a line and a label.
const TICKS: &[(f64, &str)] = &[
    (0.0, "0%"),
    (50.0, "50%"),
    (90.0, "90%"),
    (99.0, "99%"),
    (99.9, "99.9%"),
    (99.99, "99.99%"),
    (99.999, "99.999%"),
];
/// Powers of ten of 1 / (1 - p): 99.9% is always there, more than 99.999% never.
const POWERS_MIN: f64 = 3.0;
const POWERS_MAX: f64 = 5.0;
/// Points of a curve for each power of ten: one each few pixels.
const POINTS_PER_POWER: f64 = 80.0;
/// Points that differ by less are at one height.
const LEVEL_PX: f64 = 0.2;

/// Draws the curves of all within `area`: grid, labels of both axes, lines.
pub(crate) fn draw(area: Area, curves: &[Curve]) -> String {
    let powers = powers(curves);
    let filled = || curves.iter().filter(|curve| !curve.histogram.is_empty());
    let axis = TimeAxis::around(
        filled()
            .map(|curve| curve.histogram.min())
            .min()
            .unwrap_or(0),
        filled()
            .map(|curve| curve.histogram.max())
            .max()
            .unwrap_or(0),
    );
    let mut drawing = axis.grid(area);
    for (percentile, label) in ticks(powers) {
        let x = x(area, powers, *percentile);
        let Area { top, bottom, .. } = area;
        svg::push(
            &mut drawing,
            format_args!(
                r#"<line class="k-grid" x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}"/>"#
            ),
        );
        let y = bottom + 20.0;
        svg::push(
            &mut drawing,
            format_args!(r#"<text class="k-axis k-mid" x="{x:.1}" y="{y}">{label}</text>"#),
        );
    }
    for (index, curve) in curves.iter().enumerate() {
        if !curve.histogram.is_empty() {
            drawing += &line(area, powers, axis, index, &curve.histogram);
        }
    }
    drawing
}

/// Invisible bands over `area`: under the pointer each shows all latencies at its percentile.
pub(crate) fn hover(area: Area, curves: &[Curve]) -> String {
    let powers = powers(curves);
    let step = 0.1;
    let count = (powers / step).round() as usize;
    let width = (area.right - area.left) / count as f64;
    let mut drawing = String::new();
    for index in 0..=count {
        let percentile = percentile_at(index as f64 * step);
        let x = area.left + index as f64 * width;
        let rows = curves.iter().enumerate().map(|(number, curve)| {
            let ns = curve.histogram.value_at_percentile(percentile);
            let value = match curve.histogram.is_empty() {
                true => "-".to_owned(),
                false => svg::time_label(ns as f64),
            };
            (number, curve.name.clone(), value)
        });
        let head = format!("{}%", trimmed(percentile));
        drawing += &svg::tip(area, x, width, &head, &rows.collect::<Vec<_>>());
    }
    drawing
}

/// The percentile without zeros at its end.
fn trimmed(percentile: f64) -> String {
    let digits = match percentile {
        percentile if percentile < 90.0 => 0,
        percentile if percentile < 99.0 => 1,
        percentile if percentile < 99.9 => 2,
        percentile if percentile < 99.99 => 3,
        _ => 4,
    };
    let text = format!("{percentile:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// How many powers of ten the horizontal axis shows.
fn powers(curves: &[Curve]) -> f64 {
    let queries = curves.iter().map(|curve| curve.histogram.len()).max();
    let powers = (queries.unwrap_or(0).max(1) as f64).log10().ceil();
    powers.clamp(POWERS_MIN, POWERS_MAX)
}

fn ticks(powers: f64) -> impl Iterator<Item = &'static (f64, &'static str)> {
    let is_shown = move |percentile: f64| power_of(percentile) <= powers + 1e-9;
    TICKS
        .iter()
        .filter(move |(percentile, _)| is_shown(*percentile))
}

/// log10 of 1 / (1 - p).
fn power_of(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}

fn percentile_at(power: f64) -> f64 {
    100.0 * (1.0 - 10f64.powf(-power))
}

fn x(area: Area, powers: f64, percentile: f64) -> f64 {
    area.left + power_of(percentile) / powers * (area.right - area.left)
}

fn line(
    area: Area,
    powers: f64,
    axis: TimeAxis,
    index: usize,
    histogram: &Histogram<u64>,
) -> String {
    let end = (histogram.len() as f64).log10().min(powers);
    let count = (end * POINTS_PER_POWER).ceil() as usize;
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(count + 1);
    for point in 0..=count {
        let power = (point as f64 / POINTS_PER_POWER).min(end);
        let ns = histogram.value_at_percentile(percentile_at(power));
        let x = area.left + power / powers * (area.right - area.left);
        let y = axis.y(area, ns as f64);
        // Of a level stretch only its ends are kept.
        if let [.., (_, before), (last_x, last)] = points.as_mut_slice()
            && (*before - y).abs() < LEVEL_PX
            && (*last - y).abs() < LEVEL_PX
        {
            *last_x = x;
            continue;
        }
        points.push((x, y));
    }
    let path: String = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1} "))
        .collect();
    let class = svg::line_class(index);
    let mut drawing = String::new();
    svg::push(
        &mut drawing,
        format_args!(
            r#"<polyline class="{class}" points="{}"/>"#,
            path.trim_end()
        ),
    );
    if histogram.len() as f64 <= 10f64.powf(powers)
        && let Some((x, y)) = points.last()
    {
        let class = svg::fill_class(index);
        svg::push(
            &mut drawing,
            format_args!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#),
        );
    }
    drawing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats;

    fn curve(values_ns: impl Iterator<Item = u64>) -> Curve {
        let mut histogram = stats::latency_histogram();
        values_ns.for_each(|value_ns| histogram.saturating_record(value_ns));
        Curve {
            name: "one".to_owned(),
            histogram,
            lost: 0,
        }
    }

    const AREA: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 300.0,
        bottom: 100.0,
    };

    #[test]
    fn the_axis_has_as_many_nines_as_there_are_queries() {
        let labels = |count: u64| {
            let labels = ticks(powers(&[curve(0..count)])).map(|(_, label)| *label);
            labels.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(0), "0% 50% 90% 99% 99.9%");
        assert_eq!(labels(1_001), "0% 50% 90% 99% 99.9% 99.99%");
        assert_eq!(labels(2_000_000), "0% 50% 90% 99% 99.9% 99.99% 99.999%");
    }

    #[test]
    fn places_are_on_the_scale_of_one_in_so_many() {
        let places = [0.0, 90.0, 99.0, 99.9].map(|percentile| x(AREA, 3.0, percentile).round());
        assert_eq!(places, [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(trimmed(percentile_at(2.0)), "99");
        assert_eq!(trimmed(percentile_at(4.5)), "99.9968");
    }

    #[test]
    fn level_stretches_are_two_points() {
        let drawing = draw(AREA, &[curve((0..1_000).map(|_| 50_000))]);
        let line = drawing
            .lines()
            .find(|line| line.contains("polyline"))
            .expect("a curve");
        assert_eq!(line.matches(',').count(), 2, "{line}");
    }

    #[test]
    fn a_server_without_answers_has_no_curve_and_breaks_none() {
        let drawing = draw(AREA, &[curve(0..0), curve(0..1_000)]);
        assert_eq!(drawing.matches("polyline").count(), 1);
        assert!(!drawing.contains("NaN"), "{drawing}");
        assert!(!hover(AREA, &[curve(0..0)]).contains("NaN"));
    }
}
