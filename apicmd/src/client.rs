//! Speaks HTTP with the API: requests out, typed answers in.
//!
//! One client is used by several threads; each keeps its connection. Nothing is retried here, no
//! redirect is followed and no proxy is used: the token goes to the address that was asked for and
//! nowhere else. What to ask for is the commands' business.

use std::error::Error as _;
use std::time::Duration;

use containerdns_schema::rest::{DryRun, Failure, History, Names};
use containerdns_schema::{Name, RecordType};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use crate::error::Error;
use crate::settings::{Address, Settings};

mod tls;

/// Connections that stay open: as many as an import has requests in flight.
pub(crate) const CONNECTIONS: usize = 4;
/// Time to find the server and connect to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the server to start its answer: a full batch is one write of the store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Octets of an answer at most; 100,000 names take about 20 MB.
const ANSWER_LEN_MAX: u64 = 2 << 30;
/// Characters shown of an answer that is not understood.
const EXCERPT_LEN_MAX: usize = 200;
/// What a name's text has that a path may not have.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Says after which name to go on.
const NEXT_HEADER: &str = "x-containerdns-next";

/// A server's API.
pub(crate) struct Client {
    agent: Agent,
    address: Address,
    authorization: String,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
}

impl Client {
    /// A client that has not connected yet.
    pub(crate) fn new(settings: Settings) -> Result<Self, Error> {
        let tls = tls::config(&settings.tls).map_err(Error::Usage)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections_per_host(CONNECTIONS)
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .user_agent(concat!("containerdns-apicmd/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.new_agent(),
            address: settings.address,
            authorization: format!("Bearer {}", settings.token),
        })
    }

    /// All names, of a zone and with records of a type if given.
    pub(crate) fn list(
        &self,
        zone: Option<&str>,
        rtype: Option<RecordType>,
    ) -> Result<Names, Error> {
        let mut names = Names::new();
        let mut after: Option<String> = None;
        loop {
            let rtype = rtype.map(|rtype| rtype.to_string());
            let target = query(
                "",
                &[
                    ("zone", zone),
                    ("type", rtype.as_deref()),
                    ("after", after.as_deref()),
                ],
            );
            let (headers, body) = self.ask("GET", &target, None)?;
            names.append(&mut self.decode(&body)?);
            let next = headers.get(NEXT_HEADER);
            let next = next.and_then(|value| value.to_str().ok()).map(String::from);
            // The same name again would go on for ever.
            if next.is_none() || next == after {
                return Ok(names);
            }
            after = next;
        }
    }

    /// What one name holds.
    pub(crate) fn get(&self, name: &str, rtype: Option<RecordType>) -> Result<Names, Error> {
        let rtype = rtype.map(|rtype| rtype.to_string());
        let target = query(&path(name), &[("type", rtype.as_deref())]);
        self.decode(&self.ask("GET", &target, None)?.1)
    }

    /// Who changed a name.
    pub(crate) fn history(&self, name: &str, limit: Option<u32>) -> Result<History, Error> {
        let limit = limit.map(|limit| limit.to_string());
        let target = query(
            &format!("{}/history", path(name)),
            &[("limit", limit.as_deref())],
        );
        self.decode(&self.ask("GET", &target, None)?.1)
    }

    /// Changes a name.
    pub(crate) fn write(
        &self,
        method: Method,
        name: &str,
        body: Option<&[u8]>,
    ) -> Result<(), Error> {
        self.ask(method.name(), &path(name), body).map(drop)
    }

    /// What `write` would do.
    pub(crate) fn dry_run(
        &self,
        method: Method,
        name: &str,
        body: Option<&[u8]>,
    ) -> Result<DryRun, Error> {
        let target = query(&path(name), &[("dry_run", Some("true"))]);
        self.decode(&self.ask(method.name(), &target, body)?.1)
    }

