//! Captures made by the test, sound and damaged.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [
        &[0x30, 0x39],
        &port.to_be_bytes()[..],
        &len.to_be_bytes(),
        &[0, 0],
        payload,
    ]
    .concat()
}

fn ipv4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let len = (20 + payload.len()) as u16;
    let [len, fragment] = [len, fragment].map(u16::to_be_bytes);
    let head = [
        [0x45, 0, len[0], len[1]],
        [0, 0, fragment[0], fragment[1]],
        [64, protocol, 0, 0],
    ];
    [&head.concat()[..], &[10, 0, 0, 1, 10, 0, 0, 2], payload].concat()
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u16).to_be_bytes();
    [
        &[0x60, 0, 0, 0, len[0], len[1], next, 64][..],
        &[0; 32],
        payload,
    ]
    .concat()
}

fn ethernet(types: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[2; 12][..], types, payload].concat()
}

/// A pcap in little-endian with microseconds, packets at 1 s, 2 s and so on.
fn pcap(linktype: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, linktype];
    let mut file = words.map(u32::to_le_bytes).concat();
    for (second, packet) in (1..).zip(packets) {
        let len = packet.len() as u32;
        file.extend([second, 500_000, len, len].map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let len = (padded as u32 + 12).to_be_bytes();
    let mut block = [&kind.to_be_bytes()[..], &len, body].concat();
    block.resize(8 + padded, 0);
    block.extend(len);
    block
}

/// A pcapng in big-endian; nanoseconds, 100 s added to each time.
fn pcapng(linktype: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let section = [&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat();
    let mut file = block(0x0a0d_0d0a, &section);
    let options = b"\0\x09\0\x01\x09\0\0\0\0\x0e\0\x08\0\0\0\0\0\0\0\x64\0\0\0\0";
    file.extend(block(
        1,
        &[&linktype.to_be_bytes()[..], &[0; 6], options].concat(),
    ));
    for (nanosecond, packet) in (1_u32..).zip(packets) {
        let len = packet.len() as u32;
        let words = [0, 0, nanosecond, len, len].map(u32::to_be_bytes).concat();
        file.extend(block(6, &[&words, &packet[..]].concat()));
    }
    file
}

fn check(file: &[u8], want: Expect) {
    let text = match read(file, 53) {
        Err(error) => format!("error: {error}"),
        Ok(recording) => {
            let are_whole = recording.queries().all(|query| query == QUERY);
            let due = recording.due_ns(1.0);
            let skipped = recording.skipped.counts();
            let skipped: Vec<_> = skipped
                .map(|(name, count)| format!("{count}{}", name.trim_start_matches("  skipped")))
                .collect();
            format!(
                "{} whole {are_whole} due {due:?} {}",
                recording.len(),
                skipped.join(", ")
            )
        }
    };
    want.assert_eq(&text);
}

#[test]
fn every_link_layer_is_read() {
    let dns = udp(53, QUERY);
    let (v4, v6) = (ipv4(17, 0, &dns), ipv6(17, &dns));
    let frames = [
        ethernet(&[8, 0], &v4),
        ethernet(&[0x86, 0xdd], &v6),
        ethernet(&[0x81, 0, 0, 5, 8, 0], &v4),
        ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd], &v6),
    ];
    check(
        &pcap(1, &frames),
        expect!["4 whole true due Ok([0, 1000000000, 2000000000, 3000000000]) "],
    );
    check(
        &pcapng(1, &frames),
        expect!["4 whole true due Ok([0, 1, 2, 3]) "],
    );
    let cooked = [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0][..], &v4].concat();
    check(&pcap(113, &[cooked]), expect!["1 whole true due Ok([0]) "]);
    let cooked = [&[0x86, 0xdd][..], &[0; 18], &v6].concat();
    check(
        &pcapng(276, &[cooked]),
        expect!["1 whole true due Ok([0]) "],
    );
    check(
        &pcap(101, &[v4.clone(), v6.clone()]),
        expect!["2 whole true due Ok([0, 1000000000]) "],
    );
    let loopback = |ip: &[u8]| [&[2, 0, 0, 0], ip].concat();
    check(
        &pcap(0, &[loopback(&v4), loopback(&v6)]),
        expect!["2 whole true due Ok([0, 1000000000]) "],
    );
}

