//! From octets to octets: whatever is asked, the answer parses, fits, and says what the nodes say.
//!
//! Answers are read back by an independent parser, so compression is right when the names are.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use containerdns_schema::AddressPrefix;
use expect_test::{Expect, expect};
use hickory_proto::op::Message as Decoded;
use hickory_proto::rr::Record;
use proptest::prelude::*;

use super::*;
use crate::client::Sources;
use crate::prefixes::Prefixes;
use crate::table::{Soa, Zone};
use crate::topology::Topology;

mod subnets;
mod views;

fn wire(name: &str) -> Vec<u8> {
    let name = containerdns_schema::Name::parse(name).unwrap();
    name.wire().to_vec()
}

fn rrset(rtype: u16, rdata: &[Vec<u8>]) -> RRset {
    RRset::new(
        rtype,
        30,
        Policy::Rotate,
        rdata.iter().map(|rdata| &rdata[..]),
    )
}

fn node(owner: &str, kind: Kind, rrsets: Vec<RRset>) -> NodeParts {
    NodeParts {
        kind,
        rrsets: rrsets.into(),
        ..NodeParts::empty(wire(owner).into())
    }
}

fn prefix(text: &str) -> AddressPrefix {
    AddressPrefix::parse(text).unwrap()
}

/// A ready world of the zone `t` with these nodes.
fn world(nodes: Vec<NodeParts>, identity: &[u8]) -> World {
    let soa = Soa {
        mname: wire("ns.t").into(),
        rname: wire("admin.t").into(),
        timers_s: [1, 2, 3, 4],
        ttl_s: 30,
    };
    let settings = Settings {
        udp_payload_max: 1232,
        clients: Clients {
            sources: Sources::new(32, 128),
            forwarders: Arc::new(Prefixes::new([(prefix("127.0.0.1/32"), ())])),
            topology: Arc::new(Topology::new(&[
                ("a".into(), vec![prefix("10.1.0.0/16")]),
                ("b".into(), vec![prefix("10.2.0.0/16")]),
            ])),
            views: Arc::default(),
        },
        keepalive: 100,
        identity: identity.to_vec(),
        cookies: CookieSecrets::new(Vec::new(), [7; 16]),
        zones: Zones(vec![Zone {
            apex: wire("t").into(),
            parent: None,
            soa,
        }]),
    };
    let mut world = World::new(settings, 7, Arc::default());
    let changes = nodes.into_iter().map(|node| Change::Put(None, node.pack()));
    world.apply(&Delta {
        revision: 9,
        changes: changes.chain([Change::Ready]).collect(),
    });
    world
}

fn mail(preference: u8, name: &str) -> Vec<u8> {
    [vec![0, preference], wire(name)].concat()
}

fn small_world() -> World {
    let address = |last| rrset(rtype::A, &[vec![10, 0, 0, last]]);
    let service = [vec![0, 1, 0, 2, 0, 80], wire("a.t")].concat();
    let mut cut = node(
        "sub.t",
        Kind::Cut,
        vec![rrset(rtype::NS, &[wire("ns.sub.t")])],
    );
    cut.glue = Box::new([node("ns.sub.t", Kind::Inside, vec![address(9)]).pack()]);
    let nodes = vec![
        node("t", Kind::Apex, vec![rrset(rtype::NS, &[wire("ns.t")])]),
        node("ns.t", Kind::Inside, vec![address(1)]),
        node("a.t", Kind::Inside, vec![address(2)]),
        node(
            "alias.t",
            Kind::Inside,
            vec![rrset(rtype::CNAME, &[wire("A.t")])],
        ),
        node(
            "mail.t",
            Kind::Inside,
            vec![rrset(rtype::MX, &[mail(1, "a.t"), mail(2, "b.t")])],
        ),
        node("srv.t", Kind::Inside, vec![rrset(rtype::SRV, &[service])]),
        cut,
    ];
    world(nodes, b"me")
}

/// A query for `name`; with EDNS of that payload size and these options, when given.
fn query(name: &str, qtype: u16, edns: Option<(u16, &[u8])>) -> Vec<u8> {
    let mut octets = vec![
        0x12,
        0x34,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        u8::from(edns.is_some()),
    ];
    octets.extend(wire(name));
    octets.extend(qtype.to_be_bytes());
    octets.extend([0, 1]);
    if let Some((payload_max, options)) = edns {
        octets.extend([0, 0, 41]);
        octets.extend(payload_max.to_be_bytes());
        octets.extend([0; 4]);
        octets.extend((options.len() as u16).to_be_bytes());
        octets.extend(options);
    }
    octets
}

