//! A responder that does nothing but receive and send in batches: the limit of sockets.
//!
//! It sets QR in each query and gives it back. What a DNS server costs beyond this, in the same
//! run on the same machine, is what the server itself costs. One thread, one socket. Packets longer
//! than 512 octets are cut; what is no query is dropped, so two of them never
//! answer each other forever.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel::{self, Batch, Wait};
use crate::packet;

/// Asked of the kernel, so that a stall of some ms loses nothing; it may give less.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Octets kept of each query: small buffers, as a responder that wants to be fast has.
const QUERY_LEN_MAX: usize = 512;
/// How long an end signal can go unseen when it comes just before the wait.
const WAIT_MS_MAX: u64 = 100;

/// What the responder did until its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EchoReport {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

/// Makes the socket; SO_REUSEPORT, so that one process a core can share the address.
pub(crate) fn bind(listen: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(listen),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_reuse_port(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_read_timeout(Some(Duration::from_millis(WAIT_MS_MAX)))?;
    socket.bind(&listen.into())?;
    Ok(socket)
}

/// Answers until SIGINT or SIGTERM.
pub(crate) fn run(socket: &Socket) -> io::Result<EchoReport> {
    let (user_before, system_before) = kernel::own_cpu()?;
    let mut batch = Batch::<QUERY_LEN_MAX>::with_peers();
    let (mut received, mut sent) = (0, 0);
    while !kernel::end_is_wanted() {
        let count = match batch.receive(socket, Wait::First) {
            Ok(count) => count,
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error),
        };
        received += count as u64;
        let queries = keep_queries(&mut batch, count);
        sent += send_all(&mut batch, socket, queries);
    }
    let (user, system) = kernel::own_cpu()?;
    Ok(EchoReport {
        received,
        sent,
        user: user - user_before,
        system: system - system_before,
    })
}

/// Turns the queries into responses and moves them to the front; gives how many.
fn keep_queries(batch: &mut Batch<QUERY_LEN_MAX>, count: usize) -> usize {
    let mut kept = 0;
    for index in 0..count {
        if packet::mark_response(batch.packet_mut(index)) {
            if kept < index {
                batch.swap(kept, index);
            }
            kept += 1;
        }
    }
    kept
}

/// Sends the first `count` packets; one that the kernel refuses is skipped. Gives how many went.
fn send_all(batch: &mut Batch<QUERY_LEN_MAX>, socket: &Socket, count: usize) -> u64 {
    let (mut first, mut sent) = (0, 0);
    while first < count {
        match batch.send(socket, first..count) {
            Ok(done) => {
                first += done;
                sent += done as u64;
            }
            Err(_) => first += 1,
        }
    }
    sent
}

/// Nothing within the wait, or a signal.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

impl EchoReport {
    /// The report as lines of text.
    pub(crate) fn table(&self) -> String {
        let cpu = self.user + self.system;
        let ns_per_packet = if self.received == 0 {
            "-".to_owned()
        } else {
            (cpu.as_nanos() / u128::from(self.received)).to_string()
        };
        format!(
            "received            {:>12}\nsent                {:>12}\n\
             CPU per packet      {ns_per_packet:>12} ns\n\
             CPU user            {:>12.3} s\nCPU system          {:>12.3} s\n",
            self.received,
            self.sent,
            self.user.as_secs_f64(),
            self.system.as_secs_f64(),
        )
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn load(batch: &mut Batch<QUERY_LEN_MAX>, index: usize, octets: &[u8]) {
        batch.buffer_mut(index)[..octets.len()].copy_from_slice(octets);
        batch.set_len(index, octets.len());
    }

    #[test]
    fn only_queries_are_kept_in_their_order() {
        let mut batch = Batch::<QUERY_LEN_MAX>::with_peers();
        load(&mut batch, 0, &[1; 12]);
        load(&mut batch, 1, &[2; 3]);
        load(&mut batch, 2, &[0xff; 12]);
        load(&mut batch, 3, &[3; 14]);
        assert_eq!(keep_queries(&mut batch, 4), 2);
        assert_eq!(batch.packet_mut(0)[..3], [1, 1, 0x81]);
        assert_eq!(batch.packet_mut(1)[..3], [3, 3, 0x83]);
    }

    #[test]
    fn the_report_gives_cpu_per_packet() {
        let report = EchoReport {
            received: 1_000,
            sent: 999,
            user: Duration::from_micros(700),
            system: Duration::from_micros(4_600),
        };
        expect![[r"
            received                    1000
            sent                         999
            CPU per packet              5300 ns
            CPU user                   0.001 s
            CPU system                 0.005 s
        "]]
        .assert_eq(&report.table());
        let idle = EchoReport {
            received: 0,
            ..report
        };
        assert!(idle.table().contains("CPU per packet                 - ns"));
    }
}
