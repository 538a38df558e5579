//! The work that is counted: every case goes through each stage of the packet path a thousand times
//! inside of `measured`, by whose name callgrind knows what to count and where to end a count.

use std::hint::black_box;
use std::net::Ipv4Addr;

use containerdns::answer::{self, Decision, Found, Tables};
use containerdns::choice::Spread;
use containerdns::client::Client;
use containerdns::index::AHEAD_MAX;
use containerdns::query::{self, Message};
use containerdns::response::{self, Opt, Writer};
use containerdns::table::{Kind, NodeParts, Policy, RRset, rtype};
use containerdns::wire::{LowerName, hash_with_known_seed};
use containerdns::world::World;

use super::large_world::{
    RESPONSE_BYTES, name, node, numbered, query, respond, rrset, settings, world,
};

/// Times that each stage of a case is done.
pub(crate) const REPEATS: usize = 1_000;
/// The stages, in the order in which they are done and counted.
pub(crate) const STAGES: [&str; 4] = ["parse", "decide", "write", "whole"];
const NAMES: usize = 1_000;

/// What is asked, again and again or in turn.
pub(crate) struct Case {
    /// What it shows.
    pub(crate) name: &'static str,
    messages: Vec<Vec<u8>>,
}

/// Does all of it.
pub(crate) fn work() {
    hash_with_known_seed(7);
    let mut world = world(NAMES, special());
    for case in cases() {
        stages(&world, &case.messages);
        let groups = || case.messages.chunks(AHEAD_MAX);
        let mut response = [0; RESPONSE_BYTES];
        let mut whole = || {
            for group in groups() {
                world.look_ahead(group.iter().map(|message| &message[..]));
                for (place, message) in group.iter().enumerate() {
                    black_box(respond(&mut world, message, Some(place), &mut response));
                }
            }
        };
        whole();
        measured(whole);
    }
}

/// What callgrind counts: nothing else is counted.
#[inline(never)]
fn measured(mut stage: impl FnMut()) {
    stage();
}

/// Parse, decide and write, each by itself for all messages.
fn stages(world: &World, messages: &[Vec<u8>]) {
    let mut names = vec![LowerName::default(); messages.len()];
    let parsed = |names: &mut [LowerName]| {
        for (message, name) in messages.iter().zip(names) {
            let name_len = query::read_name(message, name);
            black_box(query::parse(message, name_len));
        }
    };
    parsed(&mut names);
    measured(|| parsed(&mut names));

    let tables = world.tables();
    let asked: Vec<Asked> = messages.iter().zip(&names).map(Asked::new).collect();
    let mut scratch = LowerName::default();
    measured(|| {
        for asked in &asked {
            black_box(asked.decide(tables, &mut scratch));
        }
    });

    let decided = asked.iter().map(|asked| asked.decide(tables, &mut scratch));
    let decided: Vec<Decision<'_>> = decided.collect();
    let client = settings().clients.of(Ipv4Addr::LOCALHOST.into());
    let mut spread = Spread::new(7);
    let mut response = [0; RESPONSE_BYTES];
    measured(|| {
        for (asked, decision) in asked.iter().zip(&decided) {
            black_box(asked.write(tables, decision, &client, &mut spread, &mut response));
        }
    });
}

/// A message whose question is read.
struct Asked<'m> {
    message: &'m [u8],
    name: &'m LowerName,
    qtype: u16,
    question_end: usize,
    edns: bool,
}

impl<'m> Asked<'m> {
    fn new((message, name): (&'m Vec<u8>, &'m LowerName)) -> Asked<'m> {
        match query::parse(message, Some(name.octets().len())) {
            Message::Query(query) => Asked {
                message,
                name,
                qtype: query.qtype,
                question_end: query.question_end,
                edns: query.edns.is_some(),
            },
            other => panic!("a query is no query: {other:?}"),
        }
    }

    fn decide<'t>(&self, tables: &'t Tables, scratch: &mut LowerName) -> Decision<'t> {
        answer::decide(tables, None, self.name, self.qtype, scratch)
    }

    fn write(
        &self,
        tables: &Tables,
        decision: &Decision<'_>,
        client: &Client,
        spread: &mut Spread,
        response: &mut [u8],
    ) -> usize {
        let opt = self.edns.then(|| Opt {
            payload_max: RESPONSE_BYTES as u16,
            ..Opt::default()
        });
        let limit = if self.edns {
            RESPONSE_BYTES
        } else {
            response::PLAIN_MAX.into()
        };
        let (end, opt) = (self.question_end, opt.as_ref());
        let writer = Writer::new(self.message, end, response, limit, opt);
        let finished = match decision.end {
            Found::Outside => writer.finish_empty(query::Rcode::Refused, opt),
            _ => writer.finish_decision(tables, decision, client, spread, opt),
        };
        finished.length
    }
}

