//! Starts the roles of the control plane and serves until told to end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::api::Api;
use crate::api::audit::Trail;
use crate::api::listener::{self, Tls, TlsError};
use crate::config::Config;
use crate::mirror::Mirror;
use crate::plan::Rules;
use crate::records::Layout;
use crate::tokens::{Keyring, TokensError};

/// How often it is looked whether the store has been read.
const READY_LOOK: Duration = Duration::from_millis(5);

/// Why the control plane did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store's options, or its folder.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// Tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Certificates.
    #[error("api.tls: {0}")]
    Tls(#[from] TlsError),
    /// The API's address.
    #[error("api.listen: {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The audit file.
    #[error("api.audit: {}: {source}", path.display())]
    Audit {
        /// As configured.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The runtime or signals.
    #[error("{what}: {source}")]
    Process {
        /// What was asked of the kernel.
        what: &'static str,
        /// Its reason.
        source: io::Error,
    },
}

/// What the API is started with.
#[derive(Debug)]
pub struct ApiOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Zones and where keys are.
    pub layout: Layout,
    /// Who may.
    pub keyring: Arc<Keyring>,
    /// Whether `?token=` is taken.
    pub query_token: bool,
    /// TTLs and clusters of new records.
    pub rules: Rules,
    /// The audit file, if there is one.
    pub audit: Option<PathBuf>,
    /// Certificates, if there are some.
    pub tls: Option<Tls>,
    /// Time between complete lists.
    pub relist: Duration,
}

/// An API that accepts connections.
#[derive(Debug)]
pub struct RunningApi {
    /// Where it listens, port 0 replaced.
    pub address: SocketAddr,
    mirror: Arc<Mirror>,
}

impl RunningApi {
    /// Binds the address and serves on this runtime until it ends.
    ///
    /// # Errors
    /// The address or the audit file cannot be had.
    pub async fn start(
        store: Arc<dyn Store>,
        options: ApiOptions,
    ) -> Result<RunningApi, ServeError> {
        let ApiOptions {
            listen,
            layout,
            keyring,
            query_token,
            rules,
            audit,
            tls,
            relist,
        } = options;
        let trail = match audit {
            None => Trail::default(),
            Some(path) => {
                Trail::to_file(&path).map_err(|source| ServeError::Audit { path, source })?
            }
        };
        let bound = TcpListener::bind(listen).await.map_err(|source| {
            let address = listen;
            ServeError::Listen { address, source }
        })?;
        let address = bound.local_addr().unwrap_or(listen);
        let mirror = Mirror::start(&store, layout, relist);
        let api = Api::new(
            store,
            Arc::clone(&mirror),
            keyring,
            query_token,
            rules,
            trail,
        );
        let encrypted = tls.is_some();
        tokio::spawn(listener::serve(bound, api.router(), tls));
        info!(%address, encrypted, "the API listens");
        Ok(RunningApi { address, mirror })
    }

    /// Waits until the store has been read.
    pub async fn ready(&self) {
        while !self.mirror.is_ready() {
            tokio::time::sleep(READY_LOOK).await;
        }
    }
}

/// Serves `config` until the process is told to end.
///
/// # Errors
/// It cannot be started.
pub fn run(config: &Config) -> Result<(), ServeError> {
    let process = |what| move |source| ServeError::Process { what, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(process("runtime"))?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(process("signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(process("signals"))?;
        let running = RunningApi::start(config.open_store()?, api_options(config)?).await?;
        tokio::select! {
            () = log_when_ready(&running) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("ending");
        Ok(())
    });
    // A call of the store under way must not delay the end.
    runtime.shutdown_background();
    ended
}

async fn log_when_ready(running: &RunningApi) {
    running.ready().await;
    info!("the store has been read");
    std::future::pending().await
}

fn api_options(config: &Config) -> Result<ApiOptions, ServeError> {
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let api = &config.api;
    Ok(ApiOptions {
        listen: api.listen,
        layout: config.layout(),
        keyring: Keyring::of_file(api.tokens.clone())?,
        query_token: api.query_token,
        rules: Rules {
            ttl_default_s: api.ttl_default_s.0,
            cluster: filled(&config.cluster),
        },
        audit: Some(api.audit.clone()).filter(|path| !path.as_os_str().is_empty()),
        tls: config.tls_files().map(Tls::of_files).transpose()?,
        relist: config.relist(),
    })
}
