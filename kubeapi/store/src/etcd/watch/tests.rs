//! How responses of several watchers become batches.

use super::{Merge, Received, without_covered};
use crate::{Event, Revision, WatchBatch};

fn event(key: &str, revision: Revision) -> Event {
    Event {
        key: key.into(),
        value: None,
        revision,
    }
}

fn changes(watch_id: i64, fragment: bool, events: &[(&str, Revision)]) -> Received {
    Received::Changes {
        watch_id,
        events: events
            .iter()
            .map(|(key, revision)| event(key, *revision))
            .collect(),
        fragment,
    }
}

fn batch(revision: Revision, events: &[(&str, Revision)]) -> Option<WatchBatch> {
    let events = events
        .iter()
        .map(|(key, revision)| event(key, *revision))
        .collect();
    Some(WatchBatch::Events { revision, events })
}

#[test]
fn a_fragment_waits_for_the_rest() {
    let mut merge = Merge::new(1, 5);
    merge.accept(changes(1, true, &[("a", 5), ("b", 6)]));
    assert_eq!(merge.take(), None);
    merge.accept(changes(1, false, &[("c", 6)]));
    assert_eq!(merge.take(), batch(6, &[("a", 5), ("b", 6), ("c", 6)]));
    assert_eq!(merge.take(), None);
}

#[test]
fn the_slowest_watcher_is_the_resume_point() {
    let mut merge = Merge::new(2, 5);
    merge.accept(changes(1, false, &[("a", 5), ("a", 7)]));
    assert_eq!(merge.take(), batch(4, &[("a", 5), ("a", 7)]));
    merge.accept(changes(2, false, &[("b", 6)]));
    assert_eq!(merge.take(), batch(6, &[("b", 6)]));
    merge.accept(Received::Progress {
        watch_id: 2,
        revision: 9,
    });
    assert_eq!(merge.take(), Some(WatchBatch::Progress { revision: 7 }));
}

#[test]
fn one_revision_of_two_watchers_is_one_batch_when_both_came() {
    let mut merge = Merge::new(2, 5);
    merge.accept(changes(2, false, &[("b", 5), ("b", 6)]));
    merge.accept(changes(1, false, &[("a", 5)]));
    assert_eq!(merge.take(), batch(5, &[("b", 5), ("a", 5), ("b", 6)]));
}

#[test]
fn foreign_watch_ids_change_nothing() {
    let mut merge = Merge::new(1, 5);
    for watch_id in [i64::MIN, -1, 0, 2, i64::MAX] {
        merge.accept(changes(watch_id, false, &[("a", 5)]));
        merge.accept(Received::Progress {
            watch_id,
            revision: 9,
        });
        assert_eq!(merge.take(), None);
    }
}

#[test]
fn a_prefix_under_another_is_not_watched_twice() {
    let prefixes = ["/b/c".into(), "/b/".into(), "/a".into(), "/b/".into()];
    assert_eq!(without_covered(&prefixes), [&b"/a"[..], b"/b/"]);
    assert_eq!(without_covered(&["/a".into(), "".into()]), [b""]);
}
