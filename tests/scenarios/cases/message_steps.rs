//! Scripts that make one unusual message, or compare several replies.

use std::collections::BTreeSet;

use super::bench::Bench;
use super::steps::{Done, Step, ask, ask_octets, send};
use crate::harness::exchange::{Outcome, Transport};
use crate::harness::fixture::longest_name;
use crate::harness::query::{Edns, Query, header, length_word};
use crate::harness::reply::Reply;

/// The script called `name`, if it is here.
pub(crate) fn find(name: &str) -> Option<Step> {
    let step: Step = match name {
        "two-questions" => |b, q, t| send(b, t, assemble(q, [2, 0, 0, 0], &[question(q)])),
        "trailing-octets" => |b, q, t| send(b, t, [q.encode(), vec![0xaa; 8]].concat()),
        "answer-in-query" => |b, q, t| send(b, t, assemble(q, [1, 1, 0, 0], &[address()])),
        "counts-65535" => |b, q, t| send(b, t, assemble(q, [0xffff; 4], &[])),
        "ancount-65535" => |b, q, t| send(b, t, assemble(q, [1, 0xffff, 0, 0], &[])),
        "arcount-65535" => |b, q, t| send(b, t, assemble(q, [1, 0, 0, 0xffff], &[])),
        "label-63" => |b, q, t| send(b, t, below(q, &[63])),
        "labels-127" => |b, q, t| send(b, t, below(q, &[1; 123])),
        "name-255" => |b, q, t| send(b, t, below(q, &[63, 63, 63, 54])),
        "name-256" => |b, q, t| send(b, t, below(q, &[63, 63, 63, 55])),
        "longest-name" => |b, _, t| send(b, t, Query::new(&longest_name(), "A").encode()),
        "pointer-chain" => |b, _, t| send(b, t, pointer_chain()),
        "two-opt" => |b, q, t| send(b, t, assemble(q, [1, 0, 0, 2], &[opt(&[]), opt(&[])])),
        "opt-with-owner" => |b, q, t| {
            let named = [b"\x01t\x04test".to_vec(), opt(&[])].concat();
            send(b, t, assemble(q, [1, 0, 0, 1], &[named]))
        },
        "opt-in-answer" => |b, q, t| send(b, t, assemble(q, [1, 1, 0, 0], &[opt(&[])])),
        "opt-in-authority" => |b, q, t| send(b, t, assemble(q, [1, 0, 1, 0], &[opt(&[])])),
        "opt-rdlength-overrun" => |b, q, t| {
            send(
                b,
                t,
                assemble(q, [1, 0, 0, 1], &[opt_of_length(200, &[0, 100, 0, 0])]),
            )
        },
        "option-length-overrun" => |b, q, t| {
            send(
                b,
                t,
                assemble(q, [1, 0, 0, 1], &[opt(&[0, 100, 0, 50, 1, 2])]),
            )
        },
        "option-half-header" => |b, q, t| send(b, t, assemble(q, [1, 0, 0, 1], &[opt(&[0, 100])])),
        "opt-cut" => |b, q, t| send(b, t, assemble(q, [1, 0, 0, 1], &[opt(&[])[..6].to_vec()])),
        "two-hundred-options" => |b, q, t| send(b, t, with_options(q, 200)),
        "two-thousand-options" => |b, q, t| send(b, t, with_options(q, 2000)),
        "tsig-record" => |b, q, t| send(b, t, assemble(q, [1, 0, 0, 1], &[tsig()])),
        "address-in-additional" => |b, q, t| send(b, t, assemble(q, [1, 0, 0, 1], &[address()])),
        "opt-after-address" => {
            |b, q, t| send(b, t, assemble(q, [1, 0, 0, 2], &[address(), opt(&[])]))
        }
        "rotation" => rotation,
        "chain-order" => chain_order,
        "exact-payload" => |b, q, t| payload_beside(b, q, t, 0),
        "payload-one-short" => |b, q, t| payload_beside(b, q, t, 1),
        "compressed-owners" => compressed_owners,
        "extra-text" => extra_text,
        _ => return None,
    };
    Some(step)
}

/// The query's header and question with other counts, and `records` behind.
fn assemble(query: &Query, counts: [u16; 4], records: &[Vec<u8>]) -> Vec<u8> {
    [
        header(query.id, query.flags, counts),
        question(query),
        records.concat(),
    ]
    .concat()
}

fn question(query: &Query) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Some(question) = &query.question {
        question.encode(&mut octets);
    }
    octets
}

