//! Sends batches by several threads, and again when the server was away.
//!
//! Trying again is safe: adding a record that is there changes nothing, and a removal whose answer
//! was lost is told as a conflict, which a synchronisation computes anew. What one request takes
//! depends on what the server holds, so a batch that is too much for it is sent in halves. How a
//! batch is sent is the caller's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use containerdns_schema::Name;

use crate::error::Error;
use crate::import::batches::{self, Chain};

/// Why not all was sent.
#[derive(Debug)]
pub(super) struct Stopped {
    written: usize,
    batch: String,
    source: Error,
}

impl Stopped {
    /// The error of an import of so many names.
    pub(super) fn into_error(self, names: usize) -> Error {
        Error::Import {
            written: self.written,
            names,
            batch: self.batch,
            source: Box::new(self.source),
        }
    }
}

/// Sends all chains; ends at the first failure, when what is on its way is answered.
pub(super) fn all(
    chains: &[Chain],
    threads: usize,
    pauses: &[Duration],
    send: &(dyn Fn(&[u8]) -> Result<(), Error> + Sync),
    progress: &(dyn Fn(usize) + Sync),
) -> Result<(), Stopped> {
    let next = AtomicUsize::new(0);
    let written = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let numbers = numbers(chains);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(chain) = chains.get(index) else {
                return;
            };
            for (batch, number) in chain.iter().zip(numbers[index]..) {
                match in_parts(&batch.items, pauses, send) {
                    Ok(()) => {
                        written.fetch_add(batch.names_done, Ordering::Relaxed);
                        progress(batch.records);
                    }
                    Err((items, error)) => {
                        stop.store(true, Ordering::Relaxed);
                        let mut failure = failure.lock().unwrap_or_else(|lock| lock.into_inner());
                        failure.get_or_insert((told(items, number, &error), error));
                        return;
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.min(chains.len()) {
            scope.spawn(work);
        }
    });
    match failure
        .into_inner()
        .unwrap_or_else(|lock| lock.into_inner())
    {
        None => Ok(()),
        Some((batch, source)) => Err(Stopped {
            written: written.into_inner(),
            batch,
            source,
        }),
    }
}

/// The number of the first batch of each chain, from 1.
fn numbers(chains: &[Chain]) -> Vec<usize> {
    let mut number = 1;
    let first = |chain: &Chain| {
        number += chain.len();
        number - chain.len()
    };
    chains.iter().map(first).collect()
}

type Items = [(Name, String)];

/// Sends items together, or in halves when they are too much; a failure has the items it is about.
fn in_parts<'a>(
    items: &'a Items,
    pauses: &[Duration],
    send: &dyn Fn(&[u8]) -> Result<(), Error>,
) -> Result<(), (&'a Items, Error)> {
    match patiently(&batches::body(items), pauses, send) {
        Err(error) if error.is_too_much() && items.len() > 1 => {
            let (first, second) = items.split_at(batches::middle(items));
            in_parts(first, pauses, send)?;
            in_parts(second, pauses, send)
        }
        sent => sent.map_err(|error| (items, error)),
    }
}

fn patiently(
    body: &[u8],
    pauses: &[Duration],
    send: &dyn Fn(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    for pause in pauses {
        match send(body) {
            Err(error) if error.is_away() => thread::sleep(*pause),
            other => return other,
        }
    }
    send(body)
}

/// Which batch failed, and at which name when the server says so.
fn told(items: &Items, number: usize, error: &Error) -> String {
    let ends = match items {
        [(first, _), .., (last, _)] if first != last => format!("{first} to {last}"),
        [(only, _), ..] => only.to_string(),
        [] => String::new(),
    };
    let at = item_of(error).and_then(|index| items.get(index));
    let at = at.map(|(name, _)| format!(", at {name}"));
    format!("batch {number} ({ends}{})", at.unwrap_or_default())
}

/// The place in the batch that an error is about: 3 for the field `[3].ttl`.
fn item_of(error: &Error) -> Option<usize> {
    let Error::Refused { failure, .. } = error else {
        return None;
    };
    let field = failure.field.as_ref()?.strip_prefix('[')?;
    field.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use containerdns_schema::rest::Failure;
    use expect_test::{Expect, expect};

    use super::*;
    use crate::import::batches::pack;
    use crate::import::difference::Item;

    fn chains(names: usize) -> Vec<Chain> {
        let name = |index| format!("n{index}.a.test").parse::<Name>().expect("a name");
        let names: Vec<Name> = (0..names).map(name).collect();
        let item = |name: &Name| Item {
            body: name.to_string(),
            cost: 60,
            records: 5,
        };
        pack(names.iter().map(|name| (name, vec![item(name)])))
    }

    fn refused(status: u16) -> Error {
        let failure = Failure {
            error: "why".into(),
            field: Some("[1].ttl".into()),
            current: None,
        };
        Error::Refused {
            status,
            failure: Box::new(failure),
        }
    }

    /// Sends 20 names in 10 batches, one thread; the batch with n9 fails `failures` times.
    fn check(status: u16, failures: usize, want: Expect) {
        let tries = AtomicUsize::new(0);
        let records = AtomicUsize::new(0);
        let send = |body: &[u8]| {
            let fails = body.windows(3).any(|part| part == b"n9.");
            match fails && tries.fetch_add(1, Ordering::Relaxed) < failures {
                true => Err(refused(status)),
                false => Ok(()),
            }
        };
        let progress = |count| {
            records.fetch_add(count, Ordering::Relaxed);
        };
        let sent = all(&chains(20), 1, &[Duration::ZERO; 2], &send, &progress);
        let outcome = match sent {
            Ok(()) => "sent".into(),
            Err(stopped) => stopped.into_error(20).to_string(),
        };
        let (tries, records) = (tries.into_inner(), records.into_inner());
        want.assert_eq(&format!("{outcome}\n{tries} tries, {records} records"));
    }

    #[test]
    fn what_is_away_is_tried_three_times() {
        check(
            503,
            0,
            expect![[r#"
            sent
            1 tries, 100 records"#]],
        );
        check(
            503,
            2,
            expect![[r#"
            sent
            3 tries, 100 records"#]],
        );
        check(
            503,
            3,
            expect![[r#"
            import stopped: 8 of 20 names are written; batch 5 (n8.a.test. to n9.a.test., at n9.a.test.) failed: the server cannot reach its store (503): [1].ttl: why: try again later
            run it again when that is settled: what is written stays as it is
            3 tries, 40 records"#]],
        );
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        check(
            409,
            1,
            expect![[r#"
            import stopped: 8 of 20 names are written; batch 5 (n8.a.test. to n9.a.test., at n9.a.test.) failed: conflict (409): [1].ttl: why
            run it again when that is settled: what is written stays as it is
            1 tries, 40 records"#]],
        );
    }

    #[test]
    fn threads_share_the_work() {
        let sent = Mutex::new(Vec::new());
        let send = |body: &[u8]| {
            sent.lock().expect("no panic").push(body.to_vec());
            Ok(())
        };
        let chains = chains(101);
        all(&chains, 4, &[], &send, &|_| ()).expect("all sent");
        let mut sent = sent.into_inner().expect("no panic");
        let mut wanted: Vec<_> = chains
            .iter()
            .flatten()
            .map(|batch| batches::body(&batch.items))
            .collect();
        sent.sort();
        wanted.sort();
        assert_eq!(sent, wanted);
    }
}
