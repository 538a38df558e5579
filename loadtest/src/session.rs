//! From the command line to the report: files are read and opened, servers measured in turn, and
//! what came of it is put into words. It prints nothing.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context as _, anyhow};

use crate::arguments::{LoadArguments, Server};
use crate::ask::{AskArguments, Prepared};
use crate::comparison::{self, Compared};
use crate::cpu::CpuTime;
use crate::kernel::{self, Cpus};
use crate::live::Scope;
use crate::ramp::{self, Grade, RampArguments, Search};
use crate::report::{Report, Setting};
use crate::run::{self, Outcome, Plan};
use crate::schedule::{Pace, Schedule};
use crate::show::{Files, ShowArguments};

const NS_PER_MS: u64 = 1_000_000;

/// What a run comes to, for the exit code.
pub(crate) enum End {
    Done,
    NothingAnswered,
    /// Something failed when there was something to report already.
    Broken(anyhow::Error),
    /// The arguments, or a file they name, cannot be used.
    BadUsage(anyhow::Error),
}

/// All that is the same for every measurement.
struct Session<'a> {
    arguments: &'a LoadArguments,
    ask: &'a AskArguments,
    shown: &'a ShowArguments,
    prepared: Prepared,
    cpus: Cpus,
}

/// One measurement.
pub(crate) struct Measured {
    pub(crate) server: usize,
    pub(crate) report: Report,
    pub(crate) outcome: Outcome,
}

/// Does what the arguments say; the text is the report.
pub(crate) fn run(
    arguments: &LoadArguments,
    ask: &AskArguments,
    ramp: &RampArguments,
    shown: &ShowArguments,
) -> anyhow::Result<(End, String)> {
    let cpus = Cpus::of_thread().context("reading which CPUs may be used")?;
    let (servers, rounds) = (&arguments.server, arguments.rounds);
    let json = arguments.json.as_deref().and_then(file_of);
    let checked = shown.check(servers, rounds, json);
    let prepared = checked
        .and_then(|()| prepare(arguments, ask))
        .and_then(|asked| Ok((asked, shown.create(servers, rounds)?)));
    let (prepared, files) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok((End::BadUsage(error), String::new())),
    };
    kernel::catch_end_signals().context("catching SIGINT and SIGTERM")?;
    let session = Session {
        arguments,
        ask,
        shown,
        prepared,
        cpus,
    };
    match ramp.ramp {
        Some(_) => session.search(ramp),
        None => session.compare(files),
    }
}

