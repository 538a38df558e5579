//! The only file (with `kernel/`) that calls the kernel without a safe library between: batches of
//! datagrams, epoll, the eventfd, a few socket options, and the questions a shard asks before it
//! starts. std and socket2 do the rest. Every function here is safe to call; each `unsafe` block
//! says why it holds. No policy: what to do with an error is decided by the callers.
#![allow(unsafe_code, reason = "the one boundary to system calls")]

pub mod datagrams;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// Events taken by one [`Epoll::wait`] at most: bounds the work of one turn. The kernel puts what
/// did not fit first the next time.
pub const EVENTS_MAX: usize = 64;

/// What to be told about a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// As long as it can be read.
    Readable,
    /// Nothing, but keep it in the set.
    Paused,
    /// Once each time it becomes readable, writable or closed by the peer.
    Edges,
}

impl Interest {
    fn bits(self) -> u32 {
        let bits = match self {
            Interest::Readable => libc::EPOLLIN,
            Interest::Paused => 0,
            Interest::Edges => libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET,
        };
        bits as u32
    }
}

/// One thing that became possible.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// The number given to [`Epoll::add`].
    pub token: u64,
    /// Reading gives octets, the end of the stream or an error.
    pub readable: bool,
    /// Writing may be tried again.
    pub writable: bool,
}

/// A set of descriptors to sleep on.
#[derive(Debug)]
pub struct Epoll {
    set: OwnedFd,
}

impl Epoll {
    /// An empty set.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: takes no pointers; the result is checked before it is owned.
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor was just created and nobody else owns it.
        let set = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Epoll { set })
    }

    /// Adds `fd`. It leaves the set by itself when it is closed.
    pub fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what is told about `fd`.
    pub fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    fn control(&self, operation: i32, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interest.bits(),
            u64: token,
        };
        // SAFETY: `event` is a valid epoll_event for the length of the call.
        checked(unsafe { libc::epoll_ctl(self.set.as_raw_fd(), operation, fd, &mut event) })?;
        Ok(())
    }

    /// Waits `timeout` at most (whole milliseconds, rounded up) and replaces `events` by what came.
    /// A signal ends the wait early with no events.
    pub fn wait(&self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<()> {
        let timeout_ms = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let mut raw = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        // SAFETY: `raw` has room for EVENTS_MAX events, the count that is passed.
        let result = checked(unsafe {
            let set = self.set.as_raw_fd();
            libc::epoll_wait(set, raw.as_mut_ptr(), EVENTS_MAX as i32, timeout_ms)
        });
        events.clear();
        let count = match result {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        events.extend(raw[..count].iter().map(|&raw| {
            let ended = libc::EPOLLERR | libc::EPOLLHUP | libc::EPOLLRDHUP;
            Event {
                token: raw.u64,
                readable: raw.events & (libc::EPOLLIN | ended) as u32 != 0,
                writable: raw.events & (libc::EPOLLOUT | ended) as u32 != 0,
            }
        }));
        Ok(())
    }
}

/// A descriptor that another thread makes readable.
#[derive(Debug)]
pub struct EventFd {
    file: File,
}

impl EventFd {
    /// One that is not signalled.
    pub fn new() -> io::Result<EventFd> {
        // SAFETY: takes no pointers; the result is checked before it is owned.
        let fd = checked(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the descriptor was just created and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(EventFd { file: fd.into() })
    }

    /// Makes it readable. Its only failure, a full counter, means that it is readable already.
    pub fn signal(&self) {
        let _ = (&self.file).write(&1u64.to_ne_bytes());
    }

    /// Makes it unreadable again. Its only failure means that it was not readable.
    pub fn clear(&self) {
        let _ = (&self.file).read(&mut [0; 8]);
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// Asks for a receive buffer above `net.core.rmem_max`; needs CAP_NET_ADMIN.
pub fn force_receive_buffer(socket: &impl AsRawFd, octets: usize) -> io::Result<()> {
    let octets = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, octets)
}

/// Has the kernel tell with each datagram which of our addresses was asked.
pub fn receive_destination(socket: &impl AsRawFd, ipv6: bool) -> io::Result<()> {
    let (level, option) = match ipv6 {
        false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    set_option(socket, level, option, 1)
}

fn set_option(
    socket: &impl AsRawFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    let value: *const libc::c_int = &value;
    // SAFETY: `value` points to a c_int that outlives the call, and `length` is its size.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value.cast(), length) })?;
    Ok(())
}

/// Whether the kernel lets this process make an io_uring: EPERM when a seccomp profile or
/// `kernel.io_uring_disabled` refuses, ENOSYS when the kernel has none. Asks with parameters that
/// are not there, which a permitted call says (EFAULT): a ring made and closed again would
/// interrupt this thread's system calls a while later.
pub fn probe_io_uring() -> io::Result<()> {
    // SAFETY: the kernel reads the parameters through a checked copy, which fails for null.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, ptr::null_mut::<u8>()) };
    match checked(result as libc::c_int) {
        Err(error) if error.raw_os_error() != Some(libc::EFAULT) => Err(error),
        _ => Ok(()),
    }
}

/// The soft limit of locked memory, in octets.
pub fn memlock_limit_bytes() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit for the length of the call.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) })?;
    Ok(limit.rlim_cur)
}

/// The process's io_uring descriptors, as `/proc/self/fd` shows them.
pub fn ring_descriptors() -> io::Result<Vec<RawFd>> {
    let mut rings = Vec::new();
    for link in std::fs::read_dir("/proc/self/fd")? {
        let link = link?;
        // A descriptor that another thread closed meanwhile has no link any more.
        let Ok(target) = std::fs::read_link(link.path()) else {
            continue;
        };
        if target.as_os_str() != "anon_inode:[io_uring]" {
            continue;
        }
        if let Some(fd) = link.file_name().to_str().and_then(|name| name.parse().ok()) {
            rings.push(fd);
        }
    }
    Ok(rings)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
