//! The open store file, shared by the writer, listings and watches.
//!
//! redb refuses everything after a failed write (a full disk), so a failure closes the file and
//! opens it again: what was committed is read back, and reads go on while writes wait for space.
//! A listing of several pages reads from the snapshot of its first page; such snapshots are
//! bounded in number and age, because they keep replaced pages of the file from being used again.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase};
use tokio::sync::watch;

use super::tables::{self, LogPart, State, Tables};
use crate::{Page, Past, Revision, StoreError};

/// Name of the file in the store's folder.
const FILE_NAME: &str = "store.redb";

/// Memory that redb may use for pages: a million small records fit.
const CACHE_BYTES: usize = 64 << 20;

/// Bytes of keys and values in one page of a listing.
const PAGE_BYTES: usize = 1 << 20;

/// Snapshots held for listings that are not read to their end.
const OPEN_LISTINGS_MAX: usize = 16;

/// How long a listing may rest between two pages; under full write load the file meanwhile grows
/// by some 50 MiB/s.
const LISTING_IDLE_MAX: Duration = Duration::from_secs(10);

/// The snapshot that the next page of a listing is read from.
struct Listing {
    revision: Revision,
    used: Instant,
    snapshot: Arc<ReadTransaction>,
}

/// The redb file and what is held open of it.
pub(super) struct StoreFile {
    dir: PathBuf,
    /// None when the file could not be opened again, or was closed.
    database: RwLock<Option<Database>>,
    listings: Mutex<Vec<Listing>>,
    /// The newest committed revision; none when the file was closed for good.
    newest: watch::Sender<Option<Revision>>,
}

impl std::fmt::Debug for StoreFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StoreFile({})", self.dir.display())
    }
}

impl StoreFile {
    /// Opens the file in `dir`, creating folder, file and tables when missing.
    pub(super) fn open(dir: &Path) -> Result<StoreFile, StoreError> {
        let dir_error = |error: std::io::Error| io_error(dir, &error);
        std::fs::create_dir_all(dir).map_err(dir_error)?;
        let (database, state) = open_database(dir)?;
        // The file's name must survive a power cut as well as its content does.
        std::fs::File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(dir_error)?;
        Ok(StoreFile {
            dir: dir.to_path_buf(),
            database: RwLock::new(Some(database)),
            listings: Mutex::new(Vec::new()),
            newest: watch::Sender::new(Some(state.revision)),
        })
    }

    /// Closes the file for good: calls from now on fail.
    pub(super) fn close(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.listings().clear();
        *database = None;
        self.newest.send_replace(None);
    }

