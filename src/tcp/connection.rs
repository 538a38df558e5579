//! One TCP connection (RFC 7766) as a task: it reads what came, answers the whole messages in it,
//! sends the responses in one write, and waits for its next turn. A turn does a bounded amount of
//! work. Queries may be pipelined and are answered in order; a peer that has closed its half still
//! gets all its answers.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Instant;

use super::Shared;
use super::deadlines::Deadlines;
use super::framing::{Frame, Inbox, Outbox};
use super::limits::Admission;
use super::table::Link;
use crate::responder::{Responder, respond_guarded};
use crate::world::{Asked, Transport};

/// Queries answered in one turn at most: about as long as one batch of datagrams takes.
const QUERIES_PER_TURN: usize = 16;

/// Octets the peer has not taken, from which on nothing more is read or answered. One response may
/// go beyond, so a connection holds 64 KiB + 65,537 octets of responses at most.
const UNSENT_MAX: usize = 65_536;

/// One connection and what it has in hand.
pub(super) struct Connection<R: Responder> {
    pub(super) stream: TcpStream,
    pub(super) client: IpAddr,
    pub(super) link: Rc<Link>,
    pub(super) shared: Rc<Shared<R>>,
    pub(super) deadlines: Deadlines,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) answered: u64,
    pub(super) phase: Phase,
    pub(super) _admission: Admission,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Queries are read and answered.
    Serving,
    /// The peer sends no more: what it asked is answered, then we close.
    PeerFinished,
    /// We answer no more: what is answered is sent, then we close our half.
    Finishing,
    /// Our half is closed; what still comes is thrown away, because closing with octets unread
    /// would reset the connection and take our last responses with it.
    Lingering,
}

/// What a connection needs after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Again,
    Wait,
    Close,
}

/// Serves `connection` to its end.
pub(super) async fn serve<R: Responder>(mut connection: Connection<R>) {
    loop {
        if connection.link.expired.get() {
            connection.shared.counters.tcp_timeouts.add(1);
            break;
        }
        match connection.turn(Instant::now()) {
            Ok(Next::Wait) => {}
            Ok(Next::Again) => connection.shared.want_turn(&connection.link),
            // An error here is the peer's reset: there is nobody left to tell.
            Ok(Next::Close) | Err(_) => break,
        }
        connection.link.deadline.set(connection.deadlines.next());
        connection.link.next_turn().await;
    }
}

impl<R: Responder> Connection<R> {
    fn turn(&mut self, now: Instant) -> io::Result<Next> {
        if self.phase == Phase::Lingering {
            return self.discard();
        }
        if self.wants_octets() {
            self.receive()?;
        }
        self.answer(now);
        self.send(now)?;
        if self.phase == Phase::PeerFinished && !self.inbox.has_frame() {
            self.phase = Phase::Finishing;
        }
        if self.phase == Phase::Finishing && self.outbox.unsent().is_empty() {
            self.stream.shutdown(Shutdown::Write)?;
            self.phase = Phase::Lingering;
            self.deadlines.finished(now);
            return Ok(Next::Again);
        }
        let again = self.wants_octets() || self.can_answer();
        Ok(if again { Next::Again } else { Next::Wait })
    }

    fn has_room(&self) -> bool {
        self.outbox.unsent().len() < UNSENT_MAX
    }

    fn wants_octets(&self) -> bool {
        let idle = self.phase == Phase::Serving && !self.inbox.has_frame();
        idle && self.link.readable.get() && self.has_room()
    }

    fn can_answer(&self) -> bool {
        let answering = matches!(self.phase, Phase::Serving | Phase::PeerFinished);
        answering && self.inbox.has_frame() && self.has_room()
    }

    /// Reads once. Whether there is more is known when the kernel says that there is not.
    fn receive(&mut self) -> io::Result<()> {
        let scratch = &mut self.shared.scratch.borrow_mut().octets;
        match read(&self.stream, &self.link, scratch)? {
            Some(0) => self.phase = Phase::PeerFinished,
            Some(count) => self.inbox.push(&scratch[..count]),
            None => {}
        }
        Ok(())
    }

    fn answer(&mut self, now: Instant) {
        let shared = Rc::clone(&self.shared);
        let counters = &*shared.counters;
        let response = &mut shared.scratch.borrow_mut().response;
        let mut taken = 0;
        while taken < QUERIES_PER_TURN && self.can_answer() {
            let message = match self.inbox.next_frame() {
                Frame::Message(message) => message,
                Frame::Incomplete => break,
                Frame::Malformed => {
                    counters.dropped.add(1);
                    self.phase = Phase::Finishing;
                    break;
                }
            };
            let asked = Asked::new(message, self.client, Transport::Tcp, shared.now_s.get());
            let responder = &mut *shared.responder.borrow_mut();
            let length = respond_guarded(responder, &asked, counters, response);
            if length > 0 {
                self.outbox.push(&response[..length]);
            }
            taken += 1;
            self.answered += 1;
            if self.answered == shared.options.queries_per_connection_max {
                self.phase = Phase::Finishing;
            }
        }
        counters.tcp_queries.add(taken as u64);
        self.inbox.compact();
        // A message that waits for room in the outbox is not late: we are.
        let begun = self.inbox.is_begun() && !self.inbox.has_frame();
        self.deadlines.received(taken, begun, now);
    }

    fn send(&mut self, now: Instant) -> io::Result<()> {
        let mut taken = 0;
        while self.link.writable.get() && !self.outbox.unsent().is_empty() {
            match (&self.stream).write(self.outbox.unsent()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.outbox.advance(count);
                    taken += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.link.writable.set(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.deadlines
            .sent(taken, !self.outbox.unsent().is_empty(), now);
        Ok(())
    }

    fn discard(&mut self) -> io::Result<Next> {
        if !self.link.readable.get() {
            return Ok(Next::Wait);
        }
        let scratch = &mut self.shared.scratch.borrow_mut().octets;
        match read(&self.stream, &self.link, scratch)? {
            Some(0) => Ok(Next::Close),
            Some(_) => Ok(Next::Again),
            None => Ok(Next::Wait),
        }
    }
}

/// One read; `None` when nothing is there or a signal came first.
fn read(mut stream: &TcpStream, link: &Link, octets: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(octets) {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            link.readable.set(false);
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

impl<R: Responder> Drop for Connection<R> {
    fn drop(&mut self) {
        self.shared.closed(&self.link);
    }
}
