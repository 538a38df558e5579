//! From what a request asks to one transaction of the store: pure, without I/O and clock.
//!
//! The names that a request touches are copied from [`Records`], the changes are applied to the
//! copies one after the other ([`apply`]), what came out is checked, and the difference becomes
//! guarded operations ([`compile`]). Every key that is written or deleted is guarded by its
//! revision, and so is the change key of every name: two requests that change one name never both
//! commit on the same ground.
//!
//! Who may ask is not decided here, except that a name with an owner is its owner's.

use std::collections::{BTreeMap, BTreeSet};

use containerdns_schema::format::EncodeError;
use containerdns_schema::rest::{Difference, NameChange, State};
use containerdns_schema::{Name, RecordType};
use containerdns_store::{Guard, Operation};

use crate::records::{Item, Layout, NameRecords, Records};

mod apply;
mod compile;
mod identity;

pub(crate) use identity::srv_port;

/// Operations in one transaction: what etcd takes unless told otherwise (`--max-txn-ops`).
pub const OPERATIONS_MAX: usize = 128;
/// Records of an RRset that are kept in the tree, one key each; the others share a bundle, so that
/// an RRset of any size is changed in one transaction.
pub const TREE_RECORDS_MAX: usize = 32;
/// Records told of a state before and after; of larger RRsets only those that differ.
const TOLD_RECORDS_MAX: usize = 64;

/// What is the same for all requests.
#[derive(Debug, Clone)]
pub struct Rules {
    /// TTL of new RRsets for which none is given.
    pub ttl_default_s: u32,
    /// Written into values, when there is one.
    pub cluster: Option<String>,
}

/// What to do with one name.
#[derive(Debug)]
pub struct Planned {
    /// The name.
    pub name: Name,
    /// Its change key.
    pub change_key: Vec<u8>,
    /// Guard of the change key.
    pub change_guard: Guard,
    /// Guards of the keys below.
    pub guards: Vec<Guard>,
    /// Puts and deletes of records.
    pub operations: Vec<Operation>,
    /// Whether nothing is left at the name.
    pub emptied: bool,
    /// What becomes of each RRset that changes.
    pub differences: Vec<Difference>,
}

/// Why a request cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A name or record that is not there.
    #[error("{problem}")]
    NotFound {
        /// Field that names it.
        field: String,
        /// What is missing.
        problem: String,
    },
    /// What is there stands against it.
    #[error("{problem}")]
    Conflict {
        /// Field that is meant.
        field: String,
        /// What stands against it, and what to do.
        problem: String,
        /// The name that holds it.
        name: Name,
    },
    /// The name is somebody else's.
    #[error("{problem}")]
    Foreign {
        /// Field that is meant.
        field: String,
        /// Whose it is.
        problem: String,
    },
    /// A record that no format of the store holds.
    #[error("{problem}")]
    Impossible {
        /// Field that is meant.
        field: String,
        /// Why.
        problem: String,
    },
    /// More than one transaction takes.
    #[error("{0}")]
    TooLarge(String),
}

/// A record of a name while changes are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Working {
    item: Item,
    user: Option<String>,
    cluster: Option<String>,
    /// The entry it came from and its place there, untouched so far.
    from: Option<usize>,
    foreign: bool,
}

/// Plans all changes of a request, in order; names that stay as they are have no part in it.
///
/// # Errors
/// The first change that cannot be met, and then nothing is to be done at all.
pub fn plan(
    records: &Records,
    layout: &Layout,
    rules: &Rules,
    changes: &[NameChange],
) -> Result<Vec<Planned>, PlanError> {
    let empty = NameRecords::default();
    let mut names: BTreeMap<&Name, Vec<Working>> = BTreeMap::new();
    for change in changes {
        let before = records.name(&change.name).unwrap_or(&empty);
        let working = names
            .entry(&change.name)
            .or_insert_with(|| working_copy(before));
        apply::apply(working, change, rules)?;
    }
    let mut planned: Vec<Planned> = Vec::new();
    // Two names may have one place in the tree: it goes to the first.
    let mut taken: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (name, working) in names {
        let before = records.name(name).unwrap_or(&empty);
        let place = changes.iter().find(|change| change.name == *name);
        let place = place.map_or("", |change| &change.place);
        apply::check(name, &working, layout, place)?;
        let differences = differences(name, before, &working);
        if is_same(before, &working) {
            continue;
        }
        let target = compile::Target {
            records,
            layout,
            rules,
            taken: &taken,
        };
        let compiled = compile::compile(&target, name, before, &working);
        let compiled = compiled.map_err(|error| impossible(place, &error))?;
        taken.extend(compiled.guards.iter().map(|guard| guard.key().to_vec()));
        planned.push(Planned {
            differences,
            ..compiled
        });
    }
    check_size(&planned)?;
    Ok(planned)
}

