//! A watch over the log of the embedded store.
//!
//! It remembers the next revision it owes and reads the log from there whenever the store's
//! revision has moved; a reader that is slow costs nothing but its place in the log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::file::StoreFile;
use super::run_blocking;
use crate::{Revision, StoreError, Watch, WatchBatch};

/// Bytes of keys and values after which a batch ends.
const BATCH_BYTES: usize = 1 << 20;

/// Revisions read for one batch, whether they matter to the watch or not.
const BATCH_REVISIONS_MAX: usize = 10_000;

/// How long a watch lets revisions without changes of its own go by unreported.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// A running watch.
pub(super) struct EmbeddedWatch {
    file: Arc<StoreFile>,
    prefixes: Arc<[Vec<u8>]>,
    newest: Receiver<Option<Revision>>,
    /// The next revision to read.
    from: Revision,
    /// All up to here was reported, by events or by progress.
    reported: Revision,
    progress_at: Instant,
}

impl EmbeddedWatch {
    pub(super) fn new(file: Arc<StoreFile>, prefixes: Vec<Vec<u8>>, from: Revision) -> Self {
        EmbeddedWatch {
            newest: file.subscribe(),
            file,
            prefixes: prefixes.into(),
            from,
            reported: from - 1,
            progress_at: Instant::now() + PROGRESS_INTERVAL,
        }
    }

    /// Fails when the first revision is gone already.
    pub(super) async fn check_start(&self) -> Result<(), StoreError> {
        let (file, from) = (Arc::clone(&self.file), self.from);
        run_blocking(move || file.read_log(&[], from, 0, 0).map(|_| ())).await
    }

    fn reported(&mut self, revision: Revision) {
        self.reported = revision;
        self.progress_at = Instant::now() + PROGRESS_INTERVAL;
    }
}

#[async_trait]
impl Watch for EmbeddedWatch {
    async fn next(&mut self) -> Result<WatchBatch, StoreError> {
        loop {
            let newest = self.newest.borrow_and_update().ok_or_else(super::closed)?;
            if newest >= self.from {
                let (file, from) = (Arc::clone(&self.file), self.from);
                let prefixes = Arc::clone(&self.prefixes);
                let part = run_blocking(move || {
                    file.read_log(&prefixes, from, BATCH_BYTES, BATCH_REVISIONS_MAX)
                })
                .await?;
                self.from = part.through + 1;
                if !part.events.is_empty() {
                    self.reported(part.through);
                    return Ok(WatchBatch::Events {
                        revision: part.through,
                        events: part.events,
                    });
                }
                continue;
            }
            match tokio::time::timeout_at(self.progress_at, self.newest.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(super::closed()),
                Err(_) if self.from - 1 > self.reported => {
                    let revision = self.from - 1;
                    self.reported(revision);
                    return Ok(WatchBatch::Progress { revision });
                }
                Err(_) => self.reported(self.reported),
            }
        }
    }
}
