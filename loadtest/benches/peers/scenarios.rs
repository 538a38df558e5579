//! What is measured beside the comparison: many names, changes while asked, memory by names and
//! cores. Each starts the servers it needs and ends them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;

use crate::ask::Asker;
use crate::changes::{After, Writing};
use crate::etcd::Etcd;
use crate::load::{CPU, Pace};
use crate::peers::{Cores, Kind, Server, Start, Written};
use crate::process::{Place, Program, check_signals, sleep};
use crate::results::{ChangeFigures, ManyFigures, MemoryFigures, Part, Results};
use crate::rounds::{Rounds, Turn};
use crate::set::{self, Addresses, Name};
use crate::table::say;
use crate::zone;

const CHANGES_PER_S: u64 = 5_000;
/// How long a change may take to be answered, before it counts as wrong.
const SEEN_MAX: Duration = Duration::from_secs(10);
/// Keys that ContainerDNS does not watch.
const ELSEWHERE: &str = "/elsewhere/";

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Memory of a name, and of a name on each further core.
    Memory,
    /// p99.9 quiet, and with 5,000 changes a second. After it etcd has another set than the files.
    Changes,
    /// 1,000,000 names beside 50,000, for ContainerDNS and Knot.
    Names,
}

/// What the scenarios share.
pub(crate) struct Bench<'a> {
    pub(crate) start: Start<'a>,
    pub(crate) etcd: &'a Etcd,
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) paced_seconds: u64,
    pub(crate) rounds: usize,
    /// Of the large set.
    pub(crate) many: usize,
    pub(crate) questions: &'a Path,
}

impl Bench<'_> {
    fn rounds(&self, pace: Pace, seconds: u64) -> Rounds<'_> {
        Rounds {
            generator: &self.start.programs.generator,
            folder: self.start.folder,
            logs: None,
            pace,
            seconds,
            rounds: self.rounds,
        }
    }

    /// Writes a set's keys to etcd.
    pub(crate) fn fill(&self, set: &Written) -> anyhow::Result<usize> {
        let began = Instant::now();
        let keys = set.names.iter();
        let keys: Vec<_> = keys
            .flat_map(|name| zone::store_keys(set.prefix, name))
            .collect();
        self.etcd.fill(&keys)?;
        let seconds = began.elapsed().as_secs_f64();
        say(&format!(
            "etcd has {} keys below {}, in {seconds:.1} s",
            keys.len(),
            set.prefix
        ));
        Ok(keys.len())
    }

    /// Quiet, writes elsewhere, changes: three turns a round, at one rate.
    pub(crate) fn changes(
        &self,
        set: &Written,
        rate: u64,
        results: &mut Results,
    ) -> anyhow::Result<()> {
        let rounds = self.rounds(Pace::Rate(rate), self.paced_seconds);
        let count = CHANGES_PER_S * (self.paced_seconds + 1);
        let server = &mut self.start.server(Kind::Containerdns, set)?;
        rounds.warm_up(server, self.questions)?;
        let mut figures = ChangeFigures {
            changes_per_s: f64::INFINITY,
            ..ChangeFigures::default()
        };
        for round in 1..=self.rounds {
            let first = (round as u64 - 1) * count;
            for (part, prefix) in [
                (Part::Quiet, None),
                (Part::WritesElsewhere, Some(ELSEWHERE)),
                (Part::Changes, Some(set.prefix)),
            ] {
                let writer = prefix.map(|prefix| self.writer(prefix, first, count, set));
                let mut writer = writer.transpose()?;
                let mut turn = Turn {
                    part,
                    server,
                    questions: self.questions,
                };
                let sample = rounds.measure(&mut turn, round)?;
                let changes_per_s = writer.as_mut().map(written).transpose()?;
                if part == Part::Changes {
                    let changes_per_s = changes_per_s.unwrap_or_default();
                    figures.changes_per_s = figures.changes_per_s.min(changes_per_s);
                    figures.lost += sample.measured.report.lost + sample.measured.report.unsent;
                    figures.wrong += sample.measured.report.wrong_rcode;
                }
                results.samples.push(sample);
            }
        }
        let after = After::new(&set.names, self.rounds as u64 * count);
        (figures.names_checked, figures.names_wrong) = check_all(server, &after)?;
        results.changes = Some(figures);
        Ok(())
    }

    /// A process that makes changes, niced, on the generator's CPU; it is at work on return.
    fn writer(
        &self,
        prefix: &str,
        first: u64,
        count: u64,
        set: &Written,
    ) -> anyhow::Result<Program> {
        let writing = Writing {
            etcd: self.etcd.url.clone(),
            prefix: prefix.to_owned(),
            seed: self.seed,
            names: set.names.len(),
            first,
            count,
            rate: CHANGES_PER_S,
        };
        let command = writing_command(&writing)?;
        let place = Place { nice: 19, ..CPU };
        let mut writer = Program::start("writer", place, &command, self.start.folder)?;
        let names = Duration::from_millis(300);
        sleep(names)?;
        writer.check_alive()?;
        Ok(writer)
    }

    /// ContainerDNS with one name and with all, on one core and on two.
    pub(crate) fn memory(&self, set: &Written, results: &mut Results) -> anyhow::Result<()> {
        let one = set.names[..1].to_vec();
        let one = Written::new(one, "/bench-one/", &[], self.folder("one"))?;
        self.fill(&one)?;
        let memory = |set: &Written, cores| -> anyhow::Result<u64> {
            let start = Start {
                cores,
                ..self.start
            };
            Ok(start.server(Kind::Containerdns, set)?.memory_start_bytes)
        };
        let wire: usize = set.names.iter().map(Name::wire_bytes).sum();
        results.memory = Some(MemoryFigures {
            names: set.names.len(),
            one_name_one_core_bytes: memory(&one, Cores::One)?,
            one_name_two_cores_bytes: memory(&one, Cores::Two)?,
            all_names_one_core_bytes: memory(set, Cores::One)?,
            all_names_two_cores_bytes: memory(set, Cores::Two)?,
            wire_bytes_per_name: wire as f64 / set.names.len() as f64,
        });
        Ok(())
    }

    /// Many names beside few, each with one address, so that only their number differs.
    pub(crate) fn names(
        &self,
        few: usize,
        kinds: &[Kind],
        results: &mut Results,
    ) -> anyhow::Result<()> {
        let kinds: Vec<Kind> = [Kind::Containerdns, Kind::Knot]
            .into_iter()
            .filter(|kind| kinds.contains(kind))
            .collect();
        let set = |count, prefix, folder| {
            let names = set::names(self.seed, count, Addresses::One);
            let set = Written::new(names, prefix, &kinds, self.folder(folder))?;
            let records = self.fill(&set)?;
            let questions = set.file("questions");
            std::fs::write(&questions, set::address_questions(&set.names))?;
            anyhow::Ok((set, questions, records))
        };
        let few = set(few, "/bench-few/", "few")?;
        let many = set(self.many, "/bench-many/", "many")?;
        let mut servers: Vec<(Part, Server, &PathBuf)> = Vec::new();
        for &kind in &kinds {
            for (part, (set, questions, records)) in
                [(Part::FewNames, &few), (Part::ManyNames, &many)]
            {
                let server = self.start.server(kind, set)?;
                say(&format!(
                    "{} has {records} names in {:.0} ms",
                    kind.name(),
                    server.ready_ms
                ));
                if (kind, part) == (Kind::Containerdns, Part::ManyNames) {
                    results.many = Some(ManyFigures {
                        records: *records,
                        ready_s: server.ready_ms / 1e3,
                        memory_bytes: server.memory_start_bytes,
                    });
                }
                servers.push((part, server, questions));
            }
        }
        let rounds = self.rounds(Pace::Saturation, self.seconds);
        for (_, server, questions) in &mut servers {
            rounds.warm_up(server, questions)?;
        }
        let turns = servers.iter_mut().map(|(part, server, questions)| Turn {
            part: *part,
            server,
            questions,
        });
        rounds.run(turns.collect(), results)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.start.folder.join(name)
    }
}

