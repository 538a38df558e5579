//! From what a request asks to one transaction of the store: pure, without I/O and clock.
//!
//! The names that a request touches are copied from [`Records`], the changes are applied to the
//! copies one after the other ([`apply`]), what came out is checked, and the difference becomes
//! guarded operations ([`compile`]). Every key that is written or deleted is guarded by its
//! revision, and so is the change key of every name: two requests that change one name never both
//! commit on the same ground. The status keys of addresses come and go in the same transaction
//! ([`status`]).
//!
//! Who may ask is not decided here, except that a name with an owner is its owner's.

use std::collections::{BTreeMap, BTreeSet};

use containerdns_schema::format::{AnswerPolicy, EncodeError};
use containerdns_schema::rest::{Difference, NameChange, Probing};
use containerdns_schema::{Health, Name, RecordType};
use containerdns_store::{Guard, Operation};
use serde::Deserialize;

use crate::records::{Item, Layout, NameRecords, Records};

mod apply;
mod compile;
mod difference;
mod identity;
mod status;

pub(crate) use identity::srv_port;

/// Operations in one transaction: what etcd takes unless told otherwise (`--max-txn-ops`).
pub const OPERATIONS_MAX: usize = 128;
/// Records of an RRset that are kept in the tree, one key each; the others share a bundle, so that
/// an RRset of any size is changed in one transaction.
pub const TREE_RECORDS_MAX: usize = 32;

/// What is the same for all requests.
#[derive(Debug, Clone)]
pub struct Rules {
    /// TTL of new RRsets for which none is given.
    pub ttl_default_s: u32,
    /// Written into values, when there is one.
    pub cluster: Option<String>,
    /// Whose addresses have status keys.
    pub probe: ProbeMode,
}

/// Whose addresses are probed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeMode {
    /// Those of records that ask for it.
    #[default]
    Asked,
    /// Those of all A and AAAA records.
    All,
    /// Nobody's: status keys are not touched.
    None,
}

/// What a request becomes.
#[derive(Debug, Default)]
pub struct Plan {
    /// Names that change.
    pub names: Vec<Planned>,
    /// Status keys of addresses that change, each with its guard.
    pub status: Vec<(Guard, Operation)>,
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
    policy: Option<AnswerPolicy>,
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
) -> Result<Plan, PlanError> {
    let empty = NameRecords::default();
    let mut names: BTreeMap<&Name, Vec<Working>> = BTreeMap::new();
    for change in changes {
        let before = records.name(&change.name).unwrap_or(&empty);
        let working = names
            .entry(&change.name)
            .or_insert_with(|| working_copy(before));
        apply::apply(working, change, rules)?;
    }
    let mut status = status::StatusKeys::new(records, layout, rules);
    let mut probed: BTreeSet<&Name> = BTreeSet::new();
    for (name, working) in &names {
        let before = records.name(name).unwrap_or(&empty);
        if status.settle(name, before, working, changes)? {
            probed.insert(name);
        }
    }
    let mut planned: Vec<Planned> = Vec::new();
    // Two names may have one place in the tree: it goes to the first.
    let mut taken: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (name, working) in names {
        let before = records.name(name).unwrap_or(&empty);
        let place = changes.iter().find(|change| change.name == *name);
        let place = place.map_or("", |change| &change.place);
        apply::check(name, &working, layout, place)?;
        if is_same(before, &working) && !probed.contains(name) {
            continue;
        }
        let differences = difference::differences(name, before, &working, &status);
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
    let plan = Plan {
        names: planned,
        status: status.finish()?,
    };
    check_size(&plan)?;
    Ok(plan)
}

/// Whether records of a type have a policy.
pub(crate) fn has_policy(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::A | RecordType::AAAA | RecordType::SRV)
}

/// How an address is probed for a name, as far as it is.
pub(crate) fn probing(health: &Health, name: &Name) -> Option<Probing> {
    let way = health.probe.clone();
    let listed = health.lists(name);
    listed.then(|| way.map_or(Probing::Asked(true), Probing::By))
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

fn check_size(plan: &Plan) -> Result<(), PlanError> {
    let of_names = plan.names.iter().map(|name| name.operations.len() + 1);
    let operations = of_names.sum::<usize>() + plan.status.len();
    if operations <= OPERATIONS_MAX {
        return Ok(());
    }
    let (names, most) = (plan.names.len(), OPERATIONS_MAX);
    Err(PlanError::TooLarge(format!(
        "{operations} operations of the store for {names} names: one transaction has at most \
         {most}; send less at a time"
    )))
}

/// Whether nothing changed, down to the TTL of each record and to records that stand in two keys.
fn is_same(before: &NameRecords, after: &[Working]) -> bool {
    fn whole<'a>(
        item: &'a Item,
        user: &'a Option<String>,
        policy: Option<AnswerPolicy>,
    ) -> impl Ord + use<'a> {
        let Item { rtype, ttl, .. } = item;
        (rtype, ttl, &item.rdata, item.weight, user, policy)
    }
    let mut before: Vec<_> = before
        .items()
        .map(|(entry, item)| whole(item, &entry.user, entry.policy))
        .collect();
    let mut after: Vec<_> = after
        .iter()
        .map(|one| whole(&one.item, &one.user, one.policy))
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
            policy: entry.policy,
            from: Some(index),
            foreign: entry.foreign,
        })
    });
    items.collect()
}

#[cfg(test)]
mod tests;
