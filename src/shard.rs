//! A shard: one core's part of the server, alone. A glommio executor pinned to a CPU runs one loop
//! (`turn`) over its own UDP sockets, its TCP connections and the changes that the sync thread
//! sends. Shards share nothing but the limits of TCP connections and immutable records.
//!
//! [`start`] returns when the shard answers. When it ends, for whatever reason, it says so on a
//! channel at once: a dead thread behind SO_REUSEPORT would swallow its share of the queries, so
//! the process must end, too.

mod panics;
pub mod ticks;
pub mod token;
mod turn;
mod waker;

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

pub use self::panics::set_panic_hook;
use self::turn::{Setup, Turns};
pub use self::waker::Waker;
use crate::counters::ShardCounters;
use crate::delta::Delta;
use crate::kernel;
use crate::listen::ShardSockets;
use crate::responder::Responder;
use crate::tcp::TcpOptions;

/// Between heartbeats.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// Datagrams of one batch at most; more gains nothing over 32.
pub const BATCH_MAX: usize = 64;

/// Registered memory of the executor: the least it takes. Nothing of ours uses it.
const RING_MEMORY_BYTES: usize = 64 << 10;

/// Locked memory that glommio insists on.
const MEMLOCK_MIN_BYTES: u64 = 512 << 10;

/// Never in practice: the executor's own preemption can hang it when it fires before the first
/// task ran. The loop makes room for others itself.
const PREEMPT_INTERVAL: Duration = Duration::from_secs(10);

/// A shard's thread is named by this and its number.
const THREAD_NAME_PREFIX: &str = "shard-";

/// How long a shard may take to start.
const START_MAX: Duration = Duration::from_secs(10);

/// How a shard is to run.
#[derive(Debug, Clone)]
pub struct ShardOptions {
    /// Its number, from 0.
    pub id: usize,
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// Datagrams received and sent at once, 1 to [`BATCH_MAX`].
    pub batch: usize,
    /// How long to look for the next datagram before sleeping, in microseconds.
    pub spin_us: u64,
    /// Octets of the largest UDP response.
    pub udp_payload_max: usize,
    /// TCP connections.
    pub tcp: TcpOptions,
    /// Deltas that wait for the shard at most.
    pub deltas_max: usize,
}

/// Why a shard did not start or did not live.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A seccomp profile or a sysctl.
    #[error(
        "io_uring is not permitted: allow io_uring_setup, io_uring_enter and io_uring_register in \
         the container's seccomp profile and set kernel.io_uring_disabled=0"
    )]
    RingsRefused,
    /// The kernel has no io_uring, or it failed otherwise.
    #[error("io_uring is not available (Linux 5.8 or later has it): {source}")]
    RingsMissing {
        /// The kernel's reason.
        source: io::Error,
    },
    /// RLIMIT_MEMLOCK.
    #[error(
        "the limit of locked memory is {limit_bytes} octets and a shard needs {MEMLOCK_MIN_BYTES}: \
         raise it with `ulimit -l 512`, or LimitMEMLOCK=512K in the systemd unit"
    )]
    Memlock {
        /// The limit now.
        limit_bytes: u64,
    },
    /// An option out of range.
    #[error("batch is {batch}, but must be 1 to {BATCH_MAX}")]
    Batch {
        /// As given.
        batch: usize,
    },
    /// The executor could not be made: most often a CPU that the process may not use.
    #[error("shard {id} has no executor on CPU {}: {reason}", cpu_name(.cpu))]
    Executor {
        /// The shard.
        id: usize,
        /// The CPU asked for.
        cpu: Option<usize>,
        /// What glommio said.
        reason: String,
    },
    /// The thread could not be made.
    #[error("shard {id} has no thread: {source}")]
    Thread {
        /// The shard.
        id: usize,
        /// The kernel's reason.
        source: io::Error,
    },
    /// It hung while starting.
    #[error("shard {id} did not start within {} s", START_MAX.as_secs())]
    StartTimeout {
        /// The shard.
        id: usize,
    },
    /// The executor's reactor failed.
    #[error("the executor's reactor failed: {reason}")]
    Reactor {
        /// What glommio said.
        reason: String,
    },
    /// epoll, ppoll or an eventfd failed.
    #[error("waiting for work failed: {source}")]
    Epoll {
        /// The kernel's reason.
        source: io::Error,
    },
    /// A panic outside of answering a query.
    #[error("shard {id} panicked: {message}")]
    Panicked {
        /// The shard.
        id: usize,
        /// The panic's message.
        message: String,
    },
}

fn cpu_name(cpu: &Option<usize>) -> String {
    cpu.map_or_else(|| "any".to_owned(), |cpu| cpu.to_string())
}

/// The end of a shard.
#[derive(Debug)]
pub struct ShardEnd {
    /// Which.
    pub id: usize,
    /// `Ok` when it was stopped.
    pub result: Result<(), ShardError>,
}

/// A running shard, as the rest of the process holds it.
#[derive(Debug)]
pub struct ShardHandle {
    /// Its number.
    pub id: usize,
    /// Where changes go; call [`Waker::wake`] after sending.
    pub deltas: Sender<Arc<Delta>>,
    /// Wakes it.
    pub waker: Waker,
    /// What it counts.
    pub counters: Arc<ShardCounters>,
    thread: JoinHandle<()>,
}

impl ShardHandle {
    /// Has the shard answer what had come, close its sockets and end; does not wait.
    pub fn ask_to_stop(&self) {
        self.waker.stop();
    }

