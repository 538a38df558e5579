//! Shards over real sockets: what a client sees of UDP and TCP, what the process sees of changes,
//! panics and ends. The responder is the test's own, so that nothing here depends on records.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use containerdns::counters::{ShardCounters, process_ms};
use containerdns::delta::{Change, Delta};
use containerdns::listen::bind_all;
use containerdns::responder::Responder;
use containerdns::shard::{ShardEnd, ShardHandle, ShardOptions, set_panic_hook, start};
use containerdns::tcp::{TcpOptions, limits::ConnectionLimits};
use containerdns::world::Asked;
use tokio::sync::mpsc;

mod panics;

/// As the first octet behind the header: panic.
const PANIC: u8 = 0xee;
/// As the first octet behind the header: panic when looking ahead, and when answering.
const PANIC_AHEAD: u8 = 0xef;
/// As the first octet behind the header: answer with the 60,000 octets.
const LARGE: u8 = 0xdd;
const LARGE_BYTES: usize = 60_000;

/// As the first octet behind the header: answer with the clock, in four octets behind it.
const CLOCK: u8 = 0xcc;

/// Gives every query back as its own response, but for the ones above.
struct Tester {
    counters: Arc<ShardCounters>,
}

impl Responder for Tester {
    fn look_ahead<'m>(&mut self, mut messages: impl Iterator<Item = &'m [u8]>) {
        assert!(
            messages.all(|query| query.get(12) != Some(&PANIC_AHEAD)),
            "asked to"
        );
    }

    fn respond(&mut self, asked: &Asked<'_>, response: &mut [u8]) -> usize {
        let query = asked.message;
        match query.get(12) {
            Some(&(PANIC | PANIC_AHEAD)) => panic!("asked to"),
            Some(&LARGE) => {
                response[..LARGE_BYTES].fill(LARGE);
                response[..2].copy_from_slice(&query[..2]);
                LARGE_BYTES
            }
            first => {
                response[..query.len()].copy_from_slice(query);
                response[2] |= 0x80;
                if first == Some(&CLOCK) {
                    response[12..16].copy_from_slice(&asked.now_s.to_be_bytes());
                }
                query.len()
            }
        }
    }

    fn apply(&mut self, delta: &Delta) {
        assert_ne!(delta.revision, u64::MAX, "asked to");
        self.counters.revision.set(delta.revision);
    }
}

/// Two shards; stopped when dropped.
struct Shards {
    handles: Vec<ShardHandle>,
    addresses: Vec<SocketAddr>,
    ended: mpsc::Receiver<ShardEnd>,
}

impl Shards {
    fn start(addresses: &[&str], adjust: impl Fn(&mut TcpOptions)) -> Shards {
        static HOOK: Once = Once::new();
        HOOK.call_once(set_panic_hook);
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let sockets = bind_all(&addresses, &[200_000, 200_000], 1232).expect("free ports");
        let addresses = sockets[0].addresses.clone();
        let limits = ConnectionLimits::new(50, 20);
        let mut tcp = TcpOptions {
            idle_s: 10,
            read_s: 1,
            queries_per_connection_max: 0,
            limits,
        };
        adjust(&mut tcp);
        let (ends, ended) = mpsc::channel(2);
        let handles = sockets.into_iter().enumerate().map(|(id, sockets)| {
            let options = ShardOptions {
                id,
                cpu: None,
                batch: 32,
                spin_us: 0,
                udp_payload_max: 1232,
                tcp: tcp.clone(),
                deltas_max: 1024,
            };
            let make = |counters| Tester { counters };
            start(options, sockets, ends.clone(), make).expect("a shard")
        });
        Shards {
            handles: handles.collect(),
            addresses,
            ended,
        }
    }

    fn sum(&self, count: impl Fn(&ShardCounters) -> u64) -> u64 {
        self.handles
            .iter()
            .map(|handle| count(&handle.counters))
            .sum()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[0]).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.handles.drain(..).for_each(ShardHandle::stop);
    }
}

fn query(id: u16, first: u8) -> Vec<u8> {
    let mut query = vec![0; 12];
    query[..2].copy_from_slice(&id.to_be_bytes());
    query[2] = 1; // RD
    query.extend([first, 1, 2, 3]);
    query
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).expect("a message");
    message
}

fn check_alive(stream: &mut TcpStream) {
    stream.write_all(&framed(&query(7, 0))).unwrap();
    assert_eq!(read_message(stream)[..3], [0, 7, 0x81]);
}

/// Whether the server closed: the stream ended, or was reset.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
    }
}

fn ask_udp(socket: &UdpSocket, server: SocketAddr, message: &[u8]) -> (Vec<u8>, SocketAddr) {
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    socket.send_to(message, server).unwrap();
    let mut response = [0; 4096];
    let (length, from) = socket.recv_from(&mut response).expect("an answer");
    (response[..length].to_vec(), from)
}

fn wait_until(what: &str, within: Duration, done: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}

