//! One line of a table: `id | level and RFC | send | expect | why`.
//!
//! **send**: `NAME/TYPE[/CLASS]` is the question, `header` none at all (twelve octets); `+rd +ad
//! +cd +z +aa +tc +ra +qr` set header bits, `+do` the EDNS one; `opcode=N`, `id=0xN`; `edns` or
//! `edns=VERSION`, `payload=N`, `ednsflags=0xN`, `option=CODE:HEX`; `hex=OCTETS` is a whole
//! message (`_` separates); `do=STEP` runs a script of the `steps` modules with the question;
//! `at=SERVER` chooses the server; `udp` or `tcp` alone restricts the transport.
//!
//! **expect**: words that must all hold; `or` separates alternatives. See [`super::checks`].

use data_encoding::HEXLOWER_PERMISSIVE;

use super::checks::{self, Check};
use super::steps::{self, Step};
use crate::harness::exchange::Transport;
use crate::harness::query::{QUERY_ID, Query, Question, class_code, name_to_wire, type_code};

/// A case.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) line: String,
    pub(crate) server: String,
    only: Option<Transport>,
    pub(crate) message: Message,
    pub(crate) alternatives: Vec<Vec<Check>>,
}

/// What the case sends.
pub(crate) enum Message {
    Query(Query),
    Octets(Vec<u8>),
    Step(Step, Query),
}

impl Row {
    /// Reads one line.
    pub(crate) fn parse(line: &str) -> Result<Row, String> {
        let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [id, level, send, expect, why] = columns[..] else {
            return Err(format!("{} columns, not 5", columns.len()));
        };
        let known = ["must", "should", "policy"]
            .iter()
            .any(|word| level.starts_with(word));
        if !known || why.is_empty() {
            return Err("level is must, should or policy, and there is a reason".into());
        }
        let (server, only, message) = parse_send(send)?;
        let alternatives = expect
            .split(" or ")
            .map(checks::parse)
            .collect::<Result<_, _>>()?;
        Ok(Row {
            id: id.into(),
            line: line.into(),
            server,
            only,
            message,
            alternatives,
        })
    }

    /// The transports that the case runs over.
    pub(crate) fn transports(&self) -> impl Iterator<Item = Transport> {
        let only = self.only;
        [Transport::Udp, Transport::Tcp]
            .into_iter()
            .filter(move |transport| only.is_none_or(|wanted| wanted == *transport))
    }

    /// Whether the message carries a good OPT record; unknown when a script makes it.
    pub(crate) fn edns(&self) -> Option<bool> {
        match &self.message {
            Message::Query(query) => Some(query.edns.is_some()),
            Message::Octets(_) => Some(false),
            Message::Step(..) => None,
        }
    }
}

fn parse_send(send: &str) -> Result<(String, Option<Transport>, Message), String> {
    let mut query = Query {
        id: QUERY_ID,
        flags: 0,
        question: None,
        edns: None,
    };
    let (mut server, mut only) = ("main".to_owned(), None);
    let (mut octets, mut step) = (None, None);
    for word in send.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("udp", "") => only = Some(Transport::Udp),
            ("tcp", "") => only = Some(Transport::Tcp),
            ("at", name) => server = name.to_owned(),
            ("hex", text) => octets = Some(hex(&text.replace('_', ""))?),
            ("do", name) => {
                step = Some(steps::find(name).ok_or_else(|| format!("no step {name}"))?);
            }
            _ => parse_query_word(&mut query, word)?,
        }
    }
    let message = match (octets, step) {
        (Some(octets), None) => Message::Octets(octets),
        (None, Some(step)) => Message::Step(step, query),
        (None, None) => Message::Query(query),
        (Some(_), Some(_)) => return Err("hex= and do= exclude each other".into()),
    };
    Ok((server, only, message))
}

fn parse_query_word(query: &mut Query, word: &str) -> Result<(), String> {
    match word.split_once('=').unwrap_or((word, "")) {
        ("header", "") => {}
        ("opcode", text) => query.flags |= number(text)? << 11,
        ("id", text) => query.id = number(text)?,
        ("edns", "") => _ = query.edns_mut(),
        ("edns", text) => {
            query.edns_mut().version = u8::try_from(number(text)?).map_err(|_| "edns version")?;
        }
        ("payload", text) => query.edns_mut().payload = number(text)?,
        ("ednsflags", text) => query.edns_mut().flags |= number(text)?,
        ("option", text) => {
            let (code, value) = text.split_once(':').ok_or("option=CODE:HEX")?;
            query.edns_mut().options.push((number(code)?, hex(value)?));
        }
        ("+do", "") => query.edns_mut().flags |= 0x8000,
        (flag, "") if flag.starts_with('+') => {
            query.flags |= checks::header_bit(&flag[1..]).ok_or_else(|| format!("flag {flag}"))?;
        }
        _ => query.question = Some(question(word)?),
    }
    Ok(())
}

fn question(word: &str) -> Result<Question, String> {
    let parts: Vec<&str> = word.split('/').collect();
    let (name, kind, class) = match parts[..] {
        [name, kind] => (name, kind, "IN"),
        [name, kind, class] => (name, kind, class),
        _ => {
            return Err(format!(
                "{word} is neither a known word nor NAME/TYPE[/CLASS]"
            ));
        }
    };
    Ok(Question {
        name: name_to_wire(name)?,
        kind: type_code(kind).ok_or_else(|| format!("type {kind}"))?,
        class: class_code(class).ok_or_else(|| format!("class {class}"))?,
    })
}

/// A number of 16 bits, decimal or `0x` hexadecimal.
pub(crate) fn number(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("number {text:?}: {error}"))
}

/// Octets from hexadecimal digits.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .map_err(|error| format!("hex {text:?}: {error}"))
}
