//! The only file that calls the kernel without a safe library between: batches of
//! datagrams, epoll, the eventfd, a few socket options, and the questions a shard asks before it
//! starts. std and socket2 do the rest. Every function here is safe to call; each `unsafe` block
//! says why it holds. No policy: what to do with an error is decided by the callers.
#![allow(
    unsafe_code,
    reason = "the one file of the crate at the boundary to system calls"
)]

mod ancillary;

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use self::ancillary::{CLIENT_BYTES, CONTROL_BYTES, Client, Control};

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

/// Octets of one received datagram at most. No client may send more than we advertise, but a longer
/// message is still told apart from a cut one up to here.
const QUERY_BYTES: usize = 4096;

/// Extra octets between buffers, so that equal offsets of all slots do not share one cache set.
const STAGGER_BYTES: usize = 64;

/// What became of a batch's responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams the kernel took.
    pub accepted: usize,
    /// Datagrams it did not take: dropped.
    pub refused: usize,
}

/// The buffers of one batch of datagrams, allocated once: one recvmmsg fills the queries, the
/// caller writes the responses beside them, one sendmmsg sends them. A response carries the control
/// message of its query, so it leaves from the address that was asked.
pub struct Datagrams {
    batch: usize,
    response_stride: usize,
    queries: Box<[u8]>,
    responses: Box<[u8]>,
    clients: Box<[Client]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    received: Box<[libc::mmsghdr]>,
    response_vectors: Box<[libc::iovec]>,
    outgoing: Box<[libc::mmsghdr]>,
    outgoing_count: usize,
}

/// One received query with the room for its response.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The message, as received.
    pub query: &'a [u8],
    /// Who sent it.
    pub client: IpAddr,
    /// Where the response is written.
    pub response: &'a mut [u8],
}

impl Datagrams {
    /// Buffers for `batch` datagrams with responses of `response_bytes` octets at most.
    pub fn new(batch: usize, response_bytes: usize) -> Datagrams {
        let response_stride = response_bytes.next_multiple_of(STAGGER_BYTES) + STAGGER_BYTES;
        // SAFETY: iovec and mmsghdr are plain C structs for which zero is valid.
        let (vector, header) = unsafe { (zeroed(), zeroed()) };
        Datagrams {
            batch,
            response_stride,
            queries: vec![0; batch * (QUERY_BYTES + STAGGER_BYTES)].into(),
            responses: vec![0; batch * response_stride].into(),
            clients: vec![Client([0; CLIENT_BYTES]); batch].into(),
            controls: vec![Control([0; CONTROL_BYTES]); batch].into(),
            vectors: vec![vector; batch].into(),
            received: vec![header; batch].into(),
            response_vectors: vec![vector; batch].into(),
            outgoing: vec![header; batch].into(),
            outgoing_count: 0,
        }
    }

    /// Receives what is there, without waiting; 0 when nothing is. `with_destination`: the socket
    /// has [`receive_destination`] set.
    pub fn receive(&mut self, socket: &impl AsRawFd, with_destination: bool) -> io::Result<usize> {
        self.outgoing_count = 0;
        self.point_at_buffers(with_destination);
        // SAFETY: every header of `received` points at a name, vector, control and query buffer
        // of its own slot with the sizes stated; all are owned by `self` and outlive the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.received.as_mut_ptr(),
                self.batch as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if count >= 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => Ok(0),
            _ => Err(error),
        }
    }

    /// The kernel overwrites lengths, and the pointers must come from today's borrow: set them all.
    fn point_at_buffers(&mut self, with_destination: bool) {
        let queries = self.queries.chunks_exact_mut(QUERY_BYTES + STAGGER_BYTES);
        let slots = self.received.iter_mut().zip(&mut self.vectors);
        let buffers = self.clients.iter_mut().zip(&mut self.controls).zip(queries);
        for ((slot, vector), ((client, control), query)) in slots.zip(buffers) {
            vector.iov_base = query.as_mut_ptr().cast();
            vector.iov_len = QUERY_BYTES;
            let header = &mut slot.msg_hdr;
            header.msg_name = client.0.as_mut_ptr().cast();
            header.msg_namelen = CLIENT_BYTES as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = if with_destination { CONTROL_BYTES } else { 0 };
        }
    }

    /// Slot `index` of the batch just received; `None` when it is not a whole message of a client
    /// that can be answered.
    #[inline]
    pub fn exchange(&mut self, index: usize) -> Option<Exchange<'_>> {
        let slot = &self.received[index];
        if slot.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let client = self.clients[index].address()?;
        let start = index * (QUERY_BYTES + STAGGER_BYTES);
        let query = &self.queries[start..start + (slot.msg_len as usize).min(QUERY_BYTES)];
        let start = index * self.response_stride;
        let response = &mut self.responses[start..start + self.response_stride - STAGGER_BYTES];
        Some(Exchange {
            query,
            client,
            response,
        })
    }

    /// Has slot `index`'s response of `length` octets sent by the next [`Datagrams::send`]. Once
    /// for each slot at most.
    #[inline]
    pub fn enqueue(&mut self, index: usize, length: usize) {
        let start = index * self.response_stride;
        let response = &mut self.responses[start..start + length];
        let vector = &mut self.response_vectors[index];
        vector.iov_base = response.as_mut_ptr().cast();
        vector.iov_len = length;
        let received = &self.received[index].msg_hdr;
        let control_length = self.controls[index].answer_from(received.msg_controllen);
        let header = &mut self.outgoing[self.outgoing_count].msg_hdr;
        header.msg_name = self.clients[index].0.as_mut_ptr().cast();
        header.msg_namelen = received.msg_namelen;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = match control_length {
            0 => ptr::null_mut(),
            _ => self.controls[index].0.as_mut_ptr().cast(),
        };
        header.msg_controllen = control_length;
        header.msg_flags = 0;
        self.outgoing_count += 1;
    }

    /// Sends the responses of this batch. Each system call either sends at least one datagram or
    /// gives up at least one, so there are no more calls than datagrams; a full send buffer drops
    /// the rest, since waiting would stall every other client.
    pub fn send(&mut self, socket: &impl AsRawFd) -> Sent {
        let total = std::mem::take(&mut self.outgoing_count);
        let mut sent = Sent {
            accepted: 0,
            refused: 0,
        };
        while sent.accepted + sent.refused < total {
            let rest = &mut self.outgoing[sent.accepted + sent.refused..total];
            match send_some(socket.as_raw_fd(), rest) {
                Ok(count) => sent.accepted += count,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                        sent.refused = total - sent.accepted;
                    }
                    _ => sent.refused += 1, // this one alone: a bad address, a firewall's refusal
                },
            }
        }
        sent
    }
}

fn send_some(socket: RawFd, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `enqueue` pointed every header at live buffers of its slot, owned by the same
    // `Datagrams`, which is borrowed mutably for the length of the call.
    let count = unsafe {
        libc::sendmmsg(
            socket,
            headers.as_mut_ptr(),
            headers.len() as libc::c_uint,
            flags,
        )
    };
    // 0 cannot happen with a header in the list; taking it for an error keeps the caller's bound.
    if count <= 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(count as usize)
    }
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
