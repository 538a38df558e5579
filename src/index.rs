//! One core's record index: lower-cased owner name -> node.
//!
//! Open addressing over 256 tables chosen by the hash's top bits. A table grows alone, so that at
//! 1,000,000 names growing moves 4,000 nodes and no query waits for more. A table is buckets of one
//! cache line: seven nodes, for each of them eight bits of its hash, and how many names had to go
//! on to the next bucket, so that a look-up reads one line of the index for all but few names, and
//! one node. Six of seven places are taken at most, which makes 11 to 21 octets a name for each
//! core. A name removed makes room again.
//!
//! The nodes are shared with the other cores; only this index is the core's own. No lock, no
//! reference count is touched by a look-up.

use std::ptr;

use crate::kernel;
use crate::table::Node;
use crate::wire;

/// Look-ups prepared together at most: so many that the first has what it needs when the last is
/// prepared, so few that all of it stays in the first cache.
pub const AHEAD_MAX: usize = 16;

const TABLES: usize = 256;
/// Nodes of a bucket.
const PLACES: usize = 7;
/// Nodes of a table for each of its buckets, at most.
const NODES_PER_BUCKET_MAX: usize = 6;

/// The index.
#[derive(Debug)]
pub struct Index {
    tables: Box<[Table]>,
    names: usize,
    labels_max: usize,
}

/// A number of buckets that is a power of two, or none.
#[derive(Debug, Default)]
struct Table {
    buckets: Box<[Bucket]>,
    used: usize,
}

/// One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// Of each place its node's tag, 0 when it is free.
    tags: [u8; PLACES],
    /// How many names of the table have this bucket on their way and lie behind it; once 255, for
    /// ever that.
    passed: u8,
    nodes: [Option<Node>; PLACES],
}

const _: () = assert!(size_of::<Bucket>() == 64, "one cache line");

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
    #[inline]
    pub fn get(&self, hash: u64, name: &[u8]) -> Option<&Node> {
        let table = self.table(hash);
        let bucket = table.buckets.get(table.first(hash))?;
        match bucket.place_of(hash, name) {
            Some(place) => bucket.nodes[place].as_ref(),
            None if bucket.passed == 0 => None,
            None => table.get_behind(hash, name),
        }
    }

    /// Has the caches fetch the bucket that [`Index::get`] of `hash` is going to read.
    #[inline]
    pub fn prefetch_bucket(&self, hash: u64) {
        let table = self.table(hash);
        if let Some(bucket) = table.buckets.get(table.first(hash)) {
            kernel::prefetch(ptr::from_ref(bucket).cast());
        }
    }

    /// Has the caches fetch the node that [`Index::get`] of `hash` is going to find. Reads its
    /// bucket.
    #[inline]
    pub fn prefetch_node(&self, hash: u64) {
        let table = self.table(hash);
        let bucket = table.buckets.get(table.first(hash));
        if let Some(node) = bucket.and_then(|bucket| bucket.candidate(hash)) {
            node.prefetch();
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
    pub fn put(&mut self, node: Node) {
        self.labels_max = self.labels_max.max(wire::label_count(node.owner()));
        self.names += usize::from(self.tables[table_of(node.hash)].put(node));
    }

    /// Removes the node of `name`, if there is one.
    pub fn remove(&mut self, hash: u64, name: &[u8]) {
        self.names -= usize::from(self.tables[table_of(hash)].remove(hash, name));
    }

    /// Every node, in no order: for tests and for comparing cores.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let buckets = self.tables.iter().flat_map(|table| &table.buckets);
        buckets.flat_map(|bucket| bucket.nodes.iter().flatten())
    }

    fn table(&self, hash: u64) -> &Table {
        &self.tables[table_of(hash)]
    }
}

/// The hash's top octet.
fn table_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// The octet below, but for 0.
fn tag_of(hash: u64) -> u8 {
    ((hash >> 48) as u8).max(1)
}

impl Bucket {
    /// The place of the node that is `name`.
    #[inline]
    fn place_of(&self, hash: u64, name: &[u8]) -> Option<usize> {
        let is_name = |node: &Node| *node.owner() == *name;
        self.places_of(tag_of(hash))
            .find(|place| self.nodes[*place].as_ref().is_some_and(is_name))
    }

    /// The first node whose tag is that of `hash`: nearly always the one looked for.
    #[inline]
    fn candidate(&self, hash: u64) -> Option<&Node> {
        let place = self.places_of(tag_of(hash)).next()?;
        self.nodes[place].as_ref()
    }

    /// The places with this tag, and seldom others: all seven compared at once.
    #[inline]
    fn places_of(&self, tag: u8) -> impl Iterator<Item = usize> {
        const ONES: u64 = 0x0001_0101_0101_0101;
        let [a, b, c, d, e, f, g] = self.tags;
        // An octet is 0 where the tag is this one.
        let differ = u64::from_le_bytes([a, b, c, d, e, f, g, 0]) ^ (u64::from(tag) * ONES);
        let mut found = differ.wrapping_sub(ONES) & !differ & (0x80 * ONES);
        std::iter::from_fn(move || {
            let place = found.trailing_zeros() as usize / 8;
            found &= found.wrapping_sub(1);
            (place < PLACES).then_some(place)
        })
    }
}

