//! Who is probed, and whose word counts: bundles that ask, other scanners.

use std::net::SocketAddr;

use super::programs::{
    BackendSocket, FAST, Prober, SEEN_LIMIT, address, status, status_key, wait_answer,
};
use crate::harness::etcd::Etcd;
use crate::harness::fixture::{bundle, bundle_key};
use crate::harness::poll;
use crate::harness::ports::free_port;
use crate::harness::server::{Server, Settings};

/// Two backends, of which the second is dead.
fn name_with(etcd: &Etcd, name: &str, more: &str) {
    let texts = [1, 2].map(|number| address(number).to_string());
    let records = texts.each_ref().map(|text| (name, 30, "A", &**text));
    let (key, value) = bundle("www", &records);
    etcd.put(&key, &value.replacen("{", &format!("{{{more}"), 1));
}

#[test]
fn a_bundle_that_asks_is_probed_and_leaves_nothing_behind() {
    let etcd = Etcd::start();
    let port = free_port();
    let _alive = BackendSocket::start(SocketAddr::from((address(1), port)));
    name_with(&etcd, "www.t.test.", &format!(r#""probe":"tcp:{port}","#));
    let server = Server::start(&Settings::new(etcd.client()));
    let prober = Prober::start(etcd.client(), "p1", FAST);
    wait_answer(server.dns, "www.t.test.", &[1]);
    assert_eq!(status(&etcd, address(1)), None, "nothing is wrong with it");
    let value = status(&etcd, address(2)).expect("a status key");
    assert_eq!(value["made_for"], serde_json::json!(["www.t.test."]));
    assert_eq!(
        (&value["status"], &value["prober"]),
        (&"DOWN".into(), &"p1".into())
    );
    // It asks no more.
    name_with(&etcd, "www.t.test.", "");
    wait_answer(server.dns, "www.t.test.", &[1, 2]);
    let gone = poll(SEEN_LIMIT, || {
        status(&etcd, address(2)).is_none().then_some(())
    });
    assert!(gone.is_some(), "{}", prober.process.output_tail());
    etcd.delete_all(&[bundle_key("www")]);
}

#[test]
fn another_scanner_is_heard_and_its_value_kept() {
    let etcd = Etcd::start();
    name_with(&etcd, "www.t.test.", "");
    let server = Server::start(&Settings::new(etcd.client()));
    let key = status_key(address(2));
    let port = free_port();
    let value = |status: &str| {
        format!(
            r#"{{"status":"{status}","ports":["{port}"],"domains":["www.t.test."],"x":{{"y":1}}}}"#
        )
    };
    // Without any prober, its word stands.
    etcd.put(&key, &value("DOWN"));
    wait_answer(server.dns, "www.t.test.", &[1]);
    // A prober that finds the backend alive says so, and keeps what it does not know.
    let backend = BackendSocket::start(SocketAddr::from((address(2), port)));
    let _prober = Prober::start(etcd.client(), "p1", FAST);
    wait_answer(server.dns, "www.t.test.", &[1, 2]);
    let kept = status(&etcd, address(2)).expect("a status key");
    assert_eq!(
        (&kept["x"]["y"], &kept["ports"][0]),
        (&1.into(), &port.to_string().into())
    );
    drop(backend);
    wait_answer(server.dns, "www.t.test.", &[1]);
}
