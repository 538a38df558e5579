//! What a panic on a shard's thread writes: one log line, once in [`LOG_INTERVAL_MS`] at most. The
//! standard hook would look up a backtrace when the environment asks for one, which stalls the core
//! for a tenth of a second for each query that panics; and queries can be repeated at will.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::{THREAD_NAME_PREFIX, panic_message};
use crate::counters::process_ms;

/// Between two lines; the count of all is in the counters.
const LOG_INTERVAL_MS: u64 = 1000;

/// Sets the process's panic hook: the line above for shards, what was set before for the rest.
pub fn set_panic_hook() {
    let others = take_hook();
    set_hook(Box::new(move |info| {
        let thread = thread::current();
        match thread.name() {
            Some(name) if name.starts_with(THREAD_NAME_PREFIX) => log(name, info),
            _ => others(info),
        }
    }));
}

fn log(shard: &str, info: &PanicHookInfo<'_>) {
    static LOG_NEXT_MS: AtomicU64 = AtomicU64::new(0);
    let now_ms = process_ms();
    let log_next = |next_ms| (now_ms >= next_ms).then_some(now_ms + LOG_INTERVAL_MS);
    if LOG_NEXT_MS
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, log_next)
        .is_err()
    {
        return;
    }
    let message = panic_message(info.payload());
    let location = info.location().map(ToString::to_string);
    tracing::error!(shard, message, location, "a panic on a shard");
}
