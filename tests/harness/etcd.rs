//! A real etcd of the machine's own package, alone in a temporary folder, on ports of its own.
//!
//! Written through its JSON gateway: it answers in the same protocol as gRPC and needs none of
//! the project's store code, so a test cannot pass because both sides share one mistake.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Process;
use super::{http, poll, ports};

/// etcd refuses a transaction of more operations (`--max-txn-ops`).
const OPERATIONS_PER_TRANSACTION_MAX: usize = 128;

/// One etcd member.
pub(crate) struct Etcd {
    process: Process,
    folder: TempDir,
    member: Member,
}

/// What a member is started with, every time.
#[derive(Clone)]
struct Member {
    name: String,
    client: SocketAddr,
    peer: SocketAddr,
    /// `--initial-cluster`: every member with its peer address.
    cluster: String,
}

impl Member {
    fn new(name: &str, client: SocketAddr) -> Member {
        let peer = Etcd::free_address();
        let cluster = format!("{name}=http://{peer}");
        Member {
            name: name.to_owned(),
            client,
            peer,
            cluster,
        }
    }
}

impl Etcd {
    /// Starts an empty etcd and waits until it is healthy.
    pub(crate) fn start() -> Etcd {
        let etcd = Etcd::start_without_waiting(Etcd::free_address());
        etcd.wait_healthy();
        etcd
    }

    /// An address on which nobody listens yet.
    pub(crate) fn free_address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], ports::free_port()))
    }

    /// Starts an empty etcd that serves clients on `client`.
    pub(crate) fn start_without_waiting(client: SocketAddr) -> Etcd {
        let found = Command::new("etcd").arg("--version").output();
        assert!(
            found.is_ok(),
            "etcd is missing: apt-get install etcd-server etcd-client"
        );
        Etcd::start_member(Member::new("default", client))
    }

    /// Starts an empty cluster of three and waits until every member is healthy.
    pub(crate) fn start_cluster() -> [Etcd; 3] {
        let mut members = ["a", "b", "c"].map(|name| Member::new(name, Etcd::free_address()));
        let cluster = members
            .each_ref()
            .map(|member| member.cluster.clone())
            .join(",");
        for member in &mut members {
            member.cluster.clone_from(&cluster);
        }
        let cluster = members.map(Etcd::start_member);
        cluster.iter().for_each(Etcd::wait_healthy);
        cluster
    }

    fn start_member(member: Member) -> Etcd {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = spawn(&folder, &member);
        Etcd {
            process,
            folder,
            member,
        }
    }

    /// Whether this member leads its cluster.
    pub(crate) fn leads(&self) -> bool {
        let status = self.post("/v3/maintenance/status", &json!({}));
        status["leader"] == status["header"]["member_id"]
    }

    /// Waits until a read goes through.
    pub(crate) fn wait_healthy(&self) {
        let healthy = poll(Duration::from_secs(30), || {
            let answer = http::get(self.member.client, "/health").ok()?;
            answer.body.contains("true").then_some(())
        });
        assert!(
            healthy.is_some(),
            "etcd is not healthy\n{}",
            self.process.output_tail()
        );
    }

    /// Where clients connect.
    pub(crate) fn client(&self) -> SocketAddr {
        self.member.client
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// `kill -STOP`: the process hangs, its connections stay open.
    pub(crate) fn hang(&self) {
        self.process.signal("STOP");
    }

    /// Ends [`Etcd::hang`].
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Starts again on the same folder and ports.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.folder, &self.member);
        self.wait_healthy();
    }

    /// Starts again on the same ports with everything lost.
    pub(crate) fn restart_empty(&mut self) {
        self.kill();
        fs::remove_dir_all(self.folder.path().join("data")).expect("remove etcd's data");
        self.restart();
    }

    /// Puts one pair; gives the revision.
    pub(crate) fn put(&self, key: &str, value: &str) -> i64 {
        self.put_all(&[(key.to_owned(), value.to_owned())])
    }

    /// Puts many pairs, a transaction per hundred; gives the last revision.
    pub(crate) fn put_all(&self, pairs: &[(String, String)]) -> i64 {
        let operations: Vec<Value> = pairs
            .iter()
            .map(
                |(key, value)| json!({"request_put": {"key": encode(key), "value": encode(value)}}),
            )
            .collect();
        self.transact(&operations)
    }

    /// Deletes many keys; gives the last revision.
    pub(crate) fn delete_all(&self, keys: &[String]) -> i64 {
        let operations: Vec<Value> = keys
            .iter()
            .map(|key| json!({"request_delete_range": {"key": encode(key)}}))
            .collect();
        self.transact(&operations)
    }

    /// Forgets every revision before `revision`.
    pub(crate) fn compact(&self, revision: i64) {
        self.post(
            "/v3/kv/compaction",
            &json!({"revision": revision.to_string()}),
        );
    }

    /// Runs `etcdctl` with `arguments` and gives what it printed.
    pub(crate) fn etcdctl(&self, arguments: &[&str]) -> String {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.member.client.to_string()])
            .args(arguments)
            .output()
            .expect("etcdctl is missing: apt-get install etcd-client");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "etcdctl {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn transact(&self, operations: &[Value]) -> i64 {
        let mut revision = 0;
        for chunk in operations.chunks(OPERATIONS_PER_TRANSACTION_MAX) {
            let answer = self.post("/v3/kv/txn", &json!({"success": chunk}));
            let text = answer["header"]["revision"].as_str().unwrap_or_default();
            revision = text.parse().expect("a revision in etcd's answer");
        }
        revision
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = http::post(self.member.client, path, &body.to_string())
            .unwrap_or_else(|error| panic!("etcd {path}: {error}\n{}", self.process.output_tail()));
        assert_eq!(answer.status, 200, "etcd {path}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON from etcd")
    }
}

fn encode(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

fn spawn(folder: &TempDir, member: &Member) -> Process {
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let (client, peer) = (
        format!("http://{}", member.client),
        format!("http://{}", member.peer),
    );
    Process::start(
        "etcd",
        &[
            "--name",
            &member.name,
            "--data-dir",
            &data,
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
            &member.cluster,
            "--logger",
            "zap",
            "--log-outputs",
            "stderr",
        ],
        &folder.path().join("etcd.log"),
    )
}
