//! The calls to the kernel that the standard library does not offer: datagrams in batches,
//! sleeping until one arrives, pinning, CPU clocks, end signals. All `unsafe` of this program
//! is here.
//!
//! A [`Batch`] owns its buffers and is made once. The arrays of pointers that the kernel reads are
//! written anew before each call, so no pointer outlives the borrow it was made from.
//!
//! It decides nothing: what is sent, and what an error means, is up to the callers.
#![allow(
    unsafe_code,
    reason = "the one file of the crate at the boundary to system calls"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::Socket;

/// Packets in one system call; more gains nothing measurable.
pub(crate) const BATCH_LEN: usize = 32;
/// Octets kept of each packet: what servers send over UDP at most, if not asked for more.
pub(crate) const PACKET_LEN_MAX: usize = 4096;
// Every query fits.
const _: () = assert!(PACKET_LEN_MAX >= crate::packet::QUERY_LEN_MAX);

/// Packets for one `sendmmsg`, or from one `recvmmsg`, of `LEN` octets at most.
pub(crate) struct Batch<const LEN: usize = PACKET_LEN_MAX> {
    packets: Box<[Packet<LEN>; BATCH_LEN]>,
    vectors: Box<[libc::iovec; BATCH_LEN]>,
    messages: Box<[libc::mmsghdr; BATCH_LEN]>,
    with_peers: bool,
}

#[derive(Clone, Copy)]
struct Packet<const LEN: usize> {
    octets: [u8; LEN],
    len: usize,
    peer: libc::sockaddr_storage,
    peer_len: libc::socklen_t,
}

/// Whether a receive waits when there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    /// For the first packet, as long as the socket's read timeout; never for a second.
    First,
}

impl<const LEN: usize> Batch<LEN> {
    /// Buffers for a connected socket.
    pub(crate) fn new() -> Batch<LEN> {
        // SAFETY: all-zero is a value of each of these C structures of integers and pointers.
        let (peer, vector, message) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        let packet = Packet {
            octets: [0; LEN],
            len: 0,
            peer,
            peer_len: 0,
        };
        Batch {
            packets: Box::new([packet; BATCH_LEN]),
            vectors: Box::new([vector; BATCH_LEN]),
            messages: Box::new([message; BATCH_LEN]),
            with_peers: false,
        }
    }

    /// Buffers for a socket that is not connected: each packet keeps the address it came from and
    /// is sent to it.
    pub(crate) fn with_peers() -> Batch<LEN> {
        Batch {
            with_peers: true,
            ..Batch::new()
        }
    }

    /// The octets of packet `index`.
    pub(crate) fn packet_mut(&mut self, index: usize) -> &mut [u8] {
        let packet = &mut self.packets[index];
        &mut packet.octets[..packet.len]
    }

    /// The whole buffer of packet `index`, to be filled and then measured by `set_len`.
    pub(crate) fn buffer_mut(&mut self, index: usize) -> &mut [u8; LEN] {
        &mut self.packets[index].octets
    }

    /// Says how many octets of packet `index` there are to send.
    pub(crate) fn set_len(&mut self, index: usize, len: usize) {
        assert!(len <= LEN, "a packet of {len} octets in a buffer");
        self.packets[index].len = len;
    }

    /// Exchanges two packets.
    pub(crate) fn swap(&mut self, one: usize, other: usize) {
        self.packets.swap(one, other);
    }

