//! Changes of the set while it is asked for: which they are, and what is right after them.
//!
//! Change number k is a function of k alone, so that the one who writes and the one who checks
//! need not talk. Every other change moves the first address of a name that is asked; the rest
//! create and delete names that are not. `write` is a process of its own, niced, so that it takes
//! what the generator leaves of CPU 1.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use crate::etcd::{Client, OPERATIONS_MAX, Operation};
use crate::set::{Name, ZONE};
use crate::zone::address_key;

/// Changes in one transaction; no name occurs twice in it.
pub(crate) const BATCH: u64 = 100;
/// Names that come and go.
pub(crate) const OTHERS: u64 = 10_000;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The first address of name number `index` of the set.
    Asked { index: usize, address: Ipv4Addr },
    /// A name that nobody asks for is there, or is not.
    Other { name: u64, exists: bool },
}

pub(crate) fn change(number: u64, asked: usize) -> Change {
    let address = |number: u64| Ipv4Addr::from(0xac10_0000 | number as u32 & 0x000f_ffff);
    let turn = number / 2;
    match number % 2 {
        0 => Change::Asked {
            index: (turn % asked as u64) as usize,
            address: address(turn),
        },
        _ => Change::Other {
            name: turn % OTHERS,
            exists: (turn / OTHERS).is_multiple_of(2),
        },
    }
}

/// A name that comes and goes.
fn other(name: u64) -> Name {
    Name {
        owner: format!("pod-{name}.team-{}.svc.{ZONE}", name % 200),
        addresses: vec![Ipv4Addr::from(0x0a00_0001 + name as u32)],
        text: None,
        service: false,
    }
}

/// What is right after changes 0 to `count` - 1.
pub(crate) struct After<'a> {
    names: &'a [Name],
    asked: BTreeMap<usize, Ipv4Addr>,
    others: BTreeMap<u64, bool>,
}

impl<'a> After<'a> {
    pub(crate) fn new(names: &'a [Name], count: u64) -> After<'a> {
        let mut after = After {
            names,
            asked: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        for number in 0..count {
            match change(number, names.len()) {
                Change::Asked { index, address } => drop(after.asked.insert(index, address)),
                Change::Other { name, exists } => drop(after.others.insert(name, exists)),
            }
        }
        after
    }

    /// Every name with its addresses; none for names that do not exist.
    pub(crate) fn expected(&self) -> impl Iterator<Item = (String, Vec<Ipv4Addr>)> {
        let asked = self.names.iter().enumerate().map(|(index, name)| {
            let mut addresses = name.addresses.clone();
            if let Some(&address) = self.asked.get(&index) {
                addresses[0] = address;
            }
            (name.owner.clone(), addresses)
        });
        let others = self.others.iter().map(|(&name, &exists)| {
            let name = other(name);
            let addresses = if exists { name.addresses } else { Vec::new() };
            (name.owner, addresses)
        });
        asked.chain(others)
    }
}

pub(crate) fn operation(number: u64, prefix: &str, names: &[Name]) -> Operation {
    let (key, value, exists) = match change(number, names.len()) {
        Change::Asked { index, address } => {
            let (key, value) = address_key(prefix, &names[index], 0, address);
            (key, value, true)
        }
        Change::Other { name, exists } => {
            let name = other(name);
            let (key, value) = address_key(prefix, &name, 0, name.addresses[0]);
            (key, value, exists)
        }
    };
    match exists {
        true => Operation::Put { key, value },
        false => Operation::Delete { key },
    }
}

/// What is to be written.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Writing {
    /// URL of etcd.
    #[arg(long)]
    pub(crate) etcd: String,
    /// Prefix of the keys.
    #[arg(long)]
    pub(crate) prefix: String,
    /// The set: its seed.
    #[arg(long)]
    pub(crate) seed: u64,
    /// The set: how many names.
    #[arg(long)]
    pub(crate) names: usize,
    /// Number of the first change.
    #[arg(long)]
    pub(crate) first: u64,
    /// How many changes.
    #[arg(long)]
    pub(crate) count: u64,
    /// Changes a second.
    #[arg(long)]
    pub(crate) rate: u64,
}

/// Writes them all, on time if it can; gives the rate that it came to.
pub(crate) fn write(writing: &Writing, names: &[Name]) -> anyhow::Result<f64> {
    const { assert!(BATCH as usize <= OPERATIONS_MAX) };
    let client = Client::new(&writing.etcd);
    let began = Instant::now();
    let last = writing.first + writing.count;
    for first in (writing.first..last).step_by(BATCH as usize) {
        let numbers = first..last.min(first + BATCH);
        let due = Duration::from_secs_f64((first - writing.first) as f64 / writing.rate as f64);
        thread::sleep(due.saturating_sub(began.elapsed()));
        let prefix = writing.prefix.as_str();
        let batch: Vec<Operation> = numbers.map(|n| operation(n, prefix, names)).collect();
        client.commit(&batch)?;
    }
    // The last batch has its share of the time, too.
    let planned = Duration::from_secs_f64(writing.count as f64 / writing.rate as f64);
    Ok(writing.count as f64 / began.elapsed().max(planned).as_secs_f64())
}
