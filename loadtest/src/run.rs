//! The loop of a run: send what is due, receive what is there, count.
//!
//! One thread and several source ports, each a connected socket: connected ones cost the kernel
//! least (no route look-up a packet, no address to copy), and each port has a hash of its own by
//! which SO_REUSEPORT chooses a core of the server. A batch goes out on one port, the next batch on
//! the next port. Receiving polls the ports that wait for answers without an `epoll`, whose
//! wake-ups would be paid by the server's CPU on loopback.
//!
//! When there is nothing to do the loop spins for `spin_ns`, since waking takes longer than the
//! latencies to be measured, and then sleeps.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::{BATCH_LEN, Batch, Sleeper, Wait};
use crate::outstanding::{Outstanding, Waiting};
use crate::packet::{self, Queries};
use crate::schedule::Schedule;
use crate::stats::{Counters, LATE_NS, Times};

/// Asked of the kernel for each socket; it may give less.
const SOCKET_BUFFER_BYTES: usize = 1 << 20;
/// Deadlines are looked at, and ports that wait for nothing are emptied, this often. It is also
/// the longest sleep.
const TICK_NS: u64 = 1_000_000;

/// What to run.
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) sockets: usize,
    pub(crate) schedule: Schedule,
    pub(crate) timeout_ns: u64,
    pub(crate) spin_ns: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) counters: Counters,
    /// From the intended sending to the answer, in the order of the answers.
    pub(crate) latencies: Times,
    /// From the intended sending to the sending.
    pub(crate) lateness: Times,
    /// From the start to the last answer; 0 without one.
    pub(crate) answered_ns: u64,
    /// The last error of a socket, when there was one.
    pub(crate) socket_error: Option<io::Error>,
}

/// One source port.
struct Port {
    socket: Socket,
    waiting: Outstanding,
}

struct Load<'a> {
    queries: &'a Queries,
    schedule: Schedule,
    ports: Vec<Port>,
    send_batch: Batch,
    receive_batch: Batch,
    send_port: usize,
    receive_port: usize,
    next_query: u32,
    waiting: u64,
    start: Instant,
    outcome: Outcome,
}

/// Runs the plan to its end: the schedule is over and every query is answered or lost.
pub(crate) fn run(plan: &Plan, queries: &Queries) -> io::Result<Outcome> {
    let mut ports = Vec::with_capacity(plan.sockets);
    for _ in 0..plan.sockets {
        let socket = connect(plan.server)?;
        ports.push(Port {
            socket,
            waiting: Outstanding::new(plan.timeout_ns),
        });
    }
    let mut sleeper = Sleeper::new(ports.iter().map(|port| port.socket.as_raw_fd()));
    let mut load = Load {
        queries,
        schedule: plan.schedule,
        ports,
        send_batch: Batch::new(),
        receive_batch: Batch::new(),
        send_port: 0,
        receive_port: 0,
        next_query: 0,
        waiting: 0,
        start: Instant::now(),
        outcome: Outcome {
            counters: Counters::default(),
            latencies: Times::new(),
            lateness: Times::new(),
            answered_ns: 0,
            socket_error: None,
        },
    };
    load.turn_until_done(plan.spin_ns, &mut sleeper);
    load.outcome.counters.unsent = plan.schedule.unsent(load.outcome.counters.sent);
    Ok(load.outcome)
}

fn connect(server: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    socket.bind(&any.into())?;
    socket.connect(&server.into())?;
    Ok(socket)
}

