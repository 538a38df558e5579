//! ICMP echoes: one socket a family for all probes, opened for the first of them.
//!
//! A ping socket is used where the kernel allows it to this group (`net.ipv4.ping_group_range`),
//! else a raw socket, which needs CAP_NET_RAW. An echo is told from others by address, identifier
//! and sequence number; these count on over all probes from a random start, so that no answer of
//! another program or prober is taken for one of ours.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::sync::{Mutex, OnceCell};
use tokio::task::yield_now;

use super::Unhealthy;
use super::connect::is_routed;

/// Octets behind the header of an echo, as ping sends them.
const PAYLOAD: [u8; 56] = *b"containerdns-prober: is this address alive? 0123456789ab";
/// Echoes of one probe at most: answers like a redirect say neither yes nor no.
const ECHOES_MAX: usize = 3;
/// Echoes sent in a row at most, while nothing is received.
const ROW_MAX: u32 = 16;
/// The library's own limit is never met: the probe's is shorter.
const FOREVER: Duration = Duration::from_secs(86_400);

/// The sockets.
pub(super) struct Pings {
    v4: OnceCell<Client>,
    v6: OnceCell<Client>,
    next: AtomicU32,
    row: Mutex<u32>,
}

impl Default for Pings {
    fn default() -> Self {
        Self {
            v4: OnceCell::new(),
            v6: OnceCell::new(),
            next: AtomicU32::new(RandomState::new().build_hasher().finish() as u32),
            row: Mutex::new(0),
        }
    }
}

impl Pings {
    /// Whether `address` answers an echo; waits for ever.
    pub(super) async fn ask(&self, address: IpAddr) -> Result<(), Unhealthy> {
        let client = self.client(address).await?;
        for _ in 0..ECHOES_MAX {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let identifier = PingIdentifier((number >> 16) as u16);
            let mut pinger = client.pinger(address, identifier).await;
            pinger.timeout(FOREVER);
            self.turn().await;
            let answer = pinger.ping(PingSequence(number as u16), &PAYLOAD).await;
            let (answer, _) = answer.map_err(|error| failed(error, address))?;
            if let Some(verdict) = read(&answer) {
                return verdict;
            }
        }
        Err(Unhealthy::Unreachable("no echo reply".into()))
    }

    /// Waits until an echo may be sent. The library's task that receives is one among those of the
    /// probes: would hundreds of them send in a row, the socket's buffer could not hold the answers
    /// until that task has its turn.
    async fn turn(&self) {
        let mut row = self.row.lock().await;
        *row += 1;
        if *row == ROW_MAX {
            *row = 0;
            yield_now().await;
        }
    }

    async fn client(&self, address: IpAddr) -> Result<&Client, Unhealthy> {
        let (cell, kind) = match address {
            IpAddr::V4(_) => (&self.v4, ICMP::V4),
            IpAddr::V6(_) => (&self.v6, ICMP::V6),
        };
        let client = cell.get_or_try_init(|| async {
            let config = Config::builder().kind(kind).build();
            Client::new(&config).map_err(|error| not_opened(&error))
        });
        client.await
    }
}

fn not_opened(error: &io::Error) -> Unhealthy {
    Unhealthy::Local(match error.kind() {
        ErrorKind::PermissionDenied => {
            "icmp is not allowed here; set net.ipv4.ping_group_range or give CAP_NET_RAW".into()
        }
        _ => format!("icmp: {error}"),
    })
}

fn failed(error: SurgeError, address: IpAddr) -> Unhealthy {
    match error {
        SurgeError::IOError(error) => Unhealthy::on_the_way(&error, || is_routed(address)),
        error => Unhealthy::Local(format!("icmp: {error}")),
    }
}

/// What an answer says; none: nothing, ask again.
fn read(answer: &IcmpPacket) -> Option<Result<(), Unhealthy>> {
    let (kind, code, [reply, unreachable, exceeded]) = match answer {
        IcmpPacket::V4(v4) => (v4.get_icmp_type().0, v4.get_icmp_code().0, [0, 3, 11]),
        IcmpPacket::V6(v6) => (v6.get_icmpv6_type().0, v6.get_icmpv6_code().0, [129, 1, 3]),
    };
    let why = match kind {
        kind if kind == reply => return Some(Ok(())),
        kind if kind == unreachable => format!("destination unreachable, code {code}"),
        kind if kind == exceeded => "too many hops".into(),
        _ => return None,
    };
    Some(Err(Unhealthy::Unreachable(why)))
}
