//! Watches: order, batches, compaction.

use std::collections::BTreeMap;

use containerdns_store::{StoreError, WatchBatch};

use super::{batches, commit, delete, list, next, put, shown, watch};
use crate::Bench;

pub(crate) async fn a_watch_replays_the_past(bench: &impl Bench) {
    let store = bench.store();
    let first = commit(&store, &[put("/a/1", "old")]).await;
    commit(&store, &[put("/a/1", "new"), put("/b/1", "other")]).await;
    commit(&store, &[put("/b/1", "other")]).await;
    commit(&store, &[delete("/a/1")]).await;
    let mut watch = watch(&store, "/a/", first).await;
    let events = batches(&mut watch, 3).await.concat();
    let expected = ["/a/1=old@0", "/a/1=new@1", "/a/1 deleted@3"];
    assert_eq!(shown(&events, first), expected);
}

pub(crate) async fn a_watch_waits_for_the_future(bench: &impl Bench) {
    let store = bench.store();
    let now = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", now + 3).await;
    for n in 1..=4 {
        commit(&store, &[put("/a/1", n.to_string())]).await;
    }
    let events = batches(&mut watch, 2).await.concat();
    assert_eq!(shown(&events, now), ["/a/1=3@3", "/a/1=4@4"]);
}

pub(crate) async fn a_watch_sees_deletes(bench: &impl Bench) {
    let store = bench.store();
    let now = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", now + 1).await;
    commit(&store, &[delete("/a/1")]).await;
    let unchanged = commit(&store, &[delete("/a/1")]).await;
    assert_eq!(unchanged, now + 1, "deleting nothing changes nothing");
    commit(&store, &[put("/a/1", "again")]).await;
    let events = batches(&mut watch, 2).await.concat();
    assert_eq!(shown(&events, now), ["/a/1 deleted@1", "/a/1=again@2"]);
}

pub(crate) async fn a_watch_merges_prefixes(bench: &impl Bench) {
    let store = bench.store();
    let first = commit(
        &store,
        &[put("/a/1", "x"), put("/b/1", "x"), put("/c/1", "x")],
    )
    .await;
    let prefixes = ["/a/".into(), "/c/".into(), "/a/1".into()];
    let mut watch = store.watch(&prefixes, first).await.unwrap();
    let mut seen = batches(&mut watch, 2).await.concat();
    for n in 0..50 {
        commit(&store, &[put("/a/1", n.to_string()), put("/b/1", "x")]).await;
        commit(&store, &[put("/c/1", n.to_string())]).await;
    }
    seen.extend(batches(&mut watch, 100).await.concat());
    // Each prefix in order, each event once, though /a/1 is under two of the prefixes.
    for (key, step) in [("/a/1", 1), ("/c/1", 2)] {
        let events: Vec<_> = seen
            .iter()
            .filter(|event| event.key == key.as_bytes())
            .collect();
        let revisions: Vec<_> = events.iter().map(|event| event.revision - first).collect();
        let expected: Vec<_> = std::iter::once(0)
            .chain((0..50).map(|n| 2 * n + step))
            .collect();
        assert_eq!(revisions, expected);
    }
    assert_eq!(seen.len(), 102);
}

pub(crate) async fn a_transaction_is_one_batch(bench: &impl Bench) {
    let store = bench.store();
    let first = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", first + 1).await;
    commit(
        &store,
        &[put("/a/3", "3"), delete("/a/1"), put("/a/2", "2")],
    )
    .await;
    let batches = batches(&mut watch, 3).await;
    let expected = ["/a/3=3@1", "/a/1 deleted@1", "/a/2=2@1"];
    assert_eq!(shown(&batches[0], first), expected);
}

pub(crate) async fn a_large_transaction_is_one_batch(bench: &impl Bench) {
    let store = bench.store();
    let first = commit(&store, &[put("/b/1", "x")]).await + 1;
    let value = |n: u8| vec![b'0' + n; 14_000];
    for n in 0..4 {
        let operations: Vec<_> = (0..100)
            .map(|key| put(&format!("/a/{key:03}"), value(n)))
            .collect();
        commit(&store, &operations).await;
    }
    let mut watch = watch(&store, "/a/", first).await;
    for batch in batches(&mut watch, 400).await {
        let mut of_revision = BTreeMap::<_, usize>::new();
        for event in &batch {
            *of_revision.entry(event.revision).or_default() += 1;
        }
        assert!(
            of_revision.values().all(|count| *count == 100),
            "{of_revision:?}"
        );
    }
}

