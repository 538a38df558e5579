//! Batches of datagrams: the buffers of one, the calls that receive and send it. What is answered
//! is decided by the callers.

use std::io;
use std::mem::zeroed;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::ancillary::{CLIENT_BYTES, CONTROL_BYTES, Client, Control};

/// Octets of one received datagram at most. No client may send more than we advertise, but a longer
/// message is still told apart from a cut one up to here.
const QUERY_BYTES: usize = 4096;

/// Extra octets between buffers, so that equal offsets of all slots do not share one cache set.
const STAGGER_BYTES: usize = 64;

/// What became of a batch's responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams the kernel took.
    pub accepted: usize,
    /// Datagrams it did not take: dropped.
    pub refused: usize,
}

/// The buffers of one batch of datagrams, allocated once: one recvmmsg fills the queries, the
/// caller writes the responses beside them, one sendmmsg sends them. A response carries the control
/// message of its query, so it leaves from the address that was asked.
pub struct Datagrams {
    batch: usize,
    response_stride: usize,
    queries: Box<[u8]>,
    responses: Box<[u8]>,
    clients: Box<[Client]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    received: Box<[libc::mmsghdr]>,
    response_vectors: Box<[libc::iovec]>,
    outgoing: Box<[libc::mmsghdr]>,
    /// Octets of each slot's response; 0: none.
    response_lengths: Box<[usize]>,
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
        // SAFETY: iovec and mmsghdr are plain C structs for which zero is valid.
        let (vector, header) = unsafe { (zeroed(), zeroed()) };
        Datagrams {
            batch,
            response_stride,
            queries: vec![0; batch * (QUERY_BYTES + STAGGER_BYTES)].into(),
            responses: vec![0; batch * response_stride].into(),
            clients: vec![Client([0; CLIENT_BYTES]); batch].into(),
            controls: vec![Control([0; CONTROL_BYTES]); batch].into(),
            vectors: vec![vector; batch].into(),
            received: vec![header; batch].into(),
            response_vectors: vec![vector; batch].into(),
            outgoing: vec![header; batch].into(),
            response_lengths: vec![0; batch].into(),
        }
    }

    /// Receives what is there, without waiting; 0 when nothing is. `with_destination`: the socket
    /// has [`receive_destination`] set.
    pub fn receive(&mut self, socket: &impl AsRawFd, with_destination: bool) -> io::Result<usize> {
        self.response_lengths.fill(0);
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
            header.msg_name = client.0.as_mut_ptr().cast();
            header.msg_namelen = CLIENT_BYTES as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = if with_destination { CONTROL_BYTES } else { 0 };
        }
    }

    /// The octets that slot `index` of the batch just received holds.
    #[inline]
    pub fn message(&self, index: usize) -> &[u8] {
        let start = index * (QUERY_BYTES + STAGGER_BYTES);
        let length = (self.received[index].msg_len as usize).min(QUERY_BYTES);
        &self.queries[start..start + length]
    }

    /// Slot `index` of the batch just received; `None` when it is not a whole message of a client
    /// that can be answered.
    #[inline]
    pub fn exchange(&mut self, index: usize) -> Option<Exchange<'_>> {
        let slot = &self.received[index];
        if slot.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let client = self.clients[index].address()?;
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

    /// Has slot `index`'s response of `length` octets, more than 0, sent by the next
    /// [`Datagrams::send`].
    #[inline]
    pub fn enqueue(&mut self, index: usize, length: usize) {
        self.response_lengths[index] = length;
    }

    /// A header for each response to send, whose pointers come from today's borrow, too; how many.
    fn point_at_responses(&mut self) -> usize {
        let responses = self.responses.chunks_exact_mut(self.response_stride);
        let slots = self
            .received
            .iter()
            .zip(&self.response_lengths)
            .zip(responses);
        let peers = self.clients.iter_mut().zip(&mut self.controls);
        let answered = slots
            .zip(peers)
            .filter(|(((_, length), _), _)| **length > 0);
        let headers = self.outgoing.iter_mut().zip(&mut self.response_vectors);
        let mut count = 0;
        for ((header, vector), (((query, length), response), (client, control))) in
            headers.zip(answered)
        {
            vector.iov_base = response.as_mut_ptr().cast();
            vector.iov_len = *length;
            let control_length = control.answer_from(query.msg_hdr.msg_controllen);
            let header = &mut header.msg_hdr;
            header.msg_name = client.0.as_mut_ptr().cast();
            header.msg_namelen = query.msg_hdr.msg_namelen;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = match control_length {
                0 => ptr::null_mut(),
                _ => control.0.as_mut_ptr().cast(),
            };
            header.msg_controllen = control_length;
            header.msg_flags = 0;
            count += 1;
        }
        self.response_lengths.fill(0);
        count
    }

    /// Sends the responses of this batch. Each system call either sends at least one datagram or
    /// gives up at least one, so there are no more calls than datagrams; a full send buffer drops
    /// the rest, since waiting would stall every other client.
    pub fn send(&mut self, socket: &impl AsRawFd) -> Sent {
        let total = self.point_at_responses();
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
    // SAFETY: `point_at_responses` pointed every header at live buffers of its slot, owned by the
    // same `Datagrams`, which is borrowed mutably for the length of the call.
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
