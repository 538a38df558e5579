//! The printed tables, and how the figures of several rounds come into them.

use expect_test::expect;

use crate::load::{Measured, Report};
use crate::results::{
    ChangeFigures, ManyFigures, MemoryFigures, Part, Results, Sample, ServerFigures,
};
use crate::table::tables;
use crate::targets::targets;

/// One run of so many queries in a second, each at so many nanoseconds, a tenth of them user time.
fn sample(server: &'static str, part: Part, round: usize, queries: u64, ns: u64) -> Sample {
    let tail = ns as f64 / 10.0;
    let report = Report {
        sent: queries,
        answered: queries,
        queries_per_s: queries as f64,
        latency_us_p50: tail / 8.0,
        latency_us_p99: tail / 2.0,
        latency_us_p99_9: tail,
        latency_us_p99_99: tail * 2.0,
        sent_late_over_1ms_percent: Some(0.5),
        warnings: vec![format!("generator too slow: {round}% late")],
        ..Report::default()
    };
    Sample {
        part,
        round,
        server,
        measured: Measured {
            report,
            cpu_ns: queries * ns,
            user_ticks: 10,
            system_ticks: 90,
        },
    }
}

fn server(server: &'static str) -> ServerFigures {
    ServerFigures {
        server,
        ready_ms: Some(120.0),
        memory_start_bytes: Some(20_000_000),
        memory_end_bytes: Some(21_000_000),
        system_calls_per_query: Some(0.05),
        ..ServerFigures::default()
    }
}

/// Three servers in two rounds, the second on a machine of half the speed, and one that is missing.
fn results() -> Results {
    let missing = ServerFigures {
        server: "nsd",
        failure: Some("not installed (Debian's nsd)".into()),
        ..ServerFigures::default()
    };
    let mut results = Results {
        machine: "a machine".into(),
        rounds: 2,
        paced_queries_per_s: Some(50_000),
        servers: vec![
            server("echo"),
            server("containerdns"),
            server("knot"),
            missing,
        ],
        ..Results::default()
    };
    let speeds = [
        ("echo", 200_000, 1000),
        ("containerdns", 190_000, 1100),
        ("knot", 100_000, 2000),
    ];
    for round in [1, 2] {
        for (name, queries, ns) in speeds {
            let (queries, ns) = (queries / round as u64, ns * round as u64);
            for part in [Part::Saturation, Part::Mixed, Part::Paced] {
                results.samples.push(sample(name, part, round, queries, ns));
            }
        }
    }
    results
}

