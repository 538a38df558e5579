//! The command line of the benchmark.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, Parser, Subcommand};

use crate::changes::Writing;
use crate::peers::{Kind, Programs};
use crate::scenarios::Scenario;

/// ContainerDNS beside other DNS servers, on one core of this machine.
#[derive(Debug, Parser)]
#[command(name = "peers")]
pub(crate) struct Arguments {
    /// One short round with few names: whether everything works, not how fast it is.
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    sizes: Sizes,
    /// Fixes names, addresses and questions.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Queries a second of the open loop, instead of half of Knot's saturation.
    #[arg(long, value_name = "Q")]
    pub(crate) rate: Option<u64>,
    /// Only these servers; the echo is the limit of sockets.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<Kind>,
    /// Only these scenarios.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAME",
        conflicts_with = "no_scenarios"
    )]
    scenarios: Vec<Scenario>,
    /// The comparison only.
    #[arg(long)]
    no_scenarios: bool,
    /// Where tables, JSON and the drawing go, instead of `bench` in cargo's target folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// cargo says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

/// How much and how long.
#[derive(Debug, Args)]
struct Sizes {
    /// Interleaved rounds; unless given 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Seconds of a run at saturation; unless given 2.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Seconds of a run in the open loop; unless given 4.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    paced_seconds: Option<u64>,
    /// Names of the set; unless given 50,000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    names: Option<u32>,
    /// Names of the large set; unless given 1,000,000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(100..))]
    many: Option<u32>,
}

/// What this program starts itself for.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Writes changes into etcd.
    #[command(hide = true)]
    WriteChanges(Writing),
}

impl Arguments {
    pub(crate) fn rounds(&self) -> usize {
        let default = if self.quick { 1 } else { 5 };
        self.sizes.rounds.map_or(default, usize::from)
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.sizes.seconds.unwrap_or(if self.quick { 1 } else { 2 })
    }

    pub(crate) fn paced_seconds(&self) -> u64 {
        self.sizes
            .paced_seconds
            .unwrap_or(if self.quick { 1 } else { 4 })
    }

    pub(crate) fn names(&self) -> usize {
        self.sizes
            .names
            .unwrap_or(if self.quick { 5_000 } else { 50_000 }) as usize
    }

    pub(crate) fn many(&self) -> usize {
        self.sizes
            .many
            .unwrap_or(if self.quick { 20_000 } else { 1_000_000 }) as usize
    }

    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let all = <Kind as clap::ValueEnum>::value_variants();
        let wanted = |kind: &Kind| self.only.is_empty() || self.only.contains(kind);
        all.iter().copied().filter(wanted).collect()
    }

    pub(crate) fn scenarios(&self) -> Vec<Scenario> {
        let all = <Scenario as clap::ValueEnum>::value_variants();
        let wanted = |scenario: &Scenario| {
            let asked = self.scenarios.is_empty() || self.scenarios.contains(scenario);
            asked && !self.no_scenarios
        };
        all.iter().copied().filter(wanted).collect()
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| target().join("bench"))
    }

    /// Our programs: by environment variable, else as `cargo build --release` leaves them.
    pub(crate) fn programs(&self) -> anyhow::Result<Programs> {
        let program = |variable: &str, name: &str| {
            let built = || target().join("release").join(name);
            let path = std::env::var_os(variable).map_or_else(built, PathBuf::from);
            ensure!(
                path.is_file(),
                "{} is missing: cargo build --release -p {name}, or name one in {variable}",
                path.display()
            );
            Ok(path.canonicalize()?)
        };
        Ok(Programs {
            generator: program("CONTAINERDNS_LOADTEST", "containerdns-loadtest")?,
            containerdns: program("CONTAINERDNS", "containerdns")?,
        })
    }
}

/// cargo's target folder, by whatever setting: this program is in `TARGET/PROFILE/deps`.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .nth(3)
        .unwrap_or(Path::new("target"))
        .to_owned()
}
