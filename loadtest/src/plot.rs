//! `plot`: HdrHistogram logs of some servers as one drawing of percentile curves, a SVG file that
//! needs nothing else. Under the curves a table names the servers and their figures.
//!
//! Several logs of one name are added together: the rounds of a benchmark. It measures nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::curves::{self, Curve};
use crate::hdr_log;
use crate::svg::{self, Area};

/// Logs of more than this together are refused: 10,000 hours of seconds.
const LOGS_BYTES_MAX: u64 = 1_000_000_000;

/// What to draw.
#[derive(Debug, clap::Args)]
pub(crate) struct PlotArguments {
    /// The drawing to write.
    #[arg(long, value_name = "FILE.svg")]
    out: PathBuf,
    /// What stands above it.
    #[arg(long, value_name = "TEXT", default_value = "DNS latency by percentile")]
    title: String,
    /// Logs of `--hdr-log`; those with the same NAME are added together.
    #[arg(required = true, value_name = "NAME=LOG", value_parser = parse_log)]
    logs: Vec<(String, PathBuf)>,
}

/// Reads the logs and writes the drawing.
pub(crate) fn run(arguments: &PlotArguments) -> anyhow::Result<()> {
    let curves = read(&arguments.logs)?;
    let out = &arguments.out;
    fs::write(out, draw(&arguments.title, &curves))
        .with_context(|| format!("--out {}", out.display()))
}

fn parse_log(argument: &str) -> Result<(String, PathBuf), String> {
    match argument.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), path.into()))
        }
        _ => Err("not NAME=LOG, as in knot=knot.hlog".into()),
    }
}

/// One curve for each name, in the order of the arguments.
fn read(logs: &[(String, PathBuf)]) -> anyhow::Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut room_bytes = LOGS_BYTES_MAX;
    for (name, path) in logs {
        let latencies = read_log(path, &mut room_bytes)
            .with_context(|| format!("{name}={}", path.display()))?;
        match curves.iter_mut().find(|curve| curve.name == *name) {
            None => curves.push(Curve {
                name: name.clone(),
                histogram: latencies.histogram,
                lost: latencies.lost,
            }),
            Some(curve) => {
                curve.histogram.auto(true);
                curve
                    .histogram
                    .add(latencies.histogram)
                    .with_context(|| format!("{name}={}: adding it", path.display()))?;
                curve.lost += latencies.lost;
            }
        }
    }
    Ok(curves)
}

fn read_log(path: &Path, room_bytes: &mut u64) -> anyhow::Result<hdr_log::Latencies> {
    let size_bytes = fs::metadata(path)?.len();
    match room_bytes.checked_sub(size_bytes) {
        Some(rest) => *room_bytes = rest,
        None => bail!("more than {LOGS_BYTES_MAX} bytes of logs: draw fewer at once"),
    }
    Ok(hdr_log::read(&fs::read(path)?)?)
}

const WIDTH: f64 = 960.0;
const AREA: Area = Area {
    left: 84.0,
    top: 84.0,
    right: 926.0,
    bottom: 470.0,
};
const ROW_HEIGHT: f64 = 25.0;
/// The right ends of the columns of the table, and their heads.
const COLUMNS: [(f64, &str); 7] = [
    (392.0, "answered"),
    (462.0, "lost"),
    (554.0, "p50"),
    (646.0, "p99"),
    (738.0, "p99.9"),
    (832.0, "p99.99"),
    (926.0, "max"),
];
/// Longer names are cut in the table.
const NAME_CHARS_MAX: usize = 28;

/// The whole file.
fn draw(title: &str, curves: &[Curve]) -> String {
    let table_top = AREA.bottom + 76.0;
    let height = table_top + ROW_HEIGHT * curves.len() as f64 + 20.0;
    let (middle, axis_bottom) = ((AREA.left + AREA.right) / 2.0, AREA.bottom + 42.0);
    let (title, style) = (svg::escape(title), svg::STYLE);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="k-chart" width="{WIDTH}" height="{height}"
 viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">
<style>
{style}</style>
<rect class="k-ground" width="{WIDTH}" height="{height}" rx="8"/>
<text class="k-title" x="24" y="38">{title}</text>
<text class="k-note" x="24" y="60">latency from the time a query was to be sent, logarithmic</text>
{}<text class="k-note k-mid" x="{middle}" y="{axis_bottom}">percentile of the queries</text>
{}{}</svg>
"#,
        curves::draw(AREA, curves),
        table(table_top, curves),
        curves::hover(AREA, curves),
    )
}

