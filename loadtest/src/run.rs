//! The loop of a run: send what is due, receive what is there, count.
//!
//! One thread and several source ports, each a connected socket, or a connection of its own:
//! connected ones cost the kernel least (no route look-up a packet, no address to copy), and each
//! port has a hash of its own by which SO_REUSEPORT chooses a core of the server. A batch goes out
//! on one port, the next batch on the next port. Receiving polls the ports that wait for answers
//! without an `epoll`, whose wake-ups would be paid by the server's CPU on loopback.
//!
//! When there is nothing to do the loop spins for `spin_ns`, since waking takes longer than the
//! latencies to be measured, and then sleeps.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::arguments::Transport;
use crate::generator::{self, Clocks, Generator, Turns};
use crate::kernel::{self, BATCH_LEN, Batch, Sleeper, Wait};
use crate::live::Gauges;
use crate::outstanding::{Outstanding, Waiting};
use crate::packet::{self, Queries};
use crate::schedule::Schedule;
use crate::sources::{self, Source};
use crate::stats::{Counters, LATE_NS, Times};
use crate::stream::{Connect, Stream};
use crate::tally::Tally;
use crate::timeline::Timeline;

/// Asked of the kernel for each socket; it may give less.
const SOCKET_BUFFER_BYTES: usize = 1 << 20;
/// Deadlines are looked at, and ports that wait for nothing are emptied, this often. It is also
/// the longest sleep.
const TICK_NS: u64 = 1_000_000;
/// Ports that are emptied in one tick at most, the others in the next ones.
const PORTS_PER_TICK: usize = 64;
/// A connection that failed is not used before it had so long to be made again.
const RECONNECT_NS: u64 = 100_000_000;

/// What to run.
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) sources: Vec<Source>,
    pub(crate) sockets: usize,
    pub(crate) schedule: Schedule,
    pub(crate) timeout_ns: u64,
    pub(crate) spin_ns: u64,
    /// Told what happens, when somebody looks on.
    pub(crate) gauges: Option<Arc<Gauges>>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) counters: Counters,
    /// From the intended sending to the answer, in the order of the answers.
    pub(crate) latencies: Times,
    /// From the intended sending to the sending.
    pub(crate) lateness: Times,
    pub(crate) timeline: Timeline,
    pub(crate) tally: Tally,
    /// From the start to the last answer; 0 without one.
    pub(crate) answered_ns: u64,
    /// When a signal ended the run before its time, if one did.
    pub(crate) interrupted_ns: Option<u64>,
    /// What this program used and lacked.
    pub(crate) generator: Generator,
    /// The last error of a socket, when there was one.
    pub(crate) socket_error: Option<io::Error>,
}

/// One source port.
struct Port {
    link: Link,
    /// The address it is bound to, if that was asked for.
    source: Option<IpAddr>,
    waiting: Outstanding,
    /// Nothing is sent before.
    usable_at_ns: u64,
}

/// How a port reaches the server.
enum Link {
    Datagrams(Socket),
    Stream(Stream),
}

impl Link {
    fn socket(&self) -> &Socket {
        match self {
            Link::Datagrams(socket) => socket,
            Link::Stream(stream) => &stream.socket,
        }
    }
}

impl Port {
    fn can_take(&self, now_ns: u64) -> bool {
        let has_room = match &self.link {
            Link::Datagrams(_) => true,
            Link::Stream(stream) => stream.has_room(),
        };
        has_room && self.usable_at_ns <= now_ns && self.waiting.free() > 0
    }
}

struct Load<'a> {
    server: SocketAddr,
    queries: &'a Queries,
    schedule: Schedule,
    ports: Vec<Port>,
    send_batch: Batch,
    send_port: usize,
    receive_port: usize,
    empty_port: usize,
    sleeper: Sleeper,
    waiting: u64,
    start: Instant,
    gauges: Option<&'a Gauges>,
    turns: Turns,
    outcome: Outcome,
}

