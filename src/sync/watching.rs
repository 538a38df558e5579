//! The task that follows a watch: batches go to the sync loop over a bounded channel, so that
//! waiting for one can be given up at any time without losing it.

use std::sync::Arc;

use containerdns_store::{Store, StoreError, WatchBatch};
use tokio::sync::mpsc;

use super::IN_FLIGHT_MAX;

/// Watches `prefixes` from revision `from` on. The first batch says that the watch stands; an error
/// is the last thing that comes. Dropping the receiver ends the watch.
pub(super) fn start(
    store: &Arc<dyn Store>,
    prefixes: Vec<Vec<u8>>,
    from: i64,
) -> mpsc::Receiver<Result<WatchBatch, StoreError>> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT_MAX);
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let mut watch = match store.watch(&prefixes, from).await {
            Ok(watch) => watch,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        let stands = WatchBatch::Progress { revision: from - 1 };
        if sender.send(Ok(stands)).await.is_err() {
            return;
        }
        loop {
            let batch = tokio::select! {
                batch = watch.next() => batch,
                () = sender.closed() => return,
            };
            let failed = batch.is_err();
            if sender.send(batch).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}
