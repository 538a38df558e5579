//! `import`: a file of records into the API, many names a request.
//!
//! The file is read completely before anything is sent (`read`); what has to be done to which name
//! is computed (`difference`), packed into requests that the server takes (`batches`) and sent by
//! a few threads (`send`). Without `--sync` nothing is read from the server: adding a record that
//! is there changes nothing, so an import that failed half-way is simply run again.

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use containerdns_schema::rest::DryRun;
use containerdns_schema::{Name, RecordType};
use indicatif::{ProgressBar, ProgressStyle};

use crate::client::{CONNECTIONS, Client};
use crate::command_line::{FileFormat, Form, ImportOptions};
use crate::error::Error;
use crate::import::difference::{Aim, NameChange, Records, Sum, changes, of_names};
use crate::show::{self, Colors};

mod batches;
mod difference;
mod read;
mod send;
mod settings;

/// How often a synchronisation is computed again because somebody else changed names meanwhile.
const SYNC_ROUNDS: usize = 3;
/// What is waited before what failed is tried again, while the server or its store is away.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1_200)];

/// Imports and gives what is to be printed.
pub(crate) fn run(
    client: &Client,
    options: &ImportOptions,
    (form, colors): (Form, Colors),
) -> Result<String, Error> {
    let started = Instant::now();
    let shown = shown(&options.file);
    let wanted = read_records(options, &shown)?;
    let user = options.change.user.as_deref();
    let aim = match options.sync {
        true => Aim::Equal(synced_zone(options.zone.as_ref(), &wanted, &shown)?),
        false => Aim::Add,
    };
    if options.change.dry_run {
        let present = present(client, common_zone(options, &aim, &wanted))?;
        let changes = changes(&present, &wanted, &aim);
        let answer = DryRun {
            dry_run: true,
            changes: changes.iter().flat_map(NameChange::differences).collect(),
        };
        return show::dry_run(form, &answer, colors).map_err(|error| client.odd(error));
    }
    if let Aim::Equal(zone) = &aim {
        let sum = synchronise(client, zone, &wanted, &aim, user)?;
        return Ok(sum.told(started.elapsed()));
    }
    send_all(client, &changes(&Records::new(), &wanted, &aim), user)?;
    let records = wanted.values().flatten().map(|(_, set)| set.records.len());
    Ok(told(wanted.len(), records.sum(), started.elapsed()))
}

/// Makes a zone equal to the file; what others change meanwhile is read again.
fn synchronise(
    client: &Client,
    zone: &Name,
    wanted: &Records,
    aim: &Aim,
    user: Option<&str>,
) -> Result<Sum, Error> {
    let mut first = None;
    for round in 1.. {
        let present = present(client, Some(zone))?;
        let changes = changes(&present, wanted, aim);
        let sum = *first.get_or_insert_with(|| Sum::of(&changes));
        match send_all(client, &changes, user) {
            Err(error) if error.is_outdated() && round < SYNC_ROUNDS => {}
            other => return other.map(|()| sum),
        }
    }
    unreachable!("the last round returns")
}

fn present(client: &Client, zone: Option<&Name>) -> Result<Records, Error> {
    let zone = zone.map(Name::to_string);
    let names = client.list(zone.as_deref(), None)?;
    of_names(&names).map_err(|error| client.odd(error))
}

