//! The configuration of `containerdns`, read once into types that need no second look.
//!
//! [`Config::load`] reads a TOML file and reports every problem in it, not the first: each with
//! its line, its key, what is wrong and what would be right. `configs/containerdns.toml` shows
//! every key with its default, `docs/configuration.md` says when to change one. An empty file is
//! the default configuration.
//!
//! Inside: `reader` walks tables and collects problems, `values` says what single values mean,
//! `sections` is the table of keys, defaults and limits. Nothing here opens a socket or a store;
//! files that are named are only looked at.

mod clients;
mod cpus;
mod reader;
mod sections;
mod values;
mod views;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::{AddressPrefix, Format, Name};
use toml::de::DeTable;

pub use self::reader::{Problem, Problems};
use self::reader::{Report, Section};

/// Size of a configuration file at most: far above any real one, far below what hurts.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Everything that `containerdns` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Authoritative zones.
    pub zones: Vec<Name>,
    /// Reverse zones: what `reverse` covers, without those that `zones` names already.
    pub reverse: Vec<Name>,
    /// Sockets.
    pub listen: Listen,
    /// Where records come from.
    pub store: Store,
    /// How answers look.
    pub answer: Answer,
    /// `[topology]`: zones with the prefixes of clients and addresses in them; no prefix twice.
    pub topology: Vec<(String, Vec<AddressPrefix>)>,
    /// `[views.NAME]`, in the order of names.
    pub views: Vec<View>,
    /// Limits of TCP.
    pub tcp: Tcp,
    /// One for each shard, in the order of their numbers; never empty, no CPU twice.
    pub cores: Vec<Core>,
}

/// `[listen]`: the sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// UDP and TCP addresses of DNS.
    pub dns: Vec<SocketAddr>,
    /// Address of /metrics, /healthz, /readyz and /stats.
    pub admin: SocketAddr,
}

/// `[store]`: where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which store.
    pub kind: StoreKind,
    /// What to read from it; no path is inside another.
    pub prefixes: Vec<Prefix>,
    /// Where backends' health is kept; none: every backend counts as up.
    pub health_prefix: Option<String>,
    /// Time between complete lists that heal what a watch lost, +-10%.
    pub relist: Duration,
    /// A file to start from when the store is away.
    pub snapshot: Option<PathBuf>,
}

/// Which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// etcd v3.
    Etcd(Etcd),
    /// The store inside this process.
    Embedded {
        /// Its folder, created when missing.
        data: PathBuf,
    },
}

/// How to reach etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etcd {
    /// URLs of members, all `http` or all `https`.
    pub endpoints: Vec<String>,
    /// Certificates; present exactly when the endpoints are `https`.
    pub tls: Option<Tls>,
    /// User and password.
    pub login: Option<Login>,
}

/// TLS towards etcd; PEM files that could be read when the configuration was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Authorities that sign etcd's certificate.
    pub ca: PathBuf,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A user of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Name.
    pub user: String,
    /// File whose first line is the password.
    pub password_file: PathBuf,
}

/// One key prefix to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Begins and ends with a slash.
    pub path: String,
    /// How keys and values under it are written.
    pub format: Format,
}

/// `[views.NAME]`: records that some clients see instead of everybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// NAME.
    pub name: String,
    /// Whose view it is: the longest prefix of all views wins; no prefix is in two.
    pub clients: Vec<AddressPrefix>,
    /// Where its records are; none overlaps another prefix.
    pub prefixes: Vec<Prefix>,
}

/// `[answer]`: how answers look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Order and choice of addresses, unless a zone or a name has its own.
    pub policy: AnswerPolicy,
    /// Policies of whole zones: each one of ours.
    pub zone_policies: Vec<(Name, AnswerPolicy)>,
    /// Policies of single names, which win over their zone's.
    pub name_policies: Vec<(Name, AnswerPolicy)>,
    /// Records of a subset.
    pub subset_len: NonZeroU8,
    /// First bits of a client's IPv4 and IPv6 address that say which source it is.
    pub source_bits: [u8; 2],
    /// Forwarders whose word counts about whom they ask for (EDNS Client Subnet).
    pub client_subnet_from: Vec<AddressPrefix>,
    /// Size of UDP responses at most, in octets.
    pub udp_payload_max: u16,
    /// TTL of records that have none.
    pub ttl_default_s: u32,
    /// The SOA of every zone.
    pub soa: Soa,
    /// Secrets of DNS cookies: the first signs, all verify; empty: a random one for this process.
    pub cookie_secrets: Vec<[u8; 16]>,
    /// What NSID and `hostname.bind` say; none: they are off.
    pub identity: Option<String>,
}

