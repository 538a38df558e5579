//! EDNS Client Subnet from octets to octets: who is believed, what is echoed, for whom the answer
//! holds, and which addresses clients of a topology zone get.

use super::*;
use crate::table::Nearer;

/// A world whose `near.t` has an address in each of two zones, and one in none.
fn near_world() -> World {
    let clients = world(Vec::new(), b"").settings.clients;
    let (a, b) = (clients.topology.named("a"), clients.topology.named("b"));
    let address = |net, last| vec![10, net, 0, last];
    let all = [address(1, 1), address(1, 2), address(2, 1), address(3, 1)];
    let made = |policy, rdata: &[Vec<u8>]| {
        RRset::new(rtype::A, 30, policy, rdata.iter().map(|rdata| &rdata[..]))
    };
    let near = |policy| {
        let mut rrset = made(policy, &all);
        rrset.extra.get_or_insert_default().nearer = Nearer(vec![
            (a, made(policy, &all[..2])),
            (b, made(policy, &all[2..3])),
        ]);
        rrset
    };
    let service = [vec![0, 1, 0, 2, 0, 80], wire("near.t")].concat();
    let plain = [vec![0, 1, 0, 2, 0, 80], wire("turn.t")].concat();
    world(
        vec![
            node("t", Kind::Apex, vec![rrset(rtype::NS, &[wire("ns.t")])]),
            node("near.t", Kind::Inside, vec![near(Policy::Rotate)]),
            node("both.t", Kind::Inside, vec![near(Policy::Sticky)]),
            node("stay.t", Kind::Inside, vec![made(Policy::Sticky, &all)]),
            node("turn.t", Kind::Inside, vec![made(Policy::Rotate, &all)]),
            node(
                "alias.t",
                Kind::Inside,
                vec![rrset(rtype::CNAME, &[wire("near.t")])],
            ),
            node("srv.t", Kind::Inside, vec![rrset(rtype::SRV, &[service])]),
            node("plain.t", Kind::Inside, vec![rrset(rtype::SRV, &[plain])]),
        ],
        b"",
    )
}

/// The response to a question with a client subnet option: code, how many records, and the option.
fn asked_by(sender: [u8; 4], name: &str, qtype: u16, option: &str) -> String {
    let option: String = option.split_whitespace().collect();
    let content = data_encoding::HEXLOWER.decode(option.as_bytes()).unwrap();
    let options = [&[0, 8, 0, content.len() as u8][..], &content].concat();
    let query = query(name, qtype, Some((1232, &options)));
    let mut out = vec![0; 1232];
    let asked = Asked::new(&query, sender.into(), Transport::Udp, 0);
    let length = near_world().respond(&asked, &mut out);
    out.truncate(length);
    let decoded = Decoded::from_vec(&out).unwrap();
    let (answers, additionals) = (decoded.answers, decoded.additionals);
    let mut nets: Vec<String> = answers
        .iter()
        .chain(&additionals)
        .filter(|record| record.record_type() == hickory_proto::rr::RecordType::A)
        .map(|record| record.data.to_string())
        .collect();
    nets.sort();
    // OPT is the last record, and the option the last in it.
    let opt = &out[length - content.len().min(length)..];
    let echoed = opt.len() >= 4 && out[length - content.len() - 4..][..2] == [0, 8];
    let echo = match echoed {
        true => data_encoding::HEXLOWER.encode(opt),
        false => "no option".into(),
    };
    format!(
        "{:?} {} {} | {echo}",
        decoded.metadata.response_code,
        answers.len(),
        nets.join(" ")
    )
}

const FORWARDER: [u8; 4] = [127, 0, 0, 1];

fn check(name: &str, qtype: u16, option: &str, expected: Expect) {
    expected.assert_eq(&asked_by(FORWARDER, name, qtype, option));
}

