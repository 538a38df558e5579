//! Measures a DNS server: how many queries a second, how fast, how evenly, how many right.
//!
//! Arguments are read here, files opened, reports printed, the exit code chosen: 0 for a run,
//! 1 when nothing was answered or the system failed, 2 for bad usage. The figures come from `run`.
//!
//! It shares no code with the server it measures, so that a mistake made twice cannot hide itself.

#![deny(unsafe_code)]

mod cpu;
mod echo;
mod kernel;
mod names;
mod outstanding;
mod packet;
mod report;
mod run;
mod schedule;
mod stats;

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

use crate::cpu::CpuTime;
use crate::packet::Queries;
use crate::report::{Report, Setting};
use crate::run::Plan;
use crate::schedule::{Pace, Schedule};

/// A file of names larger than this is refused: 10 million lines of 100 octets.
const NAMES_BYTES_MAX: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

/// Load and jitter generator for DNS servers.
///
/// Asks SERVER the names of a file over UDP and reports throughput, latencies and losses. With
/// --rate it asks at that rate whatever comes back, and counts latency from the time at which each
/// query was to be sent (open loop); else it keeps --outstanding queries waiting (closed loop).
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: Option<LoadArguments>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Gives every query back as its own response: the limit of sockets on this machine.
    ///
    /// Ends at SIGINT or SIGTERM and prints the CPU time a packet took.
    Echo {
        /// Address and port to answer on; port 0 takes a free one.
        #[arg(long, value_name = "ADDR")]
        listen: SocketAddr,
        /// Stay on this CPU.
        #[arg(long, value_name = "N")]
        cpu: Option<usize>,
    },
}

