//! What a zone answers: reads zone files and works out the right answer to a question.
//!
//! The algorithm is that of an authoritative server (RFC 1034 section 4.3.2 with RFC 4592 for
//! wildcards and RFC 6604 for the code after a chain): from the apex down to a cut, else the name,
//! else the wildcard below its closest encloser; CNAMEs are followed within the zone. Files are
//! read by hickory-proto, which refuses DNAME, DS and types without a name. Names are octets of the
//! wire in lower case; answers are for `verify` to compare.
//!
//! No answer is given where servers may rightly differ: outside the zones, in a loop of CNAMEs,
//! for ANY and other types that are no data, for DNSSEC's own records.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use hickory_proto::rr::{DNSClass, Name, Record, RecordSet, RrKey};
use hickory_proto::serialize::binary::BinEncodable as _;
use hickory_proto::serialize::txt::{LexerError, ParseError, Parser};

use crate::wire;

pub(crate) const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;
const TYPE_NS: u16 = 2;
const TYPE_CNAME: u16 = 5;
const TYPE_SOA: u16 = 6;
const TYPE_DS: u16 = 43;

/// The zones of all files.
#[derive(Debug, Default)]
pub(crate) struct Zones(Vec<Zone>);

#[derive(Debug)]
struct Zone {
    apex: Vec<u8>,
    /// Every name that exists, those between the apex and a name with records included.
    nodes: HashMap<Vec<u8>, Node>,
}

type Node = BTreeMap<u16, Vec<Rdata>>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rdata {
    ttl: u32,
    /// Names in it are written out in lower case.
    octets: Vec<u8>,
}

/// A right answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Right {
    /// None when it is not for this zone to say.
    pub(crate) rcode: Option<u8>,
    /// The CNAMEs on the way.
    pub(crate) chain: Vec<RightRecord>,
    /// The records that were asked for.
    pub(crate) records: Vec<RightRecord>,
    /// The NS records of a referral.
    pub(crate) referral: Vec<RightRecord>,
    /// Whether the chain leaves what this zone knows, so that more records are right, too.
    pub(crate) is_open: bool,
}

/// A record of a right answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RightRecord {
    /// Owner, type and RDATA as `wire::read_record` has them.
    pub(crate) key: Vec<u8>,
    pub(crate) ttl: u32,
}

/// What a zone has at a name.
enum Found<'a> {
    Node(&'a Node),
    /// Below a cut at this name.
    Cut(&'a [u8], &'a [Rdata]),
    Nothing,
}

/// The line at which the first record begins that cannot be read, found by halving: the parser
/// does not tell where it stopped. A beginning that ends within a record may go on well.
fn first_bad_line(text: &str, parse: impl Fn(&str) -> Result<(), ParseError>) -> usize {
    use LexerError::{UnclosedList, UnclosedQuotedString};
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let read = |lines: usize| parse(&text[..ends[lines - 1]]);
    let may_go_on = |end: &usize| match parse(&text[..*end]) {
        Ok(()) | Err(ParseError::Lexer(UnclosedList | UnclosedQuotedString)) => true,
        Err(_) => false,
    };
    let mut lines = ends.partition_point(may_go_on);
    while lines > 0 && read(lines).is_err() {
        lines -= 1;
    }
    lines + 1
}

impl Zones {
    /// Adds the zone of a file whose text is `text`.
    pub(crate) fn add(&mut self, text: &str, path: &Path) -> anyhow::Result<()> {
        let parse =
            |text: &str| Parser::new(text, Some(path.to_owned()), Some(Name::root())).parse();
        let (origin, sets) = parse(text).map_err(|error| {
            let line = first_bad_line(text, |start| parse(start).map(|_| ()));
            anyhow!("record at line {line}: {error}")
        })?;
        let zone = Zone::new(&origin, &sets)?;
        if self.0.iter().any(|known| known.apex == zone.apex) {
            bail!("a second file of this zone: put its records into one");
        }
        self.0.push(zone);
        Ok(())
    }

    /// The right answer to a question; none where there is no one right answer.
    pub(crate) fn answer(&self, qname: &[u8], qtype: u16) -> Option<Right> {
        let qname = qname.to_ascii_lowercase();
        let is_judged = matches!(qtype, 1..=40 | 42..=45 | 49 | 52..=127 | 256.. );
        let zone = self.zone_of(&qname).filter(|_| is_judged)?;
        let mut right = Right {
            rcode: Some(NOERROR),
            ..Right::default()
        };
        let mut names = vec![qname];
        loop {
            let name = names[names.len() - 1].clone();
            let is_elsewhere = self.zone_of(&name).is_none_or(|of| of.apex != zone.apex);
            match zone.find(&name, qtype) {
                _ if is_elsewhere => return Some(right.left_open()),
                Found::Nothing => {
                    right.rcode = Some(NXDOMAIN);
                    return Some(right);
                }
                Found::Cut(..) if names.len() > 1 => return Some(right.left_open()),
                Found::Cut(cut, servers) => {
                    right.referral = records(cut, TYPE_NS, servers);
                    return Some(right);
                }
                Found::Node(node) => match (node.get(&qtype), node.get(&TYPE_CNAME)) {
                    (None, Some(alias)) => {
                        right.chain.extend(records(&name, TYPE_CNAME, alias));
                        let target = alias[0].octets.clone();
                        if names.contains(&target) {
                            return None;
                        }
                        names.push(target);
                    }
                    (set, _) => {
                        right.records = records(&name, qtype, set.map_or(&[], Vec::as_slice));
                        return Some(right);
                    }
                },
            }
        }
    }

