//! A connection on which queries travel one behind the other (RFC 7766): each message has its
//! length before it, in two octets. It never waits: what the kernel does not take stays here.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How long the first connections may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Octets that wait for the kernel, above which no more queries are added.
const UNSENT_MAX: usize = 64 << 10;
/// Octets read at a time.
const READ_BYTES: usize = 64 << 10;
const LENGTH_BYTES: usize = 2;

/// One connection.
pub(crate) struct Stream {
    pub(crate) socket: Socket,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

/// Whether to wait for the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connect {
    Waiting,
    Later,
}

impl Stream {
    /// A connection from `source`, if that is given.
    pub(crate) fn new(
        server: SocketAddr,
        source: Option<IpAddr>,
        connect: Connect,
    ) -> io::Result<Stream> {
        let domain = Domain::for_address(server);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match connect {
            Connect::Waiting => {
                socket.connect_timeout(&server.into(), CONNECT_TIMEOUT)?;
                socket.set_nonblocking(true)?;
            }
            Connect::Later => {
                socket.set_nonblocking(true)?;
                match socket.connect(&server.into()) {
                    Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
        Ok(Stream {
            socket,
            outbox: Vec::with_capacity(UNSENT_MAX),
            inbox: Vec::with_capacity(READ_BYTES),
        })
    }

    /// Whether another batch of queries may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.len() < UNSENT_MAX
    }

    /// Adds a message.
    pub(crate) fn queue(&mut self, message: &[u8]) {
        self.outbox
            .extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.outbox.extend_from_slice(message);
    }

    /// Sends what the kernel takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there, and takes out the messages that are whole.
    pub(crate) fn receive(&mut self) -> io::Result<Messages> {
        let start = self.inbox.len();
        self.inbox.resize(start + READ_BYTES, 0);
        let read = self.socket.read(&mut self.inbox[start..]);
        self.inbox
            .truncate(start + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Messages::take(&mut self.inbox)),
            Err(error) if is_passing(&error) => Ok(Messages::default()),
            Err(error) => Err(error),
        }
    }
}

/// Nothing to read or no room to write now; not connected yet is that, too.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected
    )
}

/// Whole messages, each with its length before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Messages(Vec<u8>);

impl Messages {
    /// Leaves in `inbox` what is no whole message yet.
    fn take(inbox: &mut Vec<u8>) -> Messages {
        let mut end = 0;
        while let Some((_, rest)) = split(&inbox[end..]) {
            end = inbox.len() - rest.len();
        }
        let rest = inbox.split_off(end);
        Messages(std::mem::replace(inbox, rest))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (message, after) = split(rest)?;
            rest = after;
            Some(message)
        })
    }
}

/// The first whole message, and what follows it.
fn split(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_they_come() {
        let mut inbox = vec![0, 2, 7, 8, 0, 0, 0, 3, 1];
        let taken = Messages::take(&mut inbox);
        assert_eq!(taken.iter().collect::<Vec<_>>(), [&[7, 8][..], &[]]);
        assert_eq!(inbox, [0, 3, 1]);
        assert_eq!(Messages::take(&mut inbox), Messages::default());
        inbox.extend([2, 3, 0]);
        assert_eq!(
            Messages::take(&mut inbox).iter().collect::<Vec<_>>(),
            [&[1, 2, 3][..]]
        );
        assert_eq!(inbox, [0]);
    }
}
