//! Several servers, rates one after the other, many sources and connections, on the built program
//! against servers of this test.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use expect_test::expect;
use tempfile::TempDir;

mod report;

use report::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-loadtest");

/// A server that gives queries back as responses, and knows who asked.
fn start() -> (SocketAddr, Arc<Mutex<HashSet<IpAddr>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("the address bound");
    let clients = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&clients);
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            seen.lock().expect("no panic").insert(peer.ip());
            buffer[2] |= 0x80;
            // The program may be gone.
            let _ = socket.send_to(&buffer[..len], peer);
        }
    });
    (address, clients)
}

/// A server of connections, each of which ends after `queries_max` queries. It sends responses in
/// the reverse order, two at a time where two have come, and the last of them in two parts.
fn start_tcp(queries_max: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the address bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, queries_max));
        }
    });
    address
}

fn serve(mut stream: TcpStream, queries_max: usize) -> std::io::Result<()> {
    let mut count = 0;
    while count < queries_max {
        let mut responses = read(&mut stream)?;
        count += 1;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let is_another_there = stream.peek(&mut [0]).is_ok();
        stream.set_read_timeout(None)?;
        if is_another_there {
            responses.splice(0..0, read(&mut stream)?);
            count += 1;
        }
        let (head, rest) = responses.split_at(responses.len() - 5);
        stream.write_all(head)?;
        thread::sleep(Duration::from_micros(100));
        stream.write_all(rest)?;
    }
    Ok(())
}

/// One message as a response, its length before it.
fn read(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; 2 + usize::from(u16::from_be_bytes(length))];
    message[..2].copy_from_slice(&length);
    stream.read_exact(&mut message[2..])?;
    message[4] |= 0x80;
    Ok(message)
}

/// Runs the program in a folder with some names; `arguments` are split at spaces.
fn run(folder: &TempDir, arguments: &str) -> Output {
    fs::write(folder.path().join("names"), "a.test\nb.test\nc.test\n").expect("the names");
    Command::new(PROGRAM)
        .current_dir(folder.path())
        .args(["--names", "names", "--timeout-ms", "10000"])
        .args(arguments.split_whitespace())
        .output()
        .expect("running the program")
}

#[test]
fn servers_are_measured_in_turn_and_stand_side_by_side() {
    let folder = TempDir::new().expect("a folder");
    let (one, two) = (start().0, start().0);
    let load = "--duration 1 --queries 200 --rounds 3";
    let arguments = format!("--server first={one} --server {two} {load}");
    let files = "--html page.html --hdr-log log.hlog";
    let output = run(&folder, &format!("{arguments} --json - {files}"));
    let report = json(&output);
    let servers = report.as_array().expect("a list of servers");
    let names: Vec<&str> = servers
        .iter()
        .filter_map(|server| server["server"].as_str())
        .collect();
    assert_eq!(names, ["first", &two.to_string()]);
    for server in servers {
        assert_eq!(server["rounds"].as_array().map(Vec::len), Some(3));
        assert_eq!(server["median"]["answered"], 200.0);
        assert_eq!(server["median"]["lost"], 0.0);
    }
    let page = fs::read_to_string(folder.path().join("page.html")).expect("the page");
    assert!(page.contains("first") && page.contains(&two.to_string()));
    let second = format!("log-{}-3.hlog", two.to_string().replace(':', "_"));
    for log in ["log-first-1.hlog", "log-first-3.hlog", &second] {
        let text = fs::read_to_string(folder.path().join(log)).expect(log);
        assert!(text.contains("HISTFA"), "{log}: {text}");
    }
    let table = run(&folder, &arguments);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let head = table.lines().next().unwrap_or_default();
    assert!(
        head.starts_with("medians of 3 rounds") && head.contains("first"),
        "{table}"
    );
}

#[test]
fn rates_are_tried_one_after_the_other() {
    let folder = TempDir::new().expect("a folder");
    let load = "--duration 1 --ramp 100:400:x2 --p99-9-max-us 5000000 --json -";
    let output = run(&folder, &format!("--server {} {load}", start().0));
    let report = json(&output);
    let steps = report[0]["steps"].as_array().expect("steps");
    let rates: Vec<u64> = steps
        .iter()
        .filter_map(|step| step["rate_per_s"].as_u64())
        .collect();
    // A busy machine may be too slow for a step, which ends the search and is said.
    let is_whole = steps.iter().all(|step| step["grade"] == "good");
    match is_whole {
        true => assert_eq!(rates, [100, 200, 400]),
        false => assert_eq!(steps.last().expect("a step")["grade"], "generator_too_slow"),
    }
}

#[test]
fn queries_come_from_many_addresses() {
    let folder = TempDir::new().expect("a folder");
    let (address, clients) = start();
    let sources = "--source 127.7.0.0/16 --sockets 300 --queries 20000 --duration 10";
    let output = run(&folder, &format!("--server {address} {sources} --json -"));
    assert_eq!(json(&output)["answered"], 20_000);
    let clients = clients.lock().expect("no panic");
    assert_eq!(clients.len(), 300);
    assert!(
        clients
            .iter()
            .all(|client| client.to_string().starts_with("127.7."))
    );
}

