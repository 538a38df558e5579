//! DNS over TCP (RFC 7766) on a shard: accepts within the limits and gives each connection a task
//! on the shard's executor.
//!
//! Readiness comes from the shard's own epoll, which the loop sleeps on anyway, not from the
//! executor's io_uring: a connection then costs nothing while it rests, needs no pass through the
//! reactor, and owns no buffer until octets come. The loop gives turns to a few connections between
//! two batches of datagrams; deadlines are swept every [`SWEEP_INTERVAL`]. No TLS and no
//! answers out of order.

pub mod limits;

mod connection;
mod deadlines;
mod framing;
mod table;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::connection::{Connection, Phase};
use self::deadlines::Deadlines;
use self::framing::{Inbox, Outbox};
use self::limits::ConnectionLimits;
use self::table::{Link, Table};
use crate::counters::ShardCounters;
use crate::kernel::{Epoll, Event, Interest};
use crate::responder::Responder;
use crate::shard::token::Token;

/// How often deadlines are looked at, so how late one is noticed at most.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// How long accepting rests when the process has no descriptor or memory left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections accepted at one event of a listener at most; the rest wait in its backlog.
const ACCEPTS_PER_EVENT: usize = 16;

/// Connections that get a turn between two batches of datagrams.
const TURNS_PER_BATCH: usize = 8;

/// Octets of one read.
const READ_BYTES: usize = 16_384;

/// Octets of the largest message.
const MESSAGE_BYTES_MAX: usize = 65_535;

/// How a shard treats TCP connections.
#[derive(Debug, Clone)]
pub struct TcpOptions {
    /// How long a connection may rest between messages, in seconds.
    pub idle_s: u64,
    /// How long a begun message may take to come, in seconds.
    pub read_s: u64,
    /// Queries after which a connection is closed; 0: no cap.
    pub queries_per_connection_max: u64,
    /// How many connections there may be; one for the whole process.
    pub limits: Arc<ConnectionLimits>,
}

/// Buffers that one turn of one connection uses and leaves.
struct Scratch {
    octets: Box<[u8]>,
    response: Box<[u8]>,
}

/// What the connections of a shard share.
struct Shared<R> {
    responder: Rc<RefCell<R>>,
    counters: Arc<ShardCounters>,
    options: TcpOptions,
    table: RefCell<Table>,
    scratch: RefCell<Scratch>,
    now_s: Cell<u32>,
}

impl<R> Shared<R> {
    fn want_turn(&self, link: &Rc<Link>) {
        self.table.borrow_mut().want_turn(link);
    }

    fn closed(&self, link: &Link) {
        let mut table = self.table.borrow_mut();
        table.remove(link);
        self.counters.tcp_connections.set(table.len() as u64);
    }
}

/// The TCP side of one shard.
pub struct TcpService<R> {
    listeners: Vec<TcpListener>,
    accept_again_at: Option<Instant>,
    swept_at: Instant,
    spawned: bool,
    shared: Rc<Shared<R>>,
}

impl<R: Responder> TcpService<R> {
    /// Over listeners that are non-blocking; adds them to `epoll`.
    pub fn new(
        listeners: Vec<TcpListener>,
        options: TcpOptions,
        responder: Rc<RefCell<R>>,
        counters: Arc<ShardCounters>,
        epoll: &Epoll,
    ) -> io::Result<TcpService<R>> {
        for (index, listener) in listeners.iter().enumerate() {
            let token = Token::Listener(index as u32).encode();
            epoll.add(listener.as_raw_fd(), token, Interest::Readable)?;
        }
        let octets = vec![0; READ_BYTES].into();
        let response = vec![0; MESSAGE_BYTES_MAX].into();
        let shared = Shared {
            responder,
            counters,
            options,
            table: RefCell::default(),
            scratch: RefCell::new(Scratch { octets, response }),
            now_s: Cell::new(0),
        };
        let (accept_again_at, swept_at) = (None, Instant::now());
        let shared = Rc::new(shared);
        Ok(TcpService {
            listeners,
            accept_again_at,
            swept_at,
            spawned: false,
            shared,
        })
    }

