//! The records that `standalone` starts with: samples in an empty store, or a zone file.
//!
//! Records of a zone file are kept as bundles of their own cluster, [`FILE_CLUSTER`]: whatever the
//! file had at an earlier start and has no more is removed, records from elsewhere are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;

use containerdns_schema::format::bundle::{self, Kind, Rrset};
use containerdns_schema::format::{EncodeError, containerdns};
use containerdns_schema::rdata::Rdata;
use containerdns_schema::record::{Record, RecordType};
use containerdns_schema::zonefile;
use containerdns_schema::{Format, Name};
use containerdns_store::{KeyValue, Operation, Store, StoreError};
use tracing::{info, warn};

use super::{StandaloneError, path_of};
use crate::config::{Config, Standalone};
use crate::serve::ServeError;

/// The cluster, in keys, of records that come from a zone file.
const FILE_CLUSTER: &str = "zone-file";
/// The revision of a store before its first write.
const FIRST_REVISION: i64 = 1;
/// Octets in one bundle, as text: far below the 1 MiB that a bundle may have, and one RRset larger
/// than this is split, unless a single record is.
const BUNDLE_OCTETS: usize = 16 << 10;
/// Writes in one transaction: with 16 KiB each far below the 8 MiB that the store takes.
const OPERATIONS_MAX: usize = 64;

/// Writes the records that the options ask for; returns a name to try.
pub(super) async fn prepare(
    store: &dyn Store,
    config: &Config,
    options: &Standalone,
) -> Result<Name, ServeError> {
    let zone = options.zones.first().ok_or(StandaloneError::NoZone)?;
    let Some(path) = &options.records else {
        if is_new(store).await? {
            write_samples(store, config, zone).await?;
        }
        return Ok(below(zone, "www"));
    };
    let records = read_records(path, zone)?;
    let ours = |record: &&Record| config.zones.iter().any(|zone| record.owner.is_within(zone));
    let address = records
        .iter()
        .filter(ours)
        .find(|record| record.rtype == RecordType::A);
    let example = address.map_or_else(|| zone.clone(), |record| record.owner.clone());
    keep_file_records(store, config, records).await?;
    Ok(example)
}

fn read_records(path: &Path, zone: &Name) -> Result<Vec<Record>, StandaloneError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| StandaloneError::Read {
        path: path.into(),
        source,
    })?;
    Ok(zonefile::parse(&text, zone, &path.display().to_string())?)
}

/// Whether nothing was ever written: samples that were deleted do not come back.
async fn is_new(store: &dyn Store) -> Result<bool, StoreError> {
    let page = store.list_page(b"/", None, None).await?;
    Ok(page.pairs.is_empty() && page.revision <= FIRST_REVISION)
}

/// Makes the store hold exactly these records as the file's.
async fn keep_file_records(
    store: &dyn Store,
    config: &Config,
    records: Vec<Record>,
) -> Result<(), ServeError> {
    let outside = records.iter().filter(|record| {
        let mut zones = config.zones.iter().chain(&config.reverse);
        !zones.any(|zone| record.owner.is_within(zone))
    });
    if let Some(first) = outside.clone().next() {
        let (count, owner) = (outside.count(), first.owner.to_string());
        warn!(
            count,
            owner, "records lie in no zone and are not answered: name it with --zone"
        );
    }
    let path = path_of(config, Format::Bundle);
    let count = records.len();
    let wanted = bundles(path, records).map_err(StandaloneError::from)?;
    let prefix = format!("{path}{FILE_CLUSTER}/").into_bytes();
    let mut held = BTreeMap::new();
    let (mut from, mut at) = (None, None);
    loop {
        let page = store.list_page(&prefix, from.as_deref(), at).await?;
        held.extend(page.pairs.into_iter().map(|pair| (pair.key, pair.value)));
        (from, at) = (page.next, Some(page.revision));
        if from.is_none() {
            break;
        }
    }
    let mut operations = Vec::new();
    let wanted_keys: BTreeSet<&Vec<u8>> = wanted.iter().map(|pair| &pair.key).collect();
    for key in held.keys().filter(|key| !wanted_keys.contains(key)) {
        operations.push(Operation::Delete { key: key.clone() });
    }
    for KeyValue { key, value, .. } in &wanted {
        if held.get(key) != Some(value) {
            let (key, value) = (key.clone(), value.clone());
            operations.push(Operation::Put {
                key,
                value,
                lease: None,
            });
        }
    }
    info!(
        records = count,
        changed_bundles = operations.len(),
        "zone file loaded"
    );
    write(store, operations).await
}