fn ask(world: &mut World, query: &[u8], transport: Transport) -> Vec<u8> {
    let mut out = vec![0; 65_535];
    let client = Ipv4Addr::LOCALHOST.into();
    let length = world.respond(
        &Asked::new(query, client, transport, 1_700_000_000),
        &mut out,
    );
    out.truncate(length);
    out
}

fn check(name: &str, qtype: u16, expect: Expect) {
    let octets = ask(
        &mut small_world(),
        &query(name, qtype, None),
        Transport::Udp,
    );
    let decoded = Decoded::from_vec(&octets).unwrap();
    let mut lines = vec![format!(
        "{:?} aa {} tc {}, {} octets",
        decoded.metadata.response_code,
        decoded.metadata.authoritative,
        decoded.metadata.truncation,
        octets.len()
    )];
    let sections = [decoded.answers, decoded.authorities, decoded.additionals];
    for (section, mark) in sections.iter().zip(["", "authority ", "additional "]) {
        let mut records: Vec<String> = section.iter().map(Record::to_string).collect();
        records.sort();
        lines.extend(records.iter().map(|record| format!("{mark}{record}")));
    }
    expect.assert_eq(&lines.join("\n"));
}

/// The lengths show what is compressed: names of RFC 1035 types are, the target of SRV is not.
#[test]
fn answers_of_each_kind() {
    check(
        "a.t",
        rtype::A,
        expect![[r#"
        NoError aa true tc false, 37 octets
        a.t. 30 IN A 10.0.0.2"#]],
    );
    check(
        "alias.t",
        rtype::A,
        expect![[r#"
        NoError aa true tc false, 57 octets
        A.t. 30 IN A 10.0.0.2
        alias.t. 30 IN CNAME A.t."#]],
    );
    check(
        "mail.t",
        rtype::MX,
        expect![[r#"
        NoError aa true tc false, 76 octets
        mail.t. 30 IN MX 1 a.t.
        mail.t. 30 IN MX 2 b.t.
        additional a.t. 30 IN A 10.0.0.2"#]],
    );
    check(
        "srv.t",
        rtype::SRV,
        expect![[r#"
        NoError aa true tc false, 62 octets
        srv.t. 30 IN SRV 1 2 80 a.t.
        additional a.t. 30 IN A 10.0.0.2"#]],
    );
    check(
        "t",
        rtype::NS,
        expect![[r#"
        NoError aa true tc false, 52 octets
        t. 30 IN NS ns.t.
        additional ns.t. 30 IN A 10.0.0.1"#]],
    );
}

#[test]
fn soa_referral_and_what_does_not_exist() {
    check(
        "t",
        rtype::SOA,
        expect![[r#"
        NoError aa true tc false, 64 octets
        t. 30 IN SOA ns.t. admin.t. 9 1 2 3 4"#]],
    );
    check(
        "x.sub.t",
        rtype::A,
        expect![[r#"
        NoError aa false tc false, 58 octets
        authority sub.t. 30 IN NS ns.sub.t.
        additional ns.sub.t. 30 IN A 10.0.0.9"#]],
    );
    check(
        "a.t",
        rtype::TXT,
        expect![[r#"
        NoError aa true tc false, 66 octets
        authority t. 4 IN SOA ns.t. admin.t. 9 1 2 3 4"#]],
    );
    check(
        "x.t",
        rtype::A,
        expect![[r#"
        NXDomain aa true tc false, 66 octets
        authority t. 4 IN SOA ns.t. admin.t. 9 1 2 3 4"#]],
    );
    check(
        "elsewhere",
        rtype::A,
        expect!["Refused aa false tc false, 27 octets"],
    );
}

/// The longest question, cookie and identity do not fit in 512 octets together.
#[test]
fn a_long_identity_gives_way_to_a_long_question() {
    let long = format!("{0}.{0}.{0}.{1}.t", "a".repeat(63), "b".repeat(58));
    let options = [&[0, 10, 0, 8][..], &[1; 8], &[0, 3, 0, 0]].concat();
    let mut world = world(Vec::new(), &[b'i'; 255]);
    for (payload_max, fits) in [(512, false), (1232, true)] {
        let query = query(&long, rtype::A, Some((payload_max, &options)));
        let octets = ask(&mut world, &query, Transport::Udp);
        assert!(octets.len() <= usize::from(payload_max), "{}", octets.len());
        assert_eq!(octets.windows(255).any(|part| part == [b'i'; 255]), fits);
        Decoded::from_vec(&octets).unwrap();
    }
}

fn rdata() -> impl Strategy<Value = (u16, Vec<Vec<u8>>)> {
    let label = prop::sample::select(vec!["a", "bb", "long-label-of-a-name", "t"]);
    let name = prop::collection::vec(label, 1..6).prop_map(|labels| labels.join("."));
    let text = prop::collection::vec(any::<u8>(), 0..200)
        .prop_map(|text| [vec![text.len() as u8], text].concat());
    prop_oneof![
        prop::collection::btree_set(any::<[u8; 4]>().prop_map(Vec::from), 1..100)
            .prop_map(|rdata| (rtype::A, rdata)),
        prop::collection::btree_set(text, 1..12).prop_map(|rdata| (rtype::TXT, rdata)),
        prop::collection::btree_set(name.clone().prop_map(|name| wire(&name)), 1..60)
            .prop_map(|rdata| (rtype::NS, rdata)),
        prop::collection::btree_set(name.prop_map(|name| mail(7, &name)), 1..60)
            .prop_map(|rdata| (rtype::MX, rdata)),
    ]
    .prop_map(|(rtype, rdata)| (rtype, rdata.into_iter().collect()))
}

/// RDATA of the answer, names uncompressed and in lower case as they were given.
fn answered(octets: &[u8]) -> Vec<Vec<u8>> {
    use hickory_proto::serialize::binary::BinEncodable;
    let decoded = Decoded::from_vec(octets).unwrap();
    let rdata = decoded
        .answers
        .iter()
        .map(|record| record.data.to_bytes().unwrap());
    let mut rdata: Vec<Vec<u8>> = rdata.collect();
    rdata.sort();
    rdata
}

/// What a message is answered must not depend on what else was asked with it.
#[test]
fn looking_ahead_changes_no_answer() {
    let names = [
        "a.t",
        "A.t",
        "alias.t",
        "x.sub.t",
        "none.t",
        "t",
        "elsewhere.example",
    ];
    let mut messages: Vec<Vec<u8>> = names.map(|name| query(name, rtype::A, None)).into();
    messages.extend([
        vec![],
        vec![0; 12],
        vec![0xff; 40],
        b"\x12\x34\x01".to_vec(),
    ]);
    messages.push(query("a.t", rtype::A, Some((1232, &[]))));
    let cut = messages[0][..20].to_vec();
    messages.extend([cut, query("a.t", rtype::AAAA, None)]);
    assert!(messages.len() <= AHEAD_MAX);
    let (mut alone, mut ahead) = (small_world(), small_world());
    ahead.look_ahead(messages.iter().map(|message| &message[..]));
    for (place, message) in messages.iter().enumerate() {
        let asked = Asked::new(message, Ipv4Addr::LOCALHOST.into(), Transport::Udp, 0);
        let (mut first, mut second) = ([0; 1232], [0; 1232]);
        let expected = alone.respond(&asked, &mut first);
        let ahead_of = Some(place);
        let length = ahead.respond(
            &Asked {
                ahead: ahead_of,
                ..asked
            },
            &mut second,
        );
        assert_eq!(second[..length], first[..expected], "{message:02x?}");
    }
}

proptest! {
    /// All of an RRset in any order, or nothing and TC; never more than the client takes.
    #[test]
    fn whole_rrsets_or_truncated(
        (rtype, rdata) in rdata(),
        payload_max in prop::option::of(512..=1232u16),
    ) {
        let nodes = vec![node("a.t", Kind::Inside, vec![rrset(rtype, &rdata)])];
        let mut world = world(nodes, b"");
        let query = query("a.t", rtype, payload_max.map(|max| (max, &[][..])));
        for transport in [Transport::Udp, Transport::Tcp] {
            let octets = ask(&mut world, &query, transport);
            let truncated = octets[2] & 2 != 0;
            if transport == Transport::Udp {
                prop_assert!(octets.len() <= usize::from(payload_max.unwrap_or(512)));
            }
            prop_assert!(!truncated || transport == Transport::Udp);
            let expected = if truncated { Vec::new() } else { rdata.clone() };
            prop_assert_eq!(answered(&octets), expected);
        }
    }

    /// Foreign octets get an answer that parses and fits, or silence.
    #[test]
    fn any_octets(message in prop::collection::vec(any::<u8>(), 0..600)) {
        answer_fits(&message);
    }

    /// So does a query with some octets changed, cut or added.
    #[test]
    fn changed_queries(
        name in prop::sample::select(vec!["a.t", "alias.t", "mail.t", "srv.t", "x.sub.t", "y.t"]),
        qtype in prop::sample::select(vec![1u16, 2, 5, 6, 15, 33, 43, 252, 255]),
        changes in prop::collection::vec((0..60usize, any::<u8>()), 0..4),
        length in 0..80usize,
    ) {
        let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 10, 1, 2];
        let options = [&[0, 10, 0, 8][..], &[1; 8], &[0, 3, 0, 0, 0, 11, 0, 0], &subnet].concat();
        let mut message = query(name, qtype, Some((600, &options)));
        for (at, octet) in changes {
            if let Some(place) = message.get_mut(at) {
                *place = octet;
            }
        }
        if length < message.len() && length % 3 == 0 {
            message.truncate(length);
        }
        answer_fits(&message);
    }
}

fn answer_fits(message: &[u8]) {
    let mut world = small_world();
    for transport in [Transport::Udp, Transport::Tcp] {
        let octets = ask(&mut world, message, transport);
        if octets.is_empty() {
            continue;
        }
        assert!(transport == Transport::Tcp || octets.len() <= 1232);
        assert_eq!((&octets[..2], octets[2] & 0x80), (&message[..2], 0x80));
        // Opcodes that the parser does not know are refused with NOTIMP and echoed.
        if octets[2] & 0x78 == 0 {
            Decoded::from_vec(&octets).unwrap();
        }
    }
}

#[test]
fn a_name_that_is_an_address_is_answered_without_a_node() {
    let mut pods = node("pod.t", Kind::Inside, Vec::new());
    pods.address_ttl_s = NonZeroU32::new(5);
    let mut world = world(vec![node("t", Kind::Apex, Vec::new()), pods], b"");
    let long = format!("{}.pod.t", "1-".repeat(30));
    for (name, qtype, answer) in [
        ("10-40-0-7.pod.t", rtype::A, Some("10.40.0.7")),
        ("10-40-0-7.pod.t", rtype::ANY, Some("10.40.0.7")),
        ("FD00-40--7.pod.t", rtype::AAAA, Some("fd00:40::7")),
        ("--1.pod.t", rtype::AAAA, Some("::1")),
        ("10-40-0-7.pod.t", rtype::AAAA, Some("")),
        ("fd00-40--7.pod.t", rtype::A, Some("")),
        ("10-40-0-7.pod.t", rtype::TXT, Some("")),
        ("10-40-0-256.pod.t", rtype::A, None),
        ("10-40-0-07.pod.t", rtype::A, None),
        ("10-40-0.pod.t", rtype::A, None),
        ("10\\.40\\.0\\.7.pod.t", rtype::A, None),
        ("fd00:40::7.pod.t", rtype::AAAA, None),
        ("x.10-40-0-7.pod.t", rtype::A, None),
        ("10-40-0-7.t", rtype::A, None),
        (&long, rtype::A, None),
    ] {
        let octets = query(name, qtype, None);
        let out = ask(&mut world, &octets, Transport::Udp);
        let answers = u16::from_be_bytes([out[6], out[7]]);
        let rdata = &out[out.len().min(octets.len() + 12)..];
        let read = match (out[3] & 0xf, answers) {
            (3, 0) => None,
            (0, 0) => Some(String::new()),
            (0, 1) if rdata.len() == 4 => {
                Some(IpAddr::from(*rdata.first_chunk::<4>().unwrap()).to_string())
            }
            (0, 1) => Some(IpAddr::from(*rdata.first_chunk::<16>().unwrap()).to_string()),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(read.as_deref(), answer, "{name} {qtype}");
    }
}
