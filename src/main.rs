//! The `containerdns` program: reads the command line and the configuration, starts the log, and
//! hands over to the library. Only this file prints and ends the process.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use containerdns::config::{Config, Standalone, StoreKind};
use containerdns::serve::{self, ServeError};
use containerdns::standalone;
use containerdns_schema::Name;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Serve the records of the configured store
    Serve {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print every problem of a configuration file, with its line; start nothing
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Serve without etcd and without a configuration: a store inside this process
    Standalone(StandaloneArguments),
}

#[derive(Args)]
struct StandaloneArguments {
    /// Folder of the store, created when missing
    #[arg(long, value_name = "DIR", default_value = "./containerdns-data")]
    data: PathBuf,
    /// Address of DNS, UDP and TCP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5353")]
    dns: SocketAddr,
    /// Address of the REST API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9003")]
    api: SocketAddr,
    /// Address of /metrics, /healthz, /readyz and /stats
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9600")]
    admin: SocketAddr,
    /// Zone to be authoritative for; may be given again
    #[arg(long, value_name = "NAME", default_value = "containerdns.local")]
    zone: Vec<Name>,
    /// Zone file (RFC 1035) whose records are loaded at every start
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    start_log();
    match command_line.command {
        Command::Check { config } => check(&config),
        Command::Serve { config } => match Config::load(&config) {
            Ok(config) => ended(serve::run(&config)),
            Err(problems) => {
                complain(problems);
                ExitCode::from(EXIT_PROBLEMS)
            }
        },
        Command::Standalone(arguments) => {
            ended(standalone::run(&arguments.into(), |announcement| {
                print(announcement);
            }))
        }
    }
}

/// `check`: one line about a good file and 0, else every problem and 2.
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

/// The exit status, after telling why it is not 0.
fn ended(result: Result<(), ServeError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("containerdns: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl From<StandaloneArguments> for Standalone {
    fn from(arguments: StandaloneArguments) -> Standalone {
        let StandaloneArguments {
            data,
            dns,
            api,
            admin,
            zone: zones,
            records,
        } = arguments;
        Standalone {
            data,
            dns,
            api,
            admin,
            zones,
            records,
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
        "{} zones, {} reverse zones, DNS on {}, admin on {}, {store}, cores on CPU {}",
        config.zones.len(),
        config.reverse.len(),
        listen.join(" "),
        config.listen.admin,
        cpus.join(", "),
    )
}

/// Logs to standard error, from `info` on unless [`LOG_VARIABLE`] says otherwise.
fn start_log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

#[expect(clippy::print_stdout, reason = "what the command was asked to tell")]
fn print(lines: impl Display) {
    println!("{lines}");
}

#[expect(
    clippy::print_stderr,
    reason = "why the command failed, whatever is logged"
)]
fn complain(line: impl Display) {
    eprintln!("{line}");
}
