//! `make bench`: ContainerDNS beside other servers and beside the limit of sockets, on one core.
//!
//! It generates a set of names, gives it to every server, loads them in interleaved rounds with
//! `containerdns-loadtest`, and prints tables; JSON and a drawing go to a folder.
//! docs/performance.md says what each figure means and how exact it is.
//!
//! A program that starts programs: it measures nothing itself, and where it runs does not matter
//! as long as it sleeps while they work. What is missing or fails is named and left out.

#![forbid(unsafe_code)]

mod ask;
mod changes;
mod etcd;
mod figures;
mod load;
mod options;
mod peers;
mod process;
mod results;
mod rounds;
mod scenarios;
mod set;
mod table;
mod targets;
mod zone;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Parser as _;

use etcd::Etcd;
use load::{Measured, Pace};
use options::{Arguments, Task};
use peers::{Cores, Kind, Programs, Server, Start, Written};
use process::is_ended;
use results::{Part, Results, ServerFigures};
use rounds::{Rounds, Turn, written_logs};
use scenarios::{Bench, Scenario};
use set::Addresses;
use table::say;

/// When Knot is not measured.
const PACED_DEFAULT: u64 = 30_000;
/// Where ContainerDNS finds the set.
const PREFIX: &str = "/containerdns/";

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Task::WriteChanges(writing)) = &arguments.task {
        let names = set::names(writing.seed, writing.names, Addresses::Varied);
        let rate = changes::write(writing, &names)?;
        writeln!(std::io::stdout(), "{rate:.0}")?;
        return Ok(());
    }
    process::catch_signals()?;
    let out = arguments.out();
    let folder = out.join("run");
    // Of a run that was killed.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let folder = folder.canonicalize()?;
    let done = measure(&arguments, &out, &folder);
    match &done {
        Err(_) if !is_ended() => say(&format!("logs are in {}", folder.display())),
        _ => drop(fs::remove_dir_all(&folder)),
    }
    done
}

/// The whole run. Every program that it starts ends with it.
fn measure(arguments: &Arguments, out: &Path, folder: &Path) -> anyhow::Result<()> {
    let programs = arguments.programs()?;
    let mut results = Results {
        machine: machine(),
        arguments: std::env::args().skip(1).collect(),
        rounds: arguments.rounds(),
        ..Results::default()
    };
    let names = set::names(arguments.seed, arguments.names(), Addresses::Varied);
    let (all_a, mixed) = (folder.join("all-a"), folder.join("mixed"));
    fs::write(&all_a, set::address_questions(&names))?;
    fs::write(&mixed, set::mixed_questions(arguments.seed, &names))?;
    let kinds = arguments.kinds();
    let set = Written::new(names, PREFIX, &kinds, folder.join("set"))?;
    let etcd = Etcd::start(folder)?;
    let bench = Bench {
        start: Start {
            programs: &programs,
            etcd: &etcd.url,
            folder,
            cores: Cores::One,
        },
        etcd: &etcd,
        seed: arguments.seed,
        seconds: arguments.seconds(),
        paced_seconds: arguments.paced_seconds(),
        rounds: arguments.rounds(),
        many: arguments.many(),
        questions: &all_a,
    };
    bench.fill(&set)?;
    let mut servers = start_all(&bench.start, &kinds, &set, &mut results)?;
    compare(
        arguments,
        &mut servers,
        (&all_a, &mixed),
        out,
        folder,
        &mut results,
    )?;
    let kinds: Vec<Kind> = servers.iter().map(|server| server.kind).collect();
    // The scenarios start what they need, so that nothing else is in memory.
    drop(servers);
    if kinds.contains(&Kind::Containerdns) {
        run_scenarios(arguments, &bench, &kinds, &set, &mut results)?;
    }
    write_all(&results, &programs, out)
}

/// Starts each server alone; those that do not start are in the results with the reason.
fn start_all(
    start: &Start,
    kinds: &[Kind],
    set: &Written,
    results: &mut Results,
) -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    for &kind in kinds {
        let mut figures = ServerFigures {
            server: kind.name(),
            version: start.programs.version(kind).unwrap_or_default(),
            ..ServerFigures::default()
        };
        match start.server(kind, set) {
            Ok(server) => {
                say(&format!(
                    "{} is ready after {:.0} ms",
                    kind.name(),
                    server.ready_ms
                ));
                figures.ready_ms = Some(server.ready_ms);
                figures.memory_start_bytes = Some(server.memory_start_bytes);
                servers.push(server);
            }
            Err(error) if is_ended() => return Err(error),
            Err(error) => {
                say(&format!("{} is left out: {error:#}", kind.name()));
                figures.failure = Some(format!("{error:#}"));
            }
        }
        results.servers.push(figures);
    }
    ensure!(!servers.is_empty(), "no server started");
    Ok(servers)
}

