//! Writes: their guards, and what happens between a write and its answer.

use super::*;

fn told(changes: &[Change], expected: Expect) {
    let (mut publisher, mut store) = settled();
    let mut told = String::new();
    for change in changes {
        publisher.change(match change {
            Change::Applied(object) => Change::Applied(object.clone()),
            Change::Deleted(id) => Change::Deleted(id.clone()),
            other => panic!("{other:?}"),
        });
        told += &store.write_all(&mut publisher);
    }
    expected.assert_eq(&told);
}

#[test]
fn a_write_is_guarded_by_what_was_seen() {
    told(
        &[
            applied(&service("more", "10.96.0.2", "")),
            applied(&service("more", "10.96.0.3", "")),
            applied(&service("more", "10.96.0.3", "")),
            deleted(&service("more", "", "")),
            applied(&service("more", "10.96.0.4", "")),
        ],
        expect![[r#"
            put services/prod/more absent
            put services/prod/more at 4
            delete services/prod/more at 5
            put services/prod/more absent
        "#]],
    );
}

#[test]
fn a_hundred_changes_are_one_write_of_the_latest() {
    let (mut publisher, mut store) = settled();
    for last in 1..=100 {
        publisher.change(applied(&web(&format!("10.96.1.{last}"))));
    }
    assert_eq!(publisher.queue_len(), 1);
    let since = Instant::now();
    let write = write(&mut publisher);
    assert!(write.since <= since, "the first of the changes counts");
    let value = String::from_utf8(write.value.clone().expect("a put")).expect("text");
    assert!(value.contains("10.96.1.100") && !value.contains("10.96.1.99"));
    store.commit(&mut publisher, &write);
    assert!(idle(&mut publisher));
}

#[test]
fn a_change_that_is_undone_is_no_write() {
    let (mut publisher, _) = settled();
    publisher.change(applied(&web("10.96.0.9")));
    publisher.change(applied(&web("10.96.0.1")));
    assert_eq!(publisher.next_write(), Next::Same);
    assert_eq!(publisher.next_write(), Next::Idle);
}

#[test]
fn a_change_while_a_write_is_under_way_is_written_afterwards() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    let first = write(&mut publisher);
    publisher.change(applied(&web("10.96.0.3")));
    publisher.change(applied(&web("10.96.0.4")));
    assert!(idle(&mut publisher), "one write of a key at a time");
    store.commit(&mut publisher, &first);
    let second = write(&mut publisher);
    assert_eq!(line(&second), "put services/prod/web at 4");
    let value = String::from_utf8(second.value.clone().expect("a put")).expect("text");
    assert!(value.contains("10.96.0.4"));
    store.commit(&mut publisher, &second);
    assert!(idle(&mut publisher));
    // Deleted while it is being written.
    publisher.change(applied(&web("10.96.0.5")));
    let third = write(&mut publisher);
    publisher.change(deleted(&web("")));
    store.commit(&mut publisher, &third);
    assert_eq!(
        store.write_all(&mut publisher),
        "delete services/prod/web at 6\n"
    );
}

#[test]
fn the_news_of_an_own_write_are_no_news() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    let first = write(&mut publisher);
    store.set(first.key.clone(), first.value.clone());
    // The watch is faster than the answer.
    publisher.news(store.changed("services/prod/web"));
    assert!(idle(&mut publisher));
    publisher.committed(&first, store.revision);
    publisher.news(store.changed("services/prod/web"));
    assert!(idle(&mut publisher));
}

#[test]
fn who_else_wrote_is_seen_and_overwritten() {
    let (mut publisher, mut store) = settled();
    store.put("services/prod/web", b"of someone else");
    publisher.change(applied(&web("10.96.0.2")));
    let told = store.write_all(&mut publisher);
    assert_eq!(
        told,
        "put services/prod/web at 3\nput services/prod/web at 4\n"
    );
    // Told of by the watch.
    store.put("services/prod/web", b"of someone else");
    publisher.news(store.changed("services/prod/web"));
    assert_eq!(
        store.write_all(&mut publisher),
        "put services/prod/web at 6\n"
    );
    store.set(long("services/prod/web"), None);
    publisher.news(store.changed("services/prod/web"));
    assert_eq!(
        store.write_all(&mut publisher),
        "put services/prod/web absent\n"
    );
}

#[test]
fn who_else_wrote_the_same_leaves_nothing_to_do() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    let first = write(&mut publisher);
    store.set(first.key.clone(), first.value.clone());
    store.commit(&mut publisher, &first);
    assert_eq!(
        publisher.next_write(),
        Next::Same,
        "it was refused, and is as it shall be"
    );
    assert!(idle(&mut publisher));
    // Deleted by someone else before.
    publisher.change(deleted(&web("")));
    let second = write(&mut publisher);
    store.set(second.key.clone(), None);
    store.commit(&mut publisher, &second);
    assert!(idle(&mut publisher));
}

