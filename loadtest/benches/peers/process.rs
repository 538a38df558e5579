//! Programs that are started, pinned, measured and ended.
//!
//! Each one leads a process group of its own, which is killed when the value is dropped, on an
//! error, a panic and Ctrl-C alike; `setpriv` has the kernel kill it when this program is killed.
//! Output goes to a file, whose end explains a failure.
//!
//! CPU time in all is the CPU clock of each process of the group, exact to the nanosecond; how it
//! divides into user and system is sampled by the kernel at its clock ticks.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, killpg};
use nix::time::ClockId;
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static ENDED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// How much of a program's output an error shows.
const TAIL_LINES: usize = 4;

/// From now on Ctrl-C, SIGTERM and a closed terminal end the waits of this program with an error.
pub(crate) fn catch_signals() -> anyhow::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&ENDED))?;
    }
    Ok(())
}

/// Fails after Ctrl-C.
pub(crate) fn check_signals() -> anyhow::Result<()> {
    match ENDED.load(Ordering::Relaxed) {
        true => bail!("ended by a signal"),
        false => Ok(()),
    }
}

/// Whether a signal ended the benchmark: then nothing else is tried.
pub(crate) fn is_ended() -> bool {
    ENDED.load(Ordering::Relaxed)
}

/// Sleeps, at most until a signal comes.
pub(crate) fn sleep(duration: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        check_signals()?;
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
    check_signals()
}

/// Where a program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// As `taskset` takes it.
    pub(crate) cpus: &'static str,
    /// 0 is usual, 19 yields to everyone.
    pub(crate) nice: i8,
}

/// A running program, with its children.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    output: PathBuf,
    started: Instant,
}

/// CPU time of a process group since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) ns: u64,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

impl Program {
    /// Starts `command`; its output goes to `NAME.log` in `folder`.
    pub(crate) fn start(
        name: &str,
        place: Place,
        command: &[String],
        folder: &Path,
    ) -> anyhow::Result<Program> {
        check_signals()?;
        let output = folder.join(format!("{name}.log"));
        let log = File::create(&output).with_context(|| output.display().to_string())?;
        let started = Instant::now();
        // All three replace themselves with the program: the child's id is the program's.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "nice", "-n"])
            .arg(place.nice.to_string())
            .args(["taskset", "-c", place.cpus])
            .args(command)
            .current_dir(folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("setpriv (Debian's util-linux)")?;
        Ok(Program {
            name: name.to_owned(),
            child,
            output,
            started,
        })
    }

    /// Since the program was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Fails when the program has ended, with the end of its output.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        check_signals()?;
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}: {}", self.name, self.output_tail()),
        }
    }

    /// Waits until the program ends by itself.
    pub(crate) fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(Duration::from_millis(20))?;
        }
    }

    /// The last lines that the program wrote, in one.
    pub(crate) fn output_tail(&self) -> String {
        let output = fs::read(&self.output).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        let first = lines.len().saturating_sub(TAIL_LINES);
        lines[first..].join(" | ")
    }

    /// Moves every thread to these CPUs.
    pub(crate) fn pin(&self, cpus: &str) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        let command = ["-a", "-c", "-p", cpus, &pid];
        let done = Command::new("taskset").args(command).output()?;
        match done.status.success() {
            true => Ok(()),
            false => bail!("taskset: {}", String::from_utf8_lossy(&done.stderr)),
        }
    }

    /// The ids of the processes of the group.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let Ok(processes) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let ids = processes.filter_map(|process| process.ok()?.file_name().to_str()?.parse().ok());
        let group = u64::from(self.child.id());
        ids.filter(|pid| stat(*pid).is_some_and(|stat| stat.group == group))
            .collect()
    }

    /// CPU time so far. A process of the group that has ended is not in it.
    pub(crate) fn cpu(&self) -> Cpu {
        let mut sum = Cpu::default();
        for pid in self.pids() {
            if let (Some(ns), Some(stat)) = (clock_ns(pid), stat(pid)) {
                sum.ns += ns;
                sum.user_ticks += stat.user_ticks;
                sum.system_ticks += stat.system_ticks;
            }
        }
        sum
    }

    /// Proportional set size: memory, with pages that several processes share divided among them.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let pss = |pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
            let kib = line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?;
            Some(kib * 1024)
        };
        self.pids().into_iter().filter_map(pss).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself: then there is no such group, which is as good.
        let _ = killpg(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGKILL,
        );
        let _ = self.child.wait();
    }
}

impl Cpu {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            ns: self.ns.saturating_sub(before.ns),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }
}

struct Stat {
    group: u64,
    user_ticks: u64,
    system_ticks: u64,
}

/// Fields 5, 14 and 15 of /proc/PID/stat (proc(5)), counted after the name in parentheses, which
/// may hold anything.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse().ok();
    Some(Stat {
        group: field(5)?,
        user_ticks: field(14)?,
        system_ticks: field(15)?,
    })
}

fn clock_ns(pid: u32) -> Option<u64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.cast_signed())).ok()?;
    let time = clock.now().ok()?;
    u64::try_from(Duration::from(time).as_nanos()).ok()
}

/// A UDP and TCP port of the loopback address that nobody has.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    use std::net::{TcpListener, UdpSocket};
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let port = udp.local_addr()?.port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 is free for UDP and TCP")
}

/// The folder of a command in PATH and where Debian keeps servers.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(command))
        .find(|file| file.is_file())
}