impl Load<'_> {
    fn turn_until_done(&mut self, spin_ns: u64, sleeper: &mut Sleeper) {
        let (mut tick_ns, mut busy_ns) = (TICK_NS, 0);
        loop {
            let sent = self.send();
            let received = self.receive();
            let now_ns = self.now_ns();
            if now_ns >= tick_ns {
                self.tick(now_ns);
                tick_ns = now_ns + TICK_NS;
            }
            if self.waiting == 0 && self.schedule.is_over(now_ns, self.outcome.counters.sent) {
                self.empty_ports();
                return;
            }
            if sent + received > 0 {
                busy_ns = now_ns;
            }
            let quiet_ns = self
                .schedule
                .quiet_ns(now_ns, self.outcome.counters.sent)
                .min(TICK_NS);
            if now_ns - busy_ns >= spin_ns && quiet_ns > spin_ns {
                sleeper.sleep(Duration::from_nanos(quiet_ns - spin_ns));
            }
        }
    }

    fn now_ns(&self) -> u64 {
        // 584 years of nanoseconds fit.
        self.start.elapsed().as_nanos() as u64
    }

    /// Sends one batch, if anything is due, on the next port that has free IDs.
    fn send(&mut self) -> usize {
        let now_ns = self.now_ns();
        let sent = self.outcome.counters.sent;
        let allowed = self.schedule.allowed(now_ns, sent, self.waiting);
        if allowed == 0 {
            return 0;
        }
        let Some(port_index) = self.port_with_free_ids() else {
            return 0;
        };
        let port = &mut self.ports[port_index];
        let count = BATCH_LEN
            .min(port.waiting.free())
            .min(allowed.min(BATCH_LEN as u64) as usize);
        let mut query = self.next_query;
        for ahead in 0..count {
            let id = port.waiting.id(ahead);
            let len = self
                .queries
                .write(query, id, self.send_batch.buffer_mut(ahead));
            self.send_batch.set_len(ahead, len);
            query = following(query, self.queries);
        }
        match self.send_batch.send(&port.socket, 0..count) {
            Ok(count) => {
                self.note_sent(port_index, count, now_ns);
                count
            }
            Err(error) => {
                self.note_error(error);
                0
            }
        }
    }

    /// The next port in turn that can take a query; none when all 65,536 IDs of all are in use.
    fn port_with_free_ids(&mut self) -> Option<usize> {
        let count = self.ports.len();
        let in_turn = (0..count).map(|step| (self.send_port + step) % count);
        let chosen = in_turn
            .into_iter()
            .find(|&index| self.ports[index].waiting.free() > 0)?;
        self.send_port = (chosen + 1) % count;
        Some(chosen)
    }

    fn note_sent(&mut self, port_index: usize, count: usize, sent_ns: u64) {
        let counters = &mut self.outcome.counters;
        for _ in 0..count {
            let intended_ns = self.schedule.intended_ns(counters.sent, sent_ns);
            let late_ns = sent_ns - intended_ns;
            self.outcome.lateness.record(late_ns);
            counters.late += u64::from(late_ns > LATE_NS);
            counters.sent += 1;
            let waiting = Waiting {
                query: self.next_query,
                intended_ns,
                sent_ns,
            };
            self.ports[port_index].waiting.add(waiting);
            self.next_query = following(self.next_query, self.queries);
        }
        self.waiting += count as u64;
    }

    /// Receives one batch from the next port in turn that has one; gives the number of packets.
    fn receive(&mut self) -> usize {
        for _ in 0..self.ports.len() {
            let index = self.receive_port;
            let count = match self.ports[index].waiting.is_empty() {
                true => 0,
                false => self.receive_from(index),
            };
            if count < BATCH_LEN {
                self.receive_port = (index + 1) % self.ports.len();
            }
            if count > 0 {
                return count;
            }
        }
        0
    }

    fn receive_from(&mut self, port_index: usize) -> usize {
        let received = self
            .receive_batch
            .receive(&self.ports[port_index].socket, Wait::No);
        let count = match received {
            Ok(count) => count,
            Err(error) => {
                self.note_error(error);
                return 0;
            }
        };
        let now_ns = self.now_ns();
        for index in 0..count {
            self.note_received(port_index, index, now_ns);
        }
        count
    }

    fn note_received(&mut self, port_index: usize, index: usize, now_ns: u64) {
        let response: &[u8] = self.receive_batch.packet_mut(index);
        let port = &mut self.ports[port_index];
        let counters = &mut self.outcome.counters;
        let Some(id) = packet::id(response) else {
            counters.malformed += 1;
            return;
        };
        let Some(waiting) = port.waiting.get(id) else {
            counters.unexpected += 1;
            return;
        };
        let Some(answer) = self.queries.read_answer(waiting.query, response) else {
            counters.malformed += 1;
            return;
        };
        port.waiting.remove(id);
        self.waiting -= 1;
        counters.answered += 1;
        counters.wrong_rcode += u64::from(answer.rcode != self.queries.rcode(waiting.query));
        counters.truncated += u64::from(answer.truncated);
        counters.rcodes[usize::from(answer.rcode)] += 1;
        self.outcome.latencies.record(now_ns - waiting.intended_ns);
        self.outcome.answered_ns = now_ns;
    }

    /// Ends the wait for what is lost, after all that has arrived was taken in: a deadline that
    /// passed while this program was not running loses nothing that was answered.
    fn tick(&mut self, now_ns: u64) {
        self.empty_ports();
        for port in &mut self.ports {
            let lost = port.waiting.expire(now_ns);
            self.outcome.counters.lost += lost;
            self.waiting -= lost;
        }
    }

    /// Takes in what lies at every port, those that wait for nothing included.
    fn empty_ports(&mut self) {
        for index in 0..self.ports.len() {
            // Bounded: a port holds no more than its buffer when the calls outrun the server.
            for _ in 0..SOCKET_BUFFER_BYTES / BATCH_LEN {
                if self.receive_from(index) < BATCH_LEN {
                    break;
                }
            }
        }
    }

    fn note_error(&mut self, error: io::Error) {
        if error.kind() != io::ErrorKind::WouldBlock {
            self.outcome.counters.socket_errors += 1;
            self.outcome.socket_error = Some(error);
        }
    }
}

/// The query after `query`, round and round.
fn following(query: u32, queries: &Queries) -> u32 {
    let next = query + 1;
    if next as usize == queries.len() {
        0
    } else {
        next
    }
}
