//! When each query is to be sent, and how many may be sent now.
//!
//! Open loop: query k is due at k / rate after the start, whatever the server does. A query that
//! is sent late keeps its due time, so a stall of the server (or of this program) shows in the
//! latency of every query that fell into it: nothing is hidden by asking less while it lasts.
//! Closed loop: a fixed number waits for answers; each answer lets the next query out, which is due
//! when it is sent. That finds the most a server can do, and says little about latency.
//! Recorded times are an open loop, too.
//!
//! Pure arithmetic on nanoseconds since the start; the clock is the caller's.

use std::fmt;

/// What drives the sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Queries per second, whatever comes back.
    Open { rate_per_s: u64 },
    /// So many queries wait for answers at any time.
    Closed { outstanding: u64 },
    /// As they were recorded, whatever comes back: when each query is due, in order.
    Recorded { due_ns: &'static [u64] },
}

impl fmt::Display for Pace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::Open { rate_per_s } => write!(formatter, "open loop, {rate_per_s} queries/s"),
            Pace::Closed { outstanding } => write!(formatter, "closed loop, {outstanding} waiting"),
            Pace::Recorded { .. } => write!(formatter, "open loop, as recorded"),
        }
    }
}

/// A bounded plan of sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pace: Pace,
    duration_ns: u64,
    /// After this nothing more is sent: an open loop that fell behind may catch up until here.
    stop_ns: u64,
    queries_max: u64,
}

const NS_PER_S: u64 = 1_000_000_000;
/// Recorded queries looked at in a turn: no batch is longer.
const LOOK_AHEAD: usize = 64;

impl Schedule {
    /// A plan for `duration_s`, `queries_max` queries at most; an open loop that is behind at
    /// the end has `catch_up_ns` more to send what is due.
    pub(crate) fn new(pace: Pace, duration_s: u64, queries_max: u64, catch_up_ns: u64) -> Schedule {
        let duration_ns = duration_s * NS_PER_S;
        let (stop_ns, queries_max) = match pace {
            Pace::Open { rate_per_s } => (
                duration_ns + catch_up_ns,
                queries_max.min(rate_per_s * duration_s),
            ),
            Pace::Recorded { due_ns } => (
                duration_ns + catch_up_ns,
                queries_max.min(due_ns.partition_point(|&due| due < duration_ns) as u64),
            ),
            Pace::Closed { .. } => (duration_ns, queries_max),
        };
        Schedule {
            pace,
            duration_ns,
            stop_ns,
            queries_max,
        }
    }

    /// For how long queries are to be sent, in seconds.
    pub(crate) fn duration_s(&self) -> u64 {
        self.duration_ns / NS_PER_S
    }

    /// How many queries may be sent now, when `sent` have been and `waiting` wait for answers.
    pub(crate) fn allowed(&self, now_ns: u64, sent: u64, waiting: u64) -> u64 {
        if self.is_over(now_ns, sent) {
            return 0;
        }
        let wanted = match self.pace {
            Pace::Open { rate_per_s } => due_count(now_ns, rate_per_s).saturating_sub(sent),
            Pace::Closed { outstanding } => outstanding.saturating_sub(waiting),
            Pace::Recorded { due_ns } => {
                let next = due_ns[sent as usize..].iter().take(LOOK_AHEAD);
                next.take_while(|&&due| due <= now_ns).count() as u64
            }
        };
        wanted.min(self.queries_max - sent)
    }

    /// When query number `index` is to be sent, `now_ns` being when it is.
    pub(crate) fn intended_ns(&self, index: u64, now_ns: u64) -> u64 {
        match self.pace {
            Pace::Open { rate_per_s } => due_ns(index, rate_per_s),
            Pace::Closed { .. } => now_ns,
            Pace::Recorded { due_ns } => due_ns[index as usize],
        }
    }

    /// Whether no more queries will be sent.
    pub(crate) fn is_over(&self, now_ns: u64, sent: u64) -> bool {
        now_ns >= self.stop_ns || sent >= self.queries_max
    }

    /// Ends the plan early: what is not due by `now_ns` will not be.
    pub(crate) fn end_at(&mut self, now_ns: u64) {
        let due = match self.pace {
            Pace::Open { rate_per_s } => due_count(now_ns.min(self.duration_ns), rate_per_s),
            Pace::Closed { .. } => u64::MAX,
            Pace::Recorded { due_ns } => due_ns.partition_point(|&due| due <= now_ns) as u64,
        };
        self.queries_max = self.queries_max.min(due);
        self.duration_ns = self.duration_ns.min(now_ns);
        self.stop_ns = self.stop_ns.min(now_ns);
    }

    /// Nanoseconds from now in which surely nothing becomes due but by an answer.
    pub(crate) fn quiet_ns(&self, now_ns: u64, sent: u64) -> u64 {
        match self.pace {
            Pace::Open { .. } | Pace::Recorded { .. } if self.is_over(now_ns, sent) => u64::MAX,
            Pace::Open { rate_per_s } => due_ns(sent, rate_per_s).saturating_sub(now_ns),
            Pace::Closed { .. } => self.duration_ns.saturating_sub(now_ns),
            Pace::Recorded { due_ns } => due_ns[sent as usize].saturating_sub(now_ns),
        }
    }

    /// Queries that were to be sent and were not; for a closed loop there are none.
    pub(crate) fn unsent(&self, sent: u64) -> u64 {
        match self.pace {
            Pace::Open { .. } | Pace::Recorded { .. } => self.queries_max.saturating_sub(sent),
            Pace::Closed { .. } => 0,
        }
    }
}

