//! The only module that calls the kernel, the processor and the allocator without a safe library
//! between: epoll and other ways to sleep, the eventfd, a few socket options, the questions a shard
//! asks before it starts, prefetching, giving memory back, and in `datagrams` the batches. std and
//! socket2 do the rest. Every function here is safe to call; each `unsafe` block says why it holds.
//! No policy: what to do with an error is decided by the callers.
#![allow(
    unsafe_code,
    reason = "the one module of the crate at the boundary to system calls"
)]

mod ancillary;
mod datagrams;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

pub use self::datagrams::{Datagrams, Exchange, Sent};

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

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.set.as_raw_fd()
    }
}

/// Descriptors to sleep on that the kernel knows of only meanwhile. A socket in an [`Epoll`] has
/// the kernel look for sleepers at each datagram that has been sent, which costs a busy socket a
/// tenth of its time.
#[derive(Debug)]
pub struct Sleep {
    descriptors: Box<[libc::pollfd]>,
}

impl Sleep {
    /// On these, none of which may be closed while this is waited on.
    pub fn new(descriptors: impl Iterator<Item = RawFd>) -> Sleep {
        let descriptors = descriptors.map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        });
        Sleep {
            descriptors: descriptors.collect(),
        }
    }

    /// Waits `timeout` at most for one of them to be readable or in error. A signal ends it early.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        let (descriptors, count) = (self.descriptors.as_mut_ptr(), self.descriptors.len());
        // SAFETY: `descriptors` has `count` valid pollfd, and `timeout` outlives the call.
        let result =
            unsafe { libc::ppoll(descriptors, count as libc::nfds_t, &timeout, ptr::null()) };
        match checked(result) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            Err(_) => {
                self.descriptors
                    .iter_mut()
                    .for_each(|slot| slot.revents = 0);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Whether the last wait found the `place`-th of them so.
    pub fn is_ready(&self, place: usize) -> bool {
        self.descriptors
            .get(place)
            .is_some_and(|slot| slot.revents != 0)
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

/// Has no datagram fragmented, whatever the path is said to take: a longer one than the interface's
/// is refused. The kernel then spends no time on fragment identifications either.
pub fn never_fragment(socket: &impl AsRawFd, ipv6: bool) -> io::Result<()> {
    let (level, option, value) = match ipv6 {
        false => (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_PROBE,
        ),
        true => (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_PROBE,
        ),
    };
    set_option(socket, level, option, value)
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

/// Nice value of a thread that gives way: a tenth of the weight of others, so that it goes on,
/// slowly, where they take all of a CPU.
const GIVES_WAY_NICE: libc::c_int = 10;

/// Has the calling thread give way to others that want its CPU, if it does not already.
pub fn give_way() -> io::Result<()> {
    // SAFETY: takes no pointers; 0 is the calling thread.
    if unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) } >= GIVES_WAY_NICE {
        return Ok(());
    }
    // SAFETY: as above.
    checked(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, GIVES_WAY_NICE) })?;
    Ok(())
}

/// Nanoseconds of a turn that are asked for by [`take_short_turns`]: the least the kernel has.
const SHORT_TURN_NS: u64 = 100_000;

/// Has the calling thread take short turns on its CPU, and in return get one sooner when it wakes
/// (Linux 6.12; earlier kernels have no choice of turns and take no notice). A thread with a policy
/// of its own, such as SCHED_FIFO, keeps that.
pub fn take_short_turns() -> io::Result<()> {
    // SAFETY: takes no pointers; 0 is the calling thread.
    let (policy, nice) = unsafe {
        let nice = libc::getpriority(libc::PRIO_PROCESS, 0);
        (libc::sched_getscheduler(0), nice)
    };
    if policy != libc::SCHED_OTHER {
        return Ok(());
    }
    let attributes = SchedulingAttributes {
        size: size_of::<SchedulingAttributes>() as u32,
        nice,
        runtime_ns: SHORT_TURN_NS,
        ..SchedulingAttributes::default()
    };
    let attributes: *const SchedulingAttributes = &attributes;
    // SAFETY: `attributes` points to a sched_attr of the size that it states, and outlives the
    // call; 0 is the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, attributes, 0) };
    checked(result as libc::c_int)?;
    Ok(())
}

/// `struct sched_attr` in its first size (sched_setattr(2)); policy 0 is the normal one.
#[derive(Default)]
#[repr(C)]
struct SchedulingAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
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

/// Has the processor fetch the cache line of `address`, whatever lies there, while other work goes
/// on; nothing on processors whose instruction for it is not known here.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    // SAFETY: the instruction reads nothing that the program sees and faults for no address; SSE,
    // which has it, is part of x86-64.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Gives the memory that this thread has freed, but its allocator keeps, back to the kernel. Takes
/// milliseconds where that is much.
pub fn give_back_memory() {
    // SAFETY: takes no pointer, and any thread may call it at any time, one that allocated nothing
    // included. Where another allocator is the program's, it finds nothing.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
