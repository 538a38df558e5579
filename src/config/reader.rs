//! Reads TOML tables key by key and collects every problem instead of stopping at the first.
//!
//! A [`Section`] is one table. Asking it for a key both reads the key and makes the key known, so
//! a key that nobody asked for by the time the section is dropped is reported as unknown: the keys
//! are written down once, where they are read. What a value means is decided by the functions of
//! `values`; they return a sentence on failure, and the section adds file, line and key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values::kind;

/// Similarity (Jaro-Winkler) from which a misspelt key is taken for a known one.
const SIMILARITY_MIN: f64 = 0.8;

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Path of the key, such as `store.prefixes[1].format`; empty for syntax errors.
    pub key: String,
    /// What is wrong; what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Everything wrong with a configuration, in file order; never empty. Shown one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// Collects the problems of one file.
pub(super) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Report<'a> {
        Report {
            file,
            text,
            problems: RefCell::default(),
        }
    }

    /// Adds a problem at `span`. One a line for syntax errors: what a broken line was read as
    /// would only repeat it.
    pub(super) fn add(&self, span: Range<usize>, key: &str, message: String) {
        let start = span.start.min(self.text.len());
        let line = 1 + self.text.as_bytes()[..start]
            .iter()
            .filter(|&&b| b == b'\n')
            .count();
        let mut problems = self.problems.borrow_mut();
        if problems
            .iter()
            .any(|problem| problem.line == line && problem.key.is_empty())
        {
            return;
        }
        let (file, key) = (self.file.to_owned(), key.to_owned());
        problems.push(Problem {
            file,
            line,
            key,
            message,
        });
    }

    /// The problems, if there are any.
    pub(super) fn finish(self) -> Result<(), Problems> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }
}

/// One table of the file, or its absence: then every key has its default.
pub(super) struct Section<'a> {
    report: &'a Report<'a>,
    path: String,
    span: Range<usize>,
    keys: BTreeMap<&'a str, (Range<usize>, &'a Spanned<DeValue<'a>>)>,
    asked: RefCell<Vec<&'static str>>,
    any_key: bool,
}

