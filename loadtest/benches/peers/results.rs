//! Everything that a run of the benchmark found, as it is written to JSON, and how figures are
//! taken out of it. Pure; [`crate::table`] and [`crate::targets`] read it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::figures::{self, ByRound};
use crate::load::Measured;

/// What a measurement was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// A queries, as fast as they are answered.
    Saturation,
    /// Mixed queries, as fast as they are answered.
    Mixed,
    /// A queries at half of Knot's saturation.
    Paced,
    /// Nothing changes; the next two are beside it.
    Quiet,
    /// etcd and the writer are as busy as in the next, with keys that nobody watches.
    WritesElsewhere,
    /// The set changes.
    Changes,
    /// 50,000 names with one address each.
    FewNames,
    /// 1,000,000 names with one address each.
    ManyNames,
}

/// One run of the generator.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) part: Part,
    pub(crate) round: usize,
    pub(crate) server: &'static str,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// What is measured once for each server.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ServerFigures {
    pub(crate) server: &'static str,
    pub(crate) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ready_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_start_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_end_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system_calls_per_query: Option<f64>,
    /// Why some of it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

/// The set changed while it was asked for.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ChangeFigures {
    /// The lowest of the rounds.
    pub(crate) changes_per_s: f64,
    pub(crate) lost: u64,
    pub(crate) wrong: u64,
    /// Asked after the last round: names, and those that were not right.
    pub(crate) names_checked: usize,
    pub(crate) names_wrong: usize,
}

/// Many names.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ManyFigures {
    pub(crate) records: usize,
    /// From the start of ContainerDNS to its first right answer.
    pub(crate) ready_s: f64,
    pub(crate) memory_bytes: u64,
}

/// Memory of ContainerDNS by names and cores.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct MemoryFigures {
    pub(crate) names: usize,
    pub(crate) one_name_one_core_bytes: u64,
    pub(crate) one_name_two_cores_bytes: u64,
    pub(crate) all_names_one_core_bytes: u64,
    pub(crate) all_names_two_cores_bytes: u64,
    /// Of a name: its owner and its address records as in a response.
    pub(crate) wire_bytes_per_name: f64,
}

impl MemoryFigures {
    /// With everything that the server keeps of a name, in and beside its cores.
    pub(crate) fn bytes_per_name(&self) -> f64 {
        let all = self.all_names_one_core_bytes as f64;
        (all - self.one_name_one_core_bytes as f64) / self.names as f64
    }

    /// What one more core adds to a name.
    pub(crate) fn bytes_per_name_and_core(&self) -> f64 {
        let added = self.all_names_two_cores_bytes as f64 - self.all_names_one_core_bytes as f64;
        let empty = self.one_name_two_cores_bytes as f64 - self.one_name_one_core_bytes as f64;
        (added - empty) / self.names as f64
    }
}

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: String,
    /// As given on the command line.
    pub(crate) arguments: Vec<String>,
    pub(crate) rounds: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) paced_queries_per_s: Option<u64>,
    pub(crate) servers: Vec<ServerFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<ChangeFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) many: Option<ManyFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<MemoryFigures>,
    pub(crate) samples: Vec<Sample>,
    /// What went wrong, and what makes a figure doubtful.
    pub(crate) notes: Vec<String>,
}

impl Results {
    /// A figure of every round of a part.
    pub(crate) fn by_round(
        &self,
        server: &str,
        part: Part,
        figure: impl Fn(&Measured) -> f64,
    ) -> ByRound {
        let samples = self.of(server, part);
        samples
            .map(|sample| (sample.round, figure(&sample.measured)))
            .collect()
    }

    /// The median of a figure over the rounds of a part.
    pub(crate) fn median(
        &self,
        server: &str,
        part: Part,
        figure: impl Fn(&Measured) -> f64,
    ) -> Option<f64> {
        figures::median(self.by_round(server, part, figure).into_values())
    }

    /// The median of the ratios of two servers within one round.
    pub(crate) fn ratio(
        &self,
        part: Part,
        (server, reference): (&str, &str),
        figure: impl Fn(&Measured) -> f64,
    ) -> Option<f64> {
        let figure = &figure;
        figures::ratio(
            &self.by_round(server, part, figure),
            &self.by_round(reference, part, figure),
        )
    }

    /// The median of the ratios of two parts within one round of one server.
    pub(crate) fn part_ratio(
        &self,
        server: &str,
        (part, reference): (Part, Part),
        figure: impl Fn(&Measured) -> f64,
    ) -> Option<f64> {
        let figure = &figure;
        figures::ratio(
            &self.by_round(server, part, figure),
            &self.by_round(server, reference, figure),
        )
    }

    /// A count of all rounds of a part.
    pub(crate) fn sum(&self, server: &str, part: Part, count: impl Fn(&Measured) -> u64) -> u64 {
        self.of(server, part)
            .map(|sample| count(&sample.measured))
            .sum()
    }

    /// User time of a query, and the bound of its error: the share of ticks of all rounds,
    /// applied to the median of the exact total.
    pub(crate) fn user_ns(&self, server: &str, part: Part) -> Option<(f64, f64)> {
        let user = self.sum(server, part, |measured| measured.user_ticks);
        let system = self.sum(server, part, |measured| measured.system_ticks);
        let total = self.median(server, part, Measured::cpu_ns_per_query)?;
        let (share, error) = figures::share(user, user + system)?;
        Some((share * total, error * total))
    }

    fn of(&self, server: &str, part: Part) -> impl Iterator<Item = &Sample> {
        let samples = self.samples.iter();
        samples.filter(move |sample| sample.server == server && sample.part == part)
    }

    /// Servers that answered with another code than the questions expect, or that truncated.
    pub(crate) fn wrong_answers(&self) -> Vec<String> {
        let mut counts: BTreeMap<(&str, Part), u64> = BTreeMap::new();
        for sample in &self.samples {
            let report = &sample.measured.report;
            let wrong = report.wrong_rcode + report.truncated + report.malformed;
            // The echo gives queries back and knows nothing of names.
            if wrong > 0 && sample.server != "echo" {
                *counts.entry((sample.server, sample.part)).or_default() += wrong;
            }
        }
        let note = |((server, part), count)| format!("{server}: {count} wrong answers, {part:?}");
        counts.into_iter().map(note).collect()
    }

    /// How often each warning of the generator came, for the notes.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
        for sample in &self.samples {
            for warning in &sample.measured.report.warnings {
                let kind = figures::kind_of_warning(warning);
                *counts.entry((sample.server, kind)).or_default() += 1;
            }
        }
        let note = |((server, kind), count)| format!("{server}: {kind}, in {count} runs");
        counts.into_iter().map(note).collect()
    }
}
