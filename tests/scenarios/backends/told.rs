//! People are told of changes: a webhook that is posted to, with silence after each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

use super::programs::{BackendSocket, FAST, Prober, SEEN_LIMIT, address, status_key};
use crate::harness::etcd::Etcd;
use crate::harness::ports::free_port;

/// A receiver of alerts: each body with the time it came.
fn receiver() -> (SocketAddr, mpsc::Receiver<(Instant, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let (sender, alerts) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut request, mut part) = (String::new(), [0; 4096]);
            // The body is one JSON object and ends the request.
            let body = loop {
                let length = stream.read(&mut part).expect("a request");
                request += &String::from_utf8_lossy(&part[..length]);
                let body = request.split_once("\r\n\r\n").map(|(_, body)| body);
                if let Some(Ok(body)) = body.map(serde_json::from_str) {
                    break body;
                }
            };
            assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            stream.write_all(answer).expect("an answer");
            if sender.send((Instant::now(), body)).is_err() {
                return;
            }
        }
    });
    (at, alerts)
}

#[test]
fn a_change_is_told_at_once_and_the_next_after_the_silence() {
    let etcd = Etcd::start();
    let (hook, alerts) = receiver();
    let port = free_port();
    let at = SocketAddr::from((address(1), port));
    let backend = BackendSocket::start(at);
    let value = r#"{"status":"UP","domains":["www.t.test."]}"#;
    etcd.put(&status_key(address(1)), value);
    let lines = format!(
        "{FAST}\nports = [{port}]\nwebhook = {{ url = \"http://{hook}/hook\", silence_s = 3 }}"
    );
    let prober = Prober::start(etcd.client(), "p1", &lines);
    prober.wait_probes(3);
    drop(backend);
    let next = || alerts.recv_timeout(SEEN_LIMIT).expect("an alert");
    let (told, alert) = next();
    let text = |alert: &Value, key: &str| alert[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(text(&alert, "address"), address(1).to_string());
    assert_eq!(
        (text(&alert, "status"), text(&alert, "reason")),
        ("DOWN".into(), "refused".into())
    );
    assert_eq!(
        (&alert["names"][0], &alert["prober"]),
        (&"www.t.test.".into(), &"p1".into())
    );
    // It comes back at once, and that is told when the silence is over.
    let _backend = BackendSocket::start(at);
    let (told_again, alert) = next();
    assert_eq!(text(&alert, "status"), "UP");
    assert!(
        (told_again - told).as_millis() > 2_900,
        "{:?}",
        told_again - told
    );
    assert!(prober.count("alerts_total", "sent") > 1.5);
}
