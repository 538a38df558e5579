//! One message there, one message back, over UDP or TCP. Silence is established without waiting
//! for time to pass: a plain query goes after the message on the same socket, which the same shard
//! answers in order; when its answer comes first, the message got none.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::query::{Query, framed};
use super::reply::Reply;

/// A reply later than this is a failure, not a slow machine.
pub(crate) const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// A reply that overtakes the plain query's answer still counts within this.
const GRACE: Duration = Duration::from_millis(40);

/// The ID of the plain query that follows every message.
const SENTINEL_ID: u16 = 0x7e57;

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What came back for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reply(Vec<u8>),
    /// Nothing, and later queries are answered.
    Silent,
    /// The server closed the TCP connection.
    Closed,
}

/// Sends `message` and then `plain`, which must be answered by `answer`; gives what came for
/// `message`.
pub(crate) fn exchange(
    server: SocketAddr,
    transport: Transport,
    message: &[u8],
    plain: &Plain,
) -> Result<Outcome, String> {
    match transport {
        Transport::Udp => exchange_udp(server, message, plain),
        Transport::Tcp => exchange_tcp(server, message, plain),
    }
}

/// The plain query that shows that the server lives.
pub(crate) struct Plain {
    pub(crate) name: String,
    /// Its only A record; none when the server is known to answer SERVFAIL.
    pub(crate) address: Option<String>,
}

impl Plain {
    fn encode(&self) -> Vec<u8> {
        let mut query = Query::new(&self.name, "A");
        query.id = SENTINEL_ID;
        query.encode()
    }

    fn check(&self, message: &[u8]) -> Result<(), String> {
        let reply = Reply::decode(message).map_err(|why| format!("plain query after it: {why}"))?;
        let right = match &self.address {
            Some(address) => reply.answers_of(1) == [address.clone()],
            None => reply.rcode() == 2,
        };
        if right {
            Ok(())
        } else {
            Err(format!("plain query after it answered by {reply}"))
        }
    }

    /// Asks on a socket of its own.
    pub(crate) fn ask(&self, server: SocketAddr) -> Result<(), String> {
        let reply = ask_udp(server, &self.encode()).map_err(|why| format!("not alive: {why}"))?;
        self.check(&reply)
    }
}

fn exchange_udp(server: SocketAddr, message: &[u8], plain: &Plain) -> Result<Outcome, String> {
    let text = |error: io::Error| format!("UDP: {error}");
    let socket = udp_socket(server, Ipv4Addr::LOCALHOST).map_err(text)?;
    socket.send(message).map_err(text)?;
    socket.send(&plain.encode()).map_err(text)?;
    let mut reply = None;
    let mut plain_reply = None;
    while plain_reply.is_none() {
        match receive(&socket) {
            Ok(octets) if octets.starts_with(&SENTINEL_ID.to_be_bytes()) => {
                plain_reply = Some(octets);
            }
            Ok(octets) if reply.is_none() => reply = Some(octets),
            Ok(_) => return Err("two replies to one message".into()),
            Err(error) => return Err(format!("no answer to the plain query after it: {error}")),
        }
    }
    plain.check(&plain_reply.unwrap_or_default())?;
    if reply.is_none() {
        socket.set_read_timeout(Some(GRACE)).map_err(text)?;
        reply = receive(&socket).ok();
    }
    Ok(reply.map_or(Outcome::Silent, Outcome::Reply))
}

fn exchange_tcp(server: SocketAddr, message: &[u8], plain: &Plain) -> Result<Outcome, String> {
    let text = |error: io::Error| format!("TCP: {error}");
    let mut stream = tcp_stream(server).map_err(text)?;
    stream
        .write_all(&[framed(message), framed(&plain.encode())].concat())
        .map_err(text)?;
    let mut reply = None;
    let mut plain_reply = None;
    loop {
        match read_frame(&mut stream) {
            Ok(Some(octets)) if octets.starts_with(&SENTINEL_ID.to_be_bytes()) => {
                plain_reply = Some(octets);
                stream.set_read_timeout(Some(GRACE)).map_err(text)?;
            }
            Ok(Some(octets)) if reply.is_none() => reply = Some(octets),
            Ok(Some(_)) => return Err("two replies to one message".into()),
            Ok(None) => break,
            Err(error) if is_timeout(&error) && plain_reply.is_some() => break,
            Err(error) if is_timeout(&error) => return Err("neither answered nor closed".into()),
            Err(_) => break,
        }
        if reply.is_some() && plain_reply.is_some() {
            break;
        }
    }
    match &plain_reply {
        Some(octets) => plain.check(octets)?,
        None => plain.ask(server)?,
    }
    Ok(match (reply, plain_reply) {
        (Some(octets), _) => Outcome::Reply(octets),
        (None, Some(_)) => Outcome::Silent,
        (None, None) => Outcome::Closed,
    })
}

/// One query over UDP from 127.0.0.1 and its reply.
pub(crate) fn ask_udp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    ask_udp_from(server, Ipv4Addr::LOCALHOST, message)
}

/// One query over UDP from `source` and its reply.
pub(crate) fn ask_udp_from(
    server: SocketAddr,
    source: Ipv4Addr,
    message: &[u8],
) -> io::Result<Vec<u8>> {
    let socket = udp_socket(server, source)?;
    socket.send(message)?;
    receive(&socket)
}

/// One query over TCP and its reply.
pub(crate) fn ask_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    ask_over(tcp_stream(server)?, message)
}

/// One query over TCP from `source` and its reply.
pub(crate) fn ask_tcp_from(
    server: SocketAddr,
    source: Ipv4Addr,
    message: &[u8],
) -> io::Result<Vec<u8>> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect_timeout(&server.into(), REPLY_LIMIT)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(REPLY_LIMIT))?;
    ask_over(stream, message)
}

fn ask_over(mut stream: TcpStream, message: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(&framed(message))?;
    let reply = read_frame(&mut stream)?.ok_or(ErrorKind::UnexpectedEof)?;
    // The server may have closed first.
    let _ = stream.shutdown(Shutdown::Both);
    Ok(reply)
}

/// A UDP socket that talks to `server` only.
pub(crate) fn udp_socket(server: SocketAddr, source: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((IpAddr::V4(source), 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(REPLY_LIMIT))?;
    Ok(socket)
}

/// A TCP connection to `server`.
pub(crate) fn tcp_stream(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, REPLY_LIMIT)?;
    stream.set_read_timeout(Some(REPLY_LIMIT))?;
    stream.set_write_timeout(Some(REPLY_LIMIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One datagram.
pub(crate) fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; 65_535];
    let length = socket.recv(&mut octets)?;
    octets.truncate(length);
    Ok(octets)
}

/// One message of a stream; `None` when it is closed between two messages.
pub(crate) fn read_frame(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    match stream.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => stream.read_exact(&mut length[1..])?,
    }
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets)?;
    Ok(Some(octets))
}

/// Whether a read ended by its time limit.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
