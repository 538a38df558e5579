//! How many instructions a query takes, by stage of the packet path, held against a table that is
//! kept with the code: a change that makes a query dearer has to say so.
//!
//! Time differs from hour to hour on a shared machine; the number of instructions does not. This
//! program runs itself under callgrind (`work` is what is counted) and compares with
//! `baseline.txt`. `UPDATE_BASELINE=1 cargo test --test instructions` writes that file anew. The
//! package is built with optimisation in tests, too, but with their checks of overflow: counts of a
//! release are some percent lower. On another architecture than the table's nothing is held. What a
//! cache miss costs is not in the counts: that is what
//! `cargo bench --bench answering` and `make bench` show.

#[path = "../../benches/answering/large_world.rs"]
mod large_world;
mod work;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use work::{REPEATS, STAGES, cases};

const BASELINE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/instructions/baseline.txt"
);
/// The function within which callgrind counts.
const COUNTED: &str = "instructions::work::measured";
/// Percent by which a count may differ: the hash's seed is known, so that what is left is what the
/// C library does of itself on another machine.
const TOLERANCE_PERCENT: f64 = 3.0;
/// The same where another compiler has made the table.
const TOLERANCE_OTHER_COMPILER_PERCENT: f64 = 20.0;
/// In the table's first line, between the compiler and the architecture.
const FOR_ARCHITECTURE: &str = " for ";
/// Instructions by which a count may differ, however few they are.
const TOLERANCE_MIN: f64 = 3.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "work") {
        work::work();
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_meant = filters.is_empty() || filters.iter().any(|word| "instructions".contains(*word));
    if !is_meant || arguments.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    let counted = Table {
        compiler: compiler(),
        rows: count(),
    };
    if env::var_os("UPDATE_BASELINE").is_some() {
        fs::write(BASELINE, counted.to_text()).expect("the baseline can be written");
    }
    let baseline = fs::read_to_string(BASELINE).expect("tests/instructions/baseline.txt is there");
    let differences = counted.differences(&Table::parse(&baseline));
    say(&counted, &differences);
    ExitCode::from(u8::from(!differences.is_empty()))
}

/// Counts by case, each in the order of [`STAGES`].
struct Table {
    /// And the architecture it builds for.
    compiler: String,
    rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    fn to_text(&self) -> String {
        let mut text = format!("# instructions a query, made with {}\n", self.compiler);
        writeln!(
            text,
            "# {:<26}{}",
            "case",
            STAGES.map(|stage| format!("{stage:>8}")).concat()
        )
        .expect("a string takes all");
        for (case, counts) in &self.rows {
            let counts: String = counts.iter().map(|count| format!("{count:>8.0}")).collect();
            writeln!(text, "{case:<28}{counts}").expect("a string takes all");
        }
        text
    }

    fn parse(text: &str) -> Table {
        let compiler = text
            .lines()
            .next()
            .and_then(|line| line.split_once("made with "));
        let rows = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let (case, counts) = line.split_at(28);
                let counts = counts.split_whitespace();
                let counts = counts.map(|count| count.parse().expect("a count is a number"));
                (case.trim().to_owned(), counts.collect())
            });
        Table {
            compiler: compiler.map_or("", |(_, compiler)| compiler).to_owned(),
            rows: rows.collect(),
        }
    }

    /// What of it is not as in `baseline`, in words.
    fn differences(&self, baseline: &Table) -> Vec<String> {
        let made_for = |table: &Table| {
            let words = table.compiler.rsplit_once(FOR_ARCHITECTURE);
            words.map(|(_, architecture)| architecture.to_owned())
        };
        if made_for(self) != made_for(baseline) {
            return Vec::new();
        }
        let tolerance_percent = match self.compiler == baseline.compiler {
            true => TOLERANCE_PERCENT,
            false => TOLERANCE_OTHER_COMPILER_PERCENT,
        };
        let names = |table: &Table| {
            table
                .rows
                .iter()
                .map(|row| row.0.clone())
                .collect::<Vec<_>>()
        };
        if names(self) != names(baseline) {
            return vec!["the cases are not those of the table".to_owned()];
        }
        let mut differences = Vec::new();
        for ((case, counts), (_, expected)) in self.rows.iter().zip(&baseline.rows) {
            for ((stage, count), expected) in STAGES.iter().zip(counts).zip(expected) {
                let tolerance = (expected * tolerance_percent / 100.0).max(TOLERANCE_MIN);
                if (count - expected).abs() > tolerance {
                    differences.push(format!(
                        "{case}, {stage}: {count:.0} instructions, {expected:.0} in the table"
                    ));
                }
            }
        }
        differences
    }
}

/// Runs this program under callgrind, which ends a file of counts with each stage.
fn count() -> Vec<(String, Vec<f64>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let valgrind = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .args([
            format!("--toggle-collect={COUNTED}"),
            format!("--dump-after={COUNTED}"),
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().expect("this program has a path"))
        .arg("work")
        .output()
        .expect("valgrind runs: `make test` installs it");
    let log = String::from_utf8_lossy(&valgrind.stderr);
    assert!(valgrind.status.success(), "valgrind: {log}");
    let stage_counts: Vec<f64> = (1..=cases().len() * STAGES.len())
        .map(|dump| total(&out.with_extension(dump.to_string())) as f64 / REPEATS as f64)
        .collect();
    let names = cases().into_iter().map(|case| case.name.to_owned());
    names
        .zip(stage_counts.chunks(STAGES.len()).map(<[f64]>::to_vec))
        .collect()
}

/// The sum of a file of counts.
fn total(path: &Path) -> u64 {
    let text = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("callgrind wrote no {}: {error}", path.display()));
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.unwrap_or_else(|| panic!("{} has no line `totals:`", path.display()))
}

fn compiler() -> String {
    let rustc = Command::new("rustc")
        .arg("--version")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&rustc.stdout);
    format!("{}{FOR_ARCHITECTURE}{}", version.trim(), env::consts::ARCH)
}

#[expect(
    clippy::print_stdout,
    reason = "a test without a harness reports by itself"
)]
fn say(counted: &Table, differences: &[String]) {
    print!("{}", counted.to_text());
    if !differences.is_empty() {
        println!(
            "\nnot as in tests/instructions/baseline.txt:\n  {}\n\
             if that is meant: UPDATE_BASELINE=1 cargo test --test instructions",
            differences.join("\n  ")
        );
    }
}