/// Packs records into bundles in name order, each of a size that the store takes.
fn bundles(path: &str, records: Vec<Record>) -> Result<Vec<KeyValue>, EncodeError> {
    let mut by_name: BTreeMap<(Name, u16), Rrset> = BTreeMap::new();
    for Record {
        owner,
        rtype,
        ttl,
        rdata,
    } in records
    {
        let name = owner.clone();
        let empty = || Rrset {
            name,
            rtype,
            ttl,
            rdata: Vec::new(),
            weights: Vec::new(),
        };
        by_name
            .entry((owner, rtype.0))
            .or_insert_with(empty)
            .rdata
            .push(rdata);
    }
    let mut pairs = Vec::new();
    let mut bundle = Vec::new();
    let mut size = 0;
    for piece in by_name.into_values().flat_map(pieces) {
        let octets = text_size(&piece.name, &piece.rdata);
        if !bundle.is_empty() && size + octets > BUNDLE_OCTETS {
            pairs.push(bundle_pair(
                path,
                pairs.len(),
                &std::mem::take(&mut bundle),
            )?);
            size = 0;
        }
        size += octets;
        bundle.push(piece);
    }
    if !bundle.is_empty() {
        pairs.push(bundle_pair(path, pairs.len(), &bundle)?);
    }
    Ok(pairs)
}

/// An RRset in parts that fit into a bundle each: contributions of several keys are united.
fn pieces(rrset: Rrset) -> Vec<Rrset> {
    let Rrset {
        name,
        rtype,
        ttl,
        rdata,
        ..
    } = rrset;
    let mut pieces: Vec<Rrset> = Vec::new();
    let mut size = usize::MAX;
    for rdata in rdata {
        let octets = text_size(&name, std::slice::from_ref(&rdata));
        match pieces.last_mut() {
            Some(piece) if size.saturating_add(octets) <= BUNDLE_OCTETS => piece.rdata.push(rdata),
            _ => {
                size = 0;
                pieces.push(Rrset {
                    name: name.clone(),
                    rtype,
                    ttl,
                    rdata: vec![rdata],
                    weights: Vec::new(),
                });
            }
        }
        size += octets;
    }
    pieces
}

/// Octets of JSON at most: an octet of RDATA takes up to five, the rest is punctuation.
fn text_size(name: &Name, rdata: &[Rdata]) -> usize {
    name.wire().len() * 4
        + 64
        + rdata
            .iter()
            .map(|rdata| rdata.wire().len() * 5 + 8)
            .sum::<usize>()
}

fn bundle_pair(path: &str, number: usize, rrsets: &[Rrset]) -> Result<KeyValue, EncodeError> {
    let number = format!("{number:08}");
    let key = bundle::key(path, FILE_CLUSTER, Kind::Services, "records", &number);
    Ok(KeyValue {
        key,
        value: bundle::encode(&bundle::Bundle {
            rrsets,
            ..bundle::Bundle::default()
        })?,
        mod_revision: 0,
    })
}

/// Records to play with.
async fn write_samples(store: &dyn Store, config: &Config, zone: &Name) -> Result<(), ServeError> {
    let path = path_of(config, Format::ContainerDns);
    let mut operations = Vec::new();
    for record in samples(zone) {
        let fields = containerdns::Fields::default();
        let pair = containerdns::encode(path, &config.zones, &record, fields);
        let pair = pair.map_err(StandaloneError::from)?;
        operations.push(Operation::Put {
            key: pair.key,
            value: pair.value,
            lease: None,
        });
    }
    write(store, operations).await
}

fn samples(zone: &Name) -> Vec<Record> {
    let www = below(zone, "www");
    let record = |name: &str, rtype, rdata| Record {
        owner: below(zone, name),
        rtype,
        ttl: Some(30),
        rdata,
    };
    let a = |name, last| record(name, RecordType::A, Rdata::a(Ipv4Addr::new(10, 0, 0, last)));
    let text = Rdata::txt_split(b"sample records: change them, they are not written again");
    let mut samples = vec![
        a("www", 1),
        a("www", 2),
        a("www", 3),
        record("alias", RecordType::CNAME, Rdata::cname(&www)),
    ];
    samples.extend(text.ok().map(|text| record("www", RecordType::TXT, text)));
    samples
}

/// `label.zone`, or the zone itself where that is too long for a name.
fn below(zone: &Name, label: &str) -> Name {
    format!("{label}.{zone}")
        .parse()
        .unwrap_or_else(|_| zone.clone())
}

async fn write(store: &dyn Store, operations: Vec<Operation>) -> Result<(), ServeError> {
    for operations in operations.chunks(OPERATIONS_MAX) {
        store.transact(&[], operations).await?;
    }
    Ok(())
}
