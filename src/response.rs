//! Writing a response: header, the question as it came, ANSWER, AUTHORITY, ADDITIONAL, OPT.
//!
//! Sections hold whole RRsets only: one that does not fit in ANSWER or AUTHORITY ends the message
//! there with TC set (RFC 2181 section 9); in ADDITIONAL it is left out, save for glue (RFC 9471).
//! The common case, records of the name asked without names to compress, is one copy. Names are
//! compressed against a bounded number of names written before, so that no message costs more than
//! its length.

use std::net::IpAddr;

use crate::answer::{Decision, Found, Tables};
use crate::choice::{self, Choice, Spread};
use crate::client::Client;
use crate::query::{HEADER_LEN, Rcode};
use crate::response::names::KnownNames;
use crate::table::{CLASS_IN, Node, RECORD_FIXED_LEN, RRsetView, rtype};
use crate::wire::{self, LowerName};

mod names;
pub mod opt;
mod soa;

pub use opt::{Opt, PLAIN_MAX, udp_limit};

/// Targets of one answer that get additional addresses at most.
const TARGETS_MAX: usize = 32;
const POINTER: u16 = 0xc000;
const FLAG_AUTHORITATIVE: u8 = 0x04;
const FLAG_TRUNCATED: u8 = 0x02;

/// A response being written.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    /// The message may not grow past this: the limit less what OPT will take.
    limit: usize,
    /// Records in ANSWER, AUTHORITY, ADDITIONAL.
    counts: [u16; 3],
    known: KnownNames,
    /// Where target names of the records written begin.
    targets: [u16; TARGETS_MAX],
    targets_len: usize,
    /// How many first bits of the client's address what is written depends on, where that is told.
    scope_bits: u8,
}

/// What did not fit.
#[derive(Debug)]
struct Full;

/// The section that a record goes to.
#[derive(Debug, Clone, Copy)]
enum Section {
    Answer = 0,
    Authority = 1,
    Additional = 2,
}

/// The owner of records to write.
#[derive(Debug, Clone, Copy)]
enum Owner<'n> {
    /// A name in the message already.
    At(u16),
    /// A name of ours.
    Name(&'n [u8]),
}

/// Header flags and code of a response, as far as they are not copied from the query.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    rcode: Rcode,
    authoritative: bool,
    truncated: bool,
}

impl Verdict {
    /// Of an answer whose records were written, or did not fit.
    fn records(put: Result<(), Full>) -> Verdict {
        Verdict {
            rcode: Rcode::NoError,
            authoritative: true,
            truncated: put.is_err(),
        }
    }
}