    fn zone_of(&self, name: &[u8]) -> Option<&Zone> {
        ancestors(name).find_map(|above| self.0.iter().find(|zone| zone.apex == above))
    }
}

impl Right {
    fn left_open(self) -> Right {
        Right {
            rcode: None,
            is_open: true,
            ..self
        }
    }
}

impl Zone {
    fn new(origin: &Name, sets: &BTreeMap<RrKey, RecordSet>) -> anyhow::Result<Zone> {
        let mut nodes: HashMap<Vec<u8>, Node> = HashMap::new();
        for record in sets.values().flat_map(RecordSet::records_without_rrsigs) {
            if record.dns_class != DNSClass::IN {
                bail!("{}: of another class than IN", record.name);
            }
            let (owner, rtype, rdata) = encoded(record)?;
            let set = nodes.entry(owner).or_default().entry(rtype).or_default();
            set.push(rdata);
        }
        let mut starts = nodes
            .iter()
            .filter(|(_, sets)| sets.contains_key(&TYPE_SOA));
        let apex = match (starts.next(), starts.next()) {
            (Some((apex, _)), None) => apex.clone(),
            (Some(_), Some(_)) => bail!("two SOA records: a file holds one zone"),
            (None, _) if origin.is_root() => bail!("no SOA record and no $ORIGIN: of which zone?"),
            (None, _) => encoded_name(origin)?,
        };
        let owners: Vec<Vec<u8>> = nodes.keys().cloned().collect();
        for owner in owners {
            if !ancestors(&owner).any(|above| above == apex) {
                bail!("a record outside of the zone: {}", owner.escape_ascii());
            }
            for above in ancestors(&owner).take_while(|above| *above != apex) {
                if !nodes.contains_key(above) {
                    nodes.insert(above.to_vec(), Node::new());
                }
            }
        }
        nodes.entry(apex.clone()).or_default();
        Ok(Zone { apex, nodes })
    }

    fn find(&self, name: &[u8], qtype: u16) -> Found<'_> {
        let mut path: Vec<&[u8]> = ancestors(name)
            .take_while(|above| *above != self.apex)
            .collect();
        path.reverse();
        let mut encloser = self.apex.as_slice();
        for above in path {
            let Some((known, node)) = self.nodes.get_key_value(above) else {
                let wildcard = [b"\x01*", encloser].concat();
                return self
                    .nodes
                    .get(&wildcard)
                    .map_or(Found::Nothing, Found::Node);
            };
            match node.get(&TYPE_NS) {
                // The parent holds the DS.
                Some(servers) if above != name || qtype != TYPE_DS => {
                    return Found::Cut(known, servers);
                }
                _ => encloser = above,
            }
        }
        self.nodes.get(name).map_or(Found::Nothing, Found::Node)
    }
}

/// The name itself and all above it, to the root.
fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| match name.first() {
        None | Some(0) => None,
        Some(&len) => name.get(1 + usize::from(len)..),
    })
}

fn records(owner: &[u8], rtype: u16, set: &[Rdata]) -> Vec<RightRecord> {
    let record = |rdata: &Rdata| RightRecord {
        key: [owner, &rtype.to_be_bytes(), &rdata.octets].concat(),
        ttl: rdata.ttl,
    };
    set.iter().map(record).collect()
}

fn encoded(record: &Record) -> anyhow::Result<(Vec<u8>, u16, Rdata)> {
    let what = || format!("{} {}", record.name, record.record_type());
    let rtype = u16::from(record.record_type());
    let rdata = record.data.to_bytes().with_context(what)?;
    let mut octets = Vec::new();
    wire::read_rdata(&rdata, 0, rtype, &mut octets).with_context(what)?;
    let ttl = record.ttl;
    Ok((encoded_name(&record.name)?, rtype, Rdata { ttl, octets }))
}

fn encoded_name(name: &Name) -> anyhow::Result<Vec<u8>> {
    let octets = name.to_bytes().with_context(|| name.to_string())?;
    Ok(octets.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