fn impossible(place: &str, error: &EncodeError) -> PlanError {
    match error {
        EncodeError::ValueTooLarge { .. } => PlanError::TooLarge(error.to_string()),
        error => PlanError::Impossible {
            field: field(place, "records"),
            problem: error.to_string(),
        },
    }
}

/// Path of a field in the body.
fn field(place: &str, field: &str) -> String {
    if place.is_empty() {
        field.into()
    } else {
        format!("{place}.{field}")
    }
}

fn check_size(planned: &[Planned]) -> Result<(), PlanError> {
    let operations: usize = planned.iter().map(|name| name.operations.len() + 1).sum();
    if operations <= OPERATIONS_MAX {
        return Ok(());
    }
    let (names, most) = (planned.len(), OPERATIONS_MAX);
    Err(PlanError::TooLarge(format!(
        "{operations} operations of the store for {names} names: one transaction has at most \
         {most}; send less at a time"
    )))
}

/// Whether nothing changed, down to the TTL of each record and to records that stand in two keys.
fn is_same(before: &NameRecords, after: &[Working]) -> bool {
    let mut before: Vec<_> = before
        .items()
        .map(|(entry, item)| (item.rtype, item.ttl, &item.rdata, entry.user.as_ref()))
        .collect();
    let mut after: Vec<_> = after
        .iter()
        .map(|one| {
            let item = &one.item;
            (item.rtype, item.ttl, &item.rdata, one.user.as_ref())
        })
        .collect();
    before.sort_unstable();
    after.sort_unstable();
    before == after
}

fn working_copy(before: &NameRecords) -> Vec<Working> {
    let entries = before.entries.iter().enumerate();
    let items = entries.flat_map(|(index, entry)| {
        entry.items.iter().map(move |item| Working {
            item: item.clone(),
            user: entry.user.clone(),
            cluster: entry.cluster.clone(),
            from: Some(index),
            foreign: entry.foreign,
        })
    });
    items.collect()
}

/// TTL, owner and RDATA of every type.
type States = BTreeMap<RecordType, (Option<u32>, Option<String>, Vec<String>)>;

fn states<'a>(items: impl Iterator<Item = (&'a Item, Option<&'a String>)>) -> States {
    let mut states = States::new();
    for (item, user) in items {
        let (ttl, owner, records) = states.entry(item.rtype).or_default();
        *ttl = match (*ttl, item.ttl) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if owner.is_none() {
            *owner = user.cloned();
        }
        records.push(item.rdata.to_text(item.rtype));
    }
    for (_, _, records) in states.values_mut() {
        records.sort_unstable();
        records.dedup();
    }
    states
}

/// The RRsets that differ.
fn differences(name: &Name, before: &NameRecords, after: &[Working]) -> Vec<Difference> {
    let before = states(
        before
            .items()
            .map(|(entry, item)| (item, entry.user.as_ref())),
    );
    let after = states(after.iter().map(|one| (&one.item, one.user.as_ref())));
    let mut types: Vec<RecordType> = before.keys().chain(after.keys()).copied().collect();
    types.sort_unstable();
    types.dedup();
    let differing = types
        .into_iter()
        .filter(|rtype| before.get(rtype) != after.get(rtype));
    let difference = |rtype| {
        let (before, after) = (before.get(&rtype), after.get(&rtype));
        Difference {
            name: name.clone(),
            rtype,
            before: before.map(|state| told(state, after)),
            after: after.map(|state| told(state, before)),
        }
    };
    differing.map(difference).collect()
}

/// A state as it is told; of a large one only records that the other lacks, and not all of those.
fn told(
    (ttl, user, records): &(Option<u32>, Option<String>, Vec<String>),
    other: Option<&(Option<u32>, Option<String>, Vec<String>)>,
) -> State {
    let large = records.len() > TOLD_RECORDS_MAX;
    let in_other =
        |record: &&String| other.is_some_and(|(_, _, others)| others.binary_search(record).is_ok());
    let shown = records.iter().filter(|record| !large || !in_other(record));
    let shown: Vec<String> = shown.take(TOLD_RECORDS_MAX).cloned().collect();
    State {
        ttl: *ttl,
        user: user.clone(),
        omitted: records.len() - shown.len(),
        records: shown,
    }
}

#[cfg(test)]
mod tests;
