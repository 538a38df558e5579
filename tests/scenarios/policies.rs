//! Which addresses are answered: the policies of `[answer]` and the health of backends.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::harness::etcd::Etcd;
use crate::harness::exchange::ask_udp_from;
use crate::harness::fixture::{Pairs, bundle};
use crate::harness::poll;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

const ADDRESSES: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

fn three_addresses(label: &str) -> (String, String) {
    let name = format!("{label}.t.test.");
    bundle(
        label,
        &ADDRESSES.map(|address| (name.as_str(), 30, "A", address)),
    )
}

/// The addresses in the order of the answer.
fn ask(server: SocketAddr, client: u8, name: &str) -> Vec<String> {
    let source = Ipv4Addr::new(127, 0, 0, client);
    let octets = ask_udp_from(server, source, &Query::new(name, "A").encode()).expect("a reply");
    let reply = Reply::decode(&octets).expect("a good reply");
    reply.sections[0]
        .iter()
        .map(|record| record.rdata.clone())
        .collect()
}

#[test]
fn each_policy_chooses_its_own_way() {
    let etcd = Etcd::start();
    let pairs: Pairs = ["turn", "any", "stay"].map(three_addresses).into();
    etcd.put_all(&pairs);
    let mut settings = Settings::new(etcd.client());
    settings.answer = "[answer.names.\"any.t.test\"]\npolicy = \"random-one\"\n\
                       [answer.names.\"stay.t.test\"]\npolicy = \"sticky\""
        .into();
    let server = Server::start(&settings);
    let asked = |name| (0..100).map(move |_| ask(server.dns, 1, name));

    let turned: BTreeSet<Vec<String>> = asked("turn.t.test.").collect();
    let firsts: BTreeSet<&String> = turned.iter().map(|answer| &answer[0]).collect();
    assert_eq!(
        firsts.len(),
        3,
        "every address comes first now and then: {turned:?}"
    );
    assert!(
        turned.iter().all(|answer| answer.len() == 3),
        "all are answered: {turned:?}"
    );

    let any: BTreeSet<Vec<String>> = asked("any.t.test.").collect();
    assert!(
        any.len() == 3 && any.iter().all(|answer| answer.len() == 1),
        "one of three: {any:?}"
    );

    let mut kept = BTreeSet::new();
    for client in 1..=40 {
        let answer = ask(server.dns, client, "stay.t.test.");
        for _ in 0..4 {
            let again = ask(server.dns, client, "stay.t.test.");
            assert_eq!(again, answer, "a client keeps its address, on every shard");
        }
        assert_eq!(answer.len(), 1);
        kept.insert(answer);
    }
    assert_eq!(kept.len(), 3, "clients are spread over all addresses");
}

/// Some of many, the same ones for a source, and all of them used.
#[test]
fn a_subset_stays_with_its_source() {
    let etcd = Etcd::start();
    let addresses: Vec<String> = (1..=40).map(|last| format!("192.0.2.{last}")).collect();
    let name = "some.t.test.";
    let records: Vec<_> = addresses
        .iter()
        .map(|address| (name, 30, "A", address.as_str()))
        .collect();
    etcd.put_all(&[bundle("some", &records)]);
    let mut settings = Settings::new(etcd.client());
    settings.answer = "policy = \"subset\"\nsubset_len = 4".into();
    let server = Server::start(&settings);
    let mut used = BTreeSet::new();
    for client in 1..=200 {
        let answer = ask(server.dns, client, name);
        assert_eq!(answer.len(), 4);
        assert_eq!(ask(server.dns, client, name), answer, "on every shard");
        used.extend(answer);
    }
    assert!(used.len() >= 36, "nearly all are used: {}", used.len());
}

