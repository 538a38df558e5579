//! What a reply must be. The words of the tables:
//!
//! `rcode=NAME[,NAME]`; header bits `aa=0 tc=1 ra= rd= ad= z=`; counts `answers=N answers>=N
//! answers<=N authority=N additional=N` (OPT is not counted); `answer{WORDS}` `authority{WORDS}`
//! `additional{WORDS}`: a record whose text "owner ttl class type rdata" holds these words in a
//! row; `first{WORDS}`: the first answer does; `absent{WORDS}`: no record anywhere does; `opt`
//! `noopt` `version=N` `do=N` `payload=N` `ednsz=0`; `option=N` `nooption=N` `optionis=N:HEX`;
//! `ede=N[,N]` `noede`; `size<=N` octets; `ttl<=N` for every record; `silent`; `closed`.
//!
//! [`judge`] also applies what holds for every reply: see [`every_reply`].

use hickory_proto::op::Message;

use super::rows::{hex, number};
use crate::harness::exchange::{Outcome, Transport};
use crate::harness::reply::{Record, Reply};

/// One word of the expect column.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Rcode(Vec<u16>),
    Bit(u16, bool),
    Count(usize, Relation, usize),
    Has(usize, String),
    First(String),
    Absent(String),
    Opt(bool),
    Version(u16),
    Do(bool),
    Payload(u16),
    EdnsZ,
    Option(u16, bool),
    OptionIs(u16, Vec<u8>),
    Ede(Vec<u16>),
    SizeMax(usize),
    TtlMax(u32),
    Silent,
    Closed,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Relation {
    Equal,
    AtLeast,
    AtMost,
}

/// What was sent, as far as it bounds the reply.
pub(crate) struct Sent<'a> {
    pub(crate) octets: &'a [u8],
    pub(crate) transport: Transport,
    /// Whether a good OPT record was in it; `None` when that is not known.
    pub(crate) edns: Option<bool>,
}

const SECTIONS: [&str; 3] = ["answer", "authority", "additional"];

const RCODES: &[(&str, u16)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("NOTAUTH", 9),
    ("BADVERS", 16),
    ("BADCOOKIE", 23),
];

/// Reads one alternative of the expect column.
pub(crate) fn parse(text: &str) -> Result<Vec<Check>, String> {
    split_words(text)
        .iter()
        .map(|word| parse_word(word))
        .collect()
}

/// Splits at blanks that are not inside braces.
fn split_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match words.last_mut() {
            Some(word) if character != ' ' || depth > 0 => word.push(character),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn parse_word(word: &str) -> Result<Check, String> {
    if let Some((place, rest)) = word.split_once('{') {
        let words = rest.strip_suffix('}').ok_or("a brace is open")?.to_owned();
        return match (place, SECTIONS.iter().position(|name| *name == place)) {
            ("first", _) => Ok(Check::First(words)),
            ("absent", _) => Ok(Check::Absent(words)),
            (_, Some(section)) => Ok(Check::Has(section, words)),
            _ => Err(format!("no section {place}")),
        };
    }
    if let Some(check) = parse_count(word) {
        return check;
    }
    let codes = |text: &str| text.split(',').map(number).collect::<Result<Vec<u16>, _>>();
    Ok(match word.split_once('=').unwrap_or((word, "")) {
        ("rcode", names) => Check::Rcode(names.split(',').map(rcode).collect::<Result<_, _>>()?),
        ("opt", "") => Check::Opt(true),
        ("noopt", "") => Check::Opt(false),
        ("version", text) => Check::Version(number(text)?),
        ("do", text) => Check::Do(number(text)? == 1),
        ("payload", text) => Check::Payload(number(text)?),
        ("ednsz", "0") => Check::EdnsZ,
        ("option", text) => Check::Option(number(text)?, true),
        ("nooption", text) => Check::Option(number(text)?, false),
        ("optionis", text) => {
            let (code, value) = text.split_once(':').ok_or("optionis=CODE:HEX")?;
            Check::OptionIs(number(code)?, hex(value)?)
        }
        ("ede", text) => Check::Ede(codes(text)?),
        ("noede", "") => Check::Option(15, false),
        ("size<", text) => Check::SizeMax(usize::from(number(text)?)),
        ("ttl<", text) => Check::TtlMax(u32::from(number(text)?)),
        ("silent", "") => Check::Silent,
        ("closed", "") => Check::Closed,
        (bit, text) => {
            let mask = header_bit(bit).ok_or_else(|| format!("unknown word {word}"))?;
            Check::Bit(mask, number(text)? == 1)
        }
    })
}

fn parse_count(word: &str) -> Option<Result<Check, String>> {
    let names = ["answers", "authority", "additional"];
    let section = names.iter().position(|name| word.starts_with(name))?;
    let rest = &word[names[section].len()..];
    let relations = [
        ("=", Relation::Equal),
        (">=", Relation::AtLeast),
        ("<=", Relation::AtMost),
    ];
    let (sign, relation) = relations
        .into_iter()
        .find(|(sign, _)| rest.starts_with(sign))?;
    let count = number(&rest[sign.len()..]);
    Some(count.map(|count| Check::Count(section, relation, usize::from(count))))
}

fn rcode(name: &str) -> Result<u16, String> {
    let known = RCODES.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, code)| *code)
        .ok_or_else(|| format!("rcode {name}"))
}

