//! The cases that every store must meet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{
    Event, Guard, KeyValue, LeaseId, Operation, Outcome, Revision, Store, StoreError, Watch,
    WatchBatch,
};

use crate::Bench;

/// Longer than any step takes on a slow machine; a step that takes longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn put(key: &str, value: impl Into<Vec<u8>>) -> Operation {
    Operation::Put {
        key: key.into(),
        value: value.into(),
        lease: None,
    }
}

pub(crate) fn delete(key: &str) -> Operation {
    Operation::Delete { key: key.into() }
}

/// Commits without guards and gives the revision.
pub(crate) async fn commit(store: &Arc<dyn Store>, operations: &[Operation]) -> Revision {
    match store.transact(&[], operations).await {
        Ok(Outcome::Committed { revision }) => revision,
        other => panic!("not committed: {other:?}"),
    }
}

/// Reads a whole listing, each page with the revision of the first.
pub(crate) async fn list(store: &Arc<dyn Store>, prefix: &str) -> (Revision, Vec<KeyValue>) {
    let mut page = store
        .list_page(prefix.as_bytes(), None, None)
        .await
        .unwrap();
    let (revision, mut pairs) = (page.revision, page.pairs);
    while let Some(from) = page.next {
        let next = store.list_page(prefix.as_bytes(), Some(&from), Some(revision));
        page = next.await.unwrap();
        assert_eq!(page.revision, revision);
        pairs.extend(page.pairs);
    }
    (revision, pairs)
}

pub(crate) async fn watch(store: &Arc<dyn Store>, prefix: &str, from: Revision) -> Box<dyn Watch> {
    store.watch(&[prefix.into()], from).await.unwrap()
}

pub(crate) async fn next(watch: &mut Box<dyn Watch>) -> Result<WatchBatch, StoreError> {
    tokio::time::timeout(PATIENCE, watch.next())
        .await
        .expect("a watch that has something to say")
}

/// The batches with events until `count` events came.
pub(crate) async fn batches(watch: &mut Box<dyn Watch>, count: usize) -> Vec<Vec<Event>> {
    let (mut batches, mut seen, mut last) = (Vec::new(), 0, 0);
    while seen < count {
        let revision = match next(watch).await.unwrap() {
            WatchBatch::Events { revision, events } => {
                assert!(events.is_sorted_by_key(|event| event.revision));
                seen += events.len();
                batches.push(events);
                revision
            }
            WatchBatch::Progress { revision } => revision,
        };
        assert!(revision >= last, "resume points never fall");
        last = revision;
    }
    batches
}

/// Events as text: `key=value@revision`, revisions counted from `base`; large values as length.
fn shown(events: &[Event], base: Revision) -> Vec<String> {
    let show = |event: &Event| {
        let key = String::from_utf8_lossy(&event.key);
        let value = match &event.value {
            Some(value) if value.len() > 20 => format!("={}B", value.len()),
            Some(value) => format!("={}", String::from_utf8_lossy(value)),
            None => " deleted".into(),
        };
        format!("{key}{value}@{}", event.revision - base)
    };
    events.iter().map(show).collect()
}

pub(crate) async fn an_empty_prefix_lists_nothing(bench: &impl Bench) {
    let store = bench.store();
    commit(&store, &[put("/b/1", "x")]).await;
    let page = store.list_page(b"/a/", None, None).await.unwrap();
    assert!(page.pairs.is_empty() && page.next.is_none());
    assert!(page.revision > 1);
    assert_ne!(page.cluster_id, 0);
}

pub(crate) async fn pages_cover_a_prefix_once(bench: &impl Bench) {
    let store = bench.store();
    let key = |n: usize| format!("/a/{n:05}");
    for first in (0..3000).step_by(100) {
        let chunk = first..first + 100;
        let operations: Vec<_> = chunk.map(|n| put(&key(n), vec![b'v'; 1000])).collect();
        commit(&store, &operations).await;
    }
    commit(&store, &[put("/a", "before"), put("/a0", "after")]).await;
    let first = store.list_page(b"/a/", None, None).await.unwrap();
    assert!(first.next.is_some(), "3 MB do not fit in one page");
    let (revision, pairs) = list(&store, "/a/").await;
    let keys: Vec<_> = pairs.iter().map(|pair| pair.key.clone()).collect();
    let expected: Vec<_> = (0..3000).map(|n| key(n).into_bytes()).collect();
    assert_eq!(keys, expected);
    assert!(pairs.iter().all(|pair| pair.mod_revision < revision));
}

pub(crate) async fn a_listing_stays_at_its_revision(bench: &impl Bench) {
    let store = bench.store();
    let key = |n: usize| format!("/a/{n:05}");
    for first in (0..3000).step_by(100) {
        let chunk = first..first + 100;
        let operations: Vec<_> = chunk.map(|n| put(&key(n), vec![b'v'; 1000])).collect();
        commit(&store, &operations).await;
    }
    let mut page = store.list_page(b"/a/", None, None).await.unwrap();
    let (revision, mut count) = (page.revision, page.pairs.len());
    let mut pages = 1;
    while let Some(from) = page.next {
        commit(&store, &[delete(&key(pages)), put("/a/99999", "new")]).await;
        commit(&store, &[put(&key(3000 - pages), "changed")]).await;
        page = store
            .list_page(b"/a/", Some(&from), Some(revision))
            .await
            .unwrap();
        assert_eq!(page.revision, revision);
        assert!(page.pairs.iter().all(|pair| pair.value == vec![b'v'; 1000]));
        count += page.pairs.len();
        pages += 1;
    }
    assert_eq!(count, 3000);
}

pub(crate) async fn a_listing_of_a_compacted_revision_fails(bench: &impl Bench) {
    let store = bench.store();
    let old = commit(&store, &[put("/a/1", "x")]).await;
    commit(&store, &[put("/a/2", "x")]).await;
    let newest = commit(&store, &[put("/a/3", "x")]).await;
    bench.compact(newest).await;
    let error = store.list_page(b"/a/", None, Some(old)).await.unwrap_err();
    assert!(matches!(error, StoreError::Compacted { .. }), "{error}");
    assert_eq!(list(&store, "/a/").await.1.len(), 3);
}

pub(crate) async fn a_listing_ahead_of_the_store_is_refused(bench: &impl Bench) {
    let store = bench.store();
    let newest = commit(&store, &[put("/a/1", "x")]).await;
    let error = store.list_page(b"/a/", None, Some(newest + 5)).await;
    assert!(matches!(error, Err(StoreError::Refused(_))), "{error:?}");
}

pub(crate) async fn large_values_are_paged(bench: &impl Bench) {
    let store = bench.store();
    for n in 0..5 {
        commit(
            &store,
            &[put(&format!("/a/{n}"), vec![b'0' + n; 1_000_000])],
        )
        .await;
    }
    for n in 0..600 {
        commit(&store, &[put(&format!("/a/0-{n}"), "small")]).await;
    }
    let (_, pairs) = list(&store, "/a/").await;
    assert_eq!(pairs.len(), 605);
    for n in 0..5 {
        let key = format!("/a/{n}").into_bytes();
        let pair = pairs.iter().find(|pair| pair.key == key).unwrap();
        assert_eq!(pair.value, vec![b'0' + n; 1_000_000]);
    }
}

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
        vec![put("/a/2", vec![0; 9 << 20])],
    ] {
        let outcome = store.transact(&[], &operations).await;
        assert!(
            matches!(outcome, Err(StoreError::Refused(_))),
            "{outcome:?}"
        );
    }
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
