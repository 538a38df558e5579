//! Reads the records of a message so that equal ones are equal octets.
//!
//! A record's key is its owner, its type and its RDATA, with names written out and in lower case
//! (RFC 1035 section 2.3.3) wherever a type has names in its RDATA that may be compressed or
//! compared without case. Pointers may only lead backwards, so reading always ends.
//!
//! It reads foreign octets and gives nothing for those that are no record. It allocates nothing
//! when the buffer has room.

/// Octets of a header (RFC 1035 section 4.1.1).
pub(crate) const HEADER_LEN: usize = 12;
const NAME_LEN_MAX: usize = 255;

/// What is beside the key of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// Where the next begins.
    pub(crate) end: usize,
}

/// Reads the record at `at`; its key replaces what is in `key`.
pub(crate) fn read_record(message: &[u8], at: usize, key: &mut Vec<u8>) -> Option<Record> {
    key.clear();
    let at = read_name(message, at, key)?;
    let fixed = message.get(at..)?.first_chunk::<10>()?;
    let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
    let rdata_len = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
    let end = at + 10 + rdata_len;
    key.extend_from_slice(&fixed[..2]);
    read_rdata(message.get(..end)?, at + 10, rtype, key)?;
    Some(Record {
        rtype,
        class: u16::from_be_bytes([fixed[2], fixed[3]]),
        ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        end,
    })
}

/// Appends the RDATA that lies from `at` to the end of `message`, with its names written out and
/// a SOA's serial as 0.
pub(crate) fn read_rdata(message: &[u8], at: usize, rtype: u16, out: &mut Vec<u8>) -> Option<()> {
    let (before, names) = match rtype {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        2..=5 | 7..=9 | 12 | 39 => (0, 1),
        // SOA, MINFO, RP
        6 | 14 | 17 => (0, 2),
        // MX, AFSDB, RT, KX, SVCB, HTTPS
        15 | 18 | 21 | 36 | 64 | 65 => (2, 1),
        // PX
        26 => (2, 2),
        // SRV
        33 => (6, 1),
        // NAPTR
        35 => (naptr_strings_len(message.get(at..)?)?, 1),
        _ => (0, 0),
    };
    let mut at = at;
    out.extend_from_slice(message.get(at..at + before)?);
    at += before;
    for _ in 0..names {
        at = read_name(message, at, out)?;
    }
    out.extend_from_slice(message.get(at..)?);
    if rtype == 6 {
        // Servers count serials themselves.
        let serial_at = out.len().checked_sub(20)?;
        out[serial_at..serial_at + 4].fill(0);
    }
    Some(())
}

/// Octets before the name of a NAPTR (RFC 3403 section 4.1): two numbers, three strings.
fn naptr_strings_len(rdata: &[u8]) -> Option<usize> {
    let mut len = 4;
    for _ in 0..3 {
        len += 1 + usize::from(*rdata.get(len)?);
    }
    Some(len)
}

/// Appends the name at `at` in lower case; gives where it ends there.
pub(crate) fn read_name(message: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    let (mut at, mut lowest, mut end) = (at, at, None);
    loop {
        let len = *message.get(at)?;
        match len {
            0 => {
                out.push(0);
                return Some(end.unwrap_or(at + 1));
            }
            1..=63 => {
                let label = message.get(at..=at + usize::from(len))?;
                if out.len() - start + label.len() >= NAME_LEN_MAX {
                    return None;
                }
                // A length is no letter.
                out.extend(label.iter().map(u8::to_ascii_lowercase));
                at += label.len();
            }
            0xc0.. => {
                let target = usize::from(len & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                if target >= lowest {
                    return None;
                }
                end = end.or(Some(at + 2));
                (at, lowest) = (target, target);
            }
            _ => return None,
        }
    }
}

/// Where the records begin in a message with `count` questions.
pub(crate) fn questions_end(message: &[u8], count: u16) -> Option<usize> {
    let mut at = HEADER_LEN;
    for _ in 0..count {
        at = skip_name(message, at)? + 4;
    }
    Some(at)
}

/// Where the name at `at` ends there.
pub(crate) fn skip_name(message: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + usize::from(len),
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    /// A message is 12 octets of header and `\x07Example\x00`, and then what the test has.
    fn check(rest: &[u8], want: Expect) {
        let mut message = vec![0; HEADER_LEN];
        message.extend(b"\x07Example\0");
        let at = message.len();
        message.extend(rest);
        let mut key = Vec::new();
        let text = match read_record(&message, at, &mut key) {
            None => "no record".to_owned(),
            Some(record) => {
                let left = message.len() - record.end;
                format!(
                    "{} TYPE{} ttl {} left {left}",
                    key.escape_ascii(),
                    record.rtype,
                    record.ttl
                )
            }
        };
        want.assert_eq(&text);
    }

    #[test]
    fn names_are_written_out_in_lower_case() {
        check(
            b"\x03Www\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04ABCDrest",
            expect![[r"\x03www\x07example\x00\x00\x01ABCD TYPE1 ttl 5 left 4"]],
        );
        check(
            b"\xc0\x0c\0\x0f\0\x01\0\0\0\x05\0\x07\0\x0a\x02MX\xc0\x0c",
            expect![[r"\x07example\x00\x00\x0f\x00\n\x02mx\x07example\x00 TYPE15 ttl 5 left 0"]],
        );
        check(
            b"\0\0\x23\0\x01\0\0\0\x05\0\x0c\0\x01\0\x02\x01U\x01S\0\xc0\x0c\0",
            expect![[
                r"\x00\x00#\x00\x01\x00\x02\x01U\x01S\x00\x07example\x00\x00 TYPE35 ttl 5 left 0"
            ]],
        );
    }

    #[test]
    fn what_is_no_record_gives_none() {
        check(b"", expect!["no record"]);
        check(b"\xc0\x15\0\x01\0\x01\0\0\0\x05\0\0", expect!["no record"]);
        check(b"\xc0\xff\0\x01\0\x01\0\0\0\x05\0\0", expect!["no record"]);
        check(b"\x40a\0\x01\0\x01\0\0\0\x05\0\0", expect!["no record"]);
        check(b"\0\0\x01\0\x01\0\0\0\x05\0\x04abc", expect!["no record"]);
        check(
            b"\0\0\x02\0\x01\0\0\0\x05\0\x03\x03ab",
            expect!["no record"],
        );
    }

    proptest! {
        #[test]
        fn any_octets_are_read_to_an_end(message: Vec<u8>, at in 0..40_usize, rtype in 0..70_u16) {
            let mut key = Vec::new();
            if let Some(record) = read_record(&message, at, &mut key) {
                prop_assert!(record.end <= message.len() && record.end > at);
            }
            let _ = read_rdata(&message, at, rtype, &mut key);
            let _ = questions_end(&message, rtype);
        }
    }
}
