//! A received message, parsed in one pass into what can be decided about it.
//!
//! `parse` is a pure function over octets. Everything that a message can be is one [`Message`];
//! what it hands on is valid and is not looked at again. Malformed octets of any kind are an
//! outcome, never a panic, and cost no more than one pass over the message.
//!
//! Fixed choices where the standards leave one: octets after the last record are FORMERR; records
//! in ANSWER and AUTHORITY of a query are walked and ignored; names in the question must be
//! uncompressed (there is nothing before them to point to); OPT belongs into ADDITIONAL only.

use crate::cookie::CookieOption;
use crate::subnet;
use crate::table::rtype;
use crate::wire::LowerName;

/// Octets of a message header (RFC 1035 section 4.1.1).
pub const HEADER_LEN: usize = 12;

/// Response codes (IANA "DNS RCODEs").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the definition")]
pub enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    BadVers = 16,
    BadCookie = 23,
}

/// Everything that a received message can be.
#[derive(Debug)]
pub enum Message<'m> {
    /// Not a query: shorter than a header, or itself a response. Answering would make loops.
    Silence,
    /// A message that is refused as a whole. The question, when there is a readable one, ends at
    /// `question_end`.
    Reject {
        /// FORMERR, NOTIMP or BADVERS.
        rcode: Rcode,
        /// End of the one readable question, else [`HEADER_LEN`].
        question_end: usize,
        /// The EDNS of the query, when it was readable.
        edns: Option<Edns<'m>>,
    },
    /// A query without a question that asks for a server cookie (RFC 7873 section 5.4).
    CookieOnly(Edns<'m>),
    /// A query with one question.
    Query(Query<'m>),
}

/// One question with its EDNS. Its name is in the [`LowerName`] given to [`read_name`].
#[derive(Debug)]
pub struct Query<'m> {
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// End of the question: the octets from the header to here are echoed.
    pub question_end: usize,
    /// EDNS, when the query has an OPT record.
    pub edns: Option<Edns<'m>>,
}

/// The OPT record of a query (RFC 6891), version 0 options as far as they matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edns<'m> {
    /// The UDP payload size that the client takes.
    pub payload_max: u16,
    /// DO: the client wants DNSSEC records; echoed (RFC 3225).
    pub dnssec_ok: bool,
    /// The first cookie option.
    pub cookie: Option<CookieOption<'m>>,
    /// The content of the first client subnet option (RFC 7871), not looked at: that is only done
    /// for forwarders whose word counts.
    pub subnet: Option<&'m [u8]>,
    /// The client asks for the server's identity (RFC 5001).
    pub nsid: bool,
    /// The client speaks TCP keepalive (RFC 7828).
    pub keepalive: bool,
}

const FLAG_RESPONSE: u8 = 0x80;
const OPT_COOKIE: u16 = 10;
const OPT_NSID: u16 = 3;
const OPT_KEEPALIVE: u16 = 11;

/// Reads the name of the question into `name`, in lower case, before all else is looked at; its
/// length in the message, or none when no name is there.
#[inline]
pub fn read_name(message: &[u8], name: &mut LowerName) -> Option<usize> {
    name.read(message.get(HEADER_LEN..)?)
}

/// Parses a message whose question's name [`read_name`] has read, `name_len` being what it gave.
#[inline]
pub fn parse(message: &[u8], name_len: Option<usize>) -> Message<'_> {
    let Some(header) = message.first_chunk::<HEADER_LEN>() else {
        return Message::Silence;
    };
    if header[2] & FLAG_RESPONSE != 0 {
        return Message::Silence;
    }
    match usual_query(message, header, name_len) {
        Some(query) => Message::Query(query),
        None => parse_unusual(message, header, name_len),
    }
}

