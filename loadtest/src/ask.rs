//! What to ask: reads the files that the options name and makes the queries of the run of them.
//!
//! Everything that can be wrong with a file is found here, before the run, with the option and the
//! file in the message. What the files mean is in `names`, `order`, `replay`, `zone`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use crate::names;
use crate::order::Order;
use crate::packet::Queries;
use crate::replay::{self, Recording, Skipped};
use crate::run::Outcome;
use crate::schedule::Pace;
use crate::tally::Asked;
use crate::verify::Verifier;
use crate::zone::Zones;

/// A file larger than this is refused: 10 million lines of 100 octets.
const FILE_BYTES_MAX: u64 = 1_000_000_000;

/// Seconds of a run.
pub(crate) const DURATION_S_MAX: u64 = 3600;
/// The pace of a run of names for which none is given.
const CLOSED: Pace = Pace::Closed { outstanding: 100 };

/// What is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct AskArguments {
    /// Questions: lines `NAME [TYPE [RCODE]]`, A and NOERROR unless given, `#` for comments.
    ///
    /// Given several times, each with a weight, the files are mixed by these shares.
    #[arg(long, value_name = "[WEIGHT=]FILE", required_unless_present = "replay",
          value_parser = parse_part)]
    names: Vec<Part>,
    /// Send the queries of a capture (pcap, pcapng) or of a query log, when they were recorded.
    ///
    /// With --rate or --outstanding they have that pace, round and round in the recorded order.
    #[arg(long, value_name = "FILE", conflicts_with = "names")]
    replay: Option<PathBuf>,
    /// Port to which the queries of a capture were sent; 53 unless given.
    #[arg(
        long,
        value_name = "PORT",
        requires = "replay",
        conflicts_with = "names"
    )]
    replay_port: Option<u16>,
    /// So many times as fast as recorded.
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "replay",
          conflicts_with_all = ["names", "rate", "outstanding"], value_parser = parse_speed)]
    replay_speed: f64,
    /// Compare every answer with this zone (RFC 1035 master file); may be given again.
    #[arg(long, value_name = "ZONEFILE")]
    verify: Vec<PathBuf>,
    /// With --verify: some of the records of a set are right, too.
    #[arg(long, requires = "verify")]
    verify_subset: bool,
}

/// What is to be asked, how fast and how long.
pub(crate) struct Prepared {
    pub(crate) queries: Queries,
    pub(crate) pace: Pace,
    pub(crate) duration_s: u64,
    skipped: Option<Skipped>,
}

/// One file of questions and its share.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    weight: Option<u32>,
    path: PathBuf,
}

impl AskArguments {
    /// Reads the files; `pace` is what was asked for, if anything.
    pub(crate) fn prepare(
        &self,
        pace: Option<Pace>,
        duration_s: Option<u64>,
        edns: bool,
        seed: u64,
    ) -> anyhow::Result<Prepared> {
        let missing = || anyhow!("--duration is missing");
        let mut prepared = match &self.replay {
            Some(path) => self
                .prepare_replay(path, pace, duration_s, edns)
                .with_context(|| format!("--replay {}", path.display()))?,
            None => Prepared {
                queries: self.prepare_names(edns, seed)?,
                pace: pace.unwrap_or(CLOSED),
                duration_s: duration_s.ok_or_else(missing)?,
                skipped: None,
            },
        };
        if !self.verify.is_empty() {
            let zones = self.read_zones()?;
            let verifier = Verifier::new(&zones, &prepared.queries, self.verify_subset);
            if verifier.judged() == 0 {
                bail!("--verify: no question is one that these zones answer");
            }
            prepared.queries.verify_by(verifier);
        }
        Ok(prepared)
    }

