//! The loop of a shard: one task that never ends. A turn applies a bounded number of changes, takes
//! one batch of datagrams from each socket that has some, and lets a few TCP connections and the
//! other tasks of the core run. With nothing to do it sleeps on the UDP sockets and on one epoll
//! over everything else that can bring work, never in the executor, whose parking costs ten system
//! calls.

use std::cell::RefCell;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;

use super::ticks::{Ticks, run_others};
use super::token::Token;
use super::waker::Waker;
use super::{HEARTBEAT_INTERVAL, ShardError, ShardOptions};
use crate::counters::{ShardCounters, process_ms};
use crate::delta::{CHANGES_PER_DELTA_MAX, Delta};
use crate::kernel::{self, Datagrams, EVENTS_MAX, Epoll, Event, Interest, Sleep};
use crate::listen::ShardSockets;
use crate::responder::Responder;
use crate::tcp::TcpService;
use crate::udp::UdpPath;

/// How long a busy loop goes without asking epoll: the longest that a TCP query, or a second UDP
/// socket, waits behind a socket that never runs dry.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Once so many changes are applied in a turn, the rest waits: at most this and one delta.
const CHANGES_PER_TURN: usize = CHANGES_PER_DELTA_MAX;

/// Octets every response may have, whatever is configured (RFC 9715's size for all networks).
const RESPONSE_BYTES_MIN: usize = 1232;

/// How long a stopping shard goes on with what had come before.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// What the loop needs that is made outside of the executor.
pub(super) struct Setup {
    pub(super) options: ShardOptions,
    pub(super) sockets: ShardSockets,
    pub(super) deltas: Receiver<Arc<Delta>>,
    pub(super) waker: Waker,
    pub(super) counters: Arc<ShardCounters>,
    pub(super) rings: Vec<RawFd>,
}

/// The loop.
pub(super) struct Turns<R> {
    epoll: Epoll,
    /// On the UDP sockets, in their order, then on `epoll`.
    sleep: Sleep,
    events: Vec<Event>,
    udp: Vec<UdpPath>,
    datagrams: Datagrams,
    tcp: TcpService<R>,
    responder: Rc<RefCell<R>>,
    deltas: Receiver<Arc<Delta>>,
    waker: Waker,
    ticks: Rc<Ticks>,
    counters: Arc<ShardCounters>,
    spin: Duration,
    now_s: u32,
    polled_at: Instant,
    received_at: Instant,
}

impl<R: Responder> Turns<R> {
    /// Builds the loop on the running executor.
    pub(super) async fn new(setup: Setup, responder: R) -> Result<Turns<R>, ShardError> {
        let Setup {
            options,
            sockets,
            deltas,
            waker,
            counters,
            rings,
        } = setup;
        let ticks = Ticks::new().await?;
        let io = |source| ShardError::Epoll { source };
        let epoll = Epoll::new().map_err(io)?;
        let udp: Vec<_> = sockets.udp.into_iter().map(UdpPath::new).collect();
        let sockets_udp = udp.iter().map(|path| path.socket().as_raw_fd());
        let sleep = Sleep::new(sockets_udp.chain([epoll.as_raw_fd()]));
        epoll
            .add(waker.as_raw_fd(), Token::Waker.encode(), Interest::Readable)
            .map_err(io)?;
        for ring in rings {
            epoll
                .add(ring, Token::Ring.encode(), Interest::Readable)
                .map_err(io)?;
        }
        let responder = Rc::new(RefCell::new(responder));
        let (for_tcp, tcp_counters) = (Rc::clone(&responder), Arc::clone(&counters));
        let tcp = TcpService::new(sockets.tcp, options.tcp, for_tcp, tcp_counters, &epoll);
        let response_bytes = options.udp_payload_max.max(RESPONSE_BYTES_MIN);
        let now = Instant::now();
        Ok(Turns {
            tcp: tcp.map_err(io)?,
            epoll,
            sleep,
            events: Vec::with_capacity(EVENTS_MAX),
            udp,
            datagrams: Datagrams::new(options.batch, response_bytes),
            responder,
            deltas,
            waker,
            ticks,
            counters,
            spin: Duration::from_micros(options.spin_us),
            now_s: wall_clock_s(),
            polled_at: now,
            received_at: now,
        })
    }

    /// Runs until the shard is stopped.
    pub(super) async fn run(mut self) -> Result<(), ShardError> {
        let heartbeat = self.spawn_heartbeat();
        while !self.waker.is_stopped() {
            let changes = self.apply_deltas();
            let received = self.receive();
            let now = Instant::now();
            if received > 0 {
                self.received_at = now;
            }
            self.look(received, changes, now)?;
            if self.tcp.give_turns() {
                run_others().await;
            }
            if self.ticks.is_due(now) {
                self.ticks.tick().await?;
            }
        }
        let drained = self.drain().await;
        heartbeat.cancel().await;
        drained
    }

