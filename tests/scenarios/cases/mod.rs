//! The table of RFC cases: `*.txt` beside this file, one case a line, run against one server.
//!
//! [`rows`] reads the tables, [`checks`] judges a reply, the `steps` modules hold the scripts of
//! cases that are more than one message. Every case runs over UDP and over TCP unless it names
//! one of them; after each the server must answer a plain query. All failing cases are listed.

pub(crate) mod bench;
pub(crate) mod checks;
mod cookie_steps;
mod message_steps;
pub(crate) mod rows;
mod steps;
mod tcp_steps;

use crate::harness::exchange::{Outcome, Transport};
use bench::Bench;
use checks::Sent;
use rows::{Message, Row};

const TABLES: &[(&str, &str)] = &[
    ("header", include_str!("header.txt")),
    ("names", include_str!("names.txt")),
    ("answers", include_str!("answers.txt")),
    ("size", include_str!("size.txt")),
    ("edns", include_str!("edns.txt")),
    ("tcp", include_str!("tcp.txt")),
    ("cookies", include_str!("cookies.txt")),
    ("errors", include_str!("errors.txt")),
];

#[test]
fn every_rfc_case_holds() {
    let rows = read_tables(TABLES);
    let mut bench = Bench::start();
    run(&mut bench, &rows);
}

/// Reads tables; a line that cannot be understood fails the test, with all others like it.
pub(crate) fn read_tables(tables: &[(&str, &str)]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut wrong = Vec::new();
    for (title, text) in tables {
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match Row::parse(line) {
                Ok(row) if rows.iter().any(|known| known.id == row.id) => {
                    wrong.push(format!("{title}: {} is there twice", row.id));
                }
                Ok(row) => rows.push(row),
                Err(why) => wrong.push(format!("{title}: {why} in: {line}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "the tables are wrong:\n{}",
        wrong.join("\n")
    );
    rows
}

/// Runs every row and fails with the list of all that do not hold.
pub(crate) fn run(bench: &mut Bench, rows: &[Row]) {
    let mut failures = Vec::new();
    let mut runs = 0;
    for row in rows {
        for transport in row.transports() {
            runs += 1;
            if let Err(why) = run_row(bench, row, transport) {
                failures.push(format!(
                    "{} over {transport:?}: {}\n  {why}\n",
                    row.id, row.line
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {runs} runs of {} cases fail:\n\n{}\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n"),
        bench.obituary()
    );
}

fn run_row(bench: &Bench, row: &Row, transport: Transport) -> Result<(), String> {
    let server = bench.server(&row.server);
    let (octets, outcome) = match &row.message {
        Message::Query(query) => {
            let octets = query.encode();
            let outcome = server.exchange(transport, &octets)?;
            (octets, outcome)
        }
        Message::Octets(octets) => (octets.clone(), server.exchange(transport, octets)?),
        Message::Step(step, query) => {
            let done = step(bench, query, transport)?;
            server.plain.ask(server.address)?;
            done
        }
    };
    let sent = Sent {
        octets: &octets,
        transport,
        edns: row.edns(),
    };
    let judged = checks::judge(&row.alternatives, &sent, &outcome);
    judged.map_err(|why| format!("{why}\n  {}", describe(&outcome)))
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reply(octets) => match crate::harness::reply::Reply::decode(octets) {
            Ok(reply) => format!("reply: {reply}"),
            Err(why) => {
                let shown = &octets[..octets.len().min(512)];
                format!("reply that does not decode ({why}): {shown:02x?}")
            }
        },
        other => format!("{other:?}"),
    }
}
