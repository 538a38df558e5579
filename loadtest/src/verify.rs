//! Whether an answer is the one that the zone has.
//!
//! The right answers are worked out before the run, one for each different question, and lie in
//! flat memory, sorted: for an answer the loop reads the records of its answer section (of the
//! authority section for a referral) and looks each up by bisection. It allocates nothing.
//! A truncated answer is not wrong, and of one that filled the receive buffer the rest is unknown.

use std::collections::HashMap;
use std::ops::Range;

use crate::kernel::PACKET_LEN_MAX;
use crate::packet::{Answer, Queries};
use crate::wire;
use crate::zone::{RightRecord, Zones};

const TYPE_NS: u16 = 2;
const TYPE_RRSIG: u16 = 46;
const CLASS_IN: u16 = 1;
/// Octets of the longest key: owner, type, and an RDATA of names written out.
const KEY_LEN_MAX: usize = 2 * PACKET_LEN_MAX;

/// The right answers to all queries of a run.
pub(crate) struct Verifier {
    /// For each query its place in `rights`, or none.
    of_query: Vec<Option<u32>>,
    rights: Vec<Right>,
    records: Vec<Known>,
    keys: Vec<u8>,
    is_subset_right: bool,
}

/// Room for the judgement of one answer.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    key: Vec<u8>,
    seen: Vec<bool>,
}

struct Right {
    rcode: Option<u8>,
    /// Places in `records`, sorted by key.
    answer: Range<usize>,
    /// NS records, sorted by key; empty unless it is a referral.
    referral: Range<usize>,
    is_open: bool,
}

struct Known {
    key: Range<usize>,
    ttl: u32,
    /// Right even when it is missing, as long as one like it is there.
    is_one_of_set: bool,
}

impl Verifier {
    pub(crate) fn new(zones: &Zones, queries: &Queries, is_subset_right: bool) -> Verifier {
        let mut verifier = Verifier {
            of_query: Vec::with_capacity(queries.len()),
            rights: Vec::new(),
            records: Vec::new(),
            keys: Vec::new(),
            is_subset_right,
        };
        let mut known = HashMap::new();
        for query in 0..queries.len() as u32 {
            let question = queries.question(query);
            let right = question.and_then(|(qname, qtype, qclass)| {
                let make = || {
                    let right = zones.answer(qname, qtype)?;
                    Some(verifier.add(right))
                };
                match qclass {
                    CLASS_IN => *known.entry((qname, qtype)).or_insert_with(make),
                    _ => None,
                }
            });
            verifier.of_query.push(right);
        }
        verifier
    }

    fn add(&mut self, right: crate::zone::Right) -> u32 {
        let chain = right.chain.into_iter().map(|record| (record, false));
        let records = right.records.into_iter().map(|record| (record, true));
        let referral = right.referral.into_iter().map(|record| (record, true));
        let right = Right {
            rcode: right.rcode,
            answer: self.add_records(chain.chain(records).collect()),
            referral: self.add_records(referral.collect()),
            is_open: right.is_open,
        };
        self.rights.push(right);
        self.rights.len() as u32 - 1
    }

    fn add_records(&mut self, mut records: Vec<(RightRecord, bool)>) -> Range<usize> {
        records.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        let start = self.records.len();
        for (RightRecord { key, ttl }, is_one_of_set) in records {
            let key_start = self.keys.len();
            self.keys.extend(key);
            self.records.push(Known {
                key: key_start..self.keys.len(),
                ttl,
                is_one_of_set,
            });
        }
        start..self.records.len()
    }

    /// How many queries have a right answer to compare with.
    pub(crate) fn judged(&self) -> usize {
        self.of_query.iter().flatten().count()
    }

    /// The answer code that is right for a query, where the zone says it.
    pub(crate) fn rcode(&self, query: u32) -> Option<u8> {
        self.right(query)?.rcode
    }

    /// Whether two queries have the same right answer, because they ask the same.
    pub(crate) fn is_same_question(&self, one: u32, other: u32) -> bool {
        self.of_query[one as usize] == self.of_query[other as usize]
    }

    /// Room for all answers.
    pub(crate) fn scratch(&self) -> Scratch {
        let longest = |right: &Right| right.answer.len().max(right.referral.len());
        Scratch {
            key: Vec::with_capacity(KEY_LEN_MAX),
            seen: vec![false; self.rights.iter().map(longest).max().unwrap_or(0)],
        }
    }

