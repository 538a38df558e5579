//! Objects that come, change and go while all programs run.

use std::net::Ipv4Addr;

use super::cluster::Cluster;
use super::objects::{annotated, external_name, namespace, pod, service, slice};
use super::programs::{Programs, SEEN_LIMIT};
use crate::harness::poll;

const HTTP: &[&str] = &["http/TCP/80"];
const ZONE: &str = "prod.svc.cluster.local.";

#[test]
fn names_follow_their_objects() {
    Cluster::each(|cluster| {
        cluster.apply(&namespace("prod"));
        let programs = Programs::start(cluster, "pods = \"verified\"");
        services_come_change_and_go(cluster, &programs);
        endpoints_come_and_go(cluster, &programs);
        endpoints_in_the_zone_of_a_client_come_first(cluster, &programs);
        a_slice_goes_to_another_service(cluster, &programs);
        pods_come_and_go(cluster, &programs);
    });
}

fn services_come_change_and_go(cluster: &Cluster, programs: &Programs) {
    let fresh = format!("fresh.{ZONE}");
    programs.wait_gone(&fresh);
    let created = service("prod/fresh", &["10.20.0.77"], HTTP);
    cluster.apply(&created);
    programs.wait_answers(&fresh, "A", &["10.20.0.77"]);
    programs.wait_answers("77.0.20.10.in-addr.arpa.", "PTR", &[&fresh]);
    let renamed = service("prod/fresh", &["10.20.0.77"], &["web/TCP/80"]);
    cluster.apply(&annotated(renamed, "containerdns.io/ttl", "9"));
    let wanted = format!("0 100 80 {fresh}");
    programs.wait_answers(&format!("_web._tcp.{fresh}"), "SRV", &[&wanted]);
    programs.wait_gone(&format!("_http._tcp.{fresh}"));
    assert_eq!(programs.ask(&fresh, "A").sections[0][0].ttl, 9);
    cluster.delete(&created);
    programs.wait_gone(&fresh);
    programs.wait_gone("77.0.20.10.in-addr.arpa.");
    cluster.apply(&external_name("prod/fresh", "elsewhere.test"));
    programs.wait_answers(&fresh, "CNAME", &["elsewhere.test."]);
}

fn endpoints_come_and_go(cluster: &Cluster, programs: &Programs) {
    let name = format!("db.{ZONE}");
    let endpoints = |endpoints: &[&str]| slice("prod/db", "a", HTTP, endpoints);
    // A slice may come before its service, and then has no names.
    cluster.apply(&endpoints(&[
        "10.30.0.2",
        "10.30.0.3",
        "10.30.0.4 name=rep",
    ]));
    cluster.apply(&service("prod/db", &["None"], HTTP));
    programs.wait_answers(&name, "A", &["10.30.0.2", "10.30.0.3", "10.30.0.4"]);
    cluster.apply(&endpoints(&[
        "10.30.0.2 notready",
        "10.30.0.3",
        "10.30.0.4 name=rep",
    ]));
    programs.wait_answers(&name, "A", &["10.30.0.3", "10.30.0.4"]);
    programs.wait_gone(&format!("10-30-0-2.{name}"));
    programs.wait_gone("2.0.30.10.in-addr.arpa.");
    cluster.apply(&endpoints(&["10.30.0.2", "10.30.0.3 notready"]));
    programs.wait_answers(&name, "A", &["10.30.0.2"]);
    programs.wait_gone(&format!("rep.{name}"));
    let second = slice("prod/db", "b", HTTP, &["10.30.0.9"]);
    cluster.apply(&second);
    programs.wait_answers(&name, "A", &["10.30.0.2", "10.30.0.9"]);
    cluster.apply(&endpoints(&[]));
    programs.wait_answers(&name, "A", &["10.30.0.9"]);
    cluster.delete(&second);
    programs.wait_gone(&name);
    cluster.apply(&endpoints(&["10.30.0.2"]));
    programs.wait_answers(&name, "A", &["10.30.0.2"]);
    cluster.delete(&service("prod/db", &["None"], HTTP));
    programs.wait_gone(&name);
    cluster.apply(&service("prod/db", &["None"], HTTP));
    programs.wait_answers(&name, "A", &["10.30.0.2"]);
}

