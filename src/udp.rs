//! The UDP path of a shard: a batch in, an answer for each, a batch out. Never waits: what the
//! kernel does not take at once is dropped and counted, as a network would.

use std::net::UdpSocket;

use crate::counters::ShardCounters;
use crate::index::AHEAD_MAX;
use crate::kernel::Datagrams;
use crate::listen::UdpListener;
use crate::responder::{Responder, look_ahead_guarded, respond_guarded};
use crate::world::{Asked, Transport};

/// One UDP socket of a shard.
#[derive(Debug)]
pub struct UdpPath {
    socket: UdpSocket,
    /// Bound to all addresses: the answer must leave from the one that was asked.
    wildcard: bool,
    /// Whether datagrams may be waiting; set when the shard looks for work, cleared by an
    /// empty receive.
    pub ready: bool,
}

impl UdpPath {
    /// Over a bound socket.
    pub fn new(listener: UdpListener) -> UdpPath {
        UdpPath {
            wildcard: listener.wildcard,
            socket: listener.socket,
            ready: true,
        }
    }

    /// The socket, to sleep on.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Answers one batch and returns how many datagrams it had.
    pub fn turn<R: Responder>(
        &mut self,
        datagrams: &mut Datagrams,
        responder: &mut R,
        now_s: u32,
        counters: &ShardCounters,
    ) -> usize {
        // An error that was waiting on the socket is consumed by this; more end the next sleep.
        let count = datagrams.receive(&self.socket, self.wildcard).unwrap_or(0);
        if count == 0 {
            self.ready = false;
            return 0;
        }
        for first in (0..count).step_by(AHEAD_MAX) {
            let group = first..count.min(first + AHEAD_MAX);
            let messages = group.clone().map(|index| datagrams.message(index));
            let is_ahead = look_ahead_guarded(responder, messages);
            for index in group {
                let Some(exchange) = datagrams.exchange(index) else {
                    counters.dropped.add(1);
                    continue;
                };
                let asked = Asked {
                    message: exchange.query,
                    client: exchange.client,
                    transport: Transport::Udp,
                    now_s,
                    ahead: is_ahead.then_some(index - first),
                };
                let length = respond_guarded(responder, &asked, counters, exchange.response);
                if length > 0 {
                    datagrams.enqueue(index, length);
                }
            }
        }
        counters.udp_queries.add(count as u64);
        counters.udp_batches.add(1);
        let sent = datagrams.send(&self.socket);
        if sent.refused > 0 {
            counters.send_errors.add(sent.refused as u64);
        }
        count
    }
}
