//! Answers that are right and answers that are not, against a small zone.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::names;
use crate::order::Order;

const ZONE: &str = "
$ORIGIN example.
$TTL 300
@     SOA ns.example. host.example. 1 2 3 4 60
www   A 192.0.2.2
www   A 192.0.2.3
www   A 192.0.2.4
mail  MX 10 www
alias CNAME www
out   CNAME www.elsewhere.
sub   NS ns1.sub
sub   NS ns2.sub
";

fn queries(question: &str, is_subset_right: bool) -> (Queries, Scratch) {
    let mut zones = Zones::default();
    zones
        .add(ZONE, Path::new("zone"))
        .expect("the zone of the test");
    let questions = names::parse(question.as_bytes()).expect("a question");
    let mut queries = Queries::encode(&[&questions], false, 1, Order::plain(1));
    let verifier = Verifier::new(&zones, &queries, is_subset_right);
    let scratch = verifier.scratch();
    queries.verify_by(verifier);
    (queries, scratch)
}

/// A response with these records, written as `OWNER TTL TYPE RDATA` with octets in hex; those
/// after `/` are in the authority section.
fn response(queries: &Queries, rcode: u8, records: &str) -> Vec<u8> {
    let mut message = vec![0; 512];
    let len = queries.write(0, 7, &mut message);
    message.truncate(len);
    (message[2], message[3]) = (0x80, rcode);
    for (section, records) in records.split('/').enumerate() {
        for record in records
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            let fields: Vec<&str> = record.split_whitespace().collect();
            let owner = &names::parse(fields[0].as_bytes()).expect("an owner")[0].qname;
            let rtype: u16 = fields[2].parse().expect("a type");
            let rdata = match fields[3].split_once('+') {
                // Octets in hex, and a name after them.
                Some((octets, name)) => {
                    let name = &names::parse(name.as_bytes()).expect("a name")[0].qname;
                    [hex(octets), name.clone()].concat()
                }
                None => hex(fields[3]),
            };
            message.extend(owner);
            message.extend(rtype.to_be_bytes());
            message.extend([0, 1]);
            message.extend(fields[1].parse::<u32>().expect("a TTL").to_be_bytes());
            message.extend((rdata.len() as u16).to_be_bytes());
            message.extend(rdata);
            message[7 + 2 * section] += 1;
        }
    }
    message
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER
        .decode(text.as_bytes())
        .expect("hex")
}

fn is_wrong(question: &str, is_subset_right: bool, rcode: u8, records: &str) -> bool {
    let (queries, mut scratch) = queries(question, is_subset_right);
    let response = response(&queries, rcode, records);
    let answer = queries.read_answer(0, &response).expect("an answer");
    let verifier = queries.verifier().expect("a verifier");
    verifier.is_wrong(0, answer, &response, &mut scratch)
}

#[track_caller]
fn right(question: &str, rcode: u8, records: &str) {
    assert!(
        !is_wrong(question, false, rcode, records),
        "{question}: {records}"
    );
}

#[track_caller]
fn wrong(question: &str, rcode: u8, records: &str) {
    assert!(
        is_wrong(question, false, rcode, records),
        "{question}: {records}"
    );
}

const W2: &str = "www.example 300 1 c0000202";
const W3: &str = "Www.Example 300 1 c0000203";
const W4: &str = "www.example 299 1 c0000204";

#[test]
fn a_set_is_right_in_any_order() {
    right("www.example", 0, &format!("{W2}, {W3}, {W4}"));
    right("www.example", 0, &format!("{W4}, {W3}, {W2}"));
    right(
        "www.example",
        0,
        &format!("{W4}, {W3}, {W2}, www.example 300 46 0001"),
    );
    wrong("www.example", 0, &format!("{W2}, {W3}"));
    wrong("www.example", 0, &format!("{W2}, {W3}, {W4}, {W4}"));
    wrong(
        "www.example",
        0,
        &format!("{W2}, {W3}, www.example 301 1 c0000204"),
    );
    wrong(
        "www.example",
        0,
        &format!("{W2}, {W3}, www.example 300 1 c0000209"),
    );
    wrong(
        "www.example",
        0,
        &format!("{W2}, {W3}, w.example 300 1 c0000204"),
    );
    wrong("www.example", 0, "");
    wrong("www.example", 3, "");
    wrong("www.example", 2, "");
    right("mail.example MX", 0, "mail.example 1 15 000a+WWW.example");
    wrong("mail.example MX", 0, "mail.example 1 15 000b+www.example");
    let soa = |numbers: &str| {
        let names = "026e73076578616d706c650004686f7374076578616d706c6500";
        format!("example 300 6 {names}{numbers}")
    };
    right(
        "example SOA",
        0,
        &soa("000000090000000200000003000000040000003c"),
    );
    wrong(
        "example SOA",
        0,
        &soa("000000010000000900000003000000040000003c"),
    );
}

