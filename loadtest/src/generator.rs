//! What the generator itself used and lacked in a run, and whether its figures can be trusted.
//!
//! A generator that is short of CPU time measures itself. Four things tell: the share of its turns
//! that found work (it polls, so its CPU time alone says little), the time it was ready to run but
//! did not (the scheduler's own count), CPU time that a hypervisor took, and answers that overran
//! its own receive buffers. All are read before and after the run; the loop only adds two times.

use std::fs;
use std::time::Instant;

use serde::Serialize;
use socket2::Socket;

use crate::kernel;
use crate::stats::rounded;

/// From here on the generator is taken to be at its limit. When it is behind, the CPU time must be
/// full as well: a CPU that was taken away is another warning.
const CPU_PERCENT_FULL: f64 = 95.0;
const BUSY_PERCENT_FULL: f64 = 99.0;
/// Below this, a generator that is behind was held up, and neither side of a closed loop is at
/// its limit.
const BUSY_PERCENT_FREE: f64 = 90.0;
/// Of the run's time: waiting for the CPU, or having it stolen, for more than this shows in the
/// tail of the latencies.
const SHARED_PERCENT_MAX: f64 = 0.1;
/// In a short run less than this is not worth a word.
const SHARED_MS_MIN: f64 = 5.0;
/// Stands in for the time of waiting where the kernel does not tell it.
const SWITCHES_PER_S_MAX: f64 = 50.0;
const NS_PER_MS: f64 = 1e6;

/// How the time of the loop divides, while there is still something to send.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last_ns: u64,
    working_ns: u64,
    idle_ns: u64,
}

impl Turns {
    /// A turn, or a sleep, ended at `now_ns`; `packets` were sent or received in it.
    pub(crate) fn note(&mut self, now_ns: u64, packets: usize) {
        let time_ns = now_ns - self.last_ns;
        self.last_ns = now_ns;
        match packets {
            0 => self.idle_ns += time_ns,
            _ => self.working_ns += time_ns,
        }
    }

    fn busy_percent(&self) -> f64 {
        percent(
            self.working_ns as f64,
            (self.working_ns + self.idle_ns) as f64,
        )
    }
}

/// The clocks of this thread at one time.
pub(crate) struct Clocks {
    wall: Instant,
    usage: kernel::ThreadUsage,
    /// How long this thread was ready to run but did not.
    waited_ns: Option<u64>,
    /// What a hypervisor took from all CPUs.
    stolen_ns: Option<u64>,
}

/// What the generator used and lacked.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Generator {
    #[serde(skip)]
    wall_s: f64,
    /// Polling counts as using the CPU.
    pub(crate) generator_cpu_percent: f64,
    /// Of the time of the loop, that of turns that sent or received something.
    pub(crate) generator_busy_percent: f64,
    pub(crate) generator_involuntary_switches: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generator_waited_for_cpu_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stolen_cpu_ms: Option<f64>,
    /// Packets that arrived when the receive buffer was full: lost here, not by the server.
    pub(crate) dropped_by_generator: u64,
}

/// What a run was, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) is_open: bool,
    /// Too much was sent late, or not at all.
    pub(crate) is_behind: bool,
    pub(crate) lost: u64,
    /// CPU time of the server in the run, when its process is known.
    pub(crate) server_cpu_ns: Option<u64>,
}

impl Clocks {
    pub(crate) fn read() -> std::io::Result<Clocks> {
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat");
        let stat = fs::read_to_string("/proc/stat");
        let tick_ns = 1_000_000_000 / kernel::ticks_per_s();
        Ok(Clocks {
            wall: Instant::now(),
            usage: kernel::thread_usage()?,
            waited_ns: schedstat.ok().and_then(|text| waited_ns(&text)),
            stolen_ns: stat
                .ok()
                .and_then(|text| stolen_ticks(&text))
                .map(|ticks| ticks * tick_ns),
        })
    }

