//! A core's world of many names, and the messages that ask for them: what benches and the count of
//! instructions answer from. Names are made by a counter; the order of asking is random but fixed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use containerdns::client::{Clients, Sources};
use containerdns::cookie::CookieSecrets;
use containerdns::delta::{Change, Delta};
use containerdns::prefixes::Prefixes;
use containerdns::table::{NodeParts, Policy, RRset, Soa, Zone, Zones, rtype};
use containerdns::topology::Topology;
use containerdns::world::{Asked, Settings, Transport, World};

/// Room for a response over UDP.
pub(crate) const RESPONSE_BYTES: usize = 1232;
const TTL_S: u32 = 30;
/// Names of one delta.
const DELTA_LEN: usize = 256;

/// `labels` as a name on the wire.
pub(crate) fn name(labels: &[&str]) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in labels {
        octets.push(label.len() as u8);
        octets.extend_from_slice(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// The `number`-th name of the world.
pub(crate) fn numbered(number: usize) -> Vec<u8> {
    let (service, space) = (format!("s{number}"), format!("ns{}", number % 97));
    name(&[&service, &space, "svc", "cluster", "local"])
}

/// A query for `name`, with or without OPT.
pub(crate) fn query(name: &[u8], qtype: u16, edns: bool) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    message.extend_from_slice(name);
    message.extend_from_slice(&qtype.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    if edns {
        message.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    message
}

/// A ready world of `names` names below `svc.cluster.local.`, each with one address, and `more`.
pub(crate) fn world(names: usize, more: Vec<NodeParts>) -> World {
    let mut world = World::new(settings(), 7, Arc::default());
    let numbered = (0..names).map(|number| {
        let address = (number as u32 | 0x0a00_0000).to_be_bytes();
        node(numbered(number), vec![rrset(rtype::A, &[address.to_vec()])])
    });
    let changes = numbered
        .chain(more)
        .map(|node| Change::Put(None, node.pack()));
    let mut changes = changes.chain([Change::Ready]).peekable();
    while changes.peek().is_some() {
        world.apply(&Delta {
            revision: 1,
            changes: changes.by_ref().take(DELTA_LEN).collect(),
        });
    }
    world
}

/// A node with these RRsets.
pub(crate) fn node(owner: Vec<u8>, rrsets: Vec<RRset>) -> NodeParts {
    NodeParts {
        rrsets: rrsets.into(),
        ..NodeParts::empty(owner.into())
    }
}

/// An RRset that is rotated.
pub(crate) fn rrset(rtype: u16, rdata: &[Vec<u8>]) -> RRset {
    RRset::new(
        rtype,
        TTL_S,
        Policy::Rotate,
        rdata.iter().map(|rdata| &rdata[..]),
    )
}

/// Answers one message, which was the `ahead`-th of those looked ahead if it was; its length.
pub(crate) fn respond(
    world: &mut World,
    message: &[u8],
    ahead: Option<usize>,
    response: &mut [u8],
) -> usize {
    let asked = Asked::new(message, Ipv4Addr::LOCALHOST.into(), Transport::Udp, 0);
    world.respond(&Asked { ahead, ..asked }, response)
}

pub(crate) fn settings() -> Settings {
    let soa = Soa {
        mname: name(&["ns", "dns", "cluster", "local"]).into(),
        rname: name(&["hostmaster", "cluster", "local"]).into(),
        timers_s: [7200, 1800, 86400, 5],
        ttl_s: TTL_S,
    };
    Settings {
        udp_payload_max: RESPONSE_BYTES as u16,
        clients: Clients {
            sources: Sources::new(32, 128),
            forwarders: Arc::new(Prefixes::new([])),
            topology: Arc::new(Topology::new(&[])),
            views: Arc::default(),
        },
        keepalive: 100,
        identity: Vec::new(),
        cookies: CookieSecrets::new(Vec::new(), [7; 16]),
        zones: Zones(vec![Zone {
            apex: name(&["cluster", "local"]).into(),
            parent: None,
            soa,
        }]),
    }
}
