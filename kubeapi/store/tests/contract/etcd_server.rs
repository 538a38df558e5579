//! Real etcd processes on ephemeral ports, gone when the test is.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use containerdns_store::etcd::{EtcdOptions, EtcdStore};
use containerdns_store::{Store, StoreError};
use tempfile::TempDir;

use crate::cases::PATIENCE;

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// One etcd process with its folder.
pub(crate) struct EtcdServer {
    process: Child,
    arguments: Vec<String>,
    pub(crate) endpoint: String,
    pub(crate) dir: TempDir,
}

impl EtcdServer {
    /// Starts a cluster of one, with more `arguments`.
    pub(crate) fn start(arguments: &[&str]) -> EtcdServer {
        let client = format!("http://127.0.0.1:{}", free_port());
        EtcdServer::start_at(&client, arguments)
    }

    /// Starts a cluster of one that clients reach at `endpoint`.
    pub(crate) fn start_at(endpoint: &str, arguments: &[&str]) -> EtcdServer {
        let peer = format!("http://127.0.0.1:{}", free_port());
        let mut all = vec![
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--heartbeat-interval=20".into(),
            "--election-timeout=200".into(),
        ];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        EtcdServer::spawn(endpoint, all)
    }

    /// Starts a cluster of three.
    pub(crate) fn start_three() -> Vec<EtcdServer> {
        let name = |place: usize| format!("member{place}");
        let peers: Vec<_> = (0..3)
            .map(|_| format!("http://127.0.0.1:{}", free_port()))
            .collect();
        let named = peers.iter().enumerate();
        let cluster: Vec<_> = named
            .map(|(place, peer)| format!("{}={peer}", name(place)))
            .collect();
        let start = |(place, peer): (usize, &String)| {
            let client = format!("http://127.0.0.1:{}", free_port());
            EtcdServer::spawn(
                &client,
                vec![
                    format!("--name={}", name(place)),
                    format!("--listen-peer-urls={peer}"),
                    format!("--initial-advertise-peer-urls={peer}"),
                    format!("--initial-cluster={}", cluster.join(",")),
                ],
            )
        };
        peers.iter().enumerate().map(start).collect()
    }

    fn spawn(endpoint: &str, mut arguments: Vec<String>) -> EtcdServer {
        let dir = tempfile::tempdir().unwrap();
        arguments.push(format!("--data-dir={}", dir.path().join("data").display()));
        arguments.push(format!("--listen-client-urls={endpoint}"));
        arguments.push(format!("--advertise-client-urls={endpoint}"));
        EtcdServer {
            process: process(&arguments, dir.path()),
            arguments,
            endpoint: endpoint.to_owned(),
            dir,
        }
    }

    /// A store at this etcd, once it answers.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        let options = EtcdOptions {
            endpoints: vec![self.endpoint.clone()],
            ..EtcdOptions::default()
        };
        ready_store(options).await
    }

    /// Ends the process without warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again with the same folder and ports.
    pub(crate) fn start_again(&mut self) {
        self.process = process(&self.arguments, self.dir.path());
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Runs etcdctl against this etcd.
    pub(crate) fn control(&self, arguments: &[&str]) {
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}", self.endpoint))
            .args(arguments)
            .output()
            .expect("etcdctl must be installed (Debian: etcd-client)");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "etcdctl {arguments:?}: {error}");
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        // It may have been killed by the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn process(arguments: &[String], dir: &Path) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .unwrap();
    Command::new("etcd")
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("etcd must be installed (Debian: etcd-server)")
}

/// A store that has answered once.
pub(crate) async fn ready_store(options: EtcdOptions) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = EtcdStore::connect(options).unwrap();
    until_ready(&store).await;
    store
}

/// Asks until the store answers.
pub(crate) async fn until_ready(store: &Arc<dyn Store>) {
    let start = Instant::now();
    loop {
        match store.list_page(b"/", None, None).await {
            Ok(_) => return,
            Err(StoreError::Unavailable(_)) if start.elapsed() < PATIENCE => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(error) => panic!("etcd does not answer: {error}"),
        }
    }
}