    /// What happened since `before`, in `turns` turns.
    pub(crate) fn since(&self, before: &Clocks, turns: &Turns, dropped: u64) -> Generator {
        let wall_s = (self.wall - before.wall).as_secs_f64();
        let cpu_s = self
            .usage
            .cpu
            .saturating_sub(before.usage.cpu)
            .as_secs_f64();
        let ms = |after: Option<u64>, before: Option<u64>| {
            let ns = after?.saturating_sub(before?);
            Some(rounded(ns as f64 / NS_PER_MS, 10.0))
        };
        Generator {
            wall_s,
            generator_cpu_percent: percent(cpu_s, wall_s),
            generator_busy_percent: turns.busy_percent(),
            generator_involuntary_switches: self.usage.involuntary_switches
                - before.usage.involuntary_switches,
            generator_waited_for_cpu_ms: ms(self.waited_ns, before.waited_ns),
            stolen_cpu_ms: ms(self.stolen_ns, before.stolen_ns),
            dropped_by_generator: dropped,
        }
    }
}

/// The second field of /proc/PID/schedstat: time spent waiting on a run queue, in ns.
fn waited_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The eighth value of the first line of /proc/stat (proc(5)): steal of all CPUs.
fn stolen_ticks(stat: &str) -> Option<u64> {
    let all = stat.lines().next()?.strip_prefix("cpu ")?;
    all.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// What arrived at these sockets and found no room.
pub(crate) fn dropped<'a>(sockets: impl Iterator<Item = &'a Socket>) -> u64 {
    sockets
        .map(|socket| kernel::drops(socket).map_or(0, u64::from))
        .sum()
}

fn percent(part: f64, whole: f64) -> f64 {
    match whole > 0.0 {
        true => rounded(part * 100.0 / whole, 10.0).min(100.0),
        false => 0.0,
    }
}