    /// Receives packets to the buffers from the first on; gives how many.
    pub(crate) fn receive(&mut self, socket: &Socket, wait: Wait) -> io::Result<usize> {
        for packet in self.packets.iter_mut() {
            packet.len = LEN;
            packet.peer_len = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        self.point(0..BATCH_LEN);
        let flags = match wait {
            Wait::No => libc::MSG_DONTWAIT,
            Wait::First => libc::MSG_WAITFORONE,
        };
        // SAFETY: `point` has just made all BATCH_LEN messages point to buffers that `self` owns
        // and that nothing else uses during the call; the lengths are theirs; no timeout is given.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                BATCH_LEN as libc::c_uint,
                flags,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (packet, message) in self
            .packets
            .iter_mut()
            .zip(self.messages.iter())
            .take(count)
        {
            packet.len = (message.msg_len as usize).min(LEN);
            packet.peer_len = message.msg_hdr.msg_namelen;
        }
        Ok(count)
    }

    /// Sends the packets in `range` in one call; gives how many of them, from its start, went out.
    pub(crate) fn send(
        &mut self,
        socket: &Socket,
        range: std::ops::Range<usize>,
    ) -> io::Result<usize> {
        self.point(range.clone());
        let messages = &mut self.messages[range];
        // SAFETY: `point` has just made these messages point to buffers that `self` owns and that
        // nothing else uses during the call; `set_len` and `receive` keep the lengths in bounds.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                messages.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    }

    /// Makes the messages in `range` point to their packets.
    fn point(&mut self, range: std::ops::Range<usize>) {
        for index in range {
            let packet = &mut self.packets[index];
            self.vectors[index] = libc::iovec {
                iov_base: packet.octets.as_mut_ptr().cast(),
                iov_len: packet.len,
            };
            let header = &mut self.messages[index].msg_hdr;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            if self.with_peers {
                header.msg_name = (&raw mut packet.peer).cast();
                header.msg_namelen = packet.peer_len;
            }
        }
    }
}

/// Sleeps until a packet arrives at one of some sockets.
pub(crate) struct Sleeper(Vec<libc::pollfd>);

impl Sleeper {
    pub(crate) fn new(sockets: impl Iterator<Item = RawFd>) -> Sleeper {
        let wanted = |fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        Sleeper(sockets.map(wanted).collect())
    }

    /// Sleeps on another socket in the place of one.
    pub(crate) fn replace(&mut self, place: usize, socket: RawFd) {
        if let Some(slot) = self.0.get_mut(place) {
            slot.fd = socket;
        }
    }

    /// Returns when a packet waits, at a signal, or after `time`.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let time = libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(time.subsec_nanos()),
        };
        // SAFETY: the pointer and the count are those of one live vector of pollfd; `time` lives
        // through the call; no signal mask is given. An error ends the sleep, as a signal does.
        unsafe {
            libc::ppoll(
                self.0.as_mut_ptr(),
                self.0.len() as libc::nfds_t,
                &time,
                ptr::null(),
            );
        }
    }
}

/// Keeps this thread on one CPU.
pub(crate) fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all-zero is the empty set, and `cpu` is within it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    Cpus(set).stay()
}

/// A set of CPUs.
#[derive(Clone, Copy)]
pub(crate) struct Cpus(libc::cpu_set_t);

impl Cpus {
    /// Those that this thread may use.
    pub(crate) fn of_thread() -> io::Result<Cpus> {
        // SAFETY: all-zero is the empty set; it is live to be written; the size is that of the set.
        unsafe {
            let mut set: libc::cpu_set_t = mem::zeroed();
            let size = mem::size_of_val(&set);
            check(libc::sched_getaffinity(0, size, &mut set))?;
            Ok(Cpus(set))
        }
    }

    /// Without `cpu`, unless nothing would be left.
    pub(crate) fn without(self, cpu: Option<usize>) -> Cpus {
        let mut fewer = self.0;
        let Some(cpu) = cpu.filter(|&cpu| cpu < libc::CPU_SETSIZE as usize) else {
            return self;
        };
        // SAFETY: `cpu` is within the set.
        let left = unsafe {
            libc::CPU_CLR(cpu, &mut fewer);
            libc::CPU_COUNT(&fewer)
        };
        if left > 0 { Cpus(fewer) } else { self }
    }

    /// Keeps this thread on them.
    pub(crate) fn stay(&self) -> io::Result<()> {
        // SAFETY: the set is live; the size is its own.
        check(unsafe { libc::sched_setaffinity(0, mem::size_of_val(&self.0), &self.0) })
    }
}

