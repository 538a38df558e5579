//! Latencies as an HdrHistogram interval log (V1.3), one interval for each second of a run, and
//! back.
//!
//! Values are nanoseconds: the readers of such logs take nanoseconds unless told otherwise and
//! show milliseconds (Java's HistogramLogProcessor has `outputValueUnitRatio` 1,000,000), so the
//! third column, the largest value of the interval, is in milliseconds. The histograms are V2 with
//! DEFLATE in base64. A histogram has no place for a lost query: comments count them, which
//! other readers skip and [`read`] takes in.
//!
//! It opens no files.

use std::io;
use std::str::FromStr as _;
use std::time::Duration;

use data_encoding::BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, IntervalLogWriterError, LogEntry,
    LogIteratorError,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializeError, V2DeflateSerializer};
use thiserror::Error;

use crate::timeline::Timeline;

const VERSION_LINE: &str = "#[Histogram log format version 1.3]\n";
const LEGEND_LINE: &str = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\
                           \"Interval_Compressed_Histogram\"\n";
/// Begins the comment that says how many queries of the run have no latency.
const LOST_MARK: &str = "#[Lost: ";
const NS_PER_MS: f64 = 1e6;

/// Why a log cannot be written.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("encoding the histogram of second {second}")]
    Encode {
        second: u64,
        source: V2DeflateSerializeError,
    },
}

/// Why a log cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ReadError {
    #[error("not a line of an HdrHistogram interval log at octet {offset}")]
    Line { offset: usize },
    #[error("interval {interval}: no V2 histogram: {problem}")]
    Histogram { interval: u64, problem: String },
    #[error("interval {interval}: values beyond those of the intervals before: {problem}")]
    Range { interval: u64, problem: String },
    #[error("no interval in it")]
    Empty,
}

/// All intervals of a log together.
#[derive(Debug)]
pub(crate) struct Latencies {
    pub(crate) histogram: Histogram<u64>,
    /// Queries without an answer, as far as the log says.
    pub(crate) lost: u64,
}

/// Writes the seconds of a run against `server`.
pub(crate) fn write(
    to: &mut impl io::Write,
    server: &str,
    timeline: &Timeline,
) -> Result<(), WriteError> {
    let lost: u64 = timeline.seconds().iter().map(|second| second.lost()).sum();
    to.write_all(VERSION_LINE.as_bytes())?;
    let mut serializer = V2DeflateSerializer::new();
    IntervalLogWriterBuilder::new()
        .add_comment(&format!(
            "[DNS latencies of {server}, by containerdns-loadtest]"
        ))
        .add_comment("[Values: nanoseconds from the time a query was to be sent to its answer]")
        .add_comment("[Intervals: by the time a query was to be sent; maximum in milliseconds]")
        .add_comment(&format!("[Lost: {lost} queries have no latency]"))
        .with_start_time(timeline.started())
        .with_base_time(timeline.started())
        .begin_log_with(to, &mut serializer)?;
    to.write_all(LEGEND_LINE.as_bytes())?;
    let mut log = IntervalLogWriterBuilder::new()
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(to, &mut serializer)?;
    for (number, second) in (0..).zip(timeline.seconds()) {
        if second.lost() > 0 {
            log.write_comment(&format!("[Second {number}: {} lost]", second.lost()))?;
        }
        let (start, length) = (Duration::from_secs(number), Duration::from_secs(1));
        log.write_histogram(&second.latencies, start, length, None)
            .map_err(|error| match error {
                IntervalLogWriterError::SerializeError(source) => WriteError::Encode {
                    second: number,
                    source,
                },
                IntervalLogWriterError::IoError(error) => WriteError::Io(error),
            })?;
    }
    Ok(())
}

