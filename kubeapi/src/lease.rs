//! Who writes: of all control planes of one cluster, the one that holds the leader key.
//!
//! The key is put under a lease of the store, so that it vanishes when its holder does. Every write
//! of the holder carries the [`Term::fence`]: the leader key as this term wrote it. A process that
//! was stopped and goes on after another took over cannot write, whatever it believes: the store
//! refuses. The clock is only a courtesy: a holder that could not renew for the length of the lease
//! does not even try.
//!
//! A call that failed without an answer may have taken the key; its lease is then left to run out.

use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{
    Guard, KeyValue, LeaseId, Operation, Outcome, Revision, Store, StoreError,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::{error, info, warn};

use crate::pace::{Backoff, Seldom};

/// What the leader keys of all clusters start with.
pub const LEADER_PREFIX: &str = "/containerdns-kube-leader/";
/// Length of the lease: how long nobody writes when a leader dies.
pub const LEASE_S: u32 = 10;
/// The lease is renewed this often: three tries before it ends.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// After a renewal without an answer the next comes this soon.
const RENEW_AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether the key is free: a takeover waits a second more than the lease.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A time of leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    key: Vec<u8>,
    revision: Revision,
    lease: LeaseId,
    until: Instant,
}

impl Term {
    /// The condition of every write in this term.
    #[must_use]
    pub fn fence(&self) -> Guard {
        Guard::ModRevision {
            key: self.key.clone(),
            revision: self.revision,
        }
    }

    /// Whether the leader key, if it is among `pairs`, is still that of this term.
    #[must_use]
    pub fn stands_in(&self, pairs: &[KeyValue]) -> bool {
        let own = pairs.iter().find(|pair| pair.key == self.key);
        own.is_some_and(|pair| pair.mod_revision == self.revision)
    }

    /// The lease, for other keys that are to vanish with the term.
    #[must_use]
    pub fn lease(&self) -> LeaseId {
        self.lease
    }

    /// The revision that began the term.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether the lease still holds as far as this process knows.
    #[must_use]
    pub fn holds(&self) -> bool {
        Instant::now() < self.until
    }

    /// When the lease ends unless it is renewed.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }
}

/// The key that the leader of a cluster holds.
#[must_use]
pub fn leader_key(cluster: &str) -> Vec<u8> {
    format!("{LEADER_PREFIX}{cluster}").into_bytes()
}

/// What the key of a cluster starts with, which says which cluster writes under its name.
pub const CLUSTER_PREFIX: &str = "/containerdns-kube-cluster/";

/// The key that says which cluster writes under a name.
#[must_use]
pub fn cluster_key(cluster: &str) -> Vec<u8> {
    format!("{CLUSTER_PREFIX}{cluster}").into_bytes()
}

/// Whether a candidate can lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fitness {
    /// It does not know what there is: another one should lead.
    Unfit,
    /// It does; with what tells its cluster from all others, when it knows that.
    Fit(Option<String>),
    /// The process ends.
    Ending,
}

