//! The audit trail: who changed what and when, before and after.
//!
//! The store has it in the change keys, one a name, written with the change itself. Beside it an
//! append-only file of JSON lines may be kept for whoever collects logs; a file of
//! [`FILE_LEN_MAX`] is renamed to `.1` and begun anew. A line that cannot be written is logged, and
//! the change stands.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use containerdns_schema::rest::{AuditEntry, State};
use tracing::error;

/// Size of the file before it is begun anew.
const FILE_LEN_MAX: u64 = 64 << 20;
/// Size of an entry at most; of a larger one the records are left out.
const ENTRY_LEN_MAX: usize = 32 << 10;

/// Where the trail is written beside the store.
#[derive(Debug, Default)]
pub struct Trail(Option<Mutex<TrailFile>>);

#[derive(Debug)]
struct TrailFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Trail {
    /// Appends to the file at `path`.
    ///
    /// # Errors
    /// It cannot be opened for that.
    pub fn to_file(path: &Path) -> io::Result<Trail> {
        Ok(Trail(Some(Mutex::new(TrailFile::open(path)?))))
    }

    /// Writes one line for each changed name.
    pub(super) fn record(&self, revision: i64, entries: &[AuditEntry]) {
        let Some(file) = &self.0 else { return };
        let mut lines = Vec::new();
        for entry in entries {
            let line = serde_json::json!({ "revision": revision, "change": entry });
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.append(&lines) {
            error!(%error, path = %file.path.display(), "audit line not written");
        }
    }
}

impl TrailFile {
    fn open(path: &Path) -> io::Result<TrailFile> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(TrailFile {
            path: path.into(),
            file,
            length,
        })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.length >= FILE_LEN_MAX {
            let mut former = self.path.clone().into_os_string();
            former.push(".1");
            match std::fs::rename(&self.path, former) {
                // A former try came as far as this.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
            *self = TrailFile::open(&self.path)?;
        }
        self.file.write_all(lines)?;
        self.length += lines.len() as u64;
        Ok(())
    }
}

/// An entry that the store takes: records of enormous ones are counted, not shown.
pub(super) fn bounded(mut entry: AuditEntry) -> AuditEntry {
    let shown = |state: &State| {
        let texts = state.records.iter().chain(state.weights.keys());
        texts.map(String::len).sum::<usize>()
    };
    let states = |entry: &AuditEntry| {
        let states = entry.changes.iter().flat_map(|change| {
            let states = [change.before.as_ref(), change.after.as_ref()];
            states.into_iter().flatten().map(shown)
        });
        states.sum::<usize>()
    };
    if states(&entry) <= ENTRY_LEN_MAX {
        return entry;
    }
    for change in &mut entry.changes {
        for state in [&mut change.before, &mut change.after]
            .into_iter()
            .flatten()
        {
            state.omitted += state.records.len();
            state.records.clear();
            state.weights.clear();
        }
    }
    entry
}
