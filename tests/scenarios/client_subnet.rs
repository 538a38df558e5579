//! EDNS Client Subnet: whose word counts, what it changes, what is echoed. 127.0.0.1 is a trusted
//! forwarder, 127.0.0.2 is not.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{ask_tcp, ask_udp_from};
use crate::harness::fixture::bundle;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

const FORWARDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The option's code.
const CLIENT_SUBNET: u16 = 8;

/// A server of `many.t.test.` with 40 addresses, an alias of it, and `one.t.test.` with one.
fn start(etcd: &Etcd, answer: &str) -> Server {
    let addresses: Vec<String> = (1..=40).map(|last| format!("192.0.2.{last}")).collect();
    let mut records: Vec<_> = addresses
        .iter()
        .map(|address| ("many.t.test.", 30, "A", address.as_str()))
        .collect();
    records.push(("one.t.test.", 30, "A", "192.0.2.1"));
    records.push(("alias.t.test.", 30, "CNAME", "many.t.test."));
    etcd.put_all(&[bundle("names", &records)]);
    let mut settings = Settings::new(etcd.client());
    settings.answer = format!("client_subnet_from = [\"{FORWARDER}/32\"]\n{answer}");
    Server::start(&settings)
}

/// The option for a subnet of IPv4: its first octets, and how many bits.
fn subnet(octets: &[u8], bits: u8) -> Vec<u8> {
    [&[0, 1, bits, 0], octets].concat()
}

fn ask(server: &Server, sender: Ipv4Addr, name: &str, option: &[u8]) -> Reply {
    let query = Query::new(name, "A").with_option(CLIENT_SUBNET, option);
    let octets = ask_udp_from(server.dns, sender, &query.encode()).expect("a reply");
    Reply::decode(&octets).expect("a good reply")
}

/// The scope of a reply that echoes `option`.
fn scope(reply: &Reply, option: &[u8]) -> u8 {
    let echoed = reply.option(CLIENT_SUBNET).expect("the option is echoed");
    let mut expected = option.to_vec();
    expected[3] = echoed[3];
    assert_eq!(echoed, expected, "family, length and address as given");
    echoed[3]
}

#[test]
fn a_forwarder_asks_for_its_clients() {
    let etcd = Etcd::start();
    let server = start(&etcd, "policy = \"sticky\"\nsource_bits_v4 = 24");
    let mut used = BTreeSet::new();
    for net in 0..100 {
        let option = subnet(&[10, 0, net, 7], 32);
        let reply = ask(&server, FORWARDER, "many.t.test.", &option);
        assert_eq!(scope(&reply, &option), 24, "{reply}");
        let kept = reply.answers_of(1);
        assert_eq!(kept.len(), 1);
        // The whole source gets the same address, and so does an alias of the name.
        let option = subnet(&[10, 0, net], 24);
        for name in ["many.t.test.", "alias.t.test."] {
            let reply = ask(&server, FORWARDER, name, &option);
            assert_eq!(
                (reply.answers_of(1), scope(&reply, &option)),
                (kept.clone(), 24)
            );
        }
        used.extend(kept);
    }
    assert!(used.len() > 30, "sources are spread: {}", used.len());
    // What is the same for all, may be kept for all.
    let option = subnet(&[10, 0, 3], 24);
    for name in ["one.t.test.", "none.t.test.", "elsewhere.example."] {
        let reply = ask(&server, FORWARDER, name, &option);
        assert_eq!(scope(&reply, &option), 0, "{name}: {reply}");
    }
    // Over TCP the same.
    let query = Query::new("many.t.test.", "A").with_option(CLIENT_SUBNET, &option);
    let reply = Reply::decode(&ask_tcp(server.dns, &query.encode()).expect("a reply"));
    assert_eq!(scope(&reply.expect("a good reply"), &option), 24);
}

#[test]
fn without_an_address_the_forwarder_counts() {
    let etcd = Etcd::start();
    let server = start(&etcd, "policy = \"sticky\"");
    let plain = Query::new("many.t.test.", "A").encode();
    let plain = ask_udp_from(server.dns, FORWARDER, &plain).expect("a reply");
    let plain = Reply::decode(&plain).expect("a good reply");
    assert!(plain.opt.is_none());
    for family in 0..=2 {
        let option = [0, family, 0, 0];
        let reply = ask(&server, FORWARDER, "many.t.test.", &option);
        assert_eq!(reply.answers_of(1), plain.answers_of(1), "family {family}");
        assert_eq!(scope(&reply, &option), 0);
    }
}

#[test]
fn nobody_else_is_believed() {
    let etcd = Etcd::start();
    let server = start(&etcd, "policy = \"sticky\"");
    let mut seen = BTreeSet::new();
    for net in 0..20 {
        let reply = ask(
            &server,
            STRANGER,
            "many.t.test.",
            &subnet(&[10, 0, net], 24),
        );
        assert_eq!((reply.rcode(), reply.option(CLIENT_SUBNET)), (0, None));
        seen.insert(reply.answers_of(1));
    }
    // Nor is it looked at, whatever is in it.
    for option in [&[][..], &[0, 9, 1, 1, 1], &subnet(&[10, 0, 0, 1], 24)] {
        let reply = ask(&server, STRANGER, "many.t.test.", option);
        assert_eq!((reply.rcode(), reply.option(CLIENT_SUBNET)), (0, None));
        seen.insert(reply.answers_of(1));
    }
    assert_eq!(seen.len(), 1, "its own address counts: {seen:?}");
}

#[test]
fn malformed_options_of_a_forwarder_are_formerr() {
    let etcd = Etcd::start();
    let server = start(&etcd, "");
    for (why, option) in [
        ("no family", &[][..]),
        ("no scope", &[0, 1, 24]),
        ("an unknown family", &[0, 3, 8, 0, 10]),
        ("a family of nothing with an address", &[0, 0, 8, 0, 10]),
        ("too long for IPv4", &[0, 1, 33, 0, 10, 0, 0, 1, 0]),
        ("a scope", &[0, 1, 8, 8, 10]),
        ("too few octets", &[0, 1, 24, 0, 10, 0]),
        ("too many octets", &[0, 1, 24, 0, 10, 0, 1, 0]),
        ("bits behind the prefix", &[0, 1, 20, 0, 10, 0, 0x18]),
    ] {
        let reply = ask(&server, FORWARDER, "many.t.test.", option);
        assert_eq!(reply.rcode(), 1, "{why}: {reply}");
        assert!(
            reply.opt.is_some() && reply.option(CLIENT_SUBNET).is_none(),
            "{why}"
        );
    }
    // The first of two counts.
    let first = subnet(&[10], 8);
    let query = Query::new("many.t.test.", "A")
        .with_option(CLIENT_SUBNET, &first)
        .with_option(CLIENT_SUBNET, &[0, 3]);
    let octets = ask_udp_from(server.dns, FORWARDER, &query.encode()).expect("a reply");
    let reply = Reply::decode(&octets).expect("a good reply");
    assert_eq!((reply.rcode(), scope(&reply, &first)), (0, 0));
}
