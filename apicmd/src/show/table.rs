//! Columns for people: aligned, one line a record; programs take JSON.

use std::fmt::Write as _;

use containerdns_schema::rest::{History, Names, Rrset};
use containerdns_schema::{Record, Status};

use super::{Colors, ShowError, difference, in_order, printable, records};

const HEADER: [&str; 6] = ["NAME", "TTL", "TYPE", "DATA", "USER", "HEALTH"];
/// A cell wider than this pushes its own line aside, not the whole column.
const CELL_WIDTH_MAX: usize = 50;
/// What stands where there is nothing.
const NOTHING: &str = "-";
const DOWN: &str = "DOWN";

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

fn row(rrset: &Rrset, (index, record): (usize, &Record)) -> [String; 6] {
    [
        record.owner.to_string(),
        record.ttl.map_or(NOTHING.into(), |ttl| ttl.to_string()),
        record.rtype.to_string(),
        record.rdata.to_text(record.rtype),
        rrset.user.clone().unwrap_or(NOTHING.into()),
        health(rrset, index, record).into(),
    ]
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

fn table(rows: &[[String; 6]], colors: Colors) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        let cells = cells.map(|width| width.min(CELL_WIDTH_MAX));
        cells.chain([HEADER[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |cells: [&str; 6]| {
        let padded: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = colors.bold(&line(HEADER)) + "\n";
    for row in rows {
        let line = line(
            row.each_ref()
                .map(|cell| printable(cell))
                .each_ref()
                .map(|cell| &cell[..]),
        );
        // The health is the last column, so the colour moves no other.
        let line = match line.strip_suffix(DOWN) {
            Some(start) if row[5] == DOWN => format!("{start}{}", colors.red(DOWN)),
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
