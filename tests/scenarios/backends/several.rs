//! Several probers: the work of one that dies is taken over, those that are cut off empty no name,
//! and a quorum decides.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::programs::{
    BackendSocket, FAST, Prober, SEEN_LIMIT, Watcher, address, status, status_key, wait_answer,
};
use crate::harness::etcd::Etcd;
use crate::harness::fixture::bundle;
use crate::harness::poll;
use crate::harness::ports::free_port;
use crate::harness::server::{Server, Settings};

const BACKENDS: u8 = 30;
const NAME: &str = "www.t.test.";

/// One name with all backends, each with a status key that names no port.
fn all_backends(etcd: &Etcd) {
    let texts: Vec<String> = (1..=BACKENDS).map(|n| address(n).to_string()).collect();
    let records: Vec<_> = texts.iter().map(|text| (NAME, 30, "A", &**text)).collect();
    etcd.put_all(&[bundle("www", &records)]);
    let keys = (1..=BACKENDS).map(|n| (status_key(address(n)), r#"{"status":"UP"}"#.into()));
    etcd.put_all(&keys.collect::<Vec<_>>());
}

fn listen(port: u16) -> HashMap<u8, BackendSocket> {
    let socket = |number| SocketAddr::from((address(number), port));
    (1..=BACKENDS)
        .map(|number| (number, BackendSocket::start(socket(number))))
        .collect()
}

fn without(dead: &[u8]) -> Vec<u8> {
    (1..=BACKENDS)
        .filter(|number| !dead.contains(number))
        .collect()
}

#[test]
fn a_prober_that_dies_is_taken_over_and_its_word_stands_meanwhile() {
    let etcd = Etcd::start();
    all_backends(&etcd);
    let port = free_port();
    let mut backends = listen(port);
    let server = Server::start(&Settings::new(etcd.client()));
    let lines = format!("{FAST}\nports = [{port}]");
    let mut probers =
        ["p1", "p2", "p3"].map(|identity| Prober::start(etcd.client(), identity, &lines));
    probers.iter().for_each(|prober| prober.wait_members(3));
    probers.iter().for_each(|prober| prober.wait_probes(60));

    // One backend of each prober dies, until each has called one down.
    let mut dead: Vec<u8> = Vec::new();
    let mut callers: HashMap<String, u8> = HashMap::new();
    for number in 1..=BACKENDS {
        backends.remove(&number);
        dead.push(number);
        wait_answer(server.dns, NAME, &without(&dead));
        let value = status(&etcd, address(number)).expect("a status key");
        callers.insert(value["prober"].as_str().expect("a prober").into(), number);
        if callers.len() == 3 {
            break;
        }
    }
    assert_eq!(callers.len(), 3, "{callers:?}");
    let orphan = callers[probers[0].identity()];

    let killed = Instant::now();
    probers[0].process.kill();
    // Its dead backend stays out while another prober takes over, and after.
    let mut taken_over = None;
    while killed.elapsed() < Duration::from_secs(30) {
        wait_answer(server.dns, NAME, &without(&dead));
        let value = status(&etcd, address(orphan)).expect("a status key");
        if value["prober"] != probers[0].identity() {
            assert_eq!(value["status"], "DOWN");
            taken_over.get_or_insert(killed.elapsed());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = taken_over.expect("another prober takes over");
    assert!(took < Duration::from_secs(15), "{took:?}");
    // Backends that were its own die and come back as all others do.
    backends.insert(orphan, BackendSocket::start((address(orphan), port).into()));
    dead.retain(|number| *number != orphan);
    wait_answer(server.dns, NAME, &without(&dead));

    // When all have gone, nobody vouches for what is down.
    probers.iter_mut().for_each(|prober| prober.process.kill());
    wait_answer(server.dns, NAME, &without(&[]));
}

#[test]
fn probers_that_are_cut_off_empty_no_name() {
    let etcd = Etcd::start();
    all_backends(&etcd);
    let server = Server::start(&Settings::new(etcd.client()));
    // Each prober reaches the backends by a port of its own, so that it alone can be cut off.
    let ports = [free_port(), free_port(), free_port()];
    let mut networks = ports.map(|port| Some(listen(port)));
    let probers = [0, 1, 2].map(|at| {
        let lines = format!("{FAST}\nports = [{}]", ports[at]);
        Prober::start(etcd.client(), ["p1", "p2", "p3"][at], &lines)
    });
    probers.iter().for_each(|prober| prober.wait_members(3));
    probers.iter().for_each(|prober| prober.wait_probes(60));
    let watcher = Watcher::start(server.dns, NAME);
    networks[0] = None;
    networks[1] = None;
    for prober in &probers[..2] {
        let blind = poll(SEEN_LIMIT, || {
            (prober.count("blind", "") > 0.0).then_some(())
        });
        assert!(blind.is_some(), "{}", prober.process.output_tail());
        prober.wait_probes(100);
    }
    for prober in &probers {
        let told = prober.process.output_tail();
        assert!(prober.count("verdicts_total", "").abs() < 0.5, "{told}");
    }
    wait_answer(server.dns, NAME, &without(&[]));
    // Sight returns: they judge again, and have judged nobody meanwhile.
    networks[0] = Some(listen(ports[0]));
    networks[1] = Some(listen(ports[1]));
    for prober in &probers[..2] {
        let sees = poll(SEEN_LIMIT, || {
            (prober.count("blind", "") < 1.0).then_some(())
        });
        assert!(sees.is_some(), "{}", prober.process.output_tail());
    }
    for network in networks.iter_mut().flatten() {
        network.remove(&7);
    }
    wait_answer(server.dns, NAME, &without(&[7]));
    watcher.end();
}

#[test]
fn a_quorum_of_two_is_not_one() {
    let etcd = Etcd::start();
    all_backends(&etcd);
    let server = Server::start(&Settings::new(etcd.client()));
    let ports = [free_port(), free_port(), free_port()];
    let mut networks = ports.map(listen);
    let probers = [0, 1, 2].map(|at| {
        let lines = format!("{FAST}\nports = [{}]\nquorum = 2", ports[at]);
        Prober::start(etcd.client(), ["p1", "p2", "p3"][at], &lines)
    });
    probers.iter().for_each(|prober| prober.wait_members(3));
    probers.iter().for_each(|prober| prober.wait_probes(60));
    // One prober finds some down that the two others reach.
    for number in [3, 4, 5] {
        networks[0].remove(&number);
    }
    let votes = || {
        etcd.etcdctl(&[
            "get",
            "--prefix",
            "--keys-only",
            "/containerdns-prober/votes/",
        ])
    };
    let voted = poll(SEEN_LIMIT, || {
        (votes().matches("/p1").count() == 3).then_some(())
    });
    assert!(voted.is_some(), "{}", votes());
    probers[1].wait_probes(100);
    wait_answer(server.dns, NAME, &without(&[]));
    // A second one agrees about one of them.
    networks[2].remove(&4);
    wait_answer(server.dns, NAME, &without(&[4]));
    networks[0].insert(4, BackendSocket::start((address(4), ports[0]).into()));
    wait_answer(server.dns, NAME, &without(&[]));
}
