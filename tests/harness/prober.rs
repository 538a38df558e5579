//! A client that asks a thousand times a second for names that do not change and counts every
//! answer that is not exactly right: the ground truth of "it survived".

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::exchange::udp_socket;
use super::fixture::{numbered_address, numbered_name};
use super::query::Query;
use super::reply::Reply;

/// Queries a second.
const RATE: u64 = 1000;
/// Sockets: enough source ports that every shard gets a share.
const SOCKETS: usize = 16;
/// An answer later than this is lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// A running prober.
pub(crate) struct Prober {
    /// How many questions are enough; at first there is no end.
    enough: Arc<AtomicU64>,
    thread: JoinHandle<Tally>,
}

/// What the prober saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) right: u64,
    /// The first wrong answers, in words.
    pub(crate) wrong: Vec<String>,
    pub(crate) lost: u64,
}

impl Prober {
    /// Asks `server` for the first `names` numbered names, over and over.
    pub(crate) fn start(server: SocketAddr, names: u32) -> Prober {
        let enough = Arc::new(AtomicU64::new(u64::MAX));
        let shared = Arc::clone(&enough);
        let thread = thread::spawn(move || Round::new(server, names).run(&shared));
        Prober { enough, thread }
    }

    /// Ends it once at least `sent_min` were asked, however fast the scenario was; panics unless
    /// every answer was right.
    pub(crate) fn expect_all_right(self, sent_min: u64) {
        self.enough.store(sent_min, Ordering::SeqCst);
        let tally = self.thread.join().expect("the prober's thread");
        let fine = tally.wrong.is_empty() && tally.lost == 0 && tally.right == tally.sent;
        assert!(
            fine && tally.sent >= sent_min,
            "prober wants {sent_min} right answers: {tally:#?}"
        );
    }
}

struct Round {
    sockets: Vec<UdpSocket>,
    names: u32,
    /// By socket and message ID: which name, and when it was asked.
    waiting: HashMap<(usize, u16), (u32, Instant)>,
    tally: Tally,
}

impl Round {
    fn new(server: SocketAddr, names: u32) -> Round {
        let socket = |_| {
            let socket = udp_socket(server, Ipv4Addr::LOCALHOST).expect("a socket");
            socket.set_nonblocking(true).expect("nonblocking socket");
            socket
        };
        let sockets = (0..SOCKETS).map(socket).collect();
        Round {
            sockets,
            names,
            waiting: HashMap::new(),
            tally: Tally::default(),
        }
    }

    fn run(mut self, enough: &AtomicU64) -> Tally {
        let start = Instant::now();
        while self.tally.sent < enough.load(Ordering::SeqCst) {
            let due =
                u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX) * RATE / 1_000_000;
            while self.tally.sent < due {
                self.send();
            }
            self.receive();
            thread::sleep(Duration::from_millis(2));
        }
        let end = Instant::now();
        while !self.waiting.is_empty() && end.elapsed() < LOST_AFTER {
            self.receive();
            thread::sleep(Duration::from_millis(2));
        }
        self.tally.lost += u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.tally
    }

    fn send(&mut self) {
        let sequence = usize::try_from(self.tally.sent).expect("64 bits");
        let number = u32::try_from(sequence).unwrap_or(0).wrapping_mul(7919) % self.names;
        let mut query = Query::new(&numbered_name(number), "A");
        query.id = u16::try_from(sequence / SOCKETS % 0x1_0000).expect("16 bits");
        let socket = sequence % SOCKETS;
        self.tally.sent += 1;
        let asked = self.sockets[socket].send(&query.encode());
        if asked.is_err() {
            self.tally.wrong.push(format!("send: {asked:?}"));
        }
        self.waiting
            .insert((socket, query.id), (number, Instant::now()));
    }

    fn receive(&mut self) {
        let mut buffer = [0; 2048];
        for socket in 0..SOCKETS {
            while let Ok(length) = self.sockets[socket].recv(&mut buffer) {
                self.judge(socket, &buffer[..length]);
            }
        }
        let lost = self
            .waiting
            .extract_if(|_, (_, sent)| sent.elapsed() >= LOST_AFTER)
            .count();
        self.tally.lost += u64::try_from(lost).unwrap_or(u64::MAX);
    }

    fn judge(&mut self, socket: usize, message: &[u8]) {
        let verdict = Reply::decode(message).and_then(|reply| {
            let asked = self.waiting.remove(&(socket, reply.id));
            let (number, _) = asked.ok_or("a reply that was not asked for, or twice")?;
            let right = reply.rcode() == 0 && reply.answers_of(1) == [numbered_address(number)];
            if right {
                Ok(())
            } else {
                Err(format!("{}: {reply}", numbered_name(number)))
            }
        });
        match verdict {
            Ok(()) => self.tally.right += 1,
            Err(why) if self.tally.wrong.len() < 5 => self.tally.wrong.push(why),
            Err(_) => {}
        }
    }
}
