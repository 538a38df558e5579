//! CPU time of the server under test, read before and after a run on the same machine.
//!
//! The total comes from the CPU clock of the process, exact to the nanosecond and with the
//! threads that have ended. How it divides into user and system comes from /proc/PID/stat, in clock
//! ticks (10 ms), which is enough over a run of seconds.

use std::fs;
use std::io;

use thiserror::Error;

use crate::kernel;

/// CPU time of a process since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTime {
    pub(crate) total_ns: u64,
    pub(crate) user_ns: u64,
    pub(crate) system_ns: u64,
}

/// Why the CPU time of a process cannot be read.
#[derive(Debug, Error)]
pub(crate) enum CpuError {
    #[error("CPU clock of process {pid}")]
    Clock { pid: u32, source: io::Error },
    #[error("/proc/{pid}/stat")]
    Stat { pid: u32, source: io::Error },
    #[error("/proc/{pid}/stat has no user and system time")]
    StatFields { pid: u32 },
}

impl CpuTime {
    pub(crate) fn of_process(pid: u32) -> Result<CpuTime, CpuError> {
        let total_ns =
            kernel::process_cpu_ns(pid).map_err(|source| CpuError::Clock { pid, source })?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_err(|source| CpuError::Stat { pid, source })?;
        let (user, system) = user_and_system_ticks(&stat).ok_or(CpuError::StatFields { pid })?;
        let tick_ns = 1_000_000_000 / kernel::ticks_per_s();
        Ok(CpuTime {
            total_ns,
            user_ns: user * tick_ns,
            system_ns: system * tick_ns,
        })
    }

    /// What was used since `before`.
    pub(crate) fn since(self, before: CpuTime) -> CpuTime {
        CpuTime {
            total_ns: self.total_ns.saturating_sub(before.total_ns),
            user_ns: self.user_ns.saturating_sub(before.user_ns),
            system_ns: self.system_ns.saturating_sub(before.system_ns),
        }
    }
}

/// Fields 14 and 15 of /proc/PID/stat (proc(5)). The second field is the name of the command in
/// parentheses and may hold spaces and parentheses itself, so counting starts after its end.
fn user_and_system_ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_command_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 9 0 0 0 1234 567 0 0 20 0 3 0 99";
        assert_eq!(user_and_system_ticks(stat), Some((1234, 567)));
        assert_eq!(user_and_system_ticks("42 (a) S 1 2"), None);
        assert_eq!(user_and_system_ticks(""), None);
    }

    #[test]
    fn own_time_is_read_and_grows() {
        let pid = std::process::id();
        let before = CpuTime::of_process(pid).expect("of this process");
        let mut after = before;
        while after.total_ns == before.total_ns {
            after = CpuTime::of_process(pid).expect("of this process");
        }
        assert!(after.since(before).total_ns > 0);
        assert_eq!(before.since(after).total_ns, 0);
    }
}
