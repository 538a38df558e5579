//! Two charts of the HTML report: the jitter, second by second, and how the latencies are spread.
//!
//! Percentile curves have a file of their own, since `plot` draws them alone.

use crate::curves::Curve;
use crate::svg::{self, Area, TimeAxis};
use crate::timeline::{SecondFigures, SecondLatency};

/// Bars of a long run stand for several seconds, so that a page stays small.
const BANDS_MAX: usize = 240;
/// Seconds between the labels of the time line: the first with 12 labels at most.
const SECOND_STEPS: [u64; 11] = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200];
/// Columns of the histogram for each power of ten.
const BINS_PER_POWER: f64 = 30.0;

/// What is drawn of each second: name, index of its colour, value.
type Series = (&'static str, usize, fn(&SecondLatency) -> f64);
const SERIES: [Series; 3] = [
    ("max", 7, |latency| latency.latency_us_max),
    ("p99", 1, |latency| latency.latency_us_p99),
    ("p50", 0, |latency| latency.latency_us_p50),
];

/// The names of the lines of [`jitter`] with the indices of their colours.
pub(crate) fn jitter_legend() -> impl Iterator<Item = (&'static str, usize)> {
    SERIES.iter().map(|&(name, colour, _)| (name, colour))
}

/// The axis on which the latencies of all these seconds fit.
pub(crate) fn jitter_axis<'a>(seconds: impl Iterator<Item = &'a SecondFigures>) -> TimeAxis {
    let (mut min_us, mut max_us) = (f64::MAX, 0_f64);
    for latency in seconds.filter_map(|second| second.latency.as_ref()) {
        min_us = min_us.min(latency.latency_us_p50);
        max_us = max_us.max(latency.latency_us_max);
    }
    TimeAxis::around((min_us.min(max_us) * 1e3) as u64, (max_us * 1e3) as u64)
}

