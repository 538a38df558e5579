//! Names changed by the REST API of `containerdns standalone`, and asked for by DNS: what the API
//! said was done is answered, also after `kill -9`.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::dig::{dig, dig_short};
use crate::harness::etcd::Etcd;
use crate::harness::exchange::ask_udp;
use crate::harness::http::Response;
use crate::harness::process::Process;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::PROGRAM;
use crate::harness::{http, poll};

const READY_LIMIT: Duration = Duration::from_secs(30);
/// A change is answered by every core within this.
const SEEN_LIMIT: Duration = Duration::from_secs(5);
/// How often the server is killed.
const KILLS: usize = 10;
/// Writes between two kills at least.
const WRITES: usize = 100;

/// A folder with all that a server keeps, and the ports it has at every start.
struct Place {
    folder: TempDir,
    dns: SocketAddr,
    api: SocketAddr,
    admin: SocketAddr,
}

impl Place {
    fn new() -> Place {
        let [dns, api, admin] = [(); 3].map(|()| Etcd::free_address());
        Place {
            folder: tempfile::tempdir().expect("a temporary folder"),
            dns,
            api,
            admin,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server and waits until it is ready.
    fn start(&self) -> Process {
        let [dns, api, admin] = [self.dns, self.api, self.admin].map(|address| address.to_string());
        let data = self.data();
        let arguments = [
            "standalone",
            "--data",
            &data.to_string_lossy(),
            "--dns",
            &dns,
            "--api",
            &api,
            "--admin",
            &admin,
        ];
        let mut process = Process::start(PROGRAM, &arguments, &self.folder.path().join("log"));
        for port in [self.admin, self.api] {
            let ready = poll(READY_LIMIT, || {
                assert!(process.exited().is_none(), "{}", process.output_tail());
                let answer = http::get(port, "/readyz").ok()?;
                (answer.status == 200).then_some(())
            });
            assert!(ready.is_some(), "not ready\n{}", process.output_tail());
        }
        process
    }

    fn token(&self) -> String {
        let text = fs::read_to_string(self.data().join("token")).expect("the token's file");
        text.trim().to_owned()
    }

    /// One request with the token; `None` when the server is gone.
    fn call(&self, token: &str, method: &str, name: &str, body: &str) -> Option<Response> {
        let mut stream = TcpStream::connect(self.api).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        let length = body.len();
        let text = format!(
            "{method} /containerdns/api{name} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Response {
            status: head.split(' ').nth(1)?.parse().ok()?,
            body: body.to_owned(),
        })
    }

    /// A request that must be done.
    #[track_caller]
    fn done(&self, method: &str, name: &str, body: &str) {
        let answer = self
            .call(&self.token(), method, name, body)
            .expect("an answer");
        assert_eq!(
            answer.status, 200,
            "{method} {name} {body}: {}",
            answer.body
        );
    }

    /// Waits until dig says `wanted`.
    #[track_caller]
    fn answers(&self, name: &str, kind: &str, wanted: &[&str]) {
        let there = || (dig_short(self.dns, name, kind) == wanted).then_some(());
        let seen = poll(SEEN_LIMIT, there);
        let told = || dig(self.dns, &[name, kind]);
        assert!(
            seen.is_some(),
            "{name} {kind} is not {wanted:?}\n{}",
            told()
        );
    }
}

fn mode_of(file: &Path) -> u32 {
    let metadata = fs::metadata(file).expect("the file is there");
    metadata.permissions().mode() & 0o777
}

#[test]
fn the_token_is_its_owners_and_stays_the_same() {
    let place = Place::new();
    let server = place.start();
    let file = place.data().join("token");
    assert_eq!(mode_of(&file), 0o600);
    let token = place.token();
    assert_eq!(token.len(), 32, "128 bits in hex");
    assert!(!server.output().contains(&token), "the token is in the log");
    let status = |token: &str| place.call(token, "GET", "", "").map(|answer| answer.status);
    assert_eq!(status(&token), Some(200));
    assert_eq!(status("another-token-0123456789"), Some(401));
    drop(server);
    let _again = place.start();
    assert_eq!(place.token(), token);
    assert_eq!(mode_of(&file), 0o600);
    assert_eq!(status(&token), Some(200));
}

/// A policy and weights by the API are how the name is answered; a probed address is up until a
/// prober finds it down.
#[test]
fn what_the_api_says_of_answers_is_done() {
    let place = Place::new();
    let _server = place.start();
    let (name, path) = ("w.containerdns.local.", "/w.containerdns.local");
    place.done(
        "POST",
        path,
        r#"{"type":"A","ips":["10.0.0.1","10.0.0.2"],"policy":"weighted","weights":[0,5]}"#,
    );
    place.answers(name, "A", &["10.0.0.2"]);
    let answers = (0..20).map(|_| dig_short(place.dns, name, "A"));
    assert!(answers.into_iter().all(|answer| answer == ["10.0.0.2"]));
    place.done(
        "PUT",
        path,
        r#"{"type":"A","weights":{"10.0.0.2":0,"10.0.0.1":9}}"#,
    );
    place.answers(name, "A", &["10.0.0.1"]);
    place.done(
        "PUT",
        path,
        r#"{"type":"A","policy":null,"probe":"tcp:80"}"#,
    );
    place.answers(name, "A", &["10.0.0.1", "10.0.0.2"]);
    let shown = place
        .call(&place.token(), "GET", path, "")
        .expect("an answer");
    let shown: Value = serde_json::from_str(&shown.body).expect("JSON");
    assert_eq!(shown[name]["probe"], "tcp:80");
    assert_eq!(
        shown[name]["health"],
        json!({"10.0.0.1": "UP", "10.0.0.2": "UP"})
    );
}

#[test]
fn what_the_api_changes_is_answered() {
    let place = Place::new();
    let _server = place.start();
    let (name, path) = ("new.containerdns.local.", "/new.containerdns.local");
    place.done(
        "POST",
        path,
        r#"{"type":"A","ips":["10.0.0.1","10.0.0.2"]}"#,
    );
    place.answers(name, "A", &["10.0.0.1", "10.0.0.2"]);
    place.done(
        "PUT",
        path,
        r#"{"type":"A","update":{"10.0.0.1":"10.0.0.3"},"ttl":7}"#,
    );
    place.answers(name, "A", &["10.0.0.2", "10.0.0.3"]);
    assert!(
        dig(place.dns, &[name, "A"]).contains("\t7\tIN\tA\t"),
        "the TTL"
    );
    place.done("POST", path, r#"{"type":"CNAME","alias":"other-name"}"#);
    place.answers(
        "other-name.containerdns.local.",
        "A",
        &["10.0.0.2", "10.0.0.3", name],
    );
    place.done(
        "POST",
        path,
        r#"{"type":"SRV","ips":["10.0.0.9"],"ports":[80]}"#,
    );
    let srv = dig_short(place.dns, name, "SRV");
    let target = srv.first().and_then(|srv| srv.strip_prefix("10 10 80 "));
    if let Some(target) = target {
        place.answers(target, "A", &["10.0.0.9"]);
    } else {
        place.answers(name, "SRV", &["10 10 80 TARGET"]);
    }
    for (body, kind, wanted) in [
        (r#"{"type":"AAAA","ips":["fd00::1"]}"#, "AAAA", "fd00::1"),
        (r#"{"type":"TXT","text":"one day"}"#, "TXT", "\"one day\""),
        (r#"{"type":"MX","mailHost":"m.test"}"#, "MX", "10 m.test."),
        (
            r#"{"type":"CAA","records":["0 issue \"ca.test\""]}"#,
            "CAA",
            "0 issue \"ca.test\"",
        ),
    ] {
        place.done("POST", path, body);
        place.answers(name, kind, &[wanted]);
    }
    place.done("DELETE", path, r#"{"type":"A","ips":["10.0.0.2"]}"#);
    place.answers(name, "A", &["10.0.0.3"]);
    place.done("DELETE", path, "");
    let gone = poll(SEEN_LIMIT, || {
        dig(place.dns, &[name, "A"])
            .contains("status: NXDOMAIN")
            .then_some(())
    });
    assert!(gone.is_some(), "{}", dig(place.dns, &[name, "A"]));
}

/// What the API said was written.
#[derive(Default)]
struct Ledger(Mutex<Vec<usize>>);

impl Ledger {
    fn len(&self) -> usize {
        self.0.lock().expect("the ledger").len()
    }
}

fn address_of(number: usize) -> String {
    format!("10.9.{}.{}", number / 250, number % 250)
}

/// Creates one name after another, until told to end; writes down what was acknowledged.
fn write_names(place: &Place, token: &str, ledger: &Ledger, end: &AtomicBool) {
    for number in 0.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        let body = json!({"type": "A", "ips": [address_of(number)]}).to_string();
        let path = format!("/k{number}.containerdns.local");
        match place.call(token, "POST", &path, &body) {
            Some(answer) if answer.status == 200 => {
                ledger.0.lock().expect("the ledger").push(number);
            }
            // Killed in between, or not yet up again: the next number.
            Some(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Every acknowledged write is shown by the API and answered by DNS.
fn check(place: &Place, token: &str, ledger: &[usize]) {
    let shown = place.call(token, "GET", "", "").expect("an answer");
    let shown: Value = serde_json::from_str(&shown.body).expect("JSON");
    for number in ledger {
        let (name, address) = (
            format!("k{number}.containerdns.local."),
            address_of(*number),
        );
        assert_eq!(shown[&name]["ips"], json!([address]), "GET of {name}");
        let query = Query::new(&name, "A").encode();
        let reply = ask_udp(place.dns, &query).expect("an answer of DNS");
        let reply = Reply::decode(&reply).expect("a message of DNS");
        assert_eq!(reply.answers_of(1), [address], "DNS of {name}");
    }
}

#[test]
fn acknowledged_writes_outlive_kill_9() {
    let place = Place::new();
    let mut server = place.start();
    let token = place.token();
    let (ledger, end) = (Ledger::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _writer = scope.spawn(|| write_names(&place, &token, &ledger, &end));
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for kill in 0..KILLS {
                let before = ledger.len();
                let written = poll(READY_LIMIT, || {
                    (ledger.len() >= before + WRITES).then_some(())
                });
                assert!(written.is_some(), "{}", server.output_tail());
                server.kill();
                let known = ledger.0.lock().expect("the ledger").clone();
                server = place.start();
                // The newest are those in danger; in the end all are asked for.
                let from = if kill + 1 == KILLS {
                    0
                } else {
                    known.len() - WRITES
                };
                check(&place, &token, &known[from..]);
            }
        }));
        end.store(true, Ordering::Relaxed);
        if let Err(failure) = killed {
            std::panic::resume_unwind(failure);
        }
    });
    assert!(ledger.len() >= KILLS * WRITES);
}
