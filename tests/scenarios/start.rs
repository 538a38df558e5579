//! How the program starts, and how it says that it cannot.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::dig::dig_short;
use crate::harness::etcd::Etcd;
use crate::harness::process::Process;
use crate::harness::server::{PROGRAM, Settings};
use crate::harness::{http, poll};

/// `containerdns standalone` over `data` with ports of its own.
struct Standalone {
    process: Process,
    dns: std::net::SocketAddr,
}

impl Standalone {
    /// Starts and waits until it is ready.
    fn start(data: &Path, log: &Path, more: &[&str]) -> Standalone {
        let [dns, api, admin] = [(); 3].map(|()| Etcd::free_address());
        let mut process = spawn(data, log, [dns, api, admin], more);
        let ready = poll(Duration::from_secs(30), || {
            assert!(process.exited().is_none(), "{}", process.output_tail());
            let answer = http::get(admin, "/readyz").ok()?;
            (answer.status == 200).then_some(())
        });
        assert!(
            ready.is_some(),
            "standalone is not ready\n{}",
            process.output_tail()
        );
        Standalone { process, dns }
    }
}

fn spawn(data: &Path, log: &Path, ports: [std::net::SocketAddr; 3], more: &[&str]) -> Process {
    let [dns, api, admin] = ports.map(|address| address.to_string());
    let data = data.to_string_lossy();
    let mut arguments = vec![
        "standalone",
        "--data",
        &data,
        "--dns",
        &dns,
        "--api",
        &api,
        "--admin",
        &admin,
    ];
    arguments.extend(more);
    Process::start(PROGRAM, &arguments, log)
}

#[test]
fn standalone_answers_samples_and_says_what_to_try() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let server = Standalone::start(&data, &log, &[]);
    let said = poll(Duration::from_secs(5), || {
        let output = server.process.output();
        output.contains("dig @").then_some(output)
    });
    let said = said.unwrap_or_else(|| panic!("nothing to try\n{}", server.process.output_tail()));
    let words: Vec<&str> = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("dig "))
        .map_or(Vec::new(), |line| line.split(' ').collect());
    let [at, "-p", port, name, kind] = words[..] else {
        panic!("a dig command, not {words:?}")
    };
    assert_eq!(format!("{}:{port}", &at[1..]), server.dns.to_string());
    assert!(
        !dig_short(server.dns, name, kind).is_empty(),
        "dig {name} {kind} finds nothing"
    );
}

#[test]
fn standalone_keeps_its_records_and_its_folder_to_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let log = |number: u32| folder.path().join(format!("log{number}"));
    let first = Standalone::start(&data, &log(1), &[]);
    let sample = dig_short(first.dns, "www.containerdns.local.", "A");
    assert!(!sample.is_empty(), "no sample records");

    let ports = [(); 3].map(|()| Etcd::free_address());
    let mut second = spawn(&data, &log(2), ports, &[]);
    let status = second.wait_exit(Duration::from_secs(10));
    let output = second.output();
    let failed = status.is_some_and(|status| !status.success());
    assert!(
        failed && output.contains(&*data.to_string_lossy()),
        "two on one folder: {output}"
    );
    assert!(!output.contains("panicked"), "{output}");

    assert_eq!(dig_short(first.dns, "www.containerdns.local.", "A"), sample);
    // kill -9 and again: the same records.
    drop(first);
    let again = Standalone::start(&data, &log(3), &[]);
    assert_eq!(dig_short(again.dns, "www.containerdns.local.", "A"), sample);
}

