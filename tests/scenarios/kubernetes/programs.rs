//! The programs between an API server and a client: etcd, the control plane, the DNS server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::objects::{namespace, pod, service, slice};
use crate::harness::etcd::Etcd;
use crate::harness::exchange::ask_udp_from;
use crate::harness::process::Process;
use crate::harness::query::Query;
use crate::harness::reply::Reply;
use crate::harness::server::{PROGRAM, Server, Settings};
use crate::harness::{http, poll};

const READY_LIMIT: Duration = Duration::from_secs(60);
/// A change of an object is answered within this.
pub(crate) const SEEN_LIMIT: Duration = Duration::from_secs(40);

pub(crate) const ZONES: [&str; 4] = ["cluster.local", "pub.test", "clusterset.test", "t.test"];
pub(crate) const REVERSE: [&str; 6] = [
    "10.20.0.0/16",
    "10.30.0.0/16",
    "10.40.0.0/16",
    "fd00:20::/64",
    "fd00:30::/64",
    "198.51.100.0/24",
];

/// A control plane.
pub(crate) struct ControlPlane {
    pub(crate) process: Process,
    admin: SocketAddr,
    _folder: TempDir,
}

impl ControlPlane {
    /// Starts one that watches `cluster` and writes to `etcd`; `lines` are of `[kubernetes]`.
    pub(crate) fn start(cluster: &Cluster, etcd: SocketAddr, lines: &str) -> ControlPlane {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = folder.path().join("kubeconfig");
        cluster.kubeconfig(&kubeconfig);
        ControlPlane::start_with(&kubeconfig, folder, etcd, lines)
    }

    fn start_with(
        kubeconfig: &Path,
        folder: TempDir,
        etcd: SocketAddr,
        lines: &str,
    ) -> ControlPlane {
        let admin = Etcd::free_address();
        let text = format!(
            "zones = {ZONES:?}\nreverse = {REVERSE:?}\n\
             [store]\nendpoints = [\"http://{etcd}\"]\n\
             [api]\nenabled = false\n[admin]\nlisten = \"{admin}\"\n\
             [kubernetes]\nenabled = true\nkubeconfig = {kubeconfig:?}\n{lines}\n"
        );
        let file = folder.path().join("containerdns-kubeapi.toml");
        fs::write(&file, text).expect("write the configuration");
        let program = Path::new(PROGRAM).with_file_name("containerdns-kubeapi");
        assert!(
            program.exists(),
            "{} is missing: cargo build --workspace",
            program.display()
        );
        let arguments = ["--config", &file.to_string_lossy()];
        let log = folder.path().join("log");
        let mut process = Process::start(&program.to_string_lossy(), &arguments, &log);
        let up = poll(READY_LIMIT, || {
            assert!(process.exited().is_none(), "{}", process.output_tail());
            http::get(admin, "/healthz").ok()
        });
        assert!(up.is_some(), "admin is silent\n{}", process.output_tail());
        ControlPlane {
            process,
            admin,
            _folder: folder,
        }
    }

    /// Waits until it has read all that it needs.
    pub(crate) fn wait_ready(&mut self) {
        let ready = poll(READY_LIMIT, || {
            assert!(self.process.exited().is_none(), "{}", self.log());
            self.is_ready().then_some(())
        });
        assert!(ready.is_some(), "not ready\n{}", self.log());
    }

