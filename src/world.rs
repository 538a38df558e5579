//! One shard's world: its tables, its settings, its random numbers, and the two calls its sockets
//! make.
//!
//! `respond` is the packet path in one place: parse, decide, write. It is a plain function over
//! octets: no I/O, no clock, no lock, no log, and on a hit no allocation. `apply` is the end of the
//! change path.

use std::net::IpAddr;
use std::sync::Arc;

use crate::answer::{self, Found, Tables};
use crate::choice::Spread;
use crate::client::Clients;
use crate::cookie::CookieSecrets;
use crate::counters::ShardCounters;
use crate::delta::{Change, Delta};
use crate::index::{AHEAD_MAX, Index};
use crate::query::{self, Edns, HEADER_LEN, Message, Query, Rcode};
use crate::response::opt::ExtendedError;
use crate::response::{self, Finished, Opt, Writer};
use crate::subnet::ClientSubnet;
use crate::table::{CLASS_IN, Kind, NodeParts, Policy, RRset, SoaRecord, ZoneId, Zones, rtype};
use crate::wire::LowerName;

const CLASS_CHAOS: u16 = 3;
/// The place of a question that was not looked ahead.
const ALONE: usize = AHEAD_MAX;
/// TTL of the HINFO that stands for ANY.
const ANY_TTL_S: u32 = 300;

/// How a query came, which bounds the size of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: 512 octets, or what EDNS and `udp_payload_max` allow.
    Udp,
    /// A stream message of up to 65,535 octets.
    Tcp,
}

/// A message and how it came.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'m> {
    /// Its octets.
    pub message: &'m [u8],
    /// Who sent it.
    pub client: IpAddr,
    /// How.
    pub transport: Transport,
    /// The wall clock in seconds since 1970, which cookies carry.
    pub now_s: u32,
    /// Its place among those last given to [`World::look_ahead`], if it was.
    pub ahead: Option<usize>,
}

impl<'m> Asked<'m> {
    /// A message that was not looked ahead.
    pub fn new(message: &'m [u8], client: IpAddr, transport: Transport, now_s: u32) -> Asked<'m> {
        Asked {
            message,
            client,
            transport,
            now_s,
            ahead: None,
        }
    }

    fn limit(&self, edns: Option<&Edns<'_>>, settings: &Settings) -> usize {
        match self.transport {
            Transport::Udp => response::udp_limit(edns, settings.udp_payload_max),
            Transport::Tcp => usize::from(u16::MAX),
        }
    }
}

/// The name that a message asks for.
#[derive(Debug, Clone, Default)]
struct QuestionName {
    name: LowerName,
    /// Its octets in the message; none when there is no name.
    name_len: Option<usize>,
}

impl QuestionName {
    #[inline]
    fn read(&mut self, message: &[u8]) {
        self.name_len = query::read_name(message, &mut self.name);
    }
}

/// What the configuration says about answering, the same for every core.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest response over UDP, and what our OPT says we take.
    pub udp_payload_max: u16,
    /// What answers may depend on besides their question.
    pub clients: Clients,
    /// Idle time of TCP connections in units of 100 ms, for RFC 7828.
    pub keepalive: u16,
    /// NSID, `hostname.bind` and `id.server`; empty: none of them, nor `version.bind`.
    pub identity: Vec<u8>,
    /// Secrets of server cookies.
    pub cookies: CookieSecrets,
    /// The zones as configured; their SOA may be changed by the store.
    pub zones: Zones,
}

/// What one core answers from.
#[derive(Debug)]
pub struct World {
    tables: Tables,
    settings: Settings,
    spread: Spread,
    /// Those looked ahead, then the one of a message that comes alone.
    questions: Box<[QuestionName]>,
    scratch: LowerName,
    counters: Arc<ShardCounters>,
}

impl World {
    /// A world that knows its zones and no records: SERVFAIL for them until [`Change::Ready`]
    /// comes.
    pub fn new(settings: Settings, seed: u64, counters: Arc<ShardCounters>) -> World {
        let mut index = Index::default();
        for (place, zone) in settings.zones.0.iter().enumerate() {
            let (zone_id, kind) = (ZoneId(place as u16), Kind::Apex);
            let apex = NodeParts {
                zone: zone_id,
                kind,
                ..NodeParts::empty(Box::from(&zone.apex[..]))
            };
            index.put(apex.pack());
        }
        let zones = settings.zones.clone();
        let soas = zones
            .0
            .iter()
            .map(|zone| SoaRecord::new(&zone.apex, &zone.soa));
        let views = settings.clients.views.names().len();
        let any_hinfo = [&b"\x07RFC8482\x00"[..]].into_iter();
        let any_hinfo = RRset::new(rtype::HINFO, ANY_TTL_S, Policy::Rotate, any_hinfo);
        World {
            tables: Tables {
                index,
                views: std::iter::repeat_with(Index::default).take(views).collect(),
                soas: soas.collect(),
                zones,
                revision: 0,
                ready: false,
                any_hinfo,
            },
            settings,
            spread: Spread::new(seed),
            questions: vec![QuestionName::default(); AHEAD_MAX + 1].into(),
            scratch: LowerName::default(),
            counters,
        }
    }

