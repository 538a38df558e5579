//! HTTP/1.1 answers octet by octet, from a socket or from a recording: what a client library would
//! hide (chunks, how a body ends, headers) is what is to be compared.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer later than this is a failure, not a slow machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `HTTP/1.1 200 OK`
    pub(crate) status: String,
    /// With names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body: its chunks, or one part when it has a length.
    pub(crate) parts: Vec<String>,
    /// The body ended as its headers say.
    pub(crate) complete: bool,
}

impl Exchange {
    /// Takes an answer apart; what follows it is not looked at.
    pub(crate) fn parse(octets: &[u8]) -> Exchange {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("a head and its end");
        let head = String::from_utf8_lossy(&octets[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<_, _> = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let body = &octets[end + 4..];
        let (parts, complete) = match headers.get("content-length") {
            Some(length) => {
                let length = length.parse().expect("a length");
                let complete = body.len() >= length;
                let body = &body[..body.len().min(length)];
                (vec![String::from_utf8_lossy(body).into_owned()], complete)
            }
            None => chunks(body),
        };
        Exchange {
            status,
            headers,
            parts,
            complete,
        }
    }

    /// Asks and reads until the answer or the connection ends.
    pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, extra: &str) -> Exchange {
        Exchange::send(address, method, path, extra, "")
    }

    /// The same with a body.
    pub(crate) fn send(
        address: SocketAddr,
        method: &str,
        path: &str,
        extra: &str,
        body: &str,
    ) -> Exchange {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream
            .set_read_timeout(Some(ANSWER_LIMIT))
            .expect("a limit");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: curl/8\r\n{extra}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("send");
        let mut octets = Vec::new();
        // A connection that is cut may end in an error; what came before it counts.
        let _ = stream.read_to_end(&mut octets);
        Exchange::parse(&octets)
    }

    /// The whole body.
    pub(crate) fn body(&self) -> String {
        self.parts.concat()
    }

    /// The body as one object.
    pub(crate) fn object(&self) -> Value {
        let body = self.body();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The body as the events of a watch: what happened, and to which name and version.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.parts.iter().map(|line| {
            let event: Value = serde_json::from_str(line).expect("a line is an object");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let metadata = &event["object"]["metadata"];
            let what = text(&event["type"]);
            format!(
                "{what} {} {}",
                text(&metadata["name"]),
                text(&metadata["resourceVersion"])
            )
        });
        events.collect()
    }
}

/// The chunks of a body, and whether the last one, which is empty, was there.
fn chunks(mut body: &[u8]) -> (Vec<String>, bool) {
    let mut chunks = Vec::new();
    loop {
        let Some(end) = body.windows(2).position(|two| two == b"\r\n") else {
            return (chunks, false);
        };
        let size = std::str::from_utf8(&body[..end]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        match size {
            Some(0) => return (chunks, true),
            Some(size) if body.len() >= end + 2 + size + 2 => {
                let chunk = &body[end + 2..end + 2 + size];
                chunks.push(String::from_utf8_lossy(chunk).into_owned());
                body = &body[end + 2 + size + 2..];
            }
            _ => return (chunks, false),
        }
    }
}