impl Generator {
    /// Why the figures of a run may say more about the generator than about the server.
    pub(crate) fn warnings(&self, ran: Ran) -> Vec<String> {
        [
            self.cpu_saturated(ran),
            self.too_few_outstanding(ran),
            self.overrun(ran),
            self.cpu_shared(),
            self.cpu_stolen(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn cpu_saturated(&self, ran: Ran) -> Option<String> {
        let (cpu, busy) = (self.generator_cpu_percent, self.generator_busy_percent);
        if ran.is_open && ran.is_behind && cpu > CPU_PERCENT_FULL && busy > BUSY_PERCENT_FREE {
            return Some(format!(
                "generator's CPU saturated (work in {busy}% of the time): use several processes"
            ));
        }
        let is_limit = !ran.is_open && busy >= BUSY_PERCENT_FULL;
        is_limit.then(|| {
            format!(
                "generator's CPU is the limit (work in {busy}% of the time): use several processes"
            )
        })
    }

    fn too_few_outstanding(&self, ran: Ran) -> Option<String> {
        let server = percent(ran.server_cpu_ns? as f64 / 1e9, self.wall_s);
        let busy = self.generator_busy_percent;
        let is_free = !ran.is_open && busy < BUSY_PERCENT_FREE && server < BUSY_PERCENT_FREE;
        is_free.then(|| {
            format!(
                "neither server (CPU {server}%) nor generator (busy {busy}%) full: \
                 raise --outstanding"
            )
        })
    }

    fn overrun(&self, ran: Ran) -> Option<String> {
        let dropped = self.dropped_by_generator;
        (dropped > 0).then(|| {
            format!(
                "{dropped} packets overran the generator's own buffers ({} lost in all): \
                 take more --sockets",
                ran.lost
            )
        })
    }

    fn cpu_shared(&self) -> Option<String> {
        let switches = self.generator_involuntary_switches;
        let is_shared = match self.generator_waited_for_cpu_ms {
            Some(ms) => self.is_too_much(ms),
            None => switches as f64 > SWITCHES_PER_S_MAX * self.wall_s,
        };
        let waited = match self.generator_waited_for_cpu_ms {
            Some(ms) => format!(", {ms} ms spent waiting for it"),
            None => String::new(),
        };
        is_shared
            .then(|| format!("generator's CPU was shared: {switches} involuntary switches{waited}"))
    }

    fn cpu_stolen(&self) -> Option<String> {
        let stolen_ms = self.stolen_cpu_ms.filter(|&ms| self.is_too_much(ms))?;
        Some(format!(
            "a hypervisor took {stolen_ms} ms of the CPUs of this machine"
        ))
    }

    fn is_too_much(&self, ms: f64) -> bool {
        ms > (self.wall_s * 1e3 * SHARED_PERCENT_MAX / 100.0).max(SHARED_MS_MIN)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// A generator of 2 s that lacked nothing.
    pub(crate) fn rested() -> Generator {
        Generator {
            wall_s: 2.0,
            generator_cpu_percent: 98.0,
            generator_busy_percent: 40.0,
            generator_involuntary_switches: 3,
            generator_waited_for_cpu_ms: Some(1.5),
            stolen_cpu_ms: Some(0.0),
            dropped_by_generator: 0,
        }
    }

    const OPEN: Ran = Ran {
        is_open: true,
        is_behind: false,
        lost: 7,
        server_cpu_ns: None,
    };
    const CLOSED: Ran = Ran {
        is_open: false,
        ..OPEN
    };

    fn check(generator: &Generator, ran: Ran, want: Expect) {
        want.assert_eq(&(generator.warnings(ran).join("\n") + "\n"));
    }

    #[test]
    fn nothing_lacked_is_no_warning() {
        assert!(rested().warnings(OPEN).is_empty());
        assert!(rested().warnings(CLOSED).is_empty());
    }

    #[test]
    fn a_full_cpu_matters_when_the_loop_is_behind_or_closed() {
        let behind = Ran {
            is_behind: true,
            ..OPEN
        };
        assert!(rested().warnings(behind).is_empty(), "it was held up");
        let busy = Generator {
            generator_busy_percent: 99.7,
            ..rested()
        };
        check(
            &busy,
            behind,
            expect![[r#"
            generator's CPU saturated (work in 99.7% of the time): use several processes
        "#]],
        );
        check(
            &busy,
            CLOSED,
            expect![[r#"
            generator's CPU is the limit (work in 99.7% of the time): use several processes
        "#]],
        );
        assert!(busy.warnings(OPEN).is_empty(), "it kept up");
    }

    #[test]
    fn a_closed_loop_with_room_on_both_sides_is_too_small() {
        let ran = |server_cpu_ns| Ran {
            server_cpu_ns: Some(server_cpu_ns),
            ..CLOSED
        };
        check(
            &rested(),
            ran(1_000_000_000),
            expect![[r#"
            neither server (CPU 50%) nor generator (busy 40%) full: raise --outstanding
        "#]],
        );
        assert!(rested().warnings(ran(1_950_000_000)).is_empty());
    }

    #[test]
    fn own_losses_and_lost_cpu_time_are_told() {
        let lacking = Generator {
            generator_involuntary_switches: 412,
            generator_waited_for_cpu_ms: Some(180.3),
            stolen_cpu_ms: Some(40.0),
            dropped_by_generator: 5,
            ..rested()
        };
        check(
            &lacking,
            OPEN,
            expect![[r#"
            5 packets overran the generator's own buffers (7 lost in all): take more --sockets
            generator's CPU was shared: 412 involuntary switches, 180.3 ms spent waiting for it
            a hypervisor took 40 ms of the CPUs of this machine
        "#]],
        );
        let old_kernel = Generator {
            generator_waited_for_cpu_ms: None,
            stolen_cpu_ms: None,
            ..lacking
        };
        check(
            &old_kernel,
            OPEN,
            expect![[r#"
            5 packets overran the generator's own buffers (7 lost in all): take more --sockets
            generator's CPU was shared: 412 involuntary switches
        "#]],
        );
    }

    #[test]
    fn the_kernel_s_tables_are_read() {
        assert_eq!(waited_ns("2945704 12345 1\n"), Some(12_345));
        assert_eq!(waited_ns(""), None);
        assert_eq!(
            stolen_ticks("cpu  1 2 3 4 5 6 7 1371 0 0\ncpu0 1\n"),
            Some(1_371)
        );
        assert_eq!(stolen_ticks("cpu0 1 2 3 4 5 6 7 8\n"), None);
    }

    #[test]
    fn turns_divide_into_work_and_idleness() {
        let mut turns = Turns::default();
        for (now_ns, packets) in [(100, 0), (400, 3), (500, 0), (1_000, 0)] {
            turns.note(now_ns, packets);
        }
        assert_eq!(turns.busy_percent(), 30.0);
        assert_eq!(Turns::default().busy_percent(), 0.0);
    }
}
