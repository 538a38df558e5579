//! The `containerdns-kubeapi` program: reads the command line and the configuration, starts the
//! log, and hands over to the library. Only this file prints and ends the process.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use containerdns_kubeapi::config::Config;
use containerdns_kubeapi::serve;
use tracing_subscriber::EnvFilter;

/// Exit status for a configuration that has problems, as for a wrong command line.
const EXIT_PROBLEMS: u8 = 2;
/// What to log, in the syntax of `EnvFilter`: `debug`, `info,containerdns_kubeapi=debug`.
const LOG_VARIABLE: &str = "CONTAINERDNS_LOG";
/// What is logged unless that says otherwise: not each failed request of the Kubernetes client,
/// which is told once a minute here.
const LOG_DEFAULT: &str = "info,kube_client=off,kube_runtime=off";

/// Control plane of ContainerDNS: names of a Kubernetes cluster, and the REST API over the store.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct CommandLine {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let CommandLine { config } = CommandLine::parse();
    start_log();
    let config = match Config::load(&config) {
        Ok(config) => config,
        Err(error) => {
            complain(error);
            return ExitCode::from(EXIT_PROBLEMS);
        }
    };
    match serve::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("containerdns-kubeapi: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error, as [`LOG_DEFAULT`] says unless [`LOG_VARIABLE`] says otherwise.
fn start_log() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

#[expect(
    clippy::print_stderr,
    reason = "why the command failed, whatever is logged"
)]
fn complain(line: impl Display) {
    eprintln!("{line}");
}
