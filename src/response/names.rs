//! Names inside the message being written: finding a suffix to point to, and reading one back.
//!
//! Everything here walks octets that this process has just written (or a question that was parsed),
//! so pointers go backwards and labels are whole. The number of names searched is bounded:
//! compression costs at most [`KNOWN_MAX`] comparisons a name, whatever the message holds.

use crate::query::HEADER_LEN;
use crate::wire::{LABELS_MAX, LowerName, NAME_LEN_MAX};

/// Names that a later one is compared with: the question's and the first written after it.
pub(super) const KNOWN_MAX: usize = 8;
/// Pointers have 14 bits.
const POINTABLE: usize = 0x4000;

/// Where names begin in the message, the question's first.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownNames {
    starts: [u16; KNOWN_MAX],
    length: usize,
    question: bool,
}

/// Offsets of the labels of a name, first label first.
struct Labels {
    starts: [u16; LABELS_MAX + 1],
    count: usize,
}

impl KnownNames {
    pub(super) fn new(question: bool) -> KnownNames {
        let mut starts = [0; KNOWN_MAX];
        starts[0] = HEADER_LEN as u16;
        KnownNames {
            starts,
            length: usize::from(question),
            question,
        }
    }

    pub(super) fn has_question(&self) -> bool {
        self.question
    }

    pub(super) fn add(&mut self, start: usize) {
        if self.length < KNOWN_MAX && start < POINTABLE {
            self.starts[self.length] = start as u16;
            self.length += 1;
        }
    }

    /// The longest suffix of `name` that is in the message: how many octets come before it, and
    /// where it is. None when not even the last label is there.
    pub(super) fn longest_suffix(&self, message: &[u8], name: &[u8]) -> Option<(usize, u16)> {
        let own = Labels::of(name, 0);
        let mut best = None;
        let mut best_labels = 0;
        for start in &self.starts[..self.length] {
            let theirs = Labels::of(message, *start);
            let (labels, at) = own.common_suffix(name, &theirs, message);
            if labels > best_labels {
                best_labels = labels;
                best = Some((usize::from(own.starts[own.count - labels]), at));
            }
        }
        best
    }
}

impl Labels {
    fn of(octets: &[u8], start: u16) -> Labels {
        let mut labels = Labels {
            starts: [0; LABELS_MAX + 1],
            count: 0,
        };
        walk(octets, start, |at, _| {
            labels.starts[labels.count] = at;
            labels.count += 1;
        });
        labels
    }

    /// How many labels at the end are the same, and where the first of them is in `message`.
    fn common_suffix(&self, name: &[u8], theirs: &Labels, message: &[u8]) -> (usize, u16) {
        let mut same = 0;
        let mut at = 0;
        while same < self.count.min(theirs.count) {
            let ours = label(name, self.starts[self.count - same - 1]);
            let start = theirs.starts[theirs.count - same - 1];
            let equal = ours.eq_ignore_ascii_case(label(message, start));
            if !equal || usize::from(start) >= POINTABLE {
                break;
            }
            same += 1;
            at = start;
        }
        (same, at)
    }
}

fn label(octets: &[u8], start: u16) -> &[u8] {
    let start = usize::from(start);
    let length = usize::from(octets.get(start).copied().unwrap_or(0));
    octets
        .get(start + 1..start + 1 + length)
        .unwrap_or_default()
}

/// Calls `visit` with the offset and octets of each label of the name at `start`, pointers
/// followed.
fn walk<'m>(message: &'m [u8], start: u16, mut visit: impl FnMut(u16, &'m [u8])) {
    let mut at = start;
    for _ in 0..2 * LABELS_MAX {
        match message.get(usize::from(at)..) {
            Some([high @ 0xc0..=0xff, low, ..]) => at = u16::from_be_bytes([high & 0x3f, *low]),
            Some([length @ 1..=63, ..]) => {
                visit(at, label(message, at));
                at += u16::from(*length) + 1;
            }
            _ => return,
        }
    }
}

/// The name at `start`, in lower case.
pub(super) fn read(message: &[u8], start: u16, name: &mut LowerName) {
    let mut octets = [0; NAME_LEN_MAX];
    let mut length = 0;
    walk(message, start, |_, label| {
        octets[length] = label.len() as u8;
        octets[length + 1..length + 1 + label.len()].copy_from_slice(label);
        length += 1 + label.len();
    });
    name.copy_from(&octets[..length + 1]);
}

/// Where the name at `start` really begins: what a name that is only a pointer points to.
pub(super) fn start(message: &[u8], start: u16) -> u16 {
    match message.get(usize::from(start)..) {
        Some([high @ 0xc0..=0xff, low, ..]) => u16::from_be_bytes([high & 0x3f, *low]),
        _ => start,
    }
}
