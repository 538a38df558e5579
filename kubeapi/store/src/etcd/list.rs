//! Listings of etcd in pages of some MiB. etcd 3.4 walks all that is left of the range for every
//! page (a second for two million keys), so few large pages are much cheaper than many small ones.
//!
//! etcd limits a page by keys only. How many keys make a page is learnt from page to page; a page
//! larger than what we are willing to decode is asked for again with fewer keys, down to one.

use std::sync::atomic::{AtomicI64, Ordering};

use etcd_client::{GetOptions, GetResponse};

use super::fault::Fault;
use super::members::{Members, Repeat};
use super::{MESSAGE_BYTES_MAX, pair, range_end, range_start};
use crate::{Page, Revision, StoreError};

/// Keys asked for before anything is known about their size.
pub(super) const FIRST_PAGE_KEYS: i64 = 4_096;

/// Keys in one page however small they are.
const PAGE_KEYS_MAX: i64 = 262_144;

/// A page may have so many times the keys of the one before: sizes may differ along the range.
const GROWTH_MAX: i64 = 8;

/// Bytes of keys and values that a page should have.
const PAGE_BYTES: i64 = 24 << 20;

/// One page of a listing, from key `start` on.
pub(super) async fn list_page(
    members: &Members,
    page_keys: &AtomicI64,
    prefix: &[u8],
    start: &[u8],
    at: Option<Revision>,
) -> Result<Page, StoreError> {
    let (start, end) = (range_start(start), range_end(prefix));
    let mut keys = page_keys.load(Ordering::Relaxed);
    loop {
        let options = GetOptions::new()
            .with_range(end.clone())
            .with_limit(keys)
            .with_revision(at.unwrap_or(0));
        let answer = members
            .call_raw(Repeat::OnEachMember, |client| {
                let mut kv = client
                    .kv_client()
                    .max_decoding_message_size(MESSAGE_BYTES_MAX);
                let (start, options) = (start.clone(), options.clone());
                async move { kv.get(start, Some(options)).await }
            })
            .await;
        match answer {
            Ok(response) => {
                let page = page(response, at)?;
                let bytes = page
                    .pairs
                    .iter()
                    .map(|pair| pair.key.len() + pair.value.len())
                    .sum();
                let keys = keys_next(keys, page.pairs.len(), bytes);
                page_keys.store(keys, Ordering::Relaxed);
                return Ok(page);
            }
            Err(Fault::MessageTooLarge(_)) if keys > 1 => keys = (keys / 2).max(1),
            Err(Fault::MessageTooLarge(reason)) => {
                let start = String::from_utf8_lossy(&start).into_owned();
                let message = format!("the value of the first key from {start} on: {reason}");
                return Err(StoreError::Refused(message));
            }
            Err(Fault::Compacted { .. }) => {
                let oldest = at.map_or(0, |at| at + 1);
                return Err(StoreError::Compacted { oldest });
            }
            Err(fault) => return Err(fault.into()),
        }
    }
}

fn page(mut response: GetResponse, at: Option<Revision>) -> Result<Page, StoreError> {
    let header = response
        .header()
        .ok_or_else(|| StoreError::Unavailable("a range response without header".into()))?;
    let (revision, cluster_id) = (at.unwrap_or(header.revision()), header.cluster_id());
    let more = response.more();
    let pairs: Vec<_> = response.take_kvs().into_iter().map(pair).collect();
    let next = pairs.last().filter(|_| more).map(|last| {
        let mut next = last.key.clone();
        next.push(0);
        next
    });
    Ok(Page {
        revision,
        cluster_id,
        pairs,
        next,
    })
}

/// How many keys to ask for next, when `count` keys had `bytes`.
fn keys_next(asked: i64, count: usize, bytes: usize) -> i64 {
    let (Ok(count), Ok(bytes)) = (i64::try_from(count), i64::try_from(bytes)) else {
        return 1;
    };
    if count < asked && bytes < PAGE_BYTES {
        // The end of a listing says nothing about the next one.
        return asked;
    }
    let fitting = PAGE_BYTES * count / bytes.max(1);
    fitting.clamp(1, (asked * GROWTH_MAX).min(PAGE_KEYS_MAX))
}

#[cfg(test)]
mod tests {
    use super::keys_next;

    #[test]
    fn pages_grow_and_shrink_to_their_size() {
        for (asked, count, bytes, expected) in [
            (512, 512, 51_200, 4096),             // small values: eight times as many
            (512, 512, 48 << 20, 256),            // large values: as many as fit
            (512, 5, 120 << 20, 1),               // one each
            (1, 1, 100, 8),                       // and out of it again
            (512, 100, 10_000, 512),              // the last page
            (512, 0, 0, 512),                     // nothing there
            (262_144, 262_144, 900_000, 262_144), // the bound
        ] {
            assert_eq!(
                keys_next(asked, count, bytes),
                expected,
                "{asked} {count} {bytes}"
            );
        }
    }
}
