//! Rates one after the other, to find the knee: the highest rate that a server answers with hardly
//! a loss and without its latencies running away.
//!
//! Pure: which rate is next follows from the steps that were measured. A step that the generator
//! itself could not keep says nothing about the server and ends the search.

use std::fmt::Write as _;
use std::str::FromStr;

use serde::Serialize;

/// Steps of one search at most.
const STEPS_MAX: usize = 100;
/// The search for the knee ends when the rates around it are so close, in percent.
const CLOSE_PERCENT: u64 = 2;
const RATE_MAX: u64 = 10_000_000;

/// Which rates to try.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RampArguments {
    /// Open loop at rates from FROM to TO, each STEP above the one before: `+N` or `xFACTOR`, as in
    /// 10000:500000:x1.5.
    #[arg(long, value_name = "FROM:TO:STEP", conflicts_with_all = ["rate", "outstanding", "replay",
          "rounds", "server_pid", "timeline", "hdr_log", "hgrm", "html"])]
    pub(crate) ramp: Option<Ramp>,
    /// Between the last good and the first bad rate look for the highest good one.
    #[arg(long, requires = "ramp")]
    knee: bool,
    /// A rate is bad at which so many percent of the queries or more are lost or answered wrong.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.01, requires = "ramp",
          value_parser = parse_percent)]
    loss_max_percent: f64,
    /// A rate is bad at which the 99.9th percentile of the latency is this or more.
    #[arg(long, value_name = "US", default_value_t = 10_000.0, requires = "ramp",
          value_parser = parse_us)]
    p99_9_max_us: f64,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok();
    let percent = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0);
    percent.ok_or_else(|| "must be more than 0, and 100 at most".to_owned())
}

fn parse_us(text: &str) -> Result<f64, String> {
    let us = text.parse().ok();
    let us = us.filter(|us: &f64| *us > 0.0 && us.is_finite());
    us.ok_or_else(|| "must be a number of microseconds above 0".to_owned())
}

/// From, to, and how to go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ramp {
    from_per_s: u64,
    to_per_s: u64,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Add(u64),
    Times(f64),
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Ramp, String> {
        let wanted = "not FROM:TO:STEP, as in 10000:500000:x1.5 or 10000:90000:+10000";
        let [from, to, step] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(wanted.to_owned());
        };
        let rate = |text: &str| match text.parse() {
            Ok(rate @ 1..=RATE_MAX) => Ok(rate),
            _ => Err(format!("rate `{text}`: not a number from 1 to {RATE_MAX}")),
        };
        let (from_per_s, to_per_s) = (rate(from)?, rate(to)?);
        let step = match step.split_at_checked(1) {
            Some(("+", count)) => Step::Add(rate(count)?),
            Some(("x", factor)) => match factor.parse() {
                Ok(factor) if (1.01..=100.0).contains(&factor) => Step::Times(factor),
                _ => return Err(format!("step `{step}`: not x1.01 to x100")),
            },
            _ => return Err(wanted.to_owned()),
        };
        if from_per_s > to_per_s {
            return Err(format!(
                "from {from_per_s} to {to_per_s} goes down: write the lower first"
            ));
        }
        Ok(Ramp {
            from_per_s,
            to_per_s,
            step,
        })
    }
}

impl Ramp {
    fn after(&self, rate_per_s: u64) -> Option<u64> {
        let next = match self.step {
            Step::Add(count) => rate_per_s + count,
            Step::Times(factor) => (rate_per_s as f64 * factor).ceil() as u64,
        };
        (next <= self.to_per_s).then_some(next)
    }
}

/// What a rate came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grade {
    /// Answered within the bounds.
    Good,
    /// Losses or latencies beyond them.
    Bad,
    /// The generator could not keep the rate.
    GeneratorTooSlow,
}

/// One rate, measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) rate_per_s: u64,
    pub(crate) queries_per_s: f64,
    pub(crate) lost_percent: f64,
    pub(crate) wrong_percent: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us_p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us_p99: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_us_p99_9: Option<f64>,
    pub(crate) sent_late_over_1ms_percent: f64,
    pub(crate) grade: Grade,
}

/// All steps of a search for one server.
#[derive(Debug, Serialize)]
pub(crate) struct Search {
    pub(crate) server: String,
    /// The highest good rate, unless the first one was bad.
    pub(crate) knee_queries_per_s: Option<u64>,
    /// Whether a signal or an error ended it: then rates may be good that were not tried.
    pub(crate) ended_early: bool,
    pub(crate) steps: Vec<Measured>,
}

