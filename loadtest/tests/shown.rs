//! How the built program shows a run: second by second, as a log for other tools, as drawings, on
//! a terminal; and what it says of itself. Servers are threads of this test.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;
use expect_test::expect;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-loadtest");

/// A server that does with each query, numbered from 1, what `answer` does. Its thread ends with
/// the test's process.
fn serve(answer: impl Fn(u64, &[u8], &dyn Fn(&[u8])) + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("the address bound");
    thread::spawn(move || {
        let mut buffer = [0; 512];
        for number in 1.. {
            let (len, peer) = socket.recv_from(&mut buffer).expect("receiving");
            buffer[2] |= 0x80;
            // A client that is gone is no matter.
            answer(number, &buffer[..len], &|response| {
                let _ = socket.send_to(response, peer);
            });
        }
    });
    address
}

/// Every tenth query is lost.
fn serve_nine_of_ten() -> SocketAddr {
    serve(|number, response, send| {
        if number % 10 != 0 {
            send(response);
        }
    })
}

fn start(folder: &TempDir, server: SocketAddr, arguments: &str) -> Child {
    let names = folder.path().join("names");
    fs::write(&names, "a.example\nb.example AAAA\n").expect("writing the names");
    Command::new(PROGRAM)
        .current_dir(folder.path())
        .args(["--server", &server.to_string(), "--names", "names"])
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting the program")
}

fn run(folder: &TempDir, server: SocketAddr, arguments: &str) -> Output {
    let child = start(folder, server, arguments);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output
}

fn json(folder: &TempDir, file: &str) -> Value {
    let text = fs::read(folder.path().join(file)).expect("the figures");
    serde_json::from_slice(&text).expect("JSON")
}

/// Signals the process that `pid` will name.
fn signal(name: &str, pid: &AtomicU32) {
    while pid.load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    let pid = pid.load(Ordering::Relaxed).to_string();
    let signalled = Command::new("kill").args([name, &pid]).status();
    assert!(signalled.expect("running kill").success());
}

/// The intervals of a log, read by the library alone.
fn intervals(path: &Path) -> Vec<Histogram<u64>> {
    let log = fs::read(path).expect("the log");
    let lines = IntervalLogIterator::new(&log).map(|entry| entry.expect("a line of a log"));
    let encoded = lines.filter_map(|entry| match entry {
        LogEntry::Interval(interval) => Some(interval.encoded_histogram().as_bytes().to_vec()),
        LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
    });
    let octets = encoded.map(|text| BASE64.decode(&text).expect("base64"));
    octets
        .map(|octets| {
            let decoded = Deserializer::new().deserialize(&mut octets.as_slice());
            decoded.expect("a histogram")
        })
        .collect()
}

