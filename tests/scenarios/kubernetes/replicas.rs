//! Two control planes of one cluster (F12): one writes; when it stops, the other does.

use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::objects::{namespace, service};
use super::programs::{ControlPlane, Programs};
use super::stand_in::StandIn;
use crate::harness::poll;

/// Lease 10 s, and a look a second.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(15);
const LEADER_KEY: &str = "/containerdns-kube-leader/default";

#[test]
fn a_stopped_leader_is_replaced_and_writes_no_more() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    let programs = Programs::start(&cluster, "");
    let first = &programs.plane;
    wait_leads(first);
    let mut second = ControlPlane::start(&cluster, programs.etcd.client(), "");
    second.wait_ready();
    assert!(!second.leads(), "two lead");
    cluster.apply(&service("prod/a", &["10.20.0.1"], &[]));
    programs.wait_answers("a.prod.svc.cluster.local.", "A", &["10.20.0.1"]);
    assert_eq!(committed(&second), 0, "one that does not lead wrote");

    let before = committed(first);
    first.process.signal("STOP");
    let stopped = Instant::now();
    cluster.apply(&service("prod/a", &["10.20.0.2"], &[]));
    programs.wait_answers("a.prod.svc.cluster.local.", "A", &["10.20.0.2"]);
    let took = stopped.elapsed();
    assert!(took <= TAKEOVER_LIMIT, "took over after {took:?}");
    assert!(second.leads());

    // What the former leader has not seen yet must not come from it.
    cluster.apply(&service("prod/a", &["10.20.0.3"], &[]));
    programs.wait_answers("a.prod.svc.cluster.local.", "A", &["10.20.0.3"]);
    let revision = mod_revision(&programs, "/containerdns-kube/default/services/prod/a");
    first.process.signal("CONT");
    let steps_down = poll(Duration::from_secs(20), || (!first.leads()).then_some(()));
    assert!(steps_down.is_some(), "{}", first.log());
    cluster.apply(&service("prod/b", &["10.20.0.4"], &[]));
    programs.wait_answers("b.prod.svc.cluster.local.", "A", &["10.20.0.4"]);
    assert_eq!(committed(first), before, "a write of the former term");
    let now = mod_revision(&programs, "/containerdns-kube/default/services/prod/a");
    assert_eq!(now, revision, "written again");
    assert!(second.leads());
}

/// What happened while it was stopped, it does not know when it begins to lead: nothing of that
/// may be undone.
#[test]
fn a_replica_with_an_old_view_takes_no_name_away() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    let mut programs = Programs::start(&cluster, "");
    wait_leads(&programs.plane);
    let mut second = ControlPlane::start(&cluster, programs.etcd.client(), "");
    second.wait_ready();
    second.process.signal("STOP");
    cluster.apply(&service("prod/new", &["10.20.0.1"], &[]));
    let name = "new.prod.svc.cluster.local.";
    programs.wait_answers(name, "A", &["10.20.0.1"]);
    programs.plane.process.kill();
    programs.etcd.delete_all(&[LEADER_KEY.to_owned()]);
    second.process.signal("CONT");
    let led = poll(TAKEOVER_LIMIT, || {
        assert_eq!(programs.answers(name, "A"), ["10.20.0.1"]);
        second.leads().then_some(())
    });
    assert!(led.is_some(), "{}", second.log());
    cluster.apply(&service("prod/more", &["10.20.0.2"], &[]));
    let more = "more.prod.svc.cluster.local.";
    let seen = poll(TAKEOVER_LIMIT, || {
        assert_eq!(programs.answers(name, "A"), ["10.20.0.1"]);
        (programs.answers(more, "A") == ["10.20.0.2"]).then_some(())
    });
    assert!(seen.is_some(), "{}", second.log());
}

/// A planned end does not let the others wait for the end of the lease.
#[test]
fn one_that_ends_gives_up_the_lead() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    let mut programs = Programs::start(&cluster, "");
    wait_leads(&programs.plane);
    programs.plane.process.signal("TERM");
    let ended = programs.plane.process.wait_exit(Duration::from_secs(5));
    assert!(
        ended.is_some_and(|status| status.success()),
        "{}",
        programs.plane.log()
    );
    let keys = programs
        .etcd
        .etcdctl(&["get", "--prefix", "--keys-only", LEADER_KEY]);
    assert_eq!(keys.trim(), "", "the leader key stays");
}

/// A leader that does not know yet that it leads no more is refused by the store.
#[test]
fn a_leader_without_its_key_is_fenced() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    let programs = Programs::start(&cluster, "");
    wait_leads(&programs.plane);
    programs.settle(&cluster, 1);
    let before = committed(&programs.plane);
    programs.etcd.put(LEADER_KEY, "somebody else");
    cluster.apply(&service("prod/a", &["10.20.0.1"], &[]));
    let fenced = poll(Duration::from_secs(20), || {
        (programs.plane.count("writes_total", "fenced") > 0.0).then_some(())
    });
    assert!(fenced.is_some(), "{}", programs.plane.log());
    assert_eq!(committed(&programs.plane), before);
    assert_eq!(programs.ask("a.prod.svc.cluster.local.", "A").rcode(), 3);
    programs.etcd.delete_all(&[LEADER_KEY.to_owned()]);
    programs.wait_answers("a.prod.svc.cluster.local.", "A", &["10.20.0.1"]);
}

/// Someone else's hand in the store is put right.
#[test]
fn what_others_write_under_the_clusters_keys_is_written_over() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    cluster.apply(&service("prod/a", &["10.20.0.1"], &[]));
    let programs = Programs::start(&cluster, "");
    let name = "a.prod.svc.cluster.local.";
    programs.wait_answers(name, "A", &["10.20.0.1"]);
    let key = "/containerdns-kube/default/services/prod/a";
    programs.etcd.put(key, r#"{"v":1,"rrsets":[]}"#);
    programs.settle(&cluster, 1);
    programs.wait_answers(name, "A", &["10.20.0.1"]);
    programs.etcd.delete_all(&[key.to_owned()]);
    programs.settle(&cluster, 2);
    programs.wait_answers(name, "A", &["10.20.0.1"]);
}

fn wait_leads(plane: &ControlPlane) {
    let leads = poll(TAKEOVER_LIMIT, || plane.leads().then_some(()));
    assert!(leads.is_some(), "does not lead\n{}", plane.log());
}

fn committed(plane: &ControlPlane) -> u64 {
    plane.count("writes_total", "committed") as u64
}

fn mod_revision(programs: &Programs, key: &str) -> String {
    let text = programs.etcd.etcdctl(&["get", "-w", "fields", key]);
    let line = text.lines().find(|line| line.contains("ModRevision"));
    line.unwrap_or_else(|| panic!("no {key}")).to_owned()
}
