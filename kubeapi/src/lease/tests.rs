//! Candidates on one embedded store, in real time: each has its own line to it, which can be slow
//! for ever or fail, and on which leases can be shorter than asked for.

use async_trait::async_trait;
use containerdns_store::embedded::EmbeddedStore;
use containerdns_store::{Page, Past, Watch};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Nothing is answered, until it is open again.
    Silent,
    Failing,
}

/// The way of one candidate to the store.
struct Line {
    store: Arc<EmbeddedStore>,
    state: watch::Receiver<State>,
    lease_s: u32,
}

impl Line {
    async fn open(&self) -> Result<&EmbeddedStore, StoreError> {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| *state != State::Silent).await;
        match state.map(|state| *state) {
            Ok(State::Failing) => Err(StoreError::Unavailable("so the test wants".into())),
            _ => Ok(&self.store),
        }
    }
}

#[async_trait]
impl Store for Line {
    async fn list_page(
        &self,
        prefix: &[u8],
        from: Option<&[u8]>,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        self.open().await?.list_page(prefix, from, at).await
    }

    async fn history(&self, key: &[u8], max: usize) -> Result<Past, StoreError> {
        self.open().await?.history(key, max).await
    }

    async fn watch(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
    ) -> Result<Box<dyn Watch>, StoreError> {
        self.open().await?.watch(prefixes, from).await
    }

    async fn transact(
        &self,
        guards: &[Guard],
        operations: &[Operation],
    ) -> Result<Outcome, StoreError> {
        self.open().await?.transact(guards, operations).await
    }

    async fn grant_lease(&self, ttl_s: u32) -> Result<LeaseId, StoreError> {
        let ttl_s = ttl_s.min(self.lease_s);
        self.open().await?.grant_lease(ttl_s).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.open().await?.keep_alive(lease).await
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.open().await?.revoke_lease(lease).await
    }
}

struct Bench {
    store: Arc<EmbeddedStore>,
    _dir: TempDir,
}

/// A candidate that runs, and what it says.
struct Running {
    fitness: watch::Sender<Fitness>,
    terms: watch::Receiver<Option<Term>>,
    refused: watch::Sender<Revision>,
    line: watch::Sender<State>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = EmbeddedStore::open(dir.path()).expect("a store");
        Self { store, _dir: dir }
    }

    fn candidate(&self, identity: &str, lease_s: u32) -> Running {
        let (line, state) = watch::channel(State::Open);
        let candidate = Candidate {
            store: Arc::new(Line {
                store: Arc::clone(&self.store),
                state,
                lease_s,
            }),
            key: leader_key("c"),
            cluster_key: Some(cluster_key("c")),
            identity: identity.into(),
            said: ["taken", "lost"],
        };
        let (sender, terms) = watch::channel(None);
        let (refused, refusals) = watch::channel(0);
        let (fitness, fitness_seen) = watch::channel(Fitness::Fit(Some("uid".into())));
        tokio::spawn(candidate.run(sender, refusals, fitness_seen));
        Running {
            fitness,
            terms,
            refused,
            line,
        }
    }

    /// The pairs at the leader key.
    async fn leader(&self) -> Vec<KeyValue> {
        let page = self.store.list_page(&leader_key("c"), None, None).await;
        page.expect("a list").pairs
    }

    /// Whether the store takes a write of `term`.
    async fn takes_write_of(&self, term: &Term) -> bool {
        let put = Operation::Put {
            key: b"/containerdns-kube/c/services/a/b".to_vec(),
            value: b"x".to_vec(),
            lease: None,
        };
        let outcome = self.store.transact(&[term.fence()], &[put]).await;
        matches!(outcome.expect("an answer"), Outcome::Committed { .. })
    }
}

impl Running {
    /// Waits for a term.
    async fn leads(&mut self) -> Term {
        let term = timeout(LONG, self.terms.wait_for(Option::is_some)).await;
        term.expect("it leads soon")
            .expect("it runs")
            .clone()
            .expect("a term")
    }

    /// Waits until there is none, or another than `term`.
    async fn steps_down(&mut self, term: &Term) {
        let revision = term.revision();
        let over = |now: &Option<Term>| now.as_ref().map(Term::revision) != Some(revision);
        let over = timeout(LONG, self.terms.wait_for(over)).await;
        over.expect("it steps down soon").expect("it runs");
    }

    fn term(&self) -> Option<Term> {
        self.terms.borrow().clone()
    }
}

#[tokio::test]
async fn of_two_candidates_one_leads() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", LEASE_S);
    let term = first.leads().await;
    let second = bench.candidate("second", LEASE_S);
    sleep(LOOK_EVERY * 2).await;
    assert_eq!(second.term(), None);
    assert_eq!(first.term(), Some(term.clone()));
    assert!(term.holds() && term.until() > Instant::now());
    assert!(bench.takes_write_of(&term).await);
    let pairs = bench.leader().await;
    assert_eq!(pairs.len(), 1);
    assert_eq!(
        (&pairs[0].key[..], &pairs[0].value[..]),
        (&leader_key("c")[..], &b"first"[..])
    );
    assert!(term.stands_in(&pairs));
    assert!(!term.stands_in(&[]));
}

