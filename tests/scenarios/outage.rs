//! The store goes away, hangs, loses events or everything: answers stay as they were until a
//! complete list or a delete event says otherwise.

use std::time::{Duration, Instant};

use crate::harness::etcd::Etcd;
use crate::harness::exchange::ask_udp;
use crate::harness::fixture::{
    bundle, bundle_key, numbered_address, numbered_name, numbered_names,
};
use crate::harness::poll;
use crate::harness::prober::Prober;
use crate::harness::proxy::Proxy;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::{Server, Settings};

/// From the store's return to the first change seen.
const RESYNC_LIMIT: Duration = Duration::from_secs(5);
/// What the prober must have asked in every second of an outage, on a slow machine.
const RATE_MIN: u64 = 500;

fn ask(server: &Server, name: &str) -> Reply {
    let octets = ask_udp(server.dns, &Query::new(name, "A").with_edns().encode());
    Reply::decode(&octets.expect("a reply")).expect("a good reply")
}

fn answers(server: &Server, name: &str) -> Vec<String> {
    ask(server, name).answers_of(1)
}

/// Puts a new address and waits until it is answered.
fn expect_change_seen(etcd: &Etcd, server: &Server, address: &str, limit: Duration) {
    let (key, value) = bundle("marker", &[("marker.t.test.", 30, "A", address)]);
    etcd.put(&key, &value);
    let seen = poll(limit, || {
        (answers(server, "marker.t.test.") == [address]).then_some(())
    });
    assert!(
        seen.is_some(),
        "{address} is not answered {limit:?} after it was put\n{}",
        server.process.output_tail()
    );
}

fn expect_gone(server: &Server, names: impl Iterator<Item = u32>, limit: Duration) {
    let start = Instant::now();
    for number in names {
        let left = limit.saturating_sub(start.elapsed());
        let name = numbered_name(number);
        let gone = poll(left, || (ask(server, &name).rcode() == 3).then_some(()));
        assert!(
            gone.is_some(),
            "{name} is still answered after {limit:?}\n{}",
            server.process.output_tail()
        );
    }
}

#[test]
fn store_down_at_boot() {
    let address = Etcd::free_address();
    let mut server = Server::start_without_waiting(&Settings::new(address));
    let reply = ask(&server, "one.t.test.");
    assert_eq!(
        (reply.rcode(), reply.option(15).map(|ede| ede[..2].to_vec())),
        (2, Some(vec![0, 14]))
    );
    assert!(!server.is_ready(), "ready without a store");
    assert_eq!(ask(&server, "example.com.").rcode(), 5);

    let etcd = Etcd::start_without_waiting(address);
    etcd.wait_healthy();
    server.wait_ready(Duration::from_secs(6));
    expect_change_seen(&etcd, &server, "192.0.2.1", RESYNC_LIMIT);
}

#[test]
fn store_down_at_boot_with_a_snapshot() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("snapshot");
    let mut etcd = Etcd::start();
    etcd.put_all(&numbered_names(50));
    let mut settings = Settings::new(etcd.client());
    settings.snapshot = Some(file.clone());
    let server = Server::start(&settings);
    let written = poll(Duration::from_secs(20), || {
        (server.metrics().sum("containerdns_sync_snapshots_total") > 0.0).then_some(())
    });
    assert!(
        written.is_some() && file.exists(),
        "no snapshot\n{}",
        server.process.output_tail()
    );
    drop(server);
    etcd.kill();

    let start = Instant::now();
    let server = Server::start(&settings);
    let waited = start.elapsed();
    assert!(
        waited < Duration::from_secs(5),
        "a snapshot is served at once, not in {waited:?}"
    );
    for number in 0..50 {
        assert_eq!(
            answers(&server, &numbered_name(number)),
            [numbered_address(number)]
        );
    }
    etcd.restart();
    expect_change_seen(&etcd, &server, "192.0.2.2", Duration::from_secs(10));
}

