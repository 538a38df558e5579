//! The servers that are compared: how each is configured and started, and when it is ready.
//!
//! Every configuration is a file of `configs/`, with a reason for each line; only addresses and
//! paths are filled in here. One worker, all threads on CPU 0, no rate limits, no cookies, quiet.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::Serialize;

use crate::ask::Asker;
use crate::process::{Place, Program, find, free_port, sleep};
use crate::set::Name;
use crate::zone;

const READY_MAX: Duration = Duration::from_secs(120);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// `containerdns-loadtest echo`: the limit of sockets.
    Echo,
    Containerdns,
    Knot,
    Nsd,
    /// BIND.
    Named,
    Unbound,
    Dnsmasq,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Echo => "echo",
            Kind::Containerdns => "containerdns",
            Kind::Knot => "knot",
            Kind::Nsd => "nsd",
            Kind::Named => "named",
            Kind::Unbound => "unbound",
            Kind::Dnsmasq => "dnsmasq",
        }
    }

    /// Its command and Debian's package.
    fn command(self) -> (&'static str, &'static str) {
        match self {
            Kind::Echo => ("containerdns-loadtest", ""),
            Kind::Containerdns => ("containerdns", ""),
            Kind::Knot => ("knotd", "knot"),
            Kind::Nsd => ("nsd", "nsd"),
            Kind::Named => ("named", "bind9"),
            Kind::Unbound => ("unbound", "unbound"),
            Kind::Dnsmasq => ("dnsmasq", "dnsmasq-base"),
        }
    }
}

/// Where our programs are.
pub(crate) struct Programs {
    pub(crate) generator: PathBuf,
    pub(crate) containerdns: PathBuf,
}

impl Programs {
    fn path(&self, kind: Kind) -> anyhow::Result<PathBuf> {
        match kind {
            Kind::Echo => Ok(self.generator.clone()),
            Kind::Containerdns => Ok(self.containerdns.clone()),
            peer => {
                let (command, package) = peer.command();
                find(command).with_context(|| format!("not installed (Debian's {package})"))
            }
        }
    }

    /// What the program says about itself.
    pub(crate) fn version(&self, kind: Kind) -> anyhow::Result<String> {
        let flag = match kind {
            Kind::Nsd | Kind::Named => "-v",
            Kind::Unbound => "-V",
            _ => "--version",
        };
        let output = Command::new(self.path(kind)?).arg(flag).output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| !line.is_empty());
        Ok(line.unwrap_or_default().to_owned())
    }
}

/// A set of names in the forms of all servers, written to files.
pub(crate) struct Written {
    pub(crate) names: Vec<Name>,
    /// Where ContainerDNS finds them in etcd.
    pub(crate) prefix: &'static str,
    folder: PathBuf,
}

impl Written {
    /// Writes the files for `kinds` into a folder of their own.
    pub(crate) fn new(
        names: Vec<Name>,
        prefix: &'static str,
        kinds: &[Kind],
        folder: PathBuf,
    ) -> anyhow::Result<Written> {
        fs::create_dir_all(&folder)?;
        let set = Written {
            names,
            prefix,
            folder,
        };
        for kind in kinds {
            match kind {
                Kind::Knot | Kind::Nsd | Kind::Named => {
                    fs::write(set.file("zone"), zone::zone_file(&set.names))?;
                }
                Kind::Unbound => {
                    fs::write(set.file("local-data"), zone::unbound_local_data(&set.names))?;
                }
                Kind::Dnsmasq => fs::write(set.file("hosts"), zone::hosts_file(&set.names))?,
                Kind::Echo | Kind::Containerdns => {}
            }
        }
        Ok(set)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// How ContainerDNS is started.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cores {
    /// One shard, with all other threads, on CPU 0.
    One,
    /// Two shards on CPUs 0 and 1.
    Two,
}

/// A server that answers.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    pub(crate) program: Program,
    /// From its start to its first right answer of the last name.
    pub(crate) ready_ms: f64,
    /// Before the first load.
    pub(crate) memory_start_bytes: u64,
}

/// What starting a server takes.
pub(crate) struct Start<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) etcd: &'a str,
    /// Where configurations and logs go.
    pub(crate) folder: &'a Path,
    pub(crate) cores: Cores,
}

