//! One run of the generator against one server, and what it cost the server.
//!
//! The generator is a program of its own; its JSON report is read here. CPU time is read before
//! and after it, system calls are counted by `perf` where the kernel permits it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::process::{Place, Program, find};

/// The generator has this CPU for itself; the servers have CPU 0.
pub(crate) const CPU: Place = Place { cpus: "1", nice: 0 };
/// Enough queries under way that no server waits for the generator.
const OUTSTANDING: u64 = 200;

/// How queries are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Closed loop: as fast as the server answers.
    Saturation,
    /// Open loop: so many a second, whatever the server does.
    Rate(u64),
}

/// A run that is to be made.
pub(crate) struct Load<'a> {
    pub(crate) generator: &'a Path,
    pub(crate) server: SocketAddr,
    pub(crate) questions: &'a Path,
    pub(crate) pace: Pace,
    pub(crate) seconds: u64,
    /// The order of the questions: the same for every server of a round.
    pub(crate) seed: u64,
    /// Where to keep the latencies.
    pub(crate) hdr_log: Option<PathBuf>,
    /// Where the report of the generator may be written.
    pub(crate) folder: &'a Path,
}

/// What the generator reports, by its names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) unsent: u64,
    pub(crate) wrong_rcode: u64,
    pub(crate) truncated: u64,
    pub(crate) malformed: u64,
    pub(crate) queries_per_s: f64,
    pub(crate) latency_us_p50: f64,
    pub(crate) latency_us_p99: f64,
    pub(crate) latency_us_p99_9: f64,
    pub(crate) latency_us_p99_99: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sent_late_over_1ms_percent: Option<f64>,
    pub(crate) warnings: Vec<String>,
}

/// A run that was made.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) report: Report,
    /// CPU time of the server's processes during the run.
    pub(crate) cpu_ns: u64,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
}

impl Measured {
    pub(crate) fn cpu_ns_per_query(&self) -> f64 {
        self.cpu_ns as f64 / self.report.answered.max(1) as f64
    }

    /// How much of one CPU the server had: well below 1 at saturation means that something else
    /// was the limit.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu_ns_per_query() * self.report.queries_per_s / 1e9
    }

    pub(crate) fn p50(&self) -> f64 {
        self.unless_lost(0.5, self.report.latency_us_p50)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.unless_lost(0.01, self.report.latency_us_p99)
    }

    pub(crate) fn p99_9(&self) -> f64 {
        self.unless_lost(0.001, self.report.latency_us_p99_9)
    }

    pub(crate) fn p99_99(&self) -> f64 {
        self.unless_lost(0.0001, self.report.latency_us_p99_99)
    }

    /// A lost query is slower than every answer, so with a larger share of them than is beyond a
    /// percentile the percentile is one of them: infinite.
    fn unless_lost(&self, share_beyond: f64, latency_us: f64) -> f64 {
        let lost = (self.report.lost + self.report.unsent) as f64;
        let all = (self.report.sent + self.report.unsent) as f64;
        match lost > share_beyond * all {
            true => f64::INFINITY,
            false => latency_us,
        }
    }
}

impl Load<'_> {
    /// Runs the generator to its end.
    pub(crate) fn run(&self, server: &mut Program) -> anyhow::Result<Measured> {
        server.check_alive()?;
        let before = server.cpu();
        self.generate(Vec::new())?;
        let used = server.cpu().since(before);
        server.check_alive()?;
        Ok(Measured {
            report: self.report()?,
            cpu_ns: used.ns,
            user_ticks: used.user_ticks,
            system_ticks: used.system_ticks,
        })
    }

    /// Runs the generator while `perf` counts the system calls of the server: calls a query, or
    /// why they cannot be counted. Counting costs time, so nothing else of this run is used.
    pub(crate) fn system_calls(&self, server: &mut Program) -> anyhow::Result<f64> {
        server.check_alive()?;
        find("perf").context("perf is not installed (Debian's linux-perf)")?;
        let counts = self.folder.join("system-calls.csv");
        let pids: Vec<String> = server.pids().iter().map(u32::to_string).collect();
        let words = [
            "perf",
            "stat",
            "-x",
            ",",
            "-e",
            "raw_syscalls:sys_enter",
            "-o",
        ];
        let mut command: Vec<String> = words.map(str::to_owned).into();
        command.push(counts.display().to_string());
        command.extend(["-p".to_owned(), pids.join(","), "--".to_owned()]);
        self.generate(command)?;
        let text = fs::read_to_string(&counts)?;
        let answered = self.report()?.answered.max(1);
        match counted(&text) {
            Some(calls) => Ok(calls as f64 / answered as f64),
            None => bail!("perf counted nothing: {}", text.trim()),
        }
    }

    /// The command of the generator, behind the words of `command`.
    fn generate(&self, mut command: Vec<String>) -> anyhow::Result<()> {
        let mut add = |words: &[&str]| command.extend(words.iter().map(|&word| word.to_owned()));
        add(&[&self.generator.display().to_string()]);
        add(&["--server", &self.server.to_string()]);
        add(&["--names", &self.questions.display().to_string()]);
        add(&["--duration", &self.seconds.to_string()]);
        add(&["--seed", &self.seed.to_string(), "--cpu", CPU.cpus]);
        match self.pace {
            Pace::Saturation => add(&["--outstanding", &OUTSTANDING.to_string()]),
            Pace::Rate(rate) => add(&["--rate", &rate.to_string()]),
        }
        add(&["--json", &self.report_file().display().to_string()]);
        if let Some(log) = &self.hdr_log {
            add(&["--hdr-log", &log.display().to_string()]);
        }
        let _ = fs::remove_file(self.report_file());
        let mut generator = Program::start("generator", CPU, &command, self.folder)?;
        let status = generator.wait()?;
        match status.success() {
            true => Ok(()),
            false => bail!(
                "the generator ended with {status}: {}",
                generator.output_tail()
            ),
        }
    }

    fn report_file(&self) -> PathBuf {
        self.folder.join("generator.json")
    }

    fn report(&self) -> anyhow::Result<Report> {
        let text = fs::read(self.report_file()).context("the report of the generator")?;
        serde_json::from_slice(&text).context("the report of the generator")
    }
}

/// The count in `perf stat -x ,`: the first field of the one line that is no comment.
fn counted(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let line = lines.find(|line| line.contains("raw_syscalls"))?;
    line.split(',').next()?.parse().ok()
}
