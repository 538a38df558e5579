//! Queries encoded once, and the check of a response against its query.
//!
//! All queries lie one after the other in one buffer, each file of a mix in the order in which it
//! is asked, so that the loop reads memory forwards. Only the ID differs from one sending to the
//! next.
//! A response is accepted when it carries the ID and repeats the question octet for octet; the
//! records in it are read by `verify` only.

use crate::names::Question;
use crate::order::{self, Order};
use crate::verify::Verifier;
use crate::wire;

/// Octets of a header (RFC 1035 section 4.1.1): ID, flags, four counts.
const HEADER_LEN: usize = 12;
/// Recursion desired: what a stub resolver sets.
const FLAG_RD: u8 = 0x01;
const FLAG_TC: u8 = 0x02;
const FLAG_QR: u8 = 0x80;
/// OPT (RFC 6891 section 6.1.2): root, TYPE 41, payload size 1232, version 0, no flags, no options.
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
/// Instead of an answer code: whichever it is, it is not wrong.
const RCODE_ANY: u8 = 0xff;
/// Octets of the longest query: header, name, type and class, OPT.
pub(crate) const QUERY_LEN_MAX: usize = HEADER_LEN + 255 + 4 + OPT.len();

/// Every query of the run, encoded, in the order of asking.
pub(crate) struct Queries {
    packets: Vec<u8>,
    /// Where each packet begins, and at last where the last ends.
    starts: Vec<u32>,
    rcodes: Vec<u8>,
    /// Octets of the OPT record; none when the queries were recorded, of whatever form they are.
    opt_len: Option<usize>,
    order: Order,
    verifier: Option<Verifier>,
}

/// What the header of a right response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rcode: u8,
    pub(crate) truncated: bool,
}

impl Queries {
    /// Encodes the questions of each file in a random order that `seed` fixes; `order` says how
    /// the files are mixed.
    ///
    /// # Panics
    /// When there are more than `names::QUESTIONS_MAX` questions.
    pub(crate) fn encode(files: &[&[Question]], edns: bool, seed: u64, order: Order) -> Queries {
        let opt: &[u8] = if edns { &OPT } else { &[] };
        let mut queries = Queries {
            packets: Vec::new(),
            starts: vec![0],
            rcodes: Vec::with_capacity(files.iter().map(|file| file.len()).sum()),
            opt_len: Some(opt.len()),
            order,
            verifier: None,
        };
        let shuffled = files.iter().flat_map(|questions| {
            let order = order::shuffled(questions.len(), seed).into_iter();
            order.map(|index| &questions[index])
        });
        for question in shuffled {
            let additional_count = u8::from(edns);
            let header = [0, 0, FLAG_RD, 0, 0, 1, 0, 0, 0, 0, 0, additional_count];
            queries.packets.extend_from_slice(&header);
            queries.packets.extend_from_slice(&question.qname);
            queries
                .packets
                .extend_from_slice(&question.qtype.to_be_bytes());
            queries.packets.extend_from_slice(&[0, 1]);
            queries.packets.extend_from_slice(opt);
            let end = u32::try_from(queries.packets.len()).expect("bounded by QUESTIONS_MAX");
            queries.starts.push(end);
            queries.rcodes.push(question.rcode);
        }
        queries
    }