/// Saturation, mixed, paced; then what each takes once.
fn compare(
    arguments: &Arguments,
    servers: &mut [Server],
    (all_a, mixed): (&Path, &Path),
    out: &Path,
    folder: &Path,
    results: &mut Results,
) -> anyhow::Result<()> {
    let logs = out.join("latencies");
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(&logs)?;
    let generator = arguments.programs()?.generator;
    let mut rounds = Rounds {
        generator: &generator,
        folder,
        logs: None,
        pace: Pace::Saturation,
        seconds: arguments.seconds(),
        rounds: arguments.rounds(),
    };
    for server in servers.iter_mut() {
        if let Err(error) = rounds.warm_up(server, all_a) {
            note(results, server.kind, &error)?;
        }
    }
    rounds.run(turns(servers, Part::Saturation, all_a), results)?;
    rounds.run(turns(servers, Part::Mixed, mixed), results)?;
    let knot = results.median(
        Kind::Knot.name(),
        Part::Saturation,
        |measured: &Measured| measured.report.queries_per_s,
    );
    let half = knot.map(|knot| (knot / 2.0).round() as u64);
    let rate = arguments.rate.or(half).unwrap_or(PACED_DEFAULT);
    results.paced_queries_per_s = Some(rate);
    rounds.logs = Some(&logs);
    rounds.pace = Pace::Rate(rate);
    rounds.seconds = arguments.paced_seconds();
    rounds.run(turns(servers, Part::Paced, all_a), results)?;
    for server in servers {
        let calls = rounds.system_calls(server, all_a);
        let calls = match calls {
            Ok(calls) => Some(calls),
            Err(error) => {
                note(results, server.kind, &error)?;
                None
            }
        };
        let name = server.kind.name();
        let figures = results
            .servers
            .iter_mut()
            .find(|figures| figures.server == name);
        if let Some(figures) = figures {
            figures.system_calls_per_query = calls;
            figures.memory_end_bytes = Some(server.program.memory_bytes());
        }
    }
    Ok(())
}

fn turns<'a>(servers: &'a mut [Server], part: Part, questions: &'a Path) -> Vec<Turn<'a>> {
    let turn = |server| Turn {
        part,
        server,
        questions,
    };
    servers.iter_mut().map(turn).collect()
}

/// Keeps what failed; fails itself after Ctrl-C.
fn note(results: &mut Results, kind: Kind, error: &anyhow::Error) -> anyhow::Result<()> {
    process::check_signals()?;
    let note = format!("{}: {error:#}", kind.name());
    say(&note);
    results.notes.push(note);
    Ok(())
}

/// The scenarios that were asked for; one that fails is a note.
fn run_scenarios(
    arguments: &Arguments,
    bench: &Bench,
    kinds: &[Kind],
    set: &Written,
    results: &mut Results,
) -> anyhow::Result<()> {
    let rate = results.paced_queries_per_s.unwrap_or(PACED_DEFAULT);
    for scenario in arguments.scenarios() {
        say(&format!("scenario {scenario:?}"));
        let done = match scenario {
            Scenario::Memory => bench.memory(set, results),
            Scenario::Changes => bench.changes(set, rate, results),
            Scenario::Names => bench.names(arguments.names(), kinds, results),
        };
        if let Err(error) = done {
            note(results, Kind::Containerdns, &error)?;
        }
    }
    Ok(())
}

/// Tables to the terminal and to a file, JSON, the drawing.
fn write_all(results: &Results, programs: &Programs, out: &Path) -> anyhow::Result<()> {
    let targets = targets::targets(results);
    let tables = table::tables(results, &targets);
    let mut json = serde_json::to_value(results)?;
    json["targets"] = serde_json::to_value(&targets)?;
    let (table_file, json_file) = (out.join("bench.md"), out.join("bench.json"));
    fs::write(&table_file, &tables)?;
    fs::write(&json_file, serde_json::to_string_pretty(&json)?)?;
    let drawing = out.join("latency.svg");
    draw(results, programs, out, &drawing)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{tables}")?;
    for file in [table_file, json_file, drawing] {
        writeln!(stdout, "{}", file.display())?;
    }
    Ok(())
}

/// The percentile curves of all servers.
fn draw(
    results: &Results,
    programs: &Programs,
    out: &Path,
    drawing: &PathBuf,
) -> anyhow::Result<()> {
    let rate = results.paced_queries_per_s.unwrap_or_default();
    let mut plot = Command::new(&programs.generator);
    plot.args(["plot", "--out"]).arg(drawing);
    plot.arg("--title")
        .arg(format!("Latency at {rate} queries/s, one core"));
    for figures in &results.servers {
        for log in written_logs(&out.join("latencies"), figures.server, results.rounds) {
            plot.arg(format!("{}={}", figures.server, log.display()));
        }
    }
    let done = plot.output().context("the generator's plot")?;
    ensure!(
        done.status.success(),
        "plot: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

/// The processor and the kernel.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(0, |count| count.get());
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {count} CPUs, Linux {}", kernel.trim())
}
