//! Backends that die and come back: one process stopped, one killed, all of them; sticky sources.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::programs::{
    BackendProcess, Prober, Watcher, address, ask, status, status_key, wait_answer,
};
use crate::harness::etcd::Etcd;
use crate::harness::fixture::bundle;
use crate::harness::ports::free_port;
use crate::harness::server::{Server, Settings};

/// Which backend each of 100 sources keeps.
fn kept(server: SocketAddr) -> BTreeMap<u8, String> {
    let source = |client| (client, ask(server, client, "keep.t.test.").remove(0));
    (1..=100).map(source).collect()
}

#[test]
fn a_backend_that_stops_is_out_of_answers_and_back_when_it_goes_on() {
    let etcd = Etcd::start();
    let port = free_port();
    let at = |number| SocketAddr::from((address(number), port));
    let mut backends = [1, 2, 3].map(|number| BackendProcess::start(at(number)));
    let texts = [1, 2, 3].map(|number| address(number).to_string());
    for name in ["www", "keep"] {
        let owner = format!("{name}.t.test.");
        let records = texts.each_ref().map(|text| (&*owner, 30, "A", &**text));
        etcd.put_all(&[bundle(name, &records)]);
    }
    let value =
        format!(r#"{{"status":"UP","probe":"http:{port}/healthz","domains":["www.t.test."]}}"#);
    etcd.put_all(&[1, 2, 3].map(|number| (status_key(address(number)), value.clone())));
    let mut settings = Settings::new(etcd.client());
    settings.answer = "[answer.names.\"keep.t.test\"]\npolicy = \"sticky\"".into();
    let server = Server::start(&settings);
    let lines = "interval_ms = 300\ntimeout_ms = 250\ngap_min_ms = 50";
    let probers = ["p1", "p2"].map(|identity| Prober::start(etcd.client(), identity, lines));
    probers.iter().for_each(|prober| prober.wait_members(2));
    let watchers = ["www.t.test.", "keep.t.test."].map(|name| Watcher::start(server.dns, name));
    probers[0].wait_probes(6);
    wait_answer(server.dns, "www.t.test.", &[1, 2, 3]);
    let before = kept(server.dns);

    // It still takes connections while it is stopped: only what it answers tells.
    backends[1].signal("STOP");
    wait_answer(server.dns, "www.t.test.", &[1, 3]);
    let stopped = status(&etcd, address(2)).expect("a status key");
    assert_eq!(
        (&stopped["status"], &stopped["domains"][0]),
        (&"DOWN".into(), &"www.t.test.".into())
    );
    let during = kept(server.dns);
    for (source, backend) in &before {
        match *backend == texts[1] {
            true => assert_ne!(during[source], texts[1]),
            false => assert_eq!(
                during[source], *backend,
                "only sources of the dead one move"
            ),
        }
    }
    backends[1].signal("CONT");
    wait_answer(server.dns, "www.t.test.", &[1, 2, 3]);
    assert_eq!(kept(server.dns), before, "all sources are where they were");

    backends[0].kill();
    wait_answer(server.dns, "www.t.test.", &[2, 3]);
    backends[2].kill();
    wait_answer(server.dns, "www.t.test.", &[2]);
    // All dead: all are answered.
    backends[1].kill();
    wait_answer(server.dns, "www.t.test.", &[1, 2, 3]);
    backends[2] = BackendProcess::start(at(3));
    wait_answer(server.dns, "www.t.test.", &[3]);
    let asked: u64 = watchers.into_iter().map(Watcher::end).sum();
    assert!(asked > 100, "{asked}");
}
