//! kill -9 of a process that writes to an embedded store: what it acknowledged is there.
//!
//! The program starts itself again as the writer, which prints each key once its write is
//! acknowledged; the parent kills it, opens the store and looks for every printed key.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use containerdns_store::embedded::EmbeddedStore;
use containerdns_store::{Operation, Outcome, Store};

/// Names the folder of the store in the environment of the writer.
const WRITER_DIR: &str = "STORE_KILL_TEST_DIR";

/// How often a writer is killed.
const ROUNDS: usize = 20;

/// Tasks of the writer, so that a kill falls into commits of several transactions.
const WRITING_TASKS: usize = 8;

/// How long opening after a kill may take.
const OPEN_MAX: Duration = Duration::from_secs(2);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match std::env::var_os(WRITER_DIR) {
        Some(dir) => runtime.block_on(write_for_ever(Path::new(&dir))),
        None => runtime.block_on(kill_writers()),
    }
}

async fn write_for_ever(dir: &Path) {
    let store = EmbeddedStore::open(dir).unwrap();
    let write = |store: Arc<EmbeddedStore>, task: usize| async move {
        for count in 0.. {
            let key = format!("/{}/{task}/{count}", std::process::id());
            let operation = Operation::Put {
                key: key.clone().into(),
                value: vec![b'v'; 100 * task],
                lease: None,
            };
            let outcome = store.transact(&[], &[operation]).await.unwrap();
            assert!(matches!(outcome, Outcome::Committed { .. }));
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{key}").unwrap();
            stdout.flush().unwrap();
        }
    };
    let tasks = (0..WRITING_TASKS).map(|task| tokio::spawn(write(Arc::clone(&store), task)));
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn kill_writers() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = HashSet::new();
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .env(WRITER_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for _ in 0..20 + 7 * round {
            acknowledged.insert(lines.next().unwrap().unwrap().into_bytes());
        }
        writer.kill().unwrap();
        // A line that the kill cut short is no acknowledgement that a reader could have seen.
        let rest: Vec<_> = lines.map_while(Result::ok).collect();
        writer.wait().unwrap();
        acknowledged.extend(rest.into_iter().map(String::into_bytes));

        let opening = Instant::now();
        let store = EmbeddedStore::open(dir.path()).unwrap();
        assert!(opening.elapsed() < OPEN_MAX, "{:?}", opening.elapsed());
        let present = keys(&store).await;
        let lost: Vec<_> = acknowledged.difference(&present).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");
    }
    assert!(acknowledged.len() > ROUNDS * 20);
}

async fn keys(store: &Arc<EmbeddedStore>) -> HashSet<Vec<u8>> {
    let (mut keys, mut from, mut at) = (HashSet::new(), None, None);
    loop {
        let page = store.list_page(b"/", from.as_deref(), at).await.unwrap();
        keys.extend(page.pairs.into_iter().map(|pair| pair.key));
        (from, at) = (page.next, Some(page.revision));
        if from.is_none() {
            return keys;
        }
    }
}
