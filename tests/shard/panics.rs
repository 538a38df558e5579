//! A query whose answer panics costs itself alone.

use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

use super::{PANIC, PANIC_AHEAD, Shards, ask_udp, check_alive, framed, query, read_message};

#[test]
fn a_panic_costs_one_query_servfail() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let servfail = [0, 9, 0x81, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        ask_udp(&socket, shards.addresses[0], &query(9, PANIC)).0,
        servfail
    );
    assert_eq!(
        ask_udp(&socket, shards.addresses[0], &query(9, 0)).0[..4],
        [0, 9, 0x81, 0]
    );
    let mut stream = shards.connect();
    stream.write_all(&framed(&query(9, PANIC))).unwrap();
    assert_eq!(read_message(&mut stream), servfail);
    check_alive(&mut stream);
    assert_eq!(shards.sum(|counters| counters.panics.get()), 2);
}

#[test]
fn a_panic_while_looking_ahead_costs_the_query_it_came_from() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(shards.addresses[0]).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    for id in 0..100 {
        let first = if id % 10 == 0 { PANIC_AHEAD } else { 0 };
        socket.send(&query(id, first)).unwrap();
    }
    let mut rcodes = [None; 100];
    for _ in 0..100 {
        let mut response = [0; 64];
        socket.recv(&mut response).expect("an answer");
        rcodes[usize::from(response[1])] = Some(response[3]);
    }
    let servfail = |id: usize| Some(if id.is_multiple_of(10) { 2 } else { 0 });
    assert!((0..100).all(|id| rcodes[id] == servfail(id)), "{rcodes:?}");
    assert_eq!(shards.sum(|counters| counters.panics.get()), 10);
}
