//! Wakes a shard that sleeps, and costs next to nothing when it does not sleep.
//!
//! No wake-up is lost: the shard says that it will sleep and then looks at its work once more; the
//! other thread adds work and then looks whether the shard sleeps. Sequentially consistent fences
//! between the two steps of both make sure that at least one sees the other.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crate::kernel::EventFd;

/// Wakes one shard. Clones wake the same one.
#[derive(Debug, Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sleeping: AtomicBool,
    stop: AtomicBool,
    event: EventFd,
}

impl Waker {
    /// Of a shard that is awake.
    pub fn new() -> io::Result<Waker> {
        let (sleeping, stop) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Waker {
            shared: Arc::new(Shared {
                sleeping,
                stop,
                event: EventFd::new()?,
            }),
        })
    }

    /// Has the shard look at its work soon. Call after the work was queued.
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        let sleeping = &self.shared.sleeping;
        // The load keeps callers from writing to the cache line of a core that is awake.
        if sleeping.load(Ordering::Relaxed) && sleeping.swap(false, Ordering::Relaxed) {
            self.shared.event.signal();
        }
    }

    /// Has the shard end.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether the shard is to end. Shard only.
    pub(super) fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// The shard is about to sleep; it must look at its work between this and sleeping.
    pub(super) fn sleeps(&self) {
        self.shared.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The shard is awake.
    pub(super) fn is_awake(&self) {
        self.shared.sleeping.store(false, Ordering::Relaxed);
    }

    /// Takes the signal that epoll told of.
    pub(super) fn clear(&self) {
        self.shared.event.clear();
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.event.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::kernel::{Epoll, Interest};

    #[test]
    fn signals_only_a_sleeper() {
        let waker = Waker::new().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.add(waker.as_raw_fd(), 1, Interest::Readable).unwrap();
        let mut events = Vec::new();
        waker.wake();
        epoll.wait(Duration::ZERO, &mut events).unwrap();
        assert!(events.is_empty());

        waker.sleeps();
        waker.wake();
        epoll.wait(Duration::ZERO, &mut events).unwrap();
        assert_eq!(events.len(), 1);
        waker.clear();
        epoll.wait(Duration::ZERO, &mut events).unwrap();
        assert!(events.is_empty());
    }

    #[test]
    fn no_message_is_missed_by_a_sleeper() {
        const MESSAGES: usize = 20_000;
        let waker = Waker::new().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.add(waker.as_raw_fd(), 1, Interest::Readable).unwrap();
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let other = waker.clone();
        let producer = thread::spawn(move || {
            for message in 0..MESSAGES {
                sender.send(message).unwrap();
                other.wake();
            }
        });
        let mut events = Vec::new();
        let mut received = 0;
        while received < MESSAGES {
            waker.sleeps();
            if receiver.is_empty() {
                // A lost wake-up would sleep the whole minute.
                epoll.wait(Duration::from_secs(60), &mut events).unwrap();
                assert!(!events.is_empty(), "slept after message {received}");
            }
            waker.is_awake();
            waker.clear();
            received += receiver.try_iter().count();
        }
        producer.join().unwrap();
    }
}
