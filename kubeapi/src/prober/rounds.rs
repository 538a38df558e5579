//! When which backend is asked. Pure: time and chance come in as arguments.
//!
//! A backend is first asked at a random moment of the first interval, then every interval, a tenth
//! more or less, so that probes of many backends (and of many probers) never run in step. Whatever
//! happens, two probes of one backend are [`Pattern::gap`] apart at least.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Time between two probes of a backend.
    pub interval: Duration,
    /// Time between two probes of a backend at least, also when it changes hands.
    pub gap: Duration,
}

/// The times of all backends.
#[derive(Debug)]
pub struct Rounds {
    pattern: Pattern,
    queue: BinaryHeap<Reverse<(Instant, u64, IpAddr)>>,
    /// The number of the place in the queue that counts, of each backend that is asked.
    places: HashMap<IpAddr, u64>,
    /// When a backend was last asked; also of some that are not any more.
    last: HashMap<IpAddr, Instant>,
    next_place: u64,
}

impl Rounds {
    /// Nobody is asked yet.
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            queue: BinaryHeap::new(),
            places: HashMap::new(),
            last: HashMap::new(),
            next_place: 0,
        }
    }

    /// From now on a backend is asked; `chance` is between 0 and 1.
    pub fn add(&mut self, address: IpAddr, now: Instant, chance: f64) {
        self.put(address, now + self.pattern.interval.mul_f64(chance));
    }

    /// It is asked no more.
    pub fn remove(&mut self, address: IpAddr) {
        self.places.remove(&address);
    }

    /// When the next one is due.
    pub fn next_due(&mut self) -> Option<Instant> {
        while let Some(Reverse((due, place, address))) = self.queue.peek() {
            if self.places.get(address) == Some(place) {
                return Some(*due);
            }
            self.queue.pop();
        }
        None
    }

    /// The next one that is due, with how late that is. It is out of the rounds until
    /// [`Rounds::again`].
    pub fn take_due(&mut self, now: Instant) -> Option<(IpAddr, Duration)> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let Reverse((_, _, address)) = self.queue.pop()?;
        self.last.insert(address, now);
        if self.last.len() > 2 * self.places.len() + 1_024 {
            let gap = self.pattern.gap;
            self.last.retain(|_, last| *last + gap > now);
        }
        Some((address, now - due))
    }

    /// A backend was asked and is to be asked again an interval after that began; `chance` is
    /// between 0 and 1.
    pub fn again(&mut self, address: IpAddr, now: Instant, chance: f64) {
        if !self.places.contains_key(&address) {
            return;
        }
        let asked = self.last.get(&address).copied().unwrap_or(now);
        let due = asked + self.pattern.interval.mul_f64(0.9 + 0.2 * chance);
        self.put(address, due.max(now));
    }

    fn put(&mut self, address: IpAddr, due: Instant) {
        let last = self.last.get(&address);
        let due = last.map_or(due, |last| due.max(*last + self.pattern.gap));
        self.next_place += 1;
        self.places.insert(address, self.next_place);
        self.queue.push(Reverse((due, self.next_place, address)));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PATTERN: Pattern = Pattern {
        interval: Duration::from_millis(1_000),
        gap: Duration::from_millis(300),
    };

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + number).into()
    }

    #[test]
    fn each_is_asked_once_an_interval() {
        let (mut rounds, start) = (Rounds::new(PATTERN), Instant::now());
        for number in 0..100 {
            rounds.add(address(number), start, f64::from(number) / 100.0);
        }
        let mut asked: HashMap<IpAddr, Vec<Duration>> = HashMap::new();
        let mut most = 0;
        for at_ms in (0..10_000).step_by(10) {
            let now = start + Duration::from_millis(at_ms);
            let mut count = 0;
            while let Some((address, late)) = rounds.take_due(now) {
                assert!(late <= Duration::from_millis(10));
                asked.entry(address).or_default().push(now - start);
                rounds.again(address, now, 0.5);
                count += 1;
            }
            most = most.max(count);
        }
        assert!(asked.values().all(|times| times.len() == 10));
        assert!(most <= 2, "{most} at once");
    }

    #[test]
    fn the_gap_holds_when_a_backend_comes_and_goes() {
        let (mut rounds, start) = (Rounds::new(PATTERN), Instant::now());
        rounds.add(address(1), start, 0.0);
        assert!(rounds.take_due(start).is_some());
        for _ in 0..10 {
            rounds.remove(address(1));
            rounds.add(address(1), start, 0.0);
        }
        let before = start + Duration::from_millis(299);
        assert_eq!(rounds.take_due(before), None);
        assert_eq!(rounds.next_due(), Some(start + PATTERN.gap));
        assert!(rounds.take_due(start + PATTERN.gap).is_some());
        assert_eq!(
            rounds.take_due(start + PATTERN.gap * 9),
            None,
            "one place each"
        );
    }

    #[test]
    fn who_left_while_being_asked_does_not_come_back() {
        let (mut rounds, start) = (Rounds::new(PATTERN), Instant::now());
        rounds.add(address(1), start, 0.0);
        rounds.take_due(start);
        rounds.remove(address(1));
        rounds.again(address(1), start, 0.5);
        assert_eq!(rounds.next_due(), None);
    }
}
