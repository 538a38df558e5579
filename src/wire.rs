//! Names on the wire, as the packet path needs them: lower-cased once into a fixed buffer, hashed
//! by words, walked towards the root without copying.
//!
//! A name here is RFC 1035 section 3.1 octets: length-prefixed labels that end with the root's zero
//! octet, no pointers, 255 octets at most. A length octet is below `'A'`, so lower-casing may run
//! over the whole name without looking at label borders. Owned names, text and validation off the
//! packet path are `containerdns_schema::Name`.

use std::sync::OnceLock;

/// Longest name on the wire, root included (RFC 1035 section 3.1).
pub const NAME_LEN_MAX: usize = 255;
/// Longest label (RFC 1035 section 2.3.4).
pub const LABEL_LEN_MAX: usize = 63;
/// Most labels in a name of 255 octets: 127 of one octet.
pub const LABELS_MAX: usize = 127;

/// A lower-cased name in a buffer of its own, with its hash.
#[derive(Clone)]
pub struct LowerName {
    hash: u64,
    length: u16,
    labels: u8,
    octets: [u8; 264],
}

impl Default for LowerName {
    fn default() -> LowerName {
        LowerName {
            hash: hash(&[0]),
            length: 1,
            labels: 0,
            octets: [0; 264],
        }
    }
}

impl std::fmt::Debug for LowerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.octets().escape_ascii())
    }
}

impl LowerName {
    /// The name's octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// Labels, the root not counted.
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// Reads the uncompressed name at the start of `bytes`; returns its length there, or none when
    /// it is cut off, over-long or holds anything but plain labels.
    pub fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        // What is longer than a name may be is cut off, too.
        let bytes = &bytes[..bytes.len().min(NAME_LEN_MAX)];
        let mut at = 0;
        let mut labels = 0;
        loop {
            let length = usize::from(*bytes.get(at)?);
            if length == 0 {
                break;
            }
            if length > LABEL_LEN_MAX {
                return None;
            }
            at += length + 1;
            labels += 1;
        }
        let length = at + 1;
        self.set(&bytes[..length], labels);
        Some(length)
    }

    /// Takes a name known to be well formed (it comes from our own tables).
    pub fn copy_from(&mut self, name: &[u8]) {
        self.set(name, label_count(name) as u8);
    }

    /// The wildcard child of `encloser`: `*.` before it. False when that name would be too long.
    pub fn set_wildcard_of(&mut self, encloser: &[u8]) -> bool {
        if encloser.len() + 2 > NAME_LEN_MAX {
            return false;
        }
        let length = encloser.len() + 2;
        self.octets[0] = 1;
        self.octets[1] = b'*';
        self.octets[2..length].copy_from_slice(encloser);
        self.hash = hash(&self.octets[..length]);
        self.length = length as u16;
        self.labels = label_count(encloser) as u8 + 1;
        true
    }

    /// Lower-cases and hashes in one pass over words.
    fn set(&mut self, name: &[u8], labels: u8) {
        let mut state = seed() ^ name.len() as u64;
        let (words, rest) = name.as_chunks::<8>();
        let (out, out_rest) = self.octets.as_chunks_mut::<8>();
        let mut out = out.iter_mut();
        for (word, out) in words.iter().zip(&mut out) {
            let word = lower_word(u64::from_le_bytes(*word));
            *out = word.to_le_bytes();
            state = fold(state, word);
        }
        if !rest.is_empty()
            && let Some(out) = out.next()
        {
            let word = lower_word(last_word(rest));
            *out = word.to_le_bytes();
            state = fold(state, word);
        }
        debug_assert!(out_rest.is_empty());
        self.hash = finish(state);
        self.length = name.len() as u16;
        self.labels = labels;
    }

    /// Hash of the whole name.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// Fewer than eight octets as a word, zeros behind them.
fn last_word(octets: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..octets.len()].copy_from_slice(octets);
    u64::from_le_bytes(word)
}

/// Lower-cases the ASCII letters among eight octets at once.
fn lower_word(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low_bits = word & (0x7f * ONES);
    // Bit 7 of an octet below: set when its low seven bits are at least 'A', and more than 'Z'.
    let from_a = low_bits + (0x80 - u64::from(b'A')) * ONES;
    let above_z = low_bits + (0x80 - u64::from(b'Z') - 1) * ONES;
    let is_upper = from_a & !above_z & !word & (0x80 * ONES);
    word | (is_upper >> 2)
}

