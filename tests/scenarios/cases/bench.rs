//! The servers that the cases run against, over one etcd that holds the test zone: `main`;
//! `identity`, which tells its name and is a replica of `main` with the same cookie secrets; and
//! `unready`, whose store does not exist.

use std::net::SocketAddr;

use crate::harness::etcd::Etcd;
use crate::harness::exchange::{self, Outcome, Plain, Transport};
use crate::harness::fixture;
use crate::harness::server::{Server, Settings};

/// The secret that signs cookies.
pub(crate) const SECRET: [u8; 16] = *b"secret one of 16";
/// The one before it, which still verifies.
pub(crate) const FORMER_SECRET: [u8; 16] = *b"the one before!!";

/// `connections_per_client_max` of the servers.
pub(crate) const CONNECTIONS_PER_CLIENT: usize = 40;

/// All servers of the cases.
pub(crate) struct Bench {
    targets: Vec<Target>,
    // Dropped after the servers.
    _etcd: Etcd,
}

/// One server.
pub(crate) struct Target {
    name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) plain: Plain,
    server: Server,
}

impl Target {
    /// Sends one message and gives what came back.
    pub(crate) fn exchange(&self, transport: Transport, message: &[u8]) -> Result<Outcome, String> {
        exchange::exchange(self.address, transport, message, &self.plain)
    }
}

impl Bench {
    /// Starts etcd, fills it, starts the servers.
    pub(crate) fn start() -> Bench {
        let etcd = Etcd::start();
        etcd.put_all(&fixture::test_zone());
        let main = Server::start(&settings(&etcd, ""));
        let mut named = settings(&etcd, "identity = \"shard-test-7\"");
        named.tcp.push_str("\nqueries_per_connection_max = 50");
        let identity = Server::start(&named);
        let mut nowhere = settings(&etcd, "");
        nowhere.etcd = Etcd::free_address();
        let unready = Server::start_without_waiting(&nowhere);
        let address = Some("192.0.2.10");
        Bench {
            targets: vec![
                target("main", main, address),
                target("identity", identity, address),
                target("unready", unready, None),
            ],
            _etcd: etcd,
        }
    }

    /// One server, called `main`, for tables of another zone.
    pub(crate) fn of_one(server: Server, etcd: Etcd, plain: Plain) -> Bench {
        let main = Target {
            name: "main",
            address: server.dns,
            plain,
            server,
        };
        Bench {
            targets: vec![main],
            _etcd: etcd,
        }
    }

    /// A server by its name in the tables.
    pub(crate) fn server(&self, name: &str) -> &Target {
        let found = self.targets.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("no server {name}"))
    }

    /// The last words of every server that has ended: none should.
    pub(crate) fn obituary(&mut self) -> String {
        let ended = self.targets.iter_mut().filter_map(|target| {
            let status = target.server.process.exited()?;
            let tail = target.server.process.output_tail();
            Some(format!("server {} ended: {status}\n{tail}\n", target.name))
        });
        ended.collect()
    }

    /// The address of `main`.
    pub(crate) fn main(&self) -> SocketAddr {
        self.server("main").address
    }
}

fn target(name: &'static str, server: Server, address: Option<&str>) -> Target {
    let plain = Plain {
        name: "one.t.test.".into(),
        address: address.map(str::to_owned),
    };
    Target {
        name,
        address: server.dns,
        plain,
        server,
    }
}

fn settings(etcd: &Etcd, answer: &str) -> Settings {
    let hex = |secret: &[u8]| data_encoding::HEXLOWER.encode(secret);
    let mut settings = Settings::new(etcd.client());
    settings.answer = format!(
        "cookie_secrets = [\"{}\", \"{}\"]\n{answer}",
        hex(&SECRET),
        hex(&FORMER_SECRET)
    );
    settings.tcp =
        format!("idle_s = 2\nread_s = 1\nconnections_per_client_max = {CONNECTIONS_PER_CLIENT}");
    settings
}