/// Lets sleeps of this thread end on time instead of up to 50 us later.
pub(crate) fn sleep_precisely() -> io::Result<()> {
    // SAFETY: this option takes one integer and no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) })
}

/// CPU time of all threads of a process, ended ones included, in ns, exactly.
pub(crate) fn process_cpu_ns(pid: u32) -> io::Result<u64> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    let mut clock = 0;
    // SAFETY: `clock` is a live variable to be written.
    match unsafe { libc::clock_getcpuclockid(pid, &mut clock) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live variable to be written.
    check(unsafe { libc::clock_gettime(clock, &mut time) })?;
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Clock ticks per second, the unit of /proc/PID/stat.
pub(crate) fn ticks_per_s() -> u64 {
    // SAFETY: no pointer is passed.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(0).max(1)
}

/// User and system CPU time of this process so far.
pub(crate) fn own_cpu() -> io::Result<(Duration, Duration)> {
    let usage = usage(libc::RUSAGE_SELF)?;
    Ok((duration(usage.ru_utime), duration(usage.ru_stime)))
}

/// What this thread used so far.
pub(crate) struct ThreadUsage {
    pub(crate) cpu: Duration,
    /// How often its CPU was taken from it.
    pub(crate) involuntary_switches: u64,
}

pub(crate) fn thread_usage() -> io::Result<ThreadUsage> {
    let usage = usage(libc::RUSAGE_THREAD)?;
    Ok(ThreadUsage {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        involuntary_switches: usage.ru_nivcsw as u64,
    })
}

fn usage(whose: libc::c_int) -> io::Result<libc::rusage> {
    // SAFETY: all-zero is a value of this structure of integers, and it is live to be written.
    unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        check(libc::getrusage(whose, &mut usage))?;
        Ok(usage)
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

/// Packets that this socket got and had no room for.
pub(crate) fn drops(socket: &Socket) -> io::Result<u32> {
    let mut counts = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut size = mem::size_of_val(&counts) as libc::socklen_t;
    // SAFETY: `counts` is live to be written, and `size` is its size.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            counts.as_mut_ptr().cast(),
            &mut size,
        )
    })?;
    Ok(counts[libc::SK_MEMINFO_DROPS as usize])
}

static END_WANTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM do not kill: they interrupt a waiting call and make
/// `end_is_wanted` true. The next one of its kind kills.
pub(crate) fn catch_end_signals() -> io::Result<()> {
    extern "C" fn note_end(_signal: libc::c_int) {
        END_WANTED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: all-zero is a valid sigaction (empty mask; no SA_RESTART, so calls are
        // interrupted); the handler only stores to an atomic, which is safe in a signal.
        check(unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_flags = libc::SA_RESETHAND;
            action.sa_sigaction = note_end as *const () as libc::sighandler_t;
            libc::sigaction(signal, &action, ptr::null_mut())
        })?;
    }
    Ok(())
}

/// Whether SIGINT or SIGTERM came.
pub(crate) fn end_is_wanted() -> bool {
    END_WANTED.load(Ordering::Relaxed)
}

fn check(status: libc::c_int) -> io::Result<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_has_no_cpu_time() {
        assert!(process_cpu_ns(u32::MAX).is_err());
        assert!(process_cpu_ns(std::process::id()).expect("of this process") > 0);
    }

    #[test]
    fn packets_that_find_no_room_are_counted() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let to = socket.local_addr().expect("the address bound");
        let socket = Socket::from(socket);
        socket.set_recv_buffer_size(1).expect("the least buffer");
        assert_eq!(drops(&socket).expect("counted"), 0);
        for _ in 0..100 {
            sender.send_to(&[0; 500], to).expect("sending on loopback");
        }
        assert!(drops(&socket).expect("counted") > 50);
    }

    #[test]
    fn a_cpu_that_is_not_there_cannot_be_pinned_to() {
        assert!(pin_to_cpu(usize::MAX).is_err());
        assert!(pin_to_cpu(libc::CPU_SETSIZE as usize - 1).is_err());
    }
}
