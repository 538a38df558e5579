//! Lists of objects and of the store: only a complete one removes anything.

use super::*;

#[test]
fn nothing_is_written_before_everything_is_listed() {
    let (mut publisher, mut store) = (publisher(), FakeStore::default());
    store.put("services/prod/gone", b"old");
    let waits = |publisher: &Publisher| {
        let mut waits: Vec<_> = publisher.unlisted().collect();
        waits.sort_unstable();
        waits.join(", ")
    };
    assert_eq!(
        waits(&publisher),
        "EndpointSlice, Namespace, Service, the store"
    );
    publisher.news(store.listed());
    list(&mut publisher, ObjectKind::Namespace, &[namespace("prod")]);
    list(&mut publisher, ObjectKind::Service, &[web("10.96.0.1")]);
    publisher.change(applied(&slice("a", "web", "", "10.1.0.1")));
    publisher.change(Change::Init(ObjectKind::EndpointSlice));
    assert!(!publisher.begin(long_ago()), "all lists are fresh");
    publisher.look_at_all();
    assert_eq!(waits(&publisher), "EndpointSlice");
    assert_eq!(publisher.next_write(), Next::Idle);
    assert_eq!(publisher.queue_len(), 0);
    publisher.change(Change::InitDone(ObjectKind::EndpointSlice));
    assert!(publisher.is_complete());
    let mut told: Vec<_> = store
        .write_all(&mut publisher)
        .lines()
        .map(str::to_owned)
        .collect();
    told.sort();
    expect![[r#"
        delete services/prod/gone at 1
        put namespaces/prod/prod absent
        put records/kube-system/dns-version absent
        put services/prod/web absent"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn the_store_may_be_listed_last() {
    let (mut publisher, mut store) = (publisher(), FakeStore::default());
    list_all(&mut publisher, &[web("10.96.0.1")], &[]);
    assert_eq!(publisher.unlisted().collect::<Vec<_>>(), ["the store"]);
    assert_eq!(publisher.next_write(), Next::Idle);
    // News of a watch are no list.
    publisher.news(store.listed());
    assert_eq!(store.write_all(&mut publisher).lines().count(), 3);
    assert_eq!(publisher.next_write(), Next::Idle);
}

#[test]
fn the_end_of_a_list_that_did_not_begin_says_nothing() {
    let mut publisher = publisher();
    publisher.change(Change::InitDone(ObjectKind::Service));
    assert!(publisher.unlisted().any(|kind| kind == "Service"));
}

#[test]
fn a_list_that_broke_off_removes_nothing() {
    let (mut publisher, mut store) = settled();
    let more = service("more", "10.96.0.2", "");
    publisher.change(applied(&more));
    store.write_all(&mut publisher);
    // The first try shows one and fails, the second shows the other: neither is complete.
    publisher.change(Change::Init(ObjectKind::Service));
    publisher.change(Change::InitApplied(Box::new(object(&more))));
    assert_eq!(store.write_all(&mut publisher), "");
    publisher.change(Change::Init(ObjectKind::Service));
    assert_eq!(store.write_all(&mut publisher), "");
    publisher.change(Change::InitApplied(Box::new(object(&web("10.96.0.1")))));
    assert_eq!(store.write_all(&mut publisher), "");
    // Complete: what only the first try has shown is gone.
    publisher.change(Change::InitDone(ObjectKind::Service));
    assert_eq!(
        store.write_all(&mut publisher),
        "delete services/prod/more at 4\n"
    );
}

#[test]
fn changes_during_a_list_count() {
    let (mut publisher, mut store) = settled();
    let more = service("more", "10.96.0.2", "");
    publisher.change(Change::Init(ObjectKind::Service));
    publisher.change(Change::InitApplied(Box::new(object(&web("10.96.0.1")))));
    publisher.change(applied(&more));
    publisher.change(deleted(&web("")));
    publisher.change(Change::InitDone(ObjectKind::Service));
    let told = store.write_all(&mut publisher);
    assert_eq!(
        told,
        "put services/prod/more absent\ndelete services/prod/web at 3\n"
    );
}

#[test]
fn an_empty_list_that_is_complete_removes_all_of_its_kind() {
    let (mut publisher, mut store) = settled();
    list(&mut publisher, ObjectKind::EndpointSlice, &[]);
    assert_eq!(store.write_all(&mut publisher), "");
    list(&mut publisher, ObjectKind::Service, &[]);
    assert_eq!(
        store.write_all(&mut publisher),
        "delete services/prod/web at 3\n"
    );
    list(&mut publisher, ObjectKind::Namespace, &[]);
    assert_eq!(
        store.write_all(&mut publisher),
        "delete namespaces/prod/prod at 2\n"
    );
    assert_eq!(store.pairs.len(), 1, "what belongs to the cluster stays");
}

#[test]
fn keys_that_no_object_accounts_for_are_removed() {
    let (mut publisher, mut store) = settled();
    for key in [
        "services/prod/gone",
        "services/elsewhere/web",
        "endpointslices/prod/a",
        "pods/prod/a",
        "serviceimports/prod/shop",
        "records/kube-system/other",
    ] {
        store.put(key, b"old");
    }
    publisher.news(store.listed());
    let mut told: Vec<_> = store
        .write_all(&mut publisher)
        .lines()
        .map(str::to_owned)
        .collect();
    told.sort();
    expect![[r#"
        delete endpointslices/prod/a at 6
        delete pods/prod/a at 7
        delete records/kube-system/other at 9
        delete serviceimports/prod/shop at 8
        delete services/elsewhere/web at 5
        delete services/prod/gone at 4"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn keys_that_are_none_of_ours_are_left_alone() {
    let (mut publisher, mut store) = settled();
    store.put("things/prod/web", b"of a later version");
    store.put("services/prod", b"short");
    store.put("services/prod/web/more", b"long");
    store.set(
        b"/containerdns-kube/other/services/prod/x".to_vec(),
        Some(b"y".to_vec()),
    );
    store.set(
        b"/containerdns-kube/c/services/prod/\xff".to_vec(),
        Some(b"y".to_vec()),
    );
    publisher.news(store.listed());
    assert!(!publisher.begin(long_ago()), "all lists are fresh");
    assert_eq!(store.write_all(&mut publisher), "");
    assert_eq!(store.pairs.len(), 8);
}

#[test]
fn a_list_of_the_store_shows_what_a_watch_lost() {
    let (mut publisher, mut store) = settled();
    store.put("services/prod/web", b"of someone else");
    store.set(long("namespaces/prod/prod"), None);
    assert!(idle(&mut publisher), "nobody told");
    publisher.news(store.listed());
    let mut told: Vec<_> = store
        .write_all(&mut publisher)
        .lines()
        .map(str::to_owned)
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "put namespaces/prod/prod absent",
            "put services/prod/web at 4"
        ]
    );
}

#[test]
fn a_list_older_than_a_write_does_not_undo_what_is_known_of_it() {
    let (mut publisher, mut store) = settled();
    let before = store.listed();
    publisher.change(applied(&web("10.96.0.2")));
    store.write_all(&mut publisher);
    publisher.news(before);
    assert!(idle(&mut publisher));
}

#[test]
fn a_store_that_was_restored_is_compared_anew() {
    let (mut publisher, mut store) = settled();
    let old: BTreeMap<_, _> = store.pairs.clone();
    publisher.change(applied(&web("10.96.0.2")));
    store.write_all(&mut publisher);
    publisher.news(store.changed("services/prod/web"));
    publisher.change(applied(&service("more", "10.96.0.3", "")));
    store.write_all(&mut publisher);
    publisher.news(store.changed("services/prod/more"));
    // A backup of before both: revisions are lower than what was seen.
    store = FakeStore {
        pairs: old,
        revision: 3,
    };
    publisher.news(store.listed());
    let mut told: Vec<_> = store
        .write_all(&mut publisher)
        .lines()
        .map(str::to_owned)
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "put services/prod/more absent",
            "put services/prod/web at 3"
        ]
    );
}