impl Table {
    fn first(&self, hash: u64) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & self.buckets.len().wrapping_sub(1)
    }

    /// Whether the name is new.
    fn put(&mut self, node: Node) -> bool {
        if let Some((at, place)) = self.find(node.hash, node.owner()) {
            self.buckets[at].nodes[place] = Some(node);
            return false;
        }
        if self.used >= self.buckets.len() * NODES_PER_BUCKET_MAX {
            self.grow();
        }
        self.add(node);
        true
    }

    /// Adds a name that is not there; a place is free.
    fn add(&mut self, node: Node) {
        let mut at = self.first(node.hash);
        loop {
            let bucket = &mut self.buckets[at];
            if let Some(place) = bucket.nodes.iter().position(Option::is_none) {
                bucket.tags[place] = tag_of(node.hash);
                bucket.nodes[place] = Some(node);
                self.used += 1;
                return;
            }
            bucket.passed = bucket.passed.saturating_add(1);
            at = self.next(at);
        }
    }

    /// The node of a name that is not in its first bucket.
    #[cold]
    fn get_behind(&self, hash: u64, name: &[u8]) -> Option<&Node> {
        let (at, place) = self.find(hash, name)?;
        self.buckets[at].nodes[place].as_ref()
    }

    /// Bucket and place of a name. Buckets that were full once may each send on to the next, so
    /// their number bounds the way.
    fn find(&self, hash: u64, name: &[u8]) -> Option<(usize, usize)> {
        let mut at = self.first(hash);
        for _ in 0..self.buckets.len() {
            let bucket = &self.buckets[at];
            if let Some(place) = bucket.place_of(hash, name) {
                return Some((at, place));
            }
            if bucket.passed == 0 {
                return None;
            }
            at = self.next(at);
        }
        None
    }

    /// Whether the name was there.
    fn remove(&mut self, hash: u64, name: &[u8]) -> bool {
        let Some((at, place)) = self.find(hash, name) else {
            return false;
        };
        self.buckets[at].tags[place] = 0;
        self.buckets[at].nodes[place] = None;
        self.used -= 1;
        let mut before = self.first(hash);
        while before != at {
            let passed = &mut self.buckets[before].passed;
            *passed -= u8::from(*passed < u8::MAX);
            before = self.next(before);
        }
        true
    }

    fn grow(&mut self) {
        let count = (self.buckets.len() * 2).max(1);
        let larger = std::iter::repeat_with(Bucket::default).take(count);
        let old = std::mem::replace(&mut self.buckets, larger.collect());
        self.used = 0;
        let nodes = old.into_iter().flat_map(|bucket| bucket.nodes);
        nodes.flatten().for_each(|node| self.add(node));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::table::NodeParts;

    fn node(name: &[u8], mark: u16) -> Node {
        let parts = NodeParts {
            zone: crate::table::ZoneId(mark),
            ..NodeParts::empty(name.into())
        };
        parts.pack()
    }

    /// Two full buckets, each of which has sent a name on to the other, and then has room again:
    /// a name that is not there is still found not to be.
    #[test]
    fn buckets_that_point_in_a_circle_end() {
        let numbers = 0u16..;
        let mut names = [0, 1].map(|bucket| {
            let all = numbers
                .clone()
                .map(|number| node(&[1, number as u8, 0], number));
            all.take(256).filter(move |node| node.hash & 1 == bucket)
        });
        let mut table = Table::default();
        let first: Vec<Node> = names[0].by_ref().take(8).collect();
        first
            .iter()
            .for_each(|node| assert!(table.put(node.clone())));
        assert_eq!(table.buckets.len(), 2);
        for node in &first[..7] {
            assert!(table.remove(node.hash, node.owner()));
        }
        names[1]
            .by_ref()
            .take(7)
            .for_each(|node| assert!(table.put(node)));
        let passed = [0, 1].map(|at: usize| table.buckets[at].passed);
        assert_eq!(passed, [1, 1]);
        let absent = &first[0];
        assert_eq!(table.find(absent.hash, absent.owner()), None);
        assert!(table.find(first[7].hash, first[7].owner()).is_some());
    }

    /// A hundred names whose ways begin at two buckets of one table, as long as that has no more
    /// than sixteen, and twenty that lie anywhere.
    static NAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let numbered = |number: u32| [&[4][..], &number.to_be_bytes(), &[0]].concat();
        let crowded = (0u32..).map(numbered).filter(|name| {
            let hash = wire::hash(name);
            table_of(hash) == 7 && hash & 0xe == 0
        });
        crowded.take(100).chain((0..20).map(numbered)).collect()
    });

    proptest! {
        /// Whatever is put and removed, the index holds what a map holds.
        #[test]
        fn equals_a_map(steps in prop::collection::vec((0usize..120, 0u8..3), 0..600)) {
            let mut index = Index::default();
            let mut map = HashMap::new();
            for (step, (number, kind)) in steps.into_iter().enumerate() {
                let name = &NAMES[number];
                if kind < 2 {
                    index.put(node(name, step as u16));
                    map.insert(name, step as u16);
                } else {
                    index.remove(wire::hash(name), name);
                    map.remove(name);
                }
            }
            prop_assert_eq!(index.len(), map.len());
            prop_assert_eq!(index.nodes().count(), map.len());
            for name in NAMES.iter() {
                let held = index.get(wire::hash(name), name).map(|node| node.zone.0);
                prop_assert_eq!(held, map.get(name).copied());
            }
        }
    }
}