    /// Reads the names that these messages ask for, [`AHEAD_MAX`] at most, and brings what answers
    /// them into the caches: their misses then overlap, instead of each being waited for. Changes
    /// no answer.
    pub fn look_ahead<'m>(&mut self, messages: impl Iterator<Item = &'m [u8]>) {
        let (index, mut count) = (&self.tables.index, 0);
        for (question, message) in self.questions[..AHEAD_MAX].iter_mut().zip(messages) {
            question.read(message);
            index.prefetch_bucket(question.name.hash());
            count += 1;
        }
        for question in &self.questions[..count] {
            index.prefetch_node(question.name.hash());
        }
    }

    /// Answers into `response` and returns the response's length; 0 means silence. `response` has
    /// room for `udp_payload_max` octets over UDP, for 65,535 over TCP.
    pub fn respond(&mut self, asked: &Asked<'_>, response: &mut [u8]) -> usize {
        let place = asked.ahead.map_or(ALONE, |place| place.min(ALONE));
        if place == ALONE {
            self.questions[ALONE].read(asked.message);
        }
        let Some(finished) = self.answer(place, asked, response) else {
            self.counters.dropped.add(1);
            return 0;
        };
        self.counters.rcodes[(finished.rcode as usize).min(15)].add(1);
        self.counters.truncated.add(u64::from(finished.truncated));
        finished.length
    }

    /// Applies one delta.
    pub fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            match change {
                Change::Put(view, node) => {
                    if let Some(index) = self.tables.index_mut(*view) {
                        index.put(node.clone());
                    }
                }
                Change::Remove(view, owner) => {
                    if let Some(index) = self.tables.index_mut(*view) {
                        index.remove(crate::wire::hash(owner), owner);
                    }
                }
                Change::Soa(zone, soa) => {
                    let place = usize::from(zone.0);
                    let tables = &mut self.tables;
                    if let (Some(zone), Some(made)) =
                        (tables.zones.0.get_mut(place), tables.soas.get_mut(place))
                    {
                        *made = SoaRecord::new(&zone.apex, soa);
                        zone.soa = soa.as_ref().clone();
                    }
                }
                Change::Ready => self.tables.ready = true,
            }
        }
        self.tables.revision = delta.revision;
        self.counters.names.set(self.tables.names() as u64);
        self.counters.revision.set(delta.revision);
        self.counters.ready.set(u64::from(self.tables.ready));
    }

    /// What this core holds: for tests that compare cores with the store.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    #[inline]
    fn answer(&mut self, place: usize, asked: &Asked<'_>, out: &mut [u8]) -> Option<Finished> {
        match query::parse(asked.message, self.questions[place].name_len) {
            Message::Query(query) => Some(self.answer_query(place, asked, &query, out)),
            other => self.answer_other(asked, other, out),
        }
    }

    /// What becomes of a message that is no query with a question.
    #[inline(never)]
    fn answer_other(
        &self,
        asked: &Asked<'_>,
        message: Message<'_>,
        out: &mut [u8],
    ) -> Option<Finished> {
        let (rcode, question_end, edns) = match message {
            Message::Silence | Message::Query(_) => return None,
            Message::Reject {
                rcode,
                question_end,
                edns,
            } => (rcode, question_end, edns),
            Message::CookieOnly(edns) => (self.judge_cookie(asked, &edns), HEADER_LEN, Some(edns)),
        };
        let reply = Reply {
            question_end,
            edns: edns.as_ref(),
            subnet: None,
            error: None,
        };
        Some(self.empty(asked, &reply, rcode, out))
    }

    /// The answer to who only asks whether its cookie is good (RFC 7873 section 5.4).
    fn judge_cookie(&self, asked: &Asked<'_>, edns: &Edns<'_>) -> Rcode {
        let bad = edns.cookie.is_some_and(|cookie| {
            let judged = self
                .settings
                .cookies
                .answer(&cookie, asked.client, asked.now_s);
            !cookie.server.is_empty() && !judged.1
        });
        if bad {
            Rcode::BadCookie
        } else {
            Rcode::NoError
        }
    }

    #[inline]
    fn answer_query(
        &mut self,
        place: usize,
        asked: &Asked<'_>,
        query: &Query<'_>,
        out: &mut [u8],
    ) -> Finished {
        let name = &self.questions[place].name;
        let edns = query.edns.as_ref();
        let mut reply = Reply {
            question_end: query.question_end,
            edns,
            subnet: None,
            error: None,
        };
        match self.subnet(asked, edns) {
            Ok(subnet) => reply.subnet = subnet,
            Err(MalformedSubnet) => return self.empty(asked, &reply, Rcode::FormErr, out),
        }
        if query.qclass != CLASS_IN {
            return self.answer_other_class(name, asked, query, &reply, out);
        }
        if matches!(query.qtype, rtype::AXFR | rtype::IXFR) {
            return self.empty(asked, &reply, Rcode::Refused, out);
        }
        let clients = &self.settings.clients;
        let client = clients.behind(asked.client, reply.subnet.as_ref());
        let (tables, scratch) = (&self.tables, &mut self.scratch);
        let decision = answer::decide(tables, client.view, name, query.qtype, scratch);
        if matches!(decision.end, Found::Outside) && decision.is_direct() {
            reply.error = Some(ExtendedError::NotAuthoritative);
            return self.empty(asked, &reply, Rcode::Refused, out);
        }
        if !self.tables.ready {
            reply.error = Some(ExtendedError::NotReady);
            return self.empty(asked, &reply, Rcode::ServFail, out);
        }
        let opt = opt(&self.settings, asked, &reply);
        let opt = opt.as_ref();
        let mut limit = asked.limit(edns, &self.settings);
        if query.qtype == rtype::ANY && asked.transport == Transport::Udp {
            // The question most asked with a forged source gets the least to reflect.
            limit = usize::from(response::PLAIN_MAX);
        }
        Writer::new(asked.message, query.question_end, out, limit, opt).finish_decision(
            &self.tables,
            &decision,
            &client,
            &mut self.spread,
            opt,
        )
    }

    /// CHAOS names of the server's own (RFC 4892), when they are configured; no other class exists.
    fn answer_other_class(
        &self,
        name: &LowerName,
        asked: &Asked<'_>,
        query: &Query<'_>,
        reply: &Reply<'_>,
        out: &mut [u8],
    ) -> Finished {
        const VERSION: &str = concat!("ContainerDNS ", env!("CARGO_PKG_VERSION"));
        let text = match name.octets() {
            _ if query.qclass != CLASS_CHAOS || self.settings.identity.is_empty() => None,
            b"\x08hostname\x04bind\0" | b"\x02id\x06server\0" => Some(&self.settings.identity[..]),
            b"\x07version\x04bind\0" | b"\x07version\x06server\0" => Some(VERSION.as_bytes()),
            _ => None,
        };
        match text {
            Some(text) => {
                let opt = opt(&self.settings, asked, reply);
                let limit = asked.limit(reply.edns, &self.settings);
                let wanted = matches!(query.qtype, rtype::TXT | rtype::ANY);
                Writer::new(asked.message, query.question_end, out, limit, opt.as_ref())
                    .finish_chaos(wanted.then_some(text), opt.as_ref())
            }
            None => self.empty(asked, reply, Rcode::Refused, out),
        }
    }

    #[inline(never)]
    fn empty(
        &self,
        asked: &Asked<'_>,
        reply: &Reply<'_>,
        rcode: Rcode,
        out: &mut [u8],
    ) -> Finished {
        let opt = opt(&self.settings, asked, reply);
        let limit = asked.limit(reply.edns, &self.settings);
        Writer::new(asked.message, reply.question_end, out, limit, opt.as_ref())
            .finish_empty(rcode, opt.as_ref())
    }

    /// For whom a forwarder asks whose word counts; the option of anyone else is as if not there.
    #[inline]
    fn subnet(
        &self,
        asked: &Asked<'_>,
        edns: Option<&Edns<'_>>,
    ) -> Result<Option<ClientSubnet>, MalformedSubnet> {
        match edns.and_then(|edns| edns.subnet) {
            Some(content) if self.settings.clients.trusts(asked.client) => {
                let subnet = ClientSubnet::parse(content);
                subnet.map(Some).ok_or(MalformedSubnet)
            }
            _ => Ok(None),
        }
    }
}

