//! The table of names: every row of `names.txt` against the servers that it names.

use std::time::Duration;

use super::cluster::Cluster;
use super::programs::Programs;
use super::{objects, shop};
use crate::cases::checks::{self, Sent};
use crate::cases::read_tables;
use crate::cases::rows::{Message, Row};
use crate::harness::exchange::{Outcome, Plain, Transport, exchange};
use crate::harness::poll;
use crate::harness::reply::Reply;

/// Answers of a name that has just changed may still be on their way.
const RIGHT_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn every_name_of_the_specification_is_answered() {
    Cluster::each(|cluster| {
        cluster.apply_all(&shop::objects());
        let main = "pods = \"verified\"\nexternal_zones = [\"pub.test\"]\n\
                    external_servers = [\"198.51.100.53\"]\n\
                    hostname_zones = [\"t.test\", \"cluster.local\", \"pub.test\"]";
        let insecure = "pods = \"insecure\"\nignore_empty_services = true";
        let plain = "namespaces = [\"prod\", \"podns\", \"settled\"]";
        let servers = [("main", main), ("insecure", insecure), ("plain", plain)];
        let servers = servers.map(|(name, lines)| (name, Programs::start(cluster, lines)));
        for (_, programs) in &servers {
            programs.settle(cluster, 1);
        }
        let rows = read_tables(&[("names", include_str!("names.txt"))]);
        let failures = rows.iter().filter_map(|row| failure(row, &servers));
        let failures: Vec<String> = failures.collect();
        let log = servers[0].1.plane.log();
        assert!(
            failures.is_empty(),
            "{} of {} rows fail:\n{}\n{log}",
            failures.len(),
            rows.len(),
            failures.join("\n")
        );
        let events = cluster.events();
        for wanted in [
            "`192.0.2.7` is an address",
            "`-1` is no TTL",
            "www.example.org",
        ] {
            let told = events.iter().any(|(_, note)| note.contains(wanted));
            assert!(told, "no Event says {wanted}: {events:?}");
        }
    });
}

#[test]
fn services_of_a_set_of_clusters_are_answered() {
    Cluster::each(|cluster| {
        cluster.serve_imports();
        cluster.apply(&objects::namespace("prod"));
        cluster.apply_all(&shop::imports());
        let programs = Programs::start(cluster, "clusterset_zones = [\"clusterset.test\"]");
        programs.settle(cluster, 1);
        let rows = read_tables(&[("imports", include_str!("imports.txt"))]);
        let servers = [("main", programs)];
        let failures = rows.iter().filter_map(|row| failure(row, &servers));
        let failures: Vec<String> = failures.collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    });
}

#[test]
fn a_server_without_the_kind_of_multi_cluster_services_is_no_fault() {
    let cluster = Cluster::StandIn(super::stand_in::StandIn::start());
    let programs = Programs::start(&cluster, "clusterset_zones = [\"clusterset.test\"]");
    programs.settle(&cluster, 1);
    assert_eq!(programs.ask("svc.clusterset.test.", "A").rcode(), 0);
}

/// Why a row does not hold, over any transport.
fn failure(row: &Row, servers: &[(&str, Programs)]) -> Option<String> {
    let server = servers.iter().find(|(name, _)| *name == row.server);
    let (_, programs) = server.unwrap_or_else(|| panic!("{}: no server {}", row.id, row.server));
    let Message::Query(query) = &row.message else {
        panic!("{}: not a query", row.id);
    };
    let octets = query.encode();
    let plain = Plain {
        name: "headless-1.settled.svc.cluster.local.".into(),
        address: Some("10.30.254.1".into()),
    };
    row.transports().find_map(|transport| {
        let mut last = None;
        let right = poll(RIGHT_LIMIT, || {
            let outcome = exchange(programs.server.dns, transport, &octets, &plain);
            let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", row.id));
            let sent = Sent {
                octets: &octets,
                transport,
                edns: row.edns(),
            };
            let judged = checks::judge(&row.alternatives, &sent, &outcome);
            last = judged.err().map(|why| (why, outcome));
            last.is_none().then_some(())
        });
        let (why, outcome) = last.filter(|_| right.is_none())?;
        Some(describe(row, transport, &why, &outcome))
    })
}

fn describe(row: &Row, transport: Transport, why: &str, outcome: &Outcome) -> String {
    let reply = match outcome {
        Outcome::Reply(octets) => match Reply::decode(octets) {
            Ok(reply) => reply.to_string(),
            Err(why) => why,
        },
        other => format!("{other:?}"),
    };
    format!(
        "{} over {transport:?}: {why}\n  {}\n  {reply}",
        row.id, row.line
    )
}
