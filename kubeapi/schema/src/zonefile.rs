//! Zone files (RFC 1035 section 5) as lists of records.
//!
//! Read: `$ORIGIN`, `$TTL` (RFC 2308), `@`, owners carried over, parentheses, comments, TTLs with
//! units (`1h30m`), the class IN, every type of `rdata` and any other as `TYPE<n> \# ...` (RFC
//! 3597). Not read: `$INCLUDE` and `$GENERATE`, other classes; each is an error. Records keep their
//! order and nothing is checked across records: what a zone must have is the caller's business.
//!
//! hickory-proto's zone parser is not used: it knows no RFC 3597, loses escaped octets and the line
//! numbers of errors, and opens the files that `$INCLUDE` names.

use hickory_proto::serialize::txt::parse_ttl;
use thiserror::Error;

use crate::name::{Name, NameError};
use crate::presentation::{self, Entry, TextError, Token};
use crate::rdata::{Rdata, RdataError};
use crate::record::{Record, RecordType, RecordTypeError, TTL_MAX_S};

/// The first error of a zone file, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{source_name}:{line}: {problem}")]
pub struct ZonefileError {
    /// The file, as the caller named it.
    pub source_name: String,
    /// The line that the record or directive starts at, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: ZonefileProblem,
}

/// What is wrong with a line of a zone file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ZonefileProblem {
    /// Quotes, parentheses or escapes.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An owner or the name of `$ORIGIN`.
    #[error("`{0}`: {1}")]
    Name(String, NameError),
    /// A directive that is not read.
    #[error("`{0}` is not read: write $ORIGIN, $TTL or records")]
    Directive(String),
    /// A directive without its one value.
    #[error("{0} wants one value")]
    DirectiveValue(&'static str),
    /// A TTL beyond [`TTL_MAX_S`] or not a time.
    #[error("`{0}` is no TTL from 0 to 2147483647 seconds")]
    Ttl(String),
    /// The first record is indented.
    #[error("the record has no owner: the line is indented and no record precedes it")]
    Owner,
    /// A class that is not IN.
    #[error("class {0} is not served, only IN is")]
    Class(String),
    /// There is no type.
    #[error("the record has no type")]
    NoType,
    /// Neither TTL nor class nor type.
    #[error(transparent)]
    Type(#[from] RecordTypeError),
    /// RDATA.
    #[error(transparent)]
    Rdata(#[from] RdataError),
}

/// Reads a zone file; relative names are below `origin` until `$ORIGIN` says otherwise.
///
/// # Errors
/// The first problem, with its line; `source_name` tells files apart.
pub fn parse(text: &str, origin: &Name, source_name: &str) -> Result<Vec<Record>, ZonefileError> {
    let failed = |line, problem| ZonefileError {
        source_name: source_name.into(),
        line,
        problem,
    };
    // Editors of some systems start UTF-8 files with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut context = Context {
        origin: origin.clone(),
        ..Context::default()
    };
    let mut records = Vec::new();
    for entry in presentation::entries(text) {
        let entry = entry.map_err(|(line, error)| failed(line, error.into()))?;
        let record = context
            .read(&entry)
            .map_err(|problem| failed(entry.line, problem))?;
        records.extend(record);
    }
    Ok(records)
}

/// What one entry leaves to the next.
struct Context {
    origin: Name,
    owner: Option<Name>,
    ttl_default: Option<u32>,
    ttl_last: Option<u32>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            origin: Name::root(),
            owner: None,
            ttl_default: None,
            ttl_last: None,
        }
    }
}

impl Context {
    /// Reads one entry; directives give no record.
    fn read(&mut self, entry: &Entry<'_>) -> Result<Option<Record>, ZonefileProblem> {
        let [first, rest @ ..] = &entry.tokens[..] else {
            return Ok(None);
        };
        if !entry.indented && !first.quoted && first.raw.starts_with('$') {
            self.directive(first.raw, rest)?;
            return Ok(None);
        }
        let rest = if entry.indented {
            &entry.tokens[..]
        } else {
            self.owner = Some(self.name(first.raw)?);
            rest
        };
        let owner = self.owner.clone().ok_or(ZonefileProblem::Owner)?;
        let (ttl, rtype, fields) = ttl_and_type(rest)?;
        let rdata = Rdata::from_tokens(rtype, fields, Some(&self.origin))?;
        self.ttl_last = ttl.or(self.ttl_last);
        Ok(Some(Record {
            owner,
            rtype,
            ttl: ttl.or(self.ttl_default).or(self.ttl_last),
            rdata,
        }))
    }

    fn directive(&mut self, name: &str, rest: &[Token<'_>]) -> Result<(), ZonefileProblem> {
        let upper = name.to_ascii_uppercase();
        match (&upper[..], rest) {
            ("$ORIGIN", [value]) => self.origin = self.name(value.raw)?,
            ("$TTL", [value]) => self.ttl_default = Some(ttl(value.raw)?),
            ("$ORIGIN", _) => return Err(ZonefileProblem::DirectiveValue("$ORIGIN")),
            ("$TTL", _) => return Err(ZonefileProblem::DirectiveValue("$TTL")),
            _ => return Err(ZonefileProblem::Directive(name.into())),
        }
        Ok(())
    }

    fn name(&self, raw: &str) -> Result<Name, ZonefileProblem> {
        if raw == "@" {
            return Ok(self.origin.clone());
        }
        Name::parse_in(raw, Some(&self.origin))
            .map_err(|error| ZonefileProblem::Name(raw.chars().take(40).collect(), error))
    }
}

/// Reads `[TTL] [class] type` in any order and returns what follows the type.
fn ttl_and_type<'a, 't>(
    tokens: &'a [Token<'t>],
) -> Result<(Option<u32>, RecordType, &'a [Token<'t>]), ZonefileProblem> {
    let (mut seconds, mut class) = (None, false);
    for (index, token) in tokens.iter().enumerate() {
        let upper = token.raw.to_ascii_uppercase();
        match &upper[..] {
            "IN" | "CLASS1" if !class => class = true,
            "CH" | "HS" | "CS" | "NONE" => return Err(ZonefileProblem::Class(upper)),
            _ if upper.starts_with("CLASS") => return Err(ZonefileProblem::Class(upper)),
            _ if seconds.is_none() && upper.starts_with(|first: char| first.is_ascii_digit()) => {
                seconds = Some(ttl(token.raw)?);
            }
            _ => return Ok((seconds, token.raw.parse()?, &tokens[index + 1..])),
        }
    }
    Err(ZonefileProblem::NoType)
}

fn ttl(raw: &str) -> Result<u32, ZonefileProblem> {
    parse_ttl(raw)
        .ok()
        .filter(|&ttl| ttl <= TTL_MAX_S)
        .ok_or_else(|| ZonefileProblem::Ttl(raw.chars().take(40).collect()))
}

#[cfg(test)]
mod tests;
