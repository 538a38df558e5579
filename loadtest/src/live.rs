//! The live view of a run on a terminal: progress, rate, percentiles of the last second and of all,
//! losses, and a spark line of the jitter.
//!
//! The loop of the run adds to [`Gauges`]: a few plain additions to memory that a thread of its own
//! reads four times a second. There is no lock, no system call and nothing to wait for; when the
//! view is off, there are no gauges. The buckets are coarse (3%), since they are only looked at;
//! the report has its own histograms. The thread keeps off the CPU that the generator is pinned to.
//!
//! The view draws over itself and is gone at the end, before the report is printed.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kernel::Cpus;
use crate::svg::{count_label, time_label};

const REDRAW_MS: u64 = 250;
const REDRAWS_PER_S: usize = 4;
/// Bars of the spark line: 10 s.
const SPARKS: usize = 40;
/// 32 buckets for each doubling of the time.
const FINE_BITS: u32 = 5;
/// Up to 2^43 ns, over two hours.
const BUCKETS: usize = (43 - FINE_BITS as usize) << FINE_BITS;
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// When to show the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    /// When the standard error is a terminal.
    Auto,
    Always,
    Never,
}

/// What the loop of a run says while it turns.
#[derive(Debug)]
pub(crate) struct Gauges {
    sent: AtomicU64,
    lost: AtomicU64,
    wrong: AtomicU64,
    /// Answers by their latency.
    buckets: Box<[AtomicU64]>,
}

/// What is shown beside the gauges.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Who is asked, and how.
    pub(crate) title: String,
    pub(crate) duration_s: u64,
    /// The run ends with so many queries, too.
    pub(crate) queries_max: u64,
}

/// The thread that draws; it ends, and the view with it, when this is dropped.
pub(crate) struct View {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gauges {
    pub(crate) fn new() -> Gauges {
        Gauges {
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn note_sent(&self, count: u64) {
        add(&self.sent, count);
    }

    pub(crate) fn note_lost(&self, count: u64) {
        add(&self.lost, count);
    }

    pub(crate) fn note_answered(&self, latency_ns: u64, is_wrong: bool) {
        add(&self.buckets[bucket_of(latency_ns)], 1);
        add(&self.wrong, u64::from(is_wrong));
    }

    fn read(&self) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            sent: get(&self.sent),
            lost: get(&self.lost),
            wrong: get(&self.wrong),
            buckets: self.buckets.iter().map(get).collect(),
        }
    }
}

/// Only the loop's thread writes, so an addition need not be atomic as a whole.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

/// The gauges at one time.
#[derive(Debug, Clone)]
struct Reading {
    sent: u64,
    lost: u64,
    wrong: u64,
    buckets: Vec<u64>,
}

impl Reading {
    fn answered(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn since(&self, before: &Reading) -> Reading {
        let buckets = self.buckets.iter().zip(&before.buckets);
        Reading {
            sent: self.sent - before.sent,
            lost: self.lost - before.lost,
            wrong: self.wrong - before.wrong,
            buckets: buckets.map(|(now, before)| now - before).collect(),
        }
    }

    /// The time that `percent` of the answers do not exceed; none without answers.
    fn percentile_ns(&self, percent: f64) -> Option<u64> {
        let wanted = (self.answered() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reached = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        reached.map(|bucket| u64::midpoint(bucket_ns(bucket), bucket_ns(bucket + 1)))
    }
}

/// Times below 32 ns have a bucket each; above, each doubling has 32.
fn bucket_of(ns: u64) -> usize {
    let doublings = (63 - (ns | 1).leading_zeros()).saturating_sub(FINE_BITS);
    let bucket = (u64::from(doublings) << FINE_BITS) + (ns >> doublings);
    (bucket as usize).min(BUCKETS - 1)
}

/// The least time of a bucket.
fn bucket_ns(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket >> FINE_BITS).checked_sub(1) {
        None => bucket,
        Some(doublings) => (bucket - (doublings << FINE_BITS)) << doublings,
    }
}

impl When {
    pub(crate) fn is_now(self) -> bool {
        match self {
            When::Auto => io::stderr().is_terminal(),
            When::Always => true,
            When::Never => false,
        }
    }
}

impl View {
    /// Begins to draw to the standard error, on one of `cpus`.
    pub(crate) fn start(gauges: Arc<Gauges>, scope: Scope, cpus: Cpus) -> io::Result<View> {
        let (end, ended) = mpsc::channel();
        let draw = move || {
            // A view on the generator's own CPU is better than none.
            let _ = cpus.stay();
            let mut screen = Screen::new(scope);
            let begin = Instant::now();
            let pause = Duration::from_millis(REDRAW_MS);
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let frame = screen.next(begin.elapsed().as_secs_f64(), gauges.read());
                paint(&frame, screen.is_first);
                screen.is_first = false;
            }
            if !screen.is_first {
                paint(&[], false);
            }
        };
        Ok(View {
            end: Some(end),
            thread: Some(thread::Builder::new().name("view".into()).spawn(draw)?),
        })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked with something to tell: it only draws.
            let _ = thread.join();
        }
    }
}

