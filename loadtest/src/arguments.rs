//! The command line. What is asked, how it is shown and which rates are tried are in the modules
//! that do it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::ask::{AskArguments, DURATION_S_MAX};
use crate::plot::PlotArguments;
use crate::ramp::RampArguments;
use crate::show::ShowArguments;
use crate::sources::Source;

/// Load and jitter generator for DNS servers.
///
/// Asks SERVER the names of a file and reports throughput, latencies and losses. With
/// --rate it asks at that rate whatever comes back, and counts latency from the time at which each
/// query was to be sent (open loop); else it keeps --outstanding queries waiting (closed loop).
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) load: Option<LoadArguments>,
    // Not within the load: clap knows no groups within groups.
    #[command(flatten)]
    pub(crate) ask: AskArguments,
    #[command(flatten)]
    pub(crate) ramp: RampArguments,
    #[command(flatten)]
    pub(crate) show: ShowArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Draws the latencies of HdrHistogram logs as percentile curves, one for each server.
    Plot(PlotArguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArguments {
    /// Address of the server, with a port unless it is 53. Several are measured in turn, each under
    /// its name.
    #[arg(long, value_name = "[NAME=]ADDR", required = true, value_parser = parse_server)]
    pub(crate) server: Vec<Server>,
    /// How often each server is measured: A B C, A B C.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) rounds: u64,
    /// Datagrams, or connections on which many queries are under way.
    #[arg(long, value_name = "TRANSPORT", value_enum, default_value_t = Transport::Udp)]
    pub(crate) transport: Transport,
    /// Addresses of this machine to ask from, in turn; may be given again.
    #[arg(long, value_name = "ADDRESS/BITS")]
    pub(crate) source: Vec<Source>,
    /// Seconds to send; for a recording with its own times all of it unless given.
    #[arg(long, value_name = "S", required_unless_present = "replay",
          value_parser = clap::value_parser!(u64).range(1..=DURATION_S_MAX))]
    pub(crate) duration: Option<u64>,
    /// Open loop: queries a second.
    #[arg(long, value_name = "Q", conflicts_with = "outstanding",
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) rate: Option<u64>,
    /// Closed loop: queries that wait for answers at any time; 100 unless given.
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) outstanding: Option<u64>,
    /// Stop after so many queries, even before the time is over.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) queries: Option<u64>,
    /// Source ports, or connections. The more, the more evenly SO_REUSEPORT spreads them over a
    /// server's cores.
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=8192))]
    pub(crate) sockets: u16,
    /// A query without an answer after so many milliseconds is lost.
    #[arg(long, value_name = "MS", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) timeout_ms: u64,
    /// Send an OPT record (EDNS, 1232 octets).
    #[arg(long)]
    pub(crate) edns: bool,
    /// Fixes the random order of the questions.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Stay on this CPU.
    #[arg(long, value_name = "N")]
    pub(crate) cpu: Option<usize>,
    /// When idle, poll for so long before sleeping; 0 spares the CPU and adds the time of waking
    /// to the latencies.
    #[arg(long, value_name = "US", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(crate) spin_us: u64,
    /// Report the CPU time per answered query of this process on this machine; one for each
    /// server, in their order.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Vec<u32>,
    /// Write the figures as JSON, too; `-` prints them instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A server, and what it is called in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
}

/// How queries travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

fn parse_server(text: &str) -> Result<Server, String> {
    let (name, address) = match text.split_once('=') {
        Some(("", _)) => return Err("no name before the `=`".to_owned()),
        Some((name, address)) => (Some(name.to_owned()), address),
        None => (None, text),
    };
    let parsed = address.parse::<SocketAddr>();
    let parsed = parsed.or_else(|_| address.parse::<IpAddr>().map(|ip| (ip, 53).into()));
    let address = parsed.map_err(|_| "not IP:PORT, as in 127.0.0.1:53".to_owned())?;
    Ok(Server {
        name: name.unwrap_or_else(|| address.to_string()),
        address,
    })
}