/// The mask of a header bit in the second word.
pub(crate) fn header_bit(name: &str) -> Option<u16> {
    let bits = [
        ("qr", 0x8000),
        ("aa", 0x0400),
        ("tc", 0x0200),
        ("rd", 0x0100),
        ("ra", 0x0080),
        ("z", 0x0040),
        ("ad", 0x0020),
        ("cd", 0x0010),
    ];
    bits.into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, mask)| mask)
}

/// Whether one alternative holds; else why the best-known one, the first, does not.
pub(crate) fn judge(
    alternatives: &[Vec<Check>],
    sent: &Sent<'_>,
    outcome: &Outcome,
) -> Result<(), String> {
    let reply = match outcome {
        Outcome::Reply(octets) => {
            let reply = Reply::decode(octets)?;
            Message::from_vec(octets).map_err(|error| format!("hickory-proto: {error}"))?;
            every_reply(&reply, sent)?;
            Some(reply)
        }
        Outcome::Silent | Outcome::Closed => None,
    };
    let mut reasons = Vec::new();
    for checks in alternatives {
        let failed = checks
            .iter()
            .find_map(|check| check.failure(outcome, reply.as_ref()));
        match failed {
            None => return Ok(()),
            Some(why) => reasons.push(why),
        }
    }
    Err(reasons.join("; and "))
}

/// What holds for every reply to every message: ID, QR, opcode and question come back; bits that
/// are not ours stay clear; it fits; no record is twice in a section; an RRset has one TTL.
fn every_reply(reply: &Reply, sent: &Sent<'_>) -> Result<(), String> {
    let word = |at: usize| {
        sent.octets
            .get(at..at + 2)
            .map(|two| u16::from_be_bytes([two[0], two[1]]))
    };
    let (id, flags) = (word(0).unwrap_or_default(), word(2).unwrap_or_default());
    let asked = word(4).unwrap_or_default();
    let error = matches!(reply.rcode(), 1 | 4 | 5);
    let limit = match sent.transport {
        Transport::Udp if sent.edns == Some(false) => 512,
        Transport::Udp => 1232,
        Transport::Tcp => 65_535,
    };
    let echo = sent.octets.get(12..).unwrap_or_default();
    let rules = [
        (reply.id == id, "the ID is not copied"),
        (reply.bit(0x8000), "QR is clear"),
        (
            reply.flags & 0x7800 == flags & 0x7800,
            "the opcode is not copied",
        ),
        (
            reply.flags & 0x0100 == flags & 0x0100 || reply.rcode() == 1,
            "RD is not copied",
        ),
        (!reply.bit(0x00e0), "RA, Z or AD is set"),
        (!error || !reply.bit(0x0400), "AA is set in an error"),
        (
            !error || reply.sections.iter().all(Vec::is_empty),
            "an error carries records",
        ),
        (
            echo.starts_with(&reply.question),
            "the question is not echoed octet by octet",
        ),
        (
            !reply.question.is_empty() || asked == 0 || matches!(reply.rcode(), 1 | 4),
            "the question is missing",
        ),
        (reply.octets <= limit, "the reply is larger than allowed"),
        (
            sent.edns != Some(false) || reply.opt.is_none(),
            "OPT without OPT in the query",
        ),
        (
            sent.edns != Some(true) || reply.opt.is_some() || matches!(reply.rcode(), 1 | 4),
            "no OPT although the query has one",
        ),
    ];
    if let Some((_, why)) = rules.into_iter().find(|(holds, _)| !holds) {
        return Err(why.into());
    }
    reply
        .sections
        .iter()
        .try_for_each(|section| well_formed_section(section))
}