#[test]
fn standalone_loads_a_zone_file_at_every_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let zone = folder.path().join("zone.txt");
    let arguments = ["--zone", "file.test", "--records", &*zone.to_string_lossy()];
    let log = folder.path().join("log");
    fs::write(
        &zone,
        "$ORIGIN file.test.\n$TTL 60\n@ IN NS ns\nns IN A 192.0.2.1\nwww IN A 192.0.2.2\n\
         www IN AAAA 2001:db8::2\nmail 120 IN MX 10 www\nold IN TXT \"one day\"\n",
    )
    .expect("write the zone file");
    let server = Standalone::start(&data, &log, &arguments);
    assert_eq!(dig_short(server.dns, "www.file.test.", "A"), ["192.0.2.2"]);
    assert_eq!(
        dig_short(server.dns, "www.file.test.", "AAAA"),
        ["2001:db8::2"]
    );
    assert_eq!(
        dig_short(server.dns, "mail.file.test.", "MX"),
        ["10 www.file.test."]
    );
    assert_eq!(dig_short(server.dns, "file.test.", "NS"), ["ns.file.test."]);
    assert_eq!(
        dig_short(server.dns, "old.file.test.", "TXT"),
        ["\"one day\""]
    );
    drop(server);

    fs::write(&zone, "$ORIGIN file.test.\n$TTL 60\nwww IN A 192.0.2.3\n").expect("write");
    let server = Standalone::start(&data, &log, &arguments);
    assert_eq!(dig_short(server.dns, "www.file.test.", "A"), ["192.0.2.3"]);
    assert!(
        dig_short(server.dns, "old.file.test.", "TXT").is_empty(),
        "no more in the file"
    );
    drop(server);

    fs::write(
        &zone,
        "$ORIGIN file.test.\nwww 60 IN A 192.0.2.3\nbad 60 IN A 192.0.2.300\n",
    )
    .expect("write");
    let ports = [(); 3].map(|()| Etcd::free_address());
    let mut server = spawn(&data, &log, ports, &arguments);
    let status = server.wait_exit(Duration::from_secs(10));
    let output = server.output();
    assert!(
        status.is_some_and(|status| !status.success()),
        "a bad zone file: {output}"
    );
    assert!(
        output.contains("zone.txt") && output.contains('3'),
        "file and line: {output}"
    );
}

/// Every problem, each with its line and key; nothing is started, and `serve` says the same.
#[test]
fn check_prints_every_problem() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("bad.toml");
    let lines = [
        ("zones = [\"a..b\"]", "zones"),
        ("reverse = [\"10.0.0.0/33\"]", "reverse"),
        ("[listen]", ""),
        ("dns = [\"localhost:53\"]", "listen.dns"),
        ("[store]", ""),
        ("kind = \"zookeeper\"", "store.kind"),
        ("relist_s = -1", "store.relist_s"),
        ("[answer]", ""),
        ("policy = \"round\"", "answer.policy"),
        ("udp_payload_max = 70000", "answer.udp_payload_max"),
        ("cookie_secrets = [\"abc\"]", "answer.cookie_secrets"),
        ("[tcp]", ""),
        ("idle = 3", "tcp.idle"),
        ("[core.0]", ""),
        ("cpu = \"first\"", "core.0.cpu"),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    fs::write(&config, text).expect("write the configuration");
    for command in ["check", "serve"] {
        let arguments = [command, "--config", &*config.to_string_lossy()];
        let mut process = Process::start(PROGRAM, &arguments, &folder.path().join("log"));
        let status = process.wait_exit(Duration::from_secs(10));
        let output = process.output();
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(2),
            "{command}: {output}"
        );
        for (number, (line, key)) in lines
            .iter()
            .enumerate()
            .filter(|(_, (_, key))| !key.is_empty())
        {
            let place = format!("bad.toml:{}: {key}", number + 1);
            assert!(
                output.contains(&place),
                "{command}: {place} ({line}) is not in:\n{output}"
            );
        }
    }
}

/// 64 KiB of locked memory are not enough for an executor: one clear line, at once.
#[test]
fn too_little_locked_memory_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("containerdns.toml");
    let [dns, admin, etcd] = [(); 3].map(|()| Etcd::free_address());
    fs::write(&config, Settings::new(etcd).to_toml(dns, admin)).expect("write");
    let start = Instant::now();
    let mut process = Process::start(
        "prlimit",
        &[
            "--memlock=65536:65536",
            PROGRAM,
            "serve",
            "--config",
            &config.to_string_lossy(),
        ],
        &folder.path().join("log"),
    );
    let status = process.wait_exit(Duration::from_secs(10));
    let waited = start.elapsed();
    let output = process.output();
    assert!(
        status.is_some_and(|status| !status.success()),
        "it goes on: {output}"
    );
    assert!(
        waited < Duration::from_secs(3),
        "it took {waited:?}: {output}"
    );
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| line.contains("locked memory"))
        .collect();
    assert!(
        lines.len() == 1 && lines[0].contains("LimitMEMLOCK"),
        "one clear line: {output}"
    );
    assert!(!output.contains("panicked"), "{output}");
}
