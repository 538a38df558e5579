//! A TCP connection to a backend, as all probes but ICMP begin.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::pin;

use tokio::net::{TcpSocket, TcpStream};

use super::Unhealthy;

/// Connects.
///
/// The connection ends by RST, whenever it is dropped: by FIN, this side would hold its port for a
/// minute (TIME_WAIT), and 5,000 probes a second would need 300,000 ports, of which there are
/// 28,000. Nothing is lost by it: no more of the answer is wanted. A backend sees a connection that
/// was reset, as from any load balancer's check.
pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Unhealthy> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let local = |error: std::io::Error| Unhealthy::Local(error.to_string());
    let socket = socket.map_err(local)?;
    socket.set_zero_linger().map_err(local)?;
    socket.set_nodelay(true).map_err(local)?;
    let stream = socket.connect(address).await;
    let stream =
        stream.map_err(|error| Unhealthy::on_the_way(&error, || is_routed(address.ip())))?;
    // On this host, a port of the range for clients may be taken by the probe itself, which then
    // connects to itself.
    match stream.local_addr() {
        Ok(own) if own == address => Err(Unhealthy::Refused),
        Ok(_) => Ok(stream),
        Err(error) => Err(Unhealthy::on_the_way(&error, || true)),
    }
}

/// Whether this host knows a way to `address`; nothing is sent.
pub(super) fn is_routed(address: IpAddr) -> bool {
    let own: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0));
    socket.is_ok_and(|socket| socket.connect((address, 9)).is_ok())
}

/// Drives `connection` until there is an answer, so that it needs no task and ends with the probe.
pub(super) async fn answered<A: Future>(connection: impl Future, answer: A) -> A::Output {
    let mut answer = pin!(answer);
    {
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            _ = &mut connection => {}
        }
    }
    // What the connection had for the answer is there, or its loss is.
    answer.await
}
