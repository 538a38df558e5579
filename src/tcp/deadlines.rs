//! When a connection has used up its patience. Pure: told what happened and when.
//!
//! - A message that has begun must be complete `read` later, however slowly its octets come.
//! - Responses must be taken at [`RATE_BYTES`] per `idle` or faster: a peer that never reads, or
//!   reads an octet now and then, does not hold our memory.
//! - Between messages a connection may rest for `idle`.
//! - After our last octet the peer has `read` to close too.

use std::time::{Duration, Instant};

/// Octets taken by the peer that buy another `idle`.
pub(super) const RATE_BYTES: usize = 65_536;

/// The clocks of one connection.
#[derive(Debug)]
pub(super) struct Deadlines {
    idle: Duration,
    read: Duration,
    active_at: Instant,
    begun_at: Option<Instant>,
    stalled: Option<Stalled>,
    finished_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Stalled {
    since: Instant,
    taken: usize,
}

impl Deadlines {
    /// Of a connection accepted `now`.
    pub(super) fn new(idle: Duration, read: Duration, now: Instant) -> Deadlines {
        let (begun_at, stalled, finished_at) = (None, None, None);
        Deadlines {
            idle,
            read,
            active_at: now,
            begun_at,
            stalled,
            finished_at,
        }
    }

    /// After a turn took `messages` whole ones; `begun`: a part of another is there.
    pub(super) fn received(&mut self, messages: usize, begun: bool, now: Instant) {
        if messages > 0 {
            self.active_at = now;
            self.begun_at = None;
        }
        self.begun_at = begun.then(|| self.begun_at.unwrap_or(now));
    }

    /// After the peer took `octets` of responses; `left`: more are waiting.
    pub(super) fn sent(&mut self, octets: usize, left: bool, now: Instant) {
        if octets > 0 {
            self.active_at = now;
        }
        let stalled = self.stalled.unwrap_or(Stalled {
            since: now,
            taken: 0,
        });
        let taken = stalled.taken + octets;
        self.stalled = match (left, taken >= RATE_BYTES) {
            (false, _) => None,
            (true, true) => Some(Stalled {
                since: now,
                taken: 0,
            }),
            (true, false) => Some(Stalled {
                since: stalled.since,
                taken,
            }),
        };
    }

    /// Our last octet is sent.
    pub(super) fn finished(&mut self, now: Instant) {
        self.finished_at = Some(now);
    }

    /// When to close, unless something happens before.
    pub(super) fn next(&self) -> Instant {
        if let Some(finished_at) = self.finished_at {
            return finished_at + self.read;
        }
        let waiting = match self.stalled {
            Some(stalled) => stalled.since + self.idle,
            None => self.active_at + self.idle,
        };
        self.begun_at
            .map_or(waiting, |begun_at| waiting.min(begun_at + self.read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadlines() -> (Deadlines, Instant) {
        let now = Instant::now();
        (
            Deadlines::new(Duration::from_secs(10), Duration::from_secs(3), now),
            now,
        )
    }

    fn second(start: Instant, count: u64) -> Instant {
        start + Duration::from_secs(count)
    }

    #[test]
    fn idle_counts_from_the_last_message() {
        let (mut deadlines, start) = deadlines();
        assert_eq!(deadlines.next(), second(start, 10));
        deadlines.received(1, false, second(start, 4));
        assert_eq!(deadlines.next(), second(start, 14));
    }

    #[test]
    fn slow_octets_do_not_move_the_read_deadline() {
        let (mut deadlines, start) = deadlines();
        for count in 1..3 {
            deadlines.received(0, true, second(start, count));
            assert_eq!(deadlines.next(), second(start, 4));
        }
        deadlines.received(1, true, second(start, 3));
        assert_eq!(
            deadlines.next(),
            second(start, 6),
            "the next message has its own deadline"
        );
        deadlines.received(1, false, second(start, 4));
        assert_eq!(deadlines.next(), second(start, 14));
    }

    #[test]
    fn a_peer_that_reads_too_slowly_is_closed_and_a_fast_one_is_not() {
        let (mut deadlines, start) = deadlines();
        for count in 1..9 {
            deadlines.sent(100, true, second(start, count));
            assert_eq!(deadlines.next(), second(start, 11));
        }
        deadlines.sent(RATE_BYTES, true, second(start, 9));
        assert_eq!(deadlines.next(), second(start, 19));
        deadlines.sent(1, false, second(start, 10));
        assert_eq!(deadlines.next(), second(start, 20), "idle from here");
    }

    #[test]
    fn after_the_last_octet_the_peer_has_the_read_time() {
        let (mut deadlines, start) = deadlines();
        deadlines.finished(second(start, 1));
        assert_eq!(deadlines.next(), second(start, 4));
    }
}
