//! The `containerdns-kubeapi` program: the control plane's command line.
//!
//! Its roles (REST API, Kubernetes watch, health prober) are not in this release; the program says
//! so and ends, so that nobody takes a silent process for a working one.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::bail;
use clap::Parser;

/// Control plane of ContainerDNS: REST API, Kubernetes watch, health prober.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct CommandLine {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let CommandLine { config } = CommandLine::parse();
    bail!(
        "{}: no role of containerdns-kubeapi is in this release",
        config.display()
    )
}