/// Half a snapshot is none: the server waits for the store as without it.
#[test]
fn a_damaged_snapshot_is_not_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(200));
    let mut settings = Settings::new(etcd.client());
    settings.snapshot = Some(folder.path().join("snapshot"));
    let server = Server::start(&settings);
    let written = poll(Duration::from_secs(20), || {
        (server.metrics().sum("containerdns_sync_snapshots_total") > 0.0).then_some(())
    });
    assert!(
        written.is_some(),
        "no snapshot\n{}",
        server.process.output_tail()
    );
    drop(server);
    let file = folder.path().join("snapshot");
    let whole = std::fs::read(&file).expect("the snapshot");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    for damaged in [
        &whole[..whole.len() / 2],
        &flipped,
        b"",
        b"not a snapshot at all",
    ] {
        std::fs::write(&file, damaged).expect("write the damaged snapshot");
        settings.etcd = Etcd::free_address();
        let server = Server::start_without_waiting(&settings);
        let told = poll(Duration::from_secs(5), || {
            server.process.output().contains("snapshot").then_some(())
        });
        assert!(told.is_some(), "the log names the damaged file");
        assert!(
            !server.is_ready(),
            "ready from {} damaged octets",
            damaged.len()
        );
        assert_eq!(ask(&server, &numbered_name(7)).rcode(), 2);
    }
}

#[test]
fn store_killed_under_load() {
    let mut etcd = Etcd::start();
    etcd.put_all(&numbered_names(1000));
    let server = Server::start(&Settings::new(etcd.client()));
    let prober = Prober::start(server.dns, 1000);
    expect_change_seen(&etcd, &server, "192.0.2.1", RESYNC_LIMIT);
    etcd.kill();
    let stale = poll(Duration::from_secs(10), || {
        let age = server.metrics().sum("containerdns_sync_staleness_seconds");
        (age > 4.0).then_some(())
    });
    assert!(
        stale.is_some(),
        "the staleness does not rise while the store is away"
    );
    assert!(
        server.is_ready(),
        "readiness must not depend on the store once it has been there"
    );
    etcd.restart();
    expect_change_seen(&etcd, &server, "192.0.2.2", RESYNC_LIMIT);
    prober.expect_all_right(4 * RATE_MIN);
}

#[test]
fn store_hangs_under_load() {
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(1000));
    let server = Server::start(&Settings::new(etcd.client()));
    let prober = Prober::start(server.dns, 1000);
    expect_change_seen(&etcd, &server, "192.0.2.1", RESYNC_LIMIT);
    etcd.hang();
    let start = Instant::now();
    let noticed = poll(Duration::from_secs(16), || {
        let age = server.metrics().sum("containerdns_sync_staleness_seconds");
        (age > 0.0).then_some(())
    });
    let waited = start.elapsed();
    std::thread::sleep(Duration::from_secs(20).saturating_sub(waited));
    let lines = server.process.output().lines().count();
    etcd.resume();
    assert!(
        noticed.is_some(),
        "a hung store is to be noticed within 15 s"
    );
    assert!(
        server.is_ready(),
        "readiness must not depend on the store once it has been there"
    );
    expect_change_seen(&etcd, &server, "192.0.2.2", RESYNC_LIMIT);
    prober.expect_all_right(20 * RATE_MIN);
    assert!(
        lines < 30,
        "the log is not to repeat itself: {}",
        server.process.output_tail()
    );
}

/// Each member of a cluster is killed once, the leader among them: changes go on being seen.
#[test]
fn every_member_of_a_cluster_is_killed_once() {
    let mut cluster = Etcd::start_cluster();
    cluster[0].put_all(&numbered_names(1000));
    let mut settings = Settings::new(cluster[0].client());
    settings.more_etcd = vec![cluster[1].client(), cluster[2].client()];
    let server = Server::start(&settings);
    let prober = Prober::start(server.dns, 1000);
    let mut leaders = 0;
    for number in 0..3 {
        leaders += u32::from(cluster[number].leads());
        cluster[number].kill();
        let other = &cluster[(number + 1) % 3];
        // The others have to elect a leader first.
        other.wait_healthy();
        let address = format!("192.0.2.{number}");
        expect_change_seen(other, &server, &address, RESYNC_LIMIT);
        cluster[number].restart();
    }
    assert!(leaders > 0, "no leader was killed");
    prober.expect_all_right(RATE_MIN);
}

#[test]
fn compaction_while_the_watch_is_cut() {
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(2000));
    let proxy = Proxy::start(etcd.client());
    let server = Server::start(&Settings::new(proxy.address()));
    let prober = Prober::start(server.dns, 1000);
    expect_change_seen(&etcd, &server, "192.0.2.1", RESYNC_LIMIT);

    proxy.cut();
    change_delete_compact(&etcd);
    assert_eq!(
        answers(&server, &numbered_name(1500)),
        [numbered_address(1500)],
        "fail static"
    );
    proxy.release();
    expect_gone(&server, 1000..2000, RESYNC_LIMIT);
    expect_change_seen(&etcd, &server, "192.0.2.2", RESYNC_LIMIT);
    prober.expect_all_right(RATE_MIN);
}

