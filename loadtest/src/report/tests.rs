//! Reports of made-up runs, whole.

use expect_test::{Expect, expect};

use super::*;
use crate::stats::Counters;
use crate::tally::Tally;
use crate::timeline::Timeline;

fn setting(pace: Pace) -> Setting {
    Setting {
        server: "127.0.0.1:53".to_owned(),
        questions: 3,
        pace,
        duration_s: 2,
        transport: Transport::Udp,
        sockets: 16,
        asked: Asked::default(),
        server_cpu: None,
    }
}

fn silent(sent: u64) -> Outcome {
    Outcome {
        counters: Counters {
            sent,
            lost: sent,
            ..Counters::default()
        },
        latencies: Times::new(),
        lateness: Times::new(),
        timeline: Timeline::new(2),
        tally: Tally::default(),
        answered_ns: 0,
        interrupted_ns: None,
        generator: crate::generator::tests::rested(),
        socket_error: None,
    }
}

/// 1,000 queries, 900 of them answered in 90 to 110 us during 1.8 s.
fn answered() -> Outcome {
    let mut outcome = silent(1_000);
    for index in 0..900 {
        outcome.latencies.record(90_000 + index % 3 * 10_000);
        outcome.lateness.record(700);
    }
    (0..100).for_each(|_| outcome.lateness.record(2_000_000));
    outcome.answered_ns = 1_800_000_000;
    let counters = &mut outcome.counters;
    (counters.answered, counters.lost, counters.wrong_rcode) = (900, 100, 20);
    (counters.rcodes[0], counters.rcodes[5]) = (880, 20);
    counters.late = 100;
    outcome
}

/// An open loop against `server` that was late and lost a tenth.
pub(crate) fn made_up(server: &str) -> (Report, Outcome) {
    let mut setting = setting(Pace::Open { rate_per_s: 500 });
    setting.server = server.to_owned();
    let mut outcome = answered();
    for index in 0..1_000 {
        outcome.timeline.note_sent(index * 2_000_000, 0);
        if index % 10 > 0 {
            outcome
                .timeline
                .note_answered(index * 2_000_000, 90_000 + index, false);
        }
    }
    (Report::new(setting, &outcome), outcome)
}

fn check_table(report: &Report, want: Expect) {
    want.assert_eq(&report.table());
}

#[test]
fn a_closed_loop_with_the_cpu_of_the_server() {
    let mut setting = setting(Pace::Closed { outstanding: 100 });
    setting.server_cpu = Some(CpuTime {
        total_ns: 4_770_000,
        user_ns: 900_000,
        system_ns: 3_870_000,
    });
    let report = Report::new(setting, &answered());
    assert!(report.is_answered());
    check_table(
        &report,
        expect![[r#"
            server                  127.0.0.1:53
            mode                     closed loop
            outstanding                      100 queries
            questions                          3
            source ports                      16
            duration                           2 s
            sent                            1000 queries
            answered                         900 queries
            lost                             100 queries (10%)
            wrong rcode                       20 answers
            truncated                          0 answers
            malformed                          0 packets
            unexpected                         0 packets
            socket errors                      0
              NOERROR                        880 answers
              REFUSED                         20 answers
            throughput                       500 queries/s
            latency min                     90.0 us
            latency mean                   100.0 us
            latency p50                    100.0 us
            latency p90                    110.0 us
            latency p99                    110.0 us
            latency p99.9                  110.0 us
            latency p99.99                 110.0 us
            latency max                    110.0 us
            jitter, deviation                8.2 us
            jitter, successive              13.3 us
            server CPU per query            5300 ns
              user                          1000 ns
              system                        4300 ns
            generator busy                  40.0 % of the time
            warning: neither server (CPU 0.2%) nor generator (busy 40%) full: raise --outstanding
        "#]],
    );
}

#[test]
fn an_open_loop_that_was_late_warns() {
    let pace = Pace::Open { rate_per_s: 500 };
    let report = Report::new(setting(pace), &answered());
    expect![[r#"
        {
          "server": "127.0.0.1:53",
          "mode": "open loop",
          "questions": 3,
          "sockets": 16,
          "duration_s": 2,
          "intended_queries_per_s": 500,
          "sent": 1000,
          "answered": 900,
          "lost": 100,
          "lost_percent": 10.0,
          "unsent": 0,
          "wrong_rcode": 20,
          "truncated": 0,
          "malformed": 0,
          "unexpected": 0,
          "socket_errors": 0,
          "answers_by_rcode": {
            "NOERROR": 880,
            "REFUSED": 20
          },
          "answered_s": 1.8,
          "queries_per_s": 500.0,
          "latency_us_min": 90.0,
          "latency_us_mean": 100.0,
          "latency_us_p50": 100.0,
          "latency_us_p90": 110.0,
          "latency_us_p99": 110.0,
          "latency_us_p99_9": 110.0,
          "latency_us_p99_99": 110.0,
          "latency_us_max": 110.0,
          "jitter_us_standard_deviation": 8.2,
          "jitter_us_successive_difference": 13.3,
          "sent_late_over_1ms": 100,
          "sent_late_over_1ms_percent": 10.0,
          "sent_late_us_p99": 2000.9,
          "sent_late_us_max": 2000.9,
          "generator_cpu_percent": 98.0,
          "generator_busy_percent": 40.0,
          "generator_involuntary_switches": 3,
          "generator_waited_for_cpu_ms": 1.5,
          "stolen_cpu_ms": 0.0,
          "dropped_by_generator": 0,
          "timeline": [],
          "warnings": [
            "generator too slow: 10% sent over 1 ms late (p99 2000.9 us, max 2000.9 us)"
          ]
        }
    "#]]
    .assert_eq(&report.json().expect("plain figures"));
}

#[test]
fn nothing_answered_is_a_plain_report() {
    let mut outcome = silent(10);
    outcome.counters.socket_errors = 3;
    outcome.counters.unsent = 990;
    outcome.socket_error = Some(std::io::ErrorKind::ConnectionRefused.into());
    let report = Report::new(setting(Pace::Open { rate_per_s: 500 }), &outcome);
    assert!(!report.is_answered());
    check_table(
        &report,
        expect![[r#"
            server                  127.0.0.1:53
            mode                       open loop
            intended                         500 queries/s
            questions                          3
            source ports                      16
            duration                           2 s
            sent                              10 queries
            answered                           0 queries
            lost                              10 queries (100%)
            unsent                           990 queries
            wrong rcode                        0 answers
            truncated                          0 answers
            malformed                          0 packets
            unexpected                         0 packets
            socket errors                      3
            throughput                         0 queries/s
            sent late p99                    0.0 us
            sent late max                    0.0 us
            generator busy                  40.0 % of the time
            warning: 127.0.0.1:53 answered nothing
            warning: 3 socket errors, the last: connection refused
            warning: generator too slow: 990 queries never sent
        "#]],
    );
}

#[test]
fn late_queries_up_to_one_percent_are_no_warning() {
    let mut outcome = answered();
    outcome.counters.late = 10;
    let report = Report::new(setting(Pace::Open { rate_per_s: 500 }), &outcome);
    assert_eq!(report.warnings, Vec::<String>::new());
}
