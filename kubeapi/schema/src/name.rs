//! Names of the DNS: any octets, compared without ASCII case, shown as they were written.
//!
//! A name is kept in uncompressed wire format, so that comparing, hashing and sending it need no
//! conversion. Length octets are at most 63 and so are no letters: the whole wire form can be
//! compared without case in one go. Characters beyond ASCII are taken as their UTF-8 octets and
//! shown as `\DDD`; there is no IDNA here, write `xn--` labels where clients ask for those.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::presentation::{self, TextError};

/// The octets of a label at most (RFC 1035 section 2.3.4).
pub const LABEL_LEN_MAX: usize = 63;
/// The octets of a name in wire format at most, the root's zero octet included.
pub const NAME_LEN_MAX: usize = 255;
/// Labels of a name at most without the root: 127 of one octet fill 255 octets.
pub const LABELS_MAX: usize = 127;

/// Octets that the text of a label escapes with a backslash; zone files give `@` and `$` a meaning.
const SPECIAL: &[u8] = b".\"();@$";

/// An absolute name in wire format: length-prefixed labels, the zero octet of the root last.
///
/// Invariant: 1 to 255 octets, labels of 1 to 63 octets, no compression pointers.
#[derive(Clone)]
pub struct Name(Box<[u8]>);

/// Why octets or a text are no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Two dots in a row, a dot first, or no text at all.
    #[error("label {0} is empty: a name is labels of 1 to 63 octets between single dots")]
    EmptyLabel(usize),
    /// A label beyond [`LABEL_LEN_MAX`].
    #[error("label {label} `{start}...` is {len} octets long: a label has at most 63")]
    LabelTooLong {
        /// Its position from the left, from 1.
        label: usize,
        /// The first octets of it.
        start: String,
        /// Its length in octets.
        len: usize,
    },
    /// A name beyond [`NAME_LEN_MAX`].
    #[error("the name takes more than 255 octets in wire format, which is the limit")]
    NameTooLong,
    /// A broken escape in the text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The octets end inside the name.
    #[error("the name ends without its root label")]
    Truncated,
    /// A compression pointer or a reserved label type.
    #[error("octet {0:#04x} is no label length: names in records are not compressed")]
    LabelType(u8),
    /// Octets behind the root label.
    #[error("{0} octets follow the name's root label")]
    Trailing(usize),
}

impl Name {
    /// The root `.`.
    #[must_use]
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Takes a name in wire format that fills `wire` exactly.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        let len = wire_len(wire)?;
        match wire.len() - len {
            0 => Ok(Self(wire.into())),
            trailing => Err(NameError::Trailing(trailing)),
        }
    }

    /// Reads presentation format (RFC 1035 section 5.1); the final dot may be left out.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_in(text, None)
    }

    /// Reads presentation format; a text without a final dot is relative to `origin` when given.
    pub fn parse_in(text: &str, origin: Option<&Name>) -> Result<Self, NameError> {
        if text == "." {
            return Ok(Self::root());
        }
        let mut builder = Builder::default();
        let mut label = [0; LABEL_LEN_MAX];
        let mut len = 0;
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            let octet = match first {
                b'.' => {
                    builder.push(&label, len)?;
                    len = 0;
                    continue;
                }
                b'\\' => presentation::escaped_octet(&mut rest)?,
                _ => first,
            };
            if let Some(slot) = label.get_mut(len) {
                *slot = octet;
            }
            len += 1;
        }
        let absolute = len == 0 && builder.labels > 0;
        if !absolute {
            builder.push(&label, len)?;
        }
        match origin {
            Some(origin) if !absolute => builder.finish(origin.wire()),
            _ => builder.finish(&[0]),
        }
    }

    /// Joins labels from the left, without the root.
    pub fn from_labels<L: AsRef<[u8]>>(
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Self, NameError> {
        let mut builder = Builder::default();
        for label in labels {
            builder.push(label.as_ref(), label.as_ref().len())?;
        }
        builder.finish(&[0])
    }

    /// Wire format, the root's zero octet included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels from the left, without the root.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        let mut labels = Labels {
            wire: &self.0,
            starts: [0; LABELS_MAX],
            front: 0,
            back: 0,
        };
        let mut offset = 0;
        while self.0[offset] != 0 {
            // Every length octet but the root's lies below 254, so it fits an octet.
            labels.starts[labels.back] = offset as u8;
            labels.back += 1;
            offset += 1 + usize::from(self.0[offset]);
        }
        labels
    }

    /// How many labels there are, the root not counted.
    #[must_use]
    pub fn label_count(&self) -> usize {
        let (mut count, mut offset) = (0, 0);
        while self.0[offset] != 0 {
            count += 1;
            offset += 1 + usize::from(self.0[offset]);
        }
        count
    }

    /// Whether the name is `ancestor` or lies below it, by whole labels, without case.
    #[must_use]
    pub fn is_within(&self, ancestor: &Name) -> bool {
        let Some(tail_start) = self.0.len().checked_sub(ancestor.0.len()) else {
            return false;
        };
        let mut offset = 0;
        while offset < tail_start {
            offset += 1 + usize::from(self.0[offset]);
        }
        offset == tail_start && self.0[offset..].eq_ignore_ascii_case(&ancestor.0)
    }

    /// The name without its first label; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Name> {
        self.strip_left(1)
    }

    /// The name without its first `count` labels; none when it has fewer.
    #[must_use]
    pub fn strip_left(&self, count: usize) -> Option<Name> {
        let mut offset = 0;
        for _ in 0..count {
            match self.0[offset] {
                0 => return None,
                len => offset += 1 + usize::from(len),
            }
        }
        Some(Self(self.0[offset..].into()))
    }

    /// The name with ASCII letters in lower case.
    #[must_use]
    pub fn to_lower(&self) -> Name {
        Self(self.0.to_ascii_lowercase().into())
    }
}