/// When query `index` is due: the first nanosecond at which `due_count` exceeds `index`.
fn due_ns(index: u64, rate_per_s: u64) -> u64 {
    let due_ns = (u128::from(index) * u128::from(NS_PER_S)).div_ceil(u128::from(rate_per_s));
    u64::try_from(due_ns).unwrap_or(u64::MAX)
}

/// How many queries are due by `now_ns`; the first is due at 0.
fn due_count(now_ns: u64, rate_per_s: u64) -> u64 {
    let whole = u128::from(now_ns) * u128::from(rate_per_s) / u128::from(NS_PER_S);
    u64::try_from(whole).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_open_loop_sends_what_is_due_whatever_waits() {
        let plan = Schedule::new(Pace::Open { rate_per_s: 1_000 }, 2, u64::MAX, 100 * MS);
        assert_eq!(plan.allowed(0, 0, 0), 1);
        assert_eq!(plan.allowed(0, 1, 1), 0);
        assert_eq!(plan.quiet_ns(0, 1), MS);
        assert_eq!(plan.allowed(MS - 1, 1, 1), 0);
        assert_eq!(plan.allowed(MS, 1, 1), 1);
        assert_eq!(
            plan.allowed(500 * MS, 1, 1_000_000),
            500,
            "after a stall all that is due"
        );
        assert_eq!(plan.intended_ns(1, 500 * MS), MS, "and each keeps its time");
    }

    #[test]
    fn the_open_loop_ends_with_its_count_or_after_the_catch_up() {
        let plan = Schedule::new(Pace::Open { rate_per_s: 1_000 }, 2, u64::MAX, 100 * MS);
        assert_eq!(
            plan.allowed(2_050 * MS, 1_000, 0),
            1_000,
            "2,000 and no more"
        );
        assert!(plan.is_over(2_000 * MS, 2_000));
        assert!(!plan.is_over(2_099 * MS, 1_500));
        assert!(plan.is_over(2_100 * MS, 1_500));
        assert_eq!(plan.allowed(2_100 * MS, 1_500, 0), 0);
        assert_eq!((plan.unsent(1_500), plan.unsent(2_000)), (500, 0));
        assert_eq!(plan.quiet_ns(2_100 * MS, 1_500), u64::MAX);
    }

    #[test]
    fn a_plan_that_is_ended_owes_only_what_was_due() {
        let mut plan = Schedule::new(Pace::Open { rate_per_s: 1_000 }, 2, u64::MAX, 100 * MS);
        plan.end_at(500 * MS);
        assert!(plan.is_over(500 * MS, 400));
        assert_eq!((plan.unsent(501), plan.unsent(400)), (0, 101));
        plan.end_at(600 * MS);
        assert_eq!(plan.unsent(501), 0, "the first end counts");
        let mut plan = Schedule::new(Pace::Closed { outstanding: 10 }, 2, u64::MAX, 100 * MS);
        plan.end_at(500 * MS);
        assert_eq!((plan.allowed(500 * MS, 7, 0), plan.unsent(7)), (0, 0));
    }

    #[test]
    fn recorded_queries_are_due_at_their_times() {
        let due_ns = &[0, 5, 5, MS, 3_000 * MS];
        let mut plan = Schedule::new(Pace::Recorded { due_ns }, 2, u64::MAX, 100 * MS);
        assert_eq!((plan.allowed(0, 0, 0), plan.allowed(4, 1, 1)), (1, 0));
        assert_eq!((plan.allowed(5, 1, 1), plan.quiet_ns(5, 3)), (2, MS - 5));
        assert_eq!((plan.intended_ns(3, 7 * MS), plan.unsent(3)), (MS, 1));
        assert_eq!(
            plan.allowed(2_000 * MS, 3, 0),
            1,
            "the last is beyond the end"
        );
        assert!(plan.is_over(MS, 4));
        assert_eq!(plan.quiet_ns(MS, 4), u64::MAX);
        plan.end_at(6);
        assert!(plan.is_over(6, 3));
        assert_eq!((plan.unsent(2), plan.unsent(3)), (1, 0));
    }

    #[test]
    fn due_time_and_due_count_agree_at_every_rate() {
        for rate_per_s in [1, 3, 7, 999, 30_000, 1_000_000, 9_999_999] {
            for index in [1, 2, 3, 1_000, 123_456_789] {
                let due_ns = due_ns(index, rate_per_s);
                assert_eq!(
                    due_count(due_ns, rate_per_s),
                    index + 1,
                    "{index} at {rate_per_s}"
                );
                assert_eq!(
                    due_count(due_ns - 1, rate_per_s),
                    index,
                    "{index} at {rate_per_s}"
                );
            }
        }
    }

    #[test]
    fn the_closed_loop_fills_up_to_its_number() {
        let plan = Schedule::new(Pace::Closed { outstanding: 100 }, 1, 150, 100 * MS);
        assert_eq!(plan.allowed(0, 0, 0), 100);
        assert_eq!(plan.allowed(5, 100, 100), 0);
        assert_eq!(plan.allowed(5, 100, 90), 10);
        assert_eq!(plan.allowed(5, 145, 20), 5, "150 in all");
        assert_eq!(plan.intended_ns(145, 77), 77);
        assert!(plan.is_over(5, 150));
        assert!(plan.is_over(1_000 * MS, 10));
        assert_eq!(plan.unsent(10), 0);
    }
}
