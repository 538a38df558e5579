//! What this prober believes of the backends it looks at, and whether it can be believed. Pure.
//!
//! A backend is believed down after some failures in a row and up after some successes in a row.
//! When more than half of those believed up fail at once, the prober is cut off more likely than
//! all of them dead: it is then **blind**, and believes no further backend down until it sees
//! again. Because every backend is asked once an interval, all that a cut hits have failed at least
//! once when the first of them has failed often enough, so nothing is believed first and taken back
//! later. When sight returns, failures are counted anew.

use std::collections::HashMap;
use std::net::IpAddr;

use containerdns_schema::Status;

/// As many must fail at once at least to call the prober blind: two of two may well be dead.
pub const BLIND_MIN: usize = 3;

/// How many answers in a row change a belief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Failures until a backend is believed down.
    pub down_after: u32,
    /// Successes until it is believed up again.
    pub up_after: u32,
}

/// All backends that this prober looks at.
#[derive(Debug)]
pub struct Fleet {
    limits: Limits,
    standings: HashMap<IpAddr, Standing>,
    /// Believed up, and asked at least once.
    up: usize,
    /// Of those, how many failed when last asked.
    failing: usize,
    blind: bool,
}

/// What is believed of one backend.
#[derive(Debug, Clone, Copy)]
struct Standing {
    believed: Status,
    asked: bool,
    /// Whether it failed once at least since it was taken in.
    failed: bool,
    failures: u32,
    successes: u32,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// The backend is believed to be this now.
    pub believed: Option<Status>,
    /// The prober became blind (true) or sees again (false).
    pub blind: Option<bool>,
}

impl Fleet {
    /// No backends yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            standings: HashMap::new(),
            up: 0,
            failing: 0,
            blind: false,
        }
    }

    /// Takes a backend in; what the store says of it is believed until answers say otherwise.
    pub fn gain(&mut self, address: IpAddr, status: Status) {
        self.lose(address);
        let standing = Standing {
            believed: status,
            asked: false,
            failed: false,
            failures: 0,
            successes: 0,
        };
        self.standings.insert(address, standing);
    }

    /// Lets a backend go.
    pub fn lose(&mut self, address: IpAddr) {
        if let Some(standing) = self.standings.remove(&address) {
            self.count_out(standing);
        }
    }

    /// Those that are looked at.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.standings.keys().copied()
    }

    /// Whether it is looked at.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.standings.contains_key(&address)
    }

    /// How many are looked at.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standings.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.standings.is_empty()
    }

    /// What is believed of a backend.
    #[must_use]
    pub fn believed(&self, address: IpAddr) -> Option<Status> {
        self.standings
            .get(&address)
            .map(|standing| standing.believed)
    }

    /// Whether a backend has failed a probe since it was taken in.
    #[must_use]
    pub fn has_failed(&self, address: IpAddr) -> bool {
        let standing = self.standings.get(&address);
        standing.is_some_and(|standing| standing.failed)
    }

    /// Whether the prober is blind.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// Takes in an answer.
    pub fn heard(&mut self, address: IpAddr, alive: bool) -> Heard {
        let limits = self.limits;
        let Some(mut standing) = self.standings.get(&address).copied() else {
            return Heard::default();
        };
        self.count_out(standing);
        standing.asked = true;
        match alive {
            true => {
                standing.failures = 0;
                standing.successes = standing.successes.saturating_add(1);
            }
            false => {
                standing.failed = true;
                standing.successes = 0;
                standing.failures = standing.failures.saturating_add(1);
            }
        }
        // Counted as up still: whether the prober is blind is judged before it is believed down.
        self.count_in(standing);
        let blind = self.judge();
        if blind == Some(false) && standing.failures > 0 {
            standing.failures = 1;
        }
        let believed = match standing.believed {
            Status::Up if standing.failures >= limits.down_after && !self.blind => {
                Some(Status::Down)
            }
            Status::Down if standing.successes >= limits.up_after => Some(Status::Up),
            _ => None,
        };
        if let Some(believed) = believed {
            self.count_out(standing);
            standing.believed = believed;
            (standing.failures, standing.successes) = (0, 0);
            self.count_in(standing);
        }
        self.standings.insert(address, standing);
        Heard { believed, blind }
    }

    /// Whether the prober has just become blind, or sees again.
    fn judge(&mut self) -> Option<bool> {
        let blind = self.failing >= BLIND_MIN && self.failing * 2 > self.up;
        if blind == self.blind {
            return None;
        }
        self.blind = blind;
        if !blind {
            for standing in self.standings.values_mut() {
                standing.failures = standing.failures.min(1);
            }
        }
        Some(blind)
    }

    fn count_in(&mut self, standing: Standing) {
        if standing.asked && standing.believed == Status::Up {
            self.up += 1;
            self.failing += usize::from(standing.failures > 0);
        }
    }

    fn count_out(&mut self, standing: Standing) {
        if standing.asked && standing.believed == Status::Up {
            self.up -= 1;
            self.failing -= usize::from(standing.failures > 0);
        }
    }
}

#[cfg(test)]
mod tests;