/// What was on the way arrives late, or the watch is cancelled by the compaction: the same end.
#[test]
fn compaction_while_the_watch_is_held() {
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(2000));
    let proxy = Proxy::start(etcd.client());
    let server = Server::start(&Settings::new(proxy.address()));
    let prober = Prober::start(server.dns, 1000);
    expect_change_seen(&etcd, &server, "192.0.2.1", RESYNC_LIMIT);

    proxy.hold();
    change_delete_compact(&etcd);
    assert_eq!(
        answers(&server, &numbered_name(1500)),
        [numbered_address(1500)],
        "fail static"
    );
    proxy.release();
    expect_gone(&server, 1000..2000, RESYNC_LIMIT);
    expect_change_seen(&etcd, &server, "192.0.2.2", RESYNC_LIMIT);
    prober.expect_all_right(RATE_MIN);
}

/// Writes thousands of revisions, deletes numbers 1,000 to 1,999, forgets all history.
fn change_delete_compact(etcd: &Etcd) {
    for round in 0..3 {
        let churn: Vec<_> = (0..1000_u32)
            .map(|number| {
                let name = format!("churn{number}.t.test.");
                let address = numbered_address(round * 1000 + number);
                bundle(&format!("churn{number}"), &[(&name, 30, "A", &address)])
            })
            .collect();
        etcd.put_all(&churn);
    }
    let keys: Vec<String> = (1000..2000)
        .map(|number| bundle_key(&format!("n{number}")))
        .collect();
    etcd.compact(etcd.delete_all(&keys));
}

/// Deleted at revision R, compacted at R, watched from R: etcd 3.4.23 loses the event without a
/// word. A list heals that, the one after a lost watch or the periodic one.
#[test]
fn an_event_that_the_store_loses_is_healed_by_a_list() {
    let etcd = Etcd::start();
    etcd.put_all(&numbered_names(200));
    let proxy = Proxy::start(etcd.client());
    let mut settings = Settings::new(proxy.address());
    settings.relist_s = 5;
    let server = Server::start(&settings);
    expect_change_seen(&etcd, &server, "192.0.2.1", RESYNC_LIMIT);

    proxy.cut();
    let revision = etcd.delete_all(&[bundle_key("n7")]);
    etcd.compact(revision);
    assert_eq!(
        answers(&server, &numbered_name(7)),
        [numbered_address(7)],
        "fail static"
    );
    proxy.release();
    expect_gone(&server, 7..8, Duration::from_secs(12));
    assert_eq!(answers(&server, &numbered_name(8)), [numbered_address(8)]);
    expect_change_seen(&etcd, &server, "192.0.2.2", RESYNC_LIMIT);
}

/// Everything is gone: names stay, an alarm rises, and only a second list half a minute later
/// that agrees removes them.
#[test]
fn a_wiped_store_does_not_empty_the_zones_at_once() {
    let mut etcd = Etcd::start();
    etcd.put_all(&numbered_names(300));
    let mut settings = Settings::new(etcd.client());
    settings.relist_s = 5;
    let server = Server::start(&settings);
    let prober = Prober::start(server.dns, 300);
    etcd.restart_empty();
    let alarm = poll(Duration::from_secs(15), || {
        (server.metrics().sum("containerdns_sync_list_held") > 0.0).then_some(())
    });
    assert!(
        alarm.is_some(),
        "no alarm for a wiped store\n{}",
        server.process.output_tail()
    );
    let held = Instant::now();
    std::thread::sleep(Duration::from_secs(20));
    prober.expect_all_right(20 * RATE_MIN);
    assert!(
        server.is_ready(),
        "holding on to names is no reason to be not ready"
    );

    let left = Duration::from_secs(45).saturating_sub(held.elapsed());
    expect_gone(&server, 0..300, left);
    assert!(
        server
            .metrics()
            .sum("containerdns_sync_store_replacements_total")
            > 0.0
    );
    let settled = poll(Duration::from_secs(5), || {
        (server.metrics().sum("containerdns_sync_list_held") == 0.0).then_some(())
    });
    assert!(
        settled.is_some(),
        "the alarm stays although the list has been believed"
    );
}
