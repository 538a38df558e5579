//! Scripted cases by name, and what the scripts share.

use super::bench::Bench;
use super::{cookie_steps, message_steps, tcp_steps};
use crate::harness::exchange::{Outcome, Transport, ask_tcp, ask_udp};
use crate::harness::query::Query;
use crate::harness::reply::Reply;

/// What a script sent last, and what came back for it; or what went wrong on the way.
pub(crate) type Done = Result<(Vec<u8>, Outcome), String>;

/// A script: it gets the row's question and the transport to use.
pub(crate) type Step = fn(&Bench, &Query, Transport) -> Done;

/// The script called `name`.
pub(crate) fn find(name: &str) -> Option<Step> {
    message_steps::find(name)
        .or_else(|| tcp_steps::find(name))
        .or_else(|| cookie_steps::find(name))
}

/// Sends `octets` to the main server.
pub(crate) fn send(bench: &Bench, transport: Transport, octets: Vec<u8>) -> Done {
    let outcome = bench.server("main").exchange(transport, &octets)?;
    Ok((octets, outcome))
}

/// Asks the main server and decodes.
pub(crate) fn ask(bench: &Bench, transport: Transport, query: &Query) -> Result<Reply, String> {
    Reply::decode(&ask_octets(bench, transport, &query.encode())?)
}

/// Asks the main server; the reply as it came.
pub(crate) fn ask_octets(
    bench: &Bench,
    transport: Transport,
    octets: &[u8],
) -> Result<Vec<u8>, String> {
    let reply = match transport {
        Transport::Udp => ask_udp(bench.main(), octets),
        Transport::Tcp => ask_tcp(bench.main(), octets),
    };
    reply.map_err(|error| format!("no reply: {error}"))
}
