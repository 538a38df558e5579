//! Columns for people: aligned, one line a record; programs take JSON.

use std::fmt::Write as _;

use containerdns_schema::rest::{History, Names, Probing, Rrset};
use containerdns_schema::{Record, Status};

use super::{Colors, ShowError, difference, in_order, printable, records};

const HEADER: Row<&str> = [
    "NAME", "TTL", "TYPE", "DATA", "USER", "POLICY", "WEIGHT", "PROBE", "HEALTH",
];
/// Columns that are there when one of their cells says something.
const OPTIONAL: std::ops::Range<usize> = 5..8;
const HEALTH: usize = 8;
/// A cell wider than this pushes its own line aside, not the whole column.
const CELL_WIDTH_MAX: usize = 50;
/// What stands where there is nothing.
const NOTHING: &str = "-";
const DOWN: &str = "DOWN";

/// A cell for each column.
type Row<T> = [T; 9];

/// Names with their records.
pub(super) fn names(names: &Names, colors: Colors) -> Result<String, ShowError> {
    let mut rows = Vec::new();
    for (name, rrset) in names {
        for rrset in in_order(rrset) {
            let records = records(name, rrset)?;
            rows.extend(records.iter().enumerate().map(|at| row(rrset, at)));
        }
    }
    Ok(table(&rows, colors))
}

fn row(rrset: &Rrset, (index, record): (usize, &Record)) -> Row<String> {
    let of = |cell: Option<String>| cell.unwrap_or(NOTHING.into());
    [
        record.owner.to_string(),
        of(record.ttl.map(|ttl| ttl.to_string())),
        record.rtype.to_string(),
        record.rdata.to_text(record.rtype),
        of(rrset.user.clone()),
        of(rrset.policy.map(|policy| policy.as_str().into())),
        of(weight(rrset, record).map(|weight| weight.to_string())),
        of(rrset.probe.as_ref().and_then(probe)),
        health(rrset, index, record).into(),
    ]
}

fn weight(rrset: &Rrset, record: &Record) -> Option<u16> {
    let address = record.rdata.as_ip(record.rtype)?;
    let at = rrset.ips.iter().position(|ip| *ip == address)?;
    *rrset.weights.get(at)?
}

fn probe(probe: &Probing) -> Option<String> {
    match probe {
        Probing::Asked(false) => None,
        Probing::Asked(true) => Some("on".into()),
        Probing::By(probe) => Some(probe.to_string()),
    }
}

fn health(rrset: &Rrset, index: usize, record: &Record) -> &'static str {
    let backend = || {
        let all_are_backends = rrset.ips.len() == rrset.records.len();
        all_are_backends.then(|| rrset.ips.get(index).copied())?
    };
    let address = record.rdata.as_ip(record.rtype).or_else(backend);
    match address.and_then(|address| rrset.health.get(&address)) {
        Some(Status::Up) => "UP",
        Some(Status::Down) => DOWN,
        None => NOTHING,
    }
}

fn table(rows: &[Row<String>], colors: Colors) -> String {
    let is_there = |column: &usize| {
        !OPTIONAL.contains(column) || rows.iter().any(|row| row[*column] != NOTHING)
    };
    let columns: Vec<usize> = (0..HEADER.len()).filter(is_there).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        let cells = cells.map(|width| width.min(CELL_WIDTH_MAX));
        cells.chain([HEADER[column].len()]).max().unwrap_or(0)
    };
    let widths: Row<usize> = std::array::from_fn(width);
    let line = |cells: &dyn Fn(usize) -> String| {
        let padded: Vec<_> = columns
            .iter()
            .map(|&column| format!("{:width$}", cells(column), width = widths[column]))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = colors.bold(&line(&|column| HEADER[column].into())) + "\n";
    for row in rows {
        let line = line(&|column| printable(&row[column]));
        // The health is the last column, so the colour moves no other.
        let line = match line.strip_suffix(DOWN) {
            Some(start) if row[HEALTH] == DOWN => format!("{start}{}", colors.red(DOWN)),
            _ => line,
        };
        text += &line;
        text.push('\n');
    }
    text
}

/// Changes, each with what it did.
pub(super) fn history(history: &History, colors: Colors) -> String {
    let mut text = String::new();
    for change in &history.entries {
        let entry = &change.entry;
        let user = entry.user.as_ref();
        let user = user.map(|user| format!(" for {user}")).unwrap_or_default();
        let head = format!(
            "{} {} by {}{user} from {}, revision {}",
            entry.time, entry.method, entry.token, entry.client, change.revision
        );
        text += &colors.bold(&printable(&head));
        text.push('\n');
        for line in difference::lines(&entry.changes) {
            let _ = writeln!(text, "  {}", line.painted(colors));
        }
    }
    match (history.complete, history.entries.is_empty()) {
        (true, true) => text += "never changed through the API\n",
        (true, false) => {}
        (false, _) => text += "older changes are beyond --limit or no longer kept\n",
    }
    text
}
