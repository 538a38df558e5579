//! Batches of datagrams: one recvmmsg fills the queries, the caller writes the responses beside
//! them, one sendmmsg sends them. All memory is allocated once.
//!
//! Slot `i` of a batch has the query, the client's address, the control message that says which of
//! our addresses was asked, and the response. The response goes back with the same control message,
//! so it leaves from the address that was asked.

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

/// Octets of one received datagram at most. No client may send more than we advertise, but a longer
/// message is still told apart from a cut one up to here.
const QUERY_BYTES: usize = 4096;

/// Extra octets between buffers, so that equal offsets of all slots do not share one cache set.
const STAGGER_BYTES: usize = 64;

/// Room for one in6_pktinfo (the larger kind) with its header.
const CONTROL_BYTES: usize = 40;

/// Aligned as a cmsghdr must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// What became of a batch's responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams the kernel took.
    pub accepted: usize,
    /// Datagrams it did not take: dropped.
    pub refused: usize,
}

/// The buffers of one batch. See the module.
pub struct Datagrams {
    batch: usize,
    response_stride: usize,
    queries: Box<[u8]>,
    responses: Box<[u8]>,
    clients: Box<[libc::sockaddr_in6]>, // the larger of the two kinds of address
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
        // SAFETY: sockaddr_in6, iovec and mmsghdr are plain C structs for which zero is valid.
        let (client, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Datagrams {
            batch,
            response_stride,
            queries: vec![0; batch * (QUERY_BYTES + STAGGER_BYTES)].into(),
            responses: vec![0; batch * response_stride].into(),
            clients: vec![client; batch].into(),
            controls: vec![Control([0; CONTROL_BYTES]); batch].into(),
            vectors: vec![vector; batch].into(),
            received: vec![header; batch].into(),
            response_vectors: vec![vector; batch].into(),
            outgoing: vec![header; batch].into(),
            outgoing_count: 0,
        }
    }

    /// Receives what is there, without waiting; 0 when nothing is. `with_destination`: the socket
    /// has [`super::receive_destination`] set.
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
            header.msg_name = ptr::from_mut(client).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
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
        let client = address(&self.clients[index])?;
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
        let control_length = answer_from(&mut self.controls[index], received.msg_controllen);
        let header = &mut self.outgoing[self.outgoing_count].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.clients[index]).cast();
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

/// The client's address; `None` for what is neither IPv4 nor IPv6.
#[inline]
fn address(client: &libc::sockaddr_in6) -> Option<IpAddr> {
    match libc::c_int::from(client.sin6_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in here, as the family says; it is smaller than
            // and no more aligned than sockaddr_in6.
            let client = unsafe { &*ptr::from_ref(client).cast::<libc::sockaddr_in>() };
            Some(IpAddr::V4(Ipv4Addr::from(
                client.sin_addr.s_addr.to_ne_bytes(),
            )))
        }
        libc::AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(client.sin6_addr.s6_addr))),
        _ => None,
    }
}

/// Turns the control message of a received datagram into that of its response and returns the
/// response's control length; 0: let the kernel choose the source address.
fn answer_from(control: &mut Control, received_length: usize) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    const V4: usize = HEADER + size_of::<libc::in_pktinfo>();
    const V6: usize = HEADER + size_of::<libc::in6_pktinfo>();
    if received_length < V4 {
        return 0;
    }
    // SAFETY: `control` is aligned for and larger than a cmsghdr, whose fields are plain integers.
    let header = unsafe { ptr::read(control.0.as_ptr().cast::<libc::cmsghdr>()) };
    match (header.cmsg_level, header.cmsg_type, header.cmsg_len) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO, V4) => {
            // in_pktinfo: interface, our address (kept), destination. Routing picks the interface.
            control.0[HEADER..HEADER + 4].fill(0);
            received_length
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, V6) => {
            // in6_pktinfo: destination, interface. Only a link-local address needs the interface.
            let (destination, interface) = control.0[HEADER..V6].split_at_mut(16);
            let link_local = destination[0] == 0xfe && destination[1] & 0xc0 == 0x80;
            if !link_local {
                interface.fill(0);
            }
            let multicast = destination[0] == 0xff;
            if multicast { 0 } else { received_length }
        }
        _ => 0,
    }
}
