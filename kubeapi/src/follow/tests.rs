//! What is told of an embedded store.

use containerdns_store::embedded::EmbeddedStore;
use containerdns_store::{Operation, Outcome};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const PREFIX: &[u8] = b"/b/c/";
const HOUR: Duration = Duration::from_secs(3600);

struct Bench {
    store: Arc<EmbeddedStore>,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = EmbeddedStore::open(dir.path()).expect("a store");
        Self { store, _dir: dir }
    }

    fn follow(&self, relist: Duration) -> mpsc::Receiver<News> {
        let (sender, news) = mpsc::channel(4);
        tokio::spawn(run(
            self.store.clone(),
            PREFIX.to_vec(),
            relist,
            |_, value| digest(value),
            sender,
        ));
        news
    }

    async fn commit(&self, operation: Operation) -> Revision {
        let outcome = self.store.transact(&[], &[operation]).await;
        match outcome.expect("an answer") {
            Outcome::Committed { revision } => revision,
            refused @ Outcome::Refused { .. } => panic!("{refused:?}"),
        }
    }

    async fn put(&self, key: &str, value: &str) -> Revision {
        let put = Operation::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        };
        self.commit(put).await
    }
}

fn seen(key: &str, value: Option<&str>, revision: Revision) -> Seen {
    Seen {
        key: key.into(),
        value: value.map(|value| digest(value.as_bytes())),
        revision,
    }
}

async fn next(news: &mut mpsc::Receiver<News>) -> News {
    let next = timeout(Duration::from_secs(20), news.recv()).await;
    next.expect("news come soon").expect("it runs")
}

/// The next list.
async fn list(news: &mut mpsc::Receiver<News>) -> (Revision, Vec<Seen>) {
    loop {
        if let News::Listed { revision, seen } = next(news).await {
            return (revision, seen);
        }
    }
}

/// The next change of a key.
async fn change(news: &mut mpsc::Receiver<News>) -> Seen {
    loop {
        match next(news).await {
            News::Changed { mut seen, .. } if seen.len() == 1 => return seen.remove(0),
            News::Changed { seen, .. } => assert!(seen.is_empty(), "{seen:?}"),
            News::Listed { .. } => panic!("there is no need of another list"),
        }
    }
}

#[tokio::test]
async fn a_list_comes_first_and_then_every_change() {
    let bench = Bench::new();
    let first = bench.put("/b/c/services/a/b", "1").await;
    let other = bench.put("/b/other/services/a/b", "1").await;
    let mut news = bench.follow(HOUR);
    let listed = list(&mut news).await;
    assert_eq!(
        listed,
        (other, vec![seen("/b/c/services/a/b", Some("1"), first)])
    );
    let second = bench.put("/b/c/services/a/b", "2").await;
    assert_eq!(
        change(&mut news).await,
        seen("/b/c/services/a/b", Some("2"), second)
    );
    bench.put("/b/cc/services/a/b", "3").await;
    let key = b"/b/c/services/a/b".to_vec();
    let third = bench.commit(Operation::Delete { key }).await;
    assert_eq!(
        change(&mut news).await,
        seen("/b/c/services/a/b", None, third)
    );
}

#[tokio::test]
async fn an_empty_store_is_a_list_too() {
    let bench = Bench::new();
    assert_eq!(list(&mut bench.follow(HOUR)).await.1, []);
}

#[tokio::test]
async fn a_list_of_several_pages_is_one() {
    let bench = Bench::new();
    let large = "x".repeat(1 << 20);
    for place in 0..9 {
        bench.put(&format!("/b/c/services/a/{place}"), &large).await;
    }
    let first = bench.store.list_page(PREFIX, None, None).await;
    assert!(
        first.expect("a page").next.is_some(),
        "they are several pages"
    );
    let (_, listed) = list(&mut bench.follow(HOUR)).await;
    assert_eq!(listed.len(), 9);
}

#[tokio::test]
async fn the_store_is_listed_again_and_again() {
    let bench = Bench::new();
    let mut news = bench.follow(Duration::from_millis(100));
    let began = Instant::now();
    for _ in 0..3 {
        list(&mut news).await;
    }
    assert!(began.elapsed() >= RETRY_MIN * 2, "but not without a pause");
    let revision = bench.put("/b/c/services/a/b", "1").await;
    let expected = seen("/b/c/services/a/b", Some("1"), revision);
    while list(&mut news).await.1 != [expected.clone()] {}
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let bench = Bench::new();
    let (sender, mut news) = mpsc::channel(4);
    let task = tokio::spawn(run(
        bench.store.clone(),
        PREFIX.to_vec(),
        HOUR,
        |_, value| digest(value),
        sender,
    ));
    list(&mut news).await;
    drop(news);
    let ended = timeout(Duration::from_secs(20), task).await;
    ended.expect("it ends soon").expect("without a panic");
}
