//! A reply, read octet by octet and with more suspicion than a client would: names may point
//! backwards only, RDATA must be filled exactly, nothing may follow the last record.

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::query::type_name;

/// A decoded reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) id: u16,
    /// The second header word.
    pub(crate) flags: u16,
    /// The question section's octets as they came.
    pub(crate) question: Vec<u8>,
    /// Answer, authority, additional; OPT is not among them.
    pub(crate) sections: [Vec<Record>; 3],
    pub(crate) opt: Option<OptRecord>,
    pub(crate) octets: usize,
}

/// One record, names expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) owner: String,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    /// RDATA in presentation format.
    pub(crate) rdata: String,
}

/// The OPT record of a reply.
#[derive(Debug)]
pub(crate) struct OptRecord {
    pub(crate) payload: u16,
    pub(crate) version: u8,
    pub(crate) extended_rcode: u8,
    pub(crate) flags: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Reply {
    /// Reads a whole message; the error says what is wrong with it and where.
    pub(crate) fn decode(message: &[u8]) -> Result<Reply, String> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.word()?, reader.word()?);
        let counts = [
            reader.word()?,
            reader.word()?,
            reader.word()?,
            reader.word()?,
        ];
        let mut reply = Reply {
            id,
            flags,
            question: Vec::new(),
            sections: Default::default(),
            opt: None,
            octets: message.len(),
        };
        for _ in 0..counts[0] {
            reader.name(true)?;
            reader.take(4)?;
        }
        reply.question = message[12..reader.at].to_vec();
        for (section, count) in counts[1..].iter().enumerate() {
            for _ in 0..*count {
                reply.read_record(&mut reader, section)?;
            }
        }
        match message.len() - reader.at {
            0 => Ok(reply),
            left => Err(format!("{left} octets follow the last record")),
        }
    }

    fn read_record(&mut self, reader: &mut Reader<'_>, section: usize) -> Result<(), String> {
        let owner = reader.name(true)?;
        let (kind, class, ttl) = (reader.word()?, reader.word()?, reader.long()?);
        let length = usize::from(reader.word()?);
        let end = reader.at + length;
        if end > reader.message.len() {
            return Err(format!("RDLENGTH {length} of {owner} passes the end"));
        }
        if kind == 41 {
            let opt = OptRecord::decode(class, ttl, reader.take(length)?)?;
            let wrong = self.opt.is_some() || section != 2 || owner != ".";
            self.opt = Some(opt);
            return if wrong {
                Err("OPT twice, not additional or not at .".into())
            } else {
                Ok(())
            };
        }
        let rdata = reader
            .rdata(kind, end)
            .map_err(|why| format!("RDATA of {owner}: {why}"))?;
        if reader.at != end {
            return Err(format!("RDATA of {owner} ends at {}, not {end}", reader.at));
        }
        self.sections[section].push(Record {
            owner,
            kind,
            class,
            ttl,
            rdata,
        });
        Ok(())
    }

    /// One header bit, by its mask.
    pub(crate) fn bit(&self, mask: u16) -> bool {
        self.flags & mask != 0
    }

    /// RCODE with its extension from OPT.
    pub(crate) fn rcode(&self) -> u16 {
        let extension = self
            .opt
            .as_ref()
            .map_or(0, |opt| u16::from(opt.extended_rcode));
        extension << 4 | self.flags & 0x000f
    }

    /// The first EDNS option with `code`.
    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        let options = &self.opt.as_ref()?.options;
        options
            .iter()
            .find(|(number, _)| *number == code)
            .map(|(_, value)| value.as_slice())
    }

    /// The RDATA of all answers of type `kind`, sorted.
    pub(crate) fn answers_of(&self, kind: u16) -> Vec<String> {
        let answers = self.sections[0].iter().filter(|record| record.kind == kind);
        let mut rdata: Vec<String> = answers.map(|record| record.rdata.clone()).collect();
        rdata.sort();
        rdata
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} octets, id {:04x}, flags {:04x}",
            self.octets, self.id, self.flags
        )?;
        write!(f, ", rcode {}", self.rcode())?;
        if let Some(opt) = &self.opt {
            write!(f, ", {opt:?}")?;
        }
        for (title, section) in ["answer", "authority", "additional"]
            .iter()
            .zip(&self.sections)
        {
            write!(f, "\n    {title}: {} records", section.len())?;
            for record in section.iter().take(12) {
                write!(f, "\n      {record}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            1 => "IN".to_owned(),
            3 => "CH".to_owned(),
            other => format!("CLASS{other}"),
        };
        write!(
            f,
            "{} {} {class} {} {}",
            self.owner,
            self.ttl,
            type_name(self.kind),
            self.rdata
        )
    }
}