    pub(crate) fn is_ready(&self) -> bool {
        http::get(self.admin, "/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// One of its counts, over all labels that hold `label`; 0 while nothing was counted.
    pub(crate) fn count(&self, name: &str, label: &str) -> f64 {
        let answer = http::get(self.admin, "/metrics").unwrap_or_else(|error| {
            panic!("/metrics: {error}\n{}", self.log());
        });
        let lines = answer.body.lines();
        let start = format!("containerdns_kubernetes_{name}");
        let lines = lines.filter(|line| line.starts_with(&start) && line.contains(label));
        let values = lines.filter_map(|line| line.rsplit_once(' '));
        values
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }

    pub(crate) fn leads(&self) -> bool {
        self.count("leader", "").round() as i64 == 1
    }

    pub(crate) fn log(&self) -> String {
        self.process.output_tail()
    }
}

/// An etcd, a control plane and a DNS server for one cluster.
pub(crate) struct Programs {
    pub(crate) etcd: Etcd,
    pub(crate) plane: ControlPlane,
    pub(crate) server: Server,
}

impl Programs {
    /// Starts all, and waits until they are ready.
    pub(crate) fn start(cluster: &Cluster, lines: &str) -> Programs {
        Programs::over(cluster, Etcd::start(), lines)
    }

    /// The same over an etcd that may hold something.
    pub(crate) fn over(cluster: &Cluster, etcd: Etcd, lines: &str) -> Programs {
        let mut plane = ControlPlane::start(cluster, etcd.client(), lines);
        let mut settings = Settings::new(etcd.client());
        settings.zones = ZONES.map(str::to_owned).into();
        settings.answer = "[topology]\nzone-a = [\"127.0.1.0/24\"]".into();
        settings.reverse = REVERSE.map(str::to_owned).into();
        let server = Server::start(&settings);
        plane.wait_ready();
        Programs {
            etcd,
            plane,
            server,
        }
    }

    /// The reply to a plain query.
    pub(crate) fn ask(&self, name: &str, kind: &str) -> Reply {
        self.ask_from(Ipv4Addr::LOCALHOST, name, kind)
    }

    /// The same from another address: those in 127.0.1.0/24 are in the topology zone `zone-a`.
    pub(crate) fn ask_from(&self, client: Ipv4Addr, name: &str, kind: &str) -> Reply {
        let octets = Query::new(name, kind).encode();
        let reply = ask_udp_from(self.server.dns, client, &octets).unwrap_or_else(|error| {
            panic!(
                "{name} {kind}: {error}\n{}",
                self.server.process.output_tail()
            );
        });
        Reply::decode(&reply).expect("a reply")
    }

    /// The RDATA of the answers to a plain query, in order.
    pub(crate) fn answers(&self, name: &str, kind: &str) -> Vec<String> {
        let number = crate::harness::query::type_code(kind).expect("a type");
        let mut answers = self.ask(name, kind).answers_of(number);
        answers.sort();
        answers
    }

    /// Waits until a name is answered so.
    pub(crate) fn wait_answers(&self, name: &str, kind: &str, wanted: &[&str]) {
        let mut last = Vec::new();
        let right = poll(SEEN_LIMIT, || {
            last = self.answers(name, kind);
            (last == wanted).then_some(())
        });
        assert!(
            right.is_some(),
            "{name} {kind} is {last:?}, not {wanted:?}\n{}",
            self.plane.log()
        );
    }

    /// Waits until a name does not exist.
    pub(crate) fn wait_gone(&self, name: &str) {
        let gone = poll(SEEN_LIMIT, || {
            (self.ask(name, "A").rcode() == 3).then_some(())
        });
        assert!(gone.is_some(), "{name} still exists\n{}", self.plane.log());
    }

    /// Waits until the control plane has taken in what was applied, by what it counts.
    pub(crate) fn settle_without_labels(&self, cluster: &Cluster) {
        let before = self.plane.count("objects", "Service");
        cluster.apply(&service("prod/last", &["10.20.0.99"], &[]));
        let counted = poll(SEEN_LIMIT, || {
            (self.plane.count("objects", "Service") > before).then_some(())
        });
        assert!(counted.is_some(), "not counted\n{}", self.plane.log());
    }

    /// Waits until all that was applied before is answered: every watch tells of changes in
    /// order, and so an object of each kind is put behind them.
    pub(crate) fn settle(&self, cluster: &Cluster, mark: u8) {
        cluster.apply_all(&markers(mark));
        let address = format!("10.30.254.{mark}");
        let zone = "settled.svc.cluster.local.";
        self.wait_answers(&format!("headless-{mark}.{zone}"), "A", &[&address]);
        let empty = poll(SEEN_LIMIT, || {
            (self.plane.count("queue_len", "").round() as i64 == 0).then_some(())
        });
        assert!(empty.is_some(), "keys wait\n{}", self.plane.log());
    }
}

/// One object of each kind that names come from.
fn markers(mark: u8) -> Vec<Value> {
    let headless = format!("settled/headless-{mark}");
    vec![
        namespace("settled"),
        pod(
            &format!("settled/pod-{mark}"),
            &[&format!("10.40.254.{mark}")],
        ),
        service(&headless, &["None"], &[]),
        slice(&headless, "a", &[], &[&format!("10.30.254.{mark}")]),
    ]
}