/// This program as a writer of changes.
fn writing_command(writing: &Writing) -> anyhow::Result<Vec<String>> {
    let program = std::env::current_exe().context("the path of this program")?;
    let options = [
        ("etcd", writing.etcd.clone()),
        ("prefix", writing.prefix.clone()),
        ("seed", writing.seed.to_string()),
        ("names", writing.names.to_string()),
        ("first", writing.first.to_string()),
        ("count", writing.count.to_string()),
        ("rate", writing.rate.to_string()),
    ];
    let options = options.map(|(option, value)| format!("--{option}={value}"));
    let command = [program.display().to_string(), "write-changes".to_owned()];
    Ok(command.into_iter().chain(options).collect())
}

/// Waits for the writer's end; the rate that it came to is all that it prints.
fn written(writer: &mut Program) -> anyhow::Result<f64> {
    let status = writer.wait()?;
    let output = writer.output_tail();
    ensure!(status.success(), "the writer ended with {status}: {output}");
    output
        .trim()
        .parse()
        .with_context(|| format!("the writer said {output}"))
}

/// Asks for every name: how many, and how many are wrong even after a while.
fn check_all(server: &Server, after: &After) -> anyhow::Result<(usize, usize)> {
    let asker = Asker::new(server.address, Duration::from_millis(200))?;
    let began = Instant::now();
    let (mut checked, mut wrong) = (0, 0);
    for (name, addresses) in after.expected() {
        let expected = addresses.into_iter().collect();
        checked += 1;
        loop {
            check_signals()?;
            let found = asker.addresses(&name).unwrap_or_default();
            if found == expected {
                break;
            }
            if began.elapsed() > SEEN_MAX {
                wrong += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    if checked == 0 {
        bail!("no name to check");
    }
    Ok((checked, wrong))
}