/// Runs the plan to its end: the schedule is over and every query is answered or lost.
pub(crate) fn run(plan: &Plan, queries: &Queries) -> io::Result<Outcome> {
    let mut ports = Vec::with_capacity(plan.sockets);
    for index in 0..plan.sockets {
        ports.push(open(plan, index)?);
    }
    let sleeper = Sleeper::new(ports.iter().map(|port| port.link.socket().as_raw_fd()));
    let timeline = Timeline::new(plan.schedule.duration_s());
    let clocks = Clocks::read()?;
    let mut load = Load {
        server: plan.server,
        queries,
        schedule: plan.schedule,
        ports,
        send_batch: Batch::new(),
        send_port: 0,
        receive_port: 0,
        empty_port: 0,
        sleeper,
        waiting: 0,
        start: Instant::now(),
        gauges: plan.gauges.as_deref(),
        turns: Turns::default(),
        outcome: Outcome {
            counters: Counters::default(),
            latencies: Times::new(),
            lateness: Times::new(),
            timeline,
            tally: Tally::new(queries),
            answered_ns: 0,
            interrupted_ns: None,
            generator: Generator::default(),
            socket_error: None,
        },
    };
    load.turn_until_done(plan.spin_ns);
    let datagrams = load.ports.iter().filter_map(|port| match &port.link {
        Link::Datagrams(socket) => Some(socket),
        Link::Stream(_) => None,
    });
    let dropped = generator::dropped(datagrams);
    load.outcome.generator = Clocks::read()?.since(&clocks, &load.turns, dropped);
    load.outcome.counters.unsent = load.schedule.unsent(load.outcome.counters.sent);
    Ok(load.outcome)
}

/// Port `index` of the plan.
fn open(plan: &Plan, index: usize) -> io::Result<Port> {
    let source = sources::address_of(&plan.sources, index, plan.sockets);
    let opened = match plan.transport {
        Transport::Udp => connect(plan.server, source).map(Link::Datagrams),
        Transport::Tcp => Stream::new(plan.server, source, Connect::Waiting).map(Link::Stream),
    };
    Ok(Port {
        link: opened.map_err(|error| explained(error, source))?,
        source,
        waiting: Outstanding::new(plan.timeout_ns, plan.sockets),
        usable_at_ns: 0,
    })
}

/// The error with what would be right, where the plan and not the server is at fault.
fn explained(error: io::Error, source: Option<IpAddr>) -> io::Error {
    let hint = match (error.raw_os_error(), source) {
        (Some(libc::EMFILE), _) => {
            "too many open files: raise the limit (ulimit -n) or lower --sockets".to_owned()
        }
        (Some(libc::EADDRNOTAVAIL), Some(source)) => format!(
            "--source: {source} is on no interface: add it (ip address add PREFIX dev INTERFACE) \
             or the whole prefix (ip route add local PREFIX dev lo)"
        ),
        _ => return error,
    };
    io::Error::new(error.kind(), hint)
}

fn connect(server: SocketAddr, source: Option<IpAddr>) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(server),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    socket.bind(&SocketAddr::new(source.unwrap_or(any), 0).into())?;
    socket.connect(&server.into())?;
    Ok(socket)
}