/// The length of the name that `octets` start with, its root label included.
pub(crate) fn wire_len(octets: &[u8]) -> Result<usize, NameError> {
    let mut offset = 0;
    loop {
        let len = *octets.get(offset).ok_or(NameError::Truncated)?;
        if usize::from(len) > LABEL_LEN_MAX {
            return Err(NameError::LabelType(len));
        }
        offset += 1 + usize::from(len);
        if offset > NAME_LEN_MAX {
            return Err(NameError::NameTooLong);
        }
        if len == 0 {
            return Ok(offset);
        }
    }
}

/// The labels of a name, from either end.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    wire: &'a [u8],
    starts: [u8; LABELS_MAX],
    front: usize,
    back: usize,
}

impl<'a> Labels<'a> {
    fn at(&self, index: usize) -> &'a [u8] {
        let start = usize::from(self.starts[index]);
        &self.wire[start + 1..start + 1 + usize::from(self.wire[start])]
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.front == self.back {
            return None;
        }
        self.front += 1;
        Some(self.at(self.front - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.back - self.front;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Labels<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        self.back -= 1;
        Some(self.at(self.back))
    }
}

impl ExactSizeIterator for Labels<'_> {}

/// Collects labels from the left and checks every limit.
#[derive(Default)]
struct Builder {
    wire: Vec<u8>,
    labels: usize,
}

impl Builder {
    /// Adds a label of `len` octets, of which `octets` holds at least the first 63.
    fn push(&mut self, octets: &[u8], len: usize) -> Result<(), NameError> {
        self.labels += 1;
        match len {
            0 => return Err(NameError::EmptyLabel(self.labels)),
            1..=LABEL_LEN_MAX => {}
            _ => {
                let mut start = String::new();
                presentation::escape_word(&octets[..16], SPECIAL, &mut start);
                return Err(NameError::LabelTooLong {
                    label: self.labels,
                    start,
                    len,
                });
            }
        }
        if self.wire.len() + 1 + len + 1 > NAME_LEN_MAX {
            return Err(NameError::NameTooLong);
        }
        if self.wire.is_empty() {
            self.wire.reserve(48);
        }
        self.wire.push(len as u8);
        self.wire.extend_from_slice(&octets[..len]);
        Ok(())
    }

    /// Ends the name with the wire format of an origin.
    fn finish(mut self, origin: &[u8]) -> Result<Name, NameError> {
        if self.wire.len() + origin.len() > NAME_LEN_MAX {
            return Err(NameError::NameTooLong);
        }
        self.wire.extend_from_slice(origin);
        Ok(Name(self.wire.into_boxed_slice()))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut lower = [0; NAME_LEN_MAX];
        let lower = &mut lower[..self.0.len()];
        lower.copy_from_slice(&self.0);
        lower.make_ascii_lowercase();
        state.write(lower);
    }
}

/// Canonical order: labels from the right, as octets in lower case (RFC 4034 section 6.1).
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.labels(), other.labels());
        let counts = ours.len().cmp(&theirs.len());
        let lower = |label: &'_ [u8], other: &'_ [u8]| {
            let ours = label.iter().map(u8::to_ascii_lowercase);
            ours.cmp(other.iter().map(u8::to_ascii_lowercase))
        };
        let mut labels = ours.rev().zip(theirs.rev());
        let differing = labels.find_map(|(a, b)| match lower(a, b) {
            Ordering::Equal => None,
            order => Some(order),
        });
        differing.unwrap_or(counts)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        let mut text = String::with_capacity(self.0.len());
        for label in self.labels() {
            presentation::escape_word(label, SPECIAL, &mut text);
            text.push('.');
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests;