    /// Whether `response`, whose header is `answer`, is not what the zone has.
    pub(crate) fn is_wrong(
        &self,
        query: u32,
        answer: Answer,
        response: &[u8],
        scratch: &mut Scratch,
    ) -> bool {
        let Some(right) = self.right(query) else {
            return false;
        };
        if right.rcode.is_some_and(|rcode| rcode != answer.rcode) {
            return true;
        }
        if answer.truncated || response.len() == PACKET_LEN_MAX {
            return false;
        }
        self.has_right_records(right, response, scratch) != Some(true)
    }

    fn right(&self, query: u32) -> Option<&Right> {
        let place = self.of_query[query as usize]?;
        Some(&self.rights[place as usize])
    }

    /// None when the records cannot be read.
    fn has_right_records(
        &self,
        right: &Right,
        response: &[u8],
        scratch: &mut Scratch,
    ) -> Option<bool> {
        let count = |at: usize| {
            let octets = response.get(at..)?.first_chunk()?;
            Some(u16::from_be_bytes(*octets))
        };
        let start = wire::questions_end(response, count(4)?)?;
        let section = Section {
            message: response,
            start,
            count: count(6)?,
        };
        let known = &self.records[right.answer.clone()];
        let (is_right, end) = self.compare(known, section, scratch, |rtype| {
            rtype != TYPE_RRSIG && !right.is_open
        })?;
        if !is_right || right.referral.is_empty() {
            return Some(is_right);
        }
        let section = Section {
            message: response,
            start: end,
            count: count(8)?,
        };
        let known = &self.records[right.referral.clone()];
        let compared = self.compare(known, section, scratch, |rtype| rtype == TYPE_NS)?;
        Some(compared.0)
    }

    /// Whether a section has the records `known` and no other of the types that `is_strict` names;
    /// and where the section ends.
    fn compare(
        &self,
        known: &[Known],
        section: Section<'_>,
        scratch: &mut Scratch,
        is_strict: impl Fn(u16) -> bool,
    ) -> Option<(bool, usize)> {
        let seen = &mut scratch.seen[..known.len()];
        seen.fill(false);
        let mut at = section.start;
        let mut is_right = true;
        for _ in 0..section.count {
            let record = wire::read_record(section.message, at, &mut scratch.key)?;
            at = record.end;
            let key = |known: &Known| self.keys[known.key.clone()].cmp(&scratch.key);
            match known.binary_search_by(key) {
                Ok(place) => {
                    is_right &= !seen[place] && record.ttl <= known[place].ttl;
                    is_right &= record.class == CLASS_IN;
                    seen[place] = true;
                }
                Err(_) => is_right &= !is_strict(record.rtype),
            }
        }
        let set = |is_seen: bool| {
            let pairs = known.iter().zip(&*seen);
            pairs.filter(move |(known, seen)| known.is_one_of_set && **seen == is_seen)
        };
        let is_set_right = match self.is_subset_right {
            true => set(true).count() > 0 || set(false).count() == 0,
            false => set(false).count() == 0,
        };
        let mut chain = known.iter().zip(&*seen);
        let is_chain_right = chain.all(|(known, seen)| known.is_one_of_set || *seen);
        Some((is_right && is_set_right && is_chain_right, at))
    }

    /// The right answer to a query as a message: its records, the referral's among them.
    pub(crate) fn message(&self, query: u32) -> Option<Vec<u8>> {
        let right = self.right(query)?;
        let flags = [0x80, right.rcode.unwrap_or(0)];
        let count = (right.answer.len() as u16).to_be_bytes();
        let servers = (right.referral.len() as u16).to_be_bytes();
        let mut message = [[0; 2], flags, [0; 2], count, servers, [0; 2]].concat();
        for known in right.answer.clone().chain(right.referral.clone()) {
            let known = &self.records[known];
            let key = &self.keys[known.key.clone()];
            let owner_end = wire::skip_name(key, 0)?;
            let (owner, rest) = key.split_at(owner_end);
            let (rtype, rdata) = rest.split_at(2);
            message.extend([owner, rtype, &[0, 1], &known.ttl.to_be_bytes()].concat());
            message.extend((rdata.len() as u16).to_be_bytes());
            message.extend(rdata);
        }
        Some(message)
    }
}

/// Records that lie one after the other.
struct Section<'a> {
    message: &'a [u8],
    start: usize,
    count: u16,
}

#[cfg(test)]
mod tests;