#[test]
fn what_is_no_query_is_passed_over() {
    let mut response = QUERY.to_vec();
    response[2] |= 0x80;
    let tcp = [
        &[0, 53, 0x30, 0x39][..],
        &[0; 8],
        &[0x50, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let mut cut = ipv4(17, 0, &udp(53, QUERY));
    cut.pop();
    let packets = [
        ipv4(17, 0, &udp(53, QUERY)),
        ipv4(17, 0, &udp(53, &response)),
        ipv4(17, 0, &udp(53, b"short")),
        ipv4(17, 0, &udp(5_353, QUERY)),
        ipv4(17, 0x2000, &udp(53, QUERY)),
        ipv4(6, 0, &tcp),
        ipv4(1, 0, &[8, 0, 0, 0, 0, 0, 0, 0]),
        cut,
        vec![],
        vec![0x45],
        vec![0xff; 40],
    ];
    check(
        &pcap(101, &packets),
        expect!["1 whole true due Ok([0]) 1 TCP, 1 fragments, 1 cut, 2 no query"],
    );
}

#[test]
fn damage_is_named_with_its_packet() {
    let packets = [ipv4(17, 0, &udp(53, QUERY)), ipv4(17, 0, &udp(53, QUERY))];
    let file = pcap(101, &packets);
    check(
        &file[..20],
        expect!["error: the header of the capture is damaged"],
    );
    check(
        &file[..file.len() - 1],
        expect!["error: packet 2: the file ends within it"],
    );
    check(
        &file[..30],
        expect!["error: packet 1: the file ends within it"],
    );
    check(
        &pcap(127, &packets),
        expect![
            "error: packet 1: link type 127 is none of Ethernet, Linux cooked, raw IP, loopback"
        ],
    );
    let mut file = pcapng(101, &packets);
    check(
        &file[..file.len() - 1],
        expect!["error: packet 2: the file ends within it"],
    );
    check(
        &file[..30],
        expect!["error: packet 1: the file ends within it"],
    );
    let end = file.len();
    file[end - 1] ^= 1;
    check(&file, expect!["error: packet 2: damaged"]);
    let section = &file[..28];
    let packet = block(6, &[0; 20]);
    check(
        &[section, &packet].concat(),
        expect!["error: packet 1: of an interface that was not described before it"],
    );
}

#[test]
fn captures_are_told_from_text() {
    assert!(is_capture(&pcap(1, &[])) && is_capture(&pcapng(1, &[])));
    assert!(!is_capture(b"1.0 x a A\n") && !is_capture(b"") && !is_capture(b"\x0a\x0d\x0d"));
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(rest: Vec<u8>, is_pcapng: bool, linktype in 0..300_u16) {
        let head = match is_pcapng {
            true => pcapng(linktype, &[]),
            false => pcap(u32::from(linktype), &[]),
        };
        let _ = read(&[&head, &rest[..]].concat(), 53);
        let _ = read(&rest, 53);
    }

    #[test]
    fn any_packets_are_read(packets: Vec<Vec<u8>>, ip: Vec<u8>) {
        for linktype in [0, 1, 101, 113, 276] {
            let raw = pcap(linktype, &packets);
            prop_assert!(read(&raw, 53).is_ok());
            let with_ip = [pcap(linktype, &[ipv4(17, 0, &ip), ipv6(17, &ip), ipv6(44, &ip)])];
            prop_assert!(read(&with_ip.concat(), 53).is_ok());
        }
    }

    #[test]
    fn a_flipped_octet_is_survived(at: prop::sample::Index, flip in 1..=255_u8) {
        let packets = [ipv4(17, 0, &udp(53, QUERY)), ipv6(17, &udp(53, QUERY))];
        for mut file in [pcap(101, &packets), pcapng(101, &packets)] {
            let at = at.index(file.len());
            file[at] ^= flip;
            let _ = read(&file, 53);
        }
    }
}