#[test]
fn the_log_and_the_time_line_sum_up_to_the_run() {
    let folder = TempDir::new().expect("a folder");
    let arguments = "--duration 3 --rate 500 --spin-us 0 --timeout-ms 2000 --timeline \
                     --hdr-log run.hlog --json run.json";
    let output = run(&folder, serve_nine_of_ten(), arguments);
    let report = json(&folder, "run.json");

    let seconds = report["timeline"].as_array().expect("a list");
    let counts = seconds.iter().map(|second| {
        let names = ["second", "sent", "answered", "lost", "wrong"];
        let counts = names.map(|name| format!("{name} {}", second[name]));
        counts.join(" ") + "\n"
    });
    expect![[r#"
        second 0 sent 500 answered 450 lost 50 wrong 0
        second 1 sent 500 answered 450 lost 50 wrong 0
        second 2 sent 500 answered 450 lost 50 wrong 0
    "#]]
    .assert_eq(&counts.collect::<String>());

    let intervals = intervals(&folder.path().join("run.hlog"));
    assert_eq!(intervals.len(), 3);
    let mut sum = intervals[0].clone();
    for interval in &intervals[1..] {
        sum.add(interval).expect("one layout");
    }
    assert_eq!(sum.len(), 1_350);
    for (key, percent) in [
        ("p50", 50.0),
        ("p99", 99.0),
        ("p99_9", 99.9),
        ("max", 100.0),
    ] {
        let us = sum.value_at_percentile(percent) as f64 / 1e3;
        let reported = &report[format!("latency_us_{key}")];
        assert_eq!(reported.as_f64(), Some((us * 10.0).round() / 10.0), "{key}");
    }
    let log = fs::read_to_string(folder.path().join("run.hlog")).expect("text");
    assert!(
        log.contains("#[Lost: 150 queries have no latency]\n"),
        "{log}"
    );
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(
        table.contains("\nsecond    sent answered  lost wrong"),
        "{table}"
    );
}

/// The server stands still for 800 ms from the middle of the first second on: the queries of that
/// second show it in full, those of the next the rest.
#[test]
fn a_stall_is_in_the_second_in_which_it_began() {
    let folder = TempDir::new().expect("a folder");
    let server = serve(|number, response, send| {
        if number == 100 {
            thread::sleep(Duration::from_millis(800));
        }
        send(response);
    });
    run(
        &folder,
        server,
        "--duration 2 --rate 200 --spin-us 0 --timeout-ms 9000 --json run.json",
    );
    let report = json(&folder, "run.json");
    let max_us = |second: usize| {
        let max_us = &report["timeline"][second]["latency_us_max"];
        max_us.as_f64().expect("a number")
    };
    assert_eq!(report["lost"], 0);
    assert!(max_us(0) >= 790_000.0, "{}", max_us(0));
    assert!(max_us(1) >= 200_000.0, "{}", max_us(1));
    assert!(max_us(1) < max_us(0), "{} {}", max_us(0), max_us(1));
}

#[test]
fn logs_become_one_drawing() {
    let folder = TempDir::new().expect("a folder");
    let server = serve_nine_of_ten();
    for log in ["a1", "a2", "b"] {
        let arguments = format!("--duration 60 --queries 100 --timeout-ms 200 --hdr-log {log}");
        run(&folder, server, &arguments);
    }
    let plot = |arguments: &[&str]| {
        let mut plot = Command::new(PROGRAM);
        plot.current_dir(folder.path()).arg("plot").args(arguments);
        plot.output().expect("running the program")
    };
    let logs = ["a=a1", "a=a2", "b & c=b"];
    let output = plot(&[&["--out", "a.svg", "--title", "<One>"][..], &logs].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let svg = fs::read_to_string(folder.path().join("a.svg")).expect("the drawing");
    assert_eq!(svg.matches("<polyline").count(), 2);
    for text in [
        ">180</text>",
        ">20</text>",
        ">90</text>",
        "b &amp; c",
        "&lt;One&gt;",
    ] {
        assert!(svg.contains(text), "{text}");
    }

    let errors = [
        "a.svg a",
        "a.svg a=gone",
        "a.svg a=names",
        "gone/a.svg a=a1",
    ]
    .map(|arguments| {
        let arguments = arguments.split(' ').collect::<Vec<_>>();
        let output = plot(&[&["--out"][..], &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8(output.stderr).expect("text");
        error.lines().next().unwrap_or_default().to_owned() + "\n"
    });
    expect![[r#"
        error: invalid value 'a' for '<NAME=LOG>...': not NAME=LOG, as in knot=knot.hlog
        error: a=gone: No such file or directory (os error 2)
        error: a=names: not a line of an HdrHistogram interval log at octet 0
        error: --out gone/a.svg: No such file or directory (os error 2)
    "#]]
    .assert_eq(&errors.concat());
}

#[test]
fn the_page_has_the_figures_of_the_run() {
    let folder = TempDir::new().expect("a folder");
    let arguments = "--duration 60 --queries 200 --timeout-ms 200 --html run.html";
    run(&folder, serve_nine_of_ten(), arguments);
    let page = fs::read_to_string(folder.path().join("run.html")).expect("the page");
    assert!(page.ends_with("</html>\n"));
    for text in [
        "<th>lost</th><td>20 <small>queries (10%)",
        "Distribution",
        "k-lost",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

/// Off in a pipe; when it is on, it is gone at the end and no part of the report.
#[test]
fn the_view_is_drawn_only_where_it_is_wanted() {
    let folder = TempDir::new().expect("a folder");
    let server = serve_nine_of_ten();
    let arguments = "--duration 1 --rate 200 --spin-us 0 --timeout-ms 200";
    let quiet = run(&folder, server, arguments);
    assert_eq!(String::from_utf8_lossy(&quiet.stderr), "");
    let shown = run(&folder, server, &format!("{arguments} --live always"));
    let view = String::from_utf8_lossy(&shown.stderr);
    assert!(view.contains("open loop, 200 queries/s"), "{view}");
    assert!(view.ends_with("\x1b[J\x1b[?7h"), "{view:?}");
    assert!(!String::from_utf8_lossy(&shown.stdout).contains('\x1b'));
}

#[test]
fn a_signal_ends_the_run_with_its_report() {
    let folder = TempDir::new().expect("a folder");
    let pid = Arc::new(AtomicU32::new(0));
    let pid_seen = Arc::clone(&pid);
    let server = serve(move |number, response, send| {
        if number == 100 {
            signal("-INT", &pid_seen);
        }
        send(response);
    });
    let child = start(
        &folder,
        server,
        "--duration 60 --rate 100 --spin-us 0 --json run.json",
    );
    pid.store(child.id(), Ordering::Relaxed);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = json(&folder, "run.json");
    assert_eq!(report["sent"], report["answered"]);
    assert_eq!(report["unsent"], 0);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("ended by a signal after"), "{warnings}");
}

/// The server stops the generator, sends it more than a socket holds, and lets it go on.
#[test]
fn what_overran_the_generators_buffers_is_counted_apart() {
    let folder = TempDir::new().expect("a folder");
    let pid = Arc::new(AtomicU32::new(0));
    let pid_seen = Arc::clone(&pid);
    let server = serve(move |number, response, send| {
        send(response);
        if number == 50 {
            signal("-STOP", &pid_seen);
            (0..20_000).for_each(|_| send(response));
            signal("-CONT", &pid_seen);
        }
    });
    let arguments = "--duration 1 --rate 100 --spin-us 0 --sockets 1 --json run.json";
    let child = start(&folder, server, arguments);
    pid.store(child.id(), Ordering::Relaxed);
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let dropped = json(&folder, "run.json")["dropped_by_generator"].as_u64();
    let dropped = dropped.expect("a number");
    assert!((1..20_000).contains(&dropped), "{dropped}");
    let table = String::from_utf8(output.stdout).expect("text");
    let warning = format!("warning: {dropped} packets overran the generator's own buffers");
    assert!(table.contains(&warning), "{table}");
}

#[test]
fn files_that_cannot_be_written_are_told_before_the_run() {
    let folder = TempDir::new().expect("a folder");
    for option in ["--hdr-log", "--hgrm", "--html"] {
        let path = PathBuf::from("gone/file");
        let arguments = format!("--duration 60 {option} {}", path.display());
        let child = start(&folder, serve_nine_of_ten(), &arguments);
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8(output.stderr).expect("text");
        let want = format!("error: {option} gone/file: No such file or directory (os error 2)\n");
        assert_eq!(error, want);
    }
}
