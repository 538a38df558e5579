//! Ports for the programs under test: below the kernel's ephemeral range, so that no client socket
//! of a parallel test takes one between the choice and the program's own bind.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 12_000;
/// The kernel's default `ip_local_port_range` starts at 32,768.
const COUNT: u32 = 20_000;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port that is free for UDP and TCP on every address of 127.0.0.0/8 and is given out once.
pub(crate) fn free_port() -> u16 {
    // Test processes that run at the same time start at different places.
    let start = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    for _ in 0..COUNT {
        let step = TAKEN.fetch_add(1, Ordering::Relaxed);
        let number = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(number).expect("range is below 32,768");
        let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
        if udp.is_ok() && tcp.is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
