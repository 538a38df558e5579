//! Pages of made-up runs: what must be there, and what must not.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::report::tests::made_up;

fn page_of(servers: &[&str]) -> String {
    let runs: Vec<_> = servers.iter().map(|server| made_up(server)).collect();
    let measured: Vec<_> = runs
        .iter()
        .map(|(report, outcome)| Measured {
            report,
            latencies: outcome.latencies.histogram(),
        })
        .collect();
    page(UNIX_EPOCH + Duration::from_secs(1_700_000_000), &measured)
}

#[test]
fn a_page_has_every_part_and_needs_no_other_file() {
    let page = page_of(&["127.0.0.1:53"]);
    for part in [
        "2023-11-14T22:13:20Z",
        "Latency by percentile",
        "Jitter",
        "Distribution",
        "All figures",
        "Warnings",
        "generator too slow",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for foreign in ["http:", "https:", "<script", "<link", "@import", "NaN"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn several_servers_stand_side_by_side() {
    let page = page_of(&["one", "two", "three"]);
    assert_eq!(page.matches("Jitter: ").count(), 2 * 3, "heads and labels");
    let throughput = page
        .lines()
        .find(|line| line.contains("<tr><th>throughput"));
    assert_eq!(throughput.expect("a row").matches("<td>").count(), 3);
}

#[test]
fn foreign_text_is_escaped_everywhere() {
    let page = page_of(&["<script>alert(1)</script>", "\"'&"]);
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;"));
    assert!(!page.contains("\"'&"));
}
