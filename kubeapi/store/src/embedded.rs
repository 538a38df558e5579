//! The embedded store: the promises of [`Store`] kept by one redb file in this process.
//!
//! One thread writes ([`writer`]): transactions that wait together share one commit, and so one
//! flush to disk; a caller hears of its write only after that. Readers take redb snapshots
//! ([`mod@file`]). A listing of several pages holds the snapshot of its first page, for a bounded
//! time; a watch reads the log of past changes ([`watch`]), which is kept up to a bound.
//!
//! Not here: several processes on one folder (the second is refused) and replication.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::check;
use crate::{Guard, LeaseId, Operation, Outcome, Page, Past, Revision, Store, StoreError, Watch};
use file::StoreFile;
use writer::{Answer, Change, Request};

mod file;
mod tables;
mod watch;
mod writer;

/// Requests that may wait for the writer; more callers wait for a place.
const WAITING_REQUESTS_MAX: usize = 1024;

/// Bytes of keys and values in one transaction.
const TRANSACTION_BYTES_MAX: usize = 8 << 20;

/// A durable store in one folder of this machine, held by one process.
#[derive(Debug)]
pub struct EmbeddedStore {
    file: Arc<StoreFile>,
    /// Taken when the store is dropped, which ends the writer.
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the store in `dir` (file `store.redb`), creating both when missing. Blocks while the
    /// file is read back after a crash. Fails with [`StoreError::Refused`] when another process
    /// holds the folder or the file is not a store.
    pub fn open(dir: &Path) -> Result<Arc<EmbeddedStore>, StoreError> {
        let file = Arc::new(StoreFile::open(dir)?);
        let (requests, waiting) = mpsc::channel(WAITING_REQUESTS_MAX);
        let writer = writer::start(Arc::clone(&file), waiting)?;
        Ok(Arc::new(EmbeddedStore {
            file,
            requests: Some(requests),
            writer: Some(writer),
        }))
    }

    /// Forgets the history before `revision`: watches and listings from before it fail with
    /// [`StoreError::Compacted`]. The present values stay.
    pub async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        match self.ask(Change::Compact { revision }).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&self, change: Change) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        let request = Request { change, reply };
        requests.send(request).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the embedded store is closed".into())
}

fn unexpected(answer: &Answer) -> StoreError {
    StoreError::Unavailable(format!("the embedded store's writer gave {answer:?}"))
}

impl Drop for EmbeddedStore {
    /// Waits for the writer, so that the folder can be opened again at once.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the embedded store's writer panicked");
        }
        self.file.close();
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn list_page(
        &self,
        prefix: &[u8],
        from: Option<&[u8]>,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        let file = Arc::clone(&self.file);
        let start = from.unwrap_or(prefix).max(prefix).to_vec();
        let prefix = prefix.to_vec();
        run_blocking(move || file.list_page(&prefix, &start, at)).await
    }

    async fn history(&self, key: &[u8], max: usize) -> Result<Past, StoreError> {
        let file = Arc::clone(&self.file);
        let key = key.to_vec();
        run_blocking(move || file.history(&key, max)).await
    }

    async fn watch(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
    ) -> Result<Box<dyn Watch>, StoreError> {
        check::watch(prefixes, from)?;
        let watch = watch::EmbeddedWatch::new(Arc::clone(&self.file), prefixes.to_vec(), from);
        watch.check_start().await?;
        Ok(Box::new(watch))
    }

    async fn transact(
        &self,
        guards: &[Guard],
        operations: &[Operation],
    ) -> Result<Outcome, StoreError> {
        let bytes = check::transaction(guards, operations)?;
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(StoreError::TooLarge(format!(
                "{bytes} bytes; at most {TRANSACTION_BYTES_MAX}"
            )));
        }
        let change = Change::Transact {
            guards: guards.to_vec(),
            operations: operations.to_vec(),
        };
        match self.ask(change).await? {
            Answer::Outcome(outcome) => Ok(outcome),
            other => Err(unexpected(&other)),
        }
    }

    async fn grant_lease(&self, ttl_s: u32) -> Result<LeaseId, StoreError> {
        match self.ask(Change::Grant { ttl_s }).await? {
            Answer::Lease(lease) => Ok(lease),
            other => Err(unexpected(&other)),
        }
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        match self.ask(Change::KeepAlive { lease }).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        match self.ask(Change::Revoke { lease }).await? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

/// Runs file access away from the runtime's own threads.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StoreError::Unavailable(format!("reading the embedded store: {error}")))?
}
