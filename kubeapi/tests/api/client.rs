//! HTTP/1.1 as far as the tests need it, over a plain socket: the request is whatever octets the
//! test writes; answers may have a length or be chunked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer later than this is a failure, not a slow machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &value[..])
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {self:?}"))
    }

    /// This answer if it has the status, else a failure that shows it.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// A connection that may carry several requests.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&server, ANSWER_LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::new(stream)))
    }

    /// Writes octets as they are.
    pub(crate) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(octets)
    }

    /// Reads the next answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(bad)?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(bad)?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: String::new(),
        };
        let length = answer.header("content-length").map(str::parse::<usize>);
        let octets = match length {
            Some(length) => self.octets(length.map_err(|_| bad())?)?,
            None if answer.header("transfer-encoding") == Some("chunked") => self.chunks()?,
            None => Vec::new(),
        };
        answer.body = String::from_utf8(octets).map_err(|_| bad())?;
        Ok(answer)
    }

    /// Whether the server closes without saying more.
    pub(crate) fn is_closed(&mut self) -> bool {
        // A reset says it too.
        !matches!(self.0.read(&mut [0]), Ok(1..))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn octets(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; length];
        self.0.read_exact(&mut octets)?;
        Ok(octets)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line()?, 16);
            let length = length.map_err(|_| io::ErrorKind::InvalidData)?;
            octets.extend(self.octets(length)?);
            self.line()?;
            if length == 0 {
                return Ok(octets);
            }
        }
    }
}

/// A request as octets; an empty token sends no header.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n");
    if !token.is_empty() {
        text.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}