#[test]
fn the_zone_of_the_subnet_counts() {
    check(
        "near.t",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["NoError 2 10.1.0.1 10.1.0.2 | 000118100a0102"],
    );
    check(
        "near.t",
        rtype::A,
        "0001 18 00 0a0202",
        expect!["NoError 1 10.2.0.1 | 000118100a0202"],
    );
    check(
        "near.t",
        rtype::A,
        "0001 18 00 0a0302",
        expect!["NoError 4 10.1.0.1 10.1.0.2 10.2.0.1 10.3.0.1 | 000118100a0302"],
    );
    // More bits than given would have told more.
    check(
        "near.t",
        rtype::A,
        "0001 08 00 0a",
        expect!["NoError 4 10.1.0.1 10.1.0.2 10.2.0.1 10.3.0.1 | 000108100a"],
    );
    check(
        "near.t",
        rtype::A,
        "0002 38 00 fd000001000200",
        expect!["NoError 4 10.1.0.1 10.1.0.2 10.2.0.1 10.3.0.1 | 00023800fd000001000200"],
    );
    check(
        "alias.t",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["NoError 3 10.1.0.1 10.1.0.2 | 000118100a0102"],
    );
}

#[test]
fn the_source_counts_where_the_policy_does() {
    check(
        "stay.t",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["NoError 1 10.1.0.2 | 000118200a0102"],
    );
    check(
        "both.t",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["NoError 1 10.1.0.2 | 000118200a0102"],
    );
    check(
        "both.t",
        rtype::A,
        "0001 18 00 0a0202",
        expect!["NoError 1 10.2.0.1 | 000118100a0202"],
    );
    check(
        "turn.t",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["NoError 4 10.1.0.1 10.1.0.2 10.2.0.1 10.3.0.1 | 000118000a0102"],
    );
    check(
        "none.t",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["NXDomain 0  | 000118000a0102"],
    );
    check(
        "elsewhere",
        rtype::A,
        "0001 18 00 0a0102",
        expect!["Refused 0  | 000118000a0102"],
    );
}

/// They are kept for everybody, whatever the scope of the answer.
#[test]
fn additional_addresses_are_those_of_everybody() {
    check(
        "srv.t",
        rtype::SRV,
        "0001 18 00 0a0102",
        expect!["NoError 1  | 000118000a0102"],
    );
    check(
        "plain.t",
        rtype::SRV,
        "0001 18 00 0a0102",
        expect!["NoError 1 10.1.0.1 10.1.0.2 10.2.0.1 10.3.0.1 | 000118000a0102"],
    );
    let near = asked_by([10, 1, 2, 3], "srv.t", rtype::SRV, "0001 18 00 0a0302");
    expect!["NoError 1 10.1.0.1 10.1.0.2 | no option"].assert_eq(&near);
}

#[test]
fn who_asks_for_nobody_asks_for_itself() {
    check(
        "near.t",
        rtype::A,
        "0001 00 00",
        expect!["NoError 4 10.1.0.1 10.1.0.2 10.2.0.1 10.3.0.1 | 00010000"],
    );
    // The decoder of these tests does not know FAMILY 0.
    let query = query("near.t", rtype::A, Some((1232, &[0, 8, 0, 4, 0, 0, 0, 0])));
    let out = ask(&mut near_world(), &query, Transport::Udp);
    assert_eq!((out[3] & 0xf, out[7]), (0, 4));
    assert!(out.ends_with(&[0, 8, 0, 4, 0, 0, 0, 0]));
}

#[test]
fn malformed_options_are_formerr() {
    check(
        "near.t",
        rtype::A,
        "0003 18 00 0a0102",
        expect!["FormErr 0  | no option"],
    );
    check(
        "near.t",
        rtype::A,
        "0001 18 18 0a0102",
        expect!["FormErr 0  | no option"],
    );
    check(
        "near.t",
        rtype::A,
        "0001 18 00 0a01",
        expect!["FormErr 0  | no option"],
    );
    check(
        "elsewhere",
        rtype::A,
        "0001",
        expect!["FormErr 0  | no option"],
    );
}

#[test]
fn nobody_else_is_believed() {
    for option in ["0001 18 00 0a0102", "0003 18 00 0a0102", "0001"] {
        let told = asked_by([10, 2, 0, 1], "near.t", rtype::A, option);
        assert_eq!(told, "NoError 1 10.2.0.1 | no option", "{option}");
    }
}