/// The query with labels of these lengths in front of its name. `t.test.` takes 8 octets, a label
/// its length and one: 3 x 64 + 55 + 8 is 255, the longest name.
fn below(query: &Query, lengths: &[u8]) -> Vec<u8> {
    let mut query = query.clone();
    if let Some(question) = &mut query.question {
        let labels = lengths.iter().flat_map(|length| {
            std::iter::once(*length).chain(std::iter::repeat_n(b'q', usize::from(*length)))
        });
        question.name = labels.chain(question.name.iter().copied()).collect();
    }
    query.encode()
}

/// A question whose name is 300 pointers, each to the next, the last to the root.
fn pointer_chain() -> Vec<u8> {
    let mut octets = header(0x1234, 0, [1, 0, 0, 0]);
    for step in 0..300_u16 {
        octets.extend_from_slice(&(0xc000 | (14 + 2 * step)).to_be_bytes());
    }
    octets.extend_from_slice(&[0, 0, 1, 0, 1]);
    octets
}

fn opt(rdata: &[u8]) -> Vec<u8> {
    opt_of_length(rdata.len(), rdata)
}

/// OPT that announces `length` octets of RDATA and carries `rdata`.
fn opt_of_length(length: usize, rdata: &[u8]) -> Vec<u8> {
    [
        &[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0][..],
        &length_word(length),
        rdata,
    ]
    .concat()
}

/// `x. 1 IN A 192.0.2.77`
fn address() -> Vec<u8> {
    b"\x01x\0\0\x01\0\x01\0\0\0\x01\0\x04\xc0\x00\x02\x4d".to_vec()
}

/// A TSIG record of key `k.` with algorithm `a.` and a MAC of 4 octets (RFC 8945 section 4.2).
fn tsig() -> Vec<u8> {
    let rdata = b"\x01a\0\0\0\0\0\0\0\x01\x2c\0\x04\x01\x02\x03\x04\x12\x34\0\0\0\0";
    [
        &b"\x01k\0\0\xfa\0\xff\0\0\0\0"[..],
        &length_word(rdata.len()),
        rdata,
    ]
    .concat()
}

fn with_options(query: &Query, count: usize) -> Vec<u8> {
    let options = vec![(65_100, Vec::new()); count];
    let edns = Some(Edns {
        version: 0,
        payload: 1232,
        flags: 0,
        options,
    });
    Query {
        edns,
        ..query.clone()
    }
    .encode()
}

/// Asks until the first answer has been another one; the set never changes.
fn rotation(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let mut firsts = BTreeSet::new();
    for _ in 0..64 {
        let reply = ask(bench, transport, query)?;
        if reply.answers_of(1) != ["192.0.2.1", "192.0.2.2"] {
            return Err(format!("not the whole RRset: {reply}"));
        }
        firsts.insert(reply.sections[0][0].rdata.clone());
        if firsts.len() == 2 {
            return send(bench, transport, query.encode());
        }
    }
    Err(format!("64 answers began with {firsts:?}"))
}

/// Each alias comes before what it leads to.
fn chain_order(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let reply = ask(bench, transport, query)?;
    let owners: Vec<&str> = reply.sections[0]
        .iter()
        .map(|record| record.owner.as_str())
        .collect();
    if owners != ["chain1.t.test.", "chain2.t.test.", "one.t.test."] {
        return Err(format!("order of owners: {owners:?}"));
    }
    send(bench, transport, query.encode())
}

/// Asks with the payload size that the whole answer needs, less `short` octets.
fn payload_beside(bench: &Bench, query: &Query, transport: Transport, short: u16) -> Done {
    let mut query = query.clone().with_edns();
    let whole = ask(bench, Transport::Tcp, &query)?.octets;
    let size = u16::try_from(whole).map_err(|_| "the answer is too large for this case")?;
    query.edns_mut().payload = size - short;
    send(bench, transport, query.encode())
}

/// 16 octets an address: a pointer, type, class, TTL, length, address.
fn compressed_owners(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let query = query.clone().with_edns();
    let reply = ask(bench, transport, &query)?;
    let limit = 12 + question(&query).len() + 16 * reply.sections[0].len() + 11;
    if reply.octets > limit {
        return Err(format!("{} octets where {limit} do", reply.octets));
    }
    send(bench, transport, query.encode())
}

/// INFO-CODE and a text that is UTF-8 and does not end in a zero octet (RFC 8914 section 2).
fn extra_text(bench: &Bench, query: &Query, transport: Transport) -> Done {
    let octets = query.encode();
    let message = ask_octets(bench, transport, &octets)?;
    let reply = Reply::decode(&message)?;
    let value = reply.option(15).ok_or("no extended error")?;
    let text = value.get(2..).ok_or("an extended error under 2 octets")?;
    if std::str::from_utf8(text).is_err() || text.ends_with(&[0]) {
        return Err(format!("EXTRA-TEXT {text:?}"));
    }
    Ok((octets, Outcome::Reply(message)))
}
