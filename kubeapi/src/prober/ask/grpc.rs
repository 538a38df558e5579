//! `grpc.health.v1.Health/Check` over HTTP/2 without TLS.
//!
//! The connection is ours rather than a channel of tonic, which would connect again and again,
//! and close by FIN. hyper needs tasks for HTTP/2: they end with the probe.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hyper::client::conn::http2;
use hyper::http::uri::Authority;
use hyper::rt::Executor;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

use super::Unhealthy;
use super::connect::answered;

/// Octets of an answer at most; it holds one number.
const ANSWER_LEN_MAX: usize = 1024;
/// Octets of an answer's headers at most.
const HEAD_LEN_MAX: u32 = 16 * 1024;

/// Asks for `service`; the empty name is the server as a whole.
pub(super) async fn check(
    stream: TcpStream,
    authority: Authority,
    service: &str,
) -> Result<(), Unhealthy> {
    let tasks = Arc::new(Mutex::new(JoinSet::new()));
    let mut builder = http2::Builder::new(Tasks(Arc::downgrade(&tasks)));
    builder.max_header_list_size(HEAD_LEN_MAX);
    let opened = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|error| Unhealthy::broken("http2: ", &error))?;
    let calls = service_fn(move |request: Request<tonic::body::Body>| sender.send_request(request));
    let origin = Uri::builder().scheme("http").authority(authority);
    let origin = origin.path_and_query("/").build();
    let origin = origin.map_err(|error| Unhealthy::Local(error.to_string()))?;
    let client = HealthClient::with_origin(calls, origin);
    let mut client = client.max_decoding_message_size(ANSWER_LEN_MAX);
    let service = service.to_owned();
    let answer = answered(connection, client.check(HealthCheckRequest { service })).await;
    let answer = answer.map_err(|status| failed(&status))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(Unhealthy::NotServing),
    }
}

/// What a call that failed means; the server's own message may hold anything and is left out.
fn failed(status: &Status) -> Unhealthy {
    if let Some(source) = status.source() {
        return Unhealthy::broken("http2: ", source);
    }
    Unhealthy::Grpc(match status.code() {
        Code::NotFound => "unknown service",
        Code::Unimplemented => "no health service",
        Code::Unavailable => "unavailable",
        Code::Unauthenticated | Code::PermissionDenied => "not allowed",
        Code::ResourceExhausted => "resource exhausted",
        Code::DeadlineExceeded => "deadline exceeded",
        _ => "failed",
    })
}

/// Starts the tasks of a connection, which end with the set they are in. They hold this, so it
/// does not hold them.
#[derive(Clone)]
struct Tasks(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.spawn(task);
        }
    }
}
