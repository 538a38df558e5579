//! The queries of one socket that wait for an answer, by ID, with their deadlines.
//!
//! IDs are given in turn, 0 to 65535 and round again, so the queries of a socket are a ring in the
//! order of sending: deadlines only grow from the oldest to the newest, and no timer is needed.
//! An ID is used again only when its query and all older ones are answered or lost. The bound is
//! 65,536 queries a socket; when the ring is full the caller waits or takes another socket.

/// One slot for every ID.
const SLOTS: u64 = 1 << 16;
/// Where there are more sockets than this, each has fewer slots, so that all take no more memory.
const SOCKETS_OF_ALL_SLOTS: usize = 256;
/// Slots of a socket that is one of very many.
const SLOTS_MIN: u64 = 1 << 10;

/// A query that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Which query, as an index of `packet::Queries`.
    pub(crate) query: u32,
    /// When it was to be sent: latency counts from here.
    pub(crate) intended_ns: u64,
    /// When it was sent: the deadline counts from here.
    pub(crate) sent_ns: u64,
}

/// The ring of one socket.
pub(crate) struct Outstanding {
    slots: Box<[Option<Waiting>]>,
    /// Numbers of sendings; the ID is the low 16 bits. `oldest == next` when none waits.
    oldest: u64,
    next: u64,
    timeout_ns: u64,
}

impl Outstanding {
    /// For one of so many sockets.
    pub(crate) fn new(timeout_ns: u64, sockets: usize) -> Outstanding {
        let share = sockets.div_ceil(SOCKETS_OF_ALL_SLOTS).next_power_of_two() as u64;
        let slots = vec![None; (SLOTS / share).max(SLOTS_MIN) as usize].into_boxed_slice();
        Outstanding {
            slots,
            oldest: 0,
            next: 0,
            timeout_ns,
        }
    }

    /// How many more queries can be added now.
    pub(crate) fn free(&self) -> usize {
        self.slots.len() - (self.next - self.oldest) as usize
    }

    /// Whether no query waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.oldest == self.next
    }

    /// The ID that the query added after `ahead` others will get.
    pub(crate) fn id(&self, ahead: usize) -> u16 {
        self.id_of(self.next + ahead as u64)
    }

    /// Adds a query that was sent with `id(0)`.
    ///
    /// # Panics
    /// When the ring is full: `free` says how many fit.
    pub(crate) fn add(&mut self, waiting: Waiting) {
        assert!(self.free() > 0, "the ring is full");
        let id = self.id(0);
        self.slots[usize::from(id)] = Some(waiting);
        self.next += 1;
    }

    /// The query that waits for an answer with `id`.
    pub(crate) fn get(&self, id: u16) -> Option<Waiting> {
        self.slots.get(usize::from(id)).copied().flatten()
    }

    fn id_of(&self, number: u64) -> u16 {
        (number % self.slots.len() as u64) as u16
    }

    /// Ends the wait for `id`: it is answered.
    pub(crate) fn remove(&mut self, id: u16) {
        self.slots[usize::from(id)] = None;
        self.advance();
    }

    /// Ends the wait for all whose deadline has passed; gives how many.
    pub(crate) fn expire(&mut self, now_ns: u64) -> u64 {
        let mut lost = 0;
        while let Some(waiting) = self.get(self.id_of(self.oldest)) {
            if now_ns < waiting.sent_ns + self.timeout_ns {
                break;
            }
            lost += 1;
            self.remove(self.id_of(self.oldest));
        }
        lost
    }

    /// Moves `oldest` to the oldest that still waits.
    fn advance(&mut self) {
        while self.oldest < self.next && self.get(self.id_of(self.oldest)).is_none() {
            self.oldest += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(query: u32, sent_ns: u64) -> Waiting {
        Waiting {
            query,
            intended_ns: sent_ns - 5,
            sent_ns,
        }
    }

    #[test]
    fn an_answer_finds_its_query_once() {
        let mut ring = Outstanding::new(100, 1);
        ring.add(waiting(7, 10));
        ring.add(waiting(8, 10));
        assert_eq!((ring.id(0), ring.id(3)), (2, 5));
        assert_eq!(ring.get(1), Some(waiting(8, 10)));
        ring.remove(1);
        assert_eq!(ring.get(1), None, "a second answer is unexpected");
        assert_eq!(ring.get(2), None, "never asked");
        assert!(!ring.is_empty());
        ring.remove(0);
        assert!(ring.is_empty());
        assert_eq!(ring.free(), 65_536);
    }

    #[test]
    fn queries_are_lost_at_their_deadline_not_before() {
        let mut ring = Outstanding::new(100, 1);
        for (query, sent_ns) in [(1, 10), (2, 20), (3, 30)] {
            ring.add(waiting(query, sent_ns));
        }
        ring.remove(1);
        assert_eq!(ring.expire(109), 0);
        assert_eq!(ring.expire(110), 1);
        assert_eq!(ring.get(0), None, "too late");
        assert_eq!(ring.get(2), Some(waiting(3, 30)));
        assert_eq!(ring.expire(1000), 1);
        assert!(ring.is_empty());
        assert_eq!(ring.expire(2000), 0);
    }

    #[test]
    fn an_id_is_used_again_only_when_older_ones_are_done() {
        let mut ring = Outstanding::new(100, 1);
        for query in 0..65_536 {
            ring.add(waiting(query, 10));
        }
        for id in 1..=u16::MAX {
            ring.remove(id);
        }
        assert_eq!(ring.free(), 0, "ID 0 still waits");
        assert_eq!(ring.expire(110), 1);
        assert_eq!(ring.free(), 65_536);
        ring.add(waiting(9, 200));
        assert_eq!(ring.get(0), Some(waiting(9, 200)), "round to ID 0 again");
    }
}
