//! What the store holds under a prefix: a complete list at the start and after every gap, changes
//! in between. Of each value only what its reader makes of it is passed on, so that a list of large
//! values need not be held as a whole. A failed list says nothing.

use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{Revision, Store, StoreError, WatchBatch};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::pace::{Backoff, RETRY_MIN, Seldom};

/// SHA-256 of a value.
pub type Digest = [u8; 32];

/// The digest of a value.
#[must_use]
pub fn digest(value: &[u8]) -> Digest {
    Sha256::digest(value).into()
}

/// A key as of a revision: what its value was read as, or none when it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<V = Digest> {
    /// The whole key.
    pub key: Vec<u8>,
    /// Its value, as read.
    pub value: Option<V>,
    /// When it was written or deleted.
    pub revision: Revision,
}

/// What is new in the store.
#[derive(Debug)]
pub enum News<V = Digest> {
    /// Everything there is at a revision.
    Listed {
        /// The list's revision.
        revision: Revision,
        /// All keys.
        seen: Vec<Seen<V>>,
    },
    /// Changes.
    Changed {
        /// All changes up to it were told.
        revision: Revision,
        /// The changes, in order.
        seen: Vec<Seen<V>>,
    },
}

/// Tells `news` of all keys with `prefix`, with what `read` makes of each key and value, until
/// nobody listens.
pub async fn run<V: Send>(
    store: Arc<dyn Store>,
    prefix: Vec<u8>,
    relist: Duration,
    read: impl Fn(&[u8], &[u8]) -> V + Send + Sync,
    news: mpsc::Sender<News<V>>,
) {
    let mut backoff = Backoff::default();
    let mut log = Seldom::default();
    while !news.is_closed() {
        let began = Instant::now();
        match pass(&*store, &prefix, began + relist, &read, &news).await {
            // A store that compacts again and again is not listed without pause.
            Ok(()) | Err(StoreError::Compacted { .. }) => {
                log.over();
                tokio::time::sleep_until(began + RETRY_MIN).await;
            }
            Err(error) => {
                if log.due() {
                    warn!(%error, "the store cannot be followed; nothing is removed");
                }
                backoff.wait().await;
            }
        }
    }
}

/// A list and the changes after it; ends without error when it is time to list again.
async fn pass<V: Send>(
    store: &dyn Store,
    prefix: &[u8],
    due: Instant,
    read: &(impl Fn(&[u8], &[u8]) -> V + Send + Sync),
    news: &mpsc::Sender<News<V>>,
) -> Result<(), StoreError> {
    let (mut seen, mut from, mut at) = (Vec::new(), None, None);
    let revision = loop {
        let page = store.list_page(prefix, from.as_deref(), at).await?;
        seen.extend(page.pairs.into_iter().map(|pair| Seen {
            value: Some(read(&pair.key, &pair.value)),
            key: pair.key,
            revision: pair.mod_revision,
        }));
        (from, at) = (page.next, Some(page.revision));
        if from.is_none() {
            break page.revision;
        }
    };
    if news.send(News::Listed { revision, seen }).await.is_err() {
        return Ok(());
    }
    let mut watch = store.watch(&[prefix.to_vec()], revision + 1).await?;
    loop {
        let batch = tokio::select! {
            batch = timeout_at(due, watch.next()) => match batch {
                Ok(batch) => batch?,
                Err(_) => return Ok(()),
            },
            () = news.closed() => return Ok(()),
        };
        let (revision, events) = match batch {
            WatchBatch::Progress { revision } => (revision, Vec::new()),
            WatchBatch::Events { revision, events } => (revision, events),
        };
        let seen = events.into_iter().map(|event| Seen {
            value: event.value.map(|value| read(&event.key, &value)),
            key: event.key,
            revision: event.revision,
        });
        let seen = seen.collect();
        if news.send(News::Changed { revision, seen }).await.is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
