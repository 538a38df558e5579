//! What counts as the answer to a query.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::ask::*;

/// The response to a query for `a.b` with these octets behind the question.
fn response(rcode: u8, count: u8, records: &[u8]) -> Vec<u8> {
    let mut packet = query(7, "a.b");
    packet[2] |= 0x80;
    packet[3] = rcode;
    packet[7] = count;
    packet.extend(records);
    packet
}

#[test]
fn addresses_are_read_whatever_stands_between() {
    let a = |last| [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, last];
    let both = [a(1).to_vec(), a(2).to_vec()].concat();
    let found = answer(&response(0, 2, &both), 7, "A.b").flatten();
    let expected = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
    assert_eq!(found, Some(BTreeSet::from(expected)));
    assert_eq!(
        answer(&response(0, 3, &both), 7, "a.b"),
        Some(None),
        "too short"
    );
    assert_eq!(
        answer(&response(3, 0, &[]), 7, "a.b"),
        Some(None),
        "NXDOMAIN"
    );
    assert_eq!(answer(&response(0, 0, &[]), 8, "a.b"), None, "another ID");
    assert_eq!(answer(&response(0, 0, &[]), 7, "a.c"), None, "another name");
    assert_eq!(answer(&query(7, "a.b"), 7, "a.b"), None, "a query");
    assert_eq!(answer(&[0; 5], 7, "a.b"), None);
}