/// One that was stopped, or cut off from the API server, has old lists: what it does not know must
/// not be removed.
#[test]
fn who_begins_to_lead_with_old_lists_writes_nothing_before_new_ones() {
    let (mut publisher, mut store) = settled();
    store.put("services/prod/new", b"of the former leader");
    publisher.news(store.listed());
    publisher.change(Change::Init(ObjectKind::Service));
    assert!(publisher.begin(Instant::now()), "lists must be made again");
    assert!(!publisher.is_complete());
    assert_eq!(publisher.next_write(), Next::Idle);
    // A list that was under way began too early, too.
    publisher.change(Change::InitDone(ObjectKind::Service));
    assert!(!publisher.is_complete());
    list_all(
        &mut publisher,
        &[web("10.96.0.1"), service("new", "10.96.0.2", "")],
        &[],
    );
    assert!(publisher.is_complete());
    assert_eq!(
        store.write_all(&mut publisher),
        "put services/prod/new at 4\n"
    );
}

#[test]
fn who_does_not_lead_keeps_no_queue() {
    let (mut publisher, _) = settled();
    for number in 0..100 {
        let new = service(&format!("s{number}"), "10.96.1.1", "");
        publisher.change(applied(&new));
        publisher.change(deleted(&new));
    }
    assert_eq!(publisher.queue_len(), 100);
    publisher.pause();
    assert_eq!(publisher.queue_len(), 0);
    assert!(idle(&mut publisher));
}