fn send_all(client: &Client, changes: &[NameChange<'_>], user: Option<&str>) -> Result<(), Error> {
    let names = changes
        .iter()
        .map(|change| (change.name, change.items(user)));
    let chains = batches::pack(names);
    let bar = progress(chains.iter().flatten().map(|batch| batch.records).sum());
    let sent = send::all(
        &chains,
        CONNECTIONS,
        &PAUSES,
        &|body| client.batch(body),
        &|records| bar.inc(records as u64),
    );
    bar.finish_and_clear();
    sent.map_err(|stopped| stopped.into_error(changes.len()))
}

/// A bar on the terminal, where there is one.
fn progress(records: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{bar:40} {pos}/{len} records, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(records as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The zone whose names are to be looked at; none: all there are.
fn common_zone<'a>(options: &'a ImportOptions, aim: &'a Aim, wanted: &Records) -> Option<&'a Name> {
    match aim {
        Aim::Equal(zone) => Some(zone),
        Aim::Add => {
            let zone = options.zone.as_ref();
            zone.filter(|zone| wanted.keys().all(|name| name.is_within(zone)))
        }
    }
}

/// The zone that is to be equal to the file.
fn synced_zone(zone: Option<&Name>, wanted: &Records, file: &str) -> Result<Name, Error> {
    let has_soa = |(name, sets): (_, &std::collections::BTreeMap<RecordType, _>)| {
        sets.contains_key(&RecordType::SOA).then_some(name)
    };
    let mut apexes = wanted.iter().filter_map(has_soa);
    let zone = match (zone, apexes.next(), apexes.next()) {
        (Some(zone), _, _) | (None, Some(zone), None) => zone,
        (None, None, _) => {
            let problem = "--sync needs to know the zone, and no SOA record says it: give --zone";
            return Err(Error::Usage(format!("{file}: {problem}")));
        }
        (None, Some(one), Some(other)) => {
            let problem = "both have SOA records: say with --zone which zone --sync is about";
            return Err(Error::Usage(format!("{file}: {one} and {other} {problem}")));
        }
    };
    if wanted.is_empty() {
        let problem = format!("no records: --sync would delete all of {zone}: use delete for that");
        return Err(Error::File(format!("{file}: {problem}")));
    }
    match wanted.keys().find(|name| !name.is_within(zone)) {
        None => Ok(zone.clone()),
        Some(name) => Err(Error::File(format!(
            "{file}: {name} is not within {zone}, the zone that --sync is about"
        ))),
    }
}

fn read_records(options: &ImportOptions, shown: &str) -> Result<Records, Error> {
    let failed = |error: io::Error| Error::File(format!("{shown}: {error}"));
    let text = match is_stdin(&options.file) {
        true => {
            let mut text = String::new();
            let read = io::stdin().lock().read_to_string(&mut text);
            read.map(|_| text)
        }
        false => std::fs::read_to_string(&options.file),
    };
    let text = text.map_err(failed)?;
    let format = options.format.unwrap_or_else(|| guess(&options.file));
    let records = match format {
        FileFormat::Zone => read::zone(&text, options.zone.as_ref(), shown),
        FileFormat::JsonLines => read::json_lines(&text, options.zone.as_ref(), shown),
    };
    records.map_err(Error::File)
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn shown(file: &Path) -> String {
    match is_stdin(file) {
        true => "standard input".into(),
        false => file.display().to_string(),
    }
}

fn guess(file: &Path) -> FileFormat {
    let extension = file.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("jsonl" | "ndjson" | "json") => FileFormat::JsonLines,
        _ => FileFormat::Zone,
    }
}

/// The last line of an import.
fn told(names: usize, records: usize, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let rate = records as f64 / seconds.max(0.001);
    format!("{names} names, {records} records in {seconds:.1} s ({rate:.0} records/s)\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_last_line() {
        let took = Duration::from_millis(4_200);
        expect![[r#"
            50000 names, 115147 records in 4.2 s (27416 records/s)
        "#]]
        .assert_eq(&told(50_000, 115_147, took));
        expect![[r#"
            0 names, 0 records in 0.0 s (0 records/s)
        "#]]
        .assert_eq(&told(0, 0, Duration::ZERO));
        let mut sum = Sum::default();
        expect![[r#"
            nothing to change: zone and file are equal (4.2 s)
        "#]]
        .assert_eq(&sum.told(took));
        sum.names = 2;
        sum.added = 3;
        sum.retimed = 1;
        expect![[r#"
            2 names changed: 3 records added, 0 removed, 1 TTL changed in 4.2 s
        "#]]
        .assert_eq(&sum.told(took));
    }

    #[test]
    fn formats_by_extension() {
        let told = ["a.jsonl", "a.ndjson", "a.json", "a.zone", "a", "-"]
            .map(|file| format!("{file} {:?}\n", guess(Path::new(file))));
        expect![[r#"
            a.jsonl JsonLines
            a.ndjson JsonLines
            a.json JsonLines
            a.zone Zone
            a Zone
            - Zone
        "#]]
        .assert_eq(&told.concat());
    }

    #[test]
    fn the_zone_of_a_synchronisation() {
        let soa = |name: &str| format!("{name} 1 IN SOA n.a.test. h.a.test. 1 2 3 4 5\n");
        let zone: Name = "a.test".parse().expect("a name");
        let told = |zone: Option<&Name>, text: &str| {
            let wanted = read::zone(text, None, "f").expect("a good file");
            match synced_zone(zone, &wanted, "f") {
                Ok(zone) => zone.to_string(),
                Err(error) => format!("{} {error}", error.exit_code()),
            }
        };
        expect!["a.test."].assert_eq(&told(None, &soa("a.test.")));
        expect!["a.test."].assert_eq(&told(Some(&zone), "w.a.test. A 10.0.0.1\n"));
        expect!["2 f: --sync needs to know the zone, and no SOA record says it: give --zone"]
            .assert_eq(&told(None, "w.a.test. A 10.0.0.1\n"));
        expect!["2 f: a.test. and b.test. both have SOA records: say with --zone which zone --sync is about"].assert_eq(&told(None, &(soa("a.test.") + &soa("b.test."))));
        expect!["1 f: no records: --sync would delete all of a.test.: use delete for that"]
            .assert_eq(&told(Some(&zone), ""));
        expect!["1 f: w.b.test. is not within a.test., the zone that --sync is about"]
            .assert_eq(&told(Some(&zone), "w.b.test. A 10.0.0.1\n"));
    }
}