    /// Sets the wall clock that queries are answered by, in seconds since 1970.
    pub fn set_clock(&self, now_s: u32) {
        self.shared.now_s.set(now_s);
    }

    /// Accepts what waits at the listener `index`, up to a bound.
    pub fn accept(&mut self, index: u32, epoll: &Epoll, now: Instant) {
        for _ in 0..ACCEPTS_PER_EVENT {
            let Some(listener) = self.listeners.get(index as usize) else {
                return;
            };
            match listener.accept() {
                Ok((stream, client)) => self.admit(stream, client.ip(), epoll, now),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return,
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        return self.pause(epoll, now);
                    }
                    // The client gave up meanwhile, or its network did: on to the next.
                    _ => {}
                },
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, client: std::net::IpAddr, epoll: &Epoll, now: Instant) {
        let shared = &self.shared;
        shared.counters.tcp_accepted.add(1);
        let Some(admission) = shared.options.limits.admit(client) else {
            shared.counters.tcp_refused.add(1);
            return;
        };
        let idle = Duration::from_secs(shared.options.idle_s);
        let read = Duration::from_secs(shared.options.read_s);
        let deadlines = Deadlines::new(idle, read, now);
        let link = {
            let mut table = shared.table.borrow_mut();
            let link = table.insert(deadlines.next());
            shared.counters.tcp_connections.set(table.len() as u64);
            link
        };
        let connection = Connection {
            client,
            link,
            deadlines,
            shared: Rc::clone(shared),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            answered: 0,
            phase: Phase::Serving,
            stream,
            _admission: admission,
        };
        // Dropping the connection on an error gives everything back.
        if prepare(&connection.stream, connection.link.token(), epoll).is_ok() {
            glommio::spawn_local(connection::serve(connection)).detach();
            self.spawned = true;
        }
    }

    fn pause(&mut self, epoll: &Epoll, now: Instant) {
        self.accept_again_at = Some(now + ACCEPT_PAUSE);
        self.watch_listeners(epoll, Interest::Paused);
    }

    fn watch_listeners(&self, epoll: &Epoll, interest: Interest) {
        for (index, listener) in self.listeners.iter().enumerate() {
            let token = Token::Listener(index as u32).encode();
            // The listener is in the set since `new`, so this cannot fail for want of memory.
            let _ = epoll.modify(listener.as_raw_fd(), token, interest);
        }
    }

    /// Takes an event of a connection.
    pub fn event(&self, index: u32, generation: u32, event: Event) {
        self.shared
            .table
            .borrow_mut()
            .event(index, generation, event);
    }

    /// Expires late connections and resumes accepting; cheap until [`SWEEP_INTERVAL`] has passed.
    pub fn sweep(&mut self, epoll: &Epoll, now: Instant) {
        if now.duration_since(self.swept_at) < SWEEP_INTERVAL {
            return;
        }
        self.swept_at = now;
        self.shared.table.borrow_mut().expire(Some(now));
        if self.accept_again_at.is_some_and(|again_at| again_at <= now) {
            self.accept_again_at = None;
            self.watch_listeners(epoll, Interest::Readable);
        }
    }

    /// Whether a connection waits for a turn.
    pub fn has_ready(&self) -> bool {
        self.spawned || self.shared.table.borrow().has_ready()
    }

    /// Makes a few tasks of connections runnable; when true, the loop must let the executor run
    /// them.
    pub fn give_turns(&mut self) -> bool {
        let given = self.shared.table.borrow_mut().give_turns(TURNS_PER_BATCH);
        std::mem::take(&mut self.spawned) | given
    }

    /// Stops accepting.
    pub fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    /// Has every connection close at its next turn.
    pub fn close_connections(&self) {
        self.shared.table.borrow_mut().expire(None);
    }
}

fn prepare(stream: &TcpStream, token: Token, epoll: &Epoll) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    // Responses are coalesced here; the kernel must not wait for more.
    stream.set_nodelay(true)?;
    epoll.add(stream.as_raw_fd(), token.encode(), Interest::Edges)
}
