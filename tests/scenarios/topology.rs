//! Addresses of the client's topology zone come first: by prefix, by the zones of a bundle, for
//! clients that ask themselves and for those behind a forwarder; and what there is without them.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;

use crate::harness::etcd::Etcd;
use crate::harness::exchange::ask_udp_from;
use crate::harness::fixture::{bundle, bundle_key};
use crate::harness::poll;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

const NAME: &str = "web.t.test.";
/// In the first zone, the second, and none.
const CLIENTS: [[u8; 4]; 3] = [[127, 0, 1, 5], [127, 0, 2, 5], [127, 0, 3, 5]];
const FORWARDER: [u8; 4] = [127, 0, 0, 1];

/// Zones of the clients above, and of the addresses 192.0.2.64/27 and 192.0.2.96/27.
const TOPOLOGY: &str = "client_subnet_from = [\"127.0.0.1/32\"]\n\
    [topology]\n\
    zone-a = [\"127.0.1.0/24\", \"192.0.2.64/27\", \"10.1.0.0/16\"]\n\
    zone-b = [\"127.0.2.0/24\", \"192.0.2.96/27\", \"10.1.7.0/24\"]";

fn start(etcd: &Etcd, answer: &str) -> Server {
    let mut settings = Settings::new(etcd.client());
    settings.answer = format!("{answer}\n{TOPOLOGY}");
    Server::start(&settings)
}

fn reply(server: &Server, client: [u8; 4], query: &Query) -> Reply {
    let octets = ask_udp_from(server.dns, Ipv4Addr::from(client), &query.encode());
    Reply::decode(&octets.expect("a reply")).expect("a good reply")
}

/// The last octets of the addresses that a client gets.
fn answer(server: &Server, client: [u8; 4], name: &str) -> Vec<u8> {
    last_octets(&reply(server, client, &Query::new(name, "A")))
}

fn last_octets(reply: &Reply) -> Vec<u8> {
    let addresses = reply.answers_of(1).into_iter();
    let mut last: Vec<u8> = addresses
        .map(|address| address.parse::<Ipv4Addr>().expect("an address").octets()[3])
        .collect();
    last.sort_unstable();
    last
}

/// Waits until the clients of both zones, and those of none, get these addresses.
fn expect(server: &Server, expected: [&[u8]; 3]) {
    let answers = || CLIENTS.map(|client| answer(server, client, NAME));
    let seen = poll(Duration::from_secs(2), || {
        (answers() == expected).then_some(())
    });
    assert!(seen.is_some(), "{:?} instead of {expected:?}", answers());
}

fn web(last_octets: &[u8]) -> (String, String) {
    let addresses: Vec<String> = last_octets
        .iter()
        .map(|last| format!("192.0.2.{last}"))
        .collect();
    let records: Vec<_> = addresses
        .iter()
        .map(|address| (NAME, 30, "A", address.as_str()))
        .collect();
    bundle("web", &records)
}

#[test]
fn addresses_near_the_client_come_first() {
    let etcd = Etcd::start();
    etcd.put_all(&[
        web(&[1, 65, 66, 97]),
        bundle("alias", &[("alias.t.test.", 30, "CNAME", NAME)]),
        bundle(
            "srv",
            &[("_x._tcp.t.test.", 30, "SRV", "0 0 80 web.t.test.")],
        ),
    ]);
    let server = start(&etcd, "");
    expect(&server, [&[65, 66], &[97], &[1, 65, 66, 97]]);
    assert_eq!(answer(&server, CLIENTS[1], "alias.t.test."), [97]);
    let srv = Query::new("_x._tcp.t.test.", "SRV").with_edns();
    let additional = &reply(&server, CLIENTS[1], &srv).sections[2];
    assert_eq!(additional.len(), 1, "{additional:?}");
    assert_eq!(additional[0].rdata, "192.0.2.97");

    // Dead addresses are nobody's neighbours.
    let status = |last: u8| format!("/containerdns/monitor/status/192.0.2.{last}");
    let down = r#"{"status":"DOWN"}"#;
    etcd.put(&status(97), down);
    expect(&server, [&[65, 66], &[1, 65, 66], &[1, 65, 66]]);
    etcd.put(&status(65), down);
    expect(&server, [&[66], &[1, 66], &[1, 66]]);
    etcd.delete_all(&[status(97)]);
    expect(&server, [&[66], &[97], &[1, 66, 97]]);
    for last in [1, 66, 97] {
        etcd.put(&status(last), down);
    }
    expect(&server, [&[65, 66], &[97], &[1, 65, 66, 97]]);
    etcd.delete_all(&[1, 65, 66, 97].map(status));

    let (key, value) = web(&[1, 2]);
    etcd.put(&key, &value);
    expect(&server, [&[1, 2]; 3]);
}

#[test]
fn bundles_say_where_addresses_are() {
    let etcd = Etcd::start();
    let put = |zones: serde_json::Value| {
        let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.65"];
        let rrset = json!({"name": NAME, "type": "A", "ttl": 30, "rdata": addresses});
        let value = json!({"v": 1, "rrsets": [rrset], "zones": zones});
        etcd.put(&bundle_key("web"), &value.to_string());
    };
    put(json!({"zone-a": ["192.0.2.1"], "zone-b": ["192.0.2.2"]}));
    let server = start(&etcd, "");
    expect(&server, [&[1, 65], &[2], &[1, 2, 65]]);
    put(json!({"zone-b": ["192.0.2.65"], "zone-z": ["192.0.2.1"]}));
    expect(&server, [&[1, 2, 65], &[65], &[1, 2, 65]]);
    // A bad value changes nothing.
    put(json!({"zone-b": ["192.0.2.1", "no address"]}));
    put(json!(7));
    let bad = "containerdns_sync_keys_bad";
    let seen = poll(Duration::from_secs(2), || {
        (server.metrics().sum(bad) == 1.0).then_some(())
    });
    assert!(seen.is_some(), "the bad value is counted");
    expect(&server, [&[1, 2, 65], &[65], &[1, 2, 65]]);
}

/// The zone of whom the forwarder asks for, for as many addresses as are in it.
#[test]
fn forwarders_ask_for_clients_in_zones() {
    let etcd = Etcd::start();
    etcd.put_all(&[web(&[1, 65, 66, 97])]);
    let server = start(&etcd, "policy = \"sticky\"");
    for (option, wanted, scope) in [
        (&[0, 1, 24, 0, 10, 1, 2][..], None, 32),
        (&[0, 1, 32, 0, 10, 1, 7, 9], Some(97), 24),
        (&[0, 1, 24, 0, 10, 2, 2], None, 32),
    ] {
        let query = Query::new(NAME, "A").with_option(8, option);
        let reply = reply(&server, FORWARDER, &query);
        let echoed = reply.option(8).expect("the option is echoed");
        assert_eq!(echoed[3], scope, "{option:?}");
        let last = last_octets(&reply);
        assert!(
            last.len() == 1 && wanted.is_none_or(|wanted| last == [wanted]),
            "{last:?}"
        );
    }
}
