//! What is asked and how answers are judged, on the built program against a scripted server.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use expect_test::{Expect, expect};
use serde_json::Value;
use tempfile::TempDir;

mod report;

use report::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-loadtest");

/// A server that answers with what `answer` makes of a query until the test ends; gives the
/// queries, too.
fn start(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> (SocketAddr, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("the address bound");
    let (queries, received) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            let query = buffer[..len].to_vec();
            let response = answer(&query);
            // The test may be over, or the program gone.
            if queries.send(query).is_err() || socket.send_to(&response, peer).is_err() {
                return;
            }
        }
    });
    (address, received)
}

fn response(query: &[u8], rcode: u8) -> Vec<u8> {
    let mut response = query.to_vec();
    response[2] |= 0x80;
    response[3] |= rcode;
    response
}

/// Writes the files and runs the program in their folder; `arguments` are split at spaces.
fn run(server: SocketAddr, files: &[(&str, &[u8])], arguments: &str) -> Output {
    let folder = TempDir::new().expect("a folder");
    for (name, octets) in files {
        fs::write(folder.path().join(name), octets).expect("writing a file");
    }
    run_in(folder.path(), server, arguments)
}

fn run_in(folder: &Path, server: SocketAddr, arguments: &str) -> Output {
    Command::new(PROGRAM)
        .current_dir(folder)
        .args(["--server", &server.to_string()])
        // On a busy machine nothing must be lost.
        .args(["--timeout-ms", "60000"])
        .args(arguments.split_whitespace())
        .output()
        .expect("running the program")
}