impl<'o> Writer<'o> {
    /// Starts the response to `query`, whose question ends at `question_end`: the message may take
    /// `limit` octets of `out`, of which `opt` is kept free.
    #[inline]
    pub fn new(
        query: &[u8],
        question_end: usize,
        out: &'o mut [u8],
        limit: usize,
        opt: Option<&Opt<'_>>,
    ) -> Writer<'o> {
        let limit = limit.min(out.len()).saturating_sub(opt.map_or(0, Opt::len));
        out[..question_end].copy_from_slice(&query[..question_end]);
        let known = KnownNames::new(question_end > HEADER_LEN);
        let (counts, targets) = ([0; 3], [0; TARGETS_MAX]);
        Writer {
            out,
            at: question_end,
            limit,
            counts,
            known,
            targets,
            targets_len: 0,
            scope_bits: 0,
        }
    }

    /// Writes a response without records.
    pub fn finish_empty(mut self, rcode: Rcode, opt: Option<&Opt<'_>>) -> Finished {
        let verdict = Verdict {
            rcode,
            authoritative: false,
            truncated: false,
        };
        self.finish(verdict, opt)
    }

    /// Writes a TXT record of class CHAOS, or none.
    pub fn finish_chaos(mut self, text: Option<&[u8]>, opt: Option<&Opt<'_>>) -> Finished {
        let mut verdict = Verdict::records(Ok(()));
        if let Some(text) = text {
            let text = &text[..text.len().min(255)];
            let length = text.len() as u8;
            let rdlength = u16::from(length) + 1;
            let put = self.whole(|writer| {
                writer.put(&[0xc0, 0x0c, 0, 16, 0, 3, 0, 0, 0, 0])?;
                writer.put(&rdlength.to_be_bytes())?;
                writer.put(&[length])?;
                writer.put(text)
            });
            verdict.truncated = put.is_err();
            self.counts[Section::Answer as usize] += u16::from(put.is_ok());
        }
        self.finish(verdict, opt)
    }

    /// Writes the records of `decision`.
    #[inline]
    pub fn finish_decision(
        mut self,
        tables: &Tables,
        decision: &Decision<'_>,
        client: &Client,
        spread: &mut Spread,
        opt: Option<&Opt<'_>>,
    ) -> Finished {
        // Whatever it is, clients of another view may be answered otherwise.
        self.scope_bits = client.scopes.map_or(0, |scopes| scopes.view);
        let put = match decision.end {
            Found::RRset(rrset) if decision.is_direct() && !rrset.has_names() => {
                let (near, choice) = self.choose(rrset, client, spread);
                self.copy_records(near, choice)
            }
            _ => return self.finish_with_names(tables, decision, client, spread, opt),
        };
        self.finish(Verdict::records(put), opt)
    }

    /// Writes the records of a decision that has aliases, or whose records hold names, or that has
    /// none.
    #[inline(never)]
    fn finish_with_names(
        mut self,
        tables: &Tables,
        decision: &Decision<'_>,
        client: &Client,
        spread: &mut Spread,
        opt: Option<&Opt<'_>>,
    ) -> Finished {
        let mut verdict = Verdict::records(Ok(()));
        if matches!(decision.end, Found::NxDomain(_)) {
            verdict.rcode = Rcode::NxDomain;
        }
        let Ok(owner) = self.put_aliases(decision) else {
            verdict.truncated = true;
            return self.finish(verdict, opt);
        };
        let put = match decision.end {
            Found::RRset(rrset) => {
                let (near, choice) = self.choose(rrset, client, spread);
                let put = self.put_rrset(Section::Answer, Owner::At(owner), near, choice);
                if put.is_ok() && self.targets_len > 0 {
                    self.put_target_addresses(tables, client, spread);
                }
                put
            }
            Found::Address { address, ttl_s } => self.put_address(owner, address, ttl_s),
            Found::Soa(zone) => self.put_zone_soa(tables, zone, Section::Answer),
            Found::NoData(zone) | Found::NxDomain(zone) => {
                self.put_zone_soa(tables, zone, Section::Authority)
            }
            Found::Referral(cut) => {
                verdict.authoritative = self.counts[Section::Answer as usize] > 0;
                self.put_referral(tables, cut, client, spread)
            }
            Found::Alias(_) | Found::Outside => Ok(()),
        };
        verdict.truncated = put.is_err();
        self.finish(verdict, opt)
    }

    /// Which records of an RRset the client gets, out of those near to it.
    #[inline]
    fn choose<'t>(
        &mut self,
        rrset: RRsetView<'t>,
        client: &Client,
        spread: &mut Spread,
    ) -> (RRsetView<'t>, Choice) {
        let near = choice::nearest(rrset, client);
        if let Some(scopes) = &client.scopes {
            self.scope_bits = choice::scope_bits(rrset, near, scopes);
        }
        (near, choice::choose(near, client, spread))
    }

    /// The record of an address that is nowhere stored: its name says it.
    fn put_address(&mut self, owner: u16, address: IpAddr, ttl_s: u32) -> Result<(), Full> {
        self.whole(|writer| {
            writer.put_owner(Owner::At(owner))?;
            let rtype = match address {
                IpAddr::V4(_) => rtype::A,
                IpAddr::V6(_) => rtype::AAAA,
            };
            writer.put(&rtype.to_be_bytes())?;
            writer.put(&CLASS_IN.to_be_bytes())?;
            writer.put(&ttl_s.to_be_bytes())?;
            writer.put_rdata(|writer| match address {
                IpAddr::V4(address) => writer.put(&address.octets()),
                IpAddr::V6(address) => writer.put(&address.octets()),
            })
        })?;
        self.counts[Section::Answer as usize] += 1;
        Ok(())
    }

    /// CNAMEs in order; returns where the last target's name is: the owner of what follows.
    fn put_aliases(&mut self, decision: &Decision<'_>) -> Result<u16, Full> {
        let mut owner = HEADER_LEN as u16;
        for alias in decision.aliases() {
            let whole = Choice { start: 0, count: 1 };
            let record = self.at;
            self.put_rrset(Section::Answer, Owner::At(owner), alias, whole)?;
            owner = names::start(self.out, (record + RECORD_FIXED_LEN) as u16);
        }
        Ok(owner)
    }

    fn put_referral(
        &mut self,
        tables: &Tables,
        cut: &Node,
        client: &Client,
        spread: &mut Spread,
    ) -> Result<(), Full> {
        let Some(servers) = cut.rrset(rtype::NS) else {
            return Ok(());
        };
        let all = choice::choose(servers, client, spread);
        self.put_rrset(Section::Authority, Owner::Name(cut.owner()), servers, all)?;
        for host in cut.glue() {
            for addresses in host.rrsets() {
                let all = Choice {
                    start: 0,
                    count: addresses.count.into(),
                };
                let owner = Owner::Name(host.owner());
                self.put_rrset(Section::Additional, owner, addresses, all)?;
            }
        }
        self.put_target_addresses(tables, client, spread);
        Ok(())
    }

    /// Addresses of the names that the records written point to, where we have them and they fit.
    fn put_target_addresses(&mut self, tables: &Tables, client: &Client, spread: &mut Spread) {
        let mut done = [0; TARGETS_MAX];
        let mut target = LowerName::default();
        for place in 0..self.targets_len {
            names::read(self.out, self.targets[place], &mut target);
            let hash = target.hash();
            if done[..place].contains(&hash) {
                continue;
            }
            done[place] = hash;
            let Some(node) = tables.node(client.view, hash, target.octets()) else {
                continue;
            };
            for addresses in [rtype::A, rtype::AAAA]
                .into_iter()
                .filter_map(|t| node.rrset(t))
            {
                let near = choice::nearest(addresses, client);
                if let Some(scopes) = &client.scopes
                    && choice::scope_bits(addresses, near, scopes) > 0
                {
                    // The scope is the answer's alone (RFC 7871 section 7.3.1).
                    continue;
                }
                let choice = choice::choose(near, client, spread);
                let owner = Owner::At(names::start(self.out, self.targets[place]));
                // What does not fit is not needed: the client can ask for it.
                let _ = self.put_rrset(Section::Additional, owner, near, choice);
            }
        }
    }

    /// Writes the chosen records, or none of them.
    fn put_rrset(
        &mut self,
        section: Section,
        owner: Owner<'_>,
        rrset: RRsetView<'_>,
        choice: Choice,
    ) -> Result<(), Full> {
        let targets_len = self.targets_len;
        let records = rrset.records_from(choice.start).take(choice.count);
        let put = self.whole(|writer| writer.put_records(owner, rrset, records));
        if put.is_err() {
            self.targets_len = targets_len;
            return put;
        }
        self.counts[section as usize] += choice.count as u16;
        Ok(())
    }

    /// The hit path: ready-made records of the name asked as they are, from the chosen one on.
    #[inline]
    fn copy_records(&mut self, rrset: RRsetView<'_>, choice: Choice) -> Result<(), Full> {
        if choice.count < usize::from(rrset.count) || rrset.record_len == 0 {
            self.copy_some_records(rrset, choice)?;
        } else {
            let end = self.at + rrset.wire.len();
            if end > self.limit {
                return Err(Full);
            }
            let first = choice.start * usize::from(rrset.record_len);
            let (last, first) = rrset.wire.split_at(first);
            let out = &mut self.out[self.at..end];
            out[..first.len()].copy_from_slice(first);
            out[first.len()..].copy_from_slice(last);
            self.at = end;
        }
        self.counts[Section::Answer as usize] += choice.count as u16;
        Ok(())
    }

    fn copy_some_records(&mut self, rrset: RRsetView<'_>, choice: Choice) -> Result<(), Full> {
        self.whole(|writer| {
            let mut records = rrset.records_from(choice.start).take(choice.count);
            records.try_for_each(|record| writer.put(record))
        })
    }

    fn put_records<'r>(
        &mut self,
        mut owner: Owner<'_>,
        rrset: RRsetView<'_>,
        records: impl Iterator<Item = &'r [u8]>,
    ) -> Result<(), Full> {
        for record in records {
            let at = self.at as u16;
            self.put_owner(owner)?;
            if let Owner::Name(_) = owner {
                owner = Owner::At(names::start(self.out, at));
            }
            self.put(&record[2..RECORD_FIXED_LEN - 2])?;
            let rdata = &record[RECORD_FIXED_LEN..];
            let compressible = rrset.compressible_offset();
            let target = rrset.target_offset();
            self.put_rdata(|writer| {
                let (fixed, name) = rdata.split_at(compressible.or(target).unwrap_or(rdata.len()));
                writer.put(fixed)?;
                if target.is_some() {
                    writer.note_target(name);
                }
                match compressible {
                    Some(_) => writer.put_name(name),
                    None => writer.put(name),
                }
            })?;
        }
        Ok(())
    }

    fn put_owner(&mut self, owner: Owner<'_>) -> Result<(), Full> {
        match owner {
            Owner::At(at) if at < !POINTER => self.put(&(POINTER | at).to_be_bytes()),
            // A name too far into the message to point to: its octets again.
            Owner::At(at) => {
                let mut name = LowerName::default();
                names::read(self.out, at, &mut name);
                self.put_name(name.octets())
            }
            Owner::Name(name) => self.put_name(name),
        }
    }

    /// Remembers that the name of a host, other than the root, begins here.
    fn note_target(&mut self, name: &[u8]) {
        if name.len() > 1 && self.targets_len < TARGETS_MAX && self.at < usize::from(!POINTER) {
            self.targets[self.targets_len] = self.at as u16;
            self.targets_len += 1;
        }
    }

    fn put_rdata(&mut self, put: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), Full> {
        let length_at = self.at;
        self.put(&[0, 0])?;
        put(self)?;
        let length = (self.at - length_at - 2) as u16;
        self.out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// Writes a name of ours, ending in a pointer where its end is in the message already.
    fn put_name(&mut self, name: &[u8]) -> Result<(), Full> {
        let name = &name[..wire::name_length(name)];
        let start = self.at;
        match self.known.longest_suffix(self.out, name) {
            Some((fresh, at)) => {
                self.put(&name[..fresh])?;
                self.put(&(POINTER | at).to_be_bytes())?;
            }
            None => self.put(name)?,
        }
        self.known.add(start);
        Ok(())
    }

    fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.at + octets.len();
        if end > self.limit {
            return Err(Full);
        }
        self.out[self.at..end].copy_from_slice(octets);
        self.at = end;
        Ok(())
    }

    /// Undoes what `put` wrote when it did not fit.
    fn whole(&mut self, put: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), Full> {
        let (at, known) = (self.at, self.known);
        put(self).inspect_err(|Full| {
            self.at = at;
            self.known = known;
        })
    }

    #[inline]
    fn finish(&mut self, verdict: Verdict, opt: Option<&Opt<'_>>) -> Finished {
        let flags = (u8::from(verdict.authoritative) * FLAG_AUTHORITATIVE)
            | (u8::from(verdict.truncated) * FLAG_TRUNCATED);
        // QR, OPCODE and RD; AA and TC as decided. RA, Z, AD and CD are never set: we do not
        // recurse, do not validate, and answer with authority (RFC 4035 section 3.1.6).
        let questions = u16::from(self.known.has_question());
        if let Some(opt) = opt {
            let end = self.at + opt.len();
            opt.write(verdict.rcode, self.scope_bits, &mut self.out[self.at..end]);
            self.at = end;
            self.counts[Section::Additional as usize] += 1;
        }
        if let Some(header) = self.out.first_chunk_mut::<HEADER_LEN>() {
            header[2] = 0x80 | header[2] & 0x79 | flags;
            header[3] = verdict.rcode as u8 & 0x0f;
            let counts = self
                .counts
                .iter()
                .fold(u64::from(questions), |counts, count| {
                    counts << 16 | u64::from(*count)
                });
            header[4..].copy_from_slice(&counts.to_be_bytes());
        }
        Finished {
            length: self.at,
            rcode: verdict.rcode,
            truncated: verdict.truncated,
        }
    }
}

/// A response in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Octets.
    pub length: usize,
    /// The code it carries.
    pub rcode: Rcode,
    /// Whether TC is set.
    pub truncated: bool,
}
