//! Backends of every kind, each on a port of the loopback for as long as the test's runtime lives.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::health_reporter;

/// Each connection is served by `serve`.
async fn serving<S, F>(at: &str, serve: S) -> u16
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(at).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

const LOOPBACK: &str = "127.0.0.1:0";

/// Accepts and closes.
pub(super) async fn closing() -> u16 {
    serving(LOOPBACK, |stream| async { drop(stream) }).await
}

/// A port that nobody listens on.
pub(super) async fn unused() -> u16 {
    let listener = TcpListener::bind(LOOPBACK).await.expect("a port");
    listener.local_addr().expect("bound").port()
}

/// A listener that never accepts, with as many waiting connections as it takes.
pub(super) async fn full() -> (u16, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(LOOPBACK.parse().expect("an address"))
        .expect("a port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    let mut waiting = Vec::new();
    let limit = Duration::from_millis(100);
    while let Ok(stream) = tokio::time::timeout(limit, TcpStream::connect(address)).await {
        waiting.push(stream.expect("a connection or nothing"));
    }
    (address.port(), (listener, waiting))
}

/// Answers whatever comes, and then waits for the other side.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, said: &str) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(said.as_bytes()).await;
    let _ = stream.flush().await;
    while stream.read(&mut request).await.is_ok_and(|len| len > 0) {}
}

/// Answers so.
pub(super) async fn saying(said: &'static str) -> u16 {
    serving(LOOPBACK, move |stream| say(stream, said)).await
}

/// Answers with an octet now and then.
pub(super) async fn dripping() -> u16 {
    let drip = |mut stream: TcpStream| async move {
        for octet in "HTTP/1.1 200 OK\r\n\r\n".bytes() {
            if stream.write_all(&[octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    serving(LOOPBACK, drip).await
}

/// Answers with a head that does not end.
pub(super) async fn endless() -> u16 {
    let flood = |mut stream: TcpStream| async move {
        let mut said = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while said.is_ok() {
            said = stream.write_all(b"X-Name: value of the header\r\n").await;
        }
    };
    serving(LOOPBACK, flood).await
}

/// Answers 200, and hands over what was asked.
pub(super) async fn listening_to(at: &str) -> (u16, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let serve = move |mut stream: TcpStream| {
        let sender = sender.clone();
        async move {
            let mut request = [0; 4096];
            let len = stream.read(&mut request).await.unwrap_or_default();
            let _ = sender.send(String::from_utf8_lossy(&request[..len]).into_owned());
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    };
    (serving(at, serve).await, receiver)
}

/// Answers so over TLS, with a certificate for another name that nobody signed.
pub(super) async fn encrypted(said: &'static str) -> u16 {
    let names = vec!["other.example".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a key");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate and its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serve = move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                say(stream, said).await;
            }
        }
    };
    serving(LOOPBACK, serve).await
}

/// A server of gRPC with services that serve and one that does not.
pub(super) async fn grpc() -> u16 {
    let (reporter, service) = health_reporter();
    let set = |name, status| reporter.set_service_status(name, status);
    set("shop.Cart", ServingStatus::Serving).await;
    set("shop.Stock", ServingStatus::NotServing).await;
    serve_grpc(Routes::default().add_service(service)).await
}

/// A server of gRPC that knows nothing of health.
pub(super) async fn grpc_without_health() -> u16 {
    serve_grpc(Routes::default()).await
}

async fn serve_grpc(routes: Routes) -> u16 {
    let listener = TcpListener::bind(LOOPBACK).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = Server::builder().add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    port
}

/// Sockets of this host with one of `ports` at either end, but for those that listen.
pub(super) fn sockets_towards(ports: &[u16]) -> Vec<String> {
    const LISTEN: &str = "0A";
    let ends: Vec<String> = ports.iter().map(|port| format!(":{port:04X}")).collect();
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let ours = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let at_ours = |field: usize| ends.iter().any(|end| fields[field].ends_with(end.as_str()));
        (at_ours(1) || at_ours(2)) && fields[3] != LISTEN
    };
    table
        .lines()
        .skip(1)
        .filter(ours)
        .map(String::from)
        .collect()
}