const LINES: usize = 7;

/// Draws over the frame before, if there was one. Long lines are cut by the terminal (DECAWM off),
/// so that a frame always has as many lines as were written.
fn paint(frame: &[String], is_first: bool) {
    let mut text = String::from("\x1b[?7l");
    if !is_first {
        text += &format!("\x1b[{LINES}A\x1b[J");
    }
    for line in frame {
        text += line;
        text.push('\n');
    }
    text += "\x1b[?7h";
    // A closed terminal ends no run.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// What a frame needs of those before.
struct Screen {
    scope: Scope,
    is_first: bool,
    /// Readings of the last second, the newest last.
    readings: VecDeque<(f64, Reading)>,
    /// The 99th percentile of each redraw; none without answers.
    sparks: VecDeque<Option<u64>>,
}

impl Screen {
    fn new(scope: Scope) -> Screen {
        Screen {
            scope,
            is_first: true,
            readings: VecDeque::with_capacity(REDRAWS_PER_S + 2),
            sparks: VecDeque::with_capacity(SPARKS + 1),
        }
    }

    /// The frame at `time_s` after the start.
    fn next(&mut self, time_s: f64, now: Reading) -> [String; LINES] {
        let zero = Reading {
            sent: 0,
            lost: 0,
            wrong: 0,
            buckets: vec![0; BUCKETS],
        };
        let newest = self.readings.back().map_or(&zero, |(_, reading)| reading);
        self.sparks.push_back(now.since(newest).percentile_ns(99.0));
        if self.sparks.len() > SPARKS {
            self.sparks.pop_front();
        }
        let (oldest_s, oldest) = match self.readings.len() >= REDRAWS_PER_S {
            true => self.readings.pop_front().unwrap_or((0.0, zero)),
            false => (0.0, zero),
        };
        let last = now.since(&oldest);
        let span_s = (time_s - oldest_s).max(1e-3);
        let frame = self.frame(time_s, &now, &last, span_s);
        self.readings.push_back((time_s, now));
        frame
    }

    fn frame(&self, time_s: f64, all: &Reading, last: &Reading, span_s: f64) -> [String; LINES] {
        let answered = all.answered();
        let waiting = all.sent.saturating_sub(answered + all.lost);
        let duration_s = self.scope.duration_s;
        let share =
            (time_s / duration_s as f64).max(all.sent as f64 / self.scope.queries_max as f64);
        let per_s = |count: u64| count_label((count as f64 / span_s).round() as u64);
        let heads = PERCENTILES.map(|percent| match percent {
            100.0 => format!("{:>10}", "max"),
            percent => format!("{:>10}", format!("p{percent}")),
        });
        [
            format!("\x1b[1m{}\x1b[0m", plain(&self.scope.title)),
            format!(
                "{} {:>3.0}%  {time_s:.1} of {duration_s} s",
                bar(share, 40),
                share.min(1.0) * 100.0
            ),
            format!(
                "sent {}   answered {}   waiting {}   {}   {}",
                count_label(all.sent),
                count_label(answered),
                count_label(waiting),
                marked("lost", all.lost),
                marked("wrong", all.wrong),
            ),
            format!("{:<10}{}{:>14}", "latency", heads.concat(), "answers/s"),
            format!(
                "{:<10}{}{:>14}",
                "last 1 s",
                times(last),
                per_s(last.answered())
            ),
            format!(
                "{:<10}{}{:>14}",
                "all",
                times(all),
                count_label((answered as f64 / time_s.max(1e-3)).round() as u64)
            ),
            format!("jitter    {}", sparks(&self.sparks)),
        ]
    }
}

fn times(reading: &Reading) -> String {
    let cells = PERCENTILES.map(|percent| match reading.percentile_ns(percent) {
        None => format!("{:>10}", "-"),
        Some(ns) => format!("{:>10}", time_label(ns as f64)),
    });
    cells.concat()
}

/// A count that is red unless it is 0.
fn marked(name: &str, count: u64) -> String {
    match count {
        0 => format!("{name} 0"),
        count => format!("\x1b[31m{name} {}\x1b[0m", count_label(count)),
    }
}

fn bar(share: f64, width: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    "━".repeat(full) + &"─".repeat(width - full)
}

/// The 99th percentiles of the last redraws as bars between their least and their greatest.
fn sparks(p99s: &VecDeque<Option<u64>>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || p99s.iter().flatten().map(|&ns| (ns.max(1) as f64).ln());
    let (low, high) = known().fold((f64::MAX, f64::MIN), |(low, high), ns| {
        (low.min(ns), high.max(ns))
    });
    if low > high {
        return "-".to_owned();
    }
    let bars = p99s.iter().map(|p99| match p99 {
        None => ' ',
        // What is within a tenth is even.
        Some(_) if high - low < 0.1 => BARS[0],
        Some(ns) => {
            let share = ((*ns).max(1) as f64).ln() - low;
            BARS[(share / (high - low) * 7.0).round() as usize]
        }
    });
    let (low, high) = (time_label(low.exp()), time_label(high.exp()));
    format!(
        "{}  p99 of each 1/4 s: {low} to {high}",
        bars.collect::<String>()
    )
}

/// Text without what could steer a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_bucket_is_within_three_percent_of_its_times() {
        for ns in [
            0,
            1,
            31,
            32,
            63,
            64,
            1_000,
            47_360,
            1_000_000,
            600_000_000_000,
        ] {
            let least = bucket_ns(bucket_of(ns));
            assert!(least <= ns && ns - least <= ns / 31, "{ns} in {least}");
            assert_eq!(bucket_of(least), bucket_of(ns));
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    /// A frame with its steering of the terminal made visible.
    fn text(frame: &[String]) -> String {
        frame.join("\n").replace('\x1b', "^") + "\n"
    }

    #[test]
    fn frames_show_the_last_second_and_all() {
        let gauges = Gauges::new();
        let mut screen = Screen::new(Scope {
            title: "127.0.0.1:53\x1b[2J, open loop".to_owned(),
            duration_s: 4,
            queries_max: u64::MAX,
        });
        let mut frames = Vec::new();
        for quarter in 1..=8_u64 {
            gauges.note_sent(1_000);
            let latency_ns = [900_000, 50_000 * quarter][usize::from(quarter > 3)];
            (0..990).for_each(|_| gauges.note_answered(latency_ns, false));
            gauges.note_lost(if quarter == 2 { 5 } else { 0 });
            frames.push(screen.next(quarter as f64 / 4.0, gauges.read()));
        }
        expect![[r#"
            ^[1m127.0.0.1:53[2J, open loop^[0m
            ━━━─────────────────────────────────────   6%  0.2 of 4 s
            sent 1,000   answered 990   waiting 10   lost 0   wrong 0
            latency          p50       p90       p99     p99.9       max     answers/s
            last 1 s      893 µs    893 µs    893 µs    893 µs    893 µs         3,960
            all           893 µs    893 µs    893 µs    893 µs    893 µs         3,960
            jitter    ▁  p99 of each 1/4 s: 893 µs to 893 µs

            ^[1m127.0.0.1:53[2J, open loop^[0m
            ━━━━━━━━━━━━━━━━━━━━────────────────────  50%  2.0 of 4 s
            sent 8,000   answered 7,920   waiting 75   ^[31mlost 5^[0m   wrong 0
            latency          p50       p90       p99     p99.9       max     answers/s
            last 1 s      299 µs    397 µs    397 µs    397 µs    397 µs         3,960
            all           348 µs    893 µs    893 µs    893 µs    893 µs         3,960
            jitter    ███▁▂▃▄▄  p99 of each 1/4 s: 199 µs to 893 µs
        "#]]
        .assert_eq(&(text(&frames[0]) + "\n" + &text(&frames[7])));
    }

    #[test]
    fn nothing_answered_yet_is_a_frame() {
        let mut screen = Screen::new(Scope {
            title: "a".to_owned(),
            duration_s: 1,
            queries_max: 10,
        });
        let frame = screen.next(0.0, Gauges::new().read());
        expect![[r#"
            ^[1ma^[0m
            ────────────────────────────────────────   0%  0.0 of 1 s
            sent 0   answered 0   waiting 0   lost 0   wrong 0
            latency          p50       p90       p99     p99.9       max     answers/s
            last 1 s           -         -         -         -         -             0
            all                -         -         -         -         -             0
            jitter    -
        "#]]
        .assert_eq(&text(&frame));
    }
}