/// One who wants to lead.
pub struct Candidate {
    /// Where the key is.
    pub store: Arc<dyn Store>,
    /// The leader key.
    pub key: Vec<u8>,
    /// The key of [`cluster_key`], where a cluster is led.
    pub cluster_key: Option<Vec<u8>>,
    /// Who holds it, for people who look.
    pub identity: String,
    /// What the log says when the key was taken and when it was lost.
    pub said: [&'static str; 2],
}

impl Candidate {
    /// Tries to lead, and leads, while it is fit, until it ends or the receiver is dropped. The
    /// present term stands in `terms`. A number in `refused` is the revision of a term that the
    /// store refused a write of: it ends.
    pub async fn run(
        self,
        terms: watch::Sender<Option<Term>>,
        mut refused: watch::Receiver<Revision>,
        mut fitness: watch::Receiver<Fitness>,
    ) {
        let mut backoff = Backoff::default();
        let mut log = Seldom::default();
        while !terms.is_closed() {
            let uid = match fitness
                .wait_for(|now| *now != Fitness::Unfit)
                .await
                .as_deref()
            {
                Ok(Fitness::Fit(uid)) => uid.clone(),
                Ok(Fitness::Unfit) => continue,
                Ok(Fitness::Ending) | Err(_) => return,
            };
            match self.take(uid.as_deref(), &mut log).await {
                Ok(Some(term)) => {
                    backoff.succeeded();
                    log.over();
                    info!(identity = self.identity, "{}", self.said[0]);
                    let lease = term.lease;
                    self.lead(term, &terms, &mut refused, &mut fitness).await;
                    terms.send_replace(None);
                    warn!(identity = self.identity, "{}", self.said[1]);
                    // The key of a term that was refused may still be under the lease.
                    let _ = self.store.revoke_lease(lease).await;
                }
                Ok(None) => sleep(LOOK_EVERY).await,
                Err(error) => {
                    if log.due() {
                        warn!(%error, "no leader can be found: the store fails");
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    /// Takes the key if it is free, and no other cluster writes under this name.
    async fn take(&self, uid: Option<&str>, log: &mut Seldom) -> Result<Option<Term>, StoreError> {
        if let Some(pair) = self.read(&self.key).await? {
            if pair.value == self.identity.as_bytes() && log.due() {
                warn!(
                    identity = self.identity,
                    "the key of this identity is held: by another process, or by one that ran until \
                     just now; it is waited for"
                );
            }
            return Ok(None);
        }
        let mut guards = vec![Guard::Absent {
            key: self.key.clone(),
        }];
        let mut operations = Vec::new();
        if let Some((uid, key)) = uid.zip(self.cluster_key.clone()) {
            match self.read(&key).await? {
                None => {
                    let value = uid.as_bytes().to_vec();
                    guards.push(Guard::Absent { key: key.clone() });
                    operations.push(Operation::Put {
                        key,
                        value,
                        lease: None,
                    });
                }
                Some(pair) if pair.value == uid.as_bytes() => {}
                Some(pair) => {
                    if log.due() {
                        let key = String::from_utf8_lossy(&key);
                        let other = String::from_utf8_lossy(&pair.value);
                        error!(
                            %key, %other, this = uid,
                            "another cluster writes under this name: choose another \
                             kubernetes.cluster, or delete the key if this cluster took its place"
                        );
                    }
                    return Ok(None);
                }
            }
        }
        let until = Instant::now() + Duration::from_secs(LEASE_S.into());
        let lease = self.store.grant_lease(LEASE_S).await?;
        operations.push(Operation::Put {
            key: self.key.clone(),
            value: self.identity.clone().into_bytes(),
            lease: Some(lease),
        });
        match self.store.transact(&guards, &operations).await? {
            Outcome::Committed { revision } => {
                let term = Term {
                    key: self.key.clone(),
                    revision,
                    lease,
                    until,
                };
                Ok(Some(term))
            }
            Outcome::Refused { .. } => {
                let _ = self.store.revoke_lease(lease).await;
                Ok(None)
            }
        }
    }

    async fn read(&self, key: &[u8]) -> Result<Option<KeyValue>, StoreError> {
        let page = self.store.list_page(key, None, None).await?;
        Ok(page.pairs.into_iter().find(|pair| pair.key == key))
    }

    /// Renews the lease until that fails for its whole length, the store says that it is gone, a
    /// write was refused, or the candidate is not fit any more.
    async fn lead(
        &self,
        mut term: Term,
        terms: &watch::Sender<Option<Term>>,
        refused: &mut watch::Receiver<Revision>,
        fitness: &mut watch::Receiver<Fitness>,
    ) {
        terms.send_replace(Some(term.clone()));
        let mut next = Instant::now() + RENEW_EVERY;
        loop {
            tokio::select! {
                () = sleep_until(next.min(term.until)) => {}
                () = terms.closed() => return,
                unfit = fitness.wait_for(|now| !matches!(now, Fitness::Fit(_))) => {
                    drop(unfit);
                    return;
                }
                revision = refused.wait_for(|revision| *revision == term.revision) => {
                    drop(revision);
                    return;
                }
            }
            let asked = Instant::now();
            match timeout_at(term.until, self.store.keep_alive(term.lease)).await {
                Ok(Ok(())) => {
                    term.until = asked + Duration::from_secs(LEASE_S.into());
                    terms.send_replace(Some(term.clone()));
                    next = asked + RENEW_EVERY;
                }
                Ok(Err(StoreError::LeaseGone(_))) | Err(_) => return,
                Ok(Err(_)) => next = Instant::now() + RENEW_AGAIN,
            }
            if !term.holds() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
