//! One GET of HTTP/1.1, of whose answer the status counts.

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Unhealthy;
use super::connect::answered;

/// Octets of an answer's head at most.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// The status that `path` is answered with. The body is not read.
pub(super) async fn status<S>(
    stream: S,
    authority: &Authority,
    path: &str,
) -> Result<u16, Unhealthy>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let path: PathAndQuery = path
        .parse()
        .map_err(|_| Unhealthy::Local(format!("`{path}` is no path of HTTP")))?;
    let request = Request::get(Uri::from(path))
        .header(HOST, authority.as_str())
        .header(CONNECTION, "close")
        .header(USER_AGENT, "containerdns-prober")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Unhealthy::Local(error.to_string()))?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_LEN_MAX);
    let opened = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|error| Unhealthy::broken("http: ", &error))?;
    let answer = answered(connection, sender.send_request(request)).await;
    let answer = answer.map_err(|error| Unhealthy::broken("http: ", &error))?;
    Ok(answer.status().as_u16())
}
