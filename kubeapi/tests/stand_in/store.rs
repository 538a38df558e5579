//! The objects, one version for all of them, and every change that was made.
//!
//! The log is never shortened: compaction is a mark below which nothing may be asked for, so that
//! watches that are already running miss nothing. Nothing is added to objects but what a server
//! sets (uid, resourceVersion, creationTimestamp): no default values, no managedFields.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::resources::{Key, Resource};

/// An object as it was at some version.
pub(crate) type Object = Arc<Value>;

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    key: Key,
    pub(crate) before: Option<Object>,
    pub(crate) after: Option<Object>,
}

/// The objects and their past.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) revision: u64,
    /// Versions before this one are gone.
    pub(crate) compacted: u64,
    objects: BTreeMap<Key, Object>,
    log: Vec<Change>,
    created: u64,
}

impl Store {
    pub(crate) fn new() -> Store {
        Store {
            // As after the writes of a server's own start.
            revision: 100,
            compacted: 100,
            objects: BTreeMap::new(),
            log: Vec::new(),
            created: 0,
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key)
    }

    /// All objects of a kind as they were at a version, in the order of their keys.
    pub(crate) fn at(&self, resource: &Resource, revision: u64) -> BTreeMap<String, Object> {
        let of_resource = self.objects.iter().filter(|(key, _)| key.is_of(resource));
        let mut objects: BTreeMap<_, _> = of_resource
            .map(|(key, object)| (key.path.clone(), Arc::clone(object)))
            .collect();
        let since: Vec<_> = self.changes_after(resource, revision).collect();
        for change in since.into_iter().rev() {
            match &change.before {
                Some(before) => objects.insert(change.key.path.clone(), Arc::clone(before)),
                None => objects.remove(&change.key.path),
            };
        }
        objects
    }

    /// What happened to objects of a kind after a version.
    pub(crate) fn changes_after(
        &self,
        resource: &Resource,
        revision: u64,
    ) -> impl Iterator<Item = &Change> {
        let start = self
            .log
            .partition_point(|change| change.revision <= revision);
        let later = self.log[start..].iter();
        later.filter(move |change| change.key.is_of(resource))
    }

    /// Creates or replaces; what is the same already is left as it is, without a new version.
    pub(crate) fn put(&mut self, resource: &Resource, key: Key, mut object: Value) -> Object {
        object["kind"] = json!(resource.kind);
        object["apiVersion"] = json!(resource.api_version());
        let before = self.objects.get(&key).cloned();
        match &before {
            Some(before) => {
                for field in ["uid", "creationTimestamp", "resourceVersion"] {
                    object["metadata"][field] = before["metadata"][field].clone();
                }
                if object == **before {
                    return Arc::clone(before);
                }
            }
            None => {
                self.created += 1;
                let uid = format!("5741d150-0000-4000-8000-{:012x}", self.created);
                object["metadata"]["uid"] = json!(uid);
                object["metadata"]["creationTimestamp"] = json!(now());
            }
        }
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let after = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&after));
        self.log.push(Change {
            revision: self.revision,
            key,
            before,
            after: Some(Arc::clone(&after)),
        });
        after
    }

    /// A number for names that the server makes up.
    pub(crate) fn next_number(&self) -> u64 {
        self.created + 1
    }

    /// Removes; gives the object as it was.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Object> {
        let before = self.objects.remove(&key)?;
        self.revision += 1;
        self.log.push(Change {
            revision: self.revision,
            key,
            before: Some(Arc::clone(&before)),
            after: None,
        });
        Some(before)
    }

    /// Nothing but these objects, as they are, at a version: what a restored backup is.
    pub(crate) fn restore(&mut self, objects: Vec<Value>, revision: u64) {
        self.revision = revision;
        self.compacted = revision;
        self.log.clear();
        self.objects.clear();
        for object in objects {
            let resource = Resource::of(&object).expect("a kind that is known");
            let metadata = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
            let key = resource.key(metadata("namespace"), metadata("name"));
            self.objects.insert(key, Arc::new(object));
        }
    }

    /// All objects of a kind, of whatever group.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        let objects = self.objects.values();
        let of_kind = objects.filter(|object| object["kind"] == kind);
        of_kind.map(|object| (**object).clone()).collect()
    }
}

/// The time as objects have it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    timestamp(since.map_or(0, |since| since.as_secs()))
}

/// Seconds since 1970 as RFC 3339.
fn timestamp(seconds: u64) -> String {
    // Days are counted from 0000-03-01, so that the leap day ends a year (Howard Hinnant,
    // "chrono-Compatible Low-Level Date Algorithms").
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[test]
fn times_are_written_as_rfc_3339() {
    assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
    assert_eq!(timestamp(1_709_210_096), "2024-02-29T12:34:56Z");
    assert_eq!(timestamp(1_795_381_002), "2026-11-22T20:56:42Z");
}
