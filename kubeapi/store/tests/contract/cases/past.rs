//! The past of one key.

use std::sync::Arc;

use containerdns_store::{Past, Store};

use super::{commit, delete, put};
use crate::Bench;

/// The past as text: `value@revision` newest first, and whether it is all.
async fn past(store: &Arc<dyn Store>, max: usize, base: i64) -> String {
    let Past { pairs, complete } = store.history(b"/a/1", max).await.unwrap();
    let pair = |pair: &containerdns_store::KeyValue| {
        let value = String::from_utf8_lossy(&pair.value).into_owned();
        format!("{value}@{} ", pair.mod_revision - base)
    };
    let pairs: String = pairs.iter().map(pair).collect();
    format!("{pairs}{}", if complete { "all" } else { "and more" })
}

pub(crate) async fn the_past_of_a_key_is_told_newest_first(bench: &impl Bench) {
    let store = bench.store();
    assert_eq!(past(&store, 9, 0).await, "all");
    let base = commit(&store, &[put("/a/1", "one")]).await;
    commit(&store, &[put("/a/10", "another key")]).await;
    commit(&store, &[put("/a/1", "two"), put("/b/1", "beside")]).await;
    commit(&store, &[put("/a/1", "three")]).await;
    assert_eq!(past(&store, 9, base).await, "three@3 two@2 one@0 all");
    assert_eq!(past(&store, 3, base).await, "three@3 two@2 one@0 all");
    assert_eq!(past(&store, 2, base).await, "three@3 two@2 and more");
}

pub(crate) async fn the_past_begins_where_the_key_was_created(bench: &impl Bench) {
    let store = bench.store();
    let base = commit(&store, &[put("/a/1", "former life")]).await;
    commit(&store, &[delete("/a/1")]).await;
    assert_eq!(past(&store, 9, base).await, "all");
    commit(&store, &[put("/a/1", "one")]).await;
    commit(&store, &[put("/a/1", "two")]).await;
    assert_eq!(past(&store, 9, base).await, "two@3 one@2 all");
}

pub(crate) async fn the_past_ends_at_a_compaction(bench: &impl Bench) {
    let store = bench.store();
    let base = commit(&store, &[put("/a/1", "one")]).await;
    commit(&store, &[put("/a/1", "two")]).await;
    let third = commit(&store, &[put("/a/1", "three")]).await;
    commit(&store, &[put("/a/1", "four")]).await;
    bench.compact(third).await;
    assert_eq!(past(&store, 9, base).await, "four@3 three@2 and more");
}