#[test]
fn udp_answers_both_families() {
    let shards = Shards::start(&["127.0.0.1:0", "[::1]:0"], |_| ());
    for (client, &server) in ["127.0.0.1:0", "[::1]:0"].iter().zip(&shards.addresses) {
        // Many ports, so that both shards get some.
        for id in 0..40 {
            let socket = UdpSocket::bind(client).unwrap();
            let (response, from) = ask_udp(&socket, server, &query(id, 0));
            let mut expected = query(id, 0);
            expected[2] = 0x81;
            assert_eq!((response, from), (expected, server));
        }
    }
    assert_eq!(shards.sum(|counters| counters.udp_queries.get()), 80);
    for handle in &shards.handles {
        assert!(
            handle.counters.udp_queries.get() > 0,
            "shard {} got none",
            handle.id
        );
    }
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    let shards = Shards::start(&["0.0.0.0:0", "[::]:0"], |_| ());
    let port = shards.addresses[0].port();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for last in [1, 2, 77] {
        let asked = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
        assert_eq!(ask_udp(&socket, asked, &query(1, 0)).1, asked);
    }
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    let asked = SocketAddr::new("::1".parse().unwrap(), shards.addresses[1].port());
    assert_eq!(ask_udp(&socket, asked, &query(1, 0)).1, asked);
    assert_eq!(shards.sum(|counters| counters.send_errors.get()), 0);
}

/// A shard's clock once stood still from its start on.
#[test]
fn the_clock_that_cookies_carry_goes_on() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut stream = shards.connect();
    let mut clocks = || {
        let udp = ask_udp(&socket, shards.addresses[0], &query(1, CLOCK)).0;
        stream.write_all(&framed(&query(1, CLOCK))).unwrap();
        [udp, read_message(&mut stream)]
            .map(|message| u32::from_be_bytes(message[12..16].try_into().unwrap()))
    };
    for _ in 0..2 {
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs() as u32;
        for clock_s in clocks() {
            assert!(clock_s.abs_diff(now_s) <= 1, "{clock_s} at {now_s}");
        }
        std::thread::sleep(Duration::from_millis(2_500));
    }
}

#[test]
fn a_hundred_pipelined_queries_get_a_hundred_answers() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let mut stream = shards.connect();
    let all: Vec<u8> = (0..100).flat_map(|id| framed(&query(id, 0))).collect();
    stream.write_all(&all).unwrap();
    // The half-closed side still gets everything.
    stream.shutdown(Shutdown::Write).unwrap();
    let mut ids: Vec<_> = (0..100).map(|_| read_message(&mut stream)[1]).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<u8>>());
    assert!(is_closed(&mut stream));
    assert_eq!(shards.sum(|counters| counters.tcp_queries.get()), 100);
}

#[test]
fn octets_may_come_one_by_one() {
    let shards = Shards::start(&["[::1]:0"], |_| ());
    let mut stream = shards.connect();
    stream.set_nodelay(true).unwrap();
    for octet in framed(&query(5, 0)) {
        stream.write_all(&[octet]).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(read_message(&mut stream)[..3], [0, 5, 0x81]);
}

#[test]
fn half_a_message_is_closed_at_the_read_deadline() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let (mut half, mut large) = (shards.connect(), shards.connect());
    let start = Instant::now();
    half.write_all(&[0, 40, 1, 2, 3]).unwrap();
    large.write_all(&[0xff, 0xff]).unwrap();
    // An octet now and then does not help.
    while start.elapsed() < Duration::from_millis(800) {
        large.write_all(&[0]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_closed(&mut half) && is_closed(&mut large));
    let took = start.elapsed();
    let expected = Duration::from_millis(990)..Duration::from_millis(2000);
    assert!(expected.contains(&took), "closed after {took:?}");
    assert_eq!(shards.sum(|counters| counters.tcp_timeouts.get()), 2);
    check_alive(&mut shards.connect());
}

#[test]
fn an_idle_connection_is_closed_at_the_idle_deadline() {
    let shards = Shards::start(&["127.0.0.1:0"], |tcp| tcp.idle_s = 1);
    let mut stream = shards.connect();
    check_alive(&mut stream);
    let start = Instant::now();
    assert!(is_closed(&mut stream));
    let took = start.elapsed();
    let expected = Duration::from_millis(900)..Duration::from_millis(2000);
    assert!(expected.contains(&took), "closed after {took:?}");
}

#[test]
fn a_length_that_no_message_has_closes() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    for length in [0, 11] {
        let mut stream = shards.connect();
        let octets = [&framed(&query(3, 0))[..], &[0, length], &[0; 11]].concat();
        stream.write_all(&octets).unwrap();
        assert_eq!(
            read_message(&mut stream)[1],
            3,
            "the answer before it still comes"
        );
        assert!(is_closed(&mut stream), "length {length}");
    }
}

