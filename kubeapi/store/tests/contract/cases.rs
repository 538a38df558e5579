//! The cases that every store must meet, and the steps they are written in.

use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{
    Event, KeyValue, Operation, Outcome, Revision, Store, StoreError, Watch, WatchBatch,
};

pub(crate) mod listing;
pub(crate) mod past;
pub(crate) mod watching;
pub(crate) mod writing;

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
