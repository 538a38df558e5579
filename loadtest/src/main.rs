//! Measures a DNS server: how many queries a second, how fast, how evenly, how many right.
//!
//! Arguments are read here, files opened, reports printed, the exit code chosen: 0 for a run, 1
//! when nothing was answered, no rate was good or something failed, 2 for bad usage. The figures
//! come from `run`.
//!
//! It shares no code with the server it measures, so that a mistake made twice cannot hide itself.

#![deny(unsafe_code)]

mod arguments;
mod ask;
mod capture;
mod charts;
mod comparison;
mod cpu;
mod curves;
mod echo;
mod generator;
mod hdr_log;
mod hgrm;
mod html;
mod kernel;
mod live;
mod names;
mod order;
mod outstanding;
mod packet;
mod plot;
mod query_log;
mod ramp;
mod replay;
mod report;
mod run;
mod schedule;
mod session;
mod show;
mod sources;
mod stats;
mod stream;
mod svg;
mod tally;
mod timeline;
mod verify;
mod wire;
mod zone;

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::session::End;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let end = match (arguments.command, arguments.load) {
        (Some(Command::Echo { listen, cpu }), _) => run_echo(listen, cpu),
        (Some(Command::Plot(plot)), _) => Ok(match plot::run(&plot) {
            Ok(()) => End::Done,
            Err(error) => End::BadUsage(error),
        }),
        (None, Some(load)) => {
            let (ask, ramp, shown) = (&arguments.ask, &arguments.ramp, &arguments.show);
            session::run(&load, ask, ramp, shown).and_then(|(end, text)| print(&text).map(|()| end))
        }
        (None, None) => Ok(End::BadUsage(anyhow::anyhow!("--server is missing"))),
    };
    match end {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::NothingAnswered) => ExitCode::from(1),
        Ok(End::BadUsage(error)) => {
            print_error(&error);
            ExitCode::from(2)
        }
        Ok(End::Broken(error)) | Err(error) => {
            print_error(&error);
            ExitCode::from(1)
        }
    }
}

/// To standard output; a reader that is gone wants no more.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

/// To standard error; where that is closed, the exit code says it alone.
fn print_error(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {error:#}");
}

fn run_echo(listen: SocketAddr, cpu: Option<usize>) -> anyhow::Result<End> {
    if let Err(error) = session::pin(cpu) {
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
    print(&format!("echo on {}\n", address.unwrap_or(listen)))?;
    let report = echo::run(&socket).with_context(|| format!("receiving on {listen}"))?;
    print(&report.table())?;
    Ok(End::Done)
}
