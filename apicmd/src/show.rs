//! Writes answers as text: a table, JSON, YAML, lines of a zone file, lines of JSON.
//!
//! All of it is pure: text comes out and `main` prints it. Colours are a question of where it goes
//! and so an argument, too.

use std::fmt::Write as _;

use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::rest::{DryRun, History, Names, Probing, Rrset};
use containerdns_schema::{Name, RdataError, Record, RecordType};
use serde::Serialize;

use crate::command_line::Form;

pub(crate) mod difference;
mod table;

/// Why an answer cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowError {
    /// A record that is none: not our server.
    #[error("{0}: {1}")]
    Record(Name, RdataError),
    /// A form that the answer does not have.
    #[error("{0} has no such form: write -o table, -o json or -o yaml")]
    Form(&'static str),
    /// An encoder failed.
    #[error("encoding the answer: {0}")]
    Encode(String),
}

/// Whether control codes for colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colors {
    /// On terminals.
    On,
    /// Elsewhere.
    Off,
}

impl Colors {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.into(),
        }
    }

    /// What is new.
    fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is gone or not well.
    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What stands above a column.
    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Names with their records.
pub(crate) fn names(form: Form, names: &Names, colors: Colors) -> Result<String, ShowError> {
    match form {
        Form::Table => table::names(names, colors),
        Form::Json => json(names),
        Form::Yaml => yaml(names),
        Form::Zone => zone_lines(names),
        Form::JsonLines => json_lines(names),
    }
}

/// Who changed a name.
pub(crate) fn history(form: Form, history: &History, colors: Colors) -> Result<String, ShowError> {
    match form {
        Form::Table => Ok(table::history(history, colors)),
        Form::Json => json(history),
        Form::Yaml => yaml(history),
        Form::Zone | Form::JsonLines => Err(ShowError::Form("history")),
    }
}

/// What would change.
pub(crate) fn dry_run(form: Form, answer: &DryRun, colors: Colors) -> Result<String, ShowError> {
    match form {
        Form::Json => json(answer),
        Form::Yaml => yaml(answer),
        Form::Table | Form::Zone | Form::JsonLines => Ok(difference::told(&answer.changes, colors)),
    }
}

/// The records of all types of a name, SOA first, as zone files have it.
fn in_order(rrset: &Rrset) -> Vec<&Rrset> {
    let mut all: Vec<&Rrset> = rrset.all().collect();
    all.sort_by_key(|rrset| (rrset.rtype != RecordType::SOA, rrset.rtype));
    all
}

fn records(name: &Name, rrset: &Rrset) -> Result<Vec<Record>, ShowError> {
    let records = rrset.to_records(name);
    records.map_err(|error| ShowError::Record(name.clone(), error))
}

/// A terminal obeys control characters, and a user's name may hold some.
fn printable(cell: &str) -> String {
    let printable = |c: char| if c.is_control() { '?' } else { c };
    cell.chars().map(printable).collect()
}

/// Lines of a zone file, sorted.
pub(crate) fn zone_lines(names: &Names) -> Result<String, ShowError> {
    let mut text = String::new();
    for (name, rrset) in names {
        for rrset in in_order(rrset) {
            let mut records = records(name, rrset)?;
            records.sort_by(|a, b| a.rdata.cmp(&b.rdata));
            for record in records {
                let _ = writeln!(text, "{record}");
            }
        }
    }
    Ok(text)
}

/// An RRset as an item of a batch.
#[derive(Serialize)]
struct BatchItem<'a> {
    name: &'a Name,
    #[serde(rename = "type")]
    rtype: RecordType,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<AnswerPolicy>,
    records: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    weights: &'a [Option<u16>],
    #[serde(skip_serializing_if = "Option::is_none")]
    probe: Option<&'a Probing>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    probe_ports: &'a [u16],
}

fn json_lines(names: &Names) -> Result<String, ShowError> {
    let mut text = String::new();
    for (name, rrset) in names {
        for rrset in in_order(rrset) {
            let item = BatchItem {
                name,
                rtype: rrset.rtype,
                ttl: rrset.ttl,
                user: rrset.user.as_deref(),
                policy: rrset.policy,
                records: &rrset.records,
                weights: &rrset.weights,
                probe: rrset.probe.as_ref(),
                probe_ports: &rrset.probe_ports,
            };
            let line = serde_json::to_string(&item);
            text += &line.map_err(|error| ShowError::Encode(error.to_string()))?;
            text.push('\n');
        }
    }
    Ok(text)
}

fn json(answer: &impl Serialize) -> Result<String, ShowError> {
    let text = serde_json::to_string_pretty(answer);
    let text = text.map_err(|error| ShowError::Encode(error.to_string()))?;
    Ok(text + "\n")
}

fn yaml(answer: &impl Serialize) -> Result<String, ShowError> {
    serde_norway::to_string(answer).map_err(|error| ShowError::Encode(error.to_string()))
}

#[cfg(test)]
mod tests;