    fn prepare_replay(
        &self,
        path: &Path,
        pace: Option<Pace>,
        duration_s: Option<u64>,
        edns: bool,
    ) -> anyhow::Result<Prepared> {
        let recording = Recording::read(&read_bounded(path)?, self.replay_port, edns)?;
        let queries = Queries::recorded(recording.queries());
        let skipped = Some(recording.skipped);
        if let Some(pace) = pace {
            let duration_s = duration_s.context("with --rate or --outstanding give --duration")?;
            return Ok(Prepared {
                queries,
                pace,
                duration_s,
                skipped,
            });
        }
        // They are needed to the end of the program.
        let due_ns: &'static [u64] = recording.due_ns(self.replay_speed)?.leak();
        let whole_s = replay::duration_s(due_ns);
        if duration_s.is_none() && whole_s > DURATION_S_MAX {
            bail!("takes {whole_s} s: give a greater --replay-speed, or --duration for its start");
        }
        Ok(Prepared {
            queries,
            pace: Pace::Recorded { due_ns },
            duration_s: duration_s.unwrap_or(whole_s).min(whole_s),
            skipped,
        })
    }

    fn read_zones(&self) -> anyhow::Result<Zones> {
        let mut zones = Zones::default();
        for path in &self.verify {
            let what = || format!("--verify {}", path.display());
            let text = String::from_utf8(read_bounded(path).with_context(what)?)
                .context("not UTF-8")
                .with_context(what)?;
            zones.add(&text, path).with_context(what)?;
        }
        Ok(zones)
    }

    fn prepare_names(&self, edns: bool, seed: u64) -> anyhow::Result<Queries> {
        let mut files = Vec::new();
        for part in &self.names {
            let what = || format!("--names {}", part.path.display());
            if part.weight.is_none() && self.names.len() > 1 {
                let advice = "one of several files needs a share, as in --names 70=FILE";
                return Err(anyhow!(advice).context(what()));
            }
            let text = read_bounded(&part.path).with_context(what)?;
            files.push(names::parse(&text).with_context(what)?);
        }
        if files.iter().map(Vec::len).sum::<usize>() > names::QUESTIONS_MAX {
            bail!(
                "--names: more than {} questions in all",
                names::QUESTIONS_MAX
            );
        }
        let shares: Vec<(u32, usize)> = self
            .names
            .iter()
            .zip(&files)
            .map(|(part, questions)| (part.weight.unwrap_or(1), questions.len()))
            .collect();
        let order = Order::mixed(&shares, seed).context("--names")?;
        let files: Vec<_> = files.iter().map(Vec::as_slice).collect();
        Ok(Queries::encode(&files, edns, seed, order))
    }

    /// What a report says about what was asked.
    pub(crate) fn asked(&self, prepared: &Prepared, outcome: &Outcome) -> Asked {
        let names = self.names.iter().map(|part| part.path.as_path());
        Asked::new(&prepared.queries, outcome, names, prepared.skipped)
    }
}

/// `WEIGHT=FILE` or `FILE`; a file whose own name begins so is written `./7=x`.
fn parse_part(text: &str) -> Result<Part, String> {
    let weighted = text
        .split_once('=')
        .filter(|(weight, _)| !weight.is_empty() && weight.bytes().all(|c| c.is_ascii_digit()));
    let Some((weight, path)) = weighted else {
        return Ok(Part {
            weight: None,
            path: text.into(),
        });
    };
    match weight.parse() {
        _ if path.is_empty() => Err(format!("no file after the weight {weight}")),
        Ok(weight @ 1..=1_000_000) => Ok(Part {
            weight: Some(weight),
            path: path.into(),
        }),
        _ => Err(format!("weight {weight}: must be 1 to 1000000")),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    let speed = speed.filter(|speed| (1e-3..=1e6).contains(speed));
    speed.ok_or_else(|| "must be 0.001 to 1000000".to_owned())
}

fn read_bounded(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        bail!("larger than {FILE_BYTES_MAX} bytes: split the file");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_before_the_first_sign() {
        let part = |weight, path: &str| {
            let path = path.into();
            Ok(Part { weight, path })
        };
        assert_eq!(parse_part("names.txt"), part(None, "names.txt"));
        assert_eq!(parse_part("70=a=b"), part(Some(70), "a=b"));
        assert_eq!(parse_part("./7=x"), part(None, "./7=x"));
        assert_eq!(parse_part("=x"), part(None, "=x"));
        let error = |text| parse_part(text).expect_err("refused");
        assert_eq!(error("0=x"), "weight 0: must be 1 to 1000000");
        assert_eq!(error("5="), "no file after the weight 5");
        assert_eq!(
            error("99999999999=x"),
            "weight 99999999999: must be 1 to 1000000"
        );
    }
}