impl Start<'_> {
    /// Starts a server with a set and waits until it answers.
    pub(crate) fn server(&self, kind: Kind, set: &Written) -> anyhow::Result<Server> {
        let port = free_port()?;
        let folder = self.folder.join(format!("{}-{port}", kind.name()));
        fs::create_dir_all(folder.join("db"))?;
        let command = self.command(kind, set, &folder, port)?;
        let place = Place {
            cpus: match self.cores {
                Cores::One => "0",
                Cores::Two => "0,1",
            },
            nice: 0,
        };
        let mut program = Program::start(kind.name(), place, &command, &folder)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let ready_ms = wait_ready(&mut program, kind, address, set)?;
        // What a start leaves behind is given back to the system within that time, or never.
        sleep(Duration::from_secs(1))?;
        let memory_start_bytes = program.memory_bytes();
        Ok(Server {
            kind,
            address,
            program,
            ready_ms,
            memory_start_bytes,
        })
    }

    /// Writes the configuration; gives the command with its arguments.
    fn command(
        &self,
        kind: Kind,
        set: &Written,
        folder: &Path,
        port: u16,
    ) -> anyhow::Result<Vec<String>> {
        let config = folder.join("config");
        let config_path = config.display().to_string();
        let own = ["--config", &config_path];
        let listen = format!("127.0.0.1:{port}");
        let arguments: Vec<&str> = match kind {
            Kind::Echo => vec!["echo", "--listen", &listen, "--cpu", "0"],
            Kind::Containerdns => ["serve"].into_iter().chain(own).collect(),
            Kind::Knot => own.to_vec(),
            Kind::Nsd => vec!["-d", "-c", &config_path],
            Kind::Named => vec!["-g", "-n", "1", "-c", &config_path],
            Kind::Unbound => vec!["-d", "-c", &config_path],
            Kind::Dnsmasq => vec!["--keep-in-foreground", "-C", &config_path],
        };
        let text = self.config(kind, set)?;
        let text = text
            .replace("{port}", &port.to_string())
            .replace("{folder}", &folder.display().to_string())
            .replace("{zone}", &set.file("zone").display().to_string())
            .replace(
                "{local_data}",
                &set.file("local-data").display().to_string(),
            )
            .replace("{hosts}", &set.file("hosts").display().to_string());
        fs::write(&config, text)?;
        let program = self.programs.path(kind)?.display().to_string();
        let arguments = arguments.into_iter().map(str::to_owned);
        Ok([program].into_iter().chain(arguments).collect())
    }

    fn config(&self, kind: Kind, set: &Written) -> anyhow::Result<String> {
        Ok(match kind {
            Kind::Echo => String::new(),
            Kind::Containerdns => include_str!("configs/containerdns.toml")
                .replace("{admin}", &free_port()?.to_string())
                .replace("{etcd}", self.etcd)
                .replace("{prefix}", set.prefix)
                .replace(
                    "{cores}",
                    match self.cores {
                        Cores::One => "[core.0]",
                        Cores::Two => "[core.0]\n[core.1]",
                    },
                ),
            Kind::Knot => include_str!("configs/knot.conf").to_owned(),
            Kind::Nsd => include_str!("configs/nsd.conf").to_owned(),
            Kind::Named => include_str!("configs/named.conf").to_owned(),
            Kind::Unbound => include_str!("configs/unbound.conf").to_owned(),
            Kind::Dnsmasq => {
                let rest = zone::dnsmasq_lines(&set.names);
                format!("{}{rest}", include_str!("configs/dnsmasq.conf"))
            }
        })
    }
}

/// Asks for the last name until the answer is right; milliseconds since the program's start.
fn wait_ready(
    program: &mut Program,
    kind: Kind,
    address: SocketAddr,
    set: &Written,
) -> anyhow::Result<f64> {
    let last = set.names.last().context("a set without names")?;
    let expected: BTreeSet<Ipv4Addr> = match kind {
        // It gives the query back.
        Kind::Echo => BTreeSet::new(),
        _ => last.addresses.iter().copied().collect(),
    };
    let asker = Asker::new(address, Duration::from_millis(20))?;
    let mut found = None;
    while program.age() < READY_MAX {
        program.check_alive()?;
        // Always the same ID: an answer that comes late counts when it comes.
        found = asker.addresses_once(1, &last.owner);
        if found.as_ref() == Some(&expected) {
            return Ok(program.age().as_secs_f64() * 1e3);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    bail!(
        "{} is not ready after {READY_MAX:?}: {} is {found:?}; {}",
        kind.name(),
        last.owner,
        program.output_tail()
    )
}
