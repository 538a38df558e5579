//! What a run counts: queries and packets, latencies, lateness of the generator.
//!
//! Latencies go to an HDR histogram with three significant digits, which keeps the tail however
//! long the run; the exact sums beside it give the mean and the jitter. Nothing is sampled.
//! It does not know how figures are shown.

use hdrhistogram::{Counter, Histogram};

/// The shortest difference that the histogram tells apart, and the longest latency it holds:
/// above the largest timeout, so that only a query sent that late could reach it.
const LATENCY_NS_MIN: u64 = 100;
const LATENCY_NS_MAX: u64 = 600_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A sending this much behind its time is the generator's fault, not the server's.
pub(crate) const LATE_NS: u64 = 1_000_000;

/// Counts of a run. At its end `sent == answered + lost`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// Queries without an answer in time.
    pub(crate) lost: u64,
    /// Queries of the schedule that could not be sent at all.
    pub(crate) unsent: u64,
    /// Answers whose code is not the expected one.
    pub(crate) wrong_rcode: u64,
    /// Answers with TC.
    pub(crate) truncated: u64,
    /// Packets with the ID of a waiting query that do not answer it.
    pub(crate) malformed: u64,
    /// Packets for which no query waits: late ones and duplicates.
    pub(crate) unexpected: u64,
    /// Connections that failed and were made anew.
    pub(crate) reconnects: u64,
    /// Whether queries were due when there was nothing but connections that had just failed.
    pub(crate) lacked_connections: bool,
    /// Errors of the sockets, such as a closed port reported by ICMP.
    pub(crate) socket_errors: u64,
    /// Answers by their code.
    pub(crate) rcodes: [u64; 16],
    /// Queries sent more than [`LATE_NS`] behind their intended time.
    pub(crate) late: u64,
}

/// A distribution of times.
pub(crate) struct Times {
    histogram: Histogram<u64>,
    sum_ns: u128,
    squares_sum_ns2: u128,
    differences_sum_ns: u128,
    previous_ns: Option<u64>,
}

impl Times {
    pub(crate) fn new() -> Times {
        Times {
            histogram: latency_histogram(),
            sum_ns: 0,
            squares_sum_ns2: 0,
            differences_sum_ns: 0,
            previous_ns: None,
        }
    }

    /// Adds one time; the order of the calls is that of "successive".
    pub(crate) fn record(&mut self, time_ns: u64) {
        self.histogram.saturating_record(time_ns);
        self.sum_ns += u128::from(time_ns);
        self.squares_sum_ns2 += u128::from(time_ns).pow(2);
        if let Some(previous_ns) = self.previous_ns.replace(time_ns) {
            self.differences_sum_ns += u128::from(previous_ns.abs_diff(time_ns));
        }
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The time that `percent` of all do not exceed, within the digits of the histogram.
    pub(crate) fn percentile_ns(&self, percent: f64) -> u64 {
        self.histogram.value_at_percentile(percent)
    }

    pub(crate) fn min_ns(&self) -> u64 {
        self.histogram.min()
    }

    pub(crate) fn max_ns(&self) -> u64 {
        self.histogram.max()
    }

    pub(crate) fn mean_ns(&self) -> f64 {
        divide(self.sum_ns as f64, self.count())
    }

    /// The standard deviation over all, from the exact sums.
    pub(crate) fn standard_deviation_ns(&self) -> f64 {
        standard_deviation(self.count(), self.sum_ns, self.squares_sum_ns2)
    }

    /// The mean absolute difference of each time to the one before it.
    pub(crate) fn successive_difference_ns(&self) -> f64 {
        divide(
            self.differences_sum_ns as f64,
            self.count().saturating_sub(1),
        )
    }
}

/// An empty histogram for latencies in nanoseconds; all of them have the same layout, so that their
/// sums lose nothing.
pub(crate) fn latency_histogram<C: Counter>() -> Histogram<C> {
    Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
        .expect("the bounds are constants in range")
}

/// The standard deviation of `count` values from their exact sums.
pub(crate) fn standard_deviation(count: u64, sum: u128, squares_sum: u128) -> f64 {
    // n * sum(x^2) - sum(x)^2 in integers: no cancellation of rounded floats.
    let scaled = u128::from(count) * squares_sum - sum.pow(2);
    divide((scaled as f64).sqrt(), count)
}

/// Nanoseconds as microseconds, to a tenth.
pub(crate) fn us(ns: f64) -> f64 {
    rounded(ns / 1e3, 10.0)
}

/// `value` to the nearest 1 / `parts`.
pub(crate) fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn divide(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(values_ns: &[u64]) -> Times {
        let mut times = Times::new();
        values_ns
            .iter()
            .for_each(|&value_ns| times.record(value_ns));
        times
    }

    #[test]
    fn jitter_is_deviation_and_successive_difference() {
        let times = times(&[2_000, 4_000, 4_000, 4_000, 5_000, 5_000, 7_000, 9_000]);
        assert_eq!(times.mean_ns(), 5_000.0);
        assert_eq!(times.standard_deviation_ns(), 2_000.0);
        assert_eq!(times.successive_difference_ns(), 1_000.0);
    }

    #[test]
    fn order_matters_to_the_successive_difference_only() {
        let (rising, mixed) = (times(&[1_000, 2_000, 3_000]), times(&[2_000, 1_000, 3_000]));
        assert_eq!(
            rising.standard_deviation_ns(),
            mixed.standard_deviation_ns()
        );
        assert_eq!(rising.successive_difference_ns(), 1_000.0);
        assert_eq!(mixed.successive_difference_ns(), 1_500.0);
    }

    #[test]
    fn the_tail_is_kept() {
        let mut times = Times::new();
        (0..9_999).for_each(|_| times.record(50_000));
        times.record(2_000_000_000);
        let close = |ns: u64, want_ns: u64| ns.abs_diff(want_ns) <= want_ns / 1_000;
        assert!(close(times.percentile_ns(99.9), 50_000));
        assert!(close(times.max_ns(), 2_000_000_000));
        assert!(close(times.percentile_ns(100.0), 2_000_000_000));
    }

    #[test]
    fn nothing_recorded_is_zero() {
        let times = times(&[]);
        assert_eq!(times.count(), 0);
        assert_eq!(
            (times.min_ns(), times.max_ns(), times.percentile_ns(99.0)),
            (0, 0, 0)
        );
        assert_eq!(times.mean_ns() + times.standard_deviation_ns(), 0.0);
        assert_eq!(times.successive_difference_ns(), 0.0);
    }
}
