//! Reads the file of names to ask: what to ask and what answer code to expect.
//!
//! One question a line: `NAME [TYPE [RCODE]]`. The type is A and the expected answer code NOERROR
//! unless given; a field that starts with `#` begins a comment. Names are in presentation format
//! (RFC 1035 section 5.1, escapes `\X` and `\DDD`), always absolute, with or without the last dot.
//!
//! It does not open files and does not know the header of a message: `packet` encodes that.

use std::collections::TryReserveError;

use thiserror::Error;

/// Questions in one file. With the longest question (271 octets with header) the packets of all
/// take 2.9 GB, so that offsets into them fit in 32 bits.
pub(crate) const QUESTIONS_MAX: usize = 10_000_000;

/// Octets of a name on the wire (RFC 1035 section 2.3.4), the root's zero included.
const NAME_LEN_MAX: usize = 255;
const LABEL_LEN_MAX: usize = 63;

/// One question and the answer code that is right for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// The name on the wire: length-prefixed labels, case kept, ended by a zero octet.
    pub(crate) qname: Vec<u8>,
    /// TYPE as in RFC 1035 section 3.2.2 and the IANA registry.
    pub(crate) qtype: u16,
    /// The answer code expected, 0 to 15.
    pub(crate) rcode: u8,
}

impl Question {
    /// A question in presentation format; the answer code expected is NOERROR.
    pub(crate) fn new(name: &str, qtype: &str) -> Result<Question, LineError> {
        Ok(Question {
            qname: parse_name(name)?,
            qtype: parse_type(qtype)?,
            rcode: 0,
        })
    }
}

/// Why a file of names cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum NamesError {
    /// A line that is no question, counted from 1.
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: LineError },
    #[error("no questions in it: write one `NAME [TYPE [RCODE]]` a line")]
    Empty,
    #[error("more than {QUESTIONS_MAX} questions: split the file")]
    TooMany,
    #[error("out of memory for the questions")]
    Memory(#[from] TryReserveError),
}

/// What is wrong with one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum LineError {
    #[error("not UTF-8: write other octets of a name as \\DDD")]
    NotText,
    #[error("name `{0}`: empty label (two dots in a row, or a dot at the start)")]
    EmptyLabel(String),
    #[error("name `{0}`: a label is longer than {LABEL_LEN_MAX} octets")]
    LongLabel(String),
    #[error("name `{0}`: longer than {NAME_LEN_MAX} octets on the wire")]
    LongName(String),
    #[error("name `{0}`: after a backslash comes a character or 000 to 255")]
    BadEscape(String),
    #[error("type `{0}`: not a known type; write TYPEn for any other")]
    BadType(String),
    #[error("rcode `{0}`: not a known answer code; write 0 to 15 for any")]
    BadRcode(String),
    #[error("`{0}` after the answer code: a line is `NAME [TYPE [RCODE]]`")]
    Surplus(String),
}

/// Reads a whole file of names. Stops at the first bad line.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Question>, NamesError> {
    let mut questions = Vec::new();
    for (index, line) in text.split(|&octet| octet == b'\n').enumerate() {
        let question = parse_line(line).map_err(|problem| NamesError::Line {
            line: index + 1,
            problem,
        })?;
        let Some(question) = question else { continue };
        if questions.len() == QUESTIONS_MAX {
            return Err(NamesError::TooMany);
        }
        questions.try_reserve(1)?;
        questions.push(question);
    }
    if questions.is_empty() {
        Err(NamesError::Empty)
    } else {
        Ok(questions)
    }
}

fn parse_line(line: &[u8]) -> Result<Option<Question>, LineError> {
    let line = str::from_utf8(line).map_err(|_| LineError::NotText)?;
    let mut fields = line
        .split_ascii_whitespace()
        .take_while(|field| !field.starts_with('#'));
    let Some(name) = fields.next() else {
        return Ok(None);
    };
    let qname = parse_name(name)?;
    let qtype = fields.next().map_or(Ok(1), parse_type)?;
    let rcode = fields.next().map_or(Ok(0), parse_rcode)?;
    match fields.next() {
        Some(surplus) => Err(LineError::Surplus(surplus.to_owned())),
        None => Ok(Some(Question {
            qname,
            qtype,
            rcode,
        })),
    }
}

fn parse_name(name: &str) -> Result<Vec<u8>, LineError> {
    if name == "." {
        return Ok(vec![0]);
    }
    let mut wire = vec![0];
    let mut label_start = 0;
    let mut octets = name.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'.' {
            close_label(&mut wire, label_start, name)?;
            label_start = wire.len();
            wire.push(0);
            continue;
        }
        let octet = match octet {
            b'\\' => unescape(&mut octets).ok_or_else(|| LineError::BadEscape(name.to_owned()))?,
            plain => plain,
        };
        wire.push(octet);
        if wire.len() > NAME_LEN_MAX {
            return Err(LineError::LongName(name.to_owned()));
        }
    }
    if label_start + 1 < wire.len() {
        close_label(&mut wire, label_start, name)?;
        wire.push(0);
    }
    if wire.len() > NAME_LEN_MAX {
        return Err(LineError::LongName(name.to_owned()));
    }
    Ok(wire)
}

