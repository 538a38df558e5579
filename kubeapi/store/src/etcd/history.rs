//! The past of one key: etcd keeps every value until it is compacted, and tells of each pair the
//! revision that wrote it, so that the one before is what the key was a revision earlier.

use etcd_client::GetOptions;

use super::fault::Fault;
use super::members::{Members, Repeat};
use super::{MESSAGE_BYTES_MAX, pair};
use crate::{Past, StoreError};

/// The version etcd gives the value that created a key.
const CREATED: i64 = 1;

/// Walks back from the present value; one call for each value.
pub(super) async fn history(members: &Members, key: &[u8], max: usize) -> Result<Past, StoreError> {
    let mut past = Past {
        pairs: Vec::new(),
        complete: true,
    };
    let mut at = 0;
    loop {
        let options = GetOptions::new().with_revision(at);
        let answer = members
            .call_raw(Repeat::OnEachMember, |client| {
                let mut kv = client
                    .kv_client()
                    .max_decoding_message_size(MESSAGE_BYTES_MAX);
                let options = options.clone();
                async move { kv.get(key, Some(options)).await }
            })
            .await;
        let mut response = match answer {
            Ok(response) => response,
            // What is older is gone, which is what `complete` tells.
            Err(Fault::Compacted { .. }) => {
                past.complete = false;
                return Ok(past);
            }
            Err(fault) => return Err(fault.into()),
        };
        let Some(found) = response.take_kvs().pop() else {
            return Ok(past);
        };
        if past.pairs.len() >= max {
            past.complete = false;
            return Ok(past);
        }
        let first = found.version() == CREATED;
        at = found.mod_revision() - 1;
        past.pairs.push(pair(found));
        if first {
            return Ok(past);
        }
    }
}
