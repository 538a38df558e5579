//! Watches beyond the recordings: bookmarks, versions, how they end.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::{service, slice};
use crate::exchange::Exchange;
use crate::stand_in::StandIn;
use crate::wait_until;

/// A watch in a thread of its own, once it runs; it gives its answer when it is over.
fn watch(stand_in: &StandIn, path_and_query: &str) -> JoinHandle<Exchange> {
    let address = stand_in.address();
    let path = format!("{path_and_query}&watch=true");
    let running = stand_in.watches();
    let watch = thread::spawn(move || Exchange::ask(address, "GET", &path, ""));
    wait_until("the watch runs", || stand_in.watches() == running + 1);
    watch
}

fn ended(watch: JoinHandle<Exchange>) -> Exchange {
    watch.join().expect("an answer")
}

#[test]
fn what_was_missed_is_told_and_then_what_happens() {
    let stand_in = StandIn::start();
    stand_in.apply(service("shop", "a", "1"));
    let start = stand_in.revision();
    stand_in.apply(service("shop", "b", "1"));
    let all = watch(
        &stand_in,
        &format!("/api/v1/services?resourceVersion={start}"),
    );
    let path = format!("/api/v1/namespaces/other/services?resourceVersion={start}");
    let other = watch(&stand_in, &path);
    stand_in.apply(slice("shop", "a", "10.1.2.3"));
    stand_in.delete("Service", "shop", "a");
    // The same again is no change.
    stand_in.apply(service("shop", "b", "1"));
    stand_in.close_watches();
    let all = ended(all);
    let told = [
        format!("ADDED b {}", start + 1),
        format!("DELETED a {}", start + 3),
    ];
    assert_eq!(all.events(), told);
    assert!(all.complete);
    assert!(ended(other).events().is_empty());
    wait_until("no watch runs", || stand_in.watches() == 0);
}

#[test]
fn bookmarks_come_at_their_interval_with_the_version_of_all_kinds() {
    let stand_in = StandIn::start();
    stand_in.faults(|faults| faults.bookmark_interval = Duration::from_millis(50));
    let query = "allowWatchBookmarks=true&resourceVersion=";
    let path = format!("/api/v1/services?{query}{}", stand_in.revision());
    let with = watch(&stand_in, &path);
    let without = watch(&stand_in, &path.replace("allow", "allowNo"));
    let future = watch(&stand_in, &format!("/api/v1/services?{query}999999"));
    stand_in.apply(slice("shop", "a", "10.1.2.3"));
    let revision = stand_in.revision();
    thread::sleep(Duration::from_millis(500));
    stand_in.close_watches();
    let with = ended(with).events();
    let bookmark = format!("BOOKMARK  {revision}");
    assert!(
        with.iter().filter(|event| **event == bookmark).count() >= 2,
        "{with:?}"
    );
    assert!(ended(without).events().is_empty());
    assert!(ended(future).events().is_empty());
}

#[test]
fn a_version_that_comes_in_time_is_waited_for() {
    let stand_in = StandIn::start();
    stand_in.faults(|faults| faults.version_wait = Duration::from_secs(60));
    let next = stand_in.revision() + 1;
    let query = format!("resourceVersionMatch=NotOlderThan&resourceVersion={next}");
    let stream = "sendInitialEvents=true&allowWatchBookmarks=true";
    let streamed = watch(&stand_in, &format!("/api/v1/services?{query}&{stream}"));
    let address = stand_in.address();
    let list = thread::spawn(move || {
        Exchange::ask(address, "GET", &format!("/api/v1/services?{query}"), "")
    });
    wait_until("both are asked", || stand_in.requests().len() == 2);
    stand_in.apply(service("shop", "a", "1"));
    assert_eq!(ended(list).status, "HTTP/1.1 200 OK");
    stand_in.close_watches();
    let told = ended(streamed).events();
    assert_eq!(
        told,
        [format!("ADDED a {next}"), format!("BOOKMARK  {next}")]
    );
}

#[test]
fn a_watch_from_before_compaction_is_expired_and_a_running_one_is_not() {
    let stand_in = StandIn::start();
    let start = stand_in.revision();
    let path = format!("/api/v1/services?resourceVersion={start}");
    let running = watch(&stand_in, &path);
    stand_in.apply(service("shop", "a", "1"));
    stand_in.compact();
    let expired = Exchange::ask(stand_in.address(), "GET", &format!("{path}&watch=1"), "");
    assert_eq!(expired.status, "HTTP/1.1 200 OK");
    assert!(expired.complete && expired.body().contains("\"code\":410"));
    stand_in.apply(service("shop", "b", "1"));
    stand_in.close_watches();
    assert_eq!(ended(running).events().len(), 2);
}

#[test]
fn a_restored_server_is_silent_to_watches_from_its_future() {
    let stand_in = StandIn::start();
    let kept = stand_in.apply(service("shop", "a", "1"));
    let backup = stand_in.revision();
    stand_in.apply(service("shop", "b", "1"));
    let later = stand_in.revision();
    let cut = watch(
        &stand_in,
        &format!("/api/v1/services?resourceVersion={later}"),
    );
    stand_in.restore(vec![kept], backup);
    assert!(!ended(cut).complete);
    let silent = watch(
        &stand_in,
        &format!("/api/v1/services?resourceVersion={later}"),
    );
    stand_in.delete("Service", "shop", "a");
    stand_in.close_watches();
    let silent = ended(silent);
    assert!(silent.events().is_empty() && silent.complete);
}

#[test]
fn a_client_that_leaves_ends_its_watch() {
    let stand_in = StandIn::start();
    let stream = std::net::TcpStream::connect(stand_in.address()).expect("connect");
    let request = "GET /api/v1/services?watch=true HTTP/1.1\r\nHost: x\r\n\r\n";
    std::io::Write::write_all(&mut &stream, request.as_bytes()).expect("send");
    wait_until("the watch runs", || stand_in.watches() == 1);
    drop(stream);
    wait_until("the watch is over", || stand_in.watches() == 0);
}
