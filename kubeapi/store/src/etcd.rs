//! The store in an etcd v3 cluster.
//!
//! Nothing is connected before the first call, and a call that finds no etcd fails with
//! [`StoreError::Unavailable`]: boot does not depend on etcd. Calls go to one member until it fails
//! ([`members`]); listings are paged by bytes ([`list`]); a watch is one etcd stream with a watcher
//! for each prefix ([`watch`]).
//!
//! Not here: when to try again after `Unavailable`, and compaction, which is etcd's own or its
//! operator's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use async_trait::async_trait;
use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp, TxnOpResponse};

use crate::{
    Guard, KeyValue, LeaseId, Operation, Outcome, Page, Past, Revision, Store, StoreError, Watch,
    check,
};
use members::{Members, Repeat};

mod fault;
mod history;
mod list;
mod members;
mod watch;

/// The largest message taken from etcd: a page whose values are larger than those it was sized by,
/// or a single value, whatever etcd's limit of a request is set to within reason.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Where etcd is and who we are to it.
#[derive(Debug, Clone, Default)]
pub struct EtcdOptions {
    /// URLs of members, `http://` or `https://`; any subset of the cluster.
    pub endpoints: Vec<String>,
    /// Certificates, for `https://`. Read again for each new connection.
    pub tls: Option<TlsFiles>,
    /// User name; needs `password_file`.
    pub user: Option<String>,
    /// File with the user's password; the end of its line is not part of it. Read again whenever
    /// we have to authenticate anew.
    pub password_file: Option<PathBuf>,
}

/// Files of PEM certificates.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authorities that sign etcd's certificate.
    pub ca: PathBuf,
    /// Our certificate and its private key, where etcd asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A store in etcd.
#[derive(Debug)]
pub struct EtcdStore {
    members: Arc<Members>,
    /// How many keys to ask for in one page of a listing, as learnt from the last one.
    page_keys: AtomicI64,
}

impl EtcdStore {
    /// A store at `options.endpoints`, to which nothing is sent yet. Fails with
    /// [`StoreError::Refused`] when the options make no sense or a file cannot be read.
    pub fn connect(options: EtcdOptions) -> Result<Arc<EtcdStore>, StoreError> {
        Ok(Arc::new(EtcdStore {
            members: Arc::new(Members::new(options)?),
            page_keys: AtomicI64::new(list::FIRST_PAGE_KEYS),
        }))
    }
}

#[async_trait]
impl Store for EtcdStore {
    async fn list_page(
        &self,
        prefix: &[u8],
        from: Option<&[u8]>,
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        let start = from.unwrap_or(prefix).max(prefix);
        list::list_page(&self.members, &self.page_keys, prefix, start, at).await
    }

    async fn history(&self, key: &[u8], max: usize) -> Result<Past, StoreError> {
        history::history(&self.members, key, max).await
    }

    async fn watch(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
    ) -> Result<Box<dyn Watch>, StoreError> {
        check::watch(prefixes, from)?;
        Ok(Box::new(watch::open(&self.members, prefixes, from).await?))
    }

    async fn transact(
        &self,
        guards: &[Guard],
        operations: &[Operation],
    ) -> Result<Outcome, StoreError> {
        let bytes = check::transaction(guards, operations)?;
        let transaction = transaction(guards, operations);
        let response = self
            .members
            .call(Repeat::Never, |client| {
                let mut kv = client
                    .kv_client()
                    .max_decoding_message_size(MESSAGE_BYTES_MAX);
                let transaction = transaction.clone();
                async move { kv.txn(transaction).await }
            })
            .await
            .map_err(|error| explain_refusal(error, bytes, operations))?;
        let revision = response.header().map_or(0, |header| header.revision());
        if response.succeeded() {
            return Ok(Outcome::Committed { revision });
        }
        let mut current = Vec::new();
        for response in response.op_responses() {
            if let TxnOpResponse::Get(mut response) = response {
                current.extend(response.take_kvs().into_iter().map(pair));
            }
        }
        Ok(Outcome::Refused { revision, current })
    }