#[test]
fn a_comparison() {
    let results = results();
    expect![[r#"
        a machine

        | server       | A queries/s (range)       | of echo | of Knot | busy | CPU ns | user ns   | mixed queries/s | calls/query | ready s | memory MB, start / end |
        |--------------|---------------------------|---------|---------|------|--------|-----------|-----------------|-------------|---------|------------------------|
        | echo         | 150.0 k (100.0 k-200.0 k) | 1.00    | 2.00    | 0.20 | 1500   | 150 +-64  | 150.0 k         | 0.050       | 0.12    | 20 / 21                |
        | containerdns | 142.5 k (95.0 k-190.0 k)  | 0.95    | 1.90    | 0.21 | 1650   | 165 +-70  | 142.5 k         | 0.050       | 0.12    | 20 / 21                |
        | knot         | 75.0 k (50.0 k-100.0 k)   | 0.50    | 1.00    | 0.20 | 3000   | 300 +-128 | 75.0 k          | 0.050       | 0.12    | 20 / 21                |
        | nsd          | not installed (Debian's nsd) |         |         |      |        |           |                 |             |         |                        |

        A queries, open loop at 50000 queries/s

        | server       | p50 us | p99 | p99.9 | p99.99 | p99.9 of echo | lost       | sent late % |
        |--------------|--------|-----|-------|--------|---------------|------------|-------------|
        | echo         | 19     | 75  | 150   | 300    | 1.00          | 0 (0.000%) | 0.50        |
        | containerdns | 21     | 82  | 165   | 330    | 1.10          | 0 (0.000%) | 0.50        |
        | knot         | 38     | 150 | 300   | 600    | 2.00          | 0 (0.000%) | 0.50        |
        | nsd          | -      | -   | -     | -      | -             | -          | -           |

        | target                                                | measured  | bound        |              |
        |-------------------------------------------------------|-----------|--------------|--------------|
        | queries/s, of the echo limit                          | 0.950 x   | >= 0.93 x    | met          |
        | queries/s, of Knot                                    | 1.900 x   | >= 1.35 x    | met          |
        | queries/s on this machine                             | 142500 /s | >= 170000 /s | MISSED       |
        | user CPU of a query                                   | 165 ns    | <= 350 ns    | met          |
        | system calls of a query                               | 0.050     | <= 0.1       | met          |
        | CPU of a query, 1,000,000 names to 50,000             | -         | <= 1.15 x    | not measured |
        | p99.9 at half of Knot's saturation, of the echo limit | 1.100 x   | <= 1.15 x    | met          |
        | the same, of the best peer of each round              | 0.550 x   | <= 1 x       | met          |
        | p99.9 with 5,000 changes/s, of quiet                  | -         | <= 1.3 x     | not measured |
        | lost or wrong answers meanwhile                       | -         | <= 0         | not measured |
        | names wrong after it                                  | -         | <= 0         | not measured |
        | memory of a name: 250 and its records                 | -         | <= 250 B     | not measured |
        | memory of a name on each further core                 | -         | <= 40 B      | not measured |
        | 1,000,000 records from etcd to ready                  | -         | <= 10 s      | not measured |

        note: containerdns: generator too slow, in 6 runs
        note: echo: generator too slow, in 6 runs
        note: knot: generator too slow, in 6 runs
    "#]].assert_eq(&tables(&results, &targets(&results)));
}

#[test]
fn scenarios() {
    let mut results = Results {
        machine: "a machine".into(),
        changes: Some(ChangeFigures {
            changes_per_s: 5000.0,
            names_checked: 60_000,
            ..ChangeFigures::default()
        }),
        many: Some(ManyFigures {
            records: 1_000_000,
            ready_s: 9.0,
            memory_bytes: 500_000_000,
        }),
        memory: Some(MemoryFigures {
            names: 50_000,
            one_name_one_core_bytes: 10_000_000,
            one_name_two_cores_bytes: 12_000_000,
            all_names_one_core_bytes: 30_000_000,
            all_names_two_cores_bytes: 33_000_000,
            wire_bytes_per_name: 80.0,
        }),
        ..Results::default()
    };
    for (part, ns) in [
        (Part::Quiet, 1000),
        (Part::WritesElsewhere, 1100),
        (Part::Changes, 1210),
        (Part::FewNames, 1000),
        (Part::ManyNames, 1200),
    ] {
        let sample = sample("containerdns", part, 1, 1000, ns);
        results.samples.push(sample);
    }
    expect![[r#"
        a machine

        | server | A queries/s (range) | of echo | of Knot | busy | CPU ns | user ns | mixed queries/s | calls/query | ready s | memory MB, start / end |
        |--------|---------------------|---------|---------|------|--------|---------|-----------------|-------------|---------|------------------------|

        changes: 5000/s; p99.9 quiet 100 us, with writes that nobody watches 110 us, with changes 121 us (in the middle of the rounds 1.10 of the latter); 0 lost, 0 wrong; 60000 names checked after it, 0 wrong

        1000000 records: ready in 9.00 s, 500 MB
        containerdns: CPU of a query 1000 ns with few names, 1200 ns with many: 1.200

        memory of a name: 400 bytes, of which 80 are its records; 20 on each further core

        | target                                                | measured | bound        |              |
        |-------------------------------------------------------|----------|--------------|--------------|
        | queries/s, of the echo limit                          | -        | >= 0.93 x    | not measured |
        | queries/s, of Knot                                    | -        | >= 1.35 x    | not measured |
        | queries/s on this machine                             | -        | >= 170000 /s | not measured |
        | user CPU of a query                                   | -        | <= 350 ns    | not measured |
        | system calls of a query                               | -        | <= 0.1       | not measured |
        | CPU of a query, 1,000,000 names to 50,000             | 1.200 x  | <= 1.15 x    | MISSED       |
        | p99.9 at half of Knot's saturation, of the echo limit | -        | <= 1.15 x    | not measured |
        | the same, of the best peer of each round              | -        | <= 1 x       | not measured |
        | p99.9 with 5,000 changes/s, of quiet                  | 1.210 x  | <= 1.3 x     | met          |
        | lost or wrong answers meanwhile                       | 0.000    | <= 0         | met          |
        | names wrong after it                                  | 0.000    | <= 0         | met          |
        | memory of a name: 250 and its records                 | 400 B    | <= 330 B     | MISSED       |
        | memory of a name on each further core                 | 20.000 B | <= 40 B      | met          |
        | 1,000,000 records from etcd to ready                  | 9.000 s  | <= 10 s      | met          |

        note: containerdns: generator too slow, in 5 runs
    "#]].assert_eq(&tables(&results, &targets(&results)));
}
