//! What is told of changes and when, so that a backend that comes and goes is no storm of alerts.
//!
//! The first change of an address is told at once, and then it is silent for a time. At the end of
//! that time the newest state is told if it is not the one that was told last, which begins another
//! silence; else the address is forgotten. So an address costs one alert a silence at most, and
//! whoever is told of a state is told of its end. Pure: time is given.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use containerdns_schema::Status;
use tokio::time::Instant;

use super::Alert;

/// Addresses in silence at most; then the oldest are forgotten.
pub(super) const ADDRESSES_MAX: usize = 100_000;

/// The addresses in silence.
pub(super) struct Silence {
    length: Duration,
    addresses_max: usize,
    silent: HashMap<IpAddr, Silent>,
    /// Each address of `silent` once, by when its silence ends: they are all of one length.
    ends: VecDeque<(Instant, IpAddr)>,
}

struct Silent {
    told: Status,
    newest: Option<Alert>,
    /// Changes that were not told since.
    left_out: u64,
}

/// What comes of a change.
#[derive(Debug)]
pub(super) struct Heard {
    /// To be told now.
    pub(super) tell: Option<Alert>,
    /// An address was forgotten whose state is not the one last told.
    pub(super) lost: bool,
}

impl Silence {
    pub(super) fn new(length: Duration, addresses_max: usize) -> Self {
        Self {
            length,
            addresses_max,
            silent: HashMap::new(),
            ends: VecDeque::new(),
        }
    }

    /// Takes in a change. [`Silence::ended`] has been asked until it had nothing.
    pub(super) fn heard(&mut self, alert: Alert, now: Instant) -> Heard {
        if let Some(silent) = self.silent.get_mut(&alert.change.address) {
            silent.newest = Some(alert);
            silent.left_out += 1;
            let (tell, lost) = (None, false);
            return Heard { tell, lost };
        }
        let mut lost = false;
        if self.silent.len() >= self.addresses_max
            && let Some((_, oldest)) = self.ends.pop_front()
        {
            let silent = self.silent.remove(&oldest);
            lost = silent.is_some_and(|silent| silent.untold().is_some());
        }
        self.begin(&alert, now);
        let tell = Some(alert);
        Heard { tell, lost }
    }

    /// The next address whose silence is over and whose state is another than the one last told.
    pub(super) fn ended(&mut self, now: Instant) -> Option<Alert> {
        while self.next().is_some_and(|end| end <= now) {
            let (_, address) = self.ends.pop_front()?;
            if let Some(newest) = self.silent.remove(&address).and_then(Silent::untold) {
                self.begin(&newest, now);
                return Some(newest);
            }
        }
        None
    }

    /// When [`Silence::ended`] is to be asked again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    fn begin(&mut self, told: &Alert, now: Instant) {
        let silent = Silent {
            told: told.change.status,
            newest: None,
            left_out: 0,
        };
        self.silent.insert(told.change.address, silent);
        self.ends
            .push_back((now + self.length, told.change.address));
    }
}

impl Silent {
    /// The newest state, if it is news.
    fn untold(self) -> Option<Alert> {
        let newest = self
            .newest
            .filter(|newest| newest.change.status != self.told);
        newest.map(|newest| Alert {
            // The one that is told is not left out.
            suppressed: self.left_out - 1,
            ..newest
        })
    }
}