    /// Takes recorded queries as they are, in their order; any answer code is right.
    ///
    /// # Panics
    /// When they have 4 GiB or more: what is read of a file is less.
    pub(crate) fn recorded<'a>(recorded: impl Iterator<Item = &'a [u8]>) -> Queries {
        let mut queries = Queries {
            packets: Vec::new(),
            starts: vec![0],
            rcodes: Vec::new(),
            opt_len: None,
            order: Order::plain(0),
            verifier: None,
        };
        for packet in recorded {
            queries.packets.extend_from_slice(packet);
            let end = u32::try_from(queries.packets.len()).expect("bounded by the file");
            queries.starts.push(end);
            queries.rcodes.push(RCODE_ANY);
        }
        queries.order = Order::plain(queries.rcodes.len());
        queries
    }

    /// How many there are: indexes are 0 to this.
    pub(crate) fn len(&self) -> usize {
        self.rcodes.len()
    }

    /// In which order they are asked.
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// Writes query `index` with `id` to the start of `buffer`; gives its length.
    ///
    /// # Panics
    /// When `buffer` is shorter than the query: [`QUERY_LEN_MAX`] is enough for those encoded here.
    pub(crate) fn write(&self, index: u32, id: u16, buffer: &mut [u8]) -> usize {
        let packet = self.packet(index);
        buffer[..packet.len()].copy_from_slice(packet);
        buffer[..2].copy_from_slice(&id.to_be_bytes());
        packet.len()
    }

    /// Whether another answer code than this is right for query `index`.
    pub(crate) fn is_wrong_rcode(&self, index: u32, rcode: u8) -> bool {
        let right = self.rcodes[index as usize];
        right != rcode && right != RCODE_ANY
    }

    /// Judges the answers by a zone, the answer codes included.
    pub(crate) fn verify_by(&mut self, verifier: Verifier) {
        for (index, rcode) in (0..).zip(&mut self.rcodes) {
            *rcode = verifier.rcode(index).unwrap_or(*rcode);
        }
        self.verifier = Some(verifier);
    }

    /// What the answers are to be compared with.
    pub(crate) fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    /// Name, type and class that query `index` asks for; none when it has not one question.
    pub(crate) fn question(&self, index: u32) -> Option<(&[u8], u16, u16)> {
        let packet = self.packet(index);
        if packet.get(4..6) != Some(&[0, 1]) {
            return None;
        }
        let end = wire::skip_name(packet, HEADER_LEN)?;
        let &[type_high, type_low, class_high, class_low] = packet.get(end..)?.first_chunk()?;
        let qtype = u16::from_be_bytes([type_high, type_low]);
        let qclass = u16::from_be_bytes([class_high, class_low]);
        Some((&packet[HEADER_LEN..end], qtype, qclass))
    }

    /// Reads `response` as the answer to query `index`; none when it is not one: QR missing,
    /// another operation, or another question. An error code may come without a question, since
    /// a server that could not read the query has none to repeat.
    pub(crate) fn read_answer(&self, index: u32, response: &[u8]) -> Option<Answer> {
        let header = response.first_chunk::<HEADER_LEN>()?;
        let packet = self.packet(index);
        let is_response_to_query = header[2] & 0xf8 == FLAG_QR | packet[2] & 0x78;
        if !is_response_to_query {
            return None;
        }
        let answer = Answer {
            rcode: header[3] & 0x0f,
            truncated: header[2] & FLAG_TC != 0,
        };
        let question_end = match self.opt_len {
            Some(opt_len) => Some(packet.len() - opt_len),
            None => self
                .question(index)
                .map(|(qname, ..)| HEADER_LEN + qname.len() + 4),
        };
        let Some(question_end) = question_end else {
            // Recorded without one question: there is nothing to compare.
            return Some(answer);
        };
        let question = &packet[HEADER_LEN..question_end];
        let is_right = match [header[4], header[5]] {
            [0, 1] => response[HEADER_LEN..].starts_with(question),
            [0, 0] => answer.rcode != 0,
            _ => false,
        };
        is_right.then_some(answer)
    }

    fn packet(&self, index: u32) -> &[u8] {
        let index = index as usize;
        &self.packets[self.starts[index] as usize..self.starts[index + 1] as usize]
    }
}

/// The ID of a message; none when it is too short to have one.
pub(crate) fn id(message: &[u8]) -> Option<u16> {
    message.first_chunk().copied().map(u16::from_be_bytes)
}

