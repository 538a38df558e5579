//! A small API server for tests: names in memory, bodies read by the schema's own parser.
//!
//! It knows the token `secret`. A name whose first label is `fail-STATUS` gets that status. It
//! keeps what was asked, so that tests see what was sent; it checks no more than the tests need.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use containerdns_schema::rest::request::{self, Method};
use containerdns_schema::rest::{
    AuditEntry, DryRun, Failure, History, HistoryEntry, NameChange, Names, Rrset, Zones,
};
use containerdns_schema::{Name, Status};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use self::changes::{apply, differences, operations};

mod changes;

/// The store's operations in one batch unless a test says otherwise.
const OPERATIONS_MAX: usize = 128;

/// A server that runs until the test ends.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

/// What requests see and change.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) names: Names,
    /// `METHOD TARGET BODY` of every request.
    pub(crate) asked: Vec<String>,
    /// So many names are listed at once; 0: all.
    pub(crate) page: usize,
    /// The store's operations in one batch.
    pub(crate) operations_max: Option<usize>,
    /// So many writes to come find the store away.
    pub(crate) away: usize,
    /// Comes between the next read and the next write, as somebody else's change.
    pub(crate) interfering: Option<Names>,
    history: BTreeMap<Name, Vec<HistoryEntry>>,
}

/// An answer before it is HTTP.
struct Answer {
    status: u16,
    next: Option<Name>,
    body: Vec<u8>,
}

/// Turns a connection into something to read from and write to, such as TLS.
pub(crate) trait Wrap: Send + Sync + 'static {
    fn wrap(&self, stream: std::net::TcpStream) -> Box<dyn Duplex>;
}

pub(crate) trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// No TLS.
struct Plain;

impl Wrap for Plain {
    fn wrap(&self, stream: std::net::TcpStream) -> Box<dyn Duplex> {
        Box::new(stream)
    }
}

impl Fake {
    pub(crate) fn start() -> Self {
        Self::start_with(Plain)
    }

    pub(crate) fn start_with(wrap: impl Wrap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the address bound");
        let shared = Arc::<Mutex<Shared>>::default();
        let (served, wrap) = (Arc::clone(&shared), Arc::new(wrap));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (served, wrap) = (Arc::clone(&served), Arc::clone(&wrap));
                let stream = stream.expect("a connection");
                thread::spawn(move || serve(wrap.wrap(stream), &served));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no request panicked")
    }
}

/// Answers the requests of one connection; ends when the client does.
fn serve(stream: Box<dyn Duplex>, shared: &Mutex<Shared>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim_end().is_empty() => break,
                Ok(_) => lines.push(line.trim_end().to_owned()),
            }
        }
        let header = |name: &str| {
            let fields = lines.iter().filter_map(|line| line.split_once(": "));
            let mut found = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.to_owned())
        };
        let len = header("content-length").map_or(0, |len| len.parse().expect("a length"));
        let mut body = vec![0; len];
        stream.read_exact(&mut body).expect("the body");
        let mut words = lines[0].split(' ');
        let (method, target) = (words.next().expect("GET"), words.next().expect("a path"));
        let mut shared = shared.lock().expect("no request panicked");
        let answer = match header("authorization").as_deref() {
            Some("Bearer secret") => answer(&mut shared, method, target, &body),
            _ => failure(401, None, "no such token", None),
        };
        drop(shared);
        let next = answer
            .next
            .map(|name| format!("x-containerdns-next: {name}\r\n"));
        let (status, len) = (answer.status, answer.body.len());
        let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {len}\r\n").into_bytes();
        text.extend_from_slice(next.unwrap_or_default().as_bytes());
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&answer.body);
        let written = stream.get_mut().write_all(&text);
        if written.and_then(|()| stream.get_mut().flush()).is_err() {
            return;
        }
    }
}

fn zones() -> Zones {
    let name = |text: &str| text.parse().expect("a name");
    Zones::new(vec![name("a.test"), name("b.test")], Vec::new())
}

fn json(body: &impl Serialize) -> Answer {
    Answer {
        status: 200,
        next: None,
        body: serde_json::to_vec(body).expect("JSON"),
    }
}

fn failure(status: u16, field: Option<String>, error: &str, current: Option<Names>) -> Answer {
    let failure = Failure {
        error: error.into(),
        field,
        current,
    };
    Answer {
        status,
        ..json(&failure)
    }
}

/// The status that a name asks for.
fn wanted_failure(name: &Name) -> Option<u16> {
    let label = name.labels().next()?;
    let label = std::str::from_utf8(label).ok()?;
    label.strip_prefix("fail-")?.parse().ok()
}

