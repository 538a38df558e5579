//! The tables of the store file, and what is read and written in them.
//!
//! ```text
//! current     key            -> (mod_revision, lease or 0, value)
//! log         revision       -> the changes of that revision, in the order of their operations
//! leases      lease          -> TTL in seconds
//! lease_keys  (lease, key)   -> nothing
//! state       "state"        -> (cluster id, revision, oldest revision of the log, bytes of it)
//! ```
//!
//! Everything here works on one open redb transaction; when to commit is the writer's.

use redb::WriteTransaction;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition};

use crate::{Event, KeyValue, LeaseId, Past, Revision};

/// A change in the log: the key and its new value, none when it was deleted.
type LoggedChange = (&'static [u8], Option<&'static [u8]>);

const CURRENT: TableDefinition<&[u8], (i64, i64, &[u8])> = TableDefinition::new("current");
const LOG: TableDefinition<i64, Vec<LoggedChange>> = TableDefinition::new("log");
const LEASES: TableDefinition<i64, u32> = TableDefinition::new("leases");
const LEASE_KEYS: TableDefinition<(i64, &[u8]), ()> = TableDefinition::new("lease_keys");
const STATE: TableDefinition<&str, (u64, i64, i64, u64)> = TableDefinition::new("state");
const STATE_KEY: &str = "state";

/// Stands for "no lease" in `current`; lease ids are positive.
const NO_LEASE: i64 = 0;

/// An empty store is at revision 1, as etcd is.
const FIRST_REVISION: Revision = 1;

/// Revisions kept for watches: a reader that is away for a minute at 1,000 writes/s finds its
/// place again.
const LOG_REVISIONS_MAX: u64 = 100_000;

/// Bytes of keys and values kept for watches.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// What the store knows about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) cluster_id: u64,
    pub(super) revision: Revision,
    /// The oldest revision whose changes are still in the log.
    pub(super) oldest: Revision,
    log_bytes: u64,
}

impl State {
    fn from_row((cluster_id, revision, oldest, log_bytes): (u64, i64, i64, u64)) -> State {
        State {
            cluster_id,
            revision,
            oldest,
            log_bytes,
        }
    }
}

