//! Passes through the executor's reactor, without which its timers and its I/O stand still: the
//! loop's task never ends and never parks, so it has to make room on purpose. A tick is a read of
//! one octet of /dev/zero through the reactor: it submits and completes in one pass, about 12 us.
//!
//! Tasks that use the reactor are spawned by [`Ticks::spawn_slow`]. A tick is due when one of them
//! ran since the last (it may have queued I/O that is not submitted yet), when the executor wants
//! one, and every [`TICK_INTERVAL`] while any lives. Connections of `tcp` do not use the reactor.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use glommio::io::BufferedFile;

use super::HEARTBEAT_INTERVAL;
use super::ShardError;

/// Between ticks while slow tasks live. Rarer makes them slow, four times as often costs 10% of a
/// saturated core.
const TICK_INTERVAL: Duration = Duration::from_millis(1);

/// The longest sleep while slow tasks live: their timers fire on ticks only.
const SLEEP_MAX_SLOW: Duration = Duration::from_millis(5);

/// The longest sleep otherwise: the heartbeat's timer needs a tick, too.
const SLEEP_MAX: Duration = HEARTBEAT_INTERVAL;

/// When to tick. See the module.
#[derive(Debug)]
pub struct Ticks {
    zero: BufferedFile,
    slow_live: Cell<usize>,
    wanted: Cell<bool>,
    ticked_at: Cell<Instant>,
}

impl Ticks {
    /// On the executor that runs.
    pub async fn new() -> Result<Rc<Ticks>, ShardError> {
        let zero = BufferedFile::open("/dev/zero").await;
        Ok(Rc::new(Ticks {
            zero: zero.map_err(|error| ShardError::Reactor {
                reason: error.to_string(),
            })?,
            slow_live: Cell::new(0),
            wanted: Cell::new(true),
            ticked_at: Cell::new(Instant::now()),
        }))
    }

    /// Spawns a task that uses the executor's timers or I/O.
    pub fn spawn_slow<T: 'static>(
        self: &Rc<Self>,
        future: impl Future<Output = T> + 'static,
    ) -> glommio::Task<T> {
        self.slow_live.set(self.slow_live.get() + 1);
        self.want();
        glommio::spawn_local(Slow {
            future: Box::pin(future),
            live: Live(Rc::clone(self)),
        })
    }

    /// Has the next turn tick: the reactor has something to do or to tell.
    pub fn want(&self) {
        self.wanted.set(true);
    }

    /// Whether a tick is due before the loop may sleep.
    pub fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// Whether a tick is due.
    pub fn is_due(&self, now: Instant) -> bool {
        let interval = if self.slow_live.get() > 0 {
            TICK_INTERVAL
        } else {
            SLEEP_MAX
        };
        self.wanted.get()
            || now.duration_since(self.ticked_at.get()) >= interval
            || glommio::executor().need_preempt()
    }

    /// How long the loop may sleep.
    pub fn sleep_max(&self) -> Duration {
        if self.slow_live.get() > 0 {
            SLEEP_MAX_SLOW
        } else {
            SLEEP_MAX
        }
    }

    /// Ticks.
    pub async fn tick(&self) -> Result<(), ShardError> {
        self.wanted.set(false);
        let read = self.zero.read_at(0, 1).await;
        self.ticked_at.set(Instant::now());
        read.map_err(|error| ShardError::Reactor {
            reason: error.to_string(),
        })?;
        Ok(())
    }
}

/// One slow task among the living.
struct Live(Rc<Ticks>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.slow_live.set(self.0.slow_live.get() - 1);
    }
}

/// A slow task: each poll of it wants a tick.
struct Slow<F> {
    future: Pin<Box<F>>,
    live: Live,
}

impl<F: Future> Future for Slow<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.live.0.want();
        self.future.as_mut().poll(context)
    }
}

/// Lets every task that is runnable now run once, without a pass through the reactor.
pub(super) async fn run_others() {
    let mut yielded = false;
    let mut once = pin!(std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    once.as_mut().await;
}

#[cfg(test)]
mod tests {
    use glommio::LocalExecutorBuilder;
    use glommio::timer::sleep;

    use super::*;

    /// Runs a loop that is always busy until `done`, as a saturated shard does.
    async fn busy_until(ticks: &Ticks, done: &Cell<bool>) {
        while !done.get() {
            if ticks.is_due(Instant::now()) {
                ticks.tick().await.expect("a tick");
            }
        }
    }

    #[test]
    fn timers_of_slow_tasks_fire_beside_a_loop_that_never_sleeps() {
        let executor = LocalExecutorBuilder::default()
            .preempt_timer(Duration::from_secs(10))
            .make()
            .expect("an executor");
        executor.run(async {
            let ticks = Ticks::new().await.expect("ticks");
            assert_eq!(ticks.sleep_max(), SLEEP_MAX);
            let done = Rc::new(Cell::new(false));
            let finished = Rc::clone(&done);
            let task = ticks.spawn_slow(async move {
                for _ in 0..20 {
                    sleep(Duration::from_millis(1)).await;
                }
                finished.set(true);
            });
            assert_eq!(ticks.sleep_max(), SLEEP_MAX_SLOW);
            let start = Instant::now();
            busy_until(&ticks, &done).await;
            // Without ticks each sleep would take the 10 s of the executor's own preemption.
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{:?}",
                start.elapsed()
            );
            task.await;
            assert_eq!(ticks.sleep_max(), SLEEP_MAX, "none lives");
        });
    }
}