#[test]
fn one_connection_more_of_one_client_is_closed_and_the_others_live() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let mut streams: Vec<_> = (0..20).map(|_| shards.connect()).collect();
    streams.iter_mut().for_each(check_alive);
    assert!(is_closed(&mut shards.connect()));
    streams.iter_mut().for_each(check_alive);
    assert_eq!(shards.sum(|counters| counters.tcp_refused.get()), 1);
    assert_eq!(shards.sum(|counters| counters.tcp_connections.get()), 20);
    drop(streams);
    wait_until("connections closed", Duration::from_secs(5), || {
        shards.sum(|counters| counters.tcp_connections.get()) == 0
    });
    check_alive(&mut shards.connect());
}

#[test]
fn the_cap_on_queries_gives_whole_answers_then_closes() {
    let shards = Shards::start(&["127.0.0.1:0"], |tcp| tcp.queries_per_connection_max = 5);
    let mut stream = shards.connect();
    let all: Vec<u8> = (0..9).flat_map(|id| framed(&query(id, LARGE))).collect();
    stream.write_all(&all).unwrap();
    for id in 0..5 {
        let response = read_message(&mut stream);
        assert_eq!((response.len(), response[1]), (LARGE_BYTES, id));
    }
    assert!(is_closed(&mut stream));
}

#[test]
fn a_peer_that_never_reads_is_closed_and_holds_little() {
    let shards = Shards::start(&["127.0.0.1:0"], |tcp| tcp.idle_s = 1);
    let mut stream = shards.connect();
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    // Far more answers than the sockets' buffers hold, so the server must stop at its own bound.
    let all: Vec<u8> = (0..400).flat_map(|id| framed(&query(id, LARGE))).collect();
    stream.write_all(&all).unwrap();
    wait_until("closed", Duration::from_secs(5), || {
        shards.sum(|counters| counters.tcp_timeouts.get()) == 1
    });
    let answered = shards.sum(|counters| counters.tcp_queries.get());
    assert!(answered < 400, "answered {answered}");
}

#[test]
fn a_slow_reader_gets_everything() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let mut stream = shards.connect();
    let all: Vec<u8> = (0..200).flat_map(|id| framed(&query(id, LARGE))).collect();
    stream.write_all(&all).unwrap();
    for id in 0..200 {
        let response = read_message(&mut stream);
        assert_eq!((response.len(), response[1]), (LARGE_BYTES, id));
        if id % 50 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_sleeping_shard_applies_a_change_at_once() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let mut slowest = Duration::ZERO;
    for revision in 1..=20 {
        // Long enough for the shards to sleep again.
        std::thread::sleep(Duration::from_millis(20));
        let delta = Arc::new(Delta {
            revision,
            changes: Box::new([Change::Ready]),
        });
        for handle in &shards.handles {
            handle.deltas.send(Arc::clone(&delta)).unwrap();
            handle.waker.wake();
        }
        let applied = || {
            shards
                .handles
                .iter()
                .all(|handle| handle.counters.revision.get() == revision)
        };
        slowest = slowest.max(wait_until("applied", Duration::from_secs(1), applied));
    }
    assert!(slowest < Duration::from_millis(50), "took {slowest:?}");
    assert_eq!(shards.sum(|counters| counters.changes_applied.get()), 40);
}

#[test]
fn the_heart_beats_with_and_without_queries() {
    let shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let beats = || {
        shards
            .handles
            .iter()
            .map(|handle| handle.counters.heartbeat_ms.get())
            .min()
    };
    let start = process_ms();
    wait_until("idle heartbeat", Duration::from_secs(2), || {
        beats() > Some(start + 300)
    });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let start = process_ms();
    wait_until("busy heartbeat", Duration::from_secs(2), || {
        ask_udp(&socket, shards.addresses[0], &query(1, 0));
        beats() > Some(start + 300)
    });
}

#[test]
fn stop_closes_everything_and_says_so() {
    let mut shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let mut stream = shards.connect();
    check_alive(&mut stream);
    let start = Instant::now();
    shards.handles.drain(..).for_each(ShardHandle::stop);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "took {:?}",
        start.elapsed()
    );
    assert!(is_closed(&mut stream));
    assert!(TcpStream::connect(shards.addresses[0]).is_err());
    for id in 0..2 {
        let end = shards.ended.try_recv().expect("an end");
        assert_eq!((end.id, end.result.is_ok()), (id, true));
    }
    UdpSocket::bind(shards.addresses[0]).expect("the port is free again");
}

#[test]
fn a_dead_shard_is_noticed_within_100_ms() {
    let mut shards = Shards::start(&["127.0.0.1:0"], |_| ());
    let delta = Arc::new(Delta {
        revision: u64::MAX,
        changes: Box::new([]),
    });
    let start = Instant::now();
    shards.handles[1].deltas.send(delta).unwrap();
    shards.handles[1].waker.wake();
    let end = shards.ended.blocking_recv().expect("an end");
    let took = start.elapsed();
    assert!(took < Duration::from_millis(100), "took {took:?}");
    let message = end.result.expect_err("a panic").to_string();
    assert!(
        message.starts_with("shard 1 panicked: ") && message.contains("asked to"),
        "{message}"
    );
}