fn check_error(files: &[(&str, &[u8])], arguments: &str, want: Expect) {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let output = run(nobody, files, arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // What is wrong, and where, each in its line.
    want.assert_eq(&String::from_utf8_lossy(&output.stderr).replace(": ", ":\n"));
}

/// The server drops nothing and refuses what asks for TXT.
#[test]
fn a_mix_keeps_its_shares_and_counts_each_part() {
    let (server, _queries) = start(|query| {
        let is_txt = query[query.len() - 3] == 16;
        response(query, if is_txt { 5 } else { 0 })
    });
    let files: [(&str, &[u8]); 3] = [
        ("a.txt", b"a.example\nb.example\n"),
        ("aaaa.txt", b"a.example AAAA\n"),
        ("txt.txt", b"a.example TXT\nb.example TXT\nc.example TXT\n"),
    ];
    let arguments = "--names 70=a.txt --names 20=aaaa.txt --names 10=txt.txt \
                     --duration 60 --queries 10000 --json -";
    let report = json(&run(server, &files, arguments));
    let mix = serde_json::to_string_pretty(&report["mix"]).expect("JSON");
    expect![[r#"
        [
          {
            "answered": 7000,
            "lost": 0,
            "names": "a.txt",
            "sent": 7000,
            "wrong": 0
          },
          {
            "answered": 2000,
            "lost": 0,
            "names": "aaaa.txt",
            "sent": 2000,
            "wrong": 0
          },
          {
            "answered": 1000,
            "lost": 0,
            "names": "txt.txt",
            "sent": 1000,
            "wrong": 1000
          }
        ]"#]]
    .assert_eq(&mix);
    assert_eq!(
        (&report["questions"], &report["wrong_rcode"]),
        (&6.into(), &1000.into())
    );
}

#[test]
fn a_plain_file_is_no_mix() {
    let (server, _queries) = start(|query| response(query, 0));
    let arguments = "--names a.txt --duration 60 --queries 10 --json -";
    let report = json(&run(server, &[("a.txt", b"a.example\n")], arguments));
    assert_eq!(report.get("mix"), None);
}

#[test]
fn what_makes_no_mix_is_named() {
    let files: [(&str, &[u8]); 2] = [("a.txt", b"a.example\n"), ("b.txt", b"b..e\n")];
    check_error(
        &files,
        "--duration 1 --names 70=a.txt --names b.txt",
        expect![[r#"
            error:
            --names b.txt:
            one of several files needs a share, as in --names 70=FILE
        "#]],
    );
    check_error(
        &files,
        "--duration 1 --names 70=a.txt --names 1=b.txt",
        expect![[r#"
            error:
            --names b.txt:
            line 1:
            name `b..e`:
            empty label (two dots in a row, or a dot at the start)
        "#]],
    );
}

const ZONE: &[u8] = b"$ORIGIN example.
$TTL 60
@ SOA ns hostmaster 1 2 3 4 5
a A 192.0.2.1
b A 192.0.2.2
b A 192.0.2.3
";

/// A server that knows a.example, has one address of b.example only, and says of all others that
/// they exist.
fn of_example(query: &[u8]) -> Vec<u8> {
    let mut response = response(query, 0);
    let last_octet = match query[13] {
        b'a' => 1,
        b'b' => 2,
        _ => return response,
    };
    response[7] = 1;
    response.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02");
    response.push(last_octet);
    response
}

#[test]
fn answers_are_compared_with_the_zone() {
    let (server, _queries) = start(of_example);
    let files: [(&str, &[u8]); 2] = [
        ("names", b"a.example\nb.example\nc.example\nwww.elsewhere\n"),
        ("zone", ZONE),
    ];
    let arguments =
        "--names names --duration 60 --queries 8 --outstanding 1 --verify zone --json -";
    let report = json(&run(server, &files, arguments));
    let fields = [
        "answered",
        "wrong_rcode",
        "wrong_answers",
        "verified_questions",
    ];
    assert_eq!(
        fields.map(|field| report[field].as_u64()),
        [8, 2, 4, 3].map(Some)
    );
    let mistakes = report["wrong_answers_first"].as_array().expect("a list");
    let text = |mistake: &Value| {
        ["question", "expected", "got"]
            .map(|field| format!("{}\n", mistake[field]))
            .concat()
    };
    let mut texts: Vec<String> = mistakes.iter().map(text).collect();
    texts.sort_unstable();
    expect![[r#"
        "b.example. A"
        "NOERROR; b.example. 60 IN A 192.0.2.2; b.example. 60 IN A 192.0.2.3"
        "NOERROR; b.example. 60 IN A 192.0.2.2"
        "c.example. A"
        "NXDOMAIN"
        "NOERROR"
    "#]]
    .assert_eq(&texts.concat());
    let seconds = report["timeline"].as_array().expect("a list").iter();
    let wrong = seconds.filter_map(|second| second["wrong"].as_u64());
    assert_eq!(wrong.sum::<u64>(), 4, "the time line has them, too");
}

#[test]
fn one_of_many_is_right_when_wished() {
    let (server, _queries) = start(of_example);
    let files: [(&str, &[u8]); 2] = [("names", b"a.example\nb.example\n"), ("zone", ZONE)];
    let arguments = "--names names --duration 60 --queries 8 --verify zone";
    let table = run(server, &files, arguments).stdout;
    let table = String::from_utf8_lossy(&table).into_owned();
    let line = |table: &str| {
        let lines = table.lines();
        lines
            .filter(|line| line.contains("wrong"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    expect![[r#"
        wrong rcode                        0 answers
        wrong answers                      4 answers
        wrong: b.example. A"#]]
    .assert_eq(&line(&table));
    let table = run(server, &files, &format!("{arguments} --verify-subset")).stdout;
    expect![[r#"
        wrong rcode                        0 answers
        wrong answers                      0 answers"#]]
    .assert_eq(&line(&String::from_utf8_lossy(&table)));
}

#[test]
fn a_zone_that_cannot_be_read_is_named() {
    let files: [(&str, &[u8]); 2] = [("names", b"a.example\n"), ("zone", b"a A 1.2.3.4")];
    let arguments = "--names names --duration 1 --verify";
    check_error(
        &files,
        &format!("{arguments} zone"),
        expect![[r#"
            error:
            --verify zone:
            record at line 1:
            record ttl not specified
        "#]],
    );
    check_error(
        &files,
        &format!("{arguments} none"),
        expect![[r#"
            error:
            --verify none:
            No such file or directory (os error 2)
        "#]],
    );
    let files: [(&str, &[u8]); 2] = [("names", b"a.other\n"), ("zone", ZONE)];
    check_error(
        &files,
        &format!("{arguments} zone"),
        expect![[r#"
            error:
            --verify:
            no question is one that these zones answer
        "#]],
    );
}

/// A pcap of raw IP in microseconds with UDP to port 53 at these times in ms.
fn pcap(packets: &[(u32, &[u8])]) -> Vec<u8> {
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];
    let mut file = words.map(u32::to_le_bytes).concat();
    for (time_ms, query) in packets {
        let len = query.len() as u32 + 28;
        let [high, low] = (len as u16).to_be_bytes();
        let words = [time_ms / 1_000, time_ms % 1_000 * 1_000, len, len];
        file.extend(words.map(u32::to_le_bytes).concat());
        file.extend([0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0]);
        file.extend([10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0, 53]);
        let udp_len = query.len() as u16 + 8;
        file.extend(udp_len.to_be_bytes());
        file.extend([0, 0]);
        file.extend(*query);
    }
    file
}

const QUERIES: [&[u8]; 3] = [
    b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x07Example\0\0\x01\0\x01",
    b"\x12\x35\x00\x10\0\x01\0\0\0\0\0\x01\x01b\x07example\0\0\x01\0\x01\
      \0\0\x29\x10\0\0\0\0\0\0\0",
    b"\x12\x36\x01\0\0\x02\0\0\0\0\0\0odd",
];

#[test]
fn a_capture_is_sent_again_octet_for_octet_at_its_times() {
    let (server, queries) = start(|query| response(query, 0));
    let times_ms = [1_000, 1_300, 1_200];
    let packets: Vec<_> = times_ms.into_iter().zip(QUERIES).collect();
    let files: [(&str, &[u8]); 1] = [("capture", &pcap(&packets))];
    let arguments = "--replay capture --replay-speed 0.25 --json -";
    let report = json(&run(server, &files, arguments));
    let fields = ["sent", "answered", "wrong_rcode", "malformed", "duration_s"];
    let counts = fields.map(|field| report[field].as_u64());
    assert_eq!(counts, [3, 3, 0, 0, 2].map(Some));
    assert_eq!(report["mode"], "recorded times");
    let sent: Vec<Vec<u8>> = queries.try_iter().collect();
    for (sent, recorded) in sent.iter().zip(QUERIES) {
        assert_eq!(sent[2..], recorded[2..]);
    }
    // The last two are due 300 ms * 4 after the first, in the second second.
    let seconds = report["timeline"].as_array().expect("a list").iter();
    let sent: Vec<u64> = seconds
        .filter_map(|second| second["sent"].as_u64())
        .collect();
    assert_eq!(sent, [1, 2]);
}

#[test]
fn a_log_is_sent_again_at_another_pace_round_and_round() {
    let (server, queries) = start(|query| response(query, 3));
    let log = b"1.5 10.0.0.1 a.example A\n9999.5 10.0.0.2 b.example AAAA\n";
    let arguments = "--replay log --outstanding 1 --queries 5 --duration 60 --edns --json -";
    let report = json(&run(server, &[("log", log)], arguments));
    assert_eq!(
        (&report["answered"], &report["wrong_rcode"]),
        (&5.into(), &0.into())
    );
    let asked: Vec<u8> = queries.try_iter().map(|query| query[13]).collect();
    assert_eq!(asked, b"ababa");
}

#[test]
fn what_is_not_sent_of_a_capture_is_counted() {
    let (server, _queries) = start(|query| response(query, 0));
    let mut capture = pcap(&[(0, QUERIES[0]), (0, b"short")]);
    let tcp = capture.len() + 16;
    capture.extend(pcap(&[(0, QUERIES[1])]).split_off(24));
    capture[tcp + 9] = 6;
    // The header's length in words of 32 bits.
    capture[tcp + 32] = 0x50;
    let output = run(server, &[("capture", &capture)], "--replay capture");
    let table = String::from_utf8_lossy(&output.stdout);
    let lines = table.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with("skipped"));
    expect![[r#"
          skipped TCP                      1 packets
          skipped no query                 1 packets"#]]
    .assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_cannot_be_replayed_is_named() {
    let capture = pcap(&[(0, QUERIES[0]), (0, QUERIES[1])]);
    let cut = &capture[..capture.len() - 3];
    let files: [(&str, &[u8]); 4] = [
        ("capture", &capture),
        ("cut", cut),
        ("log", b"1 x a.example A\n\n7200 x b.example FOO\n"),
        ("long", b"1 x a.example A\n7200 x b.example A\n"),
    ];
    check_error(
        &files,
        "--replay cut",
        expect![[r#"
            error:
            --replay cut:
            packet 2:
            the file ends within it
        "#]],
    );
    check_error(
        &files,
        "--replay log",
        expect![[r#"
            error:
            --replay log:
            line 3:
            type `FOO`:
            not a known type; write TYPEn for any other
        "#]],
    );
    check_error(
        &files,
        "--replay long",
        expect![[r#"
            error:
            --replay long:
            takes 7200 s:
            give a greater --replay-speed, or --duration for its start
        "#]],
    );
    check_error(
        &files,
        "--replay long --rate 1",
        expect![[r#"
            error:
            --replay long:
            with --rate or --outstanding give --duration
        "#]],
    );
    check_error(
        &files,
        "--replay capture --replay-port 5353",
        expect![[r#"
            error:
            --replay capture:
            no queries to port 5353 in it
        "#]],
    );
}
