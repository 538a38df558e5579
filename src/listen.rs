//! Binds the sockets that queries come in by: for each address a UDP socket and a TCP listener for
//! every shard, all in one SO_REUSEPORT group, so that the kernel spreads clients over the shards.
//! All are bound before any shard starts: a wrong address stops the process with one clear error
//! instead of a part of its shards, and the members of a group are in the order of the shards.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::kernel;
use crate::world::Transport;

/// Connections the kernel keeps for one listener until the shard accepts them.
const BACKLOG: i32 = 1024;

/// Ports tried for port 0 until one is free for both UDP and TCP. Ephemeral ports are rarely taken
/// on one side only: a handful of tries would do.
const PORT_TRIES_MAX: usize = 64;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has the port.
    #[error(
        "{address} ({}) is in use by another process: stop it (`ss -lnp` lists it) \
         or change listen.dns",
        name(*.transport)
    )]
    InUse {
        /// As asked.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
    },
    /// A port below 1024 without the right to it.
    #[error(
        "no permission to listen on {address} ({}): run as root, grant \
         CAP_NET_BIND_SERVICE, or use a port above 1023 in listen.dns",
        name(*.transport)
    )]
    Permission {
        /// As asked.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
    },
    /// No interface has the address.
    #[error(
        "{address} is not an address of this machine: use one that `ip address` shows, \
         or 0.0.0.0 or [::] for all, in listen.dns"
    )]
    NotAvailable {
        /// As asked.
        address: SocketAddr,
    },
    /// Port 0 was asked and no number was free for both transports.
    #[error("{address}: no port is free for both UDP and TCP: name one in listen.dns")]
    NoPort {
        /// As asked.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address} ({}): {source}", name(*.transport))]
    Other {
        /// As asked.
        address: SocketAddr,
        /// Which of the two.
        transport: Transport,
        /// The kernel's reason.
        source: io::Error,
    },
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}

impl ListenError {
    fn new(address: SocketAddr, transport: Transport, source: io::Error) -> ListenError {
        match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address, transport },
            io::ErrorKind::PermissionDenied => ListenError::Permission { address, transport },
            io::ErrorKind::AddrNotAvailable => ListenError::NotAvailable { address },
            _ => ListenError::Other {
                address,
                transport,
                source,
            },
        }
    }
}

/// A bound UDP socket, non-blocking.
#[derive(Debug)]
pub struct UdpListener {
    /// The socket.
    pub socket: UdpSocket,
    /// Bound to 0.0.0.0 or [::].
    pub wildcard: bool,
}

/// What one shard listens on.
#[derive(Debug, Default)]
pub struct ShardSockets {
    /// One for each address.
    pub udp: Vec<UdpListener>,
    /// One for each address, non-blocking, listening.
    pub tcp: Vec<TcpListener>,
    /// The addresses in the order asked, port 0 replaced by the number it got.
    pub addresses: Vec<SocketAddr>,
}

/// Octets of a response that every path takes in one piece (RFC 9715 appendix A, for IPv6 with its
/// minimum MTU of 1280).
const UNFRAGMENTED_MAX: usize = 1232;

/// Binds every address for every shard. `rcvbuf_bytes` has the receive buffer to ask for of each
/// shard, so its length is the number of shards. Where no response is longer than
/// `udp_payload_max` = 1232 octets, none is ever fragmented (RFC 9715 section 3.1).
pub fn bind_all(
    addresses: &[SocketAddr],
    rcvbuf_bytes: &[usize],
    udp_payload_max: usize,
) -> Result<Vec<ShardSockets>, ListenError> {
    let mut shards: Vec<ShardSockets> = Vec::new();
    shards.resize_with(rcvbuf_bytes.len(), ShardSockets::default);
    for &asked in addresses {
        let mut bound = asked;
        let mut short_of = None;
        for (shard, &rcvbuf_bytes) in shards.iter_mut().zip(rcvbuf_bytes) {
            let (udp, tcp) = match bound.port() {
                0 => bind_free_port(asked)?,
                _ => (bind_udp(bound)?, bind_tcp(bound)?),
            };
            if udp_payload_max <= UNFRAGMENTED_MAX {
                kernel::never_fragment(&udp, bound.is_ipv6())
                    .map_err(|error| ListenError::new(bound, Transport::Udp, error))?;
            }
            let local = tcp
                .local_addr()
                .and_then(|local| local.as_socket().ok_or_else(no_address));
            bound = local.map_err(|error| ListenError::new(asked, Transport::Tcp, error))?;
            let got = enlarge_receive_buffer(&udp, rcvbuf_bytes);
            if got < rcvbuf_bytes {
                short_of = Some((rcvbuf_bytes, got));
            }
            let wildcard = bound.ip().is_unspecified();
            shard.udp.push(UdpListener {
                socket: udp.into(),
                wildcard,
            });
            shard.tcp.push(tcp.into());
            shard.addresses.push(bound);
        }
        if let Some((asked_bytes, got_bytes)) = short_of {
            tracing::warn!(
                address = %bound, asked_bytes, got_bytes,
                "receive buffer is smaller than rcvbuf_bytes: bursts may be lost; \
                 raise net.core.rmem_max or grant CAP_NET_ADMIN"
            );
        }
    }
    Ok(shards)
}

