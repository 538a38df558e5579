//! A store that the publisher writes into, step by step: what it writes, and what it leaves alone.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;
use crate::kubernetes::index::tests::objects::{namespace, object, service, slice};
use crate::kubernetes::index::tests::settings;

mod listing;
mod writing;

const KINDS: [ObjectKind; 3] = [
    ObjectKind::Service,
    ObjectKind::EndpointSlice,
    ObjectKind::Namespace,
];

/// A store that keeps what guards promise.
#[derive(Default)]
struct FakeStore {
    pairs: BTreeMap<Vec<u8>, KeyValue>,
    revision: Revision,
}

impl FakeStore {
    fn put(&mut self, key: &str, value: &[u8]) {
        self.set(long(key), Some(value.to_vec()));
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.revision += 1;
        let mod_revision = self.revision;
        match value {
            Some(value) => {
                let pair = KeyValue {
                    key: key.clone(),
                    value,
                    mod_revision,
                };
                self.pairs.insert(key, pair);
            }
            None => drop(self.pairs.remove(&key)),
        }
    }

    fn listed(&self) -> News {
        let seen = self.pairs.values().map(|pair| Seen {
            key: pair.key.clone(),
            value: Some(digest(&pair.value)),
            revision: pair.mod_revision,
        });
        News::Listed {
            revision: self.revision,
            seen: seen.collect(),
        }
    }

    /// What a watch tells of the last change of a key.
    fn changed(&self, key: &str) -> News {
        let pair = self.pairs.get(&long(key));
        let seen = Seen {
            key: long(key),
            value: pair.map(|pair| digest(&pair.value)),
            revision: pair.map_or(self.revision, |pair| pair.mod_revision),
        };
        News::Changed {
            revision: self.revision,
            seen: vec![seen],
        }
    }

    /// Makes a write, and tells the publisher what became of it.
    fn commit(&mut self, publisher: &mut Publisher, write: &Write) {
        let current = self.pairs.get(&write.key);
        if write.guard.holds(current) {
            self.set(write.key.clone(), write.value.clone());
            publisher.committed(write, self.revision);
        } else {
            let current: Vec<KeyValue> = current.into_iter().cloned().collect();
            publisher.conflicted(write, self.revision, &current);
        }
    }

    /// Makes every write that there is; each as a line.
    fn write_all(&mut self, publisher: &mut Publisher) -> String {
        let mut told = String::new();
        loop {
            match publisher.next_write() {
                Next::Write(write) => {
                    told += &format!("{}\n", line(&write));
                    self.commit(publisher, &write);
                }
                Next::TooLarge(key) => told += &format!("too large {}\n", short(&key)),
                Next::Same => {}
                Next::Idle | Next::Blocked => return told,
            }
        }
    }
}

fn long(key: &str) -> Vec<u8> {
    format!("/containerdns-kube/c/{key}").into_bytes()
}

fn short(key: &[u8]) -> String {
    String::from_utf8_lossy(key).replace("/containerdns-kube/c/", "")
}

fn line(write: &Write) -> String {
    let verb = match write.operation() {
        Operation::Put { key, lease, .. } => {
            assert_eq!((key, lease), (write.key.clone(), None));
            "put"
        }
        Operation::Delete { key } => {
            assert_eq!(key, write.key);
            "delete"
        }
    };
    assert_eq!(write.guard.key(), write.key);
    let guard = match &write.guard {
        Guard::ModRevision { revision, .. } => format!("at {revision}"),
        Guard::Absent { .. } => "absent".into(),
        Guard::Present { .. } => "present".into(),
    };
    format!("{verb} {} {guard}", short(&write.key))
}

fn publisher() -> Publisher {
    Publisher::new(Index::new(settings()), &KINDS)
}

fn applied(value: &Value) -> Change {
    Change::Applied(Box::new(object(value)))
}

fn deleted(value: &Value) -> Change {
    Change::Deleted(object(value).id())
}

/// A complete list of one kind.
fn list(publisher: &mut Publisher, kind: ObjectKind, objects: &[Value]) {
    publisher.change(Change::Init(kind));
    for value in objects {
        publisher.change(Change::InitApplied(Box::new(object(value))));
    }
    publisher.change(Change::InitDone(kind));
}

/// Before every list of a test.
fn long_ago() -> Instant {
    Instant::now() - std::time::Duration::from_secs(60)
}

/// Complete lists of everything: the namespace `prod`, services, slices.
fn list_all(publisher: &mut Publisher, services: &[Value], slices: &[Value]) {
    list(publisher, ObjectKind::Namespace, &[namespace("prod")]);
    list(publisher, ObjectKind::Service, services);
    list(publisher, ObjectKind::EndpointSlice, slices);
}

/// A publisher and a store that agree about one service.
fn settled() -> (Publisher, FakeStore) {
    let (mut publisher, mut store) = (publisher(), FakeStore::default());
    list_all(&mut publisher, &[web("10.96.0.1")], &[]);
    publisher.news(store.listed());
    store.write_all(&mut publisher);
    assert_eq!(store.pairs.len(), 3);
    (publisher, store)
}

fn web(address: &str) -> Value {
    service("web", address, "http/TCP/80")
}

fn write(publisher: &mut Publisher) -> Box<Write> {
    loop {
        match publisher.next_write() {
            Next::Write(write) => return write,
            Next::Same => {}
            other => panic!("no write: {other:?}"),
        }
    }
}

/// Nothing is left to be written.
fn idle(publisher: &mut Publisher) -> bool {
    loop {
        match publisher.next_write() {
            Next::Same => {}
            other => return other == Next::Idle,
        }
    }
}
