//! DNS messages to send, right and wrong ones: every header bit, count and octet can be chosen.

/// Type codes by name, as the tables write them (IANA, "DNS Parameters").
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
    ("OPT", 41),
    ("DS", 43),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("NSEC3", 50),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("CAA", 257),
];

const CLASSES: &[(&str, u16)] = &[("IN", 1), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255)];

/// The ID of every query that does not choose another.
pub(crate) const QUERY_ID: u16 = 0x1234;

/// A query to encode.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) id: u16,
    /// The second header word: QR, OPCODE, AA, TC, RD, RA, Z, AD, CD, RCODE.
    pub(crate) flags: u16,
    pub(crate) question: Option<Question>,
    pub(crate) edns: Option<Edns>,
}

/// The question section's only member.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The name in wire format.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
}

/// The OPT record (RFC 6891).
#[derive(Debug, Clone)]
pub(crate) struct Edns {
    pub(crate) version: u8,
    pub(crate) payload: u16,
    pub(crate) flags: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Query {
    /// A plain query of class IN.
    pub(crate) fn new(name: &str, kind: &str) -> Query {
        let name = name_to_wire(name).expect("a name");
        let kind = type_code(kind).expect("a type");
        let question = Some(Question {
            name,
            kind,
            class: 1,
        });
        Query {
            id: QUERY_ID,
            flags: 0,
            question,
            edns: None,
        }
    }

    /// The same with EDNS version 0 and 1,232 octets of payload.
    pub(crate) fn with_edns(mut self) -> Query {
        self.edns_mut();
        self
    }

    /// The same with one EDNS option more.
    pub(crate) fn with_option(mut self, code: u16, value: &[u8]) -> Query {
        self.edns_mut().options.push((code, value.to_vec()));
        self
    }

    /// The OPT record, added when there is none.
    pub(crate) fn edns_mut(&mut self) -> &mut Edns {
        self.edns.get_or_insert(Edns {
            version: 0,
            payload: 1232,
            flags: 0,
            options: Vec::new(),
        })
    }

    /// The message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = |there: bool| u16::from(there);
        let counts = [
            count(self.question.is_some()),
            0,
            0,
            count(self.edns.is_some()),
        ];
        let mut message = header(self.id, self.flags, counts);
        if let Some(question) = &self.question {
            question.encode(&mut message);
        }
        if let Some(edns) = &self.edns {
            edns.encode(&mut message);
        }
        message
    }
}

impl Question {
    /// Appends the question.
    pub(crate) fn encode(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.name);
        message.extend_from_slice(&self.kind.to_be_bytes());
        message.extend_from_slice(&self.class.to_be_bytes());
    }
}

impl Edns {
    /// Appends the OPT record.
    pub(crate) fn encode(&self, message: &mut Vec<u8>) {
        let mut rdata = Vec::new();
        for (code, value) in &self.options {
            rdata.extend_from_slice(&code.to_be_bytes());
            rdata.extend_from_slice(&length_word(value.len()));
            rdata.extend_from_slice(value);
        }
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&self.payload.to_be_bytes());
        message.extend_from_slice(&[0, self.version]);
        message.extend_from_slice(&self.flags.to_be_bytes());
        message.extend_from_slice(&length_word(rdata.len()));
        message.extend_from_slice(&rdata);
    }
}

/// The twelve octets of a header.
pub(crate) fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let words = [id, flags, counts[0], counts[1], counts[2], counts[3]];
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A length as two octets.
pub(crate) fn length_word(length: usize) -> [u8; 2] {
    u16::try_from(length)
        .expect("a length of 16 bits")
        .to_be_bytes()
}

/// A message with its length in front, as TCP carries it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&length_word(message.len())[..], message].concat()
}

/// A type by name, or `TYPEn` (RFC 3597 section 5).
pub(crate) fn type_code(name: &str) -> Option<u16> {
    code(TYPES, name).or_else(|| name.strip_prefix("TYPE")?.parse().ok())
}

/// The name of a type.
pub(crate) fn type_name(kind: u16) -> String {
    let known = TYPES.iter().find(|(_, number)| *number == kind);
    known.map_or(format!("TYPE{kind}"), |(name, _)| (*name).to_owned())
}

/// A class by name.
pub(crate) fn class_code(name: &str) -> Option<u16> {
    code(CLASSES, name).or_else(|| name.strip_prefix("CLASS")?.parse().ok())
}

fn code(table: &[(&str, u16)], name: &str) -> Option<u16> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

/// A name from presentation format (RFC 1035 section 5.1): `\.` and `\DDD` are understood.
/// Labels may be longer than is legal: that is for the caller to want.
pub(crate) fn name_to_wire(name: &str) -> Result<Vec<u8>, String> {
    let mut wire = Vec::new();
    let mut label = Vec::new();
    let mut octets = name.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' if label.is_empty() && name != "." => {
                return Err(format!("empty label in {name}"));
            }
            b'.' if name == "." => {}
            b'.' => {
                wire.push(u8::try_from(label.len()).map_err(|_| "label over 255 octets")?);
                wire.append(&mut label);
            }
            b'\\' => label.push(unescape(&mut octets).ok_or_else(|| format!("escape in {name}"))?),
            _ => label.push(octet),
        }
    }
    if !label.is_empty() {
        return Err(format!("{name} does not end in a dot"));
    }
    wire.push(0);
    Ok(wire)
}

fn unescape(octets: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = octets.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, octets.next()?, octets.next()?];
    std::str::from_utf8(&digits).ok()?.parse().ok()
}
