//! One shard's world: its record index, its settings and its random numbers; the two calls that the
//! sockets make. Pure: bytes in, bytes out; no I/O, no clock, no lock, no allocation on a hit.

use std::net::IpAddr;
use std::sync::Arc;

use crate::counters::ShardCounters;
use crate::delta::{Change, Delta};

/// How a query came, which bounds the size of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: 512 octets, or what EDNS and `udp_payload_max` allow.
    Udp,
    /// A stream message of up to 65,535 octets.
    Tcp,
}

/// What one core answers from.
#[derive(Debug)]
pub struct World {
    counters: Arc<ShardCounters>,
}

impl World {
    /// An empty world that is not ready: our zones get SERVFAIL until [`Change::Ready`] comes.
    pub fn new(counters: Arc<ShardCounters>) -> World {
        World { counters }
    }

    /// Answers `query` into `response` and returns the response's length; 0 means silence.
    /// `response` is at least 1,232 octets for UDP (more when `udp_payload_max` is), 65,535 for TCP.
    /// `now_s` is the wall clock (cookies carry it).
    pub fn respond(
        &mut self,
        query: &[u8],
        client: IpAddr,
        transport: Transport,
        now_s: u32,
        response: &mut [u8],
    ) -> usize {
        let _ = (client, transport, now_s);
        let length = query.len().min(response.len());
        response[..length].copy_from_slice(&query[..length]);
        if length > 2 {
            response[2] |= 0x80;
        }
        length
    }

    /// Applies one delta.
    pub fn apply(&mut self, delta: &Delta) {
        for change in &delta.changes {
            if let Change::Ready = change {
                self.counters.ready.set(1);
            }
        }
        self.counters.revision.set(delta.revision);
    }
}