impl OptRecord {
    fn decode(class: u16, ttl: u32, rdata: &[u8]) -> Result<OptRecord, String> {
        let [extended_rcode, version, high, low] = ttl.to_be_bytes();
        let mut reader = Reader {
            message: rdata,
            at: 0,
        };
        let mut options = Vec::new();
        while reader.at < rdata.len() {
            let code = reader.word()?;
            let length = usize::from(reader.word()?);
            options.push((code, reader.take(length)?.to_vec()));
        }
        let flags = u16::from_be_bytes([high, low]);
        Ok(OptRecord {
            payload: class,
            version,
            extended_rcode,
            flags,
            options,
        })
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let taken = self.message.get(self.at..self.at + length);
        self.at += length;
        taken.ok_or_else(|| format!("the message ends before octet {}", self.at))
    }

    fn word(&mut self) -> Result<u16, String> {
        Ok(self
            .take(2)?
            .iter()
            .fold(0, |sum, octet| sum << 8 | u16::from(*octet)))
    }

    fn long(&mut self) -> Result<u32, String> {
        Ok(self
            .take(4)?
            .iter()
            .fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
    }

    /// A name; pointers only where compression is allowed, and only backwards.
    fn name(&mut self, compression: bool) -> Result<String, String> {
        let mut text = String::new();
        let mut wire_length = 1;
        let mut resume = None;
        let mut floor = self.at;
        loop {
            let length = self.take(1)?[0];
            match length {
                0 => break,
                1..=63 => {
                    wire_length += 1 + usize::from(length);
                    escape_label(self.take(usize::from(length))?, &mut text);
                }
                0xc0..=0xff => {
                    let low = self.take(1)?[0];
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if !compression || target >= floor || target < 12 {
                        return Err(format!("pointer to {target} at octet {}", self.at - 2));
                    }
                    resume = resume.or(Some(self.at));
                    (self.at, floor) = (target, target);
                }
                other => return Err(format!("label type {other:#x} at octet {}", self.at - 1)),
            }
        }
        self.at = resume.unwrap_or(self.at);
        if wire_length > 255 {
            return Err(format!("name of {wire_length} octets"));
        }
        Ok(if text.is_empty() { ".".into() } else { text })
    }

    /// RDATA in presentation format; reads up to `end`, never compressed names in types newer
    /// than RFC 1035 (RFC 3597 section 4).
    fn rdata(&mut self, kind: u16, end: usize) -> Result<String, String> {
        Ok(match kind {
            1 => {
                let octets: [u8; 4] = self.take(4)?.try_into().map_err(|_| "no address")?;
                Ipv4Addr::from(octets).to_string()
            }
            28 => {
                let octets: [u8; 16] = self.take(16)?.try_into().map_err(|_| "no address")?;
                Ipv6Addr::from(octets).to_string()
            }
            2 | 5 | 12 => self.name(true)?,
            6 => {
                let names = format!("{} {}", self.name(true)?, self.name(true)?);
                (0..5).try_fold(names, |text, _| {
                    Ok::<_, String>(format!("{text} {}", self.long()?))
                })?
            }
            15 => format!("{} {}", self.word()?, self.name(true)?),
            33 => {
                let numbers = [self.word()?, self.word()?, self.word()?];
                format!(
                    "{} {} {} {}",
                    numbers[0],
                    numbers[1],
                    numbers[2],
                    self.name(false)?
                )
            }
            13 | 16 => {
                let mut strings = Vec::new();
                while self.at < end {
                    let length = usize::from(self.take(1)?[0]);
                    strings.push(format!(
                        "\"{}\"",
                        String::from_utf8_lossy(self.take(length)?)
                    ));
                }
                strings.join(" ")
            }
            _ => {
                let octets = self.take(end - self.at)?;
                let hex = octets
                    .iter()
                    .fold(String::new(), |text, octet| text + &format!("{octet:02x}"));
                format!("\\# {} {hex}", octets.len())
            }
        })
    }
}

/// A label in presentation format with its dot.
fn escape_label(label: &[u8], text: &mut String) {
    for octet in label {
        match octet {
            b'.' | b'\\' => text.extend(['\\', char::from(*octet)]),
            0x21..=0x7e => text.push(char::from(*octet)),
            other => write!(text, "\\{other:03}").expect("write to a string"),
        }
    }
    text.push('.');
}