impl Session<'_> {
    /// Measures every server in every round.
    fn compare(&self, files: Files) -> anyhow::Result<(End, String)> {
        let (all, failed) = self.measure_all();
        let failed = match failed {
            Some(error) if all.is_empty() => return Err(error),
            failed => failed,
        };
        // What was measured is shown, whatever else fails.
        let (text, presented) = match &all[..] {
            [one] if !files.several => self.present(
                || one.report.json(),
                || match self.shown.timeline {
                    true => one.report.table() + "\n" + &one.report.timeline_table(),
                    false => one.report.table(),
                },
            ),
            _ => self.present_compared(&all),
        };
        let written = files.write(&self.arguments.server, &all);
        let is_answered = all.iter().any(|measured| measured.report.is_answered());
        let end = match failed.or(presented.err()).or(written.err()) {
            Some(error) => End::Broken(error),
            None if is_answered => End::Done,
            None => End::NothingAnswered,
        };
        Ok((end, text))
    }

    /// Every server in every round, up to an error or a signal. A round that a signal cut short
    /// counts only where its server has no other.
    fn measure_all(&self) -> (Vec<Measured>, Option<anyhow::Error>) {
        let mut all: Vec<Measured> = Vec::new();
        for _ in 0..self.arguments.rounds {
            for server in 0..self.arguments.server.len() {
                let measured = match self.measure(server, self.prepared.pace) {
                    Ok(measured) => measured,
                    Err(error) => return (all, Some(error)),
                };
                if !kernel::end_is_wanted() {
                    all.push(measured);
                    continue;
                }
                match all.iter_mut().rfind(|other| other.server == server) {
                    None => all.push(measured),
                    Some(last) => {
                        let warning = "the round after it was ended by a signal, and is left out";
                        last.report.warn(warning.to_owned());
                    }
                }
                return (all, None);
            }
        }
        (all, None)
    }

    fn present_compared(&self, all: &[Measured]) -> (String, anyhow::Result<()>) {
        let servers = self.arguments.server.iter().enumerate();
        let compared = servers.map(|(place, server)| {
            let rounds = all.iter().filter(|measured| measured.server == place);
            let reports: Vec<&Report> = rounds.map(|measured| &measured.report).collect();
            Compared::new(server.name.clone(), &reports)
        });
        let compared: serde_json::Result<Vec<Compared>> = compared.collect();
        let compared = match compared.context("encoding the report") {
            Ok(compared) => compared,
            Err(error) => return (String::new(), Err(error)),
        };
        let rounds = all.len().div_ceil(self.arguments.server.len());
        self.present(
            || comparison::json(&compared),
            || comparison::table(&compared, rounds),
        )
    }

    /// Tries rates on every server.
    fn search(&self, ramp: &RampArguments) -> anyhow::Result<(End, String)> {
        let mut searches = Vec::new();
        let mut failed = None;
        for (place, server) in self.arguments.server.iter().enumerate() {
            let mut steps = Vec::new();
            while let Some(rate_per_s) = ramp.next_rate(&steps)
                && failed.is_none()
            {
                let measured = self.measure(place, Pace::Open { rate_per_s });
                if kernel::end_is_wanted() {
                    break;
                }
                match measured {
                    Ok(measured) => steps.push(measured.report.step(rate_per_s, ramp)),
                    Err(error) => failed = Some(error),
                }
            }
            let ended_early = kernel::end_is_wanted() || failed.is_some();
            searches.push(Search {
                server: server.name.clone(),
                knee_queries_per_s: ramp::knee(&steps),
                ended_early,
                steps,
            });
            if ended_early {
                break;
            }
        }
        let good = |search: &Search| search.steps.iter().any(|step| step.grade == Grade::Good);
        let is_good = searches.iter().any(good);
        let tables = || {
            searches
                .iter()
                .map(Search::table)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let json = || serde_json::to_string_pretty(&searches).map(|json| json + "\n");
        let (text, presented) = self.present(json, tables);
        let end = match failed.or(presented.err()) {
            Some(error) => End::Broken(error),
            None if is_good => End::Done,
            None => End::NothingAnswered,
        };
        Ok((end, text))
    }

    /// Measures one server once.
    fn measure(&self, place: usize, pace: Pace) -> anyhow::Result<Measured> {
        let arguments = self.arguments;
        let Server { name, address } = &arguments.server[place];
        let duration_s = self.prepared.duration_s;
        let timeout_ns = arguments.timeout_ms * NS_PER_MS;
        let queries_max = arguments.queries.unwrap_or(u64::MAX);
        let scope = Scope {
            title: format!("{name}, {pace}"),
            duration_s,
            queries_max,
        };
        let view = self.shown.view(self.cpus, arguments.cpu, scope)?;
        let (gauges, view) = view.unzip();
        let plan = Plan {
            server: *address,
            transport: arguments.transport,
            sources: arguments.source.clone(),
            sockets: usize::from(arguments.sockets),
            schedule: Schedule::new(pace, duration_s, queries_max, timeout_ns),
            timeout_ns,
            spin_ns: arguments.spin_us * 1_000,
            gauges,
        };
        let cpu = || {
            arguments
                .server_pid
                .get(place)
                .map(|pid| CpuTime::of_process(*pid))
        };
        let cpu_before = cpu().transpose();
        let outcome = run::run(&plan, &self.prepared.queries)
            .with_context(|| format!("sockets to --server {address}"))?;
        drop(view);
        let cpu_after = cpu().transpose();
        let server_cpu = match (&cpu_after, &cpu_before) {
            (Ok(Some(after)), Ok(Some(before))) => Some(after.since(*before)),
            _ => None,
        };
        let setting = Setting {
            server: name.clone(),
            questions: self.prepared.queries.len(),
            pace,
            duration_s,
            transport: arguments.transport,
            sockets: plan.sockets,
            asked: self.ask.asked(&self.prepared, &outcome),
            server_cpu,
        };
        let mut report = Report::new(setting, &outcome);
        if let Err(error) = cpu_before.and(cpu_after) {
            report.warn(format!("{:#}", anyhow::Error::new(error)));
        }
        Ok(Measured {
            server: place,
            report,
            outcome,
        })
    }

    /// The text to print: JSON for `-`, else the table; JSON goes to its file, if there is one.
    fn present(
        &self,
        json: impl Fn() -> serde_json::Result<String>,
        table: impl Fn() -> String,
    ) -> (String, anyhow::Result<()>) {
        let Some(path) = &self.arguments.json else {
            return (table(), Ok(()));
        };
        let text = json().context("encoding the report");
        match (text, file_of(path)) {
            (Ok(text), None) => (text, Ok(())),
            (Ok(text), Some(path)) => {
                let written = fs::write(path, text);
                (
                    table(),
                    written.with_context(|| format!("--json {}", path.display())),
                )
            }
            (Err(error), _) => (table(), Err(error)),
        }
    }
}

/// All that can be wrong with the arguments and was not seen by their parser.
fn prepare(arguments: &LoadArguments, ask: &AskArguments) -> anyhow::Result<Prepared> {
    pin(arguments.cpu)?;
    kernel::sleep_precisely().context("setting the precision of sleeps")?;
    let (servers, pids) = (arguments.server.len(), arguments.server_pid.len());
    if pids > 0 && pids != servers {
        return Err(anyhow!(
            "--server-pid: {pids} for {servers} servers, not one for each"
        ));
    }
    for pid in &arguments.server_pid {
        CpuTime::of_process(*pid).context("--server-pid")?;
    }
    for source in &arguments.source {
        let server = arguments
            .server
            .iter()
            .find(|server| server.address.is_ipv4() != source.is_ipv4());
        if let Some(server) = server {
            return Err(anyhow!(
                "--source: the server {} is of the other family",
                server.address
            ));
        }
    }
    let open = arguments.rate.map(|rate_per_s| Pace::Open { rate_per_s });
    let closed = arguments
        .outstanding
        .map(|outstanding| Pace::Closed { outstanding });
    let (duration_s, edns) = (arguments.duration, arguments.edns);
    let prepared = ask.prepare(open.or(closed), duration_s, edns, arguments.seed)?;
    if let Some(path) = arguments.json.as_deref().and_then(file_of) {
        // Before the run, so that its figures are not lost to a mistyped path.
        File::create(path).with_context(|| format!("--json {}", path.display()))?;
    }
    Ok(prepared)
}

/// Keeps this thread on a CPU, if one is given.
pub(crate) fn pin(cpu: Option<usize>) -> anyhow::Result<()> {
    match cpu {
        Some(cpu) => {
            kernel::pin_to_cpu(cpu).with_context(|| format!("--cpu {cpu}: pinning to this CPU"))
        }
        None => Ok(()),
    }
}

/// The file to write; none for `-`.
fn file_of(json: &Path) -> Option<&Path> {
    (json != Path::new("-")).then_some(json)
}
