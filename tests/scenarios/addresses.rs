//! A server on every address of a machine answers from the address that was asked: a client drops
//! what comes from another.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{REPLY_LIMIT, ask_tcp, receive};
use crate::harness::fixture::bundle;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let etcd = Etcd::start();
    etcd.put_all(&[bundle("one", &[("one.t.test.", 30, "A", "192.0.2.10")])]);
    let mut settings = Settings::new(etcd.client());
    settings.every_address = true;
    let server = Server::start(&settings);
    let query = Query::new("one.t.test.", "A").encode();
    for address in ["127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"] {
        let ip: IpAddr = address.parse().expect("an address");
        let target = SocketAddr::new(ip, server.dns.port());
        let any: IpAddr = if ip.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            ip
        };
        // Several source ports, so that every shard answers.
        for _ in 0..8 {
            let socket = UdpSocket::bind((any, 0)).expect("a socket");
            // A connected socket takes replies from the asked address only.
            socket.connect(target).expect("connect");
            socket
                .set_read_timeout(Some(REPLY_LIMIT))
                .expect("a read limit");
            socket.send(&query).expect("send");
            let octets = receive(&socket).unwrap_or_else(|error| panic!("{address}: {error}"));
            let reply = Reply::decode(&octets).expect("a good reply");
            assert_eq!(reply.answers_of(1), ["192.0.2.10"], "{address}");
        }
        let octets = ask_tcp(target, &query).unwrap_or_else(|error| panic!("{address}: {error}"));
        assert_eq!(
            Reply::decode(&octets).expect("a good reply").answers_of(1),
            ["192.0.2.10"]
        );
    }
}