fn well_formed_section(section: &[Record]) -> Result<(), String> {
    let mut sorted: Vec<&Record> = section.iter().collect();
    sorted.sort_by_key(|record| (&record.owner, record.kind, &record.rdata));
    for pair in sorted.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        if a.owner == b.owner && a.kind == b.kind {
            if a.rdata == b.rdata {
                return Err(format!("{a} is there twice"));
            }
            if a.ttl != b.ttl {
                return Err(format!("{a} and {b}: one RRset, two TTLs"));
            }
        }
    }
    Ok(())
}

impl Check {
    /// Why it does not hold, if so.
    fn failure(&self, outcome: &Outcome, reply: Option<&Reply>) -> Option<String> {
        let holds = match (self, reply) {
            (Check::Silent, _) => *outcome == Outcome::Silent,
            (Check::Closed, _) => *outcome == Outcome::Closed,
            (_, Some(reply)) => self.holds(reply),
            (_, None) => false,
        };
        (!holds).then(|| format!("{self:?} does not hold"))
    }

    fn holds(&self, reply: &Reply) -> bool {
        let records = || reply.sections.iter().flatten();
        let opt = reply.opt.as_ref();
        match self {
            Check::Rcode(codes) => codes.contains(&reply.rcode()),
            Check::Bit(mask, set) => reply.bit(*mask) == *set,
            Check::Count(section, relation, wanted) => {
                relation.holds(reply.sections[*section].len(), *wanted)
            }
            Check::Has(section, words) => reply.sections[*section]
                .iter()
                .any(|r| holds_words(r, words)),
            Check::First(words) => reply.sections[0]
                .first()
                .is_some_and(|r| holds_words(r, words)),
            Check::Absent(words) => !records().any(|record| holds_words(record, words)),
            Check::Opt(there) => opt.is_some() == *there,
            Check::Version(number) => opt.is_some_and(|opt| u16::from(opt.version) == *number),
            Check::Do(set) => opt.is_some_and(|opt| (opt.flags & 0x8000 != 0) == *set),
            Check::Payload(octets) => opt.is_some_and(|opt| opt.payload == *octets),
            Check::EdnsZ => opt.is_some_and(|opt| opt.flags & 0x7fff == 0),
            Check::Option(code, there) => reply.option(*code).is_some() == *there,
            Check::OptionIs(code, value) => reply.option(*code) == Some(value.as_slice()),
            Check::Ede(codes) => reply
                .option(15)
                .and_then(|value| value.first_chunk())
                .is_some_and(|code| codes.contains(&u16::from_be_bytes(*code))),
            Check::SizeMax(octets) => reply.octets <= *octets,
            Check::TtlMax(ttl) => records().all(|record| record.ttl <= *ttl),
            Check::Silent | Check::Closed => false,
        }
    }
}

impl Relation {
    fn holds(self, count: usize, wanted: usize) -> bool {
        match self {
            Relation::Equal => count == wanted,
            Relation::AtLeast => count >= wanted,
            Relation::AtMost => count <= wanted,
        }
    }
}

/// Whether the words of `wanted` are in the record's text, one after the other.
fn holds_words(record: &Record, wanted: &str) -> bool {
    let text = record.to_string();
    let words: Vec<&str> = text.split(' ').collect();
    let wanted: Vec<&str> = wanted.split(' ').collect();
    words.windows(wanted.len()).any(|window| window == wanted)
}
