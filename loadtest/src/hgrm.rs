//! The latencies of a run as a percentile distribution (`.hgrm`), the text that hdr-plot and the
//! plotter of hdrhistogram.github.io read.
//!
//! Lines as HdrHistogram's `outputPercentileDistribution` writes them, five for each halving of
//! the distance to 100%. Values are microseconds with three digits.

use std::io;

use hdrhistogram::Histogram;

const LINES_PER_HALVING: u32 = 5;
const NS_PER_US: f64 = 1e3;

/// Writes the distribution of `latencies`, which are in nanoseconds.
pub(crate) fn write(to: &mut impl io::Write, latencies: &Histogram<u64>) -> io::Result<()> {
    writeln!(
        to,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut count = 0;
    for step in latencies.iter_quantiles(LINES_PER_HALVING) {
        count += step.count_since_last_iteration();
        let value_us = step.value_iterated_to() as f64 / NS_PER_US;
        let quantile = step.quantile_iterated_to();
        write!(to, "{value_us:>12.3} {quantile:>14.12} {count:>10}")?;
        match quantile < 1.0 {
            true => writeln!(to, " {:>14.2}", 1.0 / (1.0 - quantile))?,
            false => writeln!(to)?,
        }
    }
    writeln!(
        to,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        latencies.mean() / NS_PER_US,
        latencies.stdev() / NS_PER_US
    )?;
    writeln!(
        to,
        "#[Max     = {:>12.3}, Total count    = {count:>12}]",
        latencies.max() as f64 / NS_PER_US
    )?;
    let sub_buckets = (2 * 10_u64.pow(u32::from(latencies.sigfig()))).next_power_of_two();
    writeln!(
        to,
        "#[Buckets = {:>12}, SubBuckets     = {sub_buckets:>12}]",
        latencies.buckets()
    )
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::stats;

    fn check(latencies_ns: impl Iterator<Item = u64>, want: Expect) {
        let mut histogram = stats::latency_histogram();
        latencies_ns.for_each(|latency_ns| histogram.saturating_record(latency_ns));
        let mut text = Vec::new();
        write(&mut text, &histogram).expect("writing to memory");
        want.assert_eq(&String::from_utf8(text).expect("text"));
    }

    #[test]
    fn the_distribution_has_the_lines_of_hdrhistogram() {
        check(
            (1..=10).map(|step| step * 10_000),
            expect![[r#"
                   Value     Percentile TotalCount 1/(1-Percentile)

                  10.047 0.000000000000          1           1.00
                  10.047 0.100000000000          1           1.11
                  20.031 0.200000000000          2           1.25
                  40.063 0.300000000000          4           1.43
                  40.063 0.400000000000          4           1.67
                  50.047 0.500000000000          5           2.00
                  60.031 0.550000000000          6           2.22
                  70.015 0.600000000000          7           2.50
                  70.015 0.650000000000          7           2.86
                  80.063 0.700000000000          8           3.33
                  80.063 0.750000000000          8           4.00
                  80.063 0.775000000000          8           4.44
                  90.047 0.800000000000          9           5.00
                  90.047 0.825000000000          9           5.71
                  90.047 0.850000000000          9           6.67
                  90.047 0.875000000000          9           8.00
                  90.047 0.887500000000          9           8.89
                 100.031 0.900000000000         10          10.00
                 100.031 1.000000000000         10
            #[Mean    =       55.008, StdDeviation   =       28.724]
            #[Max     =      100.031, Total count    =           10]
            #[Buckets =           24, SubBuckets     =         2048]
        "#]],
        );
    }

    #[test]
    fn nothing_answered_is_a_head_and_a_foot() {
        check(
            [].into_iter(),
            expect![[r#"
                   Value     Percentile TotalCount 1/(1-Percentile)

            #[Mean    =        0.000, StdDeviation   =        0.000]
            #[Max     =        0.000, Total count    =            0]
            #[Buckets =           24, SubBuckets     =         2048]
        "#]],
        );
    }
}
