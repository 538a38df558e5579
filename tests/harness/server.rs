//! The program under test: writes a configuration, starts `containerdns serve` with it, waits on
//! /readyz.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use super::metrics::Metrics;
use super::process::Process;
use super::{http, poll, ports};

/// The program that cargo built for these tests.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns");

/// How long a start may take on a slow machine with a debug build.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// What a scenario wants in the configuration file; the rest is the same for all.
pub(crate) struct Settings {
    pub(crate) zones: Vec<String>,
    pub(crate) reverse: Vec<String>,
    pub(crate) etcd: SocketAddr,
    /// Other members of the same etcd cluster.
    pub(crate) more_etcd: Vec<SocketAddr>,
    pub(crate) relist_s: u32,
    pub(crate) snapshot: Option<PathBuf>,
    /// Listen on every address of the machine instead of 127.0.0.1.
    pub(crate) every_address: bool,
    /// Options of `prlimit` to run under.
    pub(crate) limits: Vec<String>,
    /// Lines of `[answer]`.
    pub(crate) answer: String,
    /// Lines of `[tcp]`.
    pub(crate) tcp: String,
}

impl Settings {
    /// Zone `t.test` and the reverse zone of 192.0.2.0/24, over the etcd at `etcd`.
    pub(crate) fn new(etcd: SocketAddr) -> Settings {
        Settings {
            zones: vec!["t.test".into()],
            reverse: vec!["192.0.2.0/24".into()],
            etcd,
            more_etcd: Vec::new(),
            relist_s: 300,
            snapshot: None,
            every_address: false,
            limits: Vec::new(),
            answer: String::new(),
            tcp: String::new(),
        }
    }

    /// The configuration file's text.
    pub(crate) fn to_toml(&self, dns: SocketAddr, admin: SocketAddr) -> String {
        let snapshot = match &self.snapshot {
            Some(path) => path.to_string_lossy().into_owned(),
            None => String::new(),
        };
        let members = std::iter::once(&self.etcd).chain(&self.more_etcd);
        let endpoints: Vec<String> = members.map(|member| format!("http://{member}")).collect();
        let listen = match self.every_address {
            true => format!("\"0.0.0.0:{0}\", \"[::]:{0}\"", dns.port()),
            false => format!("\"{dns}\""),
        };
        let mut text = format!(
            "zones = {:?}\nreverse = {:?}\n\
             [listen]\ndns = [{listen}]\nadmin = \"{admin}\"\n\
             [store]\nkind = \"etcd\"\nendpoints = {endpoints:?}\nrelist_s = {}\n\
             snapshot = {snapshot:?}\n\
             [answer]\n{}\n[tcp]\n{}\n",
            self.zones, self.reverse, self.relist_s, self.answer, self.tcp
        );
        for shard in 0..2 {
            write!(text, "[core.{shard}]\ncpu = {}\n", cpu_of(shard)).expect("write to a string");
        }
        text
    }
}

/// Two shards also on a machine of one CPU.
fn cpu_of(shard: usize) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    shard % cpus
}

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) dns: SocketAddr,
    pub(crate) admin: SocketAddr,
    // Configuration and log; removed when the server is dropped.
    _folder: TempDir,
}

impl Server {
    /// Starts the server and waits until it is ready.
    pub(crate) fn start(settings: &Settings) -> Server {
        let mut server = Server::start_without_waiting(settings);
        server.wait_ready(READY_LIMIT);
        server
    }

    /// Starts the server and waits only until its admin port answers.
    pub(crate) fn start_without_waiting(settings: &Settings) -> Server {
        let port = || SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let (dns, admin) = (port(), port());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("containerdns.toml");
        fs::write(&file, settings.to_toml(dns, admin)).expect("write the configuration");
        let file = file.to_string_lossy();
        let mut command: Vec<&str> = vec!["prlimit"];
        command.extend(settings.limits.iter().map(String::as_str));
        command.extend([PROGRAM, "serve", "--config", &file]);
        let log = folder.path().join("server.log");
        let process = Process::start(command[0], &command[1..], &log);
        let mut server = Server {
            process,
            dns,
            admin,
            _folder: folder,
        };
        let up = poll(READY_LIMIT, || {
            server.assert_running();
            http::get(server.admin, "/readyz").ok()
        });
        assert!(
            up.is_some(),
            "admin port is silent\n{}",
            server.process.output_tail()
        );
        server
    }

    /// Waits for /readyz to say 200.
    pub(crate) fn wait_ready(&mut self, limit: Duration) {
        let ready = poll(limit, || {
            self.assert_running();
            self.is_ready().then_some(())
        });
        assert!(
            ready.is_some(),
            "not ready in {limit:?}\n{}",
            self.process.output_tail()
        );
    }

    /// Whether /readyz says 200 now.
    pub(crate) fn is_ready(&self) -> bool {
        http::get(self.admin, "/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// The counts of /metrics now.
    pub(crate) fn metrics(&self) -> Metrics {
        let answer = http::get(self.admin, "/metrics").unwrap_or_else(|error| {
            panic!("/metrics: {error}\n{}", self.process.output_tail());
        });
        assert_eq!(answer.status, 200, "/metrics: {}", answer.body);
        Metrics::parse(&answer.body)
    }

    /// Panics with the log when the server has ended.
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.process.exited() {
            panic!("the server ended: {status}\n{}", self.process.output_tail());
        }
    }
}
