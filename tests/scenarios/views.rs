//! Clients of a view see its records over everybody's, name by name, over UDP and TCP; what changes
//! in a view is seen by its clients and by nobody else.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{ask_tcp_from, ask_udp_from};
use crate::harness::fixture::{Record, bundle};
use crate::harness::poll;
use crate::harness::query::{Query, type_code};
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

/// Of no view, of the view `office`, and of the view `lab`, in whose network an address is
/// `office`'s by a longer prefix.
const CLIENTS: [u8; 4] = [1, 2, 10, 9];

const VIEWS: &str = "[views.office]\n\
    clients = [\"127.0.0.2/32\", \"127.0.0.9/32\"]\n\
    prefixes = [{ path = \"/office/tree/\", format = \"containerdns\" },\n\
                { path = \"/office/bundles/\", format = \"bundle\" }]\n\
    [views.lab]\n\
    clients = [\"127.0.0.8/29\"]\n\
    prefixes = [{ path = \"/lab/\", format = \"skydns\" }]\n\
    [answer.names.\"one.t.test\"]\n\
    policy = \"random-one\"";

const EVERYBODYS: &[Record<'_>] = &[
    ("t.test.", 30, "MX", "10 www.t.test."),
    ("www.t.test.", 30, "A", "192.0.2.1"),
    ("www.t.test.", 30, "TXT", "\"all\""),
    ("base.t.test.", 30, "A", "192.0.2.2"),
    ("alias.t.test.", 30, "CNAME", "www.t.test."),
    ("exact.wild.t.test.", 30, "A", "192.0.2.3"),
    ("one.t.test.", 30, "A", "192.0.2.4"),
];

const OFFICES: &[Record<'_>] = &[
    ("t.test.", 30, "A", "192.0.2.100"),
    ("www.t.test.", 30, "A", "192.0.2.101"),
    ("only.t.test.", 30, "A", "192.0.2.102"),
    ("inner.t.test.", 30, "CNAME", "base.t.test."),
    ("*.wild.t.test.", 30, "A", "192.0.2.103"),
    ("deep.ent.t.test.", 30, "A", "192.0.2.104"),
];

fn settings(etcd: &Etcd) -> Settings {
    let mut settings = Settings::new(etcd.client());
    settings.answer = VIEWS.into();
    settings
}

