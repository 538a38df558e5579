//! Which key belongs to which format: the longest configured prefix decides. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use containerdns_schema::format::{self, Format, FormatError};
use containerdns_schema::health::{self, MEMBER_PREFIX, Status};
use containerdns_schema::name::Name;

use crate::model::{Adds, Stamp, Word};
use crate::table::ViewId;

/// The configured prefixes and the zones that decoding depends on.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Longest first.
    prefixes: Vec<(String, Route)>,
    zones: Vec<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Records(Format),
    View(ViewId, Format),
    Health,
    Prober,
}

impl Routes {
    /// Routes for these prefixes of records and for the prefix of backends' health, which comes
    /// with that of living probers.
    pub fn new(
        records: impl IntoIterator<Item = (String, Format)>,
        health: Option<String>,
        zones: Vec<Name>,
    ) -> Routes {
        let records = records
            .into_iter()
            .map(|(path, format)| (path, Route::Records(format)));
        let probers = health.is_some().then(|| MEMBER_PREFIX.to_owned());
        let mut prefixes: Vec<(String, Route)> = records
            .chain(probers.map(|path| (path, Route::Prober)))
            .chain(health.map(|path| (path, Route::Health)))
            .collect();
        prefixes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Routes { prefixes, zones }
    }

    /// The same, and these prefixes of records of a view, which overlap no other ones.
    pub fn with_view(
        mut self,
        view: ViewId,
        prefixes: impl IntoIterator<Item = (String, Format)>,
    ) -> Routes {
        let prefixes = prefixes.into_iter();
        self.prefixes
            .extend(prefixes.map(|(path, format)| (path, Route::View(view, format))));
        self.prefixes
            .sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        self
    }

    /// The prefixes to list and watch: those that no other one covers.
    pub fn listed(&self) -> Vec<Vec<u8>> {
        let paths = || self.prefixes.iter().map(|(path, _)| path);
        let covered = |path: &String| paths().any(|p| p != path && path.starts_with(p.as_str()));
        let mut listed: Vec<Vec<u8>> = paths()
            .filter(|path| !covered(path))
            .map(|path| path.clone().into())
            .collect();
        listed.sort();
        listed
    }

    /// What a key and its value add.
    pub fn decode(&self, key: &[u8], value: &[u8]) -> Result<Adds, FormatError> {
        let route = self
            .prefixes
            .iter()
            .find(|(path, _)| key.starts_with(path.as_bytes()));
        match route {
            Some((path, Route::Records(format))) => {
                format::decode(*format, path, &self.zones, key, value).map(Adds::Records)
            }
            Some((path, Route::View(view, format))) => {
                let contribution = format::decode(*format, path, &self.zones, key, value)?;
                Ok(Adds::ViewRecords(*view, contribution))
            }
            Some((path, Route::Health)) => {
                let (address, health) = health::decode(path, key, value)?;
                let word = match health.status {
                    Status::Up => Word::Up,
                    Status::Down => Word::Down(health.prober.map(Arc::from)),
                };
                Ok(Adds::Health(address, word))
            }
            Some((path, Route::Prober)) => {
                let prober = String::from_utf8_lossy(key.get(path.len()..).unwrap_or_default());
                Ok(Adds::Prober(Arc::from(prober)))
            }
            None => Ok(Adds::Records(format::Contribution::default())),
        }
    }
}

/// The stamp of a value.
pub fn stamp(mod_revision: i64, value: &[u8]) -> Stamp {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    Stamp {
        mod_revision,
        value_hash: hasher.finish(),
    }
}