#[test]
fn nothing_is_right_where_nothing_is() {
    right("www.example AAAA", 0, "");
    right("www.example AAAA", 0, "/ example 60 6 00");
    wrong("www.example AAAA", 0, W2);
    right("gone.example", 3, "");
    wrong("gone.example", 0, "");
    wrong("gone.example", 3, W2);
}

#[test]
fn chains_are_whole() {
    let alias = "alias.example 300 5 +www.example";
    right("alias.example", 0, &format!("{alias}, {W2}, {W3}, {W4}"));
    wrong("alias.example", 0, alias);
    wrong("alias.example", 0, &format!("{W2}, {W3}, {W4}"));
    let out = "out.example 300 5 +www.elsewhere";
    right("out.example", 0, out);
    right(
        "out.example",
        3,
        &format!("{out}, www.elsewhere 9 1 c0000201"),
    );
    wrong("out.example", 0, "");
}

#[test]
fn a_referral_has_the_servers_of_the_cut() {
    let servers = "sub.example 300 2 +ns1.sub.example, sub.example 300 2 +ns2.sub.example";
    right(
        "www.sub.example",
        0,
        &format!("/ {servers}, sub.example 300 43 00"),
    );
    wrong("www.sub.example", 0, "/ sub.example 300 2 +ns1.sub.example");
    wrong(
        "www.sub.example",
        0,
        &format!("/ {servers}, sub.example 300 2 +ns3.sub.example"),
    );
    wrong("www.sub.example", 0, servers);
    wrong("www.sub.example", 3, &format!("/ {servers}"));
}

#[test]
fn a_part_of_a_set_is_right_when_wished() {
    assert!(!is_wrong("www.example", true, 0, W3));
    assert!(!is_wrong("www.example", true, 0, &format!("{W3}, {W4}")));
    assert!(is_wrong("www.example", true, 0, ""));
    assert!(is_wrong(
        "www.example",
        true,
        0,
        "www.example 300 1 c0000209"
    ));
    let alias = "alias.example 300 5 +www.example";
    assert!(!is_wrong(
        "alias.example",
        true,
        0,
        &format!("{alias}, {W3}")
    ));
    assert!(is_wrong("alias.example", true, 0, W3));
    assert!(is_wrong("alias.example", true, 0, alias));
    assert!(!is_wrong("www.example AAAA", true, 0, ""));
}

#[test]
fn what_cannot_be_known_is_not_wrong() {
    right("www.elsewhere", 5, "");
    let (queries, mut scratch) = queries("www.example", false);
    let mut response = response(&queries, 0, "");
    response[2] |= 2;
    let answer = queries.read_answer(0, &response).expect("an answer");
    let verifier = queries.verifier().expect("a verifier");
    assert!(
        !verifier.is_wrong(0, answer, &response, &mut scratch),
        "truncated"
    );
    response[2] &= !2;
    response.resize(PACKET_LEN_MAX, 0);
    let answer = queries.read_answer(0, &response).expect("an answer");
    assert!(
        !verifier.is_wrong(0, answer, &response, &mut scratch),
        "cut"
    );
}

proptest! {
    #[test]
    fn any_octets_after_the_question_are_judged(rest: Vec<u8>, counts: [u8; 3]) {
        let (queries, mut scratch) = queries("alias.example", false);
        let mut response = response(&queries, 0, "");
        (response[7], response[9], response[11]) = (counts[0], counts[1], counts[2]);
        response.extend(rest);
        let answer = queries.read_answer(0, &response).expect("an answer");
        let verifier = queries.verifier().expect("a verifier");
        prop_assert!(verifier.is_wrong(0, answer, &response, &mut scratch));
    }
}