/// Reads a log of any program; its values are taken for nanoseconds.
pub(crate) fn read(log: &[u8]) -> Result<Latencies, ReadError> {
    let mut deserializer = Deserializer::new();
    let mut sum: Option<Histogram<u64>> = None;
    let mut interval = 0;
    for entry in IntervalLogIterator::new(log) {
        let line = match entry {
            Ok(LogEntry::Interval(line)) => line,
            Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_)) => continue,
            Err(LogIteratorError::ParseError { offset }) => return Err(ReadError::Line { offset }),
        };
        let broken = |problem| ReadError::Histogram { interval, problem };
        let octets = BASE64
            .decode(line.encoded_histogram().as_bytes())
            .map_err(|error| broken(error.to_string()))?;
        let histogram: Histogram<u64> = deserializer
            .deserialize(&mut octets.as_slice())
            .map_err(|error| broken(error.to_string()))?;
        match &mut sum {
            None => sum = Some(histogram),
            Some(sum) => {
                sum.auto(true);
                sum.add(histogram).map_err(|error| ReadError::Range {
                    interval,
                    problem: error.to_string(),
                })?;
            }
        }
        interval += 1;
    }
    Ok(Latencies {
        histogram: sum.ok_or(ReadError::Empty)?,
        lost: lost(log),
    })
}

/// What the comments of the log say was lost.
fn lost(log: &[u8]) -> u64 {
    let lines = log.split(|&octet| octet == b'\n');
    let marked = lines.filter_map(|line| line.strip_prefix(LOST_MARK.as_bytes()));
    let counts = marked.filter_map(|rest| {
        let digits = rest.split(|octet| !octet.is_ascii_digit()).next()?;
        u64::from_str(str::from_utf8(digits).ok()?).ok()
    });
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::stats;

    const MS: u64 = 1_000_000;

    /// Three seconds of 1,000 queries; every 100th of the second one is lost.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(3);
        for index in 0..3_000_u64 {
            timeline.note_sent(index * MS, 0);
            if index / 1_000 != 1 || index % 100 != 0 {
                timeline.note_answered(index * MS, 40_000 + index * index, false);
            }
        }
        timeline
    }

    fn written(timeline: &Timeline) -> Vec<u8> {
        let mut log = Vec::new();
        write(&mut log, "127.0.0.1:53", timeline).expect("writing to memory");
        log
    }

    #[test]
    fn the_sum_over_the_intervals_is_the_run() {
        let timeline = timeline();
        let read = read(&written(&timeline)).expect("what was written");
        let mut run = stats::latency_histogram::<u64>();
        for second in timeline.seconds() {
            for step in second.latencies.iter_recorded() {
                run.record_n(step.value_iterated_to(), u64::from(step.count_at_value()))
                    .expect("in the range of the same layout");
            }
        }
        assert_eq!(read.histogram, run);
        assert_eq!((read.histogram.len(), read.lost), (2_990, 10));
    }

    /// The log without the times, which are now, and without the histograms.
    #[test]
    fn the_lines_are_those_that_other_readers_know() {
        let log = String::from_utf8(written(&timeline())).expect("text");
        let lines = log.lines().map(|line| {
            let cut = line.rfind(',').map_or(line.len(), |comma| comma + 6);
            match line.split_once("Time: ") {
                Some((head, _)) => format!("{head}Time: ...\n"),
                None if line.starts_with(['#', '"']) => format!("{line}\n"),
                None => format!("{}...\n", &line[..cut]),
            }
        });
        expect![[r##"
            #[Histogram log format version 1.3]
            #[DNS latencies of 127.0.0.1:53, by containerdns-loadtest]
            #[Values: nanoseconds from the time a query was to be sent to its answer]
            #[Intervals: by the time a query was to be sent; maximum in milliseconds]
            #[Lost: 10 queries have no latency]
            #[StartTime: ...
            #[BaseTime: ...
            "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
            #[MaxValueDivisor: 1000000.000]
            0.000,1.000,1.038,HISTF...
            #[Second 1: 10 lost]
            1.000,1.000,4.037,HISTF...
            2.000,1.000,9.036,HISTF...
        "##]]
        .assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn what_is_no_log_is_refused_with_the_place() {
        let logs = [
            "",
            "#[Histogram log format version 1.3]\n",
            "# a comment\nqwerty\n",
            "0.000,1.000,2.0,====\n",
            "0.000,1.000,2.0,AAAA\n",
        ];
        let errors = logs.map(|log| match read(log.as_bytes()) {
            Ok(_) => "read\n".to_owned(),
            Err(error) => format!("{error}\n"),
        });
        expect![[r#"
            no interval in it
            no interval in it
            not a line of an HdrHistogram interval log at octet 12
            interval 0: no V2 histogram: invalid padding length at 0
            interval 0: no V2 histogram: An i/o operation failed: failed to fill whole buffer
        "#]]
        .assert_eq(&errors.concat());
    }
}