#[tokio::test]
async fn the_leader_key_of_a_cluster_whose_name_begins_alike_is_another() {
    let bench = Bench::new();
    let other = Operation::Put {
        key: leader_key("cc"),
        value: b"of another".to_vec(),
        lease: None,
    };
    let outcome = bench.store.transact(&[], &[other]).await;
    outcome.expect("an answer");
    bench.candidate("first", LEASE_S).leads().await;
}

#[tokio::test]
async fn who_leads_renews_its_lease() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", LEASE_S);
    let term = first.leads().await;
    let renewed = |now: &Option<Term>| now.as_ref().is_some_and(|now| now.until() > term.until());
    let now = timeout(LONG, first.terms.wait_for(renewed))
        .await
        .expect("soon")
        .expect("it runs");
    assert_eq!(
        now.as_ref().map(Term::fence),
        Some(term.fence()),
        "it is the same term"
    );
}

#[tokio::test]
async fn a_leader_whose_key_vanished_steps_down_when_it_is_told() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", LEASE_S);
    let term = first.leads().await;
    first.refused.send_replace(term.revision() - 1);
    let delete = Operation::Delete {
        key: leader_key("c"),
    };
    bench
        .store
        .transact(&[], &[delete])
        .await
        .expect("an answer");
    assert!(!bench.takes_write_of(&term).await);
    assert_eq!(
        first.term(),
        Some(term.clone()),
        "nobody told; a number of another term is none"
    );
    first.refused.send_replace(term.revision());
    first.steps_down(&term).await;
    let next = first.leads().await;
    assert!(next.revision() > term.revision());
    assert!(bench.takes_write_of(&next).await);
    assert!(!bench.takes_write_of(&term).await);
}

#[tokio::test]
async fn another_takes_over_when_the_lease_ends_and_the_fence_holds() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", 1);
    let former = first.leads().await;
    first.line.send_replace(State::Silent);
    let mut second = bench.candidate("second", LEASE_S);
    let latter = second.leads().await;
    // The first knows nothing of it, and cannot write.
    assert_eq!(first.term(), Some(former.clone()));
    assert!(former.holds());
    assert!(!bench.takes_write_of(&former).await);
    assert!(bench.takes_write_of(&latter).await);
    assert!(!former.stands_in(&bench.leader().await));
    // It hears that its lease is gone, and does not disturb the second.
    first.line.send_replace(State::Open);
    first.steps_down(&former).await;
    sleep(LOOK_EVERY * 2).await;
    assert_eq!(first.term(), None);
    assert!(latter.stands_in(&bench.leader().await));
}

#[tokio::test]
async fn a_leader_that_ends_hands_over_at_once() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", LEASE_S);
    first.leads().await;
    let mut second = bench.candidate("second", LEASE_S);
    let began = Instant::now();
    drop(first);
    second.leads().await;
    assert!(
        began.elapsed() < Duration::from_secs(LEASE_S.into()),
        "the lease was given back"
    );
}

#[tokio::test]
async fn a_candidate_waits_for_a_store_that_fails() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", LEASE_S);
    first.line.send_replace(State::Failing);
    sleep(Duration::from_millis(500)).await;
    assert_eq!(first.term(), None);
    first.line.send_replace(State::Open);
    first.leads().await;
}

/// One that does not know what there is gives way to one that does.
#[tokio::test]
async fn only_the_fit_lead() {
    let bench = Bench::new();
    let mut first = bench.candidate("first", LEASE_S);
    let led = first.terms.wait_for(Option::is_some);
    timeout(LONG, led).await.expect("in time").expect("it runs");
    let mut second = bench.candidate("second", LEASE_S);
    first.fitness.send_replace(Fitness::Unfit);
    let led = second.terms.wait_for(Option::is_some);
    timeout(LONG, led).await.expect("in time").expect("it runs");
    assert!(first.terms.borrow().is_none());
    second.fitness.send_replace(Fitness::Ending);
    let gone = second.terms.wait_for(Option::is_none);
    timeout(LONG, gone).await.expect("in time").ok();
    assert!(first.terms.borrow().is_none(), "unfit as it is");
    first.fitness.send_replace(Fitness::Fit(None));
    let led = first.terms.wait_for(Option::is_some);
    timeout(LONG, led).await.expect("in time").expect("it runs");
}

/// Two clusters by mistake under one name: the second must not remove the names of the first.
#[tokio::test]
async fn another_cluster_of_that_name_does_not_lead() {
    let bench = Bench::new();
    let put = Operation::Put {
        key: cluster_key("c"),
        value: b"another".to_vec(),
        lease: None,
    };
    let put = bench.store.transact(&[], &[put]).await;
    put.expect("the store works");
    let mut candidate = bench.candidate("first", LEASE_S);
    let led = candidate.terms.wait_for(Option::is_some);
    let early = timeout(Duration::from_millis(500), led).await.is_ok();
    assert!(!early, "it leads");
    let key = cluster_key("c");
    let delete = Operation::Delete { key: key.clone() };
    let deleted = bench.store.transact(&[], &[delete]).await;
    deleted.expect("the store works");
    let led = candidate.terms.wait_for(Option::is_some);
    timeout(LONG, led).await.expect("in time").expect("it runs");
    let page = bench.store.list_page(&key, None, None).await;
    assert_eq!(page.expect("a list").pairs[0].value, b"uid");
}