/// A client subnet option that is none.
struct MalformedSubnet;

/// What a response without records is made from.
struct Reply<'q> {
    question_end: usize,
    edns: Option<&'q Edns<'q>>,
    subnet: Option<ClientSubnet>,
    error: Option<ExtendedError>,
}

/// OPT, when the query had one.
#[inline]
fn opt<'s>(settings: &'s Settings, asked: &Asked<'_>, reply: &'s Reply<'_>) -> Option<Opt<'s>> {
    let edns = reply.edns?;
    Some(opt_for(edns, settings, asked, reply))
}

fn opt_for<'s>(
    edns: &Edns<'_>,
    settings: &'s Settings,
    asked: &Asked<'_>,
    reply: &'s Reply<'_>,
) -> Opt<'s> {
    let cookie = edns.cookie.map(|cookie| {
        let (server, _) = settings.cookies.answer(&cookie, asked.client, asked.now_s);
        (cookie.client, server)
    });
    let identity = &settings.identity[..];
    let identity = (edns.nsid && !identity.is_empty()).then_some(identity);
    let keepalive = edns.keepalive && asked.transport == Transport::Tcp;
    let opt = |nsid| Opt {
        payload_max: settings.udp_payload_max,
        dnssec_ok: edns.dnssec_ok,
        cookie,
        nsid,
        keepalive: keepalive.then_some(settings.keepalive),
        subnet: reply.subnet.as_ref(),
        error: reply.error,
    };
    // A long identity beside a long question is left out where both do not fit.
    let limit = asked.limit(reply.edns, settings);
    let fits = |identity| reply.question_end + opt(Some(identity)).len() <= limit;
    opt(identity.filter(|identity| fits(identity)))
}

#[cfg(test)]
mod tests;
