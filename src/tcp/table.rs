//! The open connections of a shard: which of them epoll, a deadline or their own unfinished work
//! wants to run, in the order of wanting. The loop lets a few run between two batches of datagrams,
//! so thousands of busy connections cost a datagram no more than those few do.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::kernel::Event;
use crate::shard::token::Token;

/// What the loop and one connection's task share.
pub(super) struct Link {
    index: u32,
    generation: u32,
    /// Reading may give something.
    pub(super) readable: Cell<bool>,
    /// Writing may take something.
    pub(super) writable: Cell<bool>,
    /// The deadline passed, or the shard stops: close.
    pub(super) expired: Cell<bool>,
    /// When `expired` will be set.
    pub(super) deadline: Cell<Instant>,
    waiting_turn: Cell<bool>,
    turn: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Link {
    /// The number of this connection in epoll.
    pub(super) fn token(&self) -> Token {
        Token::Connection {
            index: self.index,
            generation: self.generation,
        }
    }

    /// Waits until the loop gives this connection a turn.
    pub(super) async fn next_turn(&self) {
        poll_fn(|context| {
            if self.turn.take() {
                return Poll::Ready(());
            }
            self.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn give_turn(&self) {
        self.waiting_turn.set(false);
        self.turn.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// All connections of a shard. [`super::limits::ConnectionLimits`] bounds them.
#[derive(Default)]
pub(super) struct Table {
    links: Vec<Option<Rc<Link>>>,
    free: Vec<u32>,
    generation: u32,
    /// Each link is here once at most.
    ready: VecDeque<Rc<Link>>,
}

impl Table {
    /// A place for one more connection, whose first turn is due.
    pub(super) fn insert(&mut self, deadline: Instant) -> Rc<Link> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.links.push(None);
            (self.links.len() - 1) as u32
        });
        self.generation = (self.generation + 1) & 0x00ff_ffff;
        let link = Rc::new(Link {
            index,
            generation: self.generation,
            readable: Cell::new(true),
            writable: Cell::new(true),
            expired: Cell::new(false),
            deadline: Cell::new(deadline),
            waiting_turn: Cell::new(false),
            turn: Cell::new(false),
            waker: Cell::new(None),
        });
        self.links[index as usize] = Some(Rc::clone(&link));
        link
    }

    /// Frees the place of `link`.
    pub(super) fn remove(&mut self, link: &Link) {
        if self.links[link.index as usize].take().is_some() {
            self.free.push(link.index);
        }
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.links.len() - self.free.len()
    }

    /// Has `link` wait for a turn.
    pub(super) fn want_turn(&mut self, link: &Rc<Link>) {
        if !link.waiting_turn.replace(true) {
            self.ready.push_back(Rc::clone(link));
        }
    }

    /// Notes what epoll said about the connection `index`, `generation`.
    pub(super) fn event(&mut self, index: u32, generation: u32, event: Event) {
        let Some(Some(link)) = self.links.get(index as usize) else {
            return;
        };
        if link.generation != generation {
            return; // it closed while this event was on its way
        }
        let link = Rc::clone(link);
        link.readable.set(link.readable.get() | event.readable);
        link.writable.set(link.writable.get() | event.writable);
        self.want_turn(&link);
    }

    /// Expires the connections whose deadline is before `now`; all of them without a `now`.
    pub(super) fn expire(&mut self, now: Option<Instant>) {
        let late = |link: &&Rc<Link>| now.is_none_or(|now| link.deadline.get() <= now);
        let expired: Vec<_> = self
            .links
            .iter()
            .flatten()
            .filter(late)
            .map(Rc::clone)
            .collect();
        for link in expired {
            link.expired.set(true);
            self.want_turn(&link);
        }
    }

    /// Whether a connection waits for a turn.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Gives a turn to `count` connections at most, longest waiting first; whether to any.
    pub(super) fn give_turns(&mut self, count: usize) -> bool {
        let count = count.min(self.ready.len());
        for link in self.ready.drain(..count) {
            link.give_turn();
        }
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn event(readable: bool) -> Event {
        Event {
            token: 0,
            readable,
            writable: false,
        }
    }

    #[test]
    fn an_event_of_the_connection_before_is_ignored() {
        let mut table = Table::default();
        let now = Instant::now();
        let first = table.insert(now);
        table.remove(&first);
        let second = table.insert(now);
        assert_eq!(first.index, second.index);
        table.event(first.index, first.generation, event(true));
        assert!(!table.has_ready());
        table.event(second.index, second.generation, event(true));
        assert!(table.has_ready());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn turns_go_round_and_each_waits_once() {
        let mut table = Table::default();
        let links: Vec<_> = (0..3).map(|_| table.insert(Instant::now())).collect();
        for link in links.iter().chain(&links) {
            table.want_turn(link);
        }
        assert!(table.give_turns(2));
        assert_eq!(
            links.iter().map(|link| link.turn.get()).collect::<Vec<_>>(),
            [true, true, false]
        );
        table.want_turn(&links[0]);
        assert!(table.give_turns(1));
        assert!(links[2].turn.get());
        assert!(table.give_turns(9));
        assert!(!table.give_turns(9));
    }

    #[test]
    fn only_what_is_late_expires() {
        let mut table = Table::default();
        let now = Instant::now();
        let (late, early) = (
            table.insert(now),
            table.insert(now + Duration::from_secs(1)),
        );
        table.expire(Some(now));
        assert!(late.expired.get() && !early.expired.get());
        table.expire(None);
        assert!(early.expired.get());
    }
}