/// p50, p99 and the maximum of each second; seconds with losses have a red ground, the
/// darker the more.
pub(crate) fn jitter(area: Area, axis: TimeAxis, seconds: &[SecondFigures]) -> String {
    let mut drawing = axis.grid(area);
    let width = (area.right - area.left) / seconds.len().max(1) as f64;
    let left = |index: usize| area.left + index as f64 * width;
    let Area { top, bottom, .. } = area;
    drawing += &second_labels(area, seconds.len(), width);
    for (index, second) in seconds
        .iter()
        .enumerate()
        .filter(|(_, second)| second.lost > 0)
    {
        let (x, width, height) = (left(index), width.max(2.0), bottom - top);
        let shade = 0.15 + 0.5 * second.lost as f64 / second.sent.max(1) as f64;
        svg::push(
            &mut drawing,
            format_args!(r#"<rect class="k-lost" fill-opacity="{shade:.2}" x="{x:.1}" y="{top}" "#),
        );
        svg::push(
            &mut drawing,
            format_args!(r#"width="{width:.1}" height="{height}"/>"#),
        );
    }
    for (_, colour, value_us) in SERIES {
        let places = seconds.iter().enumerate().map(|(index, second)| {
            let latency = second.latency.as_ref()?;
            let y = axis.y(area, value_us(latency) * 1e3);
            Some((left(index) + width / 2.0, y))
        });
        drawing += &broken_line(places.collect(), colour);
    }
    let group = seconds.len().div_ceil(BANDS_MAX).max(1);
    for (index, group_seconds) in seconds.chunks(group).enumerate() {
        let band = width * group_seconds.len() as f64;
        let middle = left(index * group) + band / 2.0;
        drawing += &jitter_tip(area, middle, band, group_seconds);
    }
    drawing
}

fn second_labels(area: Area, count: usize, width: f64) -> String {
    let step = SECOND_STEPS
        .into_iter()
        .find(|&step| count as u64 / step <= 12);
    let mut labels = String::new();
    for second in (0..=count).step_by(step.unwrap_or(3_600) as usize) {
        let (x, y) = (area.left + second as f64 * width, area.bottom + 20.0);
        svg::push(
            &mut labels,
            format_args!(r#"<text class="k-axis k-mid" x="{x:.1}" y="{y}">{second} s</text>"#),
        );
    }
    labels
}

/// A line through the places that are there, with a dot where one stands alone.
fn broken_line(places: Vec<Option<(f64, f64)>>, colour: usize) -> String {
    let mut drawing = String::new();
    for stretch in places.split(Option::is_none) {
        let points: Vec<_> = stretch.iter().flatten().collect();
        if let [(x, y)] = points.as_slice() {
            let class = svg::fill_class(colour);
            svg::push(
                &mut drawing,
                format_args!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#),
            );
        } else if !points.is_empty() {
            let class = svg::line_class(colour);
            let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1} "));
            let points = points.collect::<String>();
            svg::push(
                &mut drawing,
                format_args!(
                    r#"<polyline class="{class}" points="{}"/>"#,
                    points.trim_end()
                ),
            );
        }
    }
    drawing
}

/// The worst of some seconds, and all they lost.
fn jitter_tip(area: Area, x: f64, width: f64, seconds: &[SecondFigures]) -> String {
    let first = seconds.first().map_or(0, |second| second.second);
    let head = match seconds.len() {
        1 => format!("second {first}"),
        count => format!("worst of seconds {first} to {}", first + count as u64 - 1),
    };
    let mut rows: Vec<_> = SERIES
        .iter()
        .map(|(name, colour, value_us)| {
            let values = seconds.iter().filter_map(|second| second.latency.as_ref());
            let worst_us = values.map(value_us).reduce(f64::max);
            let value = worst_us.map_or("-".to_owned(), |us| svg::time_label(us * 1e3));
            (*colour, (*name).to_owned(), value)
        })
        .collect();
    let sum = |count: fn(&SecondFigures) -> u64| svg::count_label(seconds.iter().map(count).sum());
    rows.push((2, "answered".to_owned(), sum(|second| second.answered)));
    rows.push((6, "lost".to_owned(), sum(|second| second.lost)));
    svg::tip(area, x, width, &head, &rows)
}

/// How many answers took how long: columns of equal width on a logarithmic axis of times, their
/// heights logarithmic, too, so that one answer in a million is seen.
pub(crate) fn histogram(area: Area, curves: &[Curve]) -> String {
    let bins: Vec<Vec<u64>> = curves.iter().map(count_bins).collect();
    let is_used = |bin: &usize| bins.iter().any(|counts| counts[*bin] > 0);
    let used = || (0..BINS).filter(is_used);
    let (Some(first), Some(last)) = (used().next(), used().next_back()) else {
        return String::new();
    };
    let (first, last) = (first.saturating_sub(1), (last + 1).min(BINS - 1));
    let most = bins.iter().flatten().copied().max().unwrap_or(1);
    let powers = (most as f64).log10().ceil().max(1.0);
    let width = (area.right - area.left) / (last - first + 1) as f64;
    let x = |bin: f64| area.left + (bin - first as f64) * width;
    let mut drawing = count_grid(area, powers) + &bin_labels(area, first, last, x);
    for (index, counts) in bins.iter().enumerate() {
        let mut outline = format!("{:.1},{:.1} ", area.left, area.bottom);
        for (bin, count) in (first..=last).zip(&counts[first..]) {
            // One answer stands above the ground, at a tenth of a power.
            let share = match *count {
                0 => 0.0,
                count => ((count as f64).log10() + 0.1) / (powers + 0.1),
            };
            let y = area.bottom - share * (area.bottom - area.top);
            outline += &format!(
                "{:.1},{y:.1} {:.1},{y:.1} ",
                x(bin as f64),
                x(bin as f64 + 1.0)
            );
        }
        outline += &format!("{:.1},{:.1}", area.right, area.bottom);
        let (line, fill) = (svg::line_class(index), svg::fill_class(index));
        svg::push(
            &mut drawing,
            format_args!(r#"<polygon class="{fill} k-shade" points="{outline}"/>"#),
        );
        svg::push(
            &mut drawing,
            format_args!(r#"<polyline class="{line} k-thin" points="{outline}"/>"#),
        );
    }
    for bin in first..=last {
        let rows = curves.iter().zip(&bins).enumerate();
        let rows = rows.map(|(index, (curve, counts))| {
            (index, curve.name.clone(), svg::count_label(counts[bin]))
        });
        let (from, to) = (bin_ns(bin as f64), bin_ns(bin as f64 + 1.0));
        let head = format!("{} to {}", svg::time_label(from), svg::time_label(to));
        let middle = x(bin as f64 + 0.5);
        drawing += &svg::tip(area, middle, width, &head, &rows.collect::<Vec<_>>());
    }
    drawing
}

/// Columns from 1 us to 1,000 s.
const BINS: usize = 9 * BINS_PER_POWER as usize;

fn bin_ns(bin: f64) -> f64 {
    1e3 * 10f64.powf(bin / BINS_PER_POWER)
}

fn count_bins(curve: &Curve) -> Vec<u64> {
    let mut bins = vec![0; BINS];
    for step in curve.histogram.iter_recorded() {
        let us = (step.value_iterated_to() as f64 / 1e3).max(1.0);
        let bin = (us.log10() * BINS_PER_POWER) as usize;
        bins[bin.min(BINS - 1)] += step.count_at_value();
    }
    bins
}

fn count_grid(area: Area, powers: f64) -> String {
    let mut grid = String::new();
    for power in 0..=powers as u32 {
        let share = (f64::from(power) + 0.1) / (powers + 0.1);
        let y = area.bottom - share * (area.bottom - area.top);
        let Area { left, right, .. } = area;
        let (label_x, label_y) = (left - 10.0, y + 4.0);
        let label = svg::count_label(10_u64.saturating_pow(power));
        svg::push(
            &mut grid,
            format_args!(
                r#"<line class="k-grid" x1="{left}" y1="{y:.1}" x2="{right}" y2="{y:.1}"/>"#
            ),
        );
        svg::push(
            &mut grid,
            format_args!(
                r#"<text class="k-axis k-end" x="{label_x}" y="{label_y:.1}">{label}</text>"#
            ),
        );
    }
    grid
}

/// Labels at 1, 2 and 5 of each power of ten, of each power only when there are many.
fn bin_labels(area: Area, first: usize, last: usize, x: impl Fn(f64) -> f64) -> String {
    let mut labels = String::new();
    let is_long = last - first > 4 * BINS_PER_POWER as usize;
    for power in 0..9 {
        for digit in [1.0_f64, 2.0, 5.0] {
            let bin = (f64::from(power) + digit.log10()) * BINS_PER_POWER;
            let is_inside = bin >= first as f64 && bin <= (last + 1) as f64;
            if !is_inside || (is_long && digit > 1.0) {
                continue;
            }
            let (x, y, label) = (
                x(bin),
                area.bottom + 20.0,
                svg::time_label(bin_ns(bin).round()),
            );
            svg::push(
                &mut labels,
                format_args!(r#"<text class="k-axis k-mid" x="{x:.1}" y="{y}">{label}</text>"#),
            );
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats;
    use crate::timeline::Timeline;

    const AREA: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 300.0,
        bottom: 100.0,
    };
    const S: u64 = 1_000_000_000;

    fn seconds(latencies_ns: &[Option<u64>]) -> Vec<SecondFigures> {
        let mut timeline = Timeline::new(latencies_ns.len() as u64);
        for (second, latency_ns) in (0..).zip(latencies_ns) {
            timeline.note_sent(second * S, 0);
            if let Some(latency_ns) = latency_ns {
                timeline.note_answered(second * S, *latency_ns, false);
            }
        }
        timeline.figures()
    }

    fn draw_jitter(seconds: &[SecondFigures]) -> String {
        jitter(AREA, jitter_axis(seconds.iter()), seconds)
    }

    #[test]
    fn a_lost_second_breaks_the_lines_and_is_marked() {
        let some = Some(50_000);
        let drawing = draw_jitter(&seconds(&[some, some, None, some]));
        assert_eq!(drawing.matches("k-lost").count(), 1);
        assert_eq!(drawing.matches("<polyline").count(), 3);
        assert_eq!(
            drawing.matches("<circle").count(),
            3,
            "the last stands alone"
        );
        assert_eq!(drawing.matches("k-band").count(), 4);
    }

    #[test]
    fn a_long_run_has_bands_of_several_seconds() {
        let drawing = draw_jitter(&seconds(&[Some(50_000); 1_000]));
        assert_eq!(drawing.matches("k-band").count(), 200);
        assert!(drawing.contains("worst of seconds 995 to 999"));
    }

    #[test]
    fn nothing_at_all_is_drawn_without_nonsense() {
        for seconds in [seconds(&[]), seconds(&[None, None])] {
            assert!(!draw_jitter(&seconds).contains("NaN"));
        }
        let silent = Curve {
            name: String::new(),
            histogram: stats::latency_histogram(),
            lost: 1,
        };
        assert_eq!(histogram(AREA, &[silent]), "");
    }

    #[test]
    fn every_answer_is_in_one_column() {
        let mut histogram = stats::latency_histogram();
        for latency_ns in [0, 1_000, 999_999, 1_000_000, u64::MAX] {
            histogram.saturating_record(latency_ns);
        }
        let curve = Curve {
            name: String::new(),
            histogram,
            lost: 0,
        };
        assert_eq!(count_bins(&curve).iter().sum::<u64>(), 5);
    }
}
