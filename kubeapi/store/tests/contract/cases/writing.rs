//! Guarded transactions and leases.

use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{
    Guard, KeyValue, LeaseId, Operation, Outcome, Revision, Store, StoreError,
};

use super::{batches, commit, delete, list, put, shown, watch};
use crate::Bench;

pub(crate) async fn guards_decide(bench: &impl Bench) {
    let store = bench.store();
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let (here, gone) = (b"/a/1".to_vec(), b"/a/2".to_vec());
    let mod_revision = |key: &Vec<u8>, revision| Guard::ModRevision {
        key: key.clone(),
        revision,
    };
    let absent = |key: &Vec<u8>| Guard::Absent { key: key.clone() };
    let present = |key: &Vec<u8>| Guard::Present { key: key.clone() };
    for (guards, holds) in [
        (vec![mod_revision(&here, revision)], true),
        (vec![mod_revision(&here, revision - 1)], false),
        (vec![mod_revision(&gone, revision)], false),
        (vec![absent(&gone)], true),
        (vec![absent(&here)], false),
        (vec![present(&here)], true),
        (vec![present(&gone)], false),
        (vec![present(&here), absent(&gone)], true),
        (vec![present(&here), absent(&here)], false),
    ] {
        let outcome = store.transact(&guards, &[put("/b/1", "x")]).await.unwrap();
        let committed = matches!(outcome, Outcome::Committed { .. });
        assert_eq!(committed, holds, "{guards:?}");
    }
}

pub(crate) async fn a_refusal_shows_the_guarded_keys(bench: &impl Bench) {
    let store = bench.store();
    let first = commit(&store, &[put("/a/1", "one")]).await;
    let second = commit(&store, &[put("/a/2", "two")]).await;
    let guard = |key: &str| Guard::Absent { key: key.into() };
    let guards = [guard("/a/2"), guard("/a/3"), guard("/a/1")];
    let outcome = store.transact(&guards, &[delete("/a/1")]).await.unwrap();
    let pair = |key: &str, value: &str, mod_revision| KeyValue {
        key: key.into(),
        value: value.into(),
        mod_revision,
    };
    let expected = Outcome::Refused {
        revision: second,
        current: vec![pair("/a/2", "two", second), pair("/a/1", "one", first)],
    };
    assert_eq!(outcome, expected);
    assert_eq!(
        list(&store, "/a/").await,
        (
            second,
            vec![pair("/a/1", "one", first), pair("/a/2", "two", second),]
        )
    );
}

/// Eight tasks each add 1 to one counter 25 times, trying again when another was faster.
pub(crate) async fn guarded_counters_add_up(bench: &impl Bench) {
    let store = bench.store();
    commit(&store, &[put("/a/counter", "0")]).await;
    let add = |store: Arc<dyn Store>| async move {
        for _ in 0..25 {
            loop {
                let pair = list(&store, "/a/counter").await.1.remove(0);
                let count: u32 = String::from_utf8(pair.value).unwrap().parse().unwrap();
                let guard = Guard::ModRevision {
                    key: pair.key,
                    revision: pair.mod_revision,
                };
                let more = put("/a/counter", (count + 1).to_string());
                let outcome = store.transact(&[guard], &[more]).await.unwrap();
                if matches!(outcome, Outcome::Committed { .. }) {
                    break;
                }
            }
        }
    };
    let tasks: Vec<_> = (0..8)
        .map(|_| tokio::spawn(add(Arc::clone(&store))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(list(&store, "/a/counter").await.1[0].value, b"200");
}

pub(crate) async fn impossible_transactions_are_refused(bench: &impl Bench) {
    let store = bench.store();
    let before = commit(&store, &[put("/a/1", "x")]).await;
    for operations in [
        vec![put("/a/1", "x"), put("/a/1", "y")],
        vec![put("/a/1", "x"), delete("/a/1")],
        vec![put("", "x")],
    ] {
        let outcome = store.transact(&[], &operations).await;
        assert!(
            matches!(outcome, Err(StoreError::Refused(_))),
            "{outcome:?}"
        );
    }
    // Too much is told apart: it may be split.
    let giant = [put("/a/2", vec![0; 9 << 20])];
    let outcome = store.transact(&[], &giant).await;
    assert!(
        matches!(outcome, Err(StoreError::TooLarge(_))),
        "{outcome:?}"
    );
    assert_eq!(list(&store, "/a/").await.0, before);
}

async fn put_leased(store: &Arc<dyn Store>, key: &str, lease: LeaseId) -> Revision {
    let operation = Operation::Put {
        key: key.into(),
        value: b"x".to_vec(),
        lease: Some(lease),
    };
    commit(store, &[operation]).await
}

pub(crate) async fn a_lease_ends_with_its_keys(bench: &impl Bench) {
    let store = bench.store();
    let lease = store.grant_lease(1).await.unwrap();
    put_leased(&store, "/a/freed", lease).await;
    let put_at = put_leased(&store, "/a/leased", lease).await;
    let now = commit(&store, &[put("/a/freed", "kept")]).await;
    let mut watch = watch(&store, "/a/", now + 1).await;
    let events = batches(&mut watch, 1).await.concat();
    assert_eq!(shown(&events, put_at), ["/a/leased deleted@2"]);
    assert_eq!(list(&store, "/a/").await.1.len(), 1);
    let error = store.keep_alive(lease).await.unwrap_err();
    assert!(matches!(error, StoreError::LeaseGone(gone) if gone == lease));
}

pub(crate) async fn a_lease_is_kept_alive(bench: &impl Bench) {
    let store = bench.store();
    let lease = store.grant_lease(2).await.unwrap();
    put_leased(&store, "/a/leased", lease).await;
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        store.keep_alive(lease).await.unwrap();
        assert_eq!(list(&store, "/a/").await.1.len(), 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

pub(crate) async fn a_revoked_lease_is_gone(bench: &impl Bench) {
    let store = bench.store();
    let lease = store.grant_lease(60).await.unwrap();
    put_leased(&store, "/a/1", lease).await;
    put_leased(&store, "/a/2", lease).await;
    store.revoke_lease(lease).await.unwrap();
    assert!(list(&store, "/a/").await.1.is_empty());
    let operation = Operation::Put {
        key: b"/a/1".to_vec(),
        value: b"x".to_vec(),
        lease: Some(lease),
    };
    for error in [
        store.keep_alive(lease).await.unwrap_err(),
        store.revoke_lease(lease).await.unwrap_err(),
        store.transact(&[], &[operation]).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::LeaseGone(gone) if gone == lease),
            "{error}"
        );
    }
}
