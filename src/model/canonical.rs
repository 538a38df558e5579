//! Owner names as ordered keys: labels from the root side, lower case, so that a zone or a subtree
//! is one contiguous range (the canonical order of RFC 4034 section 6.1) and "is below" is "begins
//! with".
//!
//! Each label's octets are followed by a zero octet; 0 and 1 inside a label are written `01 01` and
//! `01 02`. The root is empty.

/// The key of a name on the wire.
pub(super) fn from_wire(name: &[u8]) -> Vec<u8> {
    let mut labels: Vec<&[u8]> = crate::wire::ancestors(name)
        .map(|suffix| &suffix[1..1 + usize::from(suffix[0])])
        .collect();
    labels.reverse();
    let mut key = Vec::with_capacity(name.len());
    for label in labels {
        push_label(&mut key, label);
    }
    key
}

/// Appends a label: the key of a child.
pub(super) fn push_label(key: &mut Vec<u8>, label: &[u8]) {
    for octet in label {
        match octet {
            0 | 1 => key.extend_from_slice(&[1, octet + 1]),
            _ => key.push(octet.to_ascii_lowercase()),
        }
    }
    key.push(0);
}

/// The name on the wire, lower case.
pub(super) fn to_wire(key: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(key.len() + 1);
    let mut rest = key;
    while !rest.is_empty() {
        let (shorter, label) = split_last(rest);
        let start = wire.len();
        wire.push(0);
        let mut octets = label.iter();
        while let Some(octet) = octets.next() {
            wire.push(match octet {
                1 => octets.next().map_or(0, |escaped| escaped - 1),
                _ => *octet,
            });
        }
        wire[start] = (wire.len() - start - 1) as u8;
        rest = shorter;
    }
    wire.push(0);
    wire
}

/// The parent's key; the root's is the root.
pub(super) fn parent(key: &[u8]) -> &[u8] {
    split_last(key).0
}

/// Whether the name's first label is `*`.
pub(super) fn is_wildcard(key: &[u8]) -> bool {
    split_last(key).1 == b"*"
}

/// The key without its last label, and that label as written in the key.
fn split_last(key: &[u8]) -> (&[u8], &[u8]) {
    let label_end = key.len().saturating_sub(1);
    let start = key[..label_end]
        .iter()
        .rposition(|octet| *octet == 0)
        .map_or(0, |at| at + 1);
    (&key[..start], &key[start..label_end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_order() {
        let names: [&[u8]; 7] = [
            b"\0",
            b"\x01t\0",
            b"\x01a\x01t\0",
            b"\x03b\0\x01\x01a\x01t\0",
            b"\x01*\x01a\x01t\0",
            b"\x02aa\x01t\0",
            b"\x01\xff\x01t\0",
        ];
        for name in names {
            assert_eq!(to_wire(&from_wire(name)), name);
        }
        let mut keys: Vec<Vec<u8>> = names.iter().map(|name| from_wire(name)).collect();
        keys.sort();
        let sorted: Vec<Vec<u8>> = keys.iter().map(|key| to_wire(key)).collect();
        let below_a = &sorted[2..5];
        assert!(
            below_a
                .iter()
                .all(|name| crate::wire::is_within(name, b"\x01a\x01t\0"))
        );
        assert_eq!(parent(&from_wire(b"\x01a\x01t\0")), from_wire(b"\x01t\0"));
        assert_eq!(parent(&from_wire(b"\x01t\0")), from_wire(b"\0"));
        assert!(is_wildcard(&from_wire(b"\x01*\x01t\0")) && !is_wildcard(&from_wire(b"\x01t\0")));
    }
}