    /// Follows the newest committed revision; none once the file is closed for good.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Revision>> {
        self.newest.subscribe()
    }

    /// One page of a listing, from key `start` on.
    pub(super) fn list_page(
        &self,
        prefix: &[u8],
        start: &[u8],
        at: Option<Revision>,
    ) -> Result<Page, StoreError> {
        let held = at.and_then(|revision| self.take_listing(revision));
        let (page, snapshot) = self.read(|database| {
            let snapshot = match &held {
                Some(snapshot) => Arc::clone(snapshot),
                None => Arc::new(database.begin_read()?),
            };
            let state = read_state(&snapshot)?;
            let (pairs, next) = tables::read_pairs(&snapshot, prefix, start, PAGE_BYTES)?;
            let page = Page {
                revision: state.revision,
                cluster_id: state.cluster_id,
                pairs,
                next,
            };
            Ok((page, snapshot))
        })?;
        match at {
            Some(at) if at < page.revision => {
                let oldest = page.revision;
                return Err(StoreError::Compacted { oldest });
            }
            Some(at) if at > page.revision => {
                let newest = page.revision;
                let message = format!("revision {at} is not there yet; the newest is {newest}");
                return Err(StoreError::Refused(message));
            }
            _ => {}
        }
        // A listing of several prefixes at one revision begins each with another call: the end of
        // a prefix is not the end of the listing. It ends by resting.
        if held.is_none() {
            self.hold_listing(page.revision, snapshot);
        }
        Ok(page)
    }

    /// Drops the snapshots of listings before `revision`.
    pub(super) fn forget_listings_before(&self, revision: Revision) {
        self.listings()
            .retain(|listing| listing.revision >= revision);
    }

    /// The past of one key, see [`tables::read_past`].
    pub(super) fn history(&self, key: &[u8], max: usize) -> Result<Past, StoreError> {
        self.read(|database| {
            let snapshot = database.begin_read()?;
            let state = read_state(&snapshot)?;
            tables::read_past(&snapshot, state, key, max)
        })
    }

    /// Changes from revision `from` on, see [`tables::read_log`].
    pub(super) fn read_log(
        &self,
        prefixes: &[Vec<u8>],
        from: Revision,
        bytes_max: usize,
        revisions_max: usize,
    ) -> Result<LogPart, StoreError> {
        let (state, part) = self.read(|database| {
            let snapshot = database.begin_read()?;
            let state = read_state(&snapshot)?;
            let newest = state.revision;
            let part =
                tables::read_log(&snapshot, prefixes, from, newest, bytes_max, revisions_max)?;
            Ok((state, part))
        })?;
        if from < state.oldest {
            let oldest = state.oldest;
            return Err(StoreError::Compacted { oldest });
        }
        Ok(part)
    }

    /// Runs `change` on all tables and commits what it changed: after an `Ok` it is on disk.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        drop_rested(&mut self.listings());
        let written = self.with_database(|database| {
            let transaction = database.begin_write()?;
            let mut tables = Tables::open(&transaction)?;
            let done = change(&mut tables)?;
            if tables.changed {
                let state = tables.finish()?;
                transaction.commit()?;
                self.newest.send_replace(Some(state.revision));
            } else {
                drop(tables);
                transaction.abort()?;
            }
            Ok(done)
        })?;
        written.map_err(|error| {
            self.reopen();
            store_error(&self.dir, &error)
        })
    }

    /// Runs `read`, once more on a reopened file when it failed.
    fn read<T>(&self, read: impl Fn(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        if let Ok(value) = self.with_database(&read)? {
            return Ok(value);
        }
        self.reopen();
        self.with_database(&read)?
            .map_err(|error| store_error(&self.dir, &error))
    }

    fn with_database<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<Result<T, redb::Error>, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(|| {
            StoreError::Unavailable(format!("{}: the store file is closed", self.dir.display()))
        })?;
        Ok(work(database))
    }

    /// Opens the file again after a failure.
    fn reopen(&self) {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        self.listings().clear();
        if database.take().is_none() {
            return;
        }
        match open_database(&self.dir) {
            Ok((opened, state)) => {
                *database = Some(opened);
                self.newest.send_replace(Some(state.revision));
            }
            Err(error) => tracing::error!(%error, "the store file cannot be opened again"),
        }
    }

    fn listings(&self) -> MutexGuard<'_, Vec<Listing>> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_listing(&self, revision: Revision) -> Option<Arc<ReadTransaction>> {
        let mut listings = self.listings();
        drop_rested(&mut listings);
        let listing = listings
            .iter_mut()
            .find(|listing| listing.revision == revision)?;
        listing.used = Instant::now();
        Some(Arc::clone(&listing.snapshot))
    }

    /// Holds a snapshot for the next page; drops the one that rested longest when there are many.
    fn hold_listing(&self, revision: Revision, snapshot: Arc<ReadTransaction>) {
        let mut listings = self.listings();
        drop_rested(&mut listings);
        if let Some(listing) = listings
            .iter_mut()
            .find(|listing| listing.revision == revision)
        {
            listing.used = Instant::now();
            return;
        }
        if listings.len() >= OPEN_LISTINGS_MAX {
            listings.sort_by_key(|listing| listing.used);
            listings.remove(0);
        }
        listings.push(Listing {
            revision,
            used: Instant::now(),
            snapshot,
        });
    }

    /// Lets go of what rested too long. Called by the writer, because it is writes that make the
    /// file grow under a snapshot.
    pub(super) fn drop_rested_listings(&self) {
        drop_rested(&mut self.listings());
    }
}

fn drop_rested(listings: &mut Vec<Listing>) {
    listings.retain(|listing| listing.used.elapsed() < LISTING_IDLE_MAX);
}

fn open_database(dir: &Path) -> Result<(Database, State), StoreError> {
    let path = dir.join(FILE_NAME);
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(&path)
        .map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::Refused(format!(
                "{}: another process holds the store in this folder",
                dir.display()
            )),
            error => store_error(&path, &error.into()),
        })?;
    let cluster_id = random_u64().map_err(|error| io_error(&path, &error))?;
    let state = initialize(&database, cluster_id).map_err(|error| store_error(&path, &error))?;
    Ok((database, state))
}

/// Creates the tables in a new file; gives the state of one that has them.
fn initialize(database: &Database, cluster_id: u64) -> Result<State, redb::Error> {
    if let Some(state) = tables::read_state(&database.begin_read()?)? {
        return Ok(state);
    }
    let transaction = database.begin_write()?;
    let state = Tables::create(&transaction, cluster_id)?.finish()?;
    transaction.commit()?;
    Ok(state)
}

fn read_state(snapshot: &ReadTransaction) -> Result<State, redb::Error> {
    tables::read_state(snapshot)?.ok_or_else(tables::missing_state)
}

/// A number that no other store or lease has.
pub(super) fn random_u64() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn io_error(path: &Path, error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        StorageFull | QuotaExceeded => StoreError::NoSpace(message),
        std::io::ErrorKind::InvalidData => StoreError::Refused(message),
        _ => StoreError::Unavailable(message),
    }
}

fn store_error(path: &Path, error: &redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => io_error(path, error),
        error => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}
