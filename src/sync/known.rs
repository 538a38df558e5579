//! Up to which revision the changes of each prefix are known. A watch may tell a change again (the
//! store's contract allows it after a resume, and a new watch begins where a list was, which may be
//! behind the watch before): told twice, an old delete would take a name that has come back since.

use containerdns_store::Event;

/// A revision for each prefix that is watched.
#[derive(Debug)]
pub(super) struct Known(Vec<(Vec<u8>, i64)>);

impl Known {
    /// Nothing is known of these prefixes.
    pub(super) fn new(prefixes: Vec<Vec<u8>>) -> Known {
        Known(prefixes.into_iter().map(|prefix| (prefix, 0)).collect())
    }

    /// A list at `revision` was taken in.
    pub(super) fn listed(&mut self, revision: i64) {
        for (_, known) in &mut self.0 {
            *known = revision.max(*known);
        }
    }

    /// A list at `revision` is of another store: what was known of the former one is worth nothing.
    pub(super) fn replaced(&mut self, revision: i64) {
        for (_, known) in &mut self.0 {
            *known = revision;
        }
    }

    /// Leaves only what is new in a batch, which is known from now on.
    pub(super) fn retain_new(&mut self, events: &mut Vec<Event>) {
        for (prefix, known) in &mut self.0 {
            let before = *known;
            events.retain(|event| {
                let own = event.key.starts_with(prefix);
                if own {
                    *known = event.revision.max(*known);
                }
                !own || event.revision > before
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_goes_on_from_its_own_revision() {
        let mut known = Known::new(vec![b"/a/".to_vec(), b"/b/".to_vec()]);
        let mut new = |told: &[(&str, i64)]| {
            let mut events: Vec<Event> = told
                .iter()
                .map(|(key, revision)| Event {
                    key: key.as_bytes().to_vec(),
                    value: None,
                    revision: *revision,
                })
                .collect();
            known.retain_new(&mut events);
            let left = events.iter().map(|event| event.revision);
            left.collect::<Vec<_>>()
        };
        assert_eq!(new(&[("/a/1", 5), ("/a/2", 5), ("/a/1", 7)]), [5, 5, 7]);
        assert_eq!(new(&[("/b/1", 6), ("/a/1", 7), ("/a/1", 8)]), [6, 8]);
        known.listed(7);
        let mut new = |revision, prefix: &str| {
            let (key, value) = (prefix.as_bytes().to_vec(), None);
            let mut events = vec![Event {
                key,
                value,
                revision,
            }];
            known.retain_new(&mut events);
            events.len()
        };
        assert_eq!((new(7, "/b/"), new(8, "/b/"), new(8, "/a/")), (0, 1, 0));
        known.replaced(2);
        assert_eq!(known.0[0].1, 2);
    }
}