#[test]
fn a_key_that_came_to_be_meanwhile_is_looked_at_again() {
    let (mut publisher, mut store) = settled();
    store.put("services/prod/more", b"of someone else");
    publisher.change(applied(&service("more", "10.96.0.2", "")));
    let told = store.write_all(&mut publisher);
    assert_eq!(
        told,
        "put services/prod/more absent\nput services/prod/more at 4\n"
    );
}

#[test]
fn a_write_without_an_answer_is_tried_again() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    let first = write(&mut publisher);
    publisher.failed(&first);
    let again = write(&mut publisher);
    assert_eq!((&again.value, &again.guard), (&first.value, &first.guard));
    // It was made all the same: the second finds that out.
    store.set(again.key.clone(), again.value.clone());
    publisher.failed(&again);
    assert_eq!(
        store.write_all(&mut publisher),
        "put services/prod/web at 3\n"
    );
    assert!(idle(&mut publisher));
    assert_eq!(store.revision, 4, "the last was refused");
}

#[test]
fn what_is_too_large_stays_as_it_is() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&service("db", "None", "")));
    publisher.change(applied(&slice("db-a", "db", "", "10.1.0.1")));
    assert_eq!(
        store.write_all(&mut publisher),
        "put endpointslices/prod/db-a absent\n"
    );
    let address = |n: u32| std::net::Ipv4Addr::from_bits(0x0a01_0000 + n).to_string();
    let many: Vec<String> = (0..20_000).map(address).collect();
    publisher.change(applied(&slice("db-a", "db", "", &many.join(","))));
    assert_eq!(
        store.write_all(&mut publisher),
        "too large endpointslices/prod/db-a\n"
    );
    publisher.look_at_all();
    assert_eq!(
        store.write_all(&mut publisher),
        "too large endpointslices/prod/db-a\n"
    );
    assert!(store.pairs.contains_key(&long("endpointslices/prod/db-a")));
    publisher.change(applied(&slice("db-a", "db", "", "10.1.0.2")));
    assert_eq!(
        store.write_all(&mut publisher),
        "put endpointslices/prod/db-a at 4\n"
    );
}

#[test]
fn a_new_leader_looks_at_everything() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    publisher.change(applied(&service("more", "10.96.0.3", "")));
    // Another leads meanwhile: nothing is taken from the queue here.
    store.put("services/prod/stale", b"of the former leader");
    publisher.news(store.changed("services/prod/stale"));
    assert!(!publisher.begin(long_ago()), "all lists are fresh");
    assert_eq!(
        publisher.queue_len(),
        5,
        "four keys of objects, and the one that is stale"
    );
    let mut told: Vec<_> = store
        .write_all(&mut publisher)
        .lines()
        .map(str::to_owned)
        .collect();
    told.sort();
    expect![[r#"
        delete services/prod/stale at 4
        put services/prod/more absent
        put services/prod/web at 3"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_write_of_the_former_term_is_looked_at_when_it_lands() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    let first = write(&mut publisher);
    assert!(!publisher.begin(long_ago()), "all lists are fresh");
    assert!(idle(&mut publisher), "it is under way");
    publisher.failed(&first);
    assert_eq!(
        store.write_all(&mut publisher),
        "put services/prod/web at 3\n"
    );
}

#[test]
fn a_removal_waits_for_what_was_to_be_put_before_it() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&service("db", "None", "")));
    publisher.change(applied(&slice("a", "db", "", "10.1.0.1")));
    store.write_all(&mut publisher);
    // One slice takes the place of another.
    publisher.change(applied(&slice("b", "db", "", "10.1.0.2")));
    publisher.change(deleted(&slice("a", "db", "", "10.1.0.1")));
    let put = write(&mut publisher);
    assert_eq!(line(&put), "put endpointslices/prod/b absent");
    assert_eq!(publisher.next_write(), Next::Blocked);
    publisher.failed(&put);
    let put = write(&mut publisher);
    assert_eq!(
        line(&put),
        "put endpointslices/prod/b absent",
        "it keeps its place"
    );
    assert_eq!(publisher.next_write(), Next::Blocked);
    store.commit(&mut publisher, &put);
    let delete = write(&mut publisher);
    assert!(line(&delete).starts_with("delete endpointslices/prod/a"));
}

#[test]
fn a_write_that_is_given_up_is_not_tried_again_by_itself() {
    let (mut publisher, mut store) = settled();
    publisher.change(applied(&web("10.96.0.2")));
    let first = write(&mut publisher);
    publisher.given_up(&first);
    assert!(idle(&mut publisher));
    publisher.news(store.listed());
    assert_eq!(
        store.write_all(&mut publisher),
        "put services/prod/web at 3\n"
    );
}