/// The bundle with a view's path in place of everybody's.
fn office_bundle(records: &[Record<'_>]) -> (String, String) {
    let (key, value) = bundle("office", records);
    (
        key.replace("/containerdns-kube/", "/office/bundles/"),
        value,
    )
}

fn lab(name: &str, address: &str) -> (String, String) {
    let value = format!(r#"{{"host":"{address}"}}"#);
    (format!("/lab/test/t/{name}/id"), value)
}

/// What a client is answered over both transports: the code if it is not 0, and the records.
fn answer(server: &Server, client: u8, name: &str, kind: &str) -> String {
    let source = Ipv4Addr::new(127, 0, 0, client);
    let message = Query::new(name, kind).encode();
    let shown = |octets: std::io::Result<Vec<u8>>| {
        let reply = Reply::decode(&octets.expect("a reply")).expect("a good reply");
        match reply.rcode() {
            0 => reply.answers_of(type_code(kind).expect("a type")).join(" "),
            code => format!("rcode {code}"),
        }
    };
    let udp = shown(ask_udp_from(server.dns, source, &message));
    let tcp = shown(ask_tcp_from(server.dns, source, &message));
    match udp == tcp {
        true => udp,
        false => format!("UDP {udp}, TCP {tcp}"),
    }
}

/// Waits until the clients get these answers.
fn expect(server: &Server, name: &str, kind: &str, expected: [&str; 4]) {
    let answers = || CLIENTS.map(|client| answer(server, client, name, kind));
    let seen = poll(Duration::from_secs(2), || {
        (answers() == expected).then_some(())
    });
    let got = answers();
    assert!(
        seen.is_some(),
        "{name} {kind}: {got:?} instead of {expected:?}"
    );
}

#[test]
fn each_client_sees_its_view() {
    let etcd = Etcd::start();
    let tree = (
        "/office/tree/test/t/tree/id/".to_owned(),
        r#"{"type":"A","host":"192.0.2.105"}"#.to_owned(),
    );
    etcd.put_all(&[
        bundle("all", EVERYBODYS),
        office_bundle(OFFICES),
        tree,
        lab("www", "192.0.2.201"),
    ]);
    let server = Server::start(&settings(&etcd));
    let none = "rcode 3";
    for (name, kind, expected) in [
        (
            "www.t.test.",
            "A",
            ["192.0.2.1", "192.0.2.101", "192.0.2.201", "192.0.2.101"],
        ),
        ("www.t.test.", "TXT", ["\"all\"", "", "", ""]),
        (
            "only.t.test.",
            "A",
            [none, "192.0.2.102", none, "192.0.2.102"],
        ),
        ("base.t.test.", "A", ["192.0.2.2"; 4]),
        ("nothing.t.test.", "A", [none; 4]),
        (
            "tree.t.test.",
            "A",
            [none, "192.0.2.105", none, "192.0.2.105"],
        ),
        (
            "alias.t.test.",
            "A",
            ["192.0.2.1", "192.0.2.101", "192.0.2.201", "192.0.2.101"],
        ),
        ("inner.t.test.", "A", [none, "192.0.2.2", none, "192.0.2.2"]),
        ("exact.wild.t.test.", "A", ["192.0.2.3"; 4]),
        (
            "other.wild.t.test.",
            "A",
            [none, "192.0.2.103", none, "192.0.2.103"],
        ),
        ("ent.t.test.", "A", [none, "", none, ""]),
        ("t.test.", "A", ["", "192.0.2.100", "", "192.0.2.100"]),
        (
            "t.test.",
            "MX",
            ["10 www.t.test.", "", "10 www.t.test.", ""],
        ),
        ("t.test.", "NS", ["ns.dns.t.test."; 4]),
        (
            "102.2.0.192.in-addr.arpa.",
            "PTR",
            [none, "only.t.test.", none, "only.t.test."],
        ),
    ] {
        expect(&server, name, kind, expected);
    }
    let names = server.metrics().values("containerdns_sync_view_names");
    // lab: www, its id, the apex and what lies between; in the order of names, lab is the first.
    assert!(names.len() == 2 && names[1] > names[0], "{names:?}");
}

#[test]
fn changes_in_a_view_are_its_clients_alone() {
    let etcd = Etcd::start();
    let name = "one.t.test.";
    etcd.put_all(&[bundle("all", &[(name, 30, "A", "192.0.2.4")])]);
    let server = Server::start(&settings(&etcd));
    let base = "192.0.2.4";
    expect(&server, name, "A", [base; 4]);
    let (key, value) = office_bundle(&[(name, 30, "A", "192.0.2.110")]);
    etcd.put(&key, &value);
    expect(
        &server,
        name,
        "A",
        [base, "192.0.2.110", base, "192.0.2.110"],
    );

    // Nothing but a delete takes the name from the view: not a value that makes no sense.
    etcd.put(&key, "not even JSON");
    expect_bad_key(&server);
    expect(
        &server,
        name,
        "A",
        [base, "192.0.2.110", base, "192.0.2.110"],
    );

    // The policy of the name and the health of its addresses hold in the view, too.
    let two = [
        (name, 30, "A", "192.0.2.110"),
        (name, 30, "A", "192.0.2.111"),
    ];
    etcd.put(&key, &office_bundle(&two).1);
    let status = "/containerdns/monitor/status/192.0.2.110";
    etcd.put(status, r#"{"status":"DOWN"}"#);
    expect(
        &server,
        name,
        "A",
        [base, "192.0.2.111", base, "192.0.2.111"],
    );
    etcd.delete_all(&[status.to_owned()]);
    let seen = poll(Duration::from_secs(2), || {
        (answer(&server, 2, name, "A") == "192.0.2.110").then_some(())
    });
    assert!(seen.is_some(), "random-one gives each address now and then");

    let (lab_key, value) = lab("one", "192.0.2.210");
    etcd.put(&lab_key, &value);
    etcd.delete_all(&[key]);
    expect(&server, name, "A", [base, base, "192.0.2.210", base]);
    etcd.delete_all(&[lab_key]);
    expect(&server, name, "A", [base; 4]);
}

fn expect_bad_key(server: &Server) {
    let bad = poll(Duration::from_secs(2), || {
        (server.metrics().sum("containerdns_sync_keys_bad") == 1.0).then_some(())
    });
    assert!(bad.is_some(), "the value is noticed");
}

/// A view is in the snapshot as all else is.
#[test]
fn a_view_is_there_without_the_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut etcd = Etcd::start();
    etcd.put_all(&[office_bundle(&[("only.t.test.", 30, "A", "192.0.2.102")])]);
    let mut settings = settings(&etcd);
    settings.snapshot = Some(folder.path().join("snapshot"));
    let server = Server::start(&settings);
    let written = poll(Duration::from_secs(20), || {
        (server.metrics().sum("containerdns_sync_snapshots_total") > 0.0).then_some(())
    });
    assert!(written.is_some(), "{}", server.process.output_tail());
    etcd.kill();
    let expected = ["rcode 3", "192.0.2.102", "rcode 3", "192.0.2.102"];
    expect(&server, "only.t.test.", "A", expected);
    drop(server);
    let server = Server::start(&settings);
    expect(&server, "only.t.test.", "A", expected);
}

/// Whom a trusted forwarder asks for decides on the view; the scope says for which network.
#[test]
fn clients_behind_a_forwarder() {
    let etcd = Etcd::start();
    let name = "one.t.test.";
    etcd.put_all(&[
        bundle("all", &[(name, 30, "A", "192.0.2.4")]),
        office_bundle(&[(name, 30, "A", "192.0.2.110")]),
    ]);
    let mut settings = settings(&etcd);
    settings.answer = format!("client_subnet_from = [\"127.0.0.1/32\"]\n{VIEWS}");
    let server = Server::start(&settings);
    let ask = |forwarder: u8, client: u8| {
        let source = Ipv4Addr::new(127, 0, 0, forwarder);
        let option = [0, 1, 32, 0, 127, 0, 0, client];
        let message = Query::new(name, "A").with_option(8, &option).encode();
        let octets = ask_udp_from(server.dns, source, &message).expect("a reply");
        let reply = Reply::decode(&octets).expect("a good reply");
        let scope = reply.option(8).map(|option| option[3]);
        (reply.answers_of(1).join(" "), scope)
    };
    assert_eq!(ask(1, 2), ("192.0.2.110".to_owned(), Some(32)));
    assert_eq!(ask(1, 4), ("192.0.2.4".to_owned(), Some(30)));
    assert_eq!(
        ask(3, 2),
        ("192.0.2.4".to_owned(), None),
        "a stranger asks for itself"
    );
}