impl RampArguments {
    /// The grade of a step that the generator kept.
    pub(crate) fn grade(&self, step: &Measured) -> Grade {
        let is_fast = |us: f64| us < self.p99_9_max_us;
        let failed_percent = step.lost_percent + step.wrong_percent;
        match step.latency_us_p99_9.is_some_and(is_fast) {
            true if failed_percent < self.loss_max_percent => Grade::Good,
            _ => Grade::Bad,
        }
    }

    /// The rate to try next, if any.
    pub(crate) fn next_rate(&self, steps: &[Measured]) -> Option<u64> {
        let ramp = self.ramp?;
        let Some(last) = steps.last() else {
            return Some(ramp.from_per_s);
        };
        if steps.len() >= STEPS_MAX || last.grade == Grade::GeneratorTooSlow {
            return None;
        }
        let bad = steps.iter().filter(|step| step.grade == Grade::Bad);
        match (self.knee, bad.map(|step| step.rate_per_s).min()) {
            (true, Some(bad)) => between(knee(steps)?, bad),
            _ => ramp.after(last.rate_per_s),
        }
    }
}

/// The highest good rate below all bad ones.
pub(crate) fn knee(steps: &[Measured]) -> Option<u64> {
    let of = |grade| {
        let steps = steps.iter().filter(move |step| step.grade == grade);
        steps.map(|step| step.rate_per_s)
    };
    let bad = of(Grade::Bad).min().unwrap_or(u64::MAX);
    of(Grade::Good).filter(|rate| *rate < bad).max()
}

fn between(good: u64, bad: u64) -> Option<u64> {
    let is_close = (bad - good) * 100 <= good * CLOSE_PERCENT;
    let middle = good + (bad - good) / 2;
    (!is_close && middle > good).then_some(middle)
}

