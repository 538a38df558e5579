//! Answers as HTTP: headers, bodies with a length, and bodies that come in parts.
//!
//! A part is one chunk on the wire. A body that ends with an error has its connection cut, without
//! the chunk that ends a body well. Nothing is compressed, whatever a client accepts: a real server
//! compresses lists above 128 KiB only, and watches never.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use hyper::body::{Bytes, Frame};
use serde_json::Value;
use tokio::sync::mpsc;

/// Larger bodies are chunked, as Go's server does.
const LENGTH_MAX_B: usize = 2048;

/// A part of a body, or that the connection is cut.
pub(crate) type Part = io::Result<Bytes>;

/// What is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An object.
    Whole(StatusCode, Value),
    /// Text of no object.
    Text(StatusCode, &'static str),
    /// Half of an object; then the connection is cut.
    Half(Value),
    /// Parts that come when there is something to say.
    Stream(mpsc::Receiver<Part>),
}

impl Reply {
    pub(crate) fn no_path() -> Reply {
        Reply::Text(StatusCode::NOT_FOUND, "404 page not found\n")
    }

    /// As HTTP; `pretty` for people, `number` tells answers apart.
    pub(crate) fn into_response(self, pretty: bool, number: usize) -> Response<Body> {
        let code = match &self {
            Reply::Whole(code, _) | Reply::Text(code, _) => *code,
            Reply::Half(_) | Reply::Stream(_) => StatusCode::OK,
        };
        let content_type = match &self {
            Reply::Text(..) => "text/plain; charset=utf-8",
            _ => "application/json",
        };
        let (length, body) = self.into_body(pretty);
        let mut response = Response::new(body);
        *response.status_mut() = code;
        let mut set = |name: HeaderName, value: &str| {
            let value = HeaderValue::from_str(value).expect("a header's value");
            response.headers_mut().insert(name, value);
        };
        set(CACHE_CONTROL, "no-cache, private");
        set(CONTENT_TYPE, content_type);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        set(HeaderName::from_static("audit-id"), &id);
        if code != StatusCode::UNAUTHORIZED {
            set(
                HeaderName::from_static("x-kubernetes-pf-flowschema-uid"),
                &id,
            );
            set(
                HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid"),
                &id,
            );
        }
        if code == StatusCode::FORBIDDEN || content_type.starts_with("text") {
            set(HeaderName::from_static("x-content-type-options"), "nosniff");
        }
        if code == StatusCode::GATEWAY_TIMEOUT {
            set(RETRY_AFTER, "1");
        }
        if let Some(length) = length {
            set(CONTENT_LENGTH, &length.to_string());
        }
        response
    }

    /// The body and, when it is not chunked, its length.
    fn into_body(self, pretty: bool) -> (Option<usize>, Body) {
        let (text, cut) = match self {
            Reply::Text(_, text) => (text.as_bytes().to_vec(), false),
            Reply::Whole(_, value) => (octets(&value, pretty), false),
            Reply::Half(value) => (octets(&value, pretty), true),
            Reply::Stream(parts) => return (None, Parts::body(parts)),
        };
        if !cut && text.len() <= LENGTH_MAX_B {
            return (Some(text.len()), Body::from(text));
        }
        let (sender, parts) = mpsc::channel(2);
        let kept = if cut { text.len() / 2 } else { text.len() };
        let mut sent = vec![Ok(Bytes::copy_from_slice(&text[..kept]))];
        sent.extend(cut.then(|| Err(cut_short())));
        for part in sent {
            sender.try_send(part).expect("there is room for both");
        }
        (None, Parts::body(parts))
    }
}

/// Why a body ends early.
pub(crate) fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "cut by the stand-in")
}

fn octets(value: &Value, pretty: bool) -> Vec<u8> {
    let octets = match pretty {
        true => serde_json::to_vec_pretty(value),
        false => serde_json::to_vec(value),
    };
    octets.expect("a value is JSON")
}

/// A body of parts, and why it ends early, once that is known.
struct Parts {
    parts: mpsc::Receiver<Part>,
    cut: Option<io::Error>,
}

impl Parts {
    fn body(parts: mpsc::Receiver<Part>) -> Body {
        Body::new(Parts { parts, cut: None })
    }
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(error) = self.cut.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match self.parts.poll_recv(context) {
            Poll::Ready(Some(Err(error))) => {
                // What came before is written while there is nothing more to say; with the error
                // at hand it would be thrown away.
                self.cut = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            part => part.map(|part| part.map(|part| part.map(Frame::data))),
        }
    }
}
