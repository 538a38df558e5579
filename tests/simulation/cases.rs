//! The failures that a reader of a store must survive, one case each.

use std::time::Duration;

use containerdns_store::Store;

use super::server::{HOLD, RELIST, Server, steady_pair, steady_pair_in_view};
use super::store::{Content, Faults, ModelStore};

const SECOND: Duration = Duration::from_secs(1);

/// Key and value of an address at `owner`.
fn pair(owner: &str, address: &str) -> (String, String) {
    let rrset = format!(r#"{{"name":"{owner}","type":"A","rdata":["{address}"]}}"#);
    let key = format!("/containerdns-kube/one/services/ns/{owner}");
    (key, format!(r#"{{"v":1,"rrsets":[{rrset}]}}"#))
}

fn put(store: &ModelStore, owner: &str, address: &str) {
    let (key, value) = pair(owner, address);
    store.put(&key, &value);
}

fn delete(store: &ModelStore, owner: &str) {
    store.delete(&pair(owner, "").0);
}

fn key_in_view(owner: &str) -> String {
    format!("/views/office/one/services/ns/{owner}")
}

fn put_in_view(store: &ModelStore, owner: &str) {
    store.put(&key_in_view(owner), &pair(owner, "10.0.0.3").1);
}

async fn ready(store: &std::sync::Arc<ModelStore>, steady: usize) -> Server {
    let mut server = Server::start(store, 2, steady);
    server.until_ready().await;
    server.pass(SECOND, &[]).await;
    server.assert_equal();
    server
}

/// The test server's own idea of time: paused, and moved on when all tasks wait.
macro_rules! case {
    ($(#[doc = $why:literal])* async fn $name:ident() $body:block) => {
        $(#[doc = $why])*
        #[tokio::test(start_paused = true)]
        async fn $name() $body
    };
}

case! {
    /// Much happens and is compacted away while the watch is cut off: one list brings it all.
    async fn compaction_while_away() {
        let store = ModelStore::new(1);
        for number in 0..50 {
            put(&store, &format!("old{number}.t"), "10.0.0.1");
        }
        let mut server = ready(&store, 5).await;
        store.set_faults(Faults { watch_hangs: true, ..Faults::default() });
        for number in 0..100 {
            put(&store, &format!("new{number}.t"), "10.0.0.2");
        }
        for number in 0..25 {
            delete(&store, &format!("old{number}.t"));
        }
        store.compact();
        store.set_faults(Faults::default());
        server.pass(5 * SECOND, &[]).await;
        server.assert_equal();
        assert!(!server.holds(0, "old0.t") && server.holds(1, "new99.t"));
        assert_eq!(server.count(|status| &status.watch_failures), 1);
    }
}

case! {
    /// A delete at the very revision that is compacted is lost without a word (etcd up to 3.4.35).
    async fn lost_delete_is_healed_by_the_next_list() {
        let store = ModelStore::new(2);
        put(&store, "a.t", "10.0.0.1");
        let mut server = ready(&store, 5).await;
        store.set_faults(Faults { watch_hangs: true, ..Faults::default() });
        delete(&store, "a.t");
        store.compact();
        store.set_faults(Faults::default());
        let repairs = server.count(|status| &status.list_repairs);
        server.pass(5 * SECOND, &[]).await;
        assert!(server.holds(0, "a.t"), "nothing told of the delete");
        server.pass(RELIST * 11 / 10, &[]).await;
        server.assert_equal();
        assert_eq!(server.count(|status| &status.list_repairs), repairs + 1);
        assert_eq!(server.count(|status| &status.watch_failures), 0);
    }
}

case! {
    /// The store is wiped: its names stay until a second list agrees.
    async fn mass_removal_is_held() {
        let store = ModelStore::new(3);
        for number in 0..300 {
            put(&store, &format!("n{number}.t"), "10.0.0.1");
        }
        let mut server = ready(&store, 0).await;
        store.replace(2, 1, Content::new());
        server.pass(HOLD - SECOND, &[]).await;
        assert_eq!(server.count(|status| &status.lists_held), 1);
        assert_eq!(server.count(|status| &status.list_held), 1);
        assert!(server.holds(0, "n0.t") && server.holds(1, "n299.t"));
        put(&store, "first.t", "10.0.0.2");
        server.pass(SECOND / 2, &[]).await;
        assert!(server.holds(0, "first.t"), "what is new is taken meanwhile");
        server.pass(2 * SECOND, &[]).await;
        server.assert_equal();
        assert!(!server.holds(0, "n0.t"));
        assert_eq!(server.count(|status| &status.lists_held), 1);
        assert_eq!(server.count(|status| &status.list_held), 0);
        assert_eq!(server.count(|status| &status.store_replacements), 1);
    }
}

case! {
    /// A list that removes much is no more held when the names are back at the next.
    async fn mass_removal_that_was_a_mistake() {
        let store = ModelStore::new(4);
        for number in 0..300 {
            put(&store, &format!("n{number}.t"), "10.0.0.1");
        }
        let mut server = ready(&store, 90).await;
        let before = store.content();
        let kept = |key: &[u8]| key.starts_with(b"/containerdns-kube/one/pods/");
        let mut less = before.clone();
        less.retain(|key, _| kept(key) && !key.ends_with(b"7"));
        less.extend((0..90).map(steady_pair).map(|(key, value)| (key.into(), (value.into(), 1))));
        store.replace(2, 1, less);
        server.pass(SECOND, &[]).await;
        assert_eq!(server.count(|status| &status.list_held), 1);
        store.replace(3, 2_000, before);
        server.pass(HOLD, &[]).await;
        assert_eq!(server.count(|status| &status.list_held), 0);
        server.assert_equal();
        assert!(server.holds(0, "n0.t"));
    }
}

case! {
    /// A view that would lose most of its names is held, too, however few they are of all; what is
    /// deleted goes at once.
    async fn mass_removal_in_a_view_is_held() {
        let store = ModelStore::new(15);
        for number in 0..150 {
            put_in_view(&store, &format!("v{number}.t"));
        }
        for number in 0..600 {
            put(&store, &format!("n{number}.t"), "10.0.0.1");
        }
        let mut server = ready(&store, 5).await;
        store.delete(&key_in_view("v0.t"));
        server.pass(SECOND, &[]).await;
        assert!(!server.holds_in_view(0, "v0.t") && server.holds_in_view(1, "v1.t"));
        let mut less = store.content();
        let (steady, _) = steady_pair_in_view();
        less.retain(|key, _| !key.starts_with(b"/views/") || key == steady.as_bytes());
        store.replace(2, 5_000, less);
        server.pass(HOLD - SECOND, &[]).await;
        assert_eq!(server.count(|status| &status.lists_held), 1);
        assert!(server.holds_in_view(0, "v1.t") && server.holds_in_view(1, "v149.t"));
        server.pass(2 * SECOND, &[]).await;
        assert!(!server.holds_in_view(0, "v1.t"));
        server.assert_equal();
    }
}

case! {
    /// A list that fails removes nothing from a view.
    async fn partial_list_removes_nothing_from_a_view() {
        let store = ModelStore::new(16);
        put_in_view(&store, "gone.t");
        let mut server = ready(&store, 40).await;
        store.set_faults(Faults { watch_hangs: true, ..Faults::default() });
        store.delete(&key_in_view("gone.t"));
        store.compact();
        store.set_faults(Faults { page_fails: 700, ..Faults::default() });
        server.pass(2 * RELIST, &[]).await;
        assert!(server.count(|status| &status.list_failures) > 3);
        assert!(server.holds_in_view(0, "gone.t") && !server.holds(0, "gone.t"));
        store.set_faults(Faults::default());
        server.pass(6 * SECOND, &[]).await;
        server.assert_equal();
        assert!(!server.holds_in_view(0, "gone.t"));
    }
}

case! {
    /// A backup is restored with few names, and with other values at the keys that it has: those
    /// are taken in as well, although their revisions were higher in the store before.
    async fn restored_backup_with_other_values() {
        let store = ModelStore::new(5);
        for number in 0..300 {
            put(&store, &format!("n{number}.t"), "10.0.0.1");
        }
        let mut server = ready(&store, 0).await;
        let backup = (280..300).map(|number| {
            let (key, value) = pair(&format!("n{number}.t"), "10.0.0.7");
            (key.into_bytes(), (value.into_bytes(), 2))
        });
        store.replace(2, 30, backup.collect());
        server.pass(3 * HOLD, &[]).await;
        server.assert_equal();
    }
}

case! {
    /// A list that fails half way removes nothing.
    async fn partial_list_removes_nothing() {
        let store = ModelStore::new(6);
        let mut server = ready(&store, 40).await;
        let (lists, gone) = (server.count(|status| &status.lists), "gone.t");
        put(&store, gone, "10.0.0.1");
        server.pass(SECOND, &[]).await;
        store.set_faults(Faults { watch_hangs: true, ..Faults::default() });
        delete(&store, gone);
        store.compact();
        store.set_faults(Faults { page_fails: 700, ..Faults::default() });
        server.pass(2 * RELIST, &[]).await;
        assert!(server.count(|status| &status.list_failures) > 3);
        assert_eq!(server.count(|status| &status.lists), lists);
        assert!(server.holds(0, gone) && server.holds(1, gone));
        store.set_faults(Faults::default());
        server.pass(6 * SECOND, &[]).await;
        server.assert_equal();
    }
}

case! {
    /// Nor does one whose task dies without saying that it failed.
    async fn dead_list_removes_nothing() {
        let store = ModelStore::new(7);
        let mut server = ready(&store, 40).await;
        store.set_faults(Faults { page_panics: true, ..Faults::default() });
        server.pass(2 * RELIST, &[]).await;
        assert!(server.count(|status| &status.list_failures) > 0);
        store.set_faults(Faults::default());
        server.pass(RELIST, &[]).await;
        server.assert_equal();
    }
}

case! {
    /// What a watch says while a list goes on is newer than the list.
    async fn watch_is_newer_than_a_list_in_progress() {
        let store = ModelStore::new(8);
        put(&store, "a.t", "10.0.0.1");
        put(&store, "b.t", "10.0.0.1");
        let mut server = ready(&store, 40).await;
        let lists = store.lists();
        store.set_faults(Faults { list_hangs: true, ..Faults::default() });
        server.until("a list", |server| server.store.lists() > lists).await;
        put(&store, "c.t", "10.0.0.1");
        put(&store, "b.t", "10.0.0.2");
        delete(&store, "a.t");
        server.pass(SECOND, &[]).await;
        server.assert_equal();
        put(&store, "d.t", "10.0.0.1");
        delete(&store, "d.t");
        put(&store, "d.t", "10.0.0.3");
        store.set_faults(Faults::default());
        for _ in 0..200 {
            server.pass(Duration::from_millis(1), &[]).await;
            assert!(!server.holds(0, "a.t"), "a deleted name came back");
            assert!(server.holds(0, "c.t"), "a new name went");
        }
        server.assert_equal();
    }
}

case! {
    /// Events that come again, in batches of their own, change nothing: not even for a moment.
    async fn repeated_events_do_not_flap() {
        let store = ModelStore::new(9);
        let mut server = ready(&store, 5).await;
        store.set_faults(Faults { events_repeat: 1000, ..Faults::default() });
        delete(&store, "a.t");
        for round in 0..200 {
            put(&store, "a.t", &format!("10.0.0.{round}"));
            server.pass(Duration::from_millis(1), &[]).await;
            if round % 3 == 0 {
                delete(&store, "a.t");
                put(&store, "a.t", "10.0.0.1");
            }
            if round % 5 == 0 {
                delete(&store, "b.t");
                server.pass(Duration::from_millis(3), &[]).await;
                assert!(!server.holds(0, "b.t"), "a deleted name came back");
                put(&store, "b.t", "10.0.0.1");
            }
            assert!(round < 2 || server.holds(0, "a.t"), "a repeated delete took a name");
            if round == 100 {
                store.set_faults(Faults::default());
            }
        }
        server.pass(SECOND, &[]).await;
        server.assert_equal();
    }
}

case! {
    /// A core that does not take its deltas is behind; nobody waits for it, and it ends equal.
    async fn core_behind_ends_equal() {
        let store = ModelStore::new(10);
        let mut server = ready(&store, 5).await;
        for number in 0..2_000 {
            put(&store, &format!("n{}.t", number % 700), &format!("10.0.0.{}", number % 250));
            if number % 7 == 0 {
                delete(&store, &format!("n{}.t", number % 90));
            }
            server.pass(Duration::ZERO, &[1]).await;
        }
        server.pass(SECOND / 10, &[1]).await;
        assert_eq!(server.count(|status| &status.cores_behind), 1);
        assert!(server.differences(0).is_empty() && !server.differences(1).is_empty());
        server.pass(SECOND, &[]).await;
        assert_eq!(server.count(|status| &status.cores_behind), 0);
        server.assert_equal();
    }
}

case! {
    /// It catches up even while changes go on and on, faster than any timer.
    async fn core_behind_catches_up_under_a_flood() {
        let store = ModelStore::new(11);
        let mut server = ready(&store, 5).await;
        for number in 0..500 {
            put(&store, &format!("n{number}.t"), "10.0.0.1");
            server.pass(Duration::ZERO, &[1]).await;
            tokio::task::yield_now().await;
        }
        server.pass(SECOND / 10, &[1]).await;
        assert_eq!(server.count(|status| &status.cores_behind), 1);
        for _ in 0..300 {
            put(&store, "m.t", "10.0.0.1");
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            server.drain(&[]);
        }
        assert!(server.holds(1, "n0.t") && server.holds(1, "n499.t"));
    }
}

case! {
    /// A store that lists but does not let watch is not listed without pause.
    async fn failing_watch_does_not_list_all_the_time() {
        let store = ModelStore::new(12);
        let mut server = ready(&store, 5).await;
        store.set_faults(Faults { watch_fails: 1000, ..Faults::default() });
        let lists = store.lists();
        put(&store, "a.t", "10.0.0.1");
        server.pass(60 * SECOND, &[]).await;
        assert!(store.lists() - lists < 40, "{} lists in a minute", store.lists() - lists);
        assert!(server.holds(0, "a.t"));
        store.set_faults(Faults::default());
        put(&store, "b.t", "10.0.0.1");
        server.pass(6 * SECOND, &[]).await;
        server.assert_equal();
    }
}

case! {
    /// Nothing is complete before the first whole list, and what a first, broken one brought of
    /// another store is not kept.
    async fn store_replaced_before_the_first_list_ends() {
        let store = ModelStore::new(13);
        for number in 0..40 {
            put(&store, &format!("n{number}.t"), "10.0.0.1");
        }
        store.set_faults(Faults { list_hangs: true, ..Faults::default() });
        let mut server = Server::start(&store, 2, 0);
        server.pass(SECOND, &[]).await;
        assert_eq!(server.count(|status| &status.ready), 0);
        let other = (0..40).map(|number| {
            let (key, value) = pair(&format!("n{number}.t"), "10.0.0.2");
            (key.into_bytes(), (value.into_bytes(), 2))
        });
        store.replace(2, 3, other.collect());
        store.set_faults(Faults { page_fails: 1000, ..Faults::default() });
        server.pass(SECOND, &[]).await;
        assert_eq!(server.count(|status| &status.ready), 0);
        store.set_faults(Faults::default());
        server.until_ready().await;
        server.assert_equal();
    }
}

case! {
    /// The store that the cases rely on: a compacted revision is gone for lists and watches.
    async fn model_store_compacts() {
        let store = ModelStore::new(14);
        put(&store, "a.t", "10.0.0.1");
        put(&store, "b.t", "10.0.0.1");
        store.compact();
        assert!(store.list_page(b"/", None, Some(2)).await.is_err());
        let mut watch = store.watch(&[b"/".to_vec()], 2).await.expect("a watch");
        assert!(watch.next().await.is_err());
        let mut watch = store.watch(&[b"/".to_vec()], 3).await.expect("a watch");
        assert!(watch.next().await.is_ok());
    }
}
