//! A running `containerdns-kubeapi` with tokens of every kind, in a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::client::{Answer, Connection, request};
use crate::process::Process;
use crate::{openapi, poll, ports};

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-kubeapi");
/// How long a start may take.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(30);
/// Where names are.
pub(crate) const API: &str = "/containerdns/api";

/// May do everything.
pub(crate) const ROOT: &str = "root-0123456789abcdef";
/// Acts for alice.
pub(crate) const ALICE: &str = "alice-0123456789abcdef";
/// Acts for bob.
pub(crate) const BOB: &str = "bob-0123456789abcdef";
/// Reads.
pub(crate) const READER: &str = "reader-0123456789abcdef";
/// May do everything in `b.test`.
pub(crate) const ZONED: &str = "zoned-0123456789abcdef";

/// The file of these tokens.
pub(crate) fn tokens_file() -> String {
    format!(
        "[[tokens]]\nname = \"root\"\ntoken = \"{ROOT}\"\n\
         [[tokens]]\nname = \"alice\"\ntoken = \"{ALICE}\"\nuser = \"alice\"\n\
         [[tokens]]\nname = \"bob\"\ntoken = \"{BOB}\"\nuser = \"bob\"\n\
         [[tokens]]\nname = \"reader\"\ntoken = \"{READER}\"\nread_only = true\n\
         [[tokens]]\nname = \"zoned\"\ntoken = \"{ZONED}\"\nzones = [\"b.test\"]\n"
    )
}

/// What a server is started with.
#[derive(Debug, Default, Clone)]
pub(crate) struct Settings {
    /// An etcd; none: the embedded store.
    pub(crate) etcd: Option<SocketAddr>,
    /// Lines for `[api]`.
    pub(crate) api: String,
    /// `CONTAINERDNS_LOG`.
    pub(crate) log: &'static str,
}

/// A running server; it ends when dropped.
pub(crate) struct Api {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Api {
    /// Over the embedded store.
    pub(crate) fn embedded() -> Api {
        Api::start(&Settings::default())
    }

    /// Over an etcd.
    pub(crate) fn over(etcd: SocketAddr) -> Api {
        Api::start(&Settings {
            etcd: Some(etcd),
            ..Settings::default()
        })
    }

    /// Starts and waits until /readyz says so.
    pub(crate) fn start(settings: &Settings) -> Api {
        let mut api = Api::start_without_waiting(settings);
        api.wait_ready();
        api
    }

    pub(crate) fn start_without_waiting(settings: &Settings) -> Api {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("tokens.toml"), tokens_file()).expect("write tokens");
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
        let file = write_config(folder.path(), address, settings);
        let level = match settings.log {
            "" => "info",
            level => level,
        };
        let level = format!("CONTAINERDNS_LOG={level}");
        let arguments = [&level, PROGRAM, "--config", &file.to_string_lossy()];
        let process = Process::start("env", &arguments, &folder.path().join("log"));
        Api {
            process,
            address,
            folder,
        }
    }

    pub(crate) fn wait_ready(&mut self) {
        let ready = poll(READY_LIMIT, || {
            assert!(
                self.process.exited().is_none(),
                "{}",
                self.process.output_tail()
            );
            let mut connection = Connection::open(self.address).ok()?;
            connection
                .send(request("GET", "/readyz", "", "").as_bytes())
                .ok()?;
            (connection.answer().ok()?.status == 200).then_some(())
        });
        assert!(ready.is_some(), "not ready\n{}", self.process.output_tail());
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.process.output_tail()))
    }

    /// One request on a connection of its own.
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let text = request(method, path, token, body);
        let answer = self
            .raw(text.as_bytes())
            .unwrap_or_else(|error| panic!("{text}: {error}\n{}", self.process.output_tail()));
        openapi::check(method, path, body, &answer);
        answer
    }

    /// Any octets as a request.
    pub(crate) fn raw(&self, octets: &[u8]) -> std::io::Result<Answer> {
        let mut connection = self.connect();
        connection.send(octets)?;
        connection.answer()
    }

    /// Reads below `/containerdns/api` with every right.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", &format!("{API}{path}"), ROOT, "")
    }

    /// Writes below `/containerdns/api` with every right.
    pub(crate) fn write(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call(method, &format!("{API}{path}"), ROOT, body)
    }
}

/// Writes the configuration into the folder.
pub(crate) fn write_config(folder: &Path, listen: SocketAddr, settings: &Settings) -> PathBuf {
    let store = match settings.etcd {
        Some(etcd) => format!("kind = \"etcd\"\nendpoints = [\"http://{etcd}\"]"),
        None => format!("kind = \"embedded\"\ndata = {:?}", folder.join("data")),
    };
    let text = format!(
        "zones = [\"a.test\", \"b.test\", \"cluster.local\"]\nreverse = [\"10.0.0.0/8\"]\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[store]\n{store}\n\
         [api]\nlisten = \"{listen}\"\ntokens = {:?}\naudit = {:?}\n{}\n",
        folder.join("tokens.toml"),
        folder.join("audit.jsonl"),
        settings.api,
    );
    let file = folder.join("kubeapi.toml");
    fs::write(&file, text).expect("write the configuration");
    file
}