/// Hash of a lower-cased name: the one function by which sync and every core agree on a slot.
/// Seeded per process, so that nobody outside can choose colliding names.
pub fn hash(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let state = words
        .iter()
        .fold(seed() ^ name.len() as u64, |state, word| {
            fold(state, u64::from_le_bytes(*word))
        });
    match rest {
        [] => finish(state),
        _ => finish(fold(state, last_word(rest))),
    }
}

fn finish(state: u64) -> u64 {
    fold(state, 0x9e37_79b9_7f4a_7c15)
}

/// One step of a folded-multiply hash: the 128-bit product's halves, xored.
fn fold(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * 0xe703_7ed1_a0b4_28db_u128;
    product as u64 ^ (product >> 64) as u64
}

static SEED: OnceLock<u64> = OnceLock::new();

/// Hashes as with this seed from here on, so that a count of instructions is the same each time.
/// For programs that count alone: the seed is then no secret. Without effect after the first hash.
pub fn hash_with_known_seed(seed: u64) {
    SEED.get_or_init(|| seed);
}

fn seed() -> u64 {
    *SEED.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher, RandomState};
        RandomState::new().build_hasher().finish()
    })
}

/// Labels of a well-formed name, the root not counted.
pub fn label_count(name: &[u8]) -> usize {
    ancestors(name).count()
}

/// The name without its first label; none for the root.
pub fn parent(name: &[u8]) -> Option<&[u8]> {
    match name.first() {
        None | Some(0) => None,
        Some(&length) => name.get(usize::from(length) + 1..),
    }
}

/// The longest suffix of whole labels that has at most `length` octets.
pub fn suffix_of_len(name: &[u8], length: usize) -> &[u8] {
    let mut suffix = name;
    while suffix.len() > length {
        let Some(parent) = parent(suffix) else { break };
        suffix = parent;
    }
    suffix
}

/// `name`, its parent, and so on; the root excluded.
pub fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| parent(name)).take_while(|name| name.len() > 1)
}

/// Whether `name` equals `ancestor` or lies below it, compared by labels without case.
pub fn is_within(name: &[u8], ancestor: &[u8]) -> bool {
    if ancestor.len() <= 1 {
        return true;
    }
    ancestors(name).any(|suffix| suffix.eq_ignore_ascii_case(ancestor))
}

/// Length of the uncompressed name at the start of `bytes`, for RDATA that was validated when made.
pub fn name_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&length) = bytes.get(at)
        && length != 0
    {
        at += usize::from(length) + 1;
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_cases_letters_only() {
        for octet in 0..=255u8 {
            let word = u64::from_le_bytes([octet; 8]);
            assert_eq!(
                lower_word(word).to_le_bytes(),
                [octet.to_ascii_lowercase(); 8]
            );
        }
    }

    #[test]
    fn reads_plain_names_only() {
        let mut name = LowerName::default();
        assert_eq!(name.read(b"\x03WwW\x01T\0rest"), Some(7));
        assert_eq!((name.octets(), name.labels()), (&b"\x03www\x01t\0"[..], 2));
        assert_eq!(name.hash(), hash(b"\x03www\x01t\0"));
        assert_eq!(name.read(b"\0"), Some(1));
        assert_eq!(name.read(b"\x03ww"), None);
        assert_eq!(name.read(b"\xc0\x0c"), None);
        assert_eq!(name.read(b"\x41"), None);
        let long: Vec<u8> = [1, b'a'].repeat(127).into_iter().chain([0]).collect();
        assert_eq!((name.read(&long), name.labels()), (Some(255), LABELS_MAX));
        let too_long: Vec<u8> = [1, b'a'].repeat(128).into_iter().chain([0]).collect();
        assert_eq!(name.read(&too_long), None);
    }

    #[test]
    fn a_shorter_name_leaves_nothing_behind() {
        let mut name = LowerName::default();
        name.read(b"\x0babcdefghijk\0").unwrap();
        name.read(b"\x01a\0").unwrap();
        assert_eq!(name.hash(), hash(b"\x01a\0"));
        assert!(name.set_wildcard_of(b"\x01t\0"));
        assert_eq!(
            (name.octets(), name.hash()),
            (&b"\x01*\x01t\0"[..], hash(b"\x01*\x01t\0"))
        );
    }

    #[test]
    fn suffixes_respect_labels() {
        assert!(is_within(b"\x01a\x01T\0", b"\x01t\0"));
        assert!(is_within(b"\x01t\0", b"\x01t\0"));
        assert!(!is_within(b"\x02xt\0", b"\x01t\0"));
        assert_eq!(parent(b"\x01a\x01t\0"), Some(&b"\x01t\0"[..]));
        assert_eq!(parent(b"\0"), None);
    }
}