#[test]
fn connections_carry_queries_and_are_made_anew() {
    let folder = TempDir::new().expect("a folder");
    let load = "--transport tcp --sockets 3 --duration 10 --queries 4000 --outstanding 40";
    let output = run(
        &folder,
        &format!("--server {} {load} --json -", start_tcp(1 << 30)),
    );
    let report = json(&output);
    let counts = [
        "transport",
        "answered",
        "lost",
        "reconnects",
        "malformed",
        "unexpected",
    ];
    let counts: Vec<String> = counts
        .iter()
        .map(|name| report[*name].to_string())
        .collect();
    expect![[r#""tcp" 4000 0 0 0 0"#]].assert_eq(&counts.join(" "));

    let output = run(
        &folder,
        &format!("--server {} {load} --json -", start_tcp(100)),
    );
    let report = json(&output);
    let of = |name: &str| report[name].as_u64().expect(name);
    assert_eq!(of("answered") + of("lost"), 4_000);
    assert!(of("reconnects") >= 3 && of("answered") > 300, "{report}");
}

#[test]
fn what_cannot_be_is_told_before_the_run() {
    let folder = TempDir::new().expect("a folder");
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("the address bound");
    drop(closed);
    let check = |arguments: &str, code: i32, said: &str| {
        let output = run(
            &folder,
            &format!("--server {address} --duration 1 {arguments}"),
        );
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(said), "{arguments}: {text}");
        assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
    };
    let pids = "--server-pid 1 --server-pid 2";
    check(pids, 2, "--server-pid: 2 for 1 servers, not one for each");
    check("--source fd00::/8", 2, "is of the other family");
    check(
        "--source 192.0.2.0/30",
        1,
        "192.0.2.0 is on no interface: add it (ip address add",
    );
    check("--transport tcp", 1, "Connection refused");
    let output = run(
        &folder,
        &format!("--server {address} --duration 1 --transport tcp"),
    );
    assert!(output.stdout.is_empty(), "{output:?}");
    check("--ramp 1:2", 2, "not FROM:TO:STEP, as in 10000:500000:x1.5");
}

/// A server that closed connections was once flooded with new ones, and the generator blamed.
#[test]
fn a_server_that_closes_connections_is_not_flooded() {
    let folder = TempDir::new().expect("a folder");
    let server = start_tcp(0);
    let load = "--transport tcp --sockets 2 --duration 1 --rate 50 --json -";
    let output = run(&folder, &format!("--server {server} {load}"));
    let report = json(&output);
    let reconnects = report["reconnects"].as_u64().expect("a count");
    assert!((2..=22).contains(&reconnects), "{report:#}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("no connection to send on"), "{warnings}");
    assert!(!warnings.contains("generator too slow"), "{warnings}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_server_that_closes_connections_is_no_limit_of_the_generator() {
    let folder = TempDir::new().expect("a folder");
    let server = start_tcp(0);
    let load = "--transport tcp --duration 1 --ramp 50:60:x2 --json -";
    let report = json(&run(&folder, &format!("--server {server} {load}")));
    let step = &report[0]["steps"][0];
    assert_eq!(step["grade"], "bad", "{report:#}");
    assert_eq!(step["lost_percent"], 100.0);
    assert_eq!(step.get("latency_us_p99_9"), None);
}

/// What was measured before is reported, and the error after it.
#[test]
fn a_server_that_is_not_there_loses_no_other_ones_figures() {
    let folder = TempDir::new().expect("a folder");
    let (there, gone) = (start_tcp(1_000), "127.0.0.1:1");
    let load = "--transport tcp --duration 1 --queries 10 --json -";
    let output = run(
        &folder,
        &format!("--server a={there} --server b={gone} {load}"),
    );
    let report = json(&output);
    assert_eq!(report[0]["rounds"][0]["answered"], 10, "{report:#}");
    assert_eq!(report[1]["rounds"], serde_json::json!([]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("sockets to --server 127.0.0.1:1"), "{error}");
    assert_eq!(output.status.code(), Some(1));
}

/// Standard output that takes nothing once ended in a panic.
#[test]
fn a_report_that_cannot_be_printed_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("names"), "a.test\n").expect("the names");
    let server = start().0.to_string();
    let full = fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full");
    let output = Command::new(PROGRAM)
        .current_dir(folder.path())
        .args([
            "--names",
            "names",
            "--server",
            &server,
            "--duration",
            "1",
            "--queries",
            "5",
        ])
        .stdout(full)
        .output()
        .expect("running the program");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.starts_with("error: writing to standard output: "),
        "{error}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let check = |arguments: &str, expect: expect_test::Expect| {
        let output = run(&folder, &format!("--duration 1 {arguments}"));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        expect.assert_eq(error.lines().next().unwrap_or_default());
    };
    let twice = "--server 127.0.0.1:5301 --server 127.0.0.1:5301";
    check(
        twice,
        expect![
            "error: --server: two are called 127.0.0.1_5301: give each a name, as in a=127.0.0.1:53"
        ],
    );
    check(
        "--server 127.0.0.1:1 --rounds 2 --timeline",
        expect![
            "error: --timeline: for one server in one round only; --html shows that of several"
        ],
    );
    check(
        "--server 127.0.0.1:1 --html o --hgrm o",
        expect!["error: o: given for two outputs"],
    );
    check(
        "--server 127.0.0.1:1 --ramp 1:2:x2 --html o",
        expect!["error: the argument '--ramp <FROM:TO:STEP>' cannot be used with '--html <FILE>'"],
    );
    check(
        "--server 127.0.0.1:1 --p99-9-max-us 5",
        expect!["error: the following required arguments were not provided:"],
    );
    check(
        "--server 127.0.0.1:1 --ramp 1:2:x2 --loss-max-percent nan",
        expect![
            "error: invalid value 'nan' for '--loss-max-percent <PERCENT>': must be more than 0, and 100 at most"
        ],
    );
}
