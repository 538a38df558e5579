//! What every store refuses before it asks anybody: requests that can never be met.

use std::collections::HashSet;

use crate::{Guard, Operation, Revision, StoreError};

/// Refuses a watch of nothing, or from a revision that means "now" to etcd.
pub(crate) fn watch(prefixes: &[Vec<u8>], from: Revision) -> Result<(), StoreError> {
    if prefixes.is_empty() {
        return Err(StoreError::Refused("a watch without prefixes".into()));
    }
    if from < 1 {
        let message = format!("a watch from revision {from}; the first is 1");
        return Err(StoreError::Refused(message));
    }
    Ok(())
}

/// Refuses guards and operations that contradict themselves; gives the bytes of the operations.
pub(crate) fn transaction(guards: &[Guard], operations: &[Operation]) -> Result<usize, StoreError> {
    for guard in guards {
        if let Guard::ModRevision { key, revision } = guard
            && *revision < 1
        {
            let key = String::from_utf8_lossy(key);
            let message = format!("a guard of key {key} at revision {revision}; the first is 1");
            return Err(StoreError::Refused(message));
        }
    }
    let (mut put, mut deleted, mut bytes) = (HashSet::new(), HashSet::new(), 0);
    for operation in operations {
        let (key, twice) = match operation {
            Operation::Put { key, value, .. } => {
                bytes += key.len() + value.len();
                (key, !put.insert(key) || deleted.contains(key))
            }
            Operation::Delete { key } => {
                bytes += key.len();
                deleted.insert(key);
                (key, put.contains(key))
            }
        };
        if key.is_empty() {
            return Err(StoreError::Refused("a key is empty".into()));
        }
        if twice {
            let key = String::from_utf8_lossy(key);
            let message = format!("key {key} is written twice in one transaction");
            return Err(StoreError::Refused(message));
        }
    }
    Ok(bytes)
}
