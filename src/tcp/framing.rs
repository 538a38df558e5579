//! Messages in a stream: two octets of length, then the message (RFC 1035, section 4.2.2).
//! Memory grows by the octets received, whatever length they declare.

/// Octets of the length prefix.
pub(super) const PREFIX_BYTES: usize = 2;

/// Octets of a DNS message header: nothing shorter is a message.
const HEADER_BYTES: usize = 12;

/// Capacity that an empty buffer keeps; what a large message took is given back.
const KEPT_BYTES: usize = 4096;

/// What the received octets begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// One whole message, without its prefix.
    Message(&'a [u8]),
    /// A part of one, or nothing: receive more.
    Incomplete,
    /// A length that no DNS message has: nothing behind it can be trusted.
    Malformed,
}

/// The octets received and not yet consumed.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    octets: Vec<u8>,
    consumed: usize,
}

impl Inbox {
    /// Appends what came.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// Takes the next message.
    pub(super) fn next_frame(&mut self) -> Frame<'_> {
        let start = self.consumed + PREFIX_BYTES;
        match declared_length(&self.octets[self.consumed..]) {
            None => Frame::Incomplete,
            Some(length) if length < HEADER_BYTES => Frame::Malformed,
            Some(length) if self.octets.len() - start < length => Frame::Incomplete,
            Some(length) => {
                self.consumed = start + length;
                Frame::Message(&self.octets[start..self.consumed])
            }
        }
    }

    /// Whether [`Inbox::next_frame`] would give something other than `Incomplete`.
    pub(super) fn has_frame(&self) -> bool {
        let rest = &self.octets[self.consumed..];
        declared_length(rest)
            .is_some_and(|length| length < HEADER_BYTES || rest.len() - PREFIX_BYTES >= length)
    }

    /// Whether a message has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.consumed < self.octets.len()
    }

    /// Forgets the consumed octets and gives back memory. Call once a turn, not once a message.
    pub(super) fn compact(&mut self) {
        self.octets.drain(..self.consumed);
        self.consumed = 0;
        if self.octets.is_empty() {
            self.octets.shrink_to(KEPT_BYTES);
        }
    }
}

fn declared_length(octets: &[u8]) -> Option<usize> {
    let &[high, low, ..] = octets else {
        return None;
    };
    Some(usize::from(u16::from_be_bytes([high, low])))
}

/// Responses that the peer has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    octets: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Appends one message with its prefix. Longer messages than the prefix can say do not exist.
    pub(super) fn push(&mut self, message: &[u8]) {
        debug_assert!(message.len() <= usize::from(u16::MAX));
        self.octets
            .extend_from_slice(&(message.len() as u16).to_be_bytes());
        self.octets.extend_from_slice(message);
    }

    /// What is to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        &self.octets[self.sent..]
    }

    /// Notes that the kernel took `count` of them.
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.octets.len() {
            self.octets.clear();
            self.octets.shrink_to(KEPT_BYTES);
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut outbox = Outbox::default();
        outbox.push(message);
        outbox.unsent().to_vec()
    }

    #[test]
    fn octet_by_octet() {
        let mut inbox = Inbox::default();
        for &octet in &framed(&[7; 12]) {
            assert_eq!(inbox.next_frame(), Frame::Incomplete);
            assert!(!inbox.has_frame());
            inbox.push(&[octet]);
            assert!(inbox.is_begun());
        }
        assert!(inbox.has_frame());
        assert_eq!(inbox.next_frame(), Frame::Message(&[7; 12]));
        assert!(!inbox.is_begun());
    }

    #[test]
    fn several_in_one_segment_with_the_beginning_of_the_next() {
        let mut inbox = Inbox::default();
        let octets = [framed(&[1; 12]), framed(&[2; 300]), framed(&[3; 20])].concat();
        inbox.push(&octets[..octets.len() - 1]);
        assert_eq!(inbox.next_frame(), Frame::Message(&[1; 12]));
        assert_eq!(inbox.next_frame(), Frame::Message(&[2; 300]));
        assert_eq!(inbox.next_frame(), Frame::Incomplete);
        inbox.compact();
        inbox.push(&octets[octets.len() - 1..]);
        assert_eq!(inbox.next_frame(), Frame::Message(&[3; 20]));
    }

    #[test]
    fn shorter_than_a_header_is_malformed() {
        for length in 0..12u8 {
            let mut inbox = Inbox::default();
            inbox.push(&[0, length]);
            assert_eq!(inbox.next_frame(), Frame::Malformed, "{length}");
            assert!(inbox.has_frame());
        }
    }

    #[test]
    fn memory_follows_the_octets_received_not_the_length_declared() {
        let mut inbox = Inbox::default();
        inbox.push(&[0xff, 0xff, 1, 2, 3]);
        assert_eq!(inbox.next_frame(), Frame::Incomplete);
        assert!(inbox.octets.capacity() < 64, "{}", inbox.octets.capacity());
    }

    #[test]
    fn memory_of_a_large_message_is_given_back() {
        let mut inbox = Inbox::default();
        inbox.push(&framed(&[0; 65_535]));
        assert_eq!(inbox.next_frame(), Frame::Message(&[0; 65_535]));
        inbox.compact();
        assert!(inbox.octets.capacity() <= KEPT_BYTES);

        let mut outbox = Outbox::default();
        outbox.push(&[0; 65_535]);
        outbox.advance(65_000);
        assert_eq!(outbox.unsent().len(), 537);
        outbox.advance(537);
        assert!(outbox.unsent().is_empty() && outbox.octets.capacity() <= KEPT_BYTES);
    }
}
