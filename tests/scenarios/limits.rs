//! Clients and kernels that give too little: slow connections, no descriptors, a signal to end.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{Plain, ask_tcp, tcp_stream};
use crate::harness::fixture::bundle;
use crate::harness::poll;
use crate::harness::query::Query;
use crate::harness::server::{Server, Settings};

fn plain() -> Plain {
    Plain {
        name: "one.t.test.".into(),
        address: Some("192.0.2.10".into()),
    }
}

fn store() -> Etcd {
    let etcd = Etcd::start();
    etcd.put_all(&[bundle("one", &[("one.t.test.", 30, "A", "192.0.2.10")])]);
    etcd
}

/// As many connections as can be had, without an end to the attempt.
fn connect_many(server: &Server, count: usize) -> Vec<TcpStream> {
    (0..count)
        .filter_map(|_| tcp_stream(server.dns).ok())
        .collect()
}

fn tcp_works(server: &Server) -> bool {
    ask_tcp(server.dns, &Query::new("one.t.test.", "A").encode()).is_ok()
}

/// Octet by octet from connections that never finish: UDP does not notice, the read limit ends
/// them, and then TCP serves again.
#[test]
fn slow_connections_hold_up_nobody() {
    let etcd = store();
    let mut settings = Settings::new(etcd.client());
    settings.tcp = "read_s = 2\nidle_s = 2\nconnections_per_client_max = 50".into();
    let server = Server::start(&settings);
    let mut streams = connect_many(&server, 200);
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(4) {
        for stream in &mut streams {
            // Connections over the limit are closed: their writes fail.
            let _ = stream.write_all(&[0]);
        }
        for _ in 0..20 {
            let asked = Instant::now();
            plain().ask(server.dns).expect("UDP is answered meanwhile");
            slowest = slowest.max(asked.elapsed());
        }
    }
    assert!(
        slowest < Duration::from_secs(1),
        "a UDP answer took {slowest:?}"
    );
    let metrics = server.metrics();
    assert!(
        metrics.sum("containerdns_tcp_refused_total") > 0.0,
        "the limit was passed"
    );
    drop(streams);
    let served = poll(Duration::from_secs(10), || tcp_works(&server).then_some(()));
    assert!(
        served.is_some(),
        "TCP is not served after the slow ones are gone"
    );
}

/// Without descriptors for connections UDP is served, and no core spins on accepting.
#[test]
fn descriptors_run_out() {
    let etcd = store();
    let mut settings = Settings::new(etcd.client());
    settings.limits = vec!["--nofile=64:64".into()];
    let mut server = Server::start(&settings);
    let streams = connect_many(&server, 100);
    let cpu_s = |server: &Server| server.process.cpu_s();
    let (start, before) = (Instant::now(), cpu_s(&server));
    while start.elapsed() < Duration::from_secs(3) {
        plain()
            .ask(server.dns)
            .expect("UDP is answered without descriptors");
        std::thread::sleep(Duration::from_millis(20));
    }
    let used = cpu_s(&server) - before;
    assert!(
        used < 1.5,
        "{used:.1} s of CPU in 3 s for 150 queries: something spins"
    );
    drop(streams);
    let served = poll(Duration::from_secs(15), || tcp_works(&server).then_some(()));
    assert!(
        served.is_some(),
        "TCP is not served again\n{}",
        server.process.output_tail()
    );
    server.assert_running();
}

#[test]
fn a_signal_to_end_is_obeyed_at_once() {
    let etcd = store();
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&Settings::new(etcd.client()));
        plain().ask(server.dns).expect("an answer");
        server.process.signal(signal);
        let status = server.process.wait_exit(Duration::from_secs(10));
        let output = server.process.output_tail();
        assert!(
            status.is_some_and(|status| status.success()),
            "SIG{signal}: {status:?}\n{output}"
        );
    }
}

/// A machine that stands still for some seconds, as virtual ones do, is no reason to end.
#[test]
fn a_pause_of_the_process_is_survived() {
    let etcd = store();
    let mut server = Server::start(&Settings::new(etcd.client()));
    server.process.signal("STOP");
    std::thread::sleep(Duration::from_secs(5));
    server.process.signal("CONT");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        plain().ask(server.dns).expect("an answer after the pause");
        server.assert_running();
        std::thread::sleep(Duration::from_millis(20));
    }
}