    /// Does all of a list of changes, or none.
    pub(crate) fn batch(&self, body: &[u8]) -> Result<(), Error> {
        self.ask("POST", "", Some(body)).map(drop)
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&[u8]>,
    ) -> Result<(HeaderMap, Vec<u8>), Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.address.base))
            .header("authorization", &self.authorization);
        let answer = match body {
            None => request.body(()).map(|request| self.agent.run(request)),
            Some(body) => request
                .header("content-type", "application/json")
                .body(body)
                .map(|request| self.agent.run(request)),
        };
        let answer = answer.unwrap_or_else(|error| Err(error.into()));
        let mut answer = answer.map_err(|error| self.failed(&error))?;
        let body = answer.body_mut().with_config().limit(ANSWER_LEN_MAX);
        let body = body.read_to_vec().map_err(|error| self.failed(&error))?;
        match answer.status().as_u16() {
            200 => Ok((answer.headers().clone(), body)),
            status => Err(self.refused(status, &body)),
        }
    }

    fn refused(&self, status: u16, body: &[u8]) -> Error {
        let failure = match serde_json::from_slice::<Failure>(body) {
            Ok(failure) => failure,
            // A proxy or another program; only what is away may be back in a moment.
            Err(_) if status != 503 => {
                let problem = format!("status {status}: {}", excerpt(body));
                return self.odd(problem);
            }
            Err(_) => Failure {
                error: excerpt(body),
                field: None,
                current: None,
            },
        };
        Error::Refused {
            status,
            failure: Box::new(failure),
        }
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body).map_err(|error| self.odd(error.to_string()))
    }

    /// An error about records that cannot be.
    pub(crate) fn odd(&self, problem: impl ToString) -> Error {
        Error::Answer {
            address: self.address.shown.clone(),
            problem: problem.to_string(),
        }
    }

    fn failed(&self, error: &ureq::Error) -> Error {
        use std::io::ErrorKind;
        let running = "is the server running? set CONDNS_API_ADDR or --api";
        let (problem, next) = match error {
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused => ("connection refused".into(), running),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => (
                    "the connection was closed".into(),
                    "did the server end? does it speak TLS? then write https://",
                ),
                _ if error.to_string().starts_with("failed to lookup") => {
                    ("host not found".into(), "set CONDNS_API_ADDR or --api")
                }
                _ if error.to_string().contains("CertificateRequired") => (
                    "the server asks for a certificate".into(),
                    "give --cert and --key",
                ),
                // Certificates come as errors within errors.
                _ if error.to_string().contains("certificate") => (
                    error
                        .source()
                        .map_or(error.to_string(), ToString::to_string),
                    "give the certificate of the server's authority with --ca",
                ),
                _ => (error.to_string().to_lowercase(), running),
            },
            ureq::Error::Timeout(timeout) => (format!("no answer in time: {timeout}"), running),
            ureq::Error::HostNotFound => ("host not found".into(), "set CONDNS_API_ADDR or --api"),
            ureq::Error::Protocol(problem) => (
                format!("no HTTP: {problem}"),
                "does it speak TLS? then write https://",
            ),
            other => (other.to_string(), running),
        };
        Error::Unreachable {
            address: self.address.shown.clone(),
            problem,
            next,
        }
    }
}

impl Method {
    /// As HTTP and batches write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "POST",
            Self::Update => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Checks a name as the user typed it: a final dot, or none, means something to the server.
pub(crate) fn check_name(text: &str) -> Result<(), Error> {
    let parsed = Name::parse(text);
    parsed
        .map(drop)
        .map_err(|error| Error::Usage(format!("`{text}` is no name: {error}")))
}

fn path(name: &str) -> String {
    format!("/{}", utf8_percent_encode(name, IN_URL))
}

fn query(path: &str, fields: &[(&str, Option<&str>)]) -> String {
    let mut target = path.to_owned();
    let mut separator = '?';
    for (key, value) in fields {
        if let Some(value) = value {
            target += &format!("{separator}{key}={}", utf8_percent_encode(value, IN_URL));
            separator = '&';
        }
    }
    target
}

/// The start of a text that is not understood, in one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").chars().take(EXCERPT_LEN_MAX).collect();
    let printable = |c: char| if c.is_control() { '?' } else { c };
    match &text[..] {
        "" => "nothing follows".into(),
        text => text.chars().map(printable).collect(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn names_are_encoded() {
        let told = ["www.a.test", "*.a.test.", "a\\.b/c?d#e%.test", "_x-y~.ü"].map(path);
        expect![[r#"
            /www.a.test
            /%2A.a.test.
            /a%5C.b%2Fc%3Fd%23e%25.test
            /_x-y~.%C3%BC"#]]
        .assert_eq(&told.join("\n"));
        let fields = [("a", Some("x y&z")), ("b", None), ("c", Some("/"))];
        expect!["/n?a=x%20y%26z&c=%2F"].assert_eq(&query("/n", &fields));
    }

    #[test]
    fn answers_that_are_not_understood_are_one_printable_line() {
        expect!["<html> <b>?[31mbad� gateway</b>"]
            .assert_eq(&excerpt(b"<html>\r\n <b>\x1b[31mbad\xff gateway</b>"));
        expect!["nothing follows"].assert_eq(&excerpt(b" \n"));
        assert_eq!(excerpt(&[b'x'; 5_000]).len(), EXCERPT_LEN_MAX);
    }
}
