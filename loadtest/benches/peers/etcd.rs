//! An etcd for the run, filled and changed through its JSON gateway.
//!
//! The gateway speaks HTTP, so that the benchmark shares no store code with the server and needs no
//! gRPC. While figures are taken etcd is idle and on CPU 1, except where its changes are the point.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};
use ureq::Agent;

use crate::process::{Place, Program, check_signals, find, free_port, sleep};

/// etcd refuses a transaction of more (`--max-txn-ops`).
pub(crate) const OPERATIONS_MAX: usize = 128;
/// Enough that etcd always has one to work on while another is encoded here.
const WRITERS: usize = 4;
/// 8 GiB, the most that etcd takes; the default of 2 GiB is too little for a million records with
/// their history.
const QUOTA_BYTES: &str = "8589934592";

/// A running etcd.
pub(crate) struct Etcd {
    program: Program,
    pub(crate) url: String,
}

/// A change of one key.
pub(crate) enum Operation {
    Put { key: String, value: String },
    Delete { key: String },
}

impl Etcd {
    /// Starts an empty one and waits until it answers.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Etcd> {
        let etcd = find("etcd").context("not installed (Debian's etcd-server)")?;
        let folder = folder.join("etcd");
        fs::create_dir_all(&folder)?;
        let url = format!("http://127.0.0.1:{}", free_port()?);
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let mut command = vec![etcd.display().to_string()];
        for (option, value) in [
            (
                "data-dir",
                folder.join("data").display().to_string().as_str(),
            ),
            ("listen-client-urls", &url),
            ("advertise-client-urls", &url),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &format!("default={peer}")),
            ("quota-backend-bytes", QUOTA_BYTES),
            ("logger", "zap"),
            ("log-level", "error"),
        ] {
            command.push(format!("--{option}={value}"));
        }
        let place = Place {
            cpus: "0,1",
            nice: 0,
        };
        let mut etcd = Etcd {
            program: Program::start("etcd", place, &command, &folder)?,
            url,
        };
        etcd.wait_ready()?;
        Ok(etcd)
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let client = Client::new(&self.url);
        while self.program.age() < Duration::from_secs(30) {
            self.program.check_alive()?;
            if client.post("/v3/kv/range", &json!({"key": "AA=="})).is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20))?;
        }
        bail!(
            "etcd is not ready after 30 s: {}",
            self.program.output_tail()
        )
    }

    /// Puts keys in no particular order, with both CPUs, and leaves etcd on CPU 1.
    pub(crate) fn fill(&self, keys: &[(String, String)]) -> anyhow::Result<()> {
        self.program.pin("0,1")?;
        let parts: Vec<&[(String, String)]> = keys.chunks(OPERATIONS_MAX).collect();
        let next = AtomicUsize::new(0);
        let write = || -> anyhow::Result<()> {
            let client = Client::new(&self.url);
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                check_signals()?;
                let put = |(key, value): &(String, String)| Operation::Put {
                    key: key.clone(),
                    value: value.clone(),
                };
                client.commit(&part.iter().map(put).collect::<Vec<_>>())?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
            let mut ends = writers.into_iter().map(|writer| writer.join());
            ends.try_for_each(|end| end.unwrap_or_else(|_| bail!("a writer panicked")))
        })?;
        self.program.pin("1")
    }
}

/// One connection to the gateway.
pub(crate) struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Client {
        Client {
            agent: Agent::new_with_defaults(),
            url: url.to_owned(),
        }
    }

    /// Makes all changes in one transaction. No key may occur twice.
    pub(crate) fn commit(&self, operations: &[Operation]) -> anyhow::Result<()> {
        let base64 = |text: &str| BASE64.encode(text.as_bytes());
        let operation = |operation: &Operation| match operation {
            Operation::Put { key, value } => {
                json!({"requestPut": {"key": base64(key), "value": base64(value)}})
            }
            Operation::Delete { key } => json!({"requestDeleteRange": {"key": base64(key)}}),
        };
        let success: Vec<Value> = operations.iter().map(operation).collect();
        self.post("/v3/kv/txn", &json!({ "success": success }))
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let mut response = request
            .header("content-type", "application/json")
            .send(body.to_string())
            .with_context(|| format!("etcd {path}"))?;
        // Read to its end, so that the connection is used again.
        response.body_mut().read_to_vec()?;
        Ok(())
    }
}
