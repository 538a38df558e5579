//! Many writers at once, two processes over one etcd, and a store that goes away and comes back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Connection, request};
use crate::etcd::Etcd;
use crate::poll;
use crate::server::{API, Api, ROOT};
use crate::transcript::keys;

const THREADS: usize = 8;
const UPDATES: usize = 60;
const NAMES: usize = 10;

/// A client that keeps its connection.
struct Client<'a> {
    api: &'a Api,
    connection: Connection,
}

impl Client<'_> {
    fn call(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let text = request(method, &format!("{API}{path}"), ROOT, body);
        self.connection.send(text.as_bytes()).expect("send");
        let answer = self.connection.answer();
        answer.unwrap_or_else(|error| panic!("{text}: {error}\n{}", self.api.process.output_tail()))
    }

    fn counter(&mut self, path: &str) -> usize {
        let answer = self.call("GET", path, "").expect(200).json();
        let text = answer[format!("{}.", &path[1..])]["text"].as_str();
        text.and_then(|text| text.parse().ok()).expect("a counter")
    }
}

/// Every thread counts up shared names by GET and PUT, and tries again when it was too late.
fn count_up(apis: &[Api]) {
    let path = |number: usize| format!("/count{}.a.test", number % NAMES);
    for number in 0..NAMES {
        let body = r#"{"type":"TXT","text":"0"}"#;
        apis[0].write("POST", &path(number), body).expect(200);
    }
    for api in apis {
        for number in 0..NAMES {
            let there = || (api.get(&path(number)).status == 200).then_some(());
            poll(Duration::from_secs(10), there).expect("every process sees the names");
        }
    }
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (refused, api) = (&refused, &apis[number % apis.len()]);
            scope.spawn(move || {
                let connection = api.connect();
                let mut client = Client { api, connection };
                for update in 0..UPDATES {
                    let path = path(number + update);
                    loop {
                        let now = client.counter(&path);
                        let update = json!({now.to_string(): (now + 1).to_string()});
                        let body = json!({"type": "TXT", "update": update}).to_string();
                        let answer = client.call("PUT", &path, &body);
                        if answer.status == 200 {
                            break;
                        }
                        answer.expect(409);
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    for api in apis {
        let sum = || -> usize {
            let connection = api.connect();
            let mut client = Client { api, connection };
            (0..NAMES).map(|number| client.counter(&path(number))).sum()
        };
        let all = || (sum() == THREADS * UPDATES).then_some(());
        let counted = poll(Duration::from_secs(10), all);
        assert!(
            counted.is_some(),
            "{} of {}, {refused:?} refused",
            sum(),
            THREADS * UPDATES
        );
    }
}

#[test]
fn counters_add_up_over_the_embedded_store() {
    count_up(&[Api::embedded()]);
}

#[test]
fn counters_add_up_over_etcd() {
    let etcd = Etcd::start();
    count_up(&[Api::over(etcd.client())]);
}

#[test]
fn counters_of_two_processes_add_up() {
    let etcd = Etcd::start();
    count_up(&[Api::over(etcd.client()), Api::over(etcd.client())]);
}

/// One name, created by many at once: every address is there in the end.
#[test]
fn writers_of_one_name_do_not_lose_records() {
    let etcd = Etcd::start();
    let apis = [Api::over(etcd.client()), Api::over(etcd.client())];
    thread::scope(|scope| {
        for number in 0..24 {
            let api = &apis[number % 2];
            scope.spawn(move || {
                let body = json!({"type": "A", "ips": [format!("10.0.0.{number}")]});
                api.write("POST", "/www.a.test", &body.to_string())
                    .expect(200);
            });
        }
    });
    for api in &apis {
        let all = || {
            let answer = api.get("/www.a.test").json();
            (answer["www.a.test."]["ips"].as_array()?.len() == 24).then_some(())
        };
        assert!(
            poll(Duration::from_secs(10), all).is_some(),
            "{:?}",
            api.get("/www.a.test")
        );
    }
}

/// One address, probed for many names that come and go at once: its status key has those that stay.
#[test]
fn names_of_one_address_do_not_lose_each_other() {
    let etcd = Etcd::start();
    let apis = [Api::over(etcd.client()), Api::over(etcd.client())];
    thread::scope(|scope| {
        for number in 0..16 {
            let api = &apis[number % 2];
            scope.spawn(move || {
                let path = format!("/n{number}.a.test");
                let body = r#"{"type":"A","ips":["10.0.0.1"],"probe":"tcp:80"}"#;
                api.write("POST", &path, body).expect(200);
                if number >= 8 {
                    api.write("DELETE", &path, "").expect(200);
                }
            });
        }
    });
    let status = "/containerdns/monitor/status/10.0.0.1";
    let (_, value) = keys(&etcd).remove(status).expect("a status key");
    let value: Value = serde_json::from_str(&value).expect("JSON");
    let names = value["domains"].as_array().cloned().unwrap_or_default();
    let names: BTreeSet<&str> = names.iter().filter_map(Value::as_str).collect();
    let stay: Vec<String> = (0..8).map(|number| format!("n{number}.a.test.")).collect();
    assert_eq!(names, stay.iter().map(|name| &name[..]).collect());
    for (number, name) in stay.iter().enumerate() {
        let path = format!("/{}", name.trim_end_matches('.'));
        apis[number % 2].write("DELETE", &path, "").expect(200);
    }
    assert!(!keys(&etcd).contains_key(status));
}

#[test]
fn reads_go_on_without_the_store_and_writes_come_back() {
    let mut etcd = Etcd::start();
    let api = Api::over(etcd.client());
    let body = r#"{"type":"A","ips":["10.0.0.1"]}"#;
    api.write("POST", "/www.a.test", body).expect(200);
    etcd.kill();
    api.get("/www.a.test").expect(200);
    let started = Instant::now();
    let answer = api.write("POST", "/new.a.test", body).expect(503);
    assert!(
        started.elapsed() < Duration::from_secs(12),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(
        answer.json()["error"]
            .as_str()
            .is_some_and(|error| error.contains("try again"))
    );
    api.get("/www.a.test").expect(200);
    api.get("/www.a.test/history").expect(503);
    etcd.restart();
    let back = poll(Duration::from_secs(15), || {
        (api.write("POST", "/new.a.test", body).status == 200).then_some(())
    });
    assert!(back.is_some(), "{}", api.process.output_tail());
    api.get("/new.a.test").expect(200);
}

/// Without etcd the program starts, says that it is not ready, and becomes so.
#[test]
fn a_start_without_the_store_waits_for_it() {
    let address = Etcd::free_address();
    let mut api = Api::start_without_waiting(&crate::server::Settings {
        etcd: Some(address),
        ..Default::default()
    });
    let asked = || {
        let mut connection = Connection::open(api.address).ok()?;
        connection
            .send(request("GET", "/readyz", "", "").as_bytes())
            .ok()?;
        connection.answer().ok()
    };
    let answer = poll(Duration::from_secs(10), asked).expect("the port answers");
    assert_eq!(
        (answer.status, answer.body.trim()),
        (503, r#"{"ready":false}"#)
    );
    api.get("").expect(503);
    api.write("POST", "/www.a.test", r#"{"type":"A","ips":["10.0.0.1"]}"#)
        .expect(503);
    let etcd = Etcd::start_without_waiting(address);
    etcd.wait_healthy();
    api.wait_ready();
    api.write("POST", "/www.a.test", r#"{"type":"A","ips":["10.0.0.1"]}"#)
        .expect(200);
}
