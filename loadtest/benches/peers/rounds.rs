//! Interleaved rounds: A B C A B C, so that what changes on the machine meets every server.
//!
//! A server that fails is left out of the rounds that follow, with a note; the others go on.

use std::path::{Path, PathBuf};

use crate::load::{Load, Pace};
use crate::peers::Server;
use crate::process::is_ended;
use crate::results::{Part, Results, Sample};
use crate::table::{number, say};

/// Queries that warm caches, connections and the page tables of a server, before the first round.
const WARM_UP_S: u64 = 1;

/// What a round asks, and how.
pub(crate) struct Rounds<'a> {
    pub(crate) generator: &'a Path,
    /// Of the generator's report.
    pub(crate) folder: &'a Path,
    /// Where latencies are kept, as `SERVER-ROUND.hlog`.
    pub(crate) logs: Option<&'a Path>,
    pub(crate) pace: Pace,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
}

/// One turn of a round.
pub(crate) struct Turn<'a> {
    pub(crate) part: Part,
    pub(crate) server: &'a mut Server,
    pub(crate) questions: &'a Path,
}

impl Rounds<'_> {
    /// All rounds; the samples and notes go to `results`.
    pub(crate) fn run(&self, turns: Vec<Turn>, results: &mut Results) -> anyhow::Result<()> {
        let mut turns = turns;
        for round in 1..=self.rounds {
            let mut index = 0;
            while index < turns.len() {
                match self.measure(&mut turns[index], round) {
                    Ok(sample) => {
                        results.samples.push(sample);
                        index += 1;
                    }
                    Err(error) if is_ended() => return Err(error),
                    Err(error) => {
                        let turn = turns.remove(index);
                        let name = turn.server.kind.name();
                        let note = format!("{name}: {:?}, round {round}: {error:#}", turn.part);
                        say(&note);
                        results.notes.push(note);
                    }
                }
            }
        }
        Ok(())
    }

    /// One turn of one round.
    pub(crate) fn measure(&self, turn: &mut Turn, round: usize) -> anyhow::Result<Sample> {
        let server = turn.server.kind.name();
        let log = |logs: &Path| logs.join(format!("{server}-{round}.hlog"));
        let load = Load {
            generator: self.generator,
            server: turn.server.address,
            questions: turn.questions,
            pace: self.pace,
            seconds: self.seconds,
            seed: round as u64,
            hdr_log: self.logs.map(log),
            folder: self.folder,
        };
        let measured = load.run(&mut turn.server.program)?;
        say(&format!(
            "{:?} {round}/{}: {server} {:.0} queries/s, {:.0} ns, p99.9 {} us, {} lost",
            turn.part,
            self.rounds,
            measured.report.queries_per_s,
            measured.cpu_ns_per_query(),
            number(Some(measured.p99_9()), 0),
            measured.report.lost
        ));
        Ok(Sample {
            part: turn.part,
            round,
            server,
            measured,
        })
    }

    /// A short load of which nothing is kept.
    pub(crate) fn warm_up(&self, server: &mut Server, questions: &Path) -> anyhow::Result<()> {
        self.short(server, questions).run(&mut server.program)?;
        Ok(())
    }

    /// System calls of a query at saturation.
    pub(crate) fn system_calls(
        &self,
        server: &mut Server,
        questions: &Path,
    ) -> anyhow::Result<f64> {
        self.short(server, questions)
            .system_calls(&mut server.program)
    }

    fn short<'a>(&'a self, server: &Server, questions: &'a Path) -> Load<'a> {
        Load {
            generator: self.generator,
            server: server.address,
            questions,
            pace: Pace::Saturation,
            seconds: WARM_UP_S,
            seed: 0,
            hdr_log: None,
            folder: self.folder,
        }
    }
}

/// The logs of a server that were written.
pub(crate) fn written_logs(logs: &Path, server: &str, rounds: usize) -> Vec<PathBuf> {
    let path = |round| logs.join(format!("{server}-{round}.hlog"));
    (1..=rounds)
        .map(path)
        .filter(|path| path.exists())
        .collect()
}
