//! What changed, or would change, as lines with `-` and `+`.
//!
//! Where only the TTL differs a record is both removed and added, but counted as neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use containerdns_schema::rest::{Difference, Probing, State};

use super::{Colors, printable};

/// The lines of all differences and a last one with their count.
pub(crate) fn told(differences: &[Difference], colors: Colors) -> String {
    let mut text = String::new();
    let (mut added, mut removed, mut retimed) = (0, 0, 0);
    for line in lines(differences) {
        let _ = writeln!(text, "{}", line.painted(colors));
        match line.kind {
            Kind::Added => added += 1,
            Kind::Removed => removed += 1,
            Kind::TtlAfter => retimed += 1,
            Kind::TtlBefore | Kind::Note => {}
        }
    }
    if differences.is_empty() {
        return "nothing would change\n".into();
    }
    let records = if added == 1 { "record" } else { "records" };
    let _ = write!(text, "{added} {records} would be added, {removed} removed");
    if retimed > 0 {
        let _ = write!(text, ", {retimed} given another TTL");
    }
    text += "; nothing was changed\n";
    text
}

/// One line about one record, or about what is not shown.
#[derive(Debug)]
pub(super) struct Line {
    kind: Kind,
    text: String,
}

/// What a line says of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It comes.
    Added,
    /// It goes.
    Removed,
    /// It stays, and this was its TTL.
    TtlBefore,
    /// It stays, and this is its TTL.
    TtlAfter,
    /// Something about the RRset.
    Note,
}

impl Line {
    /// The line with its sign, in its colour.
    pub(super) fn painted(&self, colors: Colors) -> String {
        match self.kind {
            Kind::Added | Kind::TtlAfter => colors.green(&format!("+ {}", self.text)),
            Kind::Removed | Kind::TtlBefore => colors.red(&format!("- {}", self.text)),
            Kind::Note => format!("  {}", self.text),
        }
    }
}

/// The lines of all differences.
pub(super) fn lines(differences: &[Difference]) -> Vec<Line> {
    differences.iter().flat_map(lines_of).collect()
}

fn lines_of(difference: &Difference) -> Vec<Line> {
    let Difference {
        name,
        rtype,
        before,
        after,
    } = difference;
    let texts = |state: &Option<State>| -> BTreeSet<String> {
        let records = state.iter().flat_map(|state| state.records.iter().cloned());
        records.collect()
    };
    let (old, new) = (texts(before), texts(after));
    let ttl = |state: &Option<State>| state.as_ref().and_then(|state| state.ttl);
    let (old_ttl, new_ttl) = (ttl(before), ttl(after));
    let line = |kind, ttl: Option<u32>, rdata: &String| {
        let ttl = ttl.map(|ttl| format!("{ttl} ")).unwrap_or_default();
        let text = format!("{name} {ttl}IN {rtype} {rdata}");
        Line { kind, text }
    };
    let mut lines = Vec::new();
    for rdata in &old {
        match new.contains(rdata) {
            false => lines.push(line(Kind::Removed, old_ttl, rdata)),
            true if old_ttl != new_ttl => lines.push(line(Kind::TtlBefore, old_ttl, rdata)),
            true => {}
        }
    }
    for rdata in &new {
        match old.contains(rdata) {
            false => lines.push(line(Kind::Added, new_ttl, rdata)),
            true if old_ttl != new_ttl => lines.push(line(Kind::TtlAfter, new_ttl, rdata)),
            true => {}
        }
    }
    let note = |text: String| Line {
        kind: Kind::Note,
        text: format!("{name} {rtype}: {text}"),
    };
    if let (Some(before), Some(after)) = (before, after)
        && before.user != after.user
    {
        let owner = |state: &State| state.user.as_deref().map_or("nobody".into(), printable);
        lines.push(note(format!(
            "owner {}, was {}",
            owner(after),
            owner(before)
        )));
    }
    if let (Some(before), Some(after)) = (before, after) {
        lines.extend(settings(before, after).into_iter().map(note));
    } else if let Some(after) = after {
        lines.extend(settings(&State::default(), after).into_iter().map(note));
    }
    let omitted = [before, after].into_iter().flatten();
    match omitted.map(|state| state.omitted).max() {
        None | Some(0) => {}
        Some(count) if old_ttl != new_ttl => {
            lines.push(note(format!("{count} more are given another TTL, too")));
        }
        Some(count) => lines.push(note(format!("{count} more stay"))),
    }
    lines
}

/// What differs beside the records.
fn settings(before: &State, after: &State) -> Vec<String> {
    let mut told = Vec::new();
    if before.policy != after.policy {
        let policy = |state: &State| state.policy.map_or("default", |policy| policy.as_str());
        told.push(format!("policy {}, was {}", policy(after), policy(before)));
    }
    let weights = |state: &State| state.weights.clone();
    let (old, new) = (weights(before), weights(after));
    let records: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for record in records {
        let weight = |state: &BTreeMap<String, u16>| {
            let weight = state.get(record);
            weight.map_or("default".into(), u16::to_string)
        };
        // The weight of a record that goes needs no line of its own.
        if old.get(record) != new.get(record) && after.records.contains(record) {
            let (old, new) = (weight(&old), weight(&new));
            told.push(format!("weight of {record} {new}, was {old}"));
        }
    }
    let probe = |state: &State| {
        let ports: String = state
            .probe_ports
            .iter()
            .map(|port| format!(" {port}"))
            .collect();
        match &state.probe {
            None | Some(Probing::Asked(false)) => "off".into(),
            Some(Probing::Asked(true)) => format!("on{ports}"),
            Some(Probing::By(probe)) => format!("{}{ports}", printable(&probe.to_string())),
        }
    };
    let (old, new) = (probe(before), probe(after));
    if old != new {
        told.push(format!("probe {new}, was {old}"));
    }
    told
}
