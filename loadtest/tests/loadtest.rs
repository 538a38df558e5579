//! The built program against responders of this test that lose, falsify, repeat and stall:
//! every count must come out exactly, whatever the speed of the machine.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::Value;
use socket2::SockRef;
use tempfile::TempDir;

mod report;

use report::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-loadtest");
const REFUSED: u8 = 5;

/// A thread that answers the queries it gets as a function of their number, from 1.
struct Responder {
    address: SocketAddr,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Responder {
    fn start(answer: impl Fn(u64, &[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Responder {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        // What waits while the responder stalls must not be lost: 1,000 small packets take 1 MB.
        SockRef::from(&socket)
            .set_recv_buffer_size(4 << 20)
            .expect("a receive buffer");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a read timeout");
        let address = socket.local_addr().expect("the address bound");
        let end = Arc::new(AtomicBool::new(false));
        let end_seen = Arc::clone(&end);
        let thread = thread::spawn(move || {
            let mut number = 0;
            let mut buffer = [0; 512];
            while !end_seen.load(Ordering::Relaxed) {
                let Ok((len, peer)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                number += 1;
                for response in answer(number, &buffer[..len]) {
                    socket
                        .send_to(&response, peer)
                        .expect("sending on loopback");
                }
            }
            number
        });
        Responder {
            address,
            end,
            thread: Some(thread),
        }
    }

    /// Ends the thread; gives how many queries it got.
    fn finish(mut self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        self.thread
            .take()
            .expect("finished once")
            .join()
            .expect("the responder")
    }
}

fn response(query: &[u8], rcode: u8) -> Vec<u8> {
    let mut response = query.to_vec();
    response[2] |= 0x80;
    response[3] |= rcode;
    response
}

/// Runs the program with `names` in a file; `arguments` are split at spaces.
fn run(server: SocketAddr, names: &str, arguments: &str) -> Output {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("names");
    fs::write(&path, names).expect("writing the names");
    Command::new(PROGRAM)
        .args(["--server", &server.to_string(), "--names"])
        .arg(path)
        .args(arguments.split_whitespace())
        .output()
        .expect("running the program")
}

fn counts(report: &Value) -> String {
    let names = [
        "sent",
        "answered",
        "lost",
        "unsent",
        "wrong_rcode",
        "truncated",
        "malformed",
        "unexpected",
        "socket_errors",
    ];
    names
        .map(|name| format!("{name} {}\n", report[name]))
        .concat()
}

const NAMES: &str = "a.example\nb.example AAAA\nc.example TXT NOERROR\n";

/// Drops every 10th and answers REFUSED to every 7th of 1,000: 1000 / 10 = 100 are lost, and of
/// the 142 multiples of 7 the 14 multiples of 70 with them.
fn check_drops_and_refusals(arguments: &str) {
    let responder = Responder::start(|number, query| match (number % 10, number % 7) {
        (0, _) => vec![],
        (_, 0) => vec![response(query, REFUSED)],
        _ => vec![response(query, 0)],
    });
    let arguments = format!("--timeout-ms 2000 --json - {arguments}");
    let output = run(responder.address, NAMES, &arguments);
    assert_eq!(responder.finish(), 1_000);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = json(&output);
    expect![[r#"
        sent 1000
        answered 900
        lost 100
        unsent 0
        wrong_rcode 128
        truncated 0
        malformed 0
        unexpected 0
        socket_errors 0
    "#]]
    .assert_eq(&counts(&report));
    assert_eq!(
        report["answers_by_rcode"].to_string(),
        r#"{"NOERROR":772,"REFUSED":128}"#
    );
}

#[test]
fn drops_and_refusals_are_counted_in_a_closed_loop() {
    check_drops_and_refusals("--duration 60 --queries 1000 --outstanding 120");
}

#[test]
fn drops_and_refusals_are_counted_in_an_open_loop() {
    check_drops_and_refusals("--duration 1 --rate 1000 --spin-us 0");
}

/// Before every 13th right answer comes one to another question; every 11th answer of the first
/// half comes twice; every 5th has TC.
#[test]
fn packets_that_answer_nothing_are_counted_apart() {
    let responder = Responder::start(|number, query| {
        let mut right = response(query, 0);
        right[2] |= if number % 5 == 0 { 2 } else { 0 };
        let mut other_question = right.clone();
        other_question[13] ^= 0x20;
        let mut responses = vec![];
        if number % 13 == 0 {
            responses.push(other_question);
        }
        if number % 11 == 0 && number <= 500 {
            responses.push(right.clone());
        }
        responses.push(right);
        responses
    });
    let arguments = "--duration 60 --queries 1000 --outstanding 8 --edns --json -";
    let report = json(&run(
        responder.address,
        NAMES,
        &format!("{arguments} --timeout-ms 9000"),
    ));
    expect![[r#"
        sent 1000
        answered 1000
        lost 0
        unsent 0
        wrong_rcode 0
        truncated 200
        malformed 76
        unexpected 45
        socket_errors 0
    "#]]
    .assert_eq(&counts(&report));
}

/// A server that stands still for 400 ms once: 400 of 1,000 queries become due meanwhile, and the
/// slowest tenth of all waited at least 300 ms, though only one query found the server at rest.
#[test]
fn a_stall_is_not_hidden_by_the_open_loop() {
    let responder = Responder::start(|number, query| {
        if number == 300 {
            thread::sleep(Duration::from_millis(400));
        }
        vec![response(query, 0)]
    });
    let arguments = "--duration 1 --rate 1000 --timeout-ms 9000 --json -";
    let report = json(&run(responder.address, NAMES, arguments));
    assert_eq!(report["answered"], 1_000);
    let p90_us = report["latency_us_p90"].as_f64().expect("a number");
    assert!(p90_us > 290_000.0, "p90 {p90_us} us");
}

#[test]
fn an_expected_rcode_is_right() {
    let responder = Responder::start(|_, query| vec![response(query, REFUSED)]);
    let arguments = "--duration 60 --queries 30 --json -";
    let names = "a.example A REFUSED\nb.example A NXDOMAIN\nc.example A 5\n";
    let report = json(&run(responder.address, names, arguments));
    assert_eq!(report["wrong_rcode"], 10);
}

#[test]
fn no_answer_at_all_is_a_plain_report_and_exit_code_1() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = silent.local_addr().expect("the address bound");
    let output = run(server, NAMES, "--duration 60 --queries 5 --timeout-ms 50");
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(
        table.contains("lost                               5 queries (100%)\n"),
        "{table}"
    );
    assert!(
        table.contains(&format!("warning: {server} answered nothing\n")),
        "{table}"
    );

    drop(silent);
    let output = run(server, NAMES, "--duration 1 --rate 5 --timeout-ms 50");
    assert_eq!(output.status.code(), Some(1));
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains("Connection refused"), "{table}");
}

fn check_usage(arguments: &str, want: Expect) {
    let arguments = arguments.split_whitespace();
    let output = Command::new(PROGRAM)
        .args(arguments)
        .output()
        .expect("running the program");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8(output.stderr).expect("text");
    want.assert_eq(error.lines().next().unwrap_or_default());
}

#[test]
fn bad_usage_is_told_and_exit_code_2() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("good");
    fs::write(&path, NAMES).expect("writing the names");
    let good = path.display();
    let check = |arguments: &str, want| check_usage(arguments, want);
    check(
        "--server x --names x --duration 1",
        expect![
            "error: invalid value 'x' for '--server <[NAME=]ADDR>': not IP:PORT, as in 127.0.0.1:53"
        ],
    );
    check(
        "--server 127.0.0.1 --names x",
        expect!["error: the following required arguments were not provided:"],
    );
    check(
        "--server 127.0.0.1 --names x --duration 3601",
        expect!["error: invalid value '3601' for '--duration <S>': 3601 is not in 1..=3600"],
    );
    check(
        "--server 127.0.0.1 --names x --duration 1 --rate 5 --outstanding 5",
        expect!["error: the argument '--rate <Q>' cannot be used with '--outstanding <N>'"],
    );
    check(
        "--server 127.0.0.1 --names /nowhere/x --duration 1",
        expect!["error: --names /nowhere/x: No such file or directory (os error 2)"],
    );
    check(
        "",
        expect!["error: the following required arguments were not provided:"],
    );
    let server = "--server 127.0.0.1 --duration 1 --names";
    check(
        &format!("{server} {good} --cpu 9999"),
        expect!["error: --cpu 9999: pinning to this CPU: Invalid argument (os error 22)"],
    );
    check(
        &format!("{server} {good} --server-pid 4294967295"),
        expect![
            "error: --server-pid: CPU clock of process 4294967295: No such process (os error 3)"
        ],
    );
    check(
        &format!("{server} {good} --json /nowhere/x"),
        expect!["error: --json /nowhere/x: No such file or directory (os error 2)"],
    );
    check(
        "echo --listen 192.0.2.1:0",
        expect!["error: --listen 192.0.2.1:0: Cannot assign requested address (os error 99)"],
    );
}

#[test]
fn a_bad_file_of_names_is_told_with_its_line() {
    let folder = TempDir::new().expect("a folder");
    let names_error = |text: &str| {
        let file = folder.path().join("names");
        fs::write(&file, text).expect("writing the names");
        let file = file.to_str().expect("a path in UTF-8");
        let arguments = ["--server", "127.0.0.1", "--duration", "1", "--names", file];
        let output = Command::new(PROGRAM)
            .args(arguments)
            .output()
            .expect("running the program");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8(output.stderr).expect("text");
        error.replace(&folder.path().display().to_string(), "DIR")
    };
    expect![[r#"
        error: --names DIR/names: line 3: type `AAB`: not a known type; write TYPEn for any other
    "#]]
    .assert_eq(&names_error("a.example\n# b\na.example AAB\n"));
    expect![[r#"
        error: --names DIR/names: no questions in it: write one `NAME [TYPE [RCODE]]` a line
    "#]]
    .assert_eq(&names_error(""));
}

#[test]
fn the_echo_answers_all_and_tells_its_cost() {
    let mut echo = Command::new(PROGRAM)
        .args(["echo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting the echo");
    let mut lines = BufReader::new(echo.stdout.take().expect("piped"));
    let mut first = String::new();
    lines
        .read_line(&mut first)
        .expect("the line with the address");
    let address = first.trim().strip_prefix("echo on ").expect("the address");
    let pid = echo.id();
    let arguments = format!("--duration 60 --queries 5000 --json - --server-pid {pid}");
    let report = json(&run(
        address.parse().expect("an address"),
        NAMES,
        &arguments,
    ));
    assert_eq!(report["answered"], 5_000);
    assert!(
        report["server_cpu_ns_per_query"]
            .as_f64()
            .expect("a number")
            > 0.0
    );

    let signalled = Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status();
    assert!(signalled.expect("running kill").success());
    let mut table = String::new();
    lines.read_to_string(&mut table).expect("the report");
    assert!(echo.wait().expect("its end").success());
    assert!(
        table.starts_with("received                    5000\n"),
        "{table}"
    );
    assert!(table.contains("CPU per packet"), "{table}");
}
