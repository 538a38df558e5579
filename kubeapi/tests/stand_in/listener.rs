//! The mount behind HTTP/1.1 on a port of 127.0.0.1, in a thread of its own, so that tests that
//! block can use it.
//!
//! Its runtime ends with it, and with the runtime every connection, wherever it is.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::handler::{Server, handle};

/// How long a port that was given up may be in the way of taking it again.
const BIND_LIMIT: Duration = Duration::from_secs(10);

/// A port that is listened on, until this is dropped.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    /// Dropping it ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn open(server: Arc<Server>, address: SocketAddr) -> Listener {
        let listener = bind(address);
        listener.set_nonblocking(true).expect("set non-blocking");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    error = accept(&server, listener) => panic!("accept: {error}"),
                }
            });
        });
        Listener {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            ended.is_none_or(|ended| ended.is_ok()) || std::thread::panicking(),
            "the listener's thread panicked"
        );
    }
}

/// Takes connections until that fails.
async fn accept(server: &Arc<Server>, listener: TcpListener) -> io::Error {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => return error,
        };
        let server = Arc::clone(server);
        let service =
            service_fn(move |request| handle(Arc::clone(&server), request.map(Body::new)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that goes away is none of the stand-in's errors.
        tokio::spawn(async move { drop(connection.await) });
    }
}

fn bind(address: SocketAddr) -> TcpListener {
    let start = Instant::now();
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(start.elapsed() < BIND_LIMIT, "bind {address}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