/// A policy in the value of a key is of its owner, before that of the zone and after the one that
/// the configuration names.
#[test]
fn a_key_may_say_how_its_name_is_answered() {
    let etcd = Etcd::start();
    let tree = |name: &str, id: u8| {
        let value = format!(r#"{{"type":"A","host":"192.0.2.{id}","policy":"sticky"}}"#);
        (format!("/containerdns/test/t/{name}/k{id}/"), value)
    };
    let skydns = |id: u8| {
        let value = format!(r#"{{"host":"192.0.2.{id}","targetstrip":1,"policy":"sticky"}}"#);
        (format!("/skydns/test/t/sky/k{id}"), value)
    };
    let pairs: Pairs = [1, 2, 3]
        .into_iter()
        .flat_map(|id| [tree("stay", id), tree("named", id), skydns(id)])
        .collect();
    etcd.put_all(&pairs);
    let mut settings = Settings::new(etcd.client());
    settings.answer = "policy = \"rotate\"\n\
                       [answer.names.\"named.t.test\"]\npolicy = \"rotate\""
        .into();
    let server = Server::start(&settings);
    for name in ["stay.t.test.", "sky.t.test."] {
        let mut kept = BTreeSet::new();
        for client in 1..=40 {
            let answer = ask(server.dns, client, name);
            assert_eq!(answer.len(), 1, "{name}");
            assert_eq!(ask(server.dns, client, name), answer, "{name}");
            kept.insert(answer);
        }
        assert_eq!(kept.len(), 3, "{name}: clients are spread");
    }
    assert_eq!(ask(server.dns, 1, "named.t.test.").len(), 3);
}

#[test]
fn weights_of_keys_say_how_often() {
    let etcd = Etcd::start();
    let key = |id: u8, weight: u16| {
        let value = format!(r#"{{"host":"192.0.2.{id}","weight":{weight}}}"#);
        (format!("/skydns/test/t/heavy/k{id}"), value)
    };
    etcd.put_all(&[key(1, 0), key(2, 10), key(3, 90)]);
    let mut settings = Settings::new(etcd.client());
    settings.answer = "[answer.names.\"heavy.t.test\"]\npolicy = \"weighted\"".into();
    let server = Server::start(&settings);
    let answers = (0..400).map(|_| ask(server.dns, 1, "heavy.t.test."));
    let answers: Vec<Vec<String>> = answers.collect();
    assert!(answers.iter().all(|answer| answer.len() == 1));
    let count = |last: u8| {
        let address = format!("192.0.2.{last}");
        answers.iter().filter(|answer| answer[0] == address).count()
    };
    assert_eq!(count(1), 0, "weight 0");
    assert!((10..90).contains(&count(2)), "{}", count(2));
    assert!(count(3) > 300, "{}", count(3));
}

#[test]
fn clients_of_one_prefix_keep_one_address() {
    let etcd = Etcd::start();
    etcd.put_all(&[three_addresses("stay")]);
    let mut settings = Settings::new(etcd.client());
    settings.answer = "policy = \"sticky\"\nsource_bits_v4 = 24".into();
    let server = Server::start(&settings);
    let answers = (1..=40).map(|client| ask(server.dns, client, "stay.t.test."));
    let kept: BTreeSet<Vec<String>> = answers.collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}

/// A backend that is down is left out; when all are down, all are answered: no name is emptied.
#[test]
fn backends_that_are_down_are_left_out() {
    let etcd = Etcd::start();
    etcd.put_all(&[three_addresses("web")]);
    let server = Server::start(&Settings::new(etcd.client()));
    let status = |address: &str| format!("/containerdns/monitor/status/{address}");
    let expect = |addresses: &[&str]| {
        let answer = || {
            let mut answer = ask(server.dns, 1, "web.t.test.");
            answer.sort();
            answer
        };
        let seen = poll(Duration::from_secs(2), || {
            (answer() == addresses).then_some(())
        });
        assert!(seen.is_some(), "{:?} instead of {addresses:?}", answer());
    };
    expect(&ADDRESSES);
    etcd.put(&status(ADDRESSES[1]), r#"{"status":"DOWN","ports":["80"]}"#);
    expect(&[ADDRESSES[0], ADDRESSES[2]]);
    etcd.put(&status(ADDRESSES[0]), "not even JSON");
    expect(&[ADDRESSES[0], ADDRESSES[2]]);
    for address in ADDRESSES {
        etcd.put(&status(address), r#"{"status":"DOWN"}"#);
    }
    expect(&ADDRESSES);
    etcd.put(&status(ADDRESSES[2]), r#"{"status":"UP"}"#);
    expect(&[ADDRESSES[2]]);
    etcd.delete_all(&ADDRESSES.map(status));
    expect(&ADDRESSES);
}