/// The SOA of every zone; the serial is the store's revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soa {
    /// Primary server; none: `ns.dns.ZONE`.
    pub mname: Option<Name>,
    /// Mailbox of who is responsible; none: `hostmaster.ZONE`.
    pub rname: Option<Name>,
    /// REFRESH.
    pub refresh_s: u32,
    /// RETRY.
    pub retry_s: u32,
    /// EXPIRE.
    pub expire_s: u32,
    /// MINIMUM: how long resolvers keep NXDOMAIN and NODATA (RFC 2308).
    pub minimum_s: u32,
}

/// `[tcp]`: limits of TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// A connection without a query is closed after this.
    pub idle: Duration,
    /// A message that began must be complete after this.
    pub read: Duration,
    /// Connections of the whole process.
    pub connections_max: u32,
    /// Connections from one address.
    pub connections_per_client_max: u32,
    /// Queries on one connection; none: no cap.
    pub queries_per_connection_max: Option<u32>,
}

/// `[core.N]`: one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// N.
    pub number: usize,
    /// The CPU it runs on.
    pub cpu: usize,
    /// Datagrams received in one batch at most.
    pub batch: usize,
    /// How long to look for datagrams before sleeping.
    pub spin: Duration,
    /// Receive buffer asked of the kernel for each UDP socket.
    pub rcvbuf_bytes: usize,
}

/// What the command line of `containerdns standalone` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standalone {
    /// Folder of the embedded store.
    pub data: PathBuf,
    /// Address of DNS.
    pub dns: SocketAddr,
    /// Address of the REST API.
    pub api: SocketAddr,
    /// Address of the admin server.
    pub admin: SocketAddr,
    /// Authoritative zones.
    pub zones: Vec<Name>,
    /// A zone file to load at every start.
    pub records: Option<PathBuf>,
}

impl Config {
    /// Reads the file at `path`. Fails with every problem found.
    pub fn load(path: &Path) -> Result<Config, Problems> {
        let file = path.display().to_string();
        match read(path) {
            Ok(text) => Config::parse(&file, &text, &cpus::cpus_allowed()),
            Err(message) => Err(Problems(vec![Problem {
                file,
                line: 0,
                key: String::new(),
                message,
            }])),
        }
    }

    /// Reads `text`, called `file` in problems, for a process that may use `cpus`.
    pub fn parse(file: &str, text: &str, cpus: &[usize]) -> Result<Config, Problems> {
        let report = Report::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            report.add(error.span().unwrap_or(0..0), "", error.message().to_owned());
        }
        let config = sections::config(Section::new(&report, table.get_ref()), cpus);
        report.finish()?;
        Ok(config)
    }

    /// The defaults over an embedded store: what `containerdns standalone` serves.
    pub fn standalone(options: &Standalone) -> Config {
        let defaults = Config::parse("defaults", "", &cpus::cpus_allowed());
        let mut config = defaults.expect("the tests hold that the defaults have no problem");
        config.zones.clone_from(&options.zones);
        config.reverse.retain(|zone| !options.zones.contains(zone));
        config.listen = Listen {
            dns: vec![options.dns],
            admin: options.admin,
        };
        config.store.kind = StoreKind::Embedded {
            data: options.data.clone(),
        };
        config
    }
}

/// The whole file, as text.
fn read(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot be read: {error}; name a configuration file");
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > FILE_LEN_MAX {
        return Err(format!(
            "has {length} bytes; a configuration has at most {FILE_LEN_MAX}"
        ));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        format!(
            "is not UTF-8 at byte {}; write TOML",
            error.utf8_error().valid_up_to()
        )
    })
}
