//! A TCP proxy between the server and etcd that can hold what flows or cut everything, as a
//! network would.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

const PASS: u8 = 0;
const HOLD: u8 = 1;
const CUT: u8 = 2;
const OVER: u8 = 3;

/// How often the threads look at the mode.
const LOOK: Duration = Duration::from_millis(10);

/// A running proxy; it ends when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    /// Listens on a port of its own and connects through to `target`.
    pub(crate) fn start(target: SocketAddr) -> Proxy {
        let address = SocketAddr::from(([127, 0, 0, 1], super::ports::free_port()));
        let listener = TcpListener::bind(address).expect("bind the proxy");
        listener
            .set_nonblocking(true)
            .expect("nonblocking listener");
        let mode = Arc::new(AtomicU8::new(PASS));
        let shared = Arc::clone(&mode);
        thread::spawn(move || accept(&listener, target, &shared));
        Proxy { address, mode }
    }

    /// Where the server connects.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections stay open, nothing flows.
    pub(crate) fn hold(&self) {
        self.mode.store(HOLD, Ordering::SeqCst);
    }

    /// Connections are closed, new ones too.
    pub(crate) fn cut(&self) {
        self.mode.store(CUT, Ordering::SeqCst);
        // Every copying thread has looked at the mode by then.
        thread::sleep(LOOK * 5);
    }

    /// All flows again, what was held first.
    pub(crate) fn release(&self) {
        self.mode.store(PASS, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.mode.store(OVER, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, mode: &Arc<AtomicU8>) {
    while mode.load(Ordering::SeqCst) != OVER {
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(LOOK);
            continue;
        };
        if mode.load(Ordering::SeqCst) == CUT {
            continue;
        }
        let Ok(store) = TcpStream::connect(target) else {
            continue;
        };
        for (from, to) in [(&client, &store), (&store, &client)] {
            let (from, to) = (clone(from), clone(to));
            let mode = Arc::clone(mode);
            thread::spawn(move || copy(from, to, &mode));
        }
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.set_nonblocking(false).expect("blocking stream");
    stream.try_clone().expect("clone a stream")
}

/// Copies one direction until an end closes or the proxy cuts.
fn copy(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8) {
    from.set_read_timeout(Some(LOOK)).expect("a read timeout");
    let mut buffer = [0; 16 << 10];
    loop {
        match mode.load(Ordering::SeqCst) {
            PASS => {}
            HOLD => {
                thread::sleep(LOOK);
                continue;
            }
            _ => break,
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                while mode.load(Ordering::SeqCst) == HOLD {
                    thread::sleep(LOOK);
                }
                if mode.load(Ordering::SeqCst) != PASS || to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    // Either end may be closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
