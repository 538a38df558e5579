//! Listings: pages, revisions, large values.

use containerdns_store::StoreError;

use super::{commit, delete, list, put};
use crate::Bench;

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
    for first in (0..5000).step_by(100) {
        let chunk = first..first + 100;
        let operations: Vec<_> = chunk.map(|n| put(&key(n), vec![b'v'; 1000])).collect();
        commit(&store, &operations).await;
    }
    commit(&store, &[put("/a", "before"), put("/a0", "after")]).await;
    let first = store.list_page(b"/a/", None, None).await.unwrap();
    assert!(first.next.is_some(), "5,000 keys are more than one page");
    let (revision, pairs) = list(&store, "/a/").await;
    let keys: Vec<_> = pairs.iter().map(|pair| pair.key.clone()).collect();
    let expected: Vec<_> = (0..5000).map(|n| key(n).into_bytes()).collect();
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