/// The state as a snapshot has it; none before the store's first commit.
pub(super) fn read_state(snapshot: &ReadTransaction) -> Result<Option<State>, redb::Error> {
    let state = match snapshot.open_table(STATE) {
        Ok(table) => table
            .get(STATE_KEY)?
            .map(|row| State::from_row(row.value())),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(state)
}

/// Pairs with `prefix` from `start` on, until `bytes_max` is reached, and where to go on.
pub(super) fn read_pairs(
    snapshot: &ReadTransaction,
    prefix: &[u8],
    start: &[u8],
    bytes_max: usize,
) -> Result<(Vec<KeyValue>, Option<Vec<u8>>), redb::Error> {
    let current = snapshot.open_table(CURRENT)?;
    let (mut pairs, mut bytes) = (Vec::new(), 0);
    for row in current.range(start..)? {
        let (key, row) = row?;
        let key = key.value();
        if !key.starts_with(prefix) {
            break;
        }
        let (mod_revision, _, value) = row.value();
        bytes += key.len() + value.len();
        if bytes > bytes_max && !pairs.is_empty() {
            return Ok((pairs, Some(key.to_vec())));
        }
        pairs.push(KeyValue {
            key: key.to_vec(),
            value: value.to_vec(),
            mod_revision,
        });
    }
    Ok((pairs, None))
}

/// A part of the log: the changes that matter to one watch.
#[derive(Debug)]
pub(super) struct LogPart {
    pub(super) events: Vec<Event>,
    /// The last revision that was read, all of it.
    pub(super) through: Revision,
}

/// Changes of keys with any of `prefixes` from revision `from` to the newest, until `bytes_max` of
/// them or `revisions_max` revisions were read; never a part of a revision. `from` is in the log.
pub(super) fn read_log(
    snapshot: &ReadTransaction,
    prefixes: &[Vec<u8>],
    from: Revision,
    newest: Revision,
    bytes_max: usize,
    revisions_max: usize,
) -> Result<LogPart, redb::Error> {
    let log = snapshot.open_table(LOG)?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    for (count, row) in log.range(from..)?.enumerate() {
        let (revision, changes) = row?;
        let revision = revision.value();
        if bytes >= bytes_max || count >= revisions_max {
            let through = revision - 1;
            return Ok(LogPart { events, through });
        }
        for (key, value) in changes.value() {
            if prefixes.iter().any(|prefix| key.starts_with(prefix)) {
                bytes += key.len() + value.map_or(0, <[u8]>::len);
                events.push(Event {
                    key: key.to_vec(),
                    value: value.map(<[u8]>::to_vec),
                    revision,
                });
            }
        }
    }
    let through = newest;
    Ok(LogPart { events, through })
}

/// The values of `key`, newest first and `max` at most. The present one is in `current`; former
/// ones are in the log until it is cut or the key was absent.
pub(super) fn read_past(
    snapshot: &ReadTransaction,
    state: State,
    key: &[u8],
    max: usize,
) -> Result<Past, redb::Error> {
    let (current, log) = (snapshot.open_table(CURRENT)?, snapshot.open_table(LOG)?);
    let mut past = Past {
        pairs: Vec::new(),
        complete: true,
    };
    let Some(row) = current.get(key)? else {
        return Ok(past);
    };
    let pair = |mod_revision, value: &[u8]| KeyValue {
        key: key.to_vec(),
        value: value.to_vec(),
        mod_revision,
    };
    let (newest, _, value) = row.value();
    past.pairs.push(pair(newest, value));
    for row in log.range(..newest)?.rev() {
        let (revision, changes) = row?;
        let changes = changes.value();
        match changes.iter().find(|(changed, _)| *changed == key) {
            None => continue,
            Some((_, None)) => return Ok(past),
            Some(_) if past.pairs.len() >= max => {
                past.complete = false;
                return Ok(past);
            }
            Some((_, Some(value))) => past.pairs.push(pair(revision.value(), value)),
        }
    }
    past.complete = state.oldest == FIRST_REVISION;
    Ok(past)
}

type StateTable<'txn> = Table<'txn, &'static str, (u64, i64, i64, u64)>;

/// All tables open for writing, with the state as it will be committed.
pub(super) struct Tables<'txn> {
    current: Table<'txn, &'static [u8], (i64, i64, &'static [u8])>,
    log: Table<'txn, i64, Vec<LoggedChange>>,
    leases: Table<'txn, i64, u32>,
    lease_keys: Table<'txn, (i64, &'static [u8]), ()>,
    state_table: StateTable<'txn>,
    pub(super) state: State,
    /// Whether there is anything to commit.
    pub(super) changed: bool,
}

impl<'txn> Tables<'txn> {
    /// Opens the tables of a file that has them.
    pub(super) fn open(transaction: &'txn WriteTransaction) -> Result<Self, redb::Error> {
        let state_table = transaction.open_table(STATE)?;
        let state = state_table
            .get(STATE_KEY)?
            .map(|row| State::from_row(row.value()))
            .ok_or_else(missing_state)?;
        Tables::with_state(transaction, state_table, state)
    }

    /// Creates the tables in a new file.
    pub(super) fn create(
        transaction: &'txn WriteTransaction,
        cluster_id: u64,
    ) -> Result<Self, redb::Error> {
        let state = State {
            cluster_id,
            revision: FIRST_REVISION,
            oldest: FIRST_REVISION,
            log_bytes: 0,
        };
        Tables::with_state(transaction, transaction.open_table(STATE)?, state)
    }

    fn with_state(
        transaction: &'txn WriteTransaction,
        state_table: StateTable<'txn>,
        state: State,
    ) -> Result<Self, redb::Error> {
        Ok(Tables {
            current: transaction.open_table(CURRENT)?,
            log: transaction.open_table(LOG)?,
            leases: transaction.open_table(LEASES)?,
            lease_keys: transaction.open_table(LEASE_KEYS)?,
            state_table,
            state,
            changed: false,
        })
    }

    /// Trims the log and writes the state: the last step before a commit.
    pub(super) fn finish(mut self) -> Result<State, redb::Error> {
        while self.log.len()? > LOG_REVISIONS_MAX || self.state.log_bytes > LOG_BYTES_MAX {
            let Some(first) = self.first_logged()? else {
                break;
            };
            self.forget_before(first + 1)?;
        }
        let State {
            cluster_id,
            revision,
            oldest,
            log_bytes,
        } = self.state;
        self.state_table
            .insert(STATE_KEY, (cluster_id, revision, oldest, log_bytes))?;
        Ok(self.state)
    }