fn answer(shared: &mut Shared, method: &str, target: &str, body: &[u8]) -> Answer {
    let body_text = String::from_utf8_lossy(body);
    let asked = format!("{method} {target} {body_text}");
    shared.asked.push(asked.trim_end().into());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query: BTreeMap<&str, String> = query
        .split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(key, value)| (key, decode(value)))
        .collect();
    let path = path
        .strip_prefix("/containerdns/api")
        .expect("the API's path");
    let (path, history) = match path.strip_suffix("/history") {
        Some(path) => (path, true),
        None => (path, false),
    };
    let name = path.strip_prefix('/').map(decode);
    let name = name.map(|text| zones().resolve("name", &text, None));
    let name = match name.transpose() {
        Ok(name) => name,
        Err(error) => return failure(400, Some(error.field), &error.problem, None),
    };
    if let Some(status) = name.as_ref().and_then(wanted_failure) {
        return failure(status, None, "as the name asks", None);
    }
    let dry_run = query.get("dry_run").is_some_and(|value| value == "true");
    match (method, name) {
        ("GET", None) => list(shared, &query),
        ("GET", Some(name)) if history => history_of(shared, &name, query.get("limit")),
        ("GET", Some(name)) => get(shared, &name, query.get("type")),
        ("POST", None) => write(
            shared,
            "BATCH",
            request::parse_batch(&zones(), body),
            dry_run,
        ),
        (method, Some(name)) => {
            let kind = match method {
                "POST" => Method::Create,
                "PUT" => Method::Update,
                _ => Method::Delete,
            };
            write(
                shared,
                method,
                request::parse(&zones(), kind, &name, body),
                dry_run,
            )
        }
        _ => failure(405, None, "not here", None),
    }
}

/// The types asked for.
fn only(rrset: &Rrset, rtype: Option<&String>) -> Option<Rrset> {
    let mut all = rrset
        .all()
        .filter(|rrset| rtype.is_none_or(|rtype| rrset.rtype.to_string() == *rtype));
    let mut first = all.next()?.clone();
    first.more = all.cloned().collect();
    first.more.iter_mut().for_each(|rrset| rrset.more.clear());
    Some(first)
}

fn list(shared: &mut Shared, query: &BTreeMap<&str, String>) -> Answer {
    let name = |key| {
        query
            .get(key)
            .map(|text| text.parse::<Name>().expect("a name"))
    };
    let (zone, after) = (name("zone"), name("after"));
    let mut found: Names = shared
        .names
        .iter()
        .filter(|(name, _)| zone.as_ref().is_none_or(|zone| name.is_within(zone)))
        .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after))
        .filter_map(|(name, rrset)| Some((name.clone(), only(rrset, query.get("type"))?)))
        .collect();
    let mut next = None;
    if shared.page > 0 && found.len() > shared.page {
        let rest = found.keys().nth(shared.page).cloned().expect("one more");
        found.split_off(&rest);
        next = found.keys().next_back().cloned();
    }
    if let Some(interfering) = shared.interfering.take() {
        shared.names.extend(interfering);
    }
    Answer {
        next,
        ..json(&found)
    }
}

fn get(shared: &Shared, name: &Name, rtype: Option<&String>) -> Answer {
    let rrset = shared.names.get(name).and_then(|rrset| only(rrset, rtype));
    match rrset {
        Some(rrset) => json(&Names::from([(name.clone(), rrset)])),
        None => failure(404, None, &format!("{name} has no such records"), None),
    }
}

fn history_of(shared: &Shared, name: &Name, limit: Option<&String>) -> Answer {
    let all = shared.history.get(name).cloned().unwrap_or_default();
    let limit = limit.map_or(usize::MAX, |limit| limit.parse().expect("a number"));
    let complete = all.len() <= limit;
    json(&History {
        name: name.clone(),
        complete,
        entries: all.into_iter().rev().take(limit).collect(),
    })
}

fn write(
    shared: &mut Shared,
    method: &str,
    changes: Result<Vec<NameChange>, request::RequestError>,
    dry_run: bool,
) -> Answer {
    let changes = match changes {
        Ok(changes) => changes,
        Err(error) => return failure(400, Some(error.field), &error.problem, None),
    };
    if shared.away > 0 {
        shared.away -= 1;
        return failure(503, None, "the store is away", None);
    }
    let operations_max = shared.operations_max.unwrap_or(OPERATIONS_MAX);
    if changes.iter().map(operations).sum::<usize>() > operations_max {
        return failure(413, None, "more operations than the store takes", None);
    }
    let mut after = shared.names.clone();
    for change in &changes {
        let place = (!change.place.is_empty()).then(|| change.place.clone());
        if let Some(status) = wanted_failure(&change.name) {
            return failure(status, place, "as the name asks", None);
        }
        if let Err((status, error)) = apply(&mut after, change) {
            let current = shared.names.get(&change.name).cloned();
            let current = current.map(|rrset| Names::from([(change.name.clone(), rrset)]));
            let current = (status == 409).then(|| current.unwrap_or_default());
            return failure(status, place, &error, current);
        }
    }
    let differences = differences(&shared.names, &after);
    if dry_run {
        return json(&DryRun {
            dry_run: true,
            changes: differences,
        });
    }
    shared.names = after;
    for difference in differences {
        let entries = shared.history.entry(difference.name.clone()).or_default();
        entries.push(HistoryEntry {
            revision: 10 + entries.len() as i64,
            entry: AuditEntry {
                time: "2026-01-01T00:00:00Z".into(),
                token: "admin".into(),
                user: changes[0].user.clone(),
                method: method.into(),
                client: "127.0.0.1".into(),
                changes: vec![difference],
            },
        });
    }
    Answer {
        status: 200,
        next: None,
        body: b"OK\n".to_vec(),
    }
}

impl Shared {
    /// Says that the probes of an address failed, wherever it is.
    pub(crate) fn down(&mut self, address: &str) {
        let address = address.parse().expect("an address");
        for rrset in self.names.values_mut() {
            if rrset.records.contains(&format!("{address}")) {
                rrset.health.insert(address, Status::Down);
            }
        }
    }
}