impl Search {
    /// One line a step, in the order of measuring, then the knee.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{}\n", self.server);
        let heads = [
            "rate/s",
            "  answered/s",
            "lost %",
            "wrong %",
            "p50 us",
            "p99 us",
            "p99.9 us",
            "late %",
        ];
        let heads: String = heads.iter().map(|head| format!("{head:>10}")).collect();
        table.push_str(&heads);
        table.push('\n');
        for step in &self.steps {
            let grade = match step.grade {
                Grade::Good => "",
                Grade::Bad => "  bad",
                Grade::GeneratorTooSlow => "  the generator could not keep this rate",
            };
            let us = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1}"));
            writeln!(
                table,
                "{:>10}{:>12.0}{:>10.4}{:>10.4}{:>10}{:>10}{:>10}{:>10.2}{grade}",
                step.rate_per_s,
                step.queries_per_s,
                step.lost_percent,
                step.wrong_percent,
                us(step.latency_us_p50),
                us(step.latency_us_p99),
                us(step.latency_us_p99_9),
                step.sent_late_over_1ms_percent,
            )
            .expect("writing to a string cannot fail");
        }
        let is_limited = |step: &Measured| step.grade == Grade::GeneratorTooSlow;
        let is_limited = self.steps.last().is_some_and(is_limited);
        let verdict = match (self.knee_queries_per_s, is_limited) {
            (Some(rate), _) if self.ended_early => {
                format!("ended early; good up to {rate} queries/s so far")
            }
            (None, _) if self.ended_early => "ended early".to_owned(),
            (Some(rate), true) => format!(
                "good up to {rate} queries/s; beyond that this generator is the limit, not the server"
            ),
            (Some(rate), false) => format!("good up to {rate} queries/s"),
            (None, true) => "this generator is the limit: begin with a lower rate".to_owned(),
            (None, false) => "no rate was good: begin with a lower one".to_owned(),
        };
        table + &verdict + "\n"
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn arguments(ramp: &str, knee: bool) -> RampArguments {
        RampArguments {
            ramp: Some(ramp.parse().unwrap()),
            knee,
            loss_max_percent: 0.01,
            p99_9_max_us: 10_000.0,
        }
    }

    /// The search on a server that answers up to `limit`, with a generator that keeps up to `own`.
    fn search(ramp: &str, knee: bool, limit: u64, own: u64) -> Search {
        let arguments = arguments(ramp, knee);
        let mut steps = Vec::new();
        while let Some(rate_per_s) = arguments.next_rate(&steps) {
            let mut step = Measured {
                rate_per_s,
                queries_per_s: rate_per_s.min(limit) as f64,
                lost_percent: if rate_per_s > limit { 3.0 } else { 0.0 },
                wrong_percent: 0.0,
                latency_us_p50: Some(20.0),
                latency_us_p99: Some(40.0),
                latency_us_p99_9: Some(100.0),
                sent_late_over_1ms_percent: 0.0,
                grade: Grade::GeneratorTooSlow,
            };
            if rate_per_s <= own {
                step.grade = arguments.grade(&step);
            }
            steps.push(step);
        }
        Search {
            server: "a server".into(),
            knee_queries_per_s: super::knee(&steps),
            ended_early: false,
            steps,
        }
    }

    #[test]
    fn wrong_answers_and_none_are_bad() {
        let arguments = arguments("1:2:x2", false);
        let step = search("1:1:x2", false, 1, 1).steps.remove(0);
        let wrong = Measured {
            wrong_percent: 50.0,
            ..step.clone()
        };
        let silent = Measured {
            latency_us_p99_9: None,
            ..step.clone()
        };
        assert_eq!(arguments.grade(&step), Grade::Good);
        assert_eq!(arguments.grade(&wrong), Grade::Bad);
        assert_eq!(arguments.grade(&silent), Grade::Bad);
    }

    #[test]
    fn what_is_said_of_a_search_that_ended_early() {
        let mut search = search("1000:2000:+1000", false, 5_000, u64::MAX);
        search.ended_early = true;
        assert!(
            search
                .table()
                .ends_with("ended early; good up to 2000 queries/s so far\n")
        );
    }

    #[test]
    fn the_knee_is_found_by_halving() {
        for (ramp, limit) in [("1000:900000:x2", 123_456), ("1000:900000:+50000", 777_777)] {
            let found = search(ramp, true, limit, u64::MAX)
                .knee_queries_per_s
                .unwrap();
            assert!(
                found <= limit && found * 102 >= limit * 100,
                "{found} of {limit}"
            );
        }
        assert_eq!(
            search("1000:9000:x2", true, 500, u64::MAX).knee_queries_per_s,
            None
        );
        assert_eq!(
            search("1000:9000:x2", true, 50_000, u64::MAX).knee_queries_per_s,
            Some(8_000)
        );
    }

    #[test]
    fn a_ramp_goes_to_its_end_and_says_what_was_bad() {
        let expect = expect![[r#"
            a server
                rate/s  answered/s    lost %   wrong %    p50 us    p99 us  p99.9 us    late %
                  1000        1000    0.0000    0.0000      20.0      40.0     100.0      0.00
                  2000        2000    0.0000    0.0000      20.0      40.0     100.0      0.00
                  3000        2500    3.0000    0.0000      20.0      40.0     100.0      0.00  bad
            good up to 2000 queries/s
        "#]];
        expect.assert_eq(&search("1000:3500:+1000", false, 2_500, u64::MAX).table());
    }

    #[test]
    fn a_generator_that_is_too_slow_ends_the_search() {
        let limited = search("1000:90000:x2", true, u64::MAX, 5_000);
        assert_eq!(limited.steps.len(), 4);
        let table = limited.table();
        let last = table.lines().last().unwrap();
        assert!(
            last.starts_with("good up to 4000 queries/s; beyond that this generator"),
            "{last}"
        );
    }

    #[test]
    fn ramps_that_are_none_say_what_would_be_right() {
        let check = |text: &str, expect: Expect| {
            expect.assert_eq(&text.parse::<Ramp>().unwrap_err());
        };
        check(
            "1:2",
            expect!["not FROM:TO:STEP, as in 10000:500000:x1.5 or 10000:90000:+10000"],
        );
        check(
            "0:2:+1",
            expect!["rate `0`: not a number from 1 to 10000000"],
        );
        check("1:2:x1", expect!["step `x1`: not x1.01 to x100"]);
        check(
            "1:2:5",
            expect!["not FROM:TO:STEP, as in 10000:500000:x1.5 or 10000:90000:+10000"],
        );
        check(
            "5:2:+1",
            expect!["from 5 to 2 goes down: write the lower first"],
        );
    }
}
