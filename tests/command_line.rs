//! The command line of the built `containerdns` program: what it prints, and its exit status.

use std::process::Command;

use expect_test::{Expect, expect};

fn check(arguments: &[&str], expected: Expect) {
    expected.assert_eq(&run(arguments));
}

/// Runs the program where `good.toml` and `bad.toml` are; all that it prints, and its status.
fn run(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("good.toml", "reverse = []\n"),
        ("bad.toml", "zone = []\n[tcp]\nidle_s = 0\n"),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_containerdns"));
    let output = command
        .args(arguments)
        .current_dir(&folder)
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let status = output.status.code().expect("it ended by itself");
    format!("{stdout}{stderr}status {status}\n")
}

#[test]
fn check_tells_every_problem() {
    check(
        &["check", "--config", "bad.toml"],
        expect![[r#"
        bad.toml:1: zone: unknown key; did you mean `zones`?
        bad.toml:3: tcp.idle_s: 0 is out of range; write a whole number from 1 to 3600
        status 2
    "#]],
    );
}

#[test]
fn check_tells_in_one_line_that_a_file_is_good() {
    let told = run(&["check", "--config", "good.toml"]);
    // The CPUs are those of this machine.
    let (line, rest) = told
        .split_once(", cores on CPU ")
        .expect("it ends in the cores");
    expect!["good.toml: ok: 2 zones, 0 reverse zones, DNS on 0.0.0.0:53 [::]:53, admin on 127.0.0.1:9600, etcd at http://127.0.0.1:2379"].assert_eq(line);
    assert_eq!(rest.lines().skip(1).collect::<Vec<_>>(), ["status 0"]);
}

#[test]
fn serve_starts_nothing_with_a_bad_file() {
    check(
        &["serve", "--config", "bad.toml"],
        expect![[r#"
        bad.toml:1: zone: unknown key; did you mean `zones`?
        bad.toml:3: tcp.idle_s: 0 is out of range; write a whole number from 1 to 3600
        status 2
    "#]],
    );
    check(
        &["serve", "--config", "missing.toml"],
        expect![[r#"
        missing.toml: cannot be read: No such file or directory (os error 2); name a configuration file
        status 2
    "#]],
    );
}

#[test]
fn wrong_command_lines() {
    check(
        &["serve"],
        expect![[r#"
        error: the following required arguments were not provided:
          --config <FILE>

        Usage: containerdns serve --config <FILE>

        For more information, try '--help'.
        status 2
    "#]],
    );
    check(
        &["standalone", "--zone", "a..b"],
        expect![[r#"
        error: invalid value 'a..b' for '--zone <NAME>': label 2 is empty: a name is labels of 1 to 63 octets between single dots

        For more information, try '--help'.
        status 2
    "#]],
    );
    check(
        &["standalone", "--dns", "localhost"],
        expect![[r#"
        error: invalid value 'localhost' for '--dns <ADDR>': invalid socket address syntax

        For more information, try '--help'.
        status 2
    "#]],
    );
    check(
        &["--version"],
        expect![[r#"
        containerdns 0.1.0
        status 0
    "#]],
    );
}
