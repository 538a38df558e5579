//! Each switch of the stand-in, as a client sees it.

use std::thread;
use std::time::Duration;

use crate::client::service;
use crate::exchange::Exchange;
use crate::stand_in::{StandIn, Streaming, Times};
use crate::wait_until;

const STREAM: &str = "/api/v1/services?watch=true&allowWatchBookmarks=true&timeoutSeconds=1\
                      &sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

/// One with four Services.
fn with_services() -> StandIn {
    let stand_in = StandIn::start();
    for name in ["a", "b", "c", "d"] {
        stand_in.apply(service("shop", name, "1"));
    }
    stand_in
}

fn ask(stand_in: &StandIn, path: &str) -> Exchange {
    Exchange::ask(stand_in.address(), "GET", path, "")
}

fn status(stand_in: &StandIn, path: &str) -> String {
    ask(stand_in, path).status.replace("HTTP/1.1 ", "")
}

/// The path of the second page.
fn second_page(stand_in: &StandIn) -> String {
    let first = ask(stand_in, "/api/v1/services?limit=2").object();
    let token = first["metadata"]["continue"].as_str().expect("a token");
    format!("/api/v1/services?limit=2&continue={token}")
}

#[test]
fn forbidden_as_often_as_said() {
    let stand_in = with_services();
    stand_in.faults(|faults| faults.forbid = Times::Next(2));
    let path = "/api/v1/namespaces/shop/services/a";
    let refused = ask(&stand_in, path).object();
    let message = "services \"a\" is forbidden: User \"dns\" cannot get resource \"services\" \
                   in API group \"\" in the namespace \"shop\"";
    assert_eq!(refused["message"], message);
    assert_eq!(status(&stand_in, "/version"), "403 Forbidden");
    assert_eq!(status(&stand_in, path), "200 OK");
    assert_eq!(stand_in.requests()[&format!("GET {path}")], 2);
}

#[test]
fn unauthorized_without_the_token() {
    let stand_in = with_services();
    stand_in.faults(|faults| faults.token = Some("new".to_owned()));
    assert_eq!(status(&stand_in, "/api/v1/services"), "401 Unauthorized");
    for (token, expected) in [("old", "401 Unauthorized"), ("new", "200 OK")] {
        let header = format!("Authorization: Bearer {token}\r\n");
        let answer = Exchange::ask(stand_in.address(), "GET", "/api/v1/services", &header);
        assert!(answer.status.ends_with(expected), "{token}");
    }
}

#[test]
fn watches_and_pages_are_gone_as_often_as_said() {
    let stand_in = with_services();
    stand_in.faults(|faults| {
        faults.gone_watches = Times::Next(1);
        faults.gone_pages = Times::Next(1);
    });
    assert_eq!(status(&stand_in, STREAM), "410 Gone");
    assert_eq!(status(&stand_in, STREAM), "200 OK");
    let second = second_page(&stand_in);
    assert_eq!(status(&stand_in, &second), "410 Gone");
    assert_eq!(status(&stand_in, &second), "200 OK");
}

#[test]
fn lists_are_cut_in_the_middle() {
    let stand_in = with_services();
    stand_in.faults(|faults| {
        faults.cut_pages = Times::Next(1);
        faults.cut_streams = Times::Next(1);
    });
    let second = second_page(&stand_in);
    let cut = ask(&stand_in, &second);
    assert!(!cut.complete && cut.body().contains("\"items\""));
    assert!(ask(&stand_in, &second).complete);
    let cut = ask(&stand_in, STREAM);
    assert_eq!((cut.events().len(), cut.complete), (2, false));
    let whole = ask(&stand_in, STREAM);
    assert_eq!((whole.events().len(), whole.complete), (5, true));
}

#[test]
fn streamed_lists_are_unknown_or_refused() {
    let stand_in = with_services();
    stand_in.faults(|faults| faults.streaming = Streaming::Ignored);
    let answer = ask(&stand_in, STREAM);
    assert_eq!(answer.events().len(), 4);
    assert!(answer.complete && !answer.body().contains("BOOKMARK"));
    stand_in.faults(|faults| faults.streaming = Streaming::Refused);
    assert_eq!(status(&stand_in, STREAM), "422 Unprocessable Entity");
    stand_in.faults(|faults| faults.streaming = Streaming::Served);
    assert!(ask(&stand_in, STREAM).body().contains("initial-events-end"));
}

#[test]
fn frozen_watches_say_nothing_until_released() {
    let stand_in = with_services();
    let path = format!(
        "/api/v1/services?watch=true&resourceVersion={}",
        stand_in.revision()
    );
    let timed = format!("{path}&timeoutSeconds=1");
    let address = stand_in.address();
    let watch = move |path: String| move || Exchange::ask(address, "GET", &path, "");
    let before = thread::spawn(watch(timed));
    wait_until("the first watch runs", || stand_in.watches() == 1);
    stand_in.faults(|faults| faults.frozen = true);
    let during = thread::spawn(watch(path));
    wait_until("both watches run", || stand_in.watches() == 2);
    stand_in.apply(service("shop", "e", "1"));
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(stand_in.watches(), 2, "not even the end is told");
    stand_in.faults(|faults| faults.frozen = false);
    let told = [format!("ADDED e {}", stand_in.revision())];
    let before = before.join().expect("an answer");
    assert_eq!(before.events(), told);
    stand_in.close_watches();
    let during = during.join().expect("an answer");
    assert_eq!((during.events(), during.complete), (told.to_vec(), true));
}

#[test]
fn a_stop_cuts_and_a_restart_keeps_objects_and_port() {
    let stand_in = with_services();
    let address = stand_in.address();
    let watch =
        thread::spawn(move || Exchange::ask(address, "GET", "/api/v1/services?watch=true", ""));
    wait_until("the watch runs", || stand_in.watches() == 1);
    stand_in.stop();
    assert!(!watch.join().expect("an answer").complete);
    assert_eq!(stand_in.watches(), 0);
    assert!(std::net::TcpStream::connect(address).is_err());
    stand_in.restart();
    let list = ask(&stand_in, "/api/v1/services").object();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(4));
}
