//! Which backends are down, and whose word that is.
//!
//! A prober's word counts while the prober lives: when its key has been gone for some time (`sync`
//! says when), all that it called down counts as up until somebody says it anew. A word that names
//! no prober counts for as long as it stands.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What a status key says of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It answers.
    Up,
    /// It does not; the prober that says so, if one does.
    Down(Option<Arc<str>>),
}

/// Backends that were called down.
#[derive(Debug, Default)]
pub(super) struct Backends {
    down: HashMap<IpAddr, Option<Arc<str>>>,
    /// How many backends each prober calls down.
    called: HashMap<Arc<str>, usize>,
    living: HashSet<Arc<str>>,
    /// Probers whose word is worth nothing any more.
    lapsed: HashSet<Arc<str>>,
}

impl Backends {
    /// Takes in a word; whether the backend is another way now.
    pub(super) fn say(&mut self, address: IpAddr, word: Word) -> bool {
        let before = self.is_down(address);
        if let Some(Some(prober)) = self.down.remove(&address)
            && let Some(count) = self.called.get_mut(&prober)
        {
            *count -= 1;
            if *count == 0 {
                self.called.remove(&prober);
            }
        }
        if let Word::Down(prober) = word {
            if let Some(prober) = &prober {
                *self.called.entry(Arc::clone(prober)).or_default() += 1;
            }
            self.down.insert(address, prober);
        }
        self.is_down(address) != before
    }

    /// A prober lives; the backends that are another way for it.
    pub(super) fn live(&mut self, prober: Arc<str>) -> Vec<IpAddr> {
        let lapsed = self.lapsed.remove(&prober);
        let changed = self.called_by(&prober).filter(|_| lapsed).collect();
        self.living.insert(prober);
        changed
    }

    /// A prober's key is gone. Its word still counts: see [`Backends::lapse`].
    pub(super) fn leave(&mut self, prober: &str) {
        self.living.remove(prober);
    }

    /// A prober's word counts no more; the backends that are another way for it.
    pub(super) fn lapse(&mut self, prober: &Arc<str>) -> Vec<IpAddr> {
        if self.living.contains(prober) || !self.lapsed.insert(Arc::clone(prober)) {
            return Vec::new();
        }
        self.called_by(prober).collect()
    }

    /// Probers that call a backend down, do not live, and have not lapsed yet.
    pub(super) fn unvouched(&self) -> impl Iterator<Item = &Arc<str>> {
        let callers = self.called.keys();
        callers.filter(|prober| !self.living.contains(*prober) && !self.lapsed.contains(*prober))
    }

    /// Forgets lapsed probers whose words are all gone. Not at once: a word that is said anew is
    /// taken back first.
    pub(super) fn forget_silent(&mut self) {
        self.lapsed
            .retain(|prober| self.called.contains_key(prober));
    }

    /// Whether a backend counts as down.
    pub(super) fn is_down(&self, address: IpAddr) -> bool {
        let by = self.down.get(&address);
        by.is_some_and(|by| {
            by.as_ref()
                .is_none_or(|prober| !self.lapsed.contains(prober))
        })
    }

    /// How many do.
    pub(super) fn len(&self) -> usize {
        let lapsed = self
            .lapsed
            .iter()
            .filter_map(|prober| self.called.get(prober));
        self.down.len() - lapsed.sum::<usize>()
    }

    fn called_by(&self, prober: &Arc<str>) -> impl Iterator<Item = IpAddr> {
        let all = self.down.iter();
        all.filter(move |(_, by)| by.as_ref() == Some(prober))
            .map(|(address, _)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn down(by: &str) -> Word {
        Word::Down(Some(by.into()))
    }

    #[test]
    fn a_word_counts_while_its_prober_lives() {
        let mut backends = Backends::default();
        let prober: Arc<str> = "p-1".into();
        assert!(backends.say(address(1), down("p-1")));
        assert!(backends.say(address(2), Word::Down(None)));
        assert_eq!(backends.unvouched().count(), 1, "nobody has seen its key");
        assert!(backends.live(Arc::clone(&prober)).is_empty());
        assert_eq!(backends.unvouched().count(), 0);
        assert!(backends.lapse(&prober).is_empty(), "it lives");

        backends.leave("p-1");
        assert!(
            backends.is_down(address(1)),
            "it may come back, or another one take over"
        );
        assert_eq!(backends.lapse(&prober), [address(1)]);
        assert!(!backends.is_down(address(1)) && backends.is_down(address(2)));
        assert_eq!((backends.len(), backends.unvouched().count()), (1, 0));
        // What it says now counts no more than what it said before.
        assert!(!backends.say(address(3), down("p-1")));
        for _ in 0..2 {
            backends.say(address(1), Word::Up);
            backends.say(address(3), Word::Up);
            assert!(
                !backends.say(address(1), down("p-1")),
                "its only word said anew"
            );
        }
        assert!(!backends.say(address(3), down("p-1")));
        backends.forget_silent();

        assert_eq!(backends.live(prober).len(), 2);
        assert_eq!(backends.len(), 3);
    }

    #[test]
    fn another_prober_may_take_over() {
        let mut backends = Backends::default();
        backends.say(address(1), down("p-1"));
        backends.live("p-2".into());
        assert!(
            !backends.say(address(1), down("p-2")),
            "down before and after"
        );
        assert_eq!(backends.unvouched().count(), 0);
        assert!(backends.lapse(&"p-1".into()).is_empty());
        assert!(backends.is_down(address(1)));
        assert!(backends.say(address(1), Word::Up));
        assert_eq!(backends.len(), 0);
    }
}