/// Writes the length octet of the label that began at `label_start`.
fn close_label(wire: &mut [u8], label_start: usize, name: &str) -> Result<(), LineError> {
    let label_len = wire.len() - label_start - 1;
    if label_len > LABEL_LEN_MAX {
        return Err(LineError::LongLabel(name.to_owned()));
    }
    match u8::try_from(label_len) {
        Ok(len) if len > 0 => wire[label_start] = len,
        _ => return Err(LineError::EmptyLabel(name.to_owned())),
    }
    Ok(())
}

/// The octet meant by what follows a backslash: `DDD` in decimal, or the character itself.
fn unescape(octets: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let mut value = u32::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u32::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

const TYPES: &[(&str, u16)] = &[
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DNAME", 39),
    ("DS", 43),
    ("SSHFP", 44),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
];

fn parse_type(field: &str) -> Result<u16, LineError> {
    let upper = field.to_ascii_uppercase();
    if let Some((_, number)) = TYPES.iter().find(|(mnemonic, _)| *mnemonic == upper) {
        return Ok(*number);
    }
    upper
        .strip_prefix("TYPE")
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| LineError::BadType(field.to_owned()))
}

/// The answer codes of a header (RFC 1035 section 4.1.1, RFC 2136 section 2.2) in their order.
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

fn parse_rcode(field: &str) -> Result<u8, LineError> {
    let upper = field.to_ascii_uppercase();
    let number = RCODES.iter().position(|&mnemonic| mnemonic == upper);
    number
        .and_then(|number| u8::try_from(number).ok())
        .or_else(|| field.parse().ok().filter(|&number| number < 16))
        .ok_or_else(|| LineError::BadRcode(field.to_owned()))
}

/// The name of an answer code, `RCODEn` for those that have none.
pub(crate) fn rcode_name(rcode: u8) -> String {
    match RCODES.get(usize::from(rcode)) {
        Some(&name) => name.to_owned(),
        None => format!("RCODE{rcode}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, want: Expect) {
        let lines = match parse(text.as_bytes()) {
            Err(error) => format!("error: {error}\n"),
            Ok(questions) => questions
                .iter()
                .map(|q| {
                    let wire = q.qname.escape_ascii();
                    format!("{wire} {} {}\n", q.qtype, rcode_name(q.rcode))
                })
                .collect(),
        };
        want.assert_eq(&lines);
    }

    #[test]
    fn type_and_rcode_have_defaults() {
        check(
            "# names\n\nwww.a.example\r\nWww.a.example. aaaa\nx.a.example TXT nxdomain # gone\n",
            expect![[r"
                \x03www\x01a\x07example\x00 1 NOERROR
                \x03Www\x01a\x07example\x00 28 NOERROR
                \x01x\x01a\x07example\x00 16 NXDOMAIN
            "]],
        );
    }

    #[test]
    fn names_keep_any_octet() {
        check(
            ". NS\n\\000\\.\\\\.a TYPE65280 15\n*.a\n",
            expect![[r"
                \x00 2 NOERROR
                \x03\x00.\\\x01a\x00 65280 RCODE15
                \x01*\x01a\x00 1 NOERROR
            "]],
        );
    }

    #[test]
    fn bad_lines_are_named() {
        check(
            "a.\nb..c\n",
            expect![[r"
            error: line 2: name `b..c`: empty label (two dots in a row, or a dot at the start)
        "]],
        );
        check(
            ".a",
            expect![[r"
            error: line 1: name `.a`: empty label (two dots in a row, or a dot at the start)
        "]],
        );
        check(
            "a\\25",
            expect![[r"
            error: line 1: name `a\25`: after a backslash comes a character or 000 to 255
        "]],
        );
        check(
            "a\\256",
            expect![[r"
            error: line 1: name `a\256`: after a backslash comes a character or 000 to 255
        "]],
        );
        check(
            "a AAAAA",
            expect![[r"
            error: line 1: type `AAAAA`: not a known type; write TYPEn for any other
        "]],
        );
        check(
            "a A 16",
            expect![[r"
            error: line 1: rcode `16`: not a known answer code; write 0 to 15 for any
        "]],
        );
        check(
            "a A NOERROR x",
            expect![[r"
            error: line 1: `x` after the answer code: a line is `NAME [TYPE [RCODE]]`
        "]],
        );
        check(
            "# only this\n",
            expect![[r"
            error: no questions in it: write one `NAME [TYPE [RCODE]]` a line
        "]],
        );
    }

    #[test]
    fn lengths_are_bounded() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(
            parse(longest.as_bytes()).expect("255 octets are right")[0]
                .qname
                .len(),
            255
        );
        assert!(matches!(
            parse(format!("{longest}a").as_bytes()),
            Err(NamesError::Line {
                line: 1,
                problem: LineError::LongName(_)
            })
        ));
        assert!(matches!(
            parse(format!("{label}a.b").as_bytes()),
            Err(NamesError::Line {
                line: 1,
                problem: LineError::LongLabel(_)
            })
        ));
        assert_eq!(
            parse(b"a\n\xff\n"),
            Err(NamesError::Line {
                line: 2,
                problem: LineError::NotText
            })
        );
    }
}