fn table(top: f64, curves: &[Curve]) -> String {
    let mut table = String::new();
    for (x, head) in COLUMNS {
        svg::push(
            &mut table,
            format_args!(r#"<text class="k-axis k-end" x="{x}" y="{top}">{head}</text>"#),
        );
    }
    let line_y = top + 8.0;
    svg::push(
        &mut table,
        format_args!(r#"<line class="k-grid" x1="24" y1="{line_y}" x2="926" y2="{line_y}"/>"#),
    );
    for (index, curve) in curves.iter().enumerate() {
        let y = top + ROW_HEIGHT * (index + 1) as f64 + 2.0;
        let (class, line_y) = (svg::line_class(index), y - 4.5);
        svg::push(
            &mut table,
            format_args!(r#"<line class="{class}" x1="26" y1="{line_y}" x2="54" y2="{line_y}"/>"#),
        );
        let name = svg::escape(&shortened(&curve.name));
        svg::push(
            &mut table,
            format_args!(r#"<text class="k-text k-bold" x="66" y="{y}">{name}</text>"#),
        );
        for ((x, _), value) in COLUMNS.iter().zip(figures(curve)) {
            svg::push(
                &mut table,
                format_args!(r#"<text class="k-text k-end" x="{x}" y="{y}">{value}</text>"#),
            );
        }
    }
    table
}

fn figures(curve: &Curve) -> [String; 7] {
    let times =
        [50.0, 99.0, 99.9, 99.99, 100.0].map(|percentile| match curve.histogram.is_empty() {
            true => "-".to_owned(),
            false => svg::time_label(curve.histogram.value_at_percentile(percentile) as f64),
        });
    let [p50, p99, p99_9, p99_99, max] = times;
    let counts = [curve.histogram.len(), curve.lost].map(svg::count_label);
    let [answered, lost] = counts;
    [answered, lost, p50, p99, p99_9, p99_99, max]
}

fn shortened(name: &str) -> String {
    match name.chars().count() {
        count if count <= NAME_CHARS_MAX => name.to_owned(),
        _ => name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Timeline;

    fn log(folder: &Path, name: &str, latency_ns: u64) -> PathBuf {
        let mut timeline = Timeline::new(1);
        for index in 0..100 {
            timeline.note_sent(index, 0);
            if index > 0 {
                timeline.note_answered(index, latency_ns, false);
            }
        }
        let path = folder.join(name);
        let mut file = fs::File::create(&path).expect("a file");
        hdr_log::write(&mut file, "server", &timeline).expect("writing it");
        path
    }

    #[test]
    fn logs_of_one_name_are_added() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = [("a", 50_000), ("b", 80_000), ("a", 60_000)].map(|(name, latency_ns)| {
            let path = log(folder.path(), &format!("{name}{latency_ns}"), latency_ns);
            (name.to_owned(), path)
        });
        let curves = read(&logs).expect("three logs");
        let counts = curves
            .iter()
            .map(|curve| (curve.name.as_str(), curve.histogram.len(), curve.lost));
        assert_eq!(counts.collect::<Vec<_>>(), [("a", 198, 2), ("b", 99, 1)]);
    }

    #[test]
    fn the_drawing_escapes_names_and_needs_no_other_file() {
        let curves = [Curve {
            name: "<b>&".to_owned(),
            histogram: crate::stats::latency_histogram(),
            lost: 3,
        }];
        let drawing = draw("A \"title\"", &curves);
        assert!(drawing.contains("&lt;b&gt;&amp;") && !drawing.contains("<b>"));
        assert!(drawing.contains("A &quot;title&quot;"));
        assert_eq!(drawing.matches("http").count(), 1, "only the name space");
    }

    #[test]
    fn a_log_has_a_name_and_a_path() {
        assert_eq!(parse_log("a=b=c"), Ok(("a".into(), "b=c".into())));
        for bad in ["a", "=a", "a=", ""] {
            assert!(parse_log(bad).is_err(), "{bad}");
        }
    }
}
