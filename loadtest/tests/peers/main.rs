//! The pure parts of the benchmark: its set of names, its medians and ratios, its verdicts.
//!
//! A benchmark has a `main` of its own and no test harness, so its files are tested from here. No
//! server is started.

#![expect(dead_code, reason = "the benchmark uses the rest of it")]

#[path = "../../benches/peers/ask.rs"]
mod ask;
mod ask_tests;
#[path = "../../benches/peers/changes.rs"]
mod changes;
mod changes_tests;
#[path = "../../benches/peers/etcd.rs"]
mod etcd;
#[path = "../../benches/peers/figures.rs"]
mod figures;
mod figures_tests;
#[path = "../../benches/peers/load.rs"]
mod load;
#[path = "../../benches/peers/process.rs"]
mod process;
#[path = "../../benches/peers/results.rs"]
mod results;
#[path = "../../benches/peers/set.rs"]
mod set;
mod set_tests;
#[path = "../../benches/peers/table.rs"]
mod table;
mod table_tests;
#[path = "../../benches/peers/targets.rs"]
mod targets;
mod targets_tests;
#[path = "../../benches/peers/zone.rs"]
mod zone;
mod zone_tests;