#[derive(Debug, clap::Args)]
struct LoadArguments {
    /// Address of the server, with a port unless it is 53.
    #[arg(long, value_name = "ADDR", value_parser = parse_server)]
    server: SocketAddr,
    /// Questions: lines `NAME [TYPE [RCODE]]`, A and NOERROR unless given, `#` for comments.
    #[arg(long, value_name = "FILE")]
    names: PathBuf,
    /// Seconds to send.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    duration: u64,
    /// Open loop: queries a second.
    #[arg(long, value_name = "Q", conflicts_with = "outstanding",
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// Closed loop: queries that wait for answers at any time.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    outstanding: u64,
    /// Stop after so many queries, even before the time is over.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    queries: Option<u64>,
    /// Source ports. The more, the more evenly SO_REUSEPORT spreads them over a server's cores.
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    sockets: u16,
    /// A query without an answer after so many milliseconds is lost.
    #[arg(long, value_name = "MS", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
    /// Send an OPT record (EDNS, 1232 octets).
    #[arg(long)]
    edns: bool,
    /// Fixes the random order of the questions.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Stay on this CPU.
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// When idle, poll for so long before sleeping; 0 spares the CPU and adds the time of waking
    /// to the latencies.
    #[arg(long, value_name = "US", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    spin_us: u64,
    /// Report the CPU time per answered query of this process on this machine.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Write the figures as JSON, too; `-` prints them instead of the table.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Where a text goes.
enum Stream {
    Out,
    Error,
}

/// What a run comes to, for the exit code.
enum End {
    Done,
    NothingAnswered,
    /// The arguments, or a file they name, cannot be used.
    BadUsage(anyhow::Error),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let end = match (arguments.command, arguments.load) {
        (Some(Command::Echo { listen, cpu }), _) => run_echo(listen, cpu),
        (None, Some(load)) => run_load(&load),
        (None, None) => Ok(End::BadUsage(anyhow::anyhow!("--server is missing"))),
    };
    match end {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::NothingAnswered) => ExitCode::from(1),
        Ok(End::BadUsage(error)) => {
            print(Stream::Error, &format!("error: {error:#}\n"));
            ExitCode::from(2)
        }
        Err(error) => {
            print(Stream::Error, &format!("error: {error:#}\n"));
            ExitCode::from(1)
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the only place that prints"
)]
fn print(stream: Stream, text: &str) {
    match stream {
        Stream::Out => print!("{text}"),
        Stream::Error => eprint!("{text}"),
    }
}

fn run_echo(listen: SocketAddr, cpu: Option<usize>) -> anyhow::Result<End> {
    if let Err(error) = pin(cpu) {
        return Ok(End::BadUsage(error));
    }
    let socket = match echo::bind(listen) {
        Ok(socket) => socket,
        Err(error) => {
            let error = anyhow::Error::new(error).context(format!("--listen {listen}"));
            return Ok(End::BadUsage(error));
        }
    };
    kernel::catch_end_signals().context("catching SIGINT and SIGTERM")?;
    let address = socket
        .local_addr()
        .ok()
        .and_then(|address| address.as_socket());
    print(
        Stream::Out,
        &format!("echo on {}\n", address.unwrap_or(listen)),
    );
    let report = echo::run(&socket).with_context(|| format!("receiving on {listen}"))?;
    print(Stream::Out, &report.table());
    Ok(End::Done)
}

fn run_load(arguments: &LoadArguments) -> anyhow::Result<End> {
    let queries = match prepare(arguments) {
        Ok(queries) => queries,
        Err(error) => return Ok(End::BadUsage(error)),
    };
    let pace = match arguments.rate {
        Some(rate_per_s) => Pace::Open { rate_per_s },
        None => Pace::Closed {
            outstanding: arguments.outstanding,
        },
    };
    let timeout_ns = arguments.timeout_ms * NS_PER_MS;
    let queries_max = arguments.queries.unwrap_or(u64::MAX);
    let plan = Plan {
        server: arguments.server,
        sockets: usize::from(arguments.sockets),
        schedule: Schedule::new(pace, arguments.duration, queries_max, timeout_ns),
        timeout_ns,
        spin_ns: arguments.spin_us * 1_000,
    };
    let cpu_before = match arguments.server_pid.map(CpuTime::of_process).transpose() {
        Ok(cpu) => cpu,
        Err(error) => {
            return Ok(End::BadUsage(
                anyhow::Error::new(error).context("--server-pid"),
            ));
        }
    };
    let outcome = run::run(&plan, &queries)
        .with_context(|| format!("sockets to --server {}", arguments.server))?;
    let cpu_after = arguments.server_pid.map(CpuTime::of_process).transpose();
    let server_cpu = match (&cpu_after, cpu_before) {
        (Ok(Some(after)), Some(before)) => Some(after.since(before)),
        _ => None,
    };
    let setting = Setting {
        server: arguments.server.to_string(),
        questions: queries.len(),
        pace,
        duration_s: arguments.duration,
        sockets: plan.sockets,
        server_cpu,
    };
    let mut report = Report::new(setting, &outcome);
    if let Err(error) = cpu_after {
        report.warn(format!("{:#}", anyhow::Error::new(error)));
    }
    show(&report, arguments.json.as_deref())?;
    Ok(if report.is_answered() {
        End::Done
    } else {
        End::NothingAnswered
    })
}

/// All that can be wrong with the arguments and was not seen by their parser.
fn prepare(arguments: &LoadArguments) -> anyhow::Result<Queries> {
    pin(arguments.cpu)?;
    kernel::sleep_precisely().context("setting the precision of sleeps")?;
    let path = &arguments.names;
    let text = read_bounded(path).with_context(|| format!("--names {}", path.display()))?;
    let questions = names::parse(&text).with_context(|| format!("--names {}", path.display()))?;
    if let Some(path) = file_of(arguments.json.as_deref()) {
        // Before the run, so that its figures are not lost to a mistyped path.
        File::create(path).with_context(|| format!("--json {}", path.display()))?;
    }
    Ok(Queries::encode(&questions, arguments.edns, arguments.seed))
}

fn pin(cpu: Option<usize>) -> anyhow::Result<()> {
    match cpu {
        Some(cpu) => {
            kernel::pin_to_cpu(cpu).with_context(|| format!("--cpu {cpu}: pinning to this CPU"))
        }
        None => Ok(()),
    }
}

fn read_bounded(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(NAMES_BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > NAMES_BYTES_MAX {
        bail!("larger than {NAMES_BYTES_MAX} bytes: split the file");
    }
    Ok(text)
}

fn show(report: &Report, json: Option<&Path>) -> anyhow::Result<()> {
    let text = match json {
        None => report.table(),
        Some(path) => {
            let text = report.json().context("encoding the report")?;
            match file_of(Some(path)) {
                None => text,
                Some(path) => {
                    fs::write(path, text).with_context(|| format!("--json {}", path.display()))?;
                    report.table()
                }
            }
        }
    };
    print(Stream::Out, &text);
    Ok(())
}

/// The file to write; none for `-`.
fn file_of(json: Option<&Path>) -> Option<&Path> {
    json.filter(|path| *path != Path::new("-"))
}

fn parse_server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>();
    let address = address.or_else(|_| text.parse::<IpAddr>().map(|ip| (ip, 53).into()));
    address.map_err(|_| "not IP:PORT, as in 127.0.0.1:53".into())
}
