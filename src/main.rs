//! The `containerdns` program: reads the command line and the configuration, starts the log, and
//! hands over to the library. Only this file prints and ends the process.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use containerdns::config::{Config, StoreKind};
use tracing_subscriber::EnvFilter;

/// Exit status for a configuration that has problems, as for a wrong command line.
const EXIT_PROBLEMS: u8 = 2;
/// What to log, in the syntax of `EnvFilter`: `debug`, `info,containerdns::sync=debug`.
const LOG_VARIABLE: &str = "CONTAINERDNS_LOG";

/// DNS server for Kubernetes clusters and bare-metal fleets.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print every problem of a configuration file, with its line; start nothing
    Check {
        /// The file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    start_log();
    match command_line.command {
        Command::Check { config } => check(&config),
    }
}

/// `check`: 0 and one line about a good file, else every problem and 2.
fn check(path: &Path) -> ExitCode {
    match Config::load(path) {
        Ok(config) => {
            print(format_args!("{}: ok: {}", path.display(), summary(&config)));
            ExitCode::SUCCESS
        }
        Err(problems) => {
            print(problems);
            ExitCode::from(EXIT_PROBLEMS)
        }
    }
}

/// What would run, on one line.
fn summary(config: &Config) -> String {
    let store = match &config.store.kind {
        StoreKind::Etcd(etcd) => format!("etcd at {}", etcd.endpoints.join(" ")),
        StoreKind::Embedded { data } => format!("embedded store in {}", data.display()),
    };
    let listen: Vec<String> = config.listen.dns.iter().map(ToString::to_string).collect();
    let cpus: Vec<String> = config
        .cores
        .iter()
        .map(|core| core.cpu.to_string())
        .collect();
    format!(
        "{} zones, {} reverse zones, DNS on {}, admin on {}, {store}, {} cores (CPU {})",
        config.zones.len(),
        config.reverse.len(),
        listen.join(" "),
        config.listen.admin,
        cpus.len(),
        cpus.join(", "),
    )
}

/// Logs to standard error, from `info` on unless [`LOG_VARIABLE`] says otherwise.
fn start_log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

#[expect(
    clippy::print_stdout,
    reason = "the one place that talks to the terminal"
)]
fn print(line: impl Display) {
    println!("{line}");
}
