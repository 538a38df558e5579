//! What only etcd has: absence, hangs, restarts, several members, limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use containerdns_store::etcd::{EtcdOptions, EtcdStore, TlsFiles};
use containerdns_store::{Outcome, Store, StoreError};

use crate::Bench;
use crate::cases::{batches, commit, list, next, put, watch};
use crate::etcd_server::{EtcdServer, free_port, ready_store, until_ready};

/// A store in an etcd of its own.
pub(crate) struct EtcdBench {
    server: EtcdServer,
    store: Arc<dyn Store>,
}

impl EtcdBench {
    pub(crate) async fn new() -> Self {
        let server = EtcdServer::start(&["--experimental-watch-progress-notify-interval=1s"]);
        let store = server.store().await;
        EtcdBench { server, store }
    }
}

#[async_trait::async_trait]
impl Bench for EtcdBench {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn compact(&self, revision: i64) {
        self.server
            .control(&["compaction", "--physical", &revision.to_string()]);
    }

    /// Debian 12 has etcd 3.4.23; the fault was fixed in 3.4.36.
    fn loses_compacted_deletes(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn nothing_is_needed_to_connect() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let options = EtcdOptions {
        endpoints: vec![endpoint.clone()],
        ..EtcdOptions::default()
    };
    let store: Arc<dyn Store> = EtcdStore::connect(options).unwrap();
    for error in [
        store.list_page(b"/", None, None).await.err(),
        store.transact(&[], &[put("/a", "x")]).await.err(),
        store.watch(&["/".into()], 1).await.err(),
        store.grant_lease(5).await.err(),
    ] {
        let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(
            matches!(error, Some(StoreError::Unavailable(_))),
            "{error:?}"
        );
        assert!(text.contains(&endpoint), "{text}");
    }
    let _server = EtcdServer::start_at(&endpoint, &[]);
    until_ready(&store).await;
    commit(&store, &[put("/a/1", "x")]).await;
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let refused = |options: EtcdOptions| EtcdStore::connect(options).unwrap_err().to_string();
    let endpoints = |urls: &[&str]| EtcdOptions {
        endpoints: urls.iter().map(ToString::to_string).collect(),
        ..EtcdOptions::default()
    };
    let tls = Some(TlsFiles {
        ca: "/absent/ca.pem".into(),
        client: Some(("/absent/cert.pem".into(), "/absent/key.pem".into())),
    });
    let one = &["http://127.0.0.1:1"];
    for (options, expected) in [
        (endpoints(&[]), "store refused: etcd: no endpoints"),
        (
            endpoints(&["127.0.0.1:2379"]),
            "store refused: etcd endpoint 127.0.0.1:2379: expected http:// or https://",
        ),
        (
            EtcdOptions {
                tls: tls.clone(),
                ..endpoints(one)
            },
            "store refused: etcd endpoint http://127.0.0.1:1: expected https://",
        ),
        (
            EtcdOptions {
                tls,
                ..endpoints(&["https://127.0.0.1:1"])
            },
            "store refused: /absent/ca.pem: No such file or directory (os error 2)",
        ),
        (
            EtcdOptions {
                user: Some("dns".into()),
                ..endpoints(one)
            },
            "store refused: etcd: user and password_file go together",
        ),
    ] {
        assert_eq!(refused(options), expected);
    }
}

#[tokio::test]
async fn a_hang_is_noticed_and_survived() {
    let server = EtcdServer::start(&[]);
    let store = server.store().await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut running = watch(&store, "/a/", revision + 1).await;
    server.signal("STOP");
    let start = Instant::now();
    let error = next(&mut running).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    let error = store.list_page(b"/a/", None, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    server.signal("CONT");
    until_ready(&store).await;
    let mut resumed = watch(&store, "/a/", revision + 1).await;
    commit(&store, &[put("/a/1", "y")]).await;
    assert_eq!(
        batches(&mut resumed, 1).await.concat()[0].revision,
        revision + 1
    );
}

#[tokio::test]
async fn a_hung_member_is_left_for_another() {
    let members = EtcdServer::start_three();
    let store = store_of(&members).await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut running = watch(&store, "/a/", revision + 1).await;
    members[0].signal("STOP");
    let start = Instant::now();
    let error = next(&mut running).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    until_ready(&store).await;
    let mut resumed = watch(&store, "/a/", revision).await;
    assert_eq!(
        batches(&mut resumed, 1).await.concat()[0].revision,
        revision
    );
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    members[0].signal("CONT");
}

#[tokio::test]
async fn a_quiet_watch_is_left_alone() {
    let server = EtcdServer::start(&[]);
    let store = server.store().await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", revision + 1).await;
    // Long enough for etcd to end a connection that pings too often.
    let quiet = tokio::time::timeout(Duration::from_secs(30), watch.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    commit(&store, &[put("/a/1", "y")]).await;
    assert_eq!(
        batches(&mut watch, 1).await.concat()[0].revision,
        revision + 1
    );
}

#[tokio::test]
async fn a_restart_is_survived() {
    let mut server = EtcdServer::start(&[]);
    let store = server.store().await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut running = watch(&store, "/a/", revision + 1).await;
    server.kill();
    let error = next(&mut running).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    server.start_again();
    until_ready(&store).await;
    assert_eq!(list(&store, "/a/").await.0, revision);
    let mut resumed = watch(&store, "/a/", revision).await;
    commit(&store, &[put("/a/1", "y")]).await;
    assert_eq!(batches(&mut resumed, 2).await.concat().len(), 2);
}

/// Place of the leader among the members.
async fn leader(members: &[EtcdServer]) -> usize {
    for (place, member) in members.iter().enumerate() {
        let client = etcd_client::Client::connect([&member.endpoint], None)
            .await
            .unwrap();
        let status = client.maintenance_client().status().await.unwrap();
        if status.header().unwrap().member_id() == status.leader() {
            return place;
        }
    }
    panic!("no leader");
}

async fn store_of(members: &[EtcdServer]) -> Arc<dyn Store> {
    let options = EtcdOptions {
        endpoints: members
            .iter()
            .map(|member| member.endpoint.clone())
            .collect(),
        ..EtcdOptions::default()
    };
    ready_store(options).await
}

#[tokio::test]
async fn a_change_is_seen_soon_after_the_leader_died() {
    let mut members = EtcdServer::start_three();
    store_of(&members).await;
    let leader = leader(&members).await;
    // The member in use is the one that dies.
    members.swap(0, leader);
    let store = store_of(&members).await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut running = watch(&store, "/a/", revision + 1).await;
    members[0].kill();
    let retry = || tokio::time::sleep(Duration::from_millis(100));
    // A write that etcd loses with its leader is answered after many seconds: ask again before.
    let patience = Duration::from_millis(500);
    loop {
        let operations = [put("/a/1", "y")];
        let write = tokio::time::timeout(patience, store.transact(&[], &operations));
        if matches!(write.await, Ok(Ok(Outcome::Committed { .. }))) {
            break;
        }
        retry().await;
    }
    // How long the election took is etcd's; what follows is ours.
    let start = Instant::now();
    let seen = loop {
        match next(&mut running).await {
            Ok(_) => break start.elapsed(),
            Err(StoreError::Unavailable(_)) => retry().await,
            Err(error) => panic!("{error}"),
        }
        if let Ok(resumed) = store.watch(&["/a/".into()], revision + 1).await {
            running = resumed;
        }
    };
    assert!(seen < Duration::from_secs(3), "{seen:?}");
}

#[tokio::test]
async fn a_member_without_leader_ends_its_watches() {
    let mut members = EtcdServer::start_three();
    let store = store_of(&members).await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut running = watch(&store, "/a/", revision + 1).await;
    members[1].kill();
    members[2].kill();
    let error = next(&mut running).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    members[1].start_again();
    until_ready(&store).await;
    assert_eq!(list(&store, "/a/").await.1.len(), 1);
}

#[tokio::test]
async fn a_full_etcd_says_so() {
    let server = EtcdServer::start(&["--quota-backend-bytes=1000000"]);
    let store = server.store().await;
    let error = loop {
        if let Err(error) = store.transact(&[], &[put("/a/1", vec![0; 100_000])]).await {
            break error;
        }
    };
    assert!(matches!(error, StoreError::NoSpace(_)), "{error}");
    assert_eq!(list(&store, "/a/").await.1.len(), 1);
}

#[tokio::test]
async fn a_refused_size_is_named() {
    let server = EtcdServer::start(&[]);
    let store = server.store().await;
    for length in [1_600_000, 4_000_000] {
        let error = store
            .transact(&[], &[put("/a", vec![0; length])])
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::TooLarge(_)), "{error}");
        let named = format!("1 operations of {} bytes", length + 2);
        assert!(error.to_string().contains(&named), "{error}");
    }
}

#[tokio::test]
async fn a_giant_value_passes() {
    let server = EtcdServer::start(&["--max-request-bytes=12000000"]);
    let store = server.store().await;
    let first = commit(&store, &[put("/a/1", vec![b'g'; 10_000_000])]).await;
    commit(&store, &[put("/a/2", vec![b'g'; 10_000_000])]).await;
    assert_eq!(list(&store, "/a/").await.1.len(), 2);
    let mut watch = watch(&store, "/a/", first).await;
    let events = batches(&mut watch, 2).await.concat();
    assert!(
        events
            .iter()
            .all(|event| event.value.as_ref().unwrap().len() == 10_000_000)
    );
}