    fn spawn_heartbeat(&self) -> glommio::Task<()> {
        let (counters, ticks) = (Arc::clone(&self.counters), Rc::clone(&self.ticks));
        glommio::spawn_local(async move {
            loop {
                counters.heartbeat_ms.set(process_ms());
                ticks.want();
                glommio::timer::sleep(HEARTBEAT_INTERVAL).await;
            }
        })
    }

    fn apply_deltas(&mut self) -> usize {
        let mut changes = 0;
        let was_ready = self.counters.ready.get();
        while changes < CHANGES_PER_TURN {
            let Ok(delta) = self.deltas.try_recv() else {
                break;
            };
            self.responder.borrow_mut().apply(&delta);
            // A delta without changes brings a revision: it counts as one for the bound.
            changes += delta.changes.len().max(1);
            self.counters
                .changes_applied
                .add(delta.changes.len() as u64);
        }
        if self.counters.ready.get() != was_ready {
            // The index has grown to its size: its former tables are of no use any more.
            kernel::give_back_memory();
        }
        changes
    }

    /// One batch from each UDP socket that may have some.
    fn receive(&mut self) -> usize {
        let mut responder = self.responder.borrow_mut();
        let mut received = 0;
        for path in self.udp.iter_mut().filter(|path| path.ready) {
            let datagrams = &mut self.datagrams;
            received += path.turn(datagrams, &mut *responder, self.now_s, &self.counters);
        }
        received
    }

    /// Looks for more work after a turn, and sleeps when there is none left.
    fn look(&mut self, received: usize, changes: usize, now: Instant) -> Result<(), ShardError> {
        if received == 0 && changes == 0 && !self.tcp.has_ready() {
            if now.duration_since(self.received_at) >= self.spin {
                return self.sleep(self.ticks.sleep_max());
            }
            self.ready_all();
        } else if received == 0 {
            return self.poll();
        }
        match now.duration_since(self.polled_at) >= POLL_INTERVAL {
            true => self.poll(),
            false => Ok(()),
        }
    }

    /// Has the next turn try every UDP socket.
    fn ready_all(&mut self) {
        for path in &mut self.udp {
            path.ready = true;
        }
    }

    /// Sleeps `timeout` at most, unless there is work already, and notes what there is then.
    fn sleep(&mut self, timeout: Duration) -> Result<(), ShardError> {
        if self.ticks.is_wanted() {
            return self.poll();
        }
        self.waker.sleeps();
        let work = !self.deltas.is_empty() || self.waker.is_stopped();
        let timeout = if work { Duration::ZERO } else { timeout };
        let waited = self.sleep.wait(timeout);
        self.waker.is_awake();
        waited.map_err(|source| ShardError::Epoll { source })?;
        for (place, path) in self.udp.iter_mut().enumerate() {
            path.ready = self.sleep.is_ready(place);
        }
        self.take_events(self.sleep.is_ready(self.udp.len()))
    }

    /// Notes what there is, without sleeping.
    fn poll(&mut self) -> Result<(), ShardError> {
        self.ready_all();
        self.take_events(true)
    }

    /// Reads the clock, and what epoll has to tell where it may have something.
    fn take_events(&mut self, any: bool) -> Result<(), ShardError> {
        self.events.clear();
        if any {
            let waited = self.epoll.wait(Duration::ZERO, &mut self.events);
            waited.map_err(|source| ShardError::Epoll { source })?;
        }
        let now = Instant::now();
        self.polled_at = now;
        self.now_s = wall_clock_s();
        self.tcp.set_clock(self.now_s);
        for event in &self.events {
            match Token::decode(event.token) {
                Token::Listener(index) => self.tcp.accept(index, &self.epoll, now),
                Token::Connection { index, generation } => {
                    self.tcp.event(index, generation, *event);
                }
                Token::Waker => self.waker.clear(),
                Token::Ring => self.ticks.want(),
            }
        }
        self.tcp.sweep(&self.epoll, now);
        Ok(())
    }

    /// Answers what had come before the stop, then lets the connections close.
    async fn drain(&mut self) -> Result<(), ShardError> {
        self.tcp.close_listeners();
        let until = Instant::now() + DRAIN_MAX;
        self.ready_all();
        loop {
            let received = self.receive();
            self.poll()?;
            let turns = self.tcp.give_turns();
            run_others().await;
            if (received == 0 && !turns) || Instant::now() >= until {
                break;
            }
        }
        self.tcp.close_connections();
        while self.tcp.give_turns() {
            run_others().await;
        }
        Ok(())
    }
}

/// Seconds since 1970; wraps in 2106, as the cookies that carry it do.
fn wall_clock_s() -> u32 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as u32)
}
