//! What a shard's sockets ask of the shard's world, and the guard around it: a query whose answer
//! panics is answered SERVFAIL and counted, and the shard lives on. The guard's happy path is a
//! plain call. What the world answered before the panic is not rolled back: a responder must keep
//! its tables readable at every point, which holds when answering only reads them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::counters::ShardCounters;
use crate::delta::Delta;
use crate::world::{Asked, World};

/// Octets of a DNS message header (RFC 1035, section 4.1.1).
const HEADER_BYTES: usize = 12;
const SERVFAIL: u8 = 2;

/// What answers queries on one core. [`World`] in the server.
pub trait Responder: 'static {
    /// Is told of messages that it will be asked to answer next, each with its place among them in
    /// [`Asked::ahead`]: at most [`crate::index::AHEAD_MAX`]. Octets that are no message
    /// count as one.
    fn look_ahead<'m>(&mut self, _messages: impl Iterator<Item = &'m [u8]>) {}

    /// Answers into `response` and returns the response's length; 0 means silence.
    fn respond(&mut self, asked: &Asked<'_>, response: &mut [u8]) -> usize;

    /// Applies one delta.
    fn apply(&mut self, delta: &Delta);
}

impl Responder for World {
    #[inline]
    fn look_ahead<'m>(&mut self, messages: impl Iterator<Item = &'m [u8]>) {
        World::look_ahead(self, messages);
    }

    #[inline]
    fn respond(&mut self, asked: &Asked<'_>, response: &mut [u8]) -> usize {
        World::respond(self, asked, response)
    }

    fn apply(&mut self, delta: &Delta) {
        World::apply(self, delta);
    }
}

/// [`Responder::look_ahead`]; whether it came to its end without a panic. If not, each message is
/// to be answered by itself, and the one that made it panic is found so.
#[inline]
pub fn look_ahead_guarded<'m, R: Responder>(
    responder: &mut R,
    messages: impl Iterator<Item = &'m [u8]>,
) -> bool {
    catch_unwind(AssertUnwindSafe(|| responder.look_ahead(messages))).is_ok()
}

/// [`Responder::respond`], with SERVFAIL when it panics.
#[inline]
pub fn respond_guarded<R: Responder>(
    responder: &mut R,
    asked: &Asked<'_>,
    counters: &ShardCounters,
    response: &mut [u8],
) -> usize {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        responder.respond(asked, response).min(response.len())
    }));
    attempt.unwrap_or_else(|_| {
        counters.panics.add(1);
        let length = write_servfail(asked.message, response);
        if length > 0 {
            counters.rcodes[usize::from(SERVFAIL)].add(1);
        }
        length
    })
}

/// SERVFAIL as a bare header: the query's ID, opcode and RD, QR set, no question, since what
/// panicked may have been the question. Silence (0) for what is shorter than a header or itself a
/// response.
fn write_servfail(query: &[u8], response: &mut [u8]) -> usize {
    let [id_high, id_low, flags, ..] = *query else {
        return 0;
    };
    if query.len() < HEADER_BYTES || flags & 0x80 != 0 || response.len() < HEADER_BYTES {
        return 0;
    }
    let opcode_and_rd = flags & 0b0111_1001;
    response[..HEADER_BYTES].fill(0);
    response[..4].copy_from_slice(&[id_high, id_low, 0x80 | opcode_and_rd, SERVFAIL]);
    HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::world::Transport;

    struct Panics;

    impl Responder for Panics {
        fn respond(&mut self, _: &Asked<'_>, _: &mut [u8]) -> usize {
            panic!("asked to");
        }

        fn apply(&mut self, _: &Delta) {}
    }

    fn answer(message: &[u8]) -> (Vec<u8>, u64) {
        let counters = ShardCounters::default();
        let mut response = [0xaa; 64];
        let client = IpAddr::from([192, 0, 2, 1]);
        let asked = Asked::new(message, client, Transport::Udp, 0);
        let length = respond_guarded(&mut Panics, &asked, &counters, &mut response);
        (response[..length].to_vec(), counters.panics.get())
    }

    #[test]
    fn a_panic_is_servfail_with_id_opcode_and_rd() {
        let query = [
            0x12, 0x34, 0x29, 0x10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1,
        ];
        let expected = vec![0x12, 0x34, 0xa9, 0x02, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(answer(&query), (expected, 1));
    }

    #[test]
    fn a_panic_on_a_short_message_or_a_response_is_silence() {
        assert_eq!(answer(&[0x12, 0x34, 1]), (vec![], 1));
        assert_eq!(
            answer(&[0x12, 0x34, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (vec![], 1)
        );
    }
}