    /// Whether its thread has ended.
    pub fn is_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Has the shard answer what had come, close its sockets and end; waits for that. The result is
    /// on the channel given to [`start`].
    pub fn stop(self) {
        self.waker.stop();
        // The thread catches its panics and reports them: there is nothing to learn from this.
        let _ = self.thread.join();
    }
}

/// Starts a shard on its own thread and returns when it runs. `make_responder` is called on that
/// thread, so that its memory is local to the core. The end of the shard is sent to `ended`, which
/// needs room for one message of each shard.
pub fn start<R: Responder>(
    options: ShardOptions,
    sockets: ShardSockets,
    ended: tokio::sync::mpsc::Sender<ShardEnd>,
    make_responder: impl FnOnce(Arc<ShardCounters>) -> R + Send + 'static,
) -> Result<ShardHandle, ShardError> {
    check(&options)?;
    let id = options.id;
    let counters = Arc::<ShardCounters>::default();
    let waker = Waker::new().map_err(|source| ShardError::Epoll { source })?;
    let (deltas, received) = crossbeam_channel::bounded(options.deltas_max);
    let (started, start) = sync_channel(1);
    let shard = Starting {
        options,
        sockets,
        deltas: received,
        waker: waker.clone(),
        started,
    };
    let shard_counters = Arc::clone(&counters);
    let body = move || shard.run(shard_counters, ended, make_responder);
    let thread = std::thread::Builder::new()
        .name(format!("{THREAD_NAME_PREFIX}{id}"))
        .spawn(body)
        .map_err(|source| ShardError::Thread { id, source })?;
    match start.recv_timeout(START_MAX) {
        Ok(Ok(())) => Ok(ShardHandle {
            id,
            deltas,
            waker,
            counters,
            thread,
        }),
        Ok(Err(error)) => Err(error),
        Err(RecvTimeoutError::Timeout) => Err(ShardError::StartTimeout { id }),
        Err(RecvTimeoutError::Disconnected) => Err(ShardError::Panicked {
            id,
            message: "while starting".to_owned(),
        }),
    }
}

/// What can be known to fail before a thread is made.
fn check(options: &ShardOptions) -> Result<(), ShardError> {
    if !(1..=BATCH_MAX).contains(&options.batch) {
        return Err(ShardError::Batch {
            batch: options.batch,
        });
    }
    kernel::probe_io_uring().map_err(|source| match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => ShardError::RingsRefused,
        _ => ShardError::RingsMissing { source },
    })?;
    // A failing getrlimit says nothing about the limit: glommio will.
    let limit_bytes = kernel::memlock_limit_bytes().unwrap_or(MEMLOCK_MIN_BYTES);
    if limit_bytes < MEMLOCK_MIN_BYTES {
        return Err(ShardError::Memlock { limit_bytes });
    }
    Ok(())
}

/// A shard on its way to its thread.
struct Starting {
    options: ShardOptions,
    sockets: ShardSockets,
    deltas: crossbeam_channel::Receiver<Arc<Delta>>,
    waker: Waker,
    started: SyncSender<Result<(), ShardError>>,
}

impl Starting {
    /// The whole life of the thread.
    fn run<R: Responder>(
        self,
        counters: Arc<ShardCounters>,
        ended: tokio::sync::mpsc::Sender<ShardEnd>,
        make_responder: impl FnOnce(Arc<ShardCounters>) -> R,
    ) {
        let Starting {
            options,
            sockets,
            deltas,
            waker,
            started,
        } = self;
        let id = options.id;
        let (executor, rings) = match make_executor(id, options.cpu) {
            Ok(made) => made,
            Err(error) => {
                // The receiver waits for this unless it gave the start up.
                let _ = started.try_send(Err(error));
                return;
            }
        };
        if let Err(error) = kernel::take_short_turns() {
            tracing::warn!(shard = id, %error, "no short turns: other programs may delay answers");
        }
        let running = Cell::new(false);
        let life = async {
            let responder = make_responder(Arc::clone(&counters));
            let setup = Setup {
                options,
                sockets,
                deltas,
                waker,
                counters,
                rings,
            };
            let turns = Turns::new(setup, responder).await?;
            let _ = started.try_send(Ok(()));
            running.set(true);
            turns.run().await
        };
        let result =
            catch_unwind(AssertUnwindSafe(|| executor.run(life))).unwrap_or_else(|panic| {
                Err(ShardError::Panicked {
                    id,
                    message: panic_message(&*panic),
                })
            });
        if running.get() {
            // Full means that the process knows already of another end, closed that it is ending.
            let _ = ended.try_send(ShardEnd { id, result });
        } else {
            let _ = started.try_send(result);
        }
    }
}

/// Makes the executor of this thread, and finds its rings: they are the ones that appear meanwhile,
/// so one thread at a time does this.
fn make_executor(id: usize, cpu: Option<usize>) -> Result<(LocalExecutor, Vec<RawFd>), ShardError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = |reason: String| ShardError::Executor { id, cpu, reason };
    let rings = || kernel::ring_descriptors().map_err(|error| failed(error.to_string()));
    let before = rings()?;
    let executor = LocalExecutorBuilder::new(cpu.map_or(Placement::Unbound, Placement::Fixed))
        .io_memory(RING_MEMORY_BYTES)
        .preempt_timer(PREEMPT_INTERVAL)
        .make()
        .map_err(|error| failed(error.to_string()))?;
    let mut ours = rings()?;
    ours.retain(|ring| !before.contains(ring));
    Ok((executor, ours))
}

/// The message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal
        .or_else(|| panic.downcast_ref().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
