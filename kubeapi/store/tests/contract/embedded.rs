//! What only the embedded store has: its folder, restarts, a full disk.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use containerdns_store::embedded::EmbeddedStore;
use containerdns_store::{LeaseId, Operation, Store, StoreError};
use tempfile::TempDir;

use crate::Bench;
use crate::cases::{batches, commit, list, next, put, watch};

/// An embedded store in a folder of its own.
pub(crate) struct EmbeddedBench {
    store: Arc<EmbeddedStore>,
    _dir: TempDir,
}

impl EmbeddedBench {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(dir.path()).unwrap();
        EmbeddedBench { store, _dir: dir }
    }
}

#[async_trait::async_trait]
impl Bench for EmbeddedBench {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn compact(&self, revision: i64) {
        self.store.compact(revision).await.unwrap();
    }

    fn loses_compacted_deletes(&self) -> bool {
        false
    }
}

fn open(dir: &Path) -> Arc<dyn Store> {
    EmbeddedStore::open(dir).unwrap()
}

#[tokio::test]
async fn a_store_is_opened_again_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made").join("here");
    let store = open(&dir);
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let cluster_id = store.list_page(b"/", None, None).await.unwrap().cluster_id;
    drop(store);
    let store = open(&dir);
    let page = store.list_page(b"/", None, None).await.unwrap();
    assert_eq!((page.revision, page.cluster_id), (revision, cluster_id));
    let mut watch = watch(&store, "/a/", revision).await;
    assert_eq!(batches(&mut watch, 1).await.concat()[0].revision, revision);
    assert_eq!(commit(&store, &[put("/a/1", "y")]).await, revision + 1);
}

#[tokio::test]
async fn two_stores_differ_in_cluster_id() {
    let (one, other) = (EmbeddedBench::new().await, EmbeddedBench::new().await);
    let one = one.store().list_page(b"", None, None).await.unwrap();
    let other = other.store().list_page(b"", None, None).await.unwrap();
    assert_ne!(one.cluster_id, other.cluster_id);
}

#[tokio::test]
async fn a_folder_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open(dir.path());
    let error = EmbeddedStore::open(dir.path()).unwrap_err();
    let expected = format!(
        "store refused: {}: another process holds the store in this folder",
        dir.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_foreign_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.redb"), vec![7; 10_000]).unwrap();
    let error = EmbeddedStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
}

#[tokio::test]
async fn a_watch_ends_with_its_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut watch = watch(&store, "/a/", 1).await;
    drop(store);
    let error = next(&mut watch).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_lease_ends_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let lease: LeaseId = store.grant_lease(1).await.unwrap();
    let operation = Operation::Put {
        key: b"/a/leased".to_vec(),
        value: b"x".to_vec(),
        lease: Some(lease),
    };
    let revision = commit(&store, &[operation]).await;
    drop(store);
    let store = open(dir.path());
    let mut watch = watch(&store, "/a/", revision + 1).await;
    let events = batches(&mut watch, 1).await.concat();
    assert_eq!(events[0].value, None);
    assert!(list(&store, "/a/").await.1.is_empty());
}

#[tokio::test]
async fn the_log_is_bounded() {
    let bench = EmbeddedBench::new().await;
    let store = bench.store();
    let first = commit(&store, &[put("/a/1", "x")]).await;
    // 64 MiB are kept.
    for _ in 0..10 {
        commit(&store, &[put("/a/1", vec![0; 7 << 20])]).await;
    }
    let error = store.watch(&["/a/".into()], first).await.err();
    let Some(StoreError::Compacted { oldest }) = error else {
        panic!("{error:?}");
    };
    let mut watch = watch(&store, "/a/", oldest).await;
    assert_eq!(batches(&mut watch, 9).await.concat()[0].revision, oldest);
}

#[tokio::test]
async fn open_listings_are_bounded() {
    let bench = EmbeddedBench::new().await;
    let store = bench.store();
    let large = |key: &str| put(key, vec![0; 700_000]);
    commit(&store, &[large("/a/1"), large("/a/2"), large("/a/3")]).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        commit(&store, &[put("/b", "x")]).await;
        let page = store.list_page(b"/a/", None, None).await.unwrap();
        open.push((page.revision, page.next.unwrap()));
    }
    let mut kept = 0;
    for (revision, from) in open {
        match store.list_page(b"/a/", Some(&from), Some(revision)).await {
            Ok(page) => {
                assert_eq!((page.revision, page.pairs.len()), (revision, 1));
                kept += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Compacted { .. }), "{error}"),
        }
    }
    assert_eq!(kept, 16);
}

/// A file system of fixed size, unmounted on drop.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting a small disk needs root");
        SmallDisk(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
        assert!(unmounted.unwrap().success());
    }
}

#[tokio::test]
async fn a_full_disk_stops_writes_only() {
    let disk = SmallDisk::mount("1m");
    let store = open(&disk.0.path().join("store"));
    let before = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", before).await;
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 300_000]).unwrap();
    let mut written = Vec::new();
    let error = loop {
        let key = format!("/a/{:03}", written.len());
        match store.transact(&[], &[put(&key, vec![b'v'; 20_000])]).await {
            Ok(_) => written.push(key.into_bytes()),
            Err(error) => break error,
        }
        assert!(written.len() < 100, "the disk never fills");
    };
    assert!(matches!(error, StoreError::NoSpace(_)), "{error}");

    let keys = |pairs: Vec<containerdns_store::KeyValue>| -> Vec<Vec<u8>> {
        let others = pairs.into_iter().map(|pair| pair.key);
        others.filter(|key| key != b"/a/1").collect()
    };
    assert_eq!(
        keys(list(&store, "/a/").await.1),
        written,
        "all that was acknowledged"
    );
    let seen = batches(&mut watch, 1 + written.len()).await.concat();
    assert_eq!(seen.len(), 1 + written.len());
    let error = store
        .transact(&[], &[put("/b/1", vec![b'v'; 20_000])])
        .await;
    assert!(matches!(error, Err(StoreError::NoSpace(_))), "{error:?}");

    std::fs::remove_file(&ballast).unwrap();
    tokio::time::timeout(Duration::from_secs(5), commit(&store, &[put("/b/1", "x")]))
        .await
        .unwrap();
    drop(store);
    let store = open(&disk.0.path().join("store"));
    assert_eq!(keys(list(&store, "/a/").await.1), written);
    assert_eq!(list(&store, "/b/").await.1.len(), 1);
}
