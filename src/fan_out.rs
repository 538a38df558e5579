//! From the sync thread to every core: deltas over one bounded channel a core.
//!
//! A full channel never blocks: that core is then *behind*, and what it has yet to learn is kept as
//! the newest change of each name (in each view), which costs at most one entry a name, until the
//! channel has room. Other cores do not wait for it. `flush` is called on a timer while any core is
//! behind.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};

use crate::delta::{CHANGES_PER_DELTA_MAX, Change, Delta};
use crate::table::{Soa, ViewId, ZoneId};

/// Deltas that wait for a core at most: with 256 changes each, what one core applies in about 20
/// ms.
pub const DELTAS_MAX: usize = 64;

/// The sending ends of all cores.
pub struct FanOut {
    cores: Vec<Core>,
}

/// One core as seen from the sync thread.
pub struct Core {
    deltas: Sender<Arc<Delta>>,
    wake: Box<dyn Fn() + Send>,
    behind: Option<Behind>,
}

/// What a core has yet to learn: the newest of each.
#[derive(Default)]
struct Behind {
    revision: u64,
    names: BTreeSet<Newest>,
    soas: HashMap<ZoneId, Arc<Soa>>,
    ready: bool,
}

/// The newest change of a name in a view, or for everybody; in the order of views and names. The
/// name is the change's own: of millions, none is copied.
struct Newest {
    view: Option<ViewId>,
    change: Change,
}

impl Newest {
    fn place(&self) -> (Option<ViewId>, &[u8]) {
        let owner = match &self.change {
            Change::Put(_, node) => node.owner(),
            Change::Remove(_, owner) => owner,
            Change::Soa(..) | Change::Ready => &[],
        };
        (self.view, owner)
    }
}

impl PartialEq for Newest {
    fn eq(&self, other: &Newest) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Newest {}

impl PartialOrd for Newest {
    fn partial_cmp(&self, other: &Newest) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Newest {
    fn cmp(&self, other: &Newest) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl Core {
    /// A core that takes `deltas` and is woken by `wake`.
    pub fn new(deltas: Sender<Arc<Delta>>, wake: Box<dyn Fn() + Send>) -> Core {
        Core {
            deltas,
            wake,
            behind: None,
        }
    }

    fn send(&mut self, delta: &Arc<Delta>) {
        if let Some(behind) = &mut self.behind {
            behind.add(delta);
            self.flush();
            return;
        }
        match self.deltas.try_send(Arc::clone(delta)) {
            Ok(()) => (self.wake)(),
            // A core that ended ends the process; until then there is nobody to tell.
            Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(delta)) => {
                self.behind.insert(Behind::default()).add(&delta);
            }
        }
    }

    fn flush(&mut self) {
        let Some(behind) = &mut self.behind else {
            return;
        };
        let mut sent = false;
        while !self.deltas.is_full() {
            let Some(delta) = behind.take() else {
                self.behind = None;
                break;
            };
            if self.deltas.try_send(Arc::new(delta)).is_err() {
                break;
            }
            sent = true;
        }
        if sent {
            (self.wake)();
        }
    }
}

impl Behind {
    fn add(&mut self, delta: &Delta) {
        self.revision = delta.revision;
        for change in &delta.changes {
            match change {
                Change::Put(view, _) | Change::Remove(view, _) => {
                    let (view, change) = (*view, change.clone());
                    self.names.replace(Newest { view, change });
                }
                Change::Soa(zone, soa) => {
                    self.soas.insert(*zone, Arc::clone(soa));
                }
                Change::Ready => self.ready = true,
            }
        }
    }