/// A message that is not like nearly all.
#[inline(never)]
fn parse_unusual<'m>(
    message: &'m [u8],
    header: &[u8; HEADER_LEN],
    name_len: Option<usize>,
) -> Message<'m> {
    let opcode = header[2] >> 3 & 0x0f;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let counts = Counts {
        questions: count(4),
        ahead: [count(6), count(8)],
        additional: count(10),
    };
    let parsed = parse_sections(message, &counts, name_len);
    match (opcode, parsed) {
        (0, Ok(sections)) => sections.into_message(),
        (0, Err(malformed)) => Message::Reject {
            rcode: Rcode::FormErr,
            question_end: malformed.question_end,
            edns: malformed.edns,
        },
        (_, Ok(sections)) => Message::Reject {
            rcode: Rcode::NotImp,
            question_end: sections.question_end,
            edns: sections.edns,
        },
        (_, Err(malformed)) => Message::Reject {
            rcode: Rcode::NotImp,
            question_end: malformed.question_end,
            edns: malformed.edns,
        },
    }
}

struct Counts {
    questions: u16,
    ahead: [u16; 2],
    additional: u16,
}

/// The parts of a well-formed message.
struct Sections<'m> {
    question: Option<(u16, u16)>,
    question_end: usize,
    edns: Option<Edns<'m>>,
    /// The OPT record has a version other than 0.
    bad_version: bool,
}

/// A message that is no message; its question could be read up to here.
struct Malformed<'m> {
    question_end: usize,
    /// An OPT record that could be read, though not its options: OPT is answered by OPT.
    edns: Option<Edns<'m>>,
}

impl<'m> Sections<'m> {
    fn into_message(self) -> Message<'m> {
        let reject = |rcode| Message::Reject {
            rcode,
            question_end: self.question_end,
            edns: self.edns,
        };
        if self.bad_version {
            return reject(Rcode::BadVers);
        }
        match (self.question, self.edns) {
            (Some((qtype, _)), _) if is_no_question(qtype) => reject(Rcode::FormErr),
            (Some((qtype, qclass)), edns) => Message::Query(Query {
                qtype,
                qclass,
                question_end: self.question_end,
                edns,
            }),
            (None, Some(edns)) if edns.cookie.is_some() => Message::CookieOnly(edns),
            (None, _) => reject(Rcode::FormErr),
        }
    }
}

/// Types of records that belong to a message, not to a name; nothing can be asked of them.
#[inline]
fn is_no_question(qtype: u16) -> bool {
    matches!(qtype, rtype::OPT | rtype::TKEY | rtype::TSIG | 0)
}

/// Nearly all queries, as [`parse_sections`] would find them, too: one question, and after it
/// nothing, or an OPT record of version 0 without options.
#[inline]
fn usual_query<'m>(
    message: &[u8],
    header: &[u8; HEADER_LEN],
    name_len: Option<usize>,
) -> Option<Query<'m>> {
    let [_, _, flags, _, 0, 1, 0, 0, 0, 0, 0, additional] = *header else {
        return None;
    };
    if flags >> 3 != 0 {
        return None;
    }
    let question_end = HEADER_LEN + name_len? + 4;
    let (question, rest) = message.split_at_checked(question_end)?;
    let [.., t0, t1, c0, c1] = *question else {
        return None;
    };
    let edns = match (additional, rest) {
        (0, []) => None,
        (1, [0, 0, 41, p0, p1, _, 0, flags, _, 0, 0]) => Some(Edns {
            payload_max: u16::from_be_bytes([*p0, *p1]),
            dnssec_ok: flags & 0x80 != 0,
            ..Edns::default()
        }),
        _ => return None,
    };
    let qtype = u16::from_be_bytes([t0, t1]);
    if is_no_question(qtype) {
        return None;
    }
    Some(Query {
        qtype,
        qclass: u16::from_be_bytes([c0, c1]),
        question_end,
        edns,
    })
}

