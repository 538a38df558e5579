//! The text form of zone files and RDATA (RFC 1035 section 5.1): entries, tokens, escapes.
//!
//! `entries` cuts a text into logical lines (parentheses join lines, `;` starts a comment) and each
//! line into tokens that borrow from the text, escapes untouched; `unescape` turns a token into
//! octets and the two `escape` functions are its inverse. Nothing here knows what a token means.
//!
//! hickory-proto's lexer is not used for this: it reads `\DDD` as one character of a wrong value,
//! cannot hold octets above 127, knows no quotes inside parentheses and gives no line numbers.

use thiserror::Error;

/// A text that breaks the rules of RFC 1035 section 5.1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// A quoted string is not closed at the end of its line.
    #[error("a quoted string is not closed before the end of the line")]
    OpenQuote,
    /// `(` without its `)`.
    #[error("an opening parenthesis is not closed")]
    OpenParenthesis,
    /// `)` without its `(`.
    #[error("a closing parenthesis was not opened")]
    CloseParenthesis,
    /// A backslash that neither three digits up to 255 nor one other character follow.
    #[error(
        "`{0}` is not an escape: write \\X for the character X or \\DDD for an octet up to 255"
    )]
    Escape(String),
}

/// A word or a quoted string, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The characters between the delimiters, escapes not yet read.
    pub(crate) raw: &'a str,
    /// Whether the token was written in double quotes.
    pub(crate) quoted: bool,
}

/// One logical line with at least one token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The line the entry starts at, from 1.
    pub(crate) line: usize,
    /// Whether white space precedes the first token: the owner is that of the entry before.
    pub(crate) indented: bool,
    pub(crate) tokens: Vec<Token<'a>>,
}

/// Iterates over the entries of a text; ends at the first error, which carries its line.
pub(crate) struct Entries<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    failed: bool,
}

/// The entries of `text`, blank and comment lines left out.
pub(crate) fn entries(text: &str) -> Entries<'_> {
    Entries {
        text,
        offset: 0,
        line: 1,
        failed: false,
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, (usize, TextError)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.scan().map_err(|error| (self.line, error));
        self.failed = result.is_err();
        result.transpose()
    }
}

impl<'a> Entries<'a> {
    fn scan(&mut self) -> Result<Option<Entry<'a>>, TextError> {
        let octets = self.text.as_bytes();
        let mut entry = Entry {
            line: self.line,
            indented: false,
            tokens: Vec::new(),
        };
        let mut parentheses = 0_usize;
        let mut line_start = true;
        while let Some(&octet) = octets.get(self.offset) {
            match octet {
                b'\n' => {
                    self.offset += 1;
                    self.line += 1;
                    if parentheses == 0 {
                        if !entry.tokens.is_empty() {
                            return Ok(Some(entry));
                        }
                        entry.indented = false;
                        entry.line = self.line;
                        line_start = true;
                        continue;
                    }
                }
                b' ' | b'\t' | b'\r' => {
                    entry.indented |= line_start && octet != b'\r';
                    self.offset += 1;
                }
                b';' => self.offset = self.line_end(),
                b'(' => {
                    parentheses += 1;
                    self.offset += 1;
                }
                b')' => {
                    parentheses = parentheses
                        .checked_sub(1)
                        .ok_or(TextError::CloseParenthesis)?;
                    self.offset += 1;
                }
                b'"' => {
                    let end = self.quote_end(self.offset)?;
                    let raw = &self.text[self.offset + 1..end - 1];
                    entry.tokens.push(Token { raw, quoted: true });
                    self.offset = end;
                }
                _ => {
                    let raw = self.word()?;
                    entry.tokens.push(Token { raw, quoted: false });
                }
            }
            line_start = false;
        }
        if parentheses > 0 {
            return Err(TextError::OpenParenthesis);
        }
        Ok((!entry.tokens.is_empty()).then_some(entry))
    }

    /// Reads a word; a quoted part inside it (`alpn="h2,h3"`) belongs to it.
    fn word(&mut self) -> Result<&'a str, TextError> {
        let octets = self.text.as_bytes();
        let start = self.offset;
        while let Some(&octet) = octets.get(self.offset) {
            match octet {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' => break,
                b'"' => self.offset = self.quote_end(self.offset)?,
                // Any octet may follow a backslash but the end of the line.
                b'\\' if !matches!(octets.get(self.offset + 1), None | Some(b'\n')) => {
                    self.offset += 2;
                }
                _ => self.offset += 1,
            }
        }
        // The octet after a backslash may have been the first of a longer character.
        while !self.text.is_char_boundary(self.offset) {
            self.offset += 1;
        }
        Ok(&self.text[start..self.offset])
    }

    /// The offset behind the quote that closes the one at `open`.
    fn quote_end(&self, open: usize) -> Result<usize, TextError> {
        let octets = self.text.as_bytes();
        let mut offset = open + 1;
        loop {
            match octets.get(offset) {
                Some(b'"') => return Ok(offset + 1),
                Some(b'\\') if octets.get(offset + 1) != Some(&b'\n') => offset += 2,
                None | Some(b'\n') => return Err(TextError::OpenQuote),
                Some(_) => offset += 1,
            }
        }
    }

    fn line_end(&self) -> usize {
        let rest = &self.text.as_bytes()[self.offset..];
        self.offset
            + rest
                .iter()
                .position(|&octet| octet == b'\n')
                .unwrap_or(rest.len())
    }
}

/// The octets a token stands for.
pub(crate) fn unescape(raw: &str) -> Result<Vec<u8>, TextError> {
    let mut octets = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'\\' {
            octets.push(escaped_octet(&mut rest)?);
        } else {
            octets.push(first);
        }
    }
    Ok(octets)
}

/// Reads what follows a backslash and moves `rest` behind it.
pub(crate) fn escaped_octet(rest: &mut &[u8]) -> Result<u8, TextError> {
    let bad = |rest: &[u8]| {
        let shown = &rest[..rest.len().min(3)];
        TextError::Escape(format!("\\{}", String::from_utf8_lossy(shown)))
    };
    match **rest {
        [] => Err(bad(rest)),
        [a, b, c, ref after @ ..] if [a, b, c].iter().all(u8::is_ascii_digit) => {
            let value = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            let octet = u8::try_from(value).map_err(|_| bad(rest))?;
            *rest = after;
            Ok(octet)
        }
        [digit, ..] if digit.is_ascii_digit() => Err(bad(rest)),
        [octet, ref after @ ..] => {
            *rest = after;
            Ok(octet)
        }
    }
}

/// Appends a character string in double quotes.
pub(crate) fn escape_quoted(octets: &[u8], out: &mut String) {
    out.push('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => out.extend(['\\', char::from(octet)]),
            b' '..=b'~' => out.push(char::from(octet)),
            _ => escape_decimal(octet, out),
        }
    }
    out.push('"');
}

/// Appends the octets of a label or word; `special` octets get a backslash.
pub(crate) fn escape_word(octets: &[u8], special: &[u8], out: &mut String) {
    for &octet in octets {
        match octet {
            b'\\' => out.push_str("\\\\"),
            _ if special.contains(&octet) => out.extend(['\\', char::from(octet)]),
            b'!'..=b'~' => out.push(char::from(octet)),
            _ => escape_decimal(octet, out),
        }
    }
}

/// Appends `\DDD`.
pub(crate) fn escape_decimal(octet: u8, out: &mut String) {
    let digit = |value: u8| char::from(b'0' + value % 10);
    out.extend(['\\', digit(octet / 100), digit(octet / 10), digit(octet)]);
}