    /// The next delta; `Ready` comes with the last of them. None when all is told.
    fn take(&mut self) -> Option<Delta> {
        if self.names.is_empty() && self.soas.is_empty() && !self.ready {
            return None;
        }
        let soas = self.soas.drain().map(|(zone, soa)| Change::Soa(zone, soa));
        let mut changes: Vec<Change> = soas.collect();
        let names = std::iter::from_fn(|| self.names.pop_first());
        changes.extend(
            names
                .take(CHANGES_PER_DELTA_MAX)
                .map(|newest| newest.change),
        );
        if self.names.is_empty() && std::mem::take(&mut self.ready) {
            changes.push(Change::Ready);
        }
        Some(Delta {
            revision: self.revision,
            changes: changes.into(),
        })
    }
}

impl FanOut {
    /// Fans out to these cores.
    pub fn new(cores: Vec<Core>) -> FanOut {
        FanOut { cores }
    }

    /// Sends a delta to every core; never blocks.
    pub fn send(&mut self, delta: Delta) {
        let delta = Arc::new(delta);
        for core in &mut self.cores {
            core.send(&delta);
        }
    }

    /// Hands cores that are behind what their channels have room for.
    pub fn flush(&mut self) {
        for core in &mut self.cores {
            core.flush();
        }
    }

    /// How many cores are behind.
    pub fn behind(&self) -> usize {
        self.cores
            .iter()
            .filter(|core| core.behind.is_some())
            .count()
    }
}

impl std::fmt::Debug for FanOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FanOut")
            .field("cores", &self.cores.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::table::NodeParts;

    type Names = BTreeMap<(Option<ViewId>, Vec<u8>), u16>;

    fn put(view: Option<ViewId>, name: u8, mark: u16) -> Change {
        let node = NodeParts {
            zone: ZoneId(mark),
            ..NodeParts::empty(Box::from([1, name, 0]))
        };
        Change::Put(view, node.pack())
    }

    fn held(deltas: impl Iterator<Item = Arc<Delta>>) -> (Names, u64, bool) {
        let (mut names, mut revision, mut ready) = (BTreeMap::new(), 0, false);
        for delta in deltas {
            assert!(!delta.changes.is_empty() && delta.changes.len() <= CHANGES_PER_DELTA_MAX + 1);
            revision = delta.revision;
            for change in &delta.changes {
                match change {
                    Change::Put(view, node) => {
                        names.insert((*view, node.owner().to_vec()), node.zone.0);
                    }
                    Change::Remove(view, owner) => {
                        names.remove(&(*view, owner.to_vec()));
                    }
                    Change::Ready => ready = true,
                    Change::Soa(..) => {}
                }
            }
        }
        (names, revision, ready)
    }

    #[test]
    fn a_slow_core_gets_the_newest_state_and_the_fast_one_never_waits() {
        let (slow, slow_end) = crossbeam_channel::bounded(2);
        let (fast, fast_end) = crossbeam_channel::bounded(2_000);
        let cores = [slow, fast].map(|deltas| Core::new(deltas, Box::new(|| ())));
        let mut fan_out = FanOut::new(cores.into());
        for round in 0..1_000u16 {
            let name = (round % 100) as u8;
            // The same names for everybody and in two views: each keeps its own.
            let view = [None, Some(ViewId(0)), Some(ViewId(1))][usize::from(round / 100 % 3)];
            let change = match round % 7 {
                0 => Change::Remove(view, Arc::from([1, name, 0])),
                _ => put(view, name, round),
            };
            let revision = u64::from(round);
            fan_out.send(Delta {
                revision,
                changes: Box::new([change]),
            });
        }
        fan_out.send(Delta {
            revision: 1_000,
            changes: Box::new([Change::Ready]),
        });
        assert_eq!(fan_out.behind(), 1);
        let mut told: Vec<Arc<Delta>> = Vec::new();
        while fan_out.behind() > 0 || !slow_end.is_empty() {
            told.extend(slow_end.try_iter());
            fan_out.flush();
        }
        assert!(told.len() < 10, "merged: {}", told.len());
        let (slow, fast) = (held(told.into_iter()), held(fast_end.try_iter()));
        assert_eq!(slow, fast);
        assert!(fast.0.keys().any(|(view, _)| *view == Some(ViewId(1))));
        assert!(fast.2 && fast.1 == 1_000);
    }
}
