//! Requests that must fail: each with its status and its whole answer, and none of them changes
//! anything. Those that are ordinary HTTP stand in `bad_requests.txt`; here are the others.

use std::time::{Duration, Instant};

use expect_test::expect_file;

use crate::client::request;
use crate::server::{API, Api, ROOT};
use crate::transcript::{self, Stage};

/// What there is before the first bad request.
fn prepared() -> Api {
    let api = Api::embedded();
    for (path, body) in [
        ("/www.a.test", r#"{"type":"A","ips":["10.0.0.1"]}"#),
        ("/www.a.test", r#"{"type":"CNAME","alias":"alias"}"#),
        (
            "/hers.a.test",
            r#"{"type":"TXT","text":"x","user":"alice"}"#,
        ),
        (
            "/srv.a.test",
            r#"{"type":"SRV","ips":["10.0.0.1"],"ports":[80]}"#,
        ),
        ("/six.a.test", r#"{"type":"AAAA","ips":["fd00::1"]}"#),
    ] {
        api.write("POST", path, body).expect(200);
    }
    api
}

#[test]
fn every_bad_request_is_told_what_is_wrong_and_changes_nothing() {
    let api = prepared();
    let before = api.get("").expect(200).body;
    let stage = Stage {
        api: &api,
        etcd: None,
    };
    let text = include_str!("bad_requests.txt");
    transcript::check(&stage, text, &expect_file!["bad_requests.txt"]);
    assert_eq!(api.get("").expect(200).body, before);
    let audit = std::fs::read_to_string(api.folder.path().join("audit.jsonl"));
    assert_eq!(audit.expect("the audit file").lines().count(), 5);
}

#[test]
fn sizes_are_bounded() {
    let api = Api::embedded();
    let large = format!(r#"{{"type":"TXT","text":"{}"}}"#, "x".repeat(2 << 20));
    let answer = api.write("POST", "/www.a.test", &large).expect(413);
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "error": "the body is larger than 1048576 octets; send less at a time",
            "field": "body",
        })
    );
    let most = format!(
        r#"{{"type":"TXT","text":"x"{}}}"#,
        " ".repeat((1 << 20) - 25)
    );
    assert_eq!(most.len(), 1 << 20);
    api.write("POST", "/most.a.test", &most).expect(200);

    let head = format!("GET {API} HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20 << 10));
    assert_eq!(api.raw(head.as_bytes()).expect("an answer").status, 431);
    let head = format!("GET {API} HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(api.raw(head.as_bytes()).expect("an answer").status, 431);
    api.get("/most.a.test").expect(200);
}

#[test]
fn what_is_no_http_is_refused_and_harms_nobody() {
    let api = Api::embedded();
    for octets in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /containerdns/api HTTP/9.9\r\n\r\n",
        b"GET /containerdns/api/\xff\xfe.a.test HTTP/1.1\r\n\r\n",
        b"POST /containerdns/api HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /containerdns/api HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[]",
    ] {
        let mut connection = api.connect();
        connection.send(octets).expect("send");
        let status = connection.answer().map(|answer| answer.status);
        let refused = status
            .as_ref()
            .is_ok_and(|status| (400..500).contains(status));
        assert!(refused || status.is_err(), "{octets:?}: {status:?}");
        api.get("").expect(200);
    }
}

#[test]
fn a_slow_body_is_given_up_after_five_seconds() {
    let api = Api::embedded();
    let started = Instant::now();
    let mut connection = api.connect();
    let head = request("POST", &format!("{API}/www.a.test"), ROOT, &" ".repeat(100));
    connection
        .send(&head.as_bytes()[..head.len() - 50])
        .expect("send");
    // Others are served meanwhile.
    api.write("POST", "/www.a.test", r#"{"type":"A","ips":["10.0.0.1"]}"#)
        .expect(200);
    let answer = connection.answer().expect("an answer").expect(408);
    let took = started.elapsed();
    assert_eq!(answer.json()["field"], "body");
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
    assert!(
        connection.is_closed(),
        "the rest would be taken for a request"
    );
}

/// A request that fails before its body is read leaves nothing behind for the next one.
#[test]
fn an_unread_body_is_not_the_next_request() {
    let api = Api::embedded();
    let body = format!("GET {API} HTTP/1.1\r\n\r\n").repeat(3000);
    let mut connection = api.connect();
    let text = request("POST", &format!("{API}/www.a.test"), "wrong", &body);
    connection.send(text.as_bytes()).expect("send");
    connection.answer().expect("an answer").expect(401);
    let next = request("GET", API, ROOT, "");
    // Closed, or the next request's answer: nothing in between.
    if connection.send(next.as_bytes()).is_ok()
        && let Ok(answer) = connection.answer()
    {
        assert_eq!((answer.status, answer.body.trim()), (200, "{}"));
    }
}