fn endpoints_in_the_zone_of_a_client_come_first(cluster: &Cluster, programs: &Programs) {
    let name = format!("near.{ZONE}");
    cluster.apply(&service("prod/near", &["None"], HTTP));
    for (endpoints, near) in [
        (
            ["10.30.0.2 zone=zone-a", "10.30.0.3 zone=zone-b"],
            &["10.30.0.2"][..],
        ),
        (
            ["10.30.0.2 zone=zone-b", "10.30.0.3 zone=zone-a"],
            &["10.30.0.3"],
        ),
        (
            ["10.30.0.2 zone=zone-b", "10.30.0.3"],
            &["10.30.0.2", "10.30.0.3"],
        ),
    ] {
        cluster.apply(&slice("prod/near", "a", HTTP, &endpoints));
        let client = Ipv4Addr::new(127, 0, 1, 5);
        let answers = || programs.ask_from(client, &name, "A").answers_of(1);
        let seen = poll(SEEN_LIMIT, || (answers() == near).then_some(()));
        assert!(
            seen.is_some(),
            "{:?}, not {near:?}\n{}",
            answers(),
            programs.plane.log()
        );
        programs.wait_answers(&name, "A", &["10.30.0.2", "10.30.0.3"]);
    }
}

fn a_slice_goes_to_another_service(cluster: &Cluster, programs: &Programs) {
    cluster.apply(&service("prod/one", &["None"], HTTP));
    cluster.apply(&service("prod/two", &["None"], HTTP));
    let mut moving = slice("prod/one", "a", HTTP, &["10.30.3.1"]);
    cluster.apply(&moving);
    programs.wait_answers(&format!("one.{ZONE}"), "A", &["10.30.3.1"]);
    moving["metadata"]["labels"]["kubernetes.io/service-name"] = "two".into();
    cluster.apply(&moving);
    programs.wait_answers(&format!("two.{ZONE}"), "A", &["10.30.3.1"]);
    programs.wait_gone(&format!("one.{ZONE}"));
}

fn pods_come_and_go(cluster: &Cluster, programs: &Programs) {
    let name = "10-40-0-9.prod.pod.cluster.local.";
    let mut pod = pod("prod/p", &["10.40.0.9"]);
    cluster.apply(&pod);
    programs.wait_answers(name, "A", &["10.40.0.9"]);
    pod["status"]["phase"] = "Succeeded".into();
    cluster.apply(&pod);
    programs.wait_gone(name);
    pod["status"]["phase"] = "Running".into();
    cluster.apply(&pod);
    programs.wait_answers(name, "A", &["10.40.0.9"]);
    cluster.delete(&pod);
    programs.wait_gone(name);
}

/// Only where nothing has to clean up before a Namespace goes.
#[test]
fn a_namespace_takes_its_names_with_it() {
    let cluster = Cluster::StandIn(super::stand_in::StandIn::start());
    let programs = Programs::start(
        &cluster,
        "namespace_selector = { matchLabels = { dns = \"yes\" } }",
    );
    let name = format!("web.{ZONE}");
    cluster.apply(&service("prod/web", &["10.20.0.10"], HTTP));
    let mut prod = namespace("prod");
    cluster.apply(&prod);
    programs.settle_without_labels(&cluster);
    assert_eq!(programs.ask(&name, "A").rcode(), 3, "no label, no names");
    prod["metadata"]["labels"]["dns"] = "yes".into();
    cluster.apply(&prod);
    programs.wait_answers(&name, "A", &["10.20.0.10"]);
    assert_eq!(programs.ask(ZONE, "A").rcode(), 0);
    prod["metadata"]["labels"]["dns"] = "no".into();
    cluster.apply(&prod);
    programs.wait_gone(&name);
    programs.wait_gone(ZONE);
    prod["metadata"]["labels"]["dns"] = "yes".into();
    cluster.apply(&prod);
    programs.wait_answers(&name, "A", &["10.20.0.10"]);
    cluster.delete(&prod);
    programs.wait_gone(&name);
}

/// Keys of this cluster that no object accounts for go, and only those.
#[test]
fn stale_keys_of_this_cluster_are_removed() {
    let cluster = Cluster::StandIn(super::stand_in::StandIn::start());
    let etcd = crate::harness::etcd::Etcd::start();
    let (_, value) = crate::harness::fixture::bundle("x", &[("x.pub.test.", 5, "A", "10.0.0.1")]);
    let key = |path: &str| format!("/containerdns-kube/{path}");
    let kept = [
        "other/services/prod/stale",
        "api/records/pub.test/x.pub.test",
        "default2/services/prod/stale",
        "default/unknown/prod/stale",
    ];
    let gone = [
        "default/services/prod/stale",
        "default/endpointslices/prod/stale",
        "default/namespaces/gone/gone",
        "default/serviceimports/prod/stale",
    ];
    for path in kept.iter().chain(&gone) {
        etcd.put(&key(path), &value);
    }
    cluster.apply(&namespace("prod"));
    let programs = Programs::over(&cluster, etcd, "");
    programs.settle(&cluster, 1);
    let keys = programs
        .etcd
        .etcdctl(&["get", "--prefix", "--keys-only", &key("")]);
    for path in kept {
        assert!(keys.contains(&key(path)), "{path} is gone:\n{keys}");
    }
    for path in gone {
        assert!(!keys.contains(&key(path)), "{path} is there:\n{keys}");
    }
}