/// The cases, in the order in which they are done.
pub(crate) fn cases() -> Vec<Case> {
    let same = |name, message: Vec<u8>| Case {
        name,
        messages: vec![message; REPEATS],
    };
    let each = |name, message: fn(usize) -> Vec<u8>| Case {
        name,
        messages: (0..REPEATS).map(message).collect(),
    };
    let ours = |label: &str| name(&[label, "t", "svc", "cluster", "local"]);
    let a = |label: &str| query(&ours(label), rtype::A, false);
    let upper = |number| query(&numbered(number).to_ascii_uppercase(), rtype::A, false);
    vec![
        each("address", |number| {
            query(&numbered(number), rtype::A, false)
        }),
        each("address, EDNS", |number| {
            query(&numbered(number), rtype::A, true)
        }),
        each("address, upper case", upper),
        same("ten addresses, rotated", a("ten")),
        same("ten addresses, sticky", a("sticky")),
        each("no such type", |number| {
            query(&numbered(number), rtype::AAAA, false)
        }),
        same("no such name", a("none")),
        same(
            "SRV with its address",
            query(&ours("srv"), rtype::SRV, false),
        ),
        same("TXT", query(&ours("txt"), rtype::TXT, false)),
        same("alias of an address", a("alias")),
        same(
            "wildcard",
            query(&name(&["x", "wild", "cluster", "local"]), rtype::A, false),
        ),
        same(
            "referral with glue",
            query(&name(&["x", "cut", "cluster", "local"]), rtype::A, false),
        ),
        same(
            "not ours",
            query(&name(&["www", "example", "org"]), rtype::A, false),
        ),
    ]
}

/// The nodes that the cases need beside the numbered ones.
fn special() -> Vec<NodeParts> {
    let ours = |label: &str| name(&[label, "t", "svc", "cluster", "local"]);
    let ten: Vec<Vec<u8>> = (0..10).map(|last| vec![10, 0, 0, last]).collect();
    let sticky = RRset {
        policy: Policy::Sticky,
        ..rrset(rtype::A, &ten)
    };
    let host = ours("host");
    let service = [&[0, 1, 0, 2, 0, 80][..], &host].concat();
    let server = name(&["ns", "cut", "cluster", "local"]);
    let cut = node(
        name(&["cut", "cluster", "local"]),
        vec![rrset(rtype::NS, std::slice::from_ref(&server))],
    );
    let wildcard = name(&["*", "wild", "cluster", "local"]);
    vec![
        node(name(&["svc", "cluster", "local"]), Vec::new()),
        node(name(&["t", "svc", "cluster", "local"]), Vec::new()),
        node(ours("ten"), vec![rrset(rtype::A, &ten)]),
        node(ours("sticky"), vec![sticky]),
        node(host.clone(), vec![rrset(rtype::A, &ten[..1])]),
        node(ours("srv"), vec![rrset(rtype::SRV, &[service])]),
        node(
            ours("txt"),
            vec![rrset(rtype::TXT, &[b"\x05hello".to_vec()])],
        ),
        node(ours("alias"), vec![rrset(rtype::CNAME, &[host])]),
        NodeParts {
            wildcard_child: true,
            ..node(name(&["wild", "cluster", "local"]), Vec::new())
        },
        node(wildcard, vec![rrset(rtype::A, &ten[..1])]),
        NodeParts {
            kind: Kind::Cut,
            glue: Box::new([node(server, vec![rrset(rtype::A, &ten[..1])]).pack()]),
            ..cut
        },
    ]
}
