//! An API server that breaks in every way that is known (F11), and a control plane that is killed:
//! names that did not change are answered all the time, and at the end all is as the objects say.

use std::time::Duration;

use super::cluster::Cluster;
use super::objects::{namespace, service};
use super::programs::ControlPlane;
use super::stand_in::{StandIn, Streaming, Times};
use super::unchanged::{NAMES, OPEN_ZONE, start};
use crate::harness::fixture::numbered_address;
use crate::harness::poll;
use crate::harness::prober::Prober;

/// So slowly that it can be killed in the middle.
const SLOWLY: &str = "writes_per_s_max = 400";

fn stand_in(cluster: &Cluster) -> &StandIn {
    match cluster {
        Cluster::StandIn(stand_in) => stand_in,
        Cluster::Real(_) => unreachable!("the server breaks at the push of a button"),
    }
}

/// A way to break; while it is broken one service goes and another comes.
type Break = (&'static str, fn(&StandIn), fn(&StandIn));

const BREAKS: &[Break] = &[
    ("watches end well", |_| {}, StandIn::close_watches),
    (
        "restarted, and the past is gone: 410 in the stream",
        StandIn::stop,
        |server| {
            server.compact();
            server.restart();
        },
    ),
    ("restarted, and 403 for a while", StandIn::stop, |server| {
        server.compact();
        server.faults(|faults| faults.forbid = Times::Next(6));
        server.restart();
    }),
    (
        "410 as the HTTP status of every watch for a while",
        StandIn::stop,
        |server| {
            server.faults(|faults| faults.gone_watches = Times::Next(6));
            server.restart();
        },
    ),
    (
        "a streamed list is cut in the middle, twice",
        StandIn::stop,
        |server| {
            server.compact();
            server.faults(|faults| faults.cut_streams = Times::Next(4));
            server.restart();
        },
    ),
    (
        "no streamed lists, and pages are cut or gone in the middle",
        StandIn::stop,
        |server| {
            server.compact();
            server.faults(|faults| {
                faults.streaming = Streaming::Refused;
                faults.cut_pages = Times::Next(2);
                faults.gone_pages = Times::Next(2);
            });
            server.restart();
        },
    ),
];

#[test]
fn a_broken_api_server_takes_no_name_away() {
    let (cluster, programs) = start("");
    let server = stand_in(&cluster);
    let prober = Prober::start(programs.server.dns, NAMES);
    let object = |number: usize| {
        let address = format!("10.20.9.{number}");
        service(&format!("prod/turn{number}"), &[&address], &[])
    };
    let name = |number: usize| format!("turn{number}.prod.svc.cluster.local.");
    cluster.apply(&object(0));
    programs.wait_answers(&name(0), "A", &["10.20.9.0"]);
    for (number, (_what, break_it, mend)) in BREAKS.iter().enumerate() {
        break_it(server);
        cluster.delete(&object(number));
        cluster.apply(&object(number + 1));
        mend(server);
        let wanted = format!("10.20.9.{}", number + 1);
        programs.wait_answers(&name(number + 1), "A", &[&wanted]);
        programs.wait_gone(&name(number));
    }
    let pages = server.requests_with(&["/services", "continue="]);
    assert!(pages > 0, "no list was paged");
    prober.expect_all_right(2000);
    assert!(programs.plane.count("lists_total", "Service") > 2.0);
}

#[test]
fn what_a_silent_watch_missed_is_found_by_the_next_list() {
    let (cluster, programs) = start("relist_s = 2");
    stand_in(&cluster).faults(|faults| faults.frozen = true);
    // A watch that is open already tells nothing either: only a list shows the change.
    cluster.apply(&service("prod/late", &["10.20.9.9"], &[]));
    stand_in(&cluster).faults(|faults| faults.frozen = false);
    programs.wait_answers("late.prod.svc.cluster.local.", "A", &["10.20.9.9"]);
}

#[test]
fn a_token_that_changed_is_read_again() {
    let cluster = Cluster::StandIn(StandIn::start());
    cluster.apply(&namespace("prod"));
    let server = stand_in(&cluster);
    let token = Some(super::stand_in::TOKEN.to_owned());
    server.faults(|faults| faults.token = Some("another".into()));
    let mut plane = ControlPlane::start(&cluster, crate::harness::etcd::Etcd::free_address(), "");
    let refused = poll(Duration::from_secs(20), || {
        (plane.count("watch_failures_total", "Service") > 0.0).then_some(())
    });
    assert!(refused.is_some(), "{}", plane.log());
    assert!(plane.process.exited().is_none(), "401 ends nothing");
    server.faults(|faults| faults.token = token);
    let listed = poll(Duration::from_secs(20), || {
        (plane.count("lists_total", "Service") > 0.0).then_some(())
    });
    assert!(listed.is_some(), "{}", plane.log());
    assert!(!plane.is_ready(), "the store was never read");
}

#[test]
fn killed_in_the_middle_of_a_publish_it_ends_what_it_began() {
    let (cluster, mut programs) = start(SLOWLY);
    let prober = Prober::start(programs.server.dns, NAMES);
    let new = |number: u32| {
        let address = numbered_address(NAMES + number);
        service(&format!("prod/new{number}"), &[&address], &[])
    };
    for round in 0..3 {
        let before = programs.plane.count("writes_total", "committed");
        for number in 500 * round..500 * (round + 1) {
            cluster.apply(&new(number));
        }
        let some = poll(Duration::from_secs(20), || {
            let written = programs.plane.count("writes_total", "committed") - before;
            (written > 100.0).then_some(())
        });
        assert!(some.is_some(), "{}", programs.plane.log());
        programs.plane.process.kill();
        // While nobody watches: one goes, and the store forgets its past.
        cluster.delete(&new(500 * round));
        let revision = programs.etcd.put("/elsewhere", "");
        programs.etcd.compact(revision);
        programs.plane = ControlPlane::start(
            &cluster,
            programs.etcd.client(),
            &format!("{OPEN_ZONE}\n{SLOWLY}"),
        );
    }
    programs.plane.wait_ready();
    let missing = || {
        (0..1500u32).find(|number| {
            let name = format!("new{number}.prod.svc.cluster.local.");
            let wanted = match number % 500 {
                0 => Vec::new(),
                _ => vec![numbered_address(NAMES + number)],
            };
            programs.answers(&name, "A") != wanted
        })
    };
    let equal = poll(Duration::from_secs(60), || {
        missing().is_none().then_some(())
    });
    assert!(equal.is_some(), "{:?}\n{}", missing(), programs.plane.log());
    prober.expect_all_right(2000);
}
