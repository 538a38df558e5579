//! Connections of the API: how many, how long, and TLS.
//!
//! A connection holds a slot of [`CONNECTIONS_MAX`] until it ends; more wait in the listener's
//! queue. A request's head must come within [`HEAD_TIME_MAX`], and a peer that does not read its
//! answer is dropped after [`WRITE_TIME_MAX`]. Certificates are read again when they change.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tower::ServiceExt as _;
use tracing::{debug, error, info, warn};

/// Connections at once at most. One is a task, 16 KiB of head and at most 1 MiB of body.
pub const CONNECTIONS_MAX: usize = 256;
/// Size of a request's head at most, in octets.
const HEAD_LEN_MAX: usize = 16 << 10;
/// How long a head may take, and how long a connection may rest between two requests.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a peer may leave its answer unread.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// Pause after a failed accept: descriptors have run out, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often certificates are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// PEM files of TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Our certificate and those that signed it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose certificates clients must show; none: clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct TlsError {
    path: PathBuf,
    problem: String,
}

/// TLS as the files say now.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<TlsAcceptor>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads the files, now and whenever they change.
    ///
    /// # Errors
    /// One of them is bad now.
    pub fn of_files(files: TlsFiles) -> Result<Tls, TlsError> {
        let seen = stamps(&files);
        let tls = Tls(Arc::new(RwLock::new(acceptor(&files)?)));
        tokio::spawn(tls.clone().follow(files, seen));
        Ok(tls)
    }

    fn acceptor(&self) -> TlsAcceptor {
        let acceptor = self.0.read().unwrap_or_else(PoisonError::into_inner);
        acceptor.clone()
    }

    async fn follow(self, files: TlsFiles, mut seen: Vec<Option<SystemTime>>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamps(&files);
            if now == seen {
                continue;
            }
            seen = now;
            match acceptor(&files) {
                Ok(acceptor) => {
                    info!("certificates read again");
                    *self.0.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
                }
                Err(error) => error!(%error, "the certificates stay as they were"),
            }
        }
    }
}

fn stamps(files: &TlsFiles) -> Vec<Option<SystemTime>> {
    let all = [
        Some(&files.cert),
        Some(&files.key),
        files.client_ca.as_ref(),
    ];
    let modified = |path: &PathBuf| std::fs::metadata(path).ok()?.modified().ok();
    all.into_iter().flatten().map(modified).collect()
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let failed = |path: &Path, problem: String| TlsError {
        path: path.into(),
        problem,
    };
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| failed(&files.key, error.to_string()))?;
    let builder = ServerConfig::builder();
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| failed(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            let verifier = verifier.map_err(|error| failed(path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.key, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |problem: String| TlsError {
        path: path.into(),
        problem,
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() {
        return Err(failed("no certificate in it; write PEM".into()));
    }
    Ok(chain)
}

/// Serves `listener` until the future is dropped.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Tls>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let slot = Arc::clone(&connections).acquire_owned().await;
        let Ok(slot) = slot else { return };
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "connection of the API not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (router, tls) = (router.clone(), tls.clone());
        tokio::spawn(async move {
            // A broken or late client is its own problem: there is nobody to tell.
            if let Err(error) = connection(stream, client, router, tls).await {
                debug!(%error, %client, "connection of the API ended");
            }
            drop(slot);
        });
    }
}

async fn connection(
    stream: TcpStream,
    client: SocketAddr,
    router: Router,
    tls: Option<Tls>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIME_MAX));
    let stream = Box::pin(stream);
    match tls {
        None => http(stream, client, router).await,
        Some(tls) => {
            let handshake = tls.acceptor().accept(stream);
            let stream = tokio::time::timeout(HANDSHAKE_TIME_MAX, handshake).await??;
            http(stream, client, router).await
        }
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    client: SocketAddr,
    router: Router,
) -> io::Result<()> {
    let router = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        request
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_LEN_MAX);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}