impl<'a> Section<'a> {
    pub(super) fn new(report: &'a Report<'a>, table: &'a DeTable<'a>) -> Section<'a> {
        Section::at(report, String::new(), 0..0, Some(table))
    }

    fn at(
        report: &'a Report<'a>,
        path: String,
        span: Range<usize>,
        table: Option<&'a DeTable<'a>>,
    ) -> Section<'a> {
        let keys = table
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.get_ref().as_ref(), (key.span(), value)))
            .collect();
        Section {
            report,
            path,
            span,
            keys,
            asked: RefCell::default(),
            any_key: false,
        }
    }

    /// The key's value, or `default` when it is absent or wrong.
    pub(super) fn value<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The key's value, if it is there and right.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let (span, value) = self.ask(key)?;
        let result = read(value.get_ref());
        result
            .map_err(|message| self.report.add(span, &self.key_path(key), message))
            .ok()
    }

    /// The key's value, which has no default.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        if self.ask(key).is_none() {
            self.fail(key, "is missing; it has no default");
        }
        self.optional(key, read)
    }

    /// The elements of an array, as many as `count` allows and all different; none when the key is
    /// absent. Wrong elements are reported and left out.
    pub(super) fn list<T: PartialEq>(
        &self,
        key: &'static str,
        count: RangeInclusive<usize>,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let (_, value) = self.ask(key)?;
        self.elements(key, value, count, read)
    }

    /// Every list of this section with its key, for sections whose keys the operator chooses.
    pub(super) fn named_lists<T: PartialEq>(
        &mut self,
        count: RangeInclusive<usize>,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Vec<(&'a str, Vec<T>)> {
        self.any_key = true;
        let keys = self.keys.iter();
        keys.filter_map(|(&key, (_, value))| {
            Some((key, self.elements(key, value, count.clone(), &read)?))
        })
        .collect()
    }

    fn elements<T: PartialEq>(
        &self,
        key: &str,
        value: &'a Spanned<DeValue<'a>>,
        count: RangeInclusive<usize>,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::new();
        for (index, element) in self.array(key, value, count)?.iter().enumerate() {
            let path = format!("{}[{index}]", self.key_path(key));
            match read(element.get_ref()) {
                Ok(value) if list.contains(&value) => {
                    let message = "is listed twice; remove one of them".to_owned();
                    self.report.add(element.span(), &path, message);
                }
                Ok(value) => list.push(value),
                Err(message) => self.report.add(element.span(), &path, message),
            }
        }
        Some(list)
    }

    /// The tables of an array of tables; none when the key is absent.
    pub(super) fn tables(
        &self,
        key: &'static str,
        count: RangeInclusive<usize>,
    ) -> Option<Vec<Section<'a>>> {
        let mut sections = Vec::new();
        let (_, value) = self.ask(key)?;
        for (index, element) in self.array(key, value, count)?.iter().enumerate() {
            let path = format!("{}[{index}]", self.key_path(key));
            sections.extend(self.table(path, element.span(), element));
        }
        Some(sections)
    }

    /// The table under `key`; an absent one is empty.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
        self.section_if_present(key).unwrap_or_else(|| {
            Section::at(self.report, self.key_path(key), self.span.clone(), None)
        })
    }

    /// The table under `key`, if it is there.
    pub(super) fn section_if_present(&self, key: &'static str) -> Option<Section<'a>> {
        let (span, value) = self.ask(key)?;
        self.table(self.key_path(key), span, value)
    }

    /// Every table of this section with its key, for sections whose keys the operator chooses.
    pub(super) fn named_sections(&mut self) -> Vec<(&'a str, Section<'a>)> {
        self.any_key = true;
        let keys = self.keys.iter();
        keys.filter_map(|(&key, (span, value))| {
            Some((key, self.table(self.key_path(key), span.clone(), value)?))
        })
        .collect()
    }

    /// Reports a problem with `key`, which need not be there.
    pub(super) fn fail(&self, key: &str, message: impl Into<String>) {
        let span = self
            .keys
            .get(key)
            .map_or_else(|| self.span.clone(), |(span, _)| span.clone());
        self.report.add(span, &self.key_path(key), message.into());
    }

    /// Reports a problem with the section as a whole.
    pub(super) fn fail_whole(&self, message: impl Into<String>) {
        self.report
            .add(self.span.clone(), &self.path, message.into());
    }

    /// True when the file sets `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    fn ask(&self, key: &'static str) -> Option<(Range<usize>, &'a Spanned<DeValue<'a>>)> {
        self.asked.borrow_mut().push(key);
        self.keys.get(key).cloned()
    }

    fn array(
        &self,
        key: &str,
        value: &'a Spanned<DeValue<'a>>,
        count: RangeInclusive<usize>,
    ) -> Option<&'a [Spanned<DeValue<'a>>]> {
        let DeValue::Array(array) = value.get_ref() else {
            self.fail(
                key,
                format!("is {}; write a list in [ ]", kind(value.get_ref())),
            );
            return None;
        };
        if !count.contains(&array.len()) {
            let (length, min, max) = (array.len(), count.start(), count.end());
            self.fail(key, format!("has {length} elements; write {min} to {max}"));
            return None;
        }
        Some(array)
    }

    fn table(
        &self,
        path: String,
        span: Range<usize>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Option<Section<'a>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::at(self.report, path, span, Some(table))),
            other => {
                let message = format!("is {}; write a table of keys", kind(other));
                self.report.add(span, &path, message);
                None
            }
        }
    }

    /// The full path of `key`, quoted where TOML wants quotes.
    fn key_path(&self, key: &str) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let quote = if !key.is_empty() && key.chars().all(bare) {
            ""
        } else {
            "\""
        };
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("{}{dot}{quote}{key}{quote}", self.path)
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if self.any_key {
            return;
        }
        let mut known = self.asked.take();
        known.sort_unstable();
        known.dedup();
        for key in self.keys.keys().filter(|key| !known.contains(key)) {
            let similarity = |known: &str| strsim::jaro_winkler(known, key);
            let nearest = known
                .iter()
                .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
            match nearest {
                Some(nearest) if similarity(nearest) >= SIMILARITY_MIN => {
                    self.fail(key, format!("unknown key; did you mean `{nearest}`?"));
                }
                _ => self.fail(
                    key,
                    format!("unknown key; known here: {}", known.join(", ")),
                ),
            }
        }
    }
}
