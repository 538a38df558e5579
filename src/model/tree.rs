//! The tree of names: creating a name with those between it and its apex, marking what must be
//! compiled again, and pruning what has nothing left.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::{Model, NameId, State, canonical, place_of};
use crate::table::{ViewId, ZoneId, rtype};

impl Model {
    /// The name's state, made together with its ancestors inside the zone when missing.
    pub(super) fn create(&mut self, view: Option<ViewId>, name: &[u8], zone: ZoneId) -> NameId {
        let canonical: Arc<[u8]> = name.into();
        let Entry::Vacant(vacant) = self.trees[place_of(view)].entry(Arc::clone(&canonical)) else {
            return self.trees[place_of(view)][name];
        };
        let apex = name == self.apexes[usize::from(zone.0)];
        let state = State {
            canonical,
            parent: None,
            view,
            zone,
            apex,
            children: 0,
            wildcard_child: false,
            cut: false,
            dirty: false,
            records: Vec::new(),
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.states[id.0 as usize] = state;
                id
            }
            None => {
                self.states.push(state);
                NameId(self.states.len() as u32 - 1)
            }
        };
        vacant.insert(id);
        if !apex {
            self.join_parent(id);
        }
        self.mark(id);
        id
    }

    /// Finds or makes the parent of a new name. Names of a list come in order, so it is most often
    /// that of the name before in the zone.
    fn join_parent(&mut self, id: NameId) {
        let State { view, zone, .. } = self.states[id.0 as usize];
        let name = Arc::clone(&self.states[id.0 as usize].canonical);
        let last = &self.parents[usize::from(zone.0)];
        let last = last.filter(|last| {
            let state = &self.states[last.0 as usize];
            state.view == view && *state.canonical == *canonical::parent(&name)
        });
        let parent = last.unwrap_or_else(|| self.create(view, canonical::parent(&name), zone));
        self.parents[usize::from(zone.0)] = Some(parent);
        self.states[id.0 as usize].parent = Some(parent);
        let above = &mut self.states[parent.0 as usize];
        above.children += 1;
        if canonical::is_wildcard(&name) {
            above.wildcard_child = true;
            self.mark(parent);
        }
    }

    /// A zone inside another one makes the names between them exist, for as long as it is served.
    pub(super) fn join_zones(&mut self) {
        for place in 0..self.apexes.len() {
            let parent = self.settings.zones.0[place].parent;
            let above = canonical::parent(&self.apexes[place]).to_vec();
            if let Some(parent) = parent {
                let id = self.create(None, &above, parent);
                self.states[id.0 as usize].children += 1;
            }
        }
    }

    /// The name must be compiled again, and so must what is made from it: the cut above it, whose
    /// glue it may be, and the apex, when it is one of the zone's own names (`dns.ZONE` and below).
    pub(super) fn mark(&mut self, id: NameId) {
        self.mark_alone(id);
        let mut above = self.states[id.0 as usize].parent;
        let mut below_apex = id;
        while let Some(parent) = above {
            let state = &self.states[parent.0 as usize];
            above = state.parent;
            if state.cut {
                self.mark_alone(parent);
            } else if state.apex {
                let child = canonical_label(&self.states[below_apex.0 as usize].canonical, state);
                if child == b"dns\0" {
                    self.mark_alone(parent);
                }
            }
            below_apex = parent;
        }
    }

    pub(super) fn mark_alone(&mut self, id: NameId) {
        let state = &mut self.states[id.0 as usize];
        if !state.dirty {
            state.dirty = true;
            self.dirty.push(id);
        }
    }

    /// After records of `touched` moved: notices cuts that came or went, drops names without
    /// anything.
    pub(super) fn settle(&mut self, touched: &[NameId]) {
        for id in touched {
            self.settle_cut(*id);
            self.prune(*id);
        }
    }

    fn settle_cut(&mut self, id: NameId) {
        let state = &mut self.states[id.0 as usize];
        // A wildcard owning NS is left as data (RFC 4592 section 4.2).
        let cut = !state.apex
            && !canonical::is_wildcard(&state.canonical)
            && state.records.iter().any(|record| record.rtype == rtype::NS);
        if cut == state.cut {
            return;
        }
        state.cut = cut;
        let (view, above) = (state.view, Arc::clone(&state.canonical));
        let below = self.tree(view).range(Arc::clone(&above)..);
        let below = below
            .take_while(|(name, _)| name.starts_with(&above))
            .map(|(_, id)| *id);
        for id in below.collect::<Vec<_>>() {
            self.mark_alone(id);
        }
    }

    /// Removes the name, and then its ancestors, while they have neither records nor names below.
    /// An apex is there without, but for one of a view.
    fn prune(&mut self, id: NameId) {
        let mut id = id;
        loop {
            let state = &mut self.states[id.0 as usize];
            let (view, zone) = (state.view, state.zone);
            if state.apex && view.is_none() || state.children > 0 || !state.records.is_empty() {
                return;
            }
            // A pruned name stays in `dirty`; without the mark it is passed over there.
            state.dirty = false;
            let parent = state.parent.take();
            let name = Arc::clone(&state.canonical);
            if self.tree_mut(view).remove(&name).is_none() {
                return;
            }
            self.free.push(id);
            self.parents[usize::from(zone.0)] = None;
            self.conflicts.remove(&id);
            self.failed_open.remove(&id);
            let wildcard = canonical::is_wildcard(&name);
            self.removed.push((view, name));
            let Some(parent) = parent else { return };
            let above = &mut self.states[parent.0 as usize];
            above.children -= 1;
            if wildcard {
                above.wildcard_child = false;
                self.mark(parent);
            }
            id = parent;
        }
    }
}

/// The label of `name` that is the child of the apex, as in the key, with its end.
fn canonical_label<'n>(name: &'n [u8], apex: &State) -> &'n [u8] {
    name.get(apex.canonical.len()..).unwrap_or_default()
}
