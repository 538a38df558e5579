//! The programs around a backend: probers, and backends that are processes or sockets of the test.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::etcd::Etcd;
use crate::harness::exchange::ask_udp_from;
use crate::harness::process::Process;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::PROGRAM;
use crate::harness::{http, poll};

/// A change is answered within this, also on a busy machine.
pub(crate) const SEEN_LIMIT: Duration = Duration::from_secs(40);
/// Fast probes: a backend is down after some 400 ms.
pub(crate) const FAST: &str =
    "interval_ms = 200\ntimeout_ms = 150\ngap_min_ms = 50\nprobe = \"tcp\"";

/// A `containerdns-kubeapi` that probes.
pub(crate) struct Prober {
    pub(crate) process: Process,
    admin: SocketAddr,
    identity: String,
    _folder: TempDir,
}

impl Prober {
    /// Starts one on the records of `etcd`; `lines` are of `[prober]`.
    pub(crate) fn start(etcd: SocketAddr, identity: &str, lines: &str) -> Prober {
        let store = format!("endpoints = [\"http://{etcd}\"]");
        let prober = Prober::start_at(Etcd::free_address(), identity, &store, lines);
        let ready = || http::get(prober.admin, "/readyz").is_ok_and(|answer| answer.status == 200);
        let ready = poll(SEEN_LIMIT, || ready().then_some(()));
        assert!(ready.is_some(), "{}", prober.process.output_tail());
        prober
    }

    fn start_at(admin: SocketAddr, identity: &str, store: &str, lines: &str) -> Prober {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let store = match store {
            "" => format!("kind = \"embedded\"\ndata = {data:?}"),
            store => store.to_owned(),
        };
        let text = format!(
            "zones = [\"t.test\"]\n[store]\n{store}\n[api]\nenabled = false\n\
             [admin]\nlisten = \"{admin}\"\n\
             [prober]\nenabled = true\nidentity = \"{identity}\"\n{lines}\n"
        );
        let file = folder.path().join("containerdns-kubeapi.toml");
        fs::write(&file, text).expect("write the configuration");
        let program = Path::new(PROGRAM).with_file_name("containerdns-kubeapi");
        let arguments = ["--config", &file.to_string_lossy()];
        let log = folder.path().join("log");
        let mut process = Process::start(&program.to_string_lossy(), &arguments, &log);
        let up = poll(SEEN_LIMIT, || {
            assert!(process.exited().is_none(), "{}", process.output_tail());
            http::get(admin, "/healthz").ok()
        });
        assert!(up.is_some(), "admin is silent\n{}", process.output_tail());
        Prober {
            process,
            admin,
            identity: identity.to_owned(),
            _folder: folder,
        }
    }

    /// One of its counts, over all labels that hold `label`; 0 while nothing was counted.
    pub(crate) fn count(&self, name: &str, label: &str) -> f64 {
        let answer = http::get(self.admin, "/metrics").unwrap_or_else(|error| {
            panic!("/metrics: {error}\n{}", self.process.output_tail());
        });
        let start = format!("containerdns_prober_{name}");
        let lines = answer.body.lines();
        let lines = lines.filter(|line| line.starts_with(&start) && line.contains(label));
        let values = lines.filter_map(|line| line.rsplit_once(' '));
        values
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }

    /// Waits until it knows of so many living probers and looks at some backend.
    pub(crate) fn wait_members(&self, members: u32) {
        let there = || self.count("members ", "") == f64::from(members);
        let there = poll(SEEN_LIMIT, || there().then_some(()));
        assert!(there.is_some(), "{}", self.process.output_tail());
    }

    /// Waits until every backend was asked once at least, and `probes` more in all.
    pub(crate) fn wait_probes(&self, probes: u32) {
        let wanted = self.count("probes_total", "") + f64::from(probes);
        let done = || self.count("probes_total", "") >= wanted;
        let done = poll(SEEN_LIMIT, || done().then_some(()));
        assert!(done.is_some(), "{}", self.process.output_tail());
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }
}

/// A backend that is a process of its own: HTTP on `address`, `/healthz` says 200.
pub(crate) struct BackendProcess(Prober);

impl BackendProcess {
    pub(crate) fn start(address: SocketAddr) -> BackendProcess {
        BackendProcess(Prober::start_at(address, "backend", "", ""))
    }

    /// `kill -NAME`.
    pub(crate) fn signal(&self, name: &str) {
        self.0.process.signal(name);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.0.process.kill();
    }
}

/// A backend that is a listening socket of the test; it dies with the value.
pub(crate) struct BackendSocket {
    stop: Arc<AtomicBool>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl BackendSocket {
    pub(crate) fn start(address: SocketAddr) -> BackendSocket {
        let listener = TcpListener::bind(address).expect("a loopback address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let _ = listener.accept();
            }
        });
        BackendSocket {
            stop,
            address,
            thread: Some(thread),
        }
    }
}

impl Drop for BackendSocket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // A last connection wakes the thread.
        let _ = std::net::TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the backend's thread");
        }
    }
}

/// Loopback address number `number`, for backends.
pub(crate) fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 9, number)
}

/// The status key of a backend.
pub(crate) fn status_key(address: impl Into<IpAddr>) -> String {
    format!("/containerdns/monitor/status/{}", address.into())
}

/// The status of a backend in the store; none without a key.
pub(crate) fn status(etcd: &Etcd, address: impl Into<IpAddr>) -> Option<Value> {
    let value = etcd.etcdctl(&["get", "--print-value-only", &status_key(address)]);
    (!value.trim().is_empty()).then(|| serde_json::from_str(&value).expect("JSON"))
}

/// The addresses of `name` as `client` (127.0.0.N) is answered; panics when it is no good answer.
pub(crate) fn ask(server: SocketAddr, client: u8, name: &str) -> Vec<String> {
    let source = Ipv4Addr::new(127, 0, 0, client);
    let octets = ask_udp_from(server, source, &Query::new(name, "A").encode()).expect("a reply");
    let reply = Reply::decode(&octets).expect("a good reply");
    assert_eq!(reply.flags & 0x840f, 0x8400, "NOERROR with AA");
    let answers = reply.sections[0].iter();
    let mut addresses: Vec<String> = answers.map(|record| record.rdata.clone()).collect();
    assert!(!addresses.is_empty(), "{name} is emptied");
    addresses.sort();
    addresses
}

/// Waits until `name` has exactly these backends; how long that took.
pub(crate) fn wait_answer(server: SocketAddr, name: &str, backends: &[u8]) -> Duration {
    let wanted: BTreeSet<String> = backends.iter().map(|n| address(*n).to_string()).collect();
    let start = Instant::now();
    let seen = || ask(server, 1, name).into_iter().collect::<BTreeSet<_>>();
    let there = poll(SEEN_LIMIT, || (seen() == wanted).then_some(()));
    assert!(there.is_some(), "{:?} instead of {wanted:?}", seen());
    start.elapsed()
}

/// A client that asks all the time and counts; a name that is emptied, or any failure, panics in
/// [`Watcher::end`].
pub(crate) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watcher {
    pub(crate) fn start(server: SocketAddr, name: &'static str) -> Watcher {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut asked = 0;
            while !stopped.load(Ordering::SeqCst) {
                ask(server, (asked % 100) as u8 + 1, name);
                asked += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            asked
        });
        Watcher { stop, thread }
    }

    /// How many were asked, all of them well answered.
    pub(crate) fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("every query was answered well")
    }
}
