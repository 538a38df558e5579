//! A change in the store is in the answers of every shard within a second.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{receive, udp_socket};
use crate::harness::fixture::{bundle, bundle_key};
use crate::harness::poll;
use crate::harness::query::{Query, type_code};
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

/// How long a change may take, from the end of the write to every shard.
const SEEN_LIMIT: Duration = Duration::from_secs(1);
/// Source ports: the chance that all of them lead to one of two shards is 2^-31.
const SOCKETS: usize = 32;

/// Clients on many source ports, so that the kernel spreads them over the shards.
struct Clients(Vec<UdpSocket>);

impl Clients {
    fn new(server: &Server) -> Clients {
        let socket = |_| udp_socket(server.dns, Ipv4Addr::LOCALHOST).expect("a socket");
        Clients((0..SOCKETS).map(socket).collect())
    }

    /// What each client is answered: RCODE and the sorted RDATA of `kind`.
    fn ask(&self, name: &str, kind: &str) -> Vec<(u16, Vec<String>)> {
        let octets = Query::new(name, kind).encode();
        for socket in &self.0 {
            socket.send(&octets).expect("send");
        }
        let code = type_code(kind).expect("a type");
        let answer = |socket: &UdpSocket| {
            let reply = Reply::decode(&receive(socket).expect("a reply")).expect("a good reply");
            (reply.rcode(), reply.answers_of(code))
        };
        self.0.iter().map(answer).collect()
    }

    /// Waits until every client is answered this.
    fn expect(&self, name: &str, kind: &str, rcode: u16, rdata: &[&str]) {
        let start = Instant::now();
        let mut last = Vec::new();
        let seen = poll(SEEN_LIMIT, || {
            last = self.ask(name, kind);
            let right = |(code, answers): &(u16, Vec<String>)| *code == rcode && answers == rdata;
            last.iter().all(right).then_some(())
        });
        let waited = start.elapsed();
        last.dedup();
        assert!(
            seen.is_some(),
            "{name} {kind} should be {rcode} {rdata:?} after {waited:?}, it is {last:?}"
        );
    }
}

#[test]
fn a_change_reaches_every_shard_within_a_second() {
    let etcd = Etcd::start();
    etcd.put_all(&[bundle("one", &[("one.t.test.", 30, "A", "192.0.2.10")])]);
    let server = Server::start(&Settings::new(etcd.client()));
    let clients = Clients::new(&server);
    let name = "live.t.test.";
    let put = |records: &[_]| {
        let (key, value) = bundle("live", records);
        etcd.etcdctl(&["put", &key, &value]);
    };

    clients.expect(name, "A", 3, &[]);
    put(&[(name, 30, "A", "192.0.2.1")]);
    clients.expect(name, "A", 0, &["192.0.2.1"]);
    clients.expect(name, "AAAA", 0, &[]);
    put(&[
        (name, 30, "A", "192.0.2.2"),
        (name, 30, "AAAA", "2001:db8::2"),
    ]);
    clients.expect(name, "A", 0, &["192.0.2.2"]);
    clients.expect(name, "AAAA", 0, &["2001:db8::2"]);
    put(&[(name, 30, "CNAME", "one.t.test.")]);
    clients.expect(name, "CNAME", 0, &["one.t.test."]);
    clients.expect(name, "A", 0, &["192.0.2.10"]);
    put(&[(name, 30, "A", "192.0.2.3")]);
    clients.expect(name, "A", 0, &["192.0.2.3"]);
    clients.expect(name, "CNAME", 0, &[]);
    // A name above and one below it: the name between stays as empty non-terminal.
    etcd.etcdctl(&[
        "put",
        &bundle_key("below"),
        &bundle("below", &[("x.live.t.test.", 30, "A", "192.0.2.4")]).1,
    ]);
    clients.expect("x.live.t.test.", "A", 0, &["192.0.2.4"]);
    etcd.etcdctl(&["del", &bundle_key("live")]);
    clients.expect(name, "A", 0, &[]);
    etcd.etcdctl(&["del", &bundle_key("below")]);
    clients.expect(name, "A", 3, &[]);

    let per_shard = server.metrics().values("containerdns_udp_queries_total");
    let all_asked = per_shard.len() == 2 && per_shard.iter().all(|count| *count > 0.0);
    assert!(all_asked, "both shards are to be asked: {per_shard:?}");
}

#[test]
fn a_thousand_changes_of_one_name_end_in_the_last() {
    let etcd = Etcd::start();
    let server = Server::start(&Settings::new(etcd.client()));
    let clients = Clients::new(&server);
    for number in 0..1000_u32 {
        let address = format!("10.1.{}.{}", number / 256, number % 256);
        let (key, value) = bundle("busy", &[("busy.t.test.", 30, "A", &address)]);
        etcd.put(&key, &value);
    }
    clients.expect("busy.t.test.", "A", 0, &["10.1.3.231"]);
}
