//! Queries encoded once, and the check of a response against its query.
//!
//! All queries lie one after the other in one buffer, in the order in which they are asked, so
//! that the loop reads memory forwards. Only the ID differs from one sending to the next.
//! A response is accepted when it carries the ID and repeats the question octet for octet; the
//! records in it are not read: this program measures, it does not judge answers beyond their code.

use crate::names::Question;

/// Octets of a header (RFC 1035 section 4.1.1): ID, flags, four counts.
const HEADER_LEN: usize = 12;
/// Recursion desired: what a stub resolver sets.
const FLAG_RD: u8 = 0x01;
const FLAG_TC: u8 = 0x02;
const FLAG_QR: u8 = 0x80;
/// OPT (RFC 6891 section 6.1.2): root, TYPE 41, payload size 1232, version 0, no flags, no options.
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
/// Octets of the longest query: header, name, type and class, OPT.
pub(crate) const QUERY_LEN_MAX: usize = HEADER_LEN + 255 + 4 + OPT.len();

/// Every query of the run, encoded, in the order of asking.
pub(crate) struct Queries {
    packets: Vec<u8>,
    /// Where each packet begins, and at last where the last ends.
    starts: Vec<u32>,
    rcodes: Vec<u8>,
    opt_len: usize,
}

/// What the header of a right response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rcode: u8,
    pub(crate) truncated: bool,
}

impl Queries {
    /// Encodes the questions in a random order that `seed` fixes.
    ///
    /// # Panics
    /// When there are more than `names::QUESTIONS_MAX` questions, which `names::parse` refuses.
    pub(crate) fn encode(questions: &[Question], edns: bool, seed: u64) -> Queries {
        let opt: &[u8] = if edns { &OPT } else { &[] };
        let mut queries = Queries {
            packets: Vec::new(),
            starts: vec![0],
            rcodes: Vec::with_capacity(questions.len()),
            opt_len: opt.len(),
        };
        for index in shuffled(questions.len(), seed) {
            let question = &questions[index];
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

    /// How many there are: indexes are 0 to this.
    pub(crate) fn len(&self) -> usize {
        self.rcodes.len()
    }

    /// Writes query `index` with `id` to the start of `buffer`; gives its length.
    ///
    /// # Panics
    /// When `buffer` is shorter than [`QUERY_LEN_MAX`].
    pub(crate) fn write(&self, index: u32, id: u16, buffer: &mut [u8]) -> usize {
        let packet = self.packet(index);
        buffer[..packet.len()].copy_from_slice(packet);
        buffer[..2].copy_from_slice(&id.to_be_bytes());
        packet.len()
    }

    /// The answer code that is right for query `index`.
    pub(crate) fn rcode(&self, index: u32) -> u8 {
        self.rcodes[index as usize]
    }

    /// Reads `response` as the answer to query `index`; none when it is not one: QR missing,
    /// another operation, or another question. An error code may come without a question, since
    /// a server that could not read the query has none to repeat.
    pub(crate) fn read_answer(&self, index: u32, response: &[u8]) -> Option<Answer> {
        let header = response.first_chunk::<HEADER_LEN>()?;
        let is_response_to_query = header[2] & 0xf8 == FLAG_QR;
        if !is_response_to_query {
            return None;
        }
        let answer = Answer {
            rcode: header[3] & 0x0f,
            truncated: header[2] & FLAG_TC != 0,
        };
        let packet = self.packet(index);
        let question = &packet[HEADER_LEN..packet.len() - self.opt_len];
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

/// The numbers below `count` in an order that `seed` fixes (Fisher and Yates).
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for last in (1..count).rev() {
        let bound = last as u128 + 1;
        // The high half of the product: a number below `bound`, its bias far below 2^-32.
        let chosen = (u128::from(next_random(&mut state)) * bound) >> 64;
        order.swap(last, chosen as usize);
    }
    order
}

/// SplitMix64 (Steele, Lea, Flood 2014): one step of the state, one number out.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut number = *state;
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::names;

    fn encode(text: &str, edns: bool) -> Queries {
        Queries::encode(
            &names::parse(text.as_bytes()).expect("names of the test"),
            edns,
            1,
        )
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
    fn the_order_is_random_whole_and_fixed_by_the_seed() {
        let mut order = shuffled(1000, 1);
        assert_eq!(order, shuffled(1000, 1));
        assert_ne!(order, shuffled(1000, 2));
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
        assert_eq!(shuffled(1, 1), [0]);
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
