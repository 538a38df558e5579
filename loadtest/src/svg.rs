//! What the pictures of this program share: the area of a chart, a logarithmic axis of times,
//! labels, colours, and the escaping of foreign text.
//!
//! SVG is written by hand: a page of it is smaller than a library for charts, and only so can one
//! file suit light and dark screens. The classes begin with `k-`, since a drawing inside a page
//! shares its styles with the page.

use std::fmt::Write as _;

/// Lines and texts of all charts, for light and dark screens. Eight colours that people with
/// deficient colour vision tell apart by their lightness; a ninth line is dashed.
pub(crate) const STYLE: &str = "\
.k-chart{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
.k-ground{fill:#ffffff}.k-frame{fill:none;stroke:#d5dae1}
.k-title{font-size:20px;font-weight:600;fill:#1b2330}.k-note{font-size:13px;fill:#5c6675}
.k-text{font-size:13px;fill:#1b2330}.k-axis{font-size:12px;fill:#5c6675}
.k-end{text-anchor:end}.k-mid{text-anchor:middle}.k-bold{font-weight:600}
.k-grid{stroke:#e3e7ec;stroke-width:1}.k-fine{stroke:#f1f3f6;stroke-width:1}
.k-line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.k-dash{stroke-dasharray:7 5}
.k-hit{fill:transparent}.k-tip{visibility:hidden;pointer-events:none}
.k-band:hover .k-tip{visibility:visible}
.k-box{fill:#ffffff;stroke:#aab3c0}.k-cursor{stroke:#aab3c0;stroke-dasharray:3 3}
.k-s0{stroke:#0b6bcb}.k-s1{stroke:#d9480f}.k-s2{stroke:#2b8a3e}.k-s3{stroke:#9c36b5}
.k-s4{stroke:#c99a00}.k-s5{stroke:#0c8599}.k-s6{stroke:#e64980}.k-s7{stroke:#6b7280}
.k-f0{fill:#0b6bcb}.k-f1{fill:#d9480f}.k-f2{fill:#2b8a3e}.k-f3{fill:#9c36b5}
.k-f4{fill:#c99a00}.k-f5{fill:#0c8599}.k-f6{fill:#e64980}.k-f7{fill:#6b7280}
@media (prefers-color-scheme:dark){
.k-ground{fill:#161b22}.k-frame{stroke:#3a4350}
.k-title,.k-text{fill:#e6edf3}.k-note,.k-axis{fill:#9aa6b5}
.k-grid{stroke:#2b333e}.k-fine{stroke:#1e252e}
.k-box{fill:#1f2630;stroke:#5b6776}.k-cursor{stroke:#5b6776}
.k-s0{stroke:#58a6ff}.k-s1{stroke:#ff8c52}.k-s2{stroke:#56d364}.k-s3{stroke:#d2a8ff}
.k-s4{stroke:#f2cc60}.k-s5{stroke:#39c5cf}.k-s6{stroke:#ff7eb6}.k-s7{stroke:#a0a9b6}
.k-f0{fill:#58a6ff}.k-f1{fill:#ff8c52}.k-f2{fill:#56d364}.k-f3{fill:#d2a8ff}
.k-f4{fill:#f2cc60}.k-f5{fill:#39c5cf}.k-f6{fill:#ff7eb6}.k-f7{fill:#a0a9b6}
}
";

const COLOURS: usize = 8;

/// The rectangle that the lines of a chart are drawn in, in pixels of the drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// A logarithmic axis of times, from the bottom of an area to its top.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeAxis {
    low_ns: f64,
    high_ns: f64,
}

impl TimeAxis {
    /// The axis on which `min_ns` to `max_ns` fit; it begins and ends at 1, 2 or 5 times a power
    /// of ten.
    pub(crate) fn around(min_ns: u64, max_ns: u64) -> TimeAxis {
        let min_ns = min_ns.max(1_000) as f64;
        let max_ns = (max_ns as f64).max(min_ns);
        let (mut low_ns, mut high_ns) = (1_000.0, 1_000.0);
        for step_ns in steps() {
            if step_ns <= min_ns {
                low_ns = step_ns;
            }
            if high_ns < max_ns || high_ns <= low_ns {
                high_ns = step_ns;
            }
        }
        TimeAxis { low_ns, high_ns }
    }

    /// Where `ns` is between the bottom and the top of `area`.
    pub(crate) fn y(&self, area: Area, ns: f64) -> f64 {
        let ns = ns.clamp(self.low_ns, self.high_ns);
        let share = (ns / self.low_ns).ln() / (self.high_ns / self.low_ns).ln();
        area.bottom - share * (area.bottom - area.top)
    }

    /// Lines across the area at 1, 2 and 5 of each power of ten, with their times at the left;
    /// over many powers only each power has a label.
    pub(crate) fn grid(&self, area: Area) -> String {
        let mut grid = String::new();
        let is_long = self.high_ns / self.low_ns > 2e4;
        for step_ns in steps().filter(|step| (self.low_ns..=self.high_ns).contains(step)) {
            let y = self.y(area, step_ns);
            let is_power = (step_ns.log10() - step_ns.log10().round()).abs() < 1e-9;
            let is_labelled = is_power || !is_long;
            let class = if is_labelled { "k-grid" } else { "k-fine" };
            let Area { left, right, .. } = area;
            push(
                &mut grid,
                format_args!(
                    r#"<line class="{class}" x1="{left}" y1="{y:.1}" x2="{right}" y2="{y:.1}"/>"#
                ),
            );
            if is_labelled {
                let (x, y) = (left - 10.0, y + 4.0);
                let label = time_label(step_ns);
                push(
                    &mut grid,
                    format_args!(r#"<text class="k-axis k-end" x="{x}" y="{y:.1}">{label}</text>"#),
                );
            }
        }
        grid
    }
}

/// 1, 2 and 5 times each power of ten from 1 us to 1,000 s, in nanoseconds.
fn steps() -> impl Iterator<Item = f64> {
    (3..=12).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
}

/// A time with its unit, three digits at most before it changes: `1.5 ms`.
pub(crate) fn time_label(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = match value {
        value if (value - value.round()).abs() < 1e-9 || value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// A count in groups of three digits: `90,000`.
pub(crate) fn count_label(count: u64) -> String {
    let digits = count.to_string();
    let mut label = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            label.push(',');
        }
        label.push(digit);
    }
    label
}

/// The classes of line number `index`.
pub(crate) fn line_class(index: usize) -> String {
    let dash = if index >= COLOURS { " k-dash" } else { "" };
    format!("k-line k-s{}{dash}", index % COLOURS)
}

/// The class that fills with the colour of line number `index`.
pub(crate) fn fill_class(index: usize) -> String {
    format!("k-f{}", index % COLOURS)
}

/// A band of `width` around `x` that shows, under the pointer, a box with `head` and for each row
/// the colour of line number `.0`, its name and its value.
pub(crate) fn tip(
    area: Area,
    x: f64,
    width: f64,
    head: &str,
    rows: &[(usize, String, String)],
) -> String {
    let longest = rows
        .iter()
        .map(|(_, name, value)| name.chars().count() + value.chars().count());
    let box_width = 56.0 + 7.2 * longest.max().unwrap_or(0) as f64;
    let box_height = 30.0 + 19.0 * rows.len() as f64;
    let box_left = match x + 14.0 + box_width > area.right {
        true => (x - 14.0 - box_width).max(0.0),
        false => x + 14.0,
    };
    let (box_right, box_top) = (box_left + box_width - 12.0, area.top + 8.0);
    let (hit_left, height) = (x - width / 2.0, area.bottom - area.top);
    let Area { top, bottom, .. } = area;
    let mut tip = format!(
        r#"<g class="k-band"><rect class="k-hit" x="{hit_left:.1}" y="{top}" width="{width:.1}" "#
    );
    push(
        &mut tip,
        format_args!(
            r#"height="{height}"/><g class="k-tip"><line class="k-cursor" x1="{x:.1}" y1="{top}" "#
        ),
    );
    push(
        &mut tip,
        format_args!(
            r#"x2="{x:.1}" y2="{bottom}"/><rect class="k-box" x="{box_left:.1}" y="{box_top}" "#
        ),
    );
    let (text_left, mut y) = (box_left + 12.0, box_top + 19.0);
    push(
        &mut tip,
        format_args!(r#"width="{box_width:.1}" height="{box_height}" rx="5"/>"#),
    );
    push(
        &mut tip,
        format_args!(
            r#"<text class="k-text k-bold" x="{text_left:.1}" y="{y}">{}</text>"#,
            escape(head)
        ),
    );
    for (index, name, value) in rows {
        y += 19.0;
        let (fill, dot_left, dot_top) = (fill_class(*index), text_left, y - 9.0);
        let (name, value, name_left) = (escape(name), escape(value), text_left + 16.0);
        push(
            &mut tip,
            format_args!(
                r#"<rect class="{fill}" x="{dot_left:.1}" y="{dot_top}" width="9" height="9"/>"#
            ),
        );
        push(
            &mut tip,
            format_args!(r#"<text class="k-text" x="{name_left:.1}" y="{y}">{name}</text>"#),
        );
        push(
            &mut tip,
            format_args!(r#"<text class="k-text k-end" x="{box_right:.1}" y="{y}">{value}</text>"#),
        );
    }
    tip + "</g></g>\n"
}

/// Text as it may stand between tags and in quoted attributes of SVG and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 knows no way to write these.
            control if control.is_control() => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Adds a line.
pub(crate) fn push(to: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(to, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_reads_best() {
        let cases = [
            (900.0, "0.90 µs"),
            (50_000.0, "50 µs"),
            (47_360.0, "47.4 µs"),
            (999_400.0, "999 µs"),
            (1_500_000.0, "1.50 ms"),
            (2e9, "2 s"),
        ];
        for (ns, want) in cases {
            assert_eq!(time_label(ns), want);
        }
    }

    #[test]
    fn counts_are_grouped() {
        for (count, want) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count_label(count), want);
        }
    }

    #[test]
    fn the_axis_holds_all_times_and_is_never_empty() {
        for (min_ns, max_ns) in [(0, 0), (1_000, 1_000), (47_000, 28_180_500), (5, u64::MAX)] {
            let axis = TimeAxis::around(min_ns, max_ns);
            assert!(axis.low_ns < axis.high_ns, "{axis:?}");
            assert!(axis.low_ns <= min_ns.max(1_000) as f64, "{axis:?}");
            assert!(axis.high_ns >= (max_ns as f64).min(5e12), "{axis:?}");
        }
        let axis = TimeAxis::around(47_000, 28_180_500);
        assert_eq!((axis.low_ns, axis.high_ns), (20_000.0, 50_000_000.0));
    }

    #[test]
    fn foreign_text_cannot_leave_its_place() {
        assert_eq!(
            escape("<script>\"&'\u{1b}[0m"),
            "&lt;script&gt;&quot;&amp;&#39;\u{fffd}[0m"
        );
    }
}
