//! One query and its answer, for two things: when a server is ready, and whether every name is
//! right after changes. A small encoder and decoder of A queries, sharing nothing with the servers.
//!
//! It measures nothing: the load is the generator's.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const TYPE_A: u16 = 1;
const HEADER_LEN: usize = 12;
const RECORD_HEAD_LEN: usize = 10;
/// How often a name is asked before its silence counts.
const ATTEMPTS_MAX: u16 = 5;

/// A socket to one server.
pub(crate) struct Asker(UdpSocket);

impl Asker {
    pub(crate) fn new(server: SocketAddr, timeout: Duration) -> io::Result<Asker> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(timeout))?;
        Ok(Asker(socket))
    }

    /// The addresses of a name, or none when the server says no, says nothing, or is not there.
    pub(crate) fn addresses(&self, name: &str) -> Option<BTreeSet<Ipv4Addr>> {
        (1..=ATTEMPTS_MAX).find_map(|id| self.addresses_once(id, name))
    }

    /// The same, asked once.
    pub(crate) fn addresses_once(&self, id: u16, name: &str) -> Option<BTreeSet<Ipv4Addr>> {
        self.0.send(&query(id, name)).ok()?;
        let mut buffer = [0; 4096];
        loop {
            let len = self.0.recv(&mut buffer).ok()?;
            // A late answer to a former query has another name: `answer` looks at both.
            if let Some(addresses) = answer(&buffer[..len], id, name) {
                return addresses;
            }
        }
    }
}

/// An A query without EDNS. Names of the set have no escapes.
pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER_LEN + name.len() + 6);
    packet.extend(id.to_be_bytes());
    packet.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend(question(name));
    packet
}

fn question(name: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(name.len() + 6);
    for label in name.split('.') {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, TYPE_A as u8, 0, 1]);
    octets
}

/// `None`: not the answer to this query. `Some(None)`: an answer without success.
pub(crate) fn answer(packet: &[u8], id: u16, name: &str) -> Option<Option<BTreeSet<Ipv4Addr>>> {
    let question = question(name);
    let asked = packet.get(HEADER_LEN..HEADER_LEN + question.len())?;
    let is_response = packet[2] & 0x80 != 0;
    if packet[..2] != id.to_be_bytes() || !is_response || !asked.eq_ignore_ascii_case(&question) {
        return None;
    }
    let (rcode, truncated) = (packet[3] & 0x0f, packet[2] & 0x02 != 0);
    if rcode != 0 || truncated {
        return Some(None);
    }
    let count = u16::from_be_bytes([packet[6], packet[7]]);
    Some(records(&packet[HEADER_LEN + question.len()..], count))
}

/// The addresses of the answer section; none when it ends too early.
fn records(mut rest: &[u8], count: u16) -> Option<BTreeSet<Ipv4Addr>> {
    let mut addresses = BTreeSet::new();
    for _ in 0..count {
        rest = after_name(rest)?;
        let (head, behind) = rest.split_at_checked(RECORD_HEAD_LEN)?;
        let rtype = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[8], head[9]]));
        let (rdata, behind) = behind.split_at_checked(len)?;
        if let (TYPE_A, Ok(octets)) = (rtype, <[u8; 4]>::try_from(rdata)) {
            addresses.insert(Ipv4Addr::from(octets));
        }
        rest = behind;
    }
    Some(addresses)
}

fn after_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (&len, behind) = rest.split_first()?;
        match len {
            0 => return Some(behind),
            // A compression pointer of two octets ends a name.
            0xc0.. => return behind.get(1..),
            _ => rest = behind.get(usize::from(len)..)?,
        }
    }
}