impl Load<'_> {
    fn turn_until_done(&mut self, spin_ns: u64) {
        let mut batch = Batch::new();
        let (mut tick_ns, mut busy_ns) = (TICK_NS, 0);
        loop {
            let sent = self.send();
            let received = self.receive(&mut batch);
            let now_ns = self.now_ns();
            if now_ns >= tick_ns {
                self.tick(&mut batch, now_ns);
                tick_ns = now_ns + TICK_NS;
            }
            let is_over = self.schedule.is_over(now_ns, self.outcome.counters.sent);
            if self.waiting == 0 && is_over {
                self.empty_ports(&mut batch, self.ports.len());
                return;
            }
            if !is_over {
                self.turns.note(now_ns, sent + received);
            }
            if sent + received > 0 {
                busy_ns = now_ns;
            }
            let quiet_ns = self
                .schedule
                .quiet_ns(now_ns, self.outcome.counters.sent)
                .min(TICK_NS);
            if now_ns - busy_ns >= spin_ns && quiet_ns > spin_ns {
                self.sleeper.sleep(Duration::from_nanos(quiet_ns - spin_ns));
                self.turns.note(self.now_ns(), 0);
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
        let Some(port_index) = self.port_with_room(now_ns) else {
            let mut ports = self.ports.iter();
            self.outcome.counters.lacked_connections |=
                ports.any(|port| port.usable_at_ns > now_ns);
            return 0;
        };
        let port = &mut self.ports[port_index];
        let count = BATCH_LEN
            .min(port.waiting.free())
            .min(allowed.min(BATCH_LEN as u64) as usize);
        for ahead in 0..count {
            let query = self.queries.order().at(sent + ahead as u64);
            let id = port.waiting.id(ahead);
            let len = self
                .queries
                .write(query, id, self.send_batch.buffer_mut(ahead));
            self.send_batch.set_len(ahead, len);
        }
        let sent = match &mut port.link {
            Link::Datagrams(socket) => self.send_batch.send(socket, 0..count),
            Link::Stream(stream) => {
                for ahead in 0..count {
                    stream.queue(self.send_batch.packet_mut(ahead));
                }
                stream.flush().map(|()| count)
            }
        };
        match sent {
            Ok(count) => {
                self.note_sent(port_index, count, now_ns);
                count
            }
            Err(error) => {
                self.note_failure(port_index, error, now_ns);
                0
            }
        }
    }

    /// The next port in turn that can take a query; none when all IDs of all are in use.
    fn port_with_room(&mut self, now_ns: u64) -> Option<usize> {
        let count = self.ports.len();
        let mut in_turn = (0..count).map(|step| (self.send_port + step) % count);
        let chosen = in_turn.find(|&index| self.ports[index].can_take(now_ns))?;
        self.send_port = (chosen + 1) % count;
        Some(chosen)
    }

    fn note_sent(&mut self, port_index: usize, count: usize, sent_ns: u64) {
        let counters = &mut self.outcome.counters;
        for _ in 0..count {
            let intended_ns = self.schedule.intended_ns(counters.sent, sent_ns);
            let late_ns = sent_ns - intended_ns;
            self.outcome.lateness.record(late_ns);
            self.outcome.timeline.note_sent(intended_ns, late_ns);
            counters.late += u64::from(late_ns > LATE_NS);
            let waiting = Waiting {
                query: self.queries.order().at(counters.sent),
                intended_ns,
                sent_ns,
            };
            counters.sent += 1;
            self.ports[port_index].waiting.add(waiting);
        }
        self.waiting += count as u64;
        if let Some(gauges) = self.gauges {
            gauges.note_sent(count as u64);
        }
    }

    /// Receives one batch from the next port in turn that has one; gives the number of packets.
    fn receive(&mut self, batch: &mut Batch) -> usize {
        for _ in 0..self.ports.len() {
            let index = self.receive_port;
            let count = match self.ports[index].waiting.is_empty() {
                true => 0,
                false => self.receive_from(batch, index),
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

    fn receive_from(&mut self, batch: &mut Batch, port_index: usize) -> usize {
        let usable_at_ns = self.ports[port_index].usable_at_ns;
        if usable_at_ns > 0 && usable_at_ns > self.now_ns() {
            return 0;
        }
        match &mut self.ports[port_index].link {
            Link::Datagrams(socket) => match batch.receive(socket, Wait::No) {
                Ok(count) => {
                    let now_ns = self.now_ns();
                    for index in 0..count {
                        self.note_received(port_index, batch.packet_mut(index), now_ns);
                    }
                    count
                }
                Err(error) => {
                    self.note_error(error);
                    0
                }
            },
            Link::Stream(stream) => {
                let received = stream.flush().and_then(|()| stream.receive());
                let now_ns = self.now_ns();
                match received {
                    Ok(messages) => {
                        let noted = messages.iter();
                        noted
                            .map(|message| self.note_received(port_index, message, now_ns))
                            .count()
                    }
                    Err(error) => {
                        self.note_failure(port_index, error, now_ns);
                        0
                    }
                }
            }
        }
    }

    fn note_received(&mut self, port_index: usize, response: &[u8], now_ns: u64) {
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
        let is_wrong_rcode = self.queries.is_wrong_rcode(waiting.query, answer.rcode);
        counters.wrong_rcode += u64::from(is_wrong_rcode);
        counters.truncated += u64::from(answer.truncated);
        counters.rcodes[usize::from(answer.rcode)] += 1;
        let tally = &mut self.outcome.tally;
        let is_wrong = tally.note_answered(self.queries, waiting.query, answer, response);
        let latency_ns = now_ns - waiting.intended_ns;
        self.outcome.latencies.record(latency_ns);
        self.outcome
            .timeline
            .note_answered(waiting.intended_ns, latency_ns, is_wrong);
        if let Some(gauges) = self.gauges {
            gauges.note_answered(latency_ns, is_wrong);
        }
        self.outcome.answered_ns = now_ns;
    }

    /// Ends the wait for what is lost, after all that has arrived was taken in: a deadline that
    /// passed while this program was not running loses nothing that was answered.
    fn tick(&mut self, batch: &mut Batch, now_ns: u64) {
        self.empty_ports(batch, PORTS_PER_TICK);
        for port in &mut self.ports {
            let lost = port.waiting.expire(now_ns);
            self.outcome.counters.lost += lost;
            self.waiting -= lost;
            if let Some(gauges) = self.gauges {
                gauges.note_lost(lost);
            }
        }
        if kernel::end_is_wanted() && !self.schedule.is_over(now_ns, self.outcome.counters.sent) {
            self.schedule.end_at(now_ns);
            self.outcome.interrupted_ns = Some(now_ns);
        }
    }

    /// Takes in what lies at the next `count` ports in turn, those that wait for nothing included.
    fn empty_ports(&mut self, batch: &mut Batch, count: usize) {
        for _ in 0..count.min(self.ports.len()) {
            let index = self.empty_port;
            self.empty_port = (index + 1) % self.ports.len();
            // Bounded: a port holds no more than its buffer when the calls outrun the server.
            for _ in 0..SOCKET_BUFFER_BYTES / BATCH_LEN {
                if self.receive_from(batch, index) < BATCH_LEN {
                    break;
                }
            }
        }
    }

    /// A connection that fails is made anew, and what waits on it is lost: the server may have
    /// answered it or not.
    fn note_failure(&mut self, port_index: usize, error: io::Error, now_ns: u64) {
        let port = &mut self.ports[port_index];
        if let Link::Stream(stream) = &mut port.link {
            let lost = port.waiting.expire(u64::MAX);
            self.outcome.counters.lost += lost;
            self.outcome.counters.reconnects += 1;
            self.waiting -= lost;
            if let Some(gauges) = self.gauges {
                gauges.note_lost(lost);
            }
            port.usable_at_ns = now_ns + RECONNECT_NS;
            if let Ok(fresh) = Stream::new(self.server, port.source, Connect::Later) {
                self.sleeper.replace(port_index, fresh.socket.as_raw_fd());
                *stream = fresh;
            }
        }
        self.note_error(error);
    }

    fn note_error(&mut self, error: io::Error) {
        if error.kind() != io::ErrorKind::WouldBlock {
            self.outcome.counters.socket_errors += 1;
            self.outcome.socket_error = Some(error);
        }
    }
}