fn parse_sections<'m>(
    message: &'m [u8],
    counts: &Counts,
    name_len: Option<usize>,
) -> Result<Sections<'m>, Malformed<'m>> {
    let mut at = HEADER_LEN;
    let mut question = None;
    let nothing_read = Malformed {
        question_end: HEADER_LEN,
        edns: None,
    };
    match counts.questions {
        0 => {}
        1 => {
            let Some(length) = name_len else {
                return Err(nothing_read);
            };
            at += length;
            let Some(fixed) = message[at..].first_chunk::<4>() else {
                return Err(nothing_read);
            };
            let [t0, t1, c0, c1] = *fixed;
            question = Some((u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1])));
            at += 4;
        }
        _ => return Err(nothing_read),
    }
    let question_end = at;
    let malformed = || Malformed {
        question_end,
        edns: None,
    };
    for _ in 0..u32::from(counts.ahead[0]) + u32::from(counts.ahead[1]) {
        let record = RecordFrame::read(message, at).ok_or_else(malformed)?;
        if record.rtype == rtype::OPT {
            return Err(malformed());
        }
        at = record.end;
    }
    let mut opt = None;
    for _ in 0..counts.additional {
        let record = RecordFrame::read(message, at).ok_or_else(malformed)?;
        if record.rtype == rtype::OPT {
            let parsed = parse_opt(&record).map_err(|edns| Malformed { question_end, edns })?;
            if opt.is_some() {
                let edns = Some(parsed.1);
                return Err(Malformed { question_end, edns });
            }
            opt = Some(parsed);
        }
        at = record.end;
    }
    if at != message.len() {
        return Err(malformed());
    }
    let bad_version = opt.as_ref().is_some_and(|(version, _)| *version != 0);
    Ok(Sections {
        question,
        question_end,
        edns: opt.map(|(_, edns)| edns),
        bad_version,
    })
}

/// One record's borders and fixed fields.
struct RecordFrame<'m> {
    owner_is_root: bool,
    rtype: u16,
    class: u16,
    ttl: [u8; 4],
    rdata: &'m [u8],
    end: usize,
}

impl<'m> RecordFrame<'m> {
    fn read(message: &'m [u8], start: usize) -> Option<RecordFrame<'m>> {
        let at = skip_name(message, start)?;
        let [t0, t1, c0, c1, ttl @ .., l0, l1] = *message.get(at..)?.first_chunk::<10>()?;
        let end = at + 10 + usize::from(u16::from_be_bytes([l0, l1]));
        Some(RecordFrame {
            owner_is_root: at == start + 1,
            rtype: u16::from_be_bytes([t0, t1]),
            class: u16::from_be_bytes([c0, c1]),
            ttl,
            rdata: message.get(at + 10..end)?,
            end,
        })
    }
}

/// The end of the name at `start`. Pointers are not followed, but must point backwards behind the
/// header, so what would loop is refused without a walk.
fn skip_name(message: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let length = *message.get(at)?;
        match length {
            0 => return Some(at + 1),
            1..=63 => at += usize::from(length) + 1,
            0xc0.. => {
                let target = usize::from(length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                return (HEADER_LEN..start).contains(&target).then_some(at + 2);
            }
            _ => return None,
        }
        if at - start >= crate::wire::NAME_LEN_MAX {
            return None;
        }
    }
}

/// Version and content of an OPT record; when it is malformed, what could be read of it. Options of
/// versions other than 0 are not looked at.
fn parse_opt<'m>(record: &RecordFrame<'m>) -> Result<(u8, Edns<'m>), Option<Edns<'m>>> {
    if !record.owner_is_root {
        return Err(None);
    }
    let [_, version, flags, _] = record.ttl;
    let mut edns = Edns {
        payload_max: record.class,
        dnssec_ok: flags & 0x80 != 0,
        ..Edns::default()
    };
    let options = if version == 0 { record.rdata } else { &[] };
    match parse_options(options, &mut edns) {
        Some(()) => Ok((version, edns)),
        None => Err(Some(edns)),
    }
}

fn parse_options<'m>(mut options: &'m [u8], edns: &mut Edns<'m>) -> Option<()> {
    while !options.is_empty() {
        let (&[c0, c1, l0, l1], rest) = options.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (content, rest) = rest.split_at_checked(length)?;
        match u16::from_be_bytes([c0, c1]) {
            OPT_COOKIE if edns.cookie.is_none() => {
                edns.cookie = Some(CookieOption::parse(content)?);
            }
            subnet::OPTION if edns.subnet.is_none() => edns.subnet = Some(content),
            OPT_NSID => edns.nsid = true,
            OPT_KEEPALIVE => edns.keepalive = true,
            _ => {}
        }
        options = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests;