fn no_address() -> io::Error {
    io::Error::other("the socket has no Internet address")
}

/// One port, the same for UDP and TCP, that no other socket has. TCP chooses, since the kernel may
/// hand a UDP port that another SO_REUSEPORT socket of this user has; a socket without that option
/// then proves that the port is free for UDP.
fn bind_free_port(asked: SocketAddr) -> Result<(Socket, Socket), ListenError> {
    for _ in 0..PORT_TRIES_MAX {
        let tcp = bind_tcp(asked)?;
        let local = tcp.local_addr().ok().and_then(|local| local.as_socket());
        let Some(local) = local else { continue };
        let probe = open(local, Transport::Udp).and_then(|probe| probe.bind(&local.into()));
        match probe {
            Ok(()) => return Ok((bind_udp(local)?, tcp)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
            Err(error) => return Err(ListenError::new(asked, Transport::Udp, error)),
        }
    }
    Err(ListenError::NoPort { address: asked })
}

fn bind_udp(address: SocketAddr) -> Result<Socket, ListenError> {
    let bind = || {
        let socket = open(address, Transport::Udp)?;
        socket.set_reuse_port(true)?;
        if address.ip().is_unspecified() {
            kernel::receive_destination(&socket, address.is_ipv6())?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    };
    bind().map_err(|error| ListenError::new(address, Transport::Udp, error))
}

fn bind_tcp(address: SocketAddr) -> Result<Socket, ListenError> {
    let bind = || {
        let socket = open(address, Transport::Tcp)?;
        socket.set_reuse_port(true)?;
        // A restart must not wait for the old connections' TIME-WAIT.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    bind().map_err(|error| ListenError::new(address, Transport::Tcp, error))
}

fn open(address: SocketAddr, transport: Transport) -> io::Result<Socket> {
    let (kind, protocol) = match transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // 0.0.0.0 and [::] stand beside each other in the configuration.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Asks for `octets` and returns what the kernel gave.
fn enlarge_receive_buffer(socket: &Socket, octets: usize) -> usize {
    if kernel::force_receive_buffer(socket, octets).is_err() {
        // Without the right to force, the kernel takes this and cuts it to net.core.rmem_max.
        let _ = socket.set_recv_buffer_size(octets);
    }
    // The kernel doubles what is asked, for its own bookkeeping, and reports the double.
    socket.recv_buffer_size().map_or(0, |doubled| doubled / 2)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const BUFFER: usize = 100_000;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn port_0_is_one_number_for_both_transports_and_all_shards() {
        let shards = bind_all(
            &[address("127.0.0.1:0"), address("[::1]:0")],
            &[BUFFER, BUFFER],
            1232,
        )
        .unwrap();
        assert_eq!(shards.len(), 2);
        for shard in &shards {
            assert_eq!(shard.addresses, shards[0].addresses);
            for ((udp, tcp), bound) in shard.udp.iter().zip(&shard.tcp).zip(&shard.addresses) {
                assert_ne!(bound.port(), 0);
                assert_eq!(udp.socket.local_addr().unwrap(), *bound);
                assert_eq!(tcp.local_addr().unwrap(), *bound);
                assert!(!udp.wildcard);
            }
        }
    }

    #[test]
    fn both_wildcards_share_a_port() {
        let first = bind_all(&[address("0.0.0.0:0")], &[BUFFER], 1232).unwrap();
        let port = first[0].addresses[0].port();
        let second = bind_all(
            &[SocketAddr::new(address("[::]:0").ip(), port)],
            &[BUFFER],
            1232,
        )
        .unwrap();
        assert!(first[0].udp[0].wildcard && second[0].udp[0].wildcard);
    }

    #[test]
    fn errors_name_the_address_and_what_would_be_right() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind_all(&[taken.local_addr().unwrap()], &[BUFFER], 1232).unwrap_err();
        expect![[
            "127.0.0.1:PORT (UDP) is in use by another process: stop it (`ss -lnp` lists it) or \
             change listen.dns"
        ]]
        .assert_eq(&error.to_string().replace(&port.to_string(), "PORT"));

        let error = bind_all(&[address("192.0.2.1:5300")], &[BUFFER], 1232).unwrap_err();
        expect![[
            "192.0.2.1:5300 is not an address of this machine: use one that `ip address` shows, \
             or 0.0.0.0 or [::] for all, in listen.dns"
        ]]
        .assert_eq(&error.to_string());
    }
}
