//! Starts the roles of the control plane and serves until told to end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use containerdns_store::{Store, StoreError};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::admin::{self, Admin};
use crate::api::Api;
use crate::api::audit::Trail;
use crate::api::listener::{self, Tls, TlsError};
use crate::config::Config;
use crate::kubernetes::controller;
use crate::kubernetes::metrics::Metrics;
use crate::mirror::Mirror;
use crate::plan::Rules;
use crate::prober;
use crate::records::Layout;
use crate::role::Running;
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
    /// The admin server's address.
    #[error("admin.listen: {address}: {source}")]
    ListenAdmin {
        /// As configured.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
    /// How to reach the Kubernetes API.
    #[error("kubernetes.kubeconfig: {0}")]
    Kubernetes(String),
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
        let (api, roles) = start(config).await?;
        tokio::select! {
            () = log_when_ready(api) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("ending");
        for role in roles {
            role.end().await;
        }
        Ok(())
    });
    // A call of the store under way must not delay the end.
    runtime.shutdown_background();
    ended
}

/// Starts the roles that `config` asks for, and what shows how they are.
async fn start(config: &Config) -> Result<(Option<RunningApi>, Vec<Running>), ServeError> {
    let store = config.open_store()?;
    let mut registry = Registry::default();
    let api = match config.api.enabled {
        true => Some(RunningApi::start(Arc::clone(&store), api_options(config)?).await?),
        false => None,
    };
    let mut roles = Vec::new();
    if config.kubernetes.enabled {
        let client = kubernetes_client(&config.kubernetes.kubeconfig).await?;
        let options = config.kubernetes_options(identity());
        let metrics = Metrics::new(&mut registry);
        let store = Arc::clone(&store);
        roles.push(controller::start(client, store, options, metrics));
    }
    if config.prober.enabled {
        let settings = config.prober_settings(identity());
        let metrics = prober::metrics::Metrics::new(&mut registry);
        roles.push(prober::start(&store, settings, metrics));
    }
    let address = config.admin.listen;
    let bound = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::ListenAdmin { address, source })?;
    let admin = Admin {
        registry,
        roles: roles.iter().map(|role| role.status.clone()).collect(),
        mirror: api.as_ref().map(|api| Arc::clone(&api.mirror)),
    };
    tokio::spawn(listener::serve(bound, admin::router(admin), None));
    Ok((api, roles))
}

/// A client of the cluster that the file names; without a file, of the one that this process is a
/// pod of, else of the one that the environment names. Tokens in files are read again by it.
async fn kubernetes_client(kubeconfig: &Path) -> Result<Client, ServeError> {
    let failed = |error: &dyn std::error::Error| ServeError::Kubernetes(error.to_string());
    let config = if !kubeconfig.as_os_str().is_empty() {
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| failed(&error))?;
        kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .map_err(|error| failed(&error))?
    } else if let Ok(config) = kube::Config::incluster() {
        config
    } else {
        kube::Config::infer()
            .await
            .map_err(|error| failed(&error))?
    };
    Client::try_from(config).map_err(|error| failed(&error))
}

/// This process among the control planes of a cluster: host and process.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

async fn log_when_ready(api: Option<RunningApi>) {
    if let Some(api) = api {
        api.ready().await;
        info!("the store has been read");
    }
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
            probe: api.probe,
        },
        audit: Some(api.audit.clone()).filter(|path| !path.as_os_str().is_empty()),
        tls: config.tls_files().map(Tls::of_files).transpose()?,
        relist: config.relist(),
    })
}