pub(crate) async fn a_quiet_watch_reports_progress(bench: &impl Bench) {
    let store = bench.store();
    let now = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", now + 1).await;
    let newest = commit(&store, &[put("/b/1", "x")]).await;
    loop {
        match next(&mut watch).await.unwrap() {
            WatchBatch::Progress { revision } if revision >= newest => break,
            WatchBatch::Progress { .. } => {}
            batch @ WatchBatch::Events { .. } => panic!("{batch:?}"),
        }
    }
}

pub(crate) async fn a_watch_from_a_compacted_revision_fails(bench: &impl Bench) {
    let store = bench.store();
    let old = commit(&store, &[put("/a/1", "x")]).await;
    for _ in 0..5 {
        commit(&store, &[put("/a/1", "y")]).await;
    }
    bench.compact(old + 3).await;
    let ended = match store.watch(&["/a/".into()], old).await {
        Ok(mut watch) => next(&mut watch).await.unwrap_err(),
        Err(error) => error,
    };
    let oldest = old + 3;
    assert!(
        matches!(ended, StoreError::Compacted { oldest: o } if o == oldest),
        "{ended}"
    );
}

/// Compacted while a reader was away, with deletes in the gap: it is told, lists at one revision
/// and goes on after it without loss.
pub(crate) async fn a_gap_made_by_compaction_is_noticed(bench: &impl Bench) {
    let store = bench.store();
    let seen = commit(&store, &[put("/a/1", "x"), put("/a/2", "x")]).await;
    commit(&store, &[delete("/a/1")]).await;
    for n in 0..20 {
        commit(&store, &[put("/a/2", n.to_string())]).await;
    }
    let newest = commit(&store, &[put("/a/3", "x")]).await;
    bench.compact(newest).await;
    let ended = match store.watch(&["/a/".into()], seen + 1).await {
        Ok(mut watch) => next(&mut watch).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(ended, StoreError::Compacted { .. }), "{ended}");

    let (revision, pairs) = list(&store, "/a/").await;
    let keys: Vec<_> = pairs.iter().map(|pair| pair.key.as_slice()).collect();
    assert_eq!(keys, [&b"/a/2"[..], b"/a/3"]);
    let mut watch = watch(&store, "/a/", revision + 1).await;
    commit(&store, &[delete("/a/2")]).await;
    let events = batches(&mut watch, 1).await.concat();
    assert_eq!(shown(&events, revision), ["/a/2 deleted@1"]);
}

/// etcd before 3.4.36 loses a delete at the very revision it is compacted at. Whatever the store
/// does with it, later changes come and a listing does not have the key.
pub(crate) async fn a_delete_compacted_at_its_revision_is_healed_by_a_listing(bench: &impl Bench) {
    let store = bench.store();
    commit(&store, &[put("/a/1", "x")]).await;
    let deleted = commit(&store, &[delete("/a/1")]).await;
    bench.compact(deleted).await;
    let mut watch = watch(&store, "/a/", deleted).await;
    commit(&store, &[put("/a/2", "x")]).await;
    let mut events = batches(&mut watch, 1).await.concat();
    if events.iter().all(|event| event.key != b"/a/2") {
        events.extend(batches(&mut watch, 1).await.concat());
    }
    let events = shown(&events, deleted);
    let lost: &[&str] = &["/a/2=x@1"];
    let kept: &[&str] = &["/a/1 deleted@0", "/a/2=x@1"];
    assert!(events == lost || events == kept, "{events:?}");
    assert_eq!(bench.loses_compacted_deletes(), events == lost);
    let (_, pairs) = list(&store, "/a/").await;
    assert!(pairs.iter().all(|pair| pair.key != b"/a/1"));
}
