//! Connections: how many, how long, and that nobody waits for a slow one.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::{Connection, request};
use crate::server::{API, Api, ROOT};

/// Connections at once: what the documents say.
const CONNECTIONS_MAX: usize = 256;

fn hold(api: &Api) -> Connection {
    let mut connection = api.connect();
    ask(&mut connection);
    connection
}

fn ask(connection: &mut Connection) {
    let text = request("GET", &format!("{API}?limit=1"), ROOT, "");
    connection.send(text.as_bytes()).expect("send");
    connection.answer().expect("an answer").expect(200);
}

#[test]
fn one_connection_carries_many_requests() {
    let api = Api::embedded();
    let mut connection = hold(&api);
    for _ in 0..500 {
        ask(&mut connection);
    }
    // Failures too, and several at once are answered in order.
    let path = format!("{API}/nothere.a.test");
    let both = request("GET", &path, ROOT, "") + &request("GET", "/healthz", "", "");
    connection.send(both.as_bytes()).expect("send");
    connection.answer().expect("an answer").expect(404);
    connection.answer().expect("an answer").expect(200);
    ask(&mut connection);
}

#[test]
fn a_connection_beyond_the_limit_waits_for_one_to_end() {
    let api = Api::embedded();
    let mut held: Vec<Connection> = (0..CONNECTIONS_MAX).map(|_| hold(&api)).collect();
    let mut late = TcpStream::connect(api.address).expect("the queue of the kernel takes it");
    late.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")
        .expect("send");
    late.set_read_timeout(Some(Duration::from_millis(300)))
        .expect("set");
    let silent = late.read(&mut [0; 64]).expect_err("it must wait");
    assert!(
        matches!(silent.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{silent}"
    );
    // Those that have a place are served meanwhile.
    ask(&mut held[100]);
    drop(held.pop());
    late.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    let mut text = String::new();
    late.read_to_string(&mut text).expect("an answer");
    assert!(text.starts_with("HTTP/1.0 200"), "{text}");
}

#[test]
fn slow_heads_and_idle_connections_end_and_hinder_nobody() {
    let api = Api::embedded();
    let mut slow: Vec<Connection> = (0..100).map(|_| api.connect()).collect();
    for connection in &mut slow {
        connection.send(b"GET /containerdns/api HTT").expect("send");
    }
    let mut idle = hold(&api);
    let mut busy = hold(&api);
    for _ in 0..100 {
        ask(&mut busy);
    }
    // The client gives up after 30 s: the server must be first.
    for connection in &mut slow {
        if let Ok(answer) = connection.answer() {
            answer.expect(408);
        }
        assert!(connection.is_closed());
    }
    assert!(idle.is_closed());
    api.get("").expect(200);
}
