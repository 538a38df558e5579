//! Foreign octets at full speed: the server lives, its memory is steady, good queries are
//! answered meanwhile.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{Plain, udp_socket};
use crate::harness::fixture;
use crate::harness::query::Query;
use crate::harness::server::{Server, Settings};

/// Growth that is noise of the allocator, not a leak.
const GROWTH_KIB_MAX: u64 = 8 << 10;

/// A small generator with a fixed start, so that a failure can be repeated (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).expect("31 bits") % sides
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.roll(256)).expect("8 bits")
    }

    /// A good message with some octets changed, cut, repeated or added.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut message = seeds[self.roll(seeds.len())].clone();
        for _ in 0..=self.roll(6) {
            let at = self.roll(message.len().max(1));
            match self.roll(5) {
                0 => message.truncate(at),
                1 => message.insert(at, self.octet()),
                2 => message.extend_from_within(at..),
                3 if at < message.len() => message[at] = [0, 0x3f, 0x40, 0xc0, 0xff][self.roll(5)],
                _ if at < message.len() => message[at] = self.octet(),
                _ => message.push(self.octet()),
            }
        }
        message.truncate(1400);
        message
    }
}

/// Sends mutated messages for `duration`, a plain query now and then; gives how many were sent.
fn flood(server: &mut Server, plain: &Plain, dice: &mut Dice, duration: Duration) -> u64 {
    let seeds = [
        Query::new("one.t.test.", "A").encode(),
        Query::new("alias.t.test.", "AAAA").with_edns().encode(),
        Query::new("nothere.t.test.", "TXT")
            .with_option(10, &[7; 24])
            .encode(),
        Query::new("_http._tcp.t.test.", "SRV")
            .with_option(3, &[])
            .with_option(11, &[])
            .encode(),
        Query::new("a.b.wild.t.test.", "ANY").encode(),
        Query::new("www.child.t.test.", "DS").with_edns().encode(),
    ];
    let socket = udp_socket(server.dns, Ipv4Addr::LOCALHOST).expect("a socket");
    socket.set_nonblocking(true).expect("nonblocking socket");
    let start = Instant::now();
    let mut sent = 0;
    let mut answer = [0; 2048];
    while start.elapsed() < duration {
        for _ in 0..500 {
            // A full buffer on either side drops: this is a flood.
            let _ = socket.send(&dice.mutate(&seeds));
            sent += 1;
            while socket.recv(&mut answer).is_ok() {}
        }
        // Each on a socket and port of its own; a dropped one is asked again.
        let alive = (0..3).any(|_| plain.ask(server.dns).is_ok());
        if !alive {
            server.assert_running();
            let tail = server.process.output_tail();
            panic!("a good query is not answered in a flood, after {sent} messages\n{tail}");
        }
    }
    sent
}

#[test]
fn mutated_messages_neither_stop_the_server_nor_grow_it() {
    let etcd = Etcd::start();
    etcd.put_all(&fixture::test_zone());
    let mut server = Server::start(&Settings::new(etcd.client()));
    let plain = Plain {
        name: "one.t.test.".into(),
        address: Some("192.0.2.10".into()),
    };
    let mut dice = Dice(0x5eed);
    flood(&mut server, &plain, &mut dice, Duration::from_secs(2));
    let before = server.process.resident_kib();
    let sent = flood(&mut server, &plain, &mut dice, Duration::from_secs(6));
    server.assert_running();
    let after = server.process.resident_kib();
    assert!(
        after < before + GROWTH_KIB_MAX,
        "resident memory went from {before} to {after} KiB in {sent} messages"
    );
    assert!(sent > 5_000, "only {sent} messages are no flood");
    let panics = server.metrics().sum("containerdns_panics_total");
    assert!(
        panics == 0.0,
        "{panics} queries panicked\n{}",
        server.process.output_tail()
    );
}
