//! Starting the parts, watching over them, ending them: `containerdns serve`.
//!
//! The calling thread becomes the sync thread: a tokio runtime of one thread that runs `sync`, the
//! admin server and the watch over the shards. A shard that ends or hangs ends the process, because
//! its socket would go on taking its share of the queries.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use containerdns_store::embedded::EmbeddedStore;
use containerdns_store::etcd::EtcdStore;
use containerdns_store::{Store, StoreError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::admin::{self, AdminState, Metric, MetricKind, Sample};
use crate::config::{Config, StoreKind};
use crate::counters::{self, ShardCounters};
use crate::fan_out::{self, FanOut};
use crate::kernel;
use crate::listen::{self, ListenError};
use crate::model::Model;
use crate::plan::{self, Plan};
use crate::shard::{self, ShardEnd, ShardError, ShardHandle};
use crate::sync::{Sync, SyncStatus};
use crate::views::Views;
use crate::world::World;

/// A shard beats every 100 ms; after this without a beat it hangs.
const HANG_MS: u64 = 2_000;
/// How often the beats are looked at. Two looks in a row must find a shard hung: after the whole
/// process was stopped for a while, the shards get their turn between them.
const LOOK: Duration = Duration::from_millis(500);

/// How long the end may take.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A DNS address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin address.
    #[error("admin address {address}: {source}")]
    Admin {
        /// As configured.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A shard did not start.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A shard ended by itself.
    #[error("shard {id} ended: {reason}")]
    ShardEnded {
        /// Which.
        id: usize,
        /// Why.
        reason: String,
    },
    /// A shard stopped turning.
    #[error("shard {id} hangs: no turn of its loop in more than {HANG_MS} ms")]
    ShardHangs {
        /// Which.
        id: usize,
    },
    /// The sync task panicked: records would stand still for ever.
    #[error("sync task ended: {reason}")]
    SyncEnded {
        /// How.
        reason: String,
    },
    /// The store's options.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The runtime, signals or random numbers.
    #[error("{what}: {source}")]
    Process {
        /// What was asked of the kernel.
        what: &'static str,
        /// Its reason.
        source: io::Error,
    },
    /// The records of `standalone`.
    #[error(transparent)]
    Standalone(#[from] crate::standalone::StandaloneError),
}

/// Serves `config` until the process is told to end.
pub fn run(config: &Config) -> Result<(), ServeError> {
    on_sync_thread(async {
        let store: Arc<dyn Store> = match &config.store.kind {
            StoreKind::Etcd(etcd) => EtcdStore::connect(plan::etcd_options(etcd))?,
            StoreKind::Embedded { data } => EmbeddedStore::open(data)?,
        };
        Server::start(config, store).await?.until_end().await
    })
}

/// Runs `life` on this thread, which becomes the sync thread.
pub(crate) fn on_sync_thread(
    life: impl Future<Output = Result<(), ServeError>>,
) -> Result<(), ServeError> {
    counters::process_ms();
    shard::set_panic_hook();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ServeError::Process {
            what: "runtime",
            source,
        })?;
    let ended = runtime.block_on(life);
    // A snapshot being written or a store call under way must not delay the end.
    runtime.shutdown_background();
    ended
}

/// All parts, running.
pub struct Server {
    /// Where DNS is answered, port 0 replaced.
    pub dns: Vec<SocketAddr>,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    shards: Vec<ShardHandle>,
    ended: mpsc::Receiver<ShardEnd>,
    sync: JoinHandle<()>,
}

impl Server {
    /// Binds all sockets, starts the shards, and the sync and admin tasks on this thread's runtime.
    pub async fn start(config: &Config, store: Arc<dyn Store>) -> Result<Server, ServeError> {
        let plan = Plan::new(config, random()?);
        let buffers: Vec<usize> = config.cores.iter().map(|core| core.rcvbuf_bytes).collect();
        let sockets = listen::bind_all(
            &config.listen.dns,
            &buffers,
            config.answer.udp_payload_max.into(),
        )?;
        let dns = sockets
            .first()
            .map(|sockets| sockets.addresses.clone())
            .unwrap_or_default();
        let address = config.listen.admin;
        let admin = TcpListener::bind(address).await;
        let admin = admin.map_err(|source| ServeError::Admin { address, source })?;
        let bound = admin.local_addr().unwrap_or(address);
        let (sender, ended) = mpsc::channel(plan.shards.len());
        let mut shards = Vec::new();
        for (options, sockets) in plan.shards.into_iter().zip(sockets) {
            let settings = plan.settings.clone();
            let seed = u64::from_le_bytes(random()?[..8].try_into().unwrap_or_default());
            let make_world =
                move |counters: Arc<ShardCounters>| World::new(settings, seed, counters);
            shards.push(shard::start(options, sockets, sender.clone(), make_world)?);
        }
        let cores = shards.iter().map(|shard| {
            let waker = shard.waker.clone();
            fan_out::Core::new(shard.deltas.clone(), Box::new(move || waker.wake()))
        });
        let status = Arc::new(SyncStatus::with_views(config.views.len()));
        let sync = Sync::new(
            store,
            plan.routes,
            Model::new(plan.model),
            FanOut::new(cores.collect()),
            Arc::clone(&status),
            plan.sync,
        );
        let sync = tokio::spawn(sync.run());
        // Shards have threads of their own by now.
        if let Err(error) = kernel::give_way() {
            warn!(%error, "the sync thread cannot give way to the shards");
        }
        let state = AdminState {
            shards: shards
                .iter()
                .map(|shard| Arc::clone(&shard.counters))
                .collect(),
            started: counters::process_start(),
            sync: {
                let views = Arc::clone(&plan.settings.clients.views);
                Arc::new(move || sync_metrics(&status, &views))
            },
        };
        tokio::spawn(admin::serve(admin, state));
        info!(?dns, admin = %bound, shards = shards.len(), "listening");
        Ok(Server {
            dns,
            admin: bound,
            shards,
            ended,
            sync,
        })
    }

    /// Waits until every core holds the first complete list.
    pub async fn ready(&self) {
        while self.ended.is_empty()
            && self
                .shards
                .iter()
                .any(|shard| shard.counters.ready.get() == 0)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Watches over the shards until the process is told to end, or must.
    pub async fn until_end(mut self) -> Result<(), ServeError> {
        let failed = |source| ServeError::Process {
            what: "signals",
            source,
        };
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let end = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            end = self.ended.recv() => end,
            end = &mut self.sync => {
                let reason = end.err().map_or_else(|| "it returned".into(), |end| end.to_string());
                return Err(ServeError::SyncEnded { reason });
            }
            id = hung_shard(&self.shards) => return Err(ServeError::ShardHangs { id }),
        };
        match end {
            None => {
                info!("ending");
                stop(&self.shards).await;
                Ok(())
            }
            Some(ShardEnd { id, result }) => Err(ServeError::ShardEnded {
                id,
                reason: result
                    .err()
                    .map_or_else(|| "stopped".into(), |error| error.to_string()),
            }),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("dns", &self.dns)
            .finish_non_exhaustive()
    }
}

/// Has all shards answer what had come and end; one that hangs is not waited for.
async fn stop(shards: &[ShardHandle]) {
    shards.iter().for_each(ShardHandle::ask_to_stop);
    let ended = async {
        while !shards.iter().all(ShardHandle::is_ended) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(STOP_MAX, ended).await.is_err() {
        warn!("a shard did not end in time");
    }
}

/// Returns when a shard has hung for two looks in a row.
async fn hung_shard(shards: &[ShardHandle]) -> usize {
    let mut suspect = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let now_ms = counters::process_ms();
        let hung = |shard: &&ShardHandle| {
            now_ms.saturating_sub(shard.counters.heartbeat_ms.get()) > HANG_MS
        };
        let hung = shards.iter().find(hung).map(|shard| shard.id);
        match hung {
            Some(id) if suspect == hung => return id,
            _ => suspect = hung,
        }
    }
}

fn sync_metrics(status: &SyncStatus, views: &Views) -> Vec<Metric> {
    let staleness = Metric::gauge(
        "containerdns_sync_staleness_seconds",
        "Time since the store was last known to answer; 0 while it does.",
        status.staleness_s(),
    );
    let numbers = status.numbers().into_iter();
    numbers
        .map(|number| match number.grows {
            true => Metric::counter(number.name, number.help, number.value as f64),
            false => Metric::gauge(number.name, number.help, number.value as f64),
        })
        .chain([staleness])
        .chain(view_names(status, views))
        .collect()
}

/// How many names each view has, where there are views.
fn view_names(status: &SyncStatus, views: &Views) -> Option<Metric> {
    let counts = views.names().iter().zip(&status.view_names);
    let samples = counts.map(|(view, count)| Sample {
        labels: vec![("view", view.clone())],
        value: count.load(Relaxed) as f64,
    });
    let samples: Vec<Sample> = samples.collect();
    (!samples.is_empty()).then_some(Metric {
        name: "containerdns_sync_view_names",
        kind: MetricKind::Gauge,
        help: "Names of the view, counted as names are.",
        samples,
    })
}

/// Random octets from the kernel.
pub(crate) fn random() -> Result<[u8; 16], ServeError> {
    let mut octets = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut octets))
        .map_err(|source| ServeError::Process {
            what: "/dev/urandom",
            source,
        })?;
    Ok(octets)
}