    async fn grant_lease(&self, ttl_s: u32) -> Result<LeaseId, StoreError> {
        let response = self
            .members
            .call(Repeat::Never, |client| {
                let mut leases = client.lease_client();
                async move { leases.grant(ttl_s.into(), None).await }
            })
            .await?;
        Ok(LeaseId(response.id()))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.members
            .call(Repeat::OnEachMember, |client| {
                let mut leases = client.lease_client();
                async move { leases.keep_alive(lease.0).await.map(|_| ()) }
            })
            .await
            .map_err(|error| name_lease(error, lease))
    }

    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.members
            .call(Repeat::Never, |client| {
                let mut leases = client.lease_client();
                async move { leases.revoke(lease.0).await.map(|_| ()) }
            })
            .await
            .map_err(|error| name_lease(error, lease))
    }
}

/// The transaction in etcd's words; when refused it reads the guarded keys.
fn transaction(guards: &[Guard], operations: &[Operation]) -> Txn {
    let compare = |guard: &Guard| match guard {
        Guard::ModRevision { key, revision } => {
            Compare::mod_revision(key.clone(), CompareOp::Equal, *revision)
        }
        Guard::Absent { key } => Compare::create_revision(key.clone(), CompareOp::Equal, 0),
        Guard::Present { key } => Compare::create_revision(key.clone(), CompareOp::Greater, 0),
    };
    let operation = |operation: &Operation| match operation {
        Operation::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(lease.0));
            TxnOp::put(key.clone(), value.clone(), options)
        }
        Operation::Delete { key } => TxnOp::delete(key.clone(), None),
    };
    let operations = operations.iter().map(operation).collect::<Vec<_>>();
    if guards.is_empty() {
        return Txn::new().and_then(operations);
    }
    let reads = guards.iter().map(|guard| TxnOp::get(guard.key(), None));
    Txn::new()
        .when(guards.iter().map(compare).collect::<Vec<_>>())
        .and_then(operations)
        .or_else(reads.collect::<Vec<_>>())
}

/// Says what etcd's refusal of a transaction does not: its size, or the lease it names.
fn explain_refusal(error: StoreError, bytes: usize, operations: &[Operation]) -> StoreError {
    let lease = operations.iter().find_map(|operation| match operation {
        Operation::Put { lease, .. } => *lease,
        Operation::Delete { .. } => None,
    });
    match (error, lease) {
        (StoreError::Refused(reason), _) if fault::is_too_large(&reason) => StoreError::TooLarge(
            format!("{} operations of {bytes} bytes: {reason}", operations.len()),
        ),
        (error, Some(lease)) => name_lease(error, lease),
        (error, None) => error,
    }
}

fn name_lease(error: StoreError, lease: LeaseId) -> StoreError {
    match error {
        StoreError::LeaseGone(_) => StoreError::LeaseGone(lease),
        error => error,
    }
}

fn pair(pair: etcd_client::KeyValue) -> KeyValue {
    let mod_revision = pair.mod_revision();
    let (key, value) = pair.into_key_value();
    KeyValue {
        key,
        value,
        mod_revision,
    }
}

/// The first key after all that have `prefix`; etcd takes `\0` for the end of all keys.
fn range_end(prefix: &[u8]) -> Vec<u8> {
    let Some(last) = prefix.iter().rposition(|octet| *octet < 0xff) else {
        return vec![0];
    };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end
}

/// Where etcd starts a range of all keys: it takes no empty key.
fn range_start(key: &[u8]) -> Vec<u8> {
    if key.is_empty() {
        vec![0]
    } else {
        key.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::{range_end, range_start};

    #[test]
    fn a_range_covers_its_prefix() {
        for (prefix, start, end) in [
            (&b"/a/"[..], &b"/a/"[..], &b"/a0"[..]),
            (b"a\xff\xff", b"a\xff\xff", b"b"),
            (b"\xff", b"\xff", b"\0"),
            (b"", b"\0", b"\0"),
        ] {
            assert_eq!(
                (range_start(prefix), range_end(prefix)),
                (start.into(), end.into())
            );
        }
    }
}
