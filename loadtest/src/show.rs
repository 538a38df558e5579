//! Where the figures of a run go beside the table: files that are opened before the run, so that
//! nothing measured is lost to a mistyped path, and written after it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use crate::arguments::Server;
use crate::hdr_log;
use crate::hgrm;
use crate::html;
use crate::kernel::Cpus;
use crate::live::{Gauges, Scope, View, When};
use crate::session::Measured;

/// How a run is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArguments {
    /// Print a table of the figures of each second, too.
    #[arg(long)]
    pub(crate) timeline: bool,
    /// Write the latencies of each second as an HdrHistogram log.
    #[arg(long, value_name = "FILE")]
    hdr_log: Option<PathBuf>,
    /// Write the percentile distribution of the latencies in us, for hdr-plot and the like.
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Write a report with charts as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Show the run on the terminal while it lasts.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    live: When,
}

/// The files to write.
pub(crate) struct Files {
    hdr_log: Option<(PathBuf, File)>,
    hgrm: Option<(PathBuf, File)>,
    html: Option<(PathBuf, File)>,
    /// Whether several measurements were meant, each with a log of its own.
    pub(crate) several: bool,
}

impl ShowArguments {
    /// What of it contradicts itself or what else is asked for, before any file is created.
    pub(crate) fn check(
        &self,
        servers: &[Server],
        rounds: u64,
        json: Option<&Path>,
    ) -> anyhow::Result<()> {
        if self.timeline && is_several(servers, rounds) {
            bail!("--timeline: for one server in one round only; --html shows that of several");
        }
        let paths = [&self.hdr_log, &self.hgrm, &self.html].map(Option::as_deref);
        let paths: Vec<&Path> = paths.into_iter().chain([json]).flatten().collect();
        let whole = |path: &&Path| path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let whole: Vec<PathBuf> = paths.iter().map(whole).collect();
        for (place, path) in whole.iter().enumerate() {
            if whole[..place].contains(path) {
                bail!("{}: given for two outputs", paths[place].display());
            }
        }
        let names: Vec<String> = servers.iter().map(|server| plain(&server.name)).collect();
        for (place, name) in names.iter().enumerate() {
            if names[..place].contains(name) {
                bail!("--server: two are called {name}: give each a name, as in a=127.0.0.1:53");
            }
        }
        Ok(())
    }

    /// Creates the files for the measurements of `servers` in `rounds` rounds.
    pub(crate) fn create(&self, servers: &[Server], rounds: u64) -> anyhow::Result<Files> {
        let several = is_several(servers, rounds);
        // Of several logs the first: whether it can be created tells of them all.
        let first = format!("{}-1", servers.first().map_or("", |server| &server.name));
        let first = several.then_some(&first[..]);
        Ok(Files {
            hdr_log: create("--hdr-log", self.hdr_log.as_ref(), first)?,
            hgrm: create("--hgrm", self.hgrm.as_ref(), first)?,
            html: create("--html", self.html.as_ref(), None)?,
            several,
        })
    }

    /// Begins the live view, if it is wanted, off the CPU of the generator; `cpus` are those the
    /// process may use.
    pub(crate) fn view(
        &self,
        cpus: Cpus,
        generator_cpu: Option<usize>,
        scope: Scope,
    ) -> anyhow::Result<Option<(Arc<Gauges>, View)>> {
        if !self.live.is_now() {
            return Ok(None);
        }
        let gauges = Arc::new(Gauges::new());
        let view = View::start(Arc::clone(&gauges), scope, cpus.without(generator_cpu))
            .context("starting the live view")?;
        Ok(Some((gauges, view)))
    }
}

/// Whether there is more than one measurement.
fn is_several(servers: &[Server], rounds: u64) -> bool {
    servers.len() as u64 * rounds > 1
}

fn create(
    option: &str,
    path: Option<&PathBuf>,
    mark: Option<&str>,
) -> anyhow::Result<Option<(PathBuf, File)>> {
    let Some(path) = path else { return Ok(None) };
    let created = mark.map_or_else(|| path.clone(), |mark| marked(path, mark));
    let file = File::create(&created).with_context(|| format!("{option} {}", created.display()))?;
    Ok(Some((path.clone(), file)))
}

impl Files {
    /// Writes what was measured: with several measurements a log of each, named after its server
    /// and round, and one page of all.
    pub(crate) fn write(self, servers: &[Server], all: &[Measured]) -> anyhow::Result<()> {
        let mut rounds = vec![0; servers.len()];
        let (mut hdr_log, mut hgrm) = (self.hdr_log, self.hgrm);
        for measured in all {
            rounds[measured.server] += 1;
            let name = &servers[measured.server].name;
            let mark = self
                .several
                .then(|| format!("{name}-{}", rounds[measured.server]));
            write_one("--hdr-log", &mut hdr_log, mark.as_deref(), |file| {
                Ok(hdr_log::write(file, name, &measured.outcome.timeline)?)
            })?;
            write_one("--hgrm", &mut hgrm, mark.as_deref(), |file| {
                Ok(hgrm::write(file, measured.outcome.latencies.histogram())?)
            })?;
        }
        if let (Some((path, mut file)), Some(first)) = (self.html, all.first()) {
            let page = html::page(
                first.outcome.timeline.started(),
                &of_each_server(servers, all),
            );
            file.write_all(page.as_bytes())
                .with_context(|| format!("--html {}", path.display()))?;
        }
        Ok(())
    }
}

/// Writes the file of an option, or the one beside it that is called after `mark`, too.
fn write_one(
    option: &str,
    target: &mut Option<(PathBuf, File)>,
    mark: Option<&str>,
    write: impl FnOnce(&mut BufWriter<&File>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some((path, file)) = target else {
        return Ok(());
    };
    let marked = mark.map(|mark| marked(path, mark));
    let path = marked.as_ref().unwrap_or(path);
    let context = || format!("{option} {}", path.display());
    let created = marked.as_ref().map(File::create).transpose();
    let created = created.with_context(context)?;
    let mut file = BufWriter::new(created.as_ref().unwrap_or(file));
    write(&mut file)
        .and_then(|()| Ok(file.flush()?))
        .with_context(context)
}

/// `latency.hlog` of `knot-2` is `latency-knot-2.hlog`; what no file name has becomes `_`.
fn marked(path: &Path, mark: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mark = plain(mark);
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy());
    let extension = extension.map_or(String::new(), |extension| format!(".{extension}"));
    path.with_file_name(format!("{stem}-{mark}{extension}"))
}

/// A name as a part of a file's name.
fn plain(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    let letters = name.chars();
    letters
        .map(|letter| if is_plain(letter) { letter } else { '_' })
        .collect()
}

/// For each server the measurement in the middle of its rounds, by throughput.
fn of_each_server<'a>(servers: &[Server], all: &'a [Measured]) -> Vec<html::Measured<'a>> {
    let of = |place| {
        let mut own: Vec<&Measured> = all.iter().filter(|one| one.server == place).collect();
        own.sort_by(|a, b| a.report.queries_per_s.total_cmp(&b.report.queries_per_s));
        own.get(own.len() / 2).copied()
    };
    let middle = (0..servers.len()).filter_map(of);
    let shown = middle.map(|measured| html::Measured {
        report: &measured.report,
        latencies: measured.outcome.latencies.histogram(),
    });
    shown.collect()
}
