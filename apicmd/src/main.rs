//! The `containerdns-apicmd` program: a command line over the REST API, never over the store.
//!
//! The REST API is not in this release, so the program says so and ends.

#![forbid(unsafe_code)]

use anyhow::bail;
use clap::Parser;

/// Command line over the REST API of ContainerDNS.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct CommandLine {}

fn main() -> anyhow::Result<()> {
    CommandLine::parse();
    bail!("the REST API that this command talks to is not in this release")
}