    /// The pair of a key.
    pub(super) fn pair(&self, key: &[u8]) -> Result<Option<KeyValue>, redb::Error> {
        let row = self.current.get(key)?;
        Ok(row.map(|row| {
            let (mod_revision, _, value) = row.value();
            KeyValue {
                key: key.to_vec(),
                value: value.to_vec(),
                mod_revision,
            }
        }))
    }

    /// Sets a key at `revision`.
    pub(super) fn put(
        &mut self,
        revision: Revision,
        key: &[u8],
        value: &[u8],
        lease: Option<LeaseId>,
    ) -> Result<(), redb::Error> {
        let lease = lease.map_or(NO_LEASE, |lease| lease.0);
        let before = self.current.insert(key, (revision, lease, value))?;
        let lease_before = before.map_or(NO_LEASE, |row| row.value().1);
        if lease_before != NO_LEASE && lease_before != lease {
            self.lease_keys.remove((lease_before, key))?;
        }
        if lease != NO_LEASE {
            self.lease_keys.insert((lease, key), ())?;
        }
        Ok(())
    }

    /// Removes a key; says whether it was there.
    pub(super) fn delete(&mut self, key: &[u8]) -> Result<bool, redb::Error> {
        let Some(lease) = self.current.remove(key)?.map(|row| row.value().1) else {
            return Ok(false);
        };
        if lease != NO_LEASE {
            self.lease_keys.remove((lease, key))?;
        }
        Ok(true)
    }

    /// Logs the changes of the next revision, which becomes the store's.
    pub(super) fn log(&mut self, changes: &[(&[u8], Option<&[u8]>)]) -> Result<(), redb::Error> {
        self.state.revision += 1;
        self.state.log_bytes += logged_bytes(changes);
        self.log.insert(self.state.revision, changes.to_vec())?;
        self.changed = true;
        Ok(())
    }

    /// Forgets the changes before `revision`.
    pub(super) fn forget_before(&mut self, revision: Revision) -> Result<(), redb::Error> {
        while let Some(first) = self.first_logged()? {
            if first >= revision {
                break;
            }
            if let Some(changes) = self.log.remove(first)? {
                let bytes = logged_bytes(&changes.value());
                self.state.log_bytes = self.state.log_bytes.saturating_sub(bytes);
            }
        }
        self.state.oldest = self.state.oldest.max(revision);
        self.changed = true;
        Ok(())
    }

    fn first_logged(&self) -> Result<Option<Revision>, redb::Error> {
        Ok(self.log.first()?.map(|(revision, _)| revision.value()))
    }

    /// Records a new lease.
    pub(super) fn add_lease(&mut self, lease: LeaseId, ttl_s: u32) -> Result<(), redb::Error> {
        self.leases.insert(lease.0, ttl_s)?;
        self.changed = true;
        Ok(())
    }

    /// The TTL of a lease in seconds; none when it does not exist.
    pub(super) fn lease_ttl_s(&self, lease: LeaseId) -> Result<Option<u32>, redb::Error> {
        Ok(self.leases.get(lease.0)?.map(|ttl_s| ttl_s.value()))
    }

    /// All leases with their TTL in seconds.
    pub(super) fn leases(&self) -> Result<Vec<(LeaseId, u32)>, redb::Error> {
        let mut leases = Vec::new();
        for row in self.leases.iter()? {
            let (lease, ttl_s) = row?;
            leases.push((LeaseId(lease.value()), ttl_s.value()));
        }
        Ok(leases)
    }

    /// Removes a lease and gives the keys that were put under it, which are still there.
    pub(super) fn remove_lease(
        &mut self,
        lease: LeaseId,
    ) -> Result<Option<Vec<Vec<u8>>>, redb::Error> {
        if self.leases.remove(lease.0)?.is_none() {
            return Ok(None);
        }
        self.changed = true;
        let mut keys = Vec::new();
        for row in self.lease_keys.range((lease.0, &[][..])..)? {
            let (row, _) = row?;
            let (owner, key) = row.value();
            if owner != lease.0 {
                break;
            }
            keys.push(key.to_vec());
        }
        Ok(Some(keys))
    }
}

/// What a file without its state row is.
pub(super) fn missing_state() -> redb::Error {
    redb::Error::Corrupted("the state table is empty".into())
}

fn logged_bytes(changes: &[(&[u8], Option<&[u8]>)]) -> u64 {
    let bytes = |(key, value): &(&[u8], Option<&[u8]>)| key.len() + value.map_or(0, <[u8]>::len);
    changes.iter().map(bytes).sum::<usize>() as u64
}
