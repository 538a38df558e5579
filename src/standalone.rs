//! `containerdns standalone`: the server and the REST API over the embedded store, in one process,
//! with nothing else installed. The first start writes sample records and a random token;
//! `--records FILE` loads a zone file at every start.
//!
//! This is the one file that may know both the server and the control plane. The API has a thread
//! and a runtime of its own, so that a long list of names delays no change on its way to the cores.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use containerdns_kubeapi::plan::{ProbeMode, Rules};
use containerdns_kubeapi::records::{Layout, Prefixes};
use containerdns_kubeapi::serve::{self as kubeapi, ApiOptions, RunningApi};
use containerdns_kubeapi::tokens::{Keyring, Tokens, TokensError};

use containerdns_schema::format::EncodeError;
use containerdns_schema::rest::Zones;
use containerdns_schema::zonefile::ZonefileError;
use containerdns_schema::{Format, Name};
use containerdns_store::Store;
use containerdns_store::embedded::EmbeddedStore;
use data_encoding::HEXLOWER;
use tokio::sync::oneshot;

use crate::config::{Config, Standalone};
use crate::serve::{self, ServeError, Server};

mod records;

/// The file of the API's token, in the store's folder.
const TOKEN_FILE: &str = "token";
/// The file of the audit trail, in the store's folder.
const AUDIT_FILE: &str = "audit.jsonl";

/// Why `standalone` could not load records, or start the API.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// The zone file cannot be read.
    #[error("records file {}: {source}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The zone file has a bad line.
    #[error("records file {0}")]
    Zonefile(#[from] ZonefileError),
    /// A record has no place in the store.
    #[error("record: {0}")]
    Encode(#[from] EncodeError),
    /// There is no zone.
    #[error("no zone: name one with --zone")]
    NoZone,
    /// The API.
    #[error("api: {0}")]
    Api(#[from] kubeapi::ServeError),
    /// The API's thread.
    #[error("api thread: {0}")]
    Thread(io::Error),
    /// The file of the token.
    #[error("token file {}: {source}", path.display())]
    TokenFile {
        /// In the store's folder.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// What is in it.
    #[error("token file {}: {source}; remove it, and the next start writes another", path.display())]
    Token {
        /// In the store's folder.
        path: PathBuf,
        /// What is wrong.
        source: TokensError,
    },
}

/// What a person is told when the server is ready.
#[derive(Debug)]
pub struct Announcement {
    /// Where DNS is answered.
    pub dns: SocketAddr,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    /// Where the REST API listens.
    pub api: SocketAddr,
    /// The file of its token.
    pub token: PathBuf,
    /// A name that has an answer.
    pub example: Name,
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Announcement {
            dns,
            admin,
            api,
            token,
            example,
        } = self;
        let token = token.display();
        let (address, port) = (dns.ip(), dns.port());
        writeln!(f, "ContainerDNS answers on {dns}. Try:")?;
        writeln!(f, "  dig @{address} -p {port} {example} A")?;
        writeln!(
            f,
            "  curl -H \"Authorization: Bearer $(cat {token})\" http://{api}/containerdns/api"
        )?;
        write!(f, "  curl http://{admin}/stats")
    }
}

/// Serves until the process is told to end; `announce` is called once every core is ready.
pub fn run(options: &Standalone, announce: impl FnOnce(&Announcement)) -> Result<(), ServeError> {
    let config = Config::standalone(options);
    serve::on_sync_thread(async {
        let store: Arc<dyn Store> = EmbeddedStore::open(&options.data)?;
        let example = records::prepare(&*store, &config, options).await?;
        let (token_file, tokens) = token(&options.data)?;
        let server = Server::start(&config, Arc::clone(&store)).await?;
        let api = start_api(store, api_options(&config, options, tokens)).await?;
        server.ready().await;
        let dns = server.dns.first().copied().unwrap_or(options.dns);
        announce(&Announcement {
            dns,
            admin: server.admin,
            api,
            token: token_file,
            example,
        });
        server.until_end().await
    })
}

/// The token of the API: what the folder has, or a new one that only its owner reads.
fn token(data: &Path) -> Result<(PathBuf, Tokens), ServeError> {
    let path = data.join(TOKEN_FILE);
    let failed = |source| StandaloneError::TokenFile {
        path: path.clone(),
        source,
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = HEXLOWER.encode(&serve::random()?);
            write_token(&path, &text).map_err(failed)?;
            text
        }
        Err(error) => return Err(failed(error).into()),
    };
    let tokens = Tokens::single("standalone", text.trim());
    let tokens = tokens.map_err(|source| StandaloneError::Token {
        path: path.clone(),
        source,
    })?;
    Ok((path, tokens))
}

/// Writes the file whole or not at all: a crash must not leave an empty token.
fn write_token(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::rename(unfinished, path)
}

fn api_options(config: &Config, options: &Standalone, tokens: Tokens) -> ApiOptions {
    let defaults = Prefixes::default();
    let prefixes = Prefixes {
        tree: path_of(config, Format::ContainerDns).into(),
        bundles: path_of(config, Format::Bundle).into(),
        health: config
            .store
            .health_prefix
            .clone()
            .unwrap_or(defaults.health),
        changes: defaults.changes,
    };
    let lower = |zones: &[Name]| zones.iter().map(Name::to_lower).collect();
    ApiOptions {
        listen: options.api,
        layout: Layout::new(
            Zones::new(lower(&config.zones), lower(&config.reverse)),
            prefixes,
        ),
        keyring: Keyring::fixed(tokens),
        query_token: false,
        rules: Rules {
            ttl_default_s: config.answer.ttl_default_s,
            cluster: None,
            probe: ProbeMode::Asked,
        },
        audit: Some(options.data.join(AUDIT_FILE)),
        tls: None,
        relist: config.store.relist,
    }
}

/// Starts the API on a thread of its own, which ends with the process; gives its address once it
/// has read the store.
async fn start_api(
    store: Arc<dyn Store>,
    options: ApiOptions,
) -> Result<SocketAddr, StandaloneError> {
    let (started, starting) = oneshot::channel();
    let life = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever waits for it has ended, or is told.
                let _ = started.send(Err(StandaloneError::Thread(error)));
                return;
            }
        };
        runtime.block_on(async {
            let running = match RunningApi::start(store, options).await {
                Ok(running) => running,
                Err(error) => {
                    let _ = started.send(Err(error.into()));
                    return;
                }
            };
            running.ready().await;
            let _ = started.send(Ok(running.address));
            std::future::pending::<()>().await;
        });
    };
    let thread = thread::Builder::new().name("api".into()).spawn(life);
    thread.map_err(StandaloneError::Thread)?;
    let ended = || StandaloneError::Thread(io::Error::other("it ended while starting"));
    starting.await.map_err(|_| ended())?
}

/// The path of the first prefix with this format; the defaults have one of each.
fn path_of(config: &Config, format: Format) -> &str {
    let prefixes = config.store.prefixes.iter();
    let path = prefixes
        .filter(|prefix| prefix.format == format)
        .map(|prefix| &prefix.path[..]);
    path.into_iter().next().unwrap_or_default()
}
