//! One core's record index: lower-cased owner name -> node.
//!
//! Open addressing over 256 tables chosen by the hash's top bits. A table grows alone, so that at
//! 1,000,000 names growing moves 4,000 slots (some 50 us) and no query waits for more. A slot is 16
//! octets, the whole hash and the shared node, four to a cache line; three quarters full at most,
//! which makes 22 to 43 octets a name for each core. Removal shifts back: no tombstones.
//!
//! The nodes are shared with the other cores; only this index is the core's own. No lock, no
//! reference count is touched by a look-up.

use std::sync::Arc;

use crate::table::Node;
use crate::wire;

const TABLES: usize = 256;
const TABLE_SLOTS_MIN: usize = 8;

/// The index.
#[derive(Debug)]
pub struct Index {
    tables: Box<[Table]>,
    names: usize,
    labels_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    slots: Box<[Slot]>,
    used: usize,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    hash: u64,
    node: Option<Arc<Node>>,
}

impl Default for Index {
    fn default() -> Index {
        let tables = std::iter::repeat_with(Table::default)
            .take(TABLES)
            .collect();
        Index {
            tables,
            names: 0,
            labels_max: 0,
        }
    }
}

impl Index {
    /// The node whose owner is `name` (lower case), `hash` being [`wire::hash`] of it.
    pub fn get(&self, hash: u64, name: &[u8]) -> Option<&Node> {
        let table = &self.tables[(hash >> 56) as usize];
        let mask = table.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let slot = table.slots.get(at)?;
            let node = slot.node.as_deref()?;
            if slot.hash == hash && *node.owner == *name {
                return Some(node);
            }
            at = (at + 1) & mask;
        }
    }

    /// Names held.
    pub fn len(&self) -> usize {
        self.names
    }

    /// Whether no name is held.
    pub fn is_empty(&self) -> bool {
        self.names == 0
    }

    /// No name held has, or ever had, more labels than this: bounds the walk to an encloser.
    pub fn labels_max(&self) -> usize {
        self.labels_max
    }

    /// Adds the node, or puts it in the place of the one with the same owner.
    pub fn put(&mut self, node: Arc<Node>) {
        self.labels_max = self.labels_max.max(wire::label_count(&node.owner));
        let hash = node.hash;
        let table = &mut self.tables[(hash >> 56) as usize];
        if table.slots.len() * 3 <= table.used * 4 {
            table.grow();
        }
        self.names += usize::from(table.put(hash, node));
    }

    /// Removes the node of `name`, if there is one.
    pub fn remove(&mut self, hash: u64, name: &[u8]) {
        self.names -= usize::from(self.tables[(hash >> 56) as usize].remove(hash, name));
    }

    /// Every node, in no order: for tests and for comparing cores.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.tables
            .iter()
            .flat_map(|table| table.slots.iter().filter_map(|slot| slot.node.as_ref()))
    }
}

impl Table {
    fn put(&mut self, hash: u64, node: Arc<Node>) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = &mut self.slots[at];
            match &slot.node {
                Some(held) if slot.hash == hash && held.owner == node.owner => {
                    slot.node = Some(node);
                    return false;
                }
                Some(_) => at = (at + 1) & mask,
                None => {
                    *slot = Slot {
                        hash,
                        node: Some(node),
                    };
                    self.used += 1;
                    return true;
                }
            }
        }
    }

    fn remove(&mut self, hash: u64, name: &[u8]) -> bool {
        let mask = self.slots.len().wrapping_sub(1);
        let mut hole = hash as usize & mask;
        loop {
            match self.slots.get(hole).and_then(|slot| slot.node.as_ref()) {
                None => return false,
                Some(node) if *node.owner == *name => break,
                Some(_) => hole = (hole + 1) & mask,
            }
        }
        self.slots[hole].node = None;
        self.used -= 1;
        let mut at = (hole + 1) & mask;
        while self.slots[at].node.is_some() {
            let ideal = self.slots[at].hash as usize & mask;
            // The slot may move back when its ideal place is not between the hole and it.
            if (at.wrapping_sub(ideal) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots.swap(hole, at);
                hole = at;
            }
            at = (at + 1) & mask;
        }
        true
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(TABLE_SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size].into());
        self.used = 0;
        for slot in old {
            if let Some(node) = slot.node {
                self.put(slot.hash, node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn node(name: &[u8], mark: u16) -> Arc<Node> {
        Arc::new(Node {
            zone: crate::table::ZoneId(mark),
            ..Node::empty(name.into())
        })
    }

    proptest! {
        /// Whatever is put and removed, the index holds what a map holds.
        #[test]
        fn equals_a_map(steps in prop::collection::vec((0u16..300, any::<bool>()), 0..2000)) {
            let mut index = Index::default();
            let mut map = HashMap::new();
            for (step, (number, put)) in steps.into_iter().enumerate() {
                let name = [&[2, (number >> 8) as u8, number as u8][..], &[0]].concat();
                let hash = wire::hash(&name);
                if put {
                    index.put(node(&name, step as u16));
                    map.insert(name, step as u16);
                } else {
                    index.remove(hash, &name);
                    map.remove(&name);
                }
            }
            prop_assert_eq!(index.len(), map.len());
            prop_assert_eq!(index.nodes().count(), map.len());
            for number in 0u16..300 {
                let name = [&[2, (number >> 8) as u8, number as u8][..], &[0]].concat();
                let held = index.get(wire::hash(&name), &name).map(|node| node.zone.0);
                prop_assert_eq!(held, map.get(&name).copied());
            }
        }
    }
}
