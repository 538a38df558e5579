//! Which changes are made, and what is right after them.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use crate::changes::*;
use crate::etcd::Operation;
use crate::set::{Addresses, names};

#[test]
fn no_key_occurs_twice_in_a_batch() {
    let set = names(1, 1000, Addresses::Varied);
    for first in (0..50_000).step_by(BATCH as usize) {
        let keys: HashSet<String> = (first..first + BATCH)
            .map(|number| match operation(number, "/p/", &set) {
                Operation::Put { key, .. } | Operation::Delete { key } => key,
            })
            .collect();
        assert_eq!(keys.len(), BATCH as usize);
    }
}

#[test]
fn the_last_change_of_a_name_is_right() {
    let set = names(1, 10, Addresses::Varied);
    let before: Vec<_> = After::new(&set, 0).expected().collect();
    assert!(
        before
            .iter()
            .zip(&set)
            .all(|(found, name)| found.1 == name.addresses)
    );
    let after: Vec<_> = After::new(&set, 24).expected().collect();
    let first = |index: usize| after[index].1[0];
    assert_eq!(first(0), Ipv4Addr::new(172, 16, 0, 10), "changes 0 and 20");
    assert_eq!(first(2), Ipv4Addr::new(172, 16, 0, 2), "change 4");
    assert_eq!(after[4].1[1..], set[4].addresses[1..], "the others stay");
    assert_eq!(after.len(), 10 + 12);
    assert_eq!(
        change(1, 10),
        Change::Other {
            name: 0,
            exists: true
        }
    );
    let again = change(2 * OTHERS + 1, 10);
    assert_eq!(
        again,
        Change::Other {
            name: 0,
            exists: false
        }
    );
}