/// Turns a query into a response by its QR flag; false, and nothing changed, when it is no query.
pub(crate) fn mark_response(message: &mut [u8]) -> bool {
    if message.len() < HEADER_LEN || message[2] & FLAG_QR != 0 {
        return false;
    }
    message[2] |= FLAG_QR;
    true
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::names;

    fn encode(text: &str, edns: bool) -> Queries {
        let questions = names::parse(text.as_bytes()).expect("names of the test");
        let order = Order::plain(questions.len());
        Queries::encode(&[&questions], edns, 1, order)
    }

    fn check_query(text: &str, edns: bool, want: Expect) {
        let mut buffer = [0; QUERY_LEN_MAX];
        let len = encode(text, edns).write(0, 0xabcd, &mut buffer);
        let (header, rest) = buffer[..len].split_at(HEADER_LEN);
        let lines = format!("{}\n{}\n", header.escape_ascii(), rest.escape_ascii());
        want.assert_eq(&lines);
    }

    #[test]
    fn a_query_has_rd_one_question_and_edns_when_asked_for() {
        check_query(
            "Www.a MX",
            false,
            expect![[r#"
            \xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00
            \x03Www\x01a\x00\x00\x0f\x00\x01
        "#]],
        );
        check_query(
            "a",
            true,
            expect![[r#"
            \xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01
            \x01a\x00\x00\x01\x00\x01\x00\x00)\x04\xd0\x00\x00\x00\x00\x00\x00
        "#]],
        );
    }

    #[test]
    fn the_longest_query_fits() {
        let label = "a".repeat(63);
        let queries = encode(&format!("{label}.{label}.{label}.{}", "a".repeat(61)), true);
        assert_eq!(queries.write(0, 1, &mut [0; QUERY_LEN_MAX]), QUERY_LEN_MAX);
    }

    /// Changes a right response with `change` and reads it.
    fn read(change: impl FnOnce(&mut Vec<u8>)) -> Option<Answer> {
        let queries = encode("Www.a MX", true);
        let mut response = vec![0; QUERY_LEN_MAX];
        let len = queries.write(0, 7, &mut response);
        response.truncate(len);
        assert!(mark_response(&mut response));
        change(&mut response);
        queries.read_answer(0, &response)
    }

    #[test]
    fn responses_are_checked_against_the_question() {
        let answer = |rcode, truncated| Some(Answer { rcode, truncated });
        assert_eq!(read(|_| ()), answer(0, false));
        assert_eq!(
            read(|r| r[3] = 0x83),
            answer(3, false),
            "RA beside NXDOMAIN"
        );
        assert_eq!(read(|r| r[2] |= FLAG_TC), answer(0, true));
        assert_eq!(
            read(|r| r.truncate(23)),
            answer(0, false),
            "no OPT in the response"
        );
        assert_eq!(read(|r| r.truncate(22)), None, "question cut");
        assert_eq!(read(|r| r[13] = b'w'), None, "case of the question changed");
        assert_eq!(read(|r| r[20] = 16), None, "other type");
        assert_eq!(read(|r| r[2] &= !FLAG_QR), None, "a query");
        assert_eq!(read(|r| r[2] |= 0x28), None, "an update");
        assert_eq!(read(|r| r.truncate(11)), None, "no whole header");
        assert_eq!(read(|r| r.clear()), None);
        assert_eq!(read(|r| r[5] = 2), None, "two questions");
        assert_eq!(read(|r| r[5] = 0), None, "NOERROR without the question");
        let format_error = read(|r| {
            r.truncate(HEADER_LEN);
            (r[3], r[5]) = (1, 0);
        });
        assert_eq!(format_error, answer(1, false));
    }

    #[test]
    fn recorded_queries_keep_their_octets_save_the_id() {
        let notify = b"\x12\x34\x24\0\0\x01\0\0\0\0\0\0\x01A\0\0\x06\0\x01rest";
        let odd = b"\x12\x34\x01\0\0\x02\0\0\0\0\0\0\xff";
        let queries = Queries::recorded([&notify[..], odd].into_iter());
        let mut buffer = [0; QUERY_LEN_MAX];
        let len = queries.write(0, 7, &mut buffer);
        assert_eq!(buffer[..2], [0, 7]);
        assert_eq!(buffer[2..len], notify[2..]);
        let mut response = buffer[..len - 4].to_vec();
        assert_eq!(queries.read_answer(0, &response), None, "no response");
        response[2] |= FLAG_QR;
        assert!(queries.read_answer(0, &response).is_some());
        assert!(!queries.is_wrong_rcode(0, 5));
        response[13] = b'a';
        assert_eq!(queries.read_answer(0, &response), None, "another question");
        let response = b"\x12\x34\x81\x01\0\0\0\0\0\0\0\0";
        assert!(queries.read_answer(1, response).is_some());
        assert_eq!(queries.question(1), None);
    }

    #[test]
    fn only_queries_are_echoed() {
        assert!(!mark_response(&mut [0; 11]));
        assert!(!mark_response(&mut [0xff; 12]));
        let mut message = [0; 12];
        assert!(mark_response(&mut message));
        assert_eq!(message[2], FLAG_QR);
    }

    #[test]
    fn the_id_is_the_first_two_octets() {
        assert_eq!(id(&[0x12, 0x34, 0]), Some(0x1234));
        assert_eq!(id(&[0x12]), None);
    }
}
