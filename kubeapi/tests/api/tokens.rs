//! Tokens: which files are refused, what happens when the file changes, and that no token is ever
//! in the log.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::request;
use crate::poll;
use crate::process::Process;
use crate::server::{ALICE, API, Api, BOB, PROGRAM, READER, ROOT, Settings, ZONED, write_config};

/// A changed file is looked at every second.
const REREAD_LIMIT: Duration = Duration::from_secs(10);

#[test]
fn bad_token_files_are_refused_at_start() {
    let file = |token: &str| format!("[[tokens]]\nname = \"ops\"\ntoken = \"{token}\"\n");
    let good = file("0123456789abcdef-ops");
    for (text, problem) in [
        (file("changeme"), "token `ops`: is a sample"),
        (file("ChangeMe"), "token `ops`: is a sample"),
        (file("123456789"), "token `ops`: is a sample"),
        (file("@containerdns.com"), "token `ops`: is a sample"),
        (file(""), "token `ops`: has 0 characters; write 8 to 512"),
        (
            file("s3cr3t!"),
            "token `ops`: has 7 characters; write 8 to 512",
        ),
        (file("s3cr3t with blanks"), "token `ops`: holds a blank"),
        (String::new(), "tokens.toml: has 0 tokens"),
        (
            good.clone() + &good,
            "token `ops`: is the same as another token",
        ),
        (
            good.clone() + &file("s3cr3t-another-one"),
            "token `ops`: is there twice",
        ),
        (
            good.clone() + "sha256 = \"00\"\n",
            "token `ops`: wants either token or sha256",
        ),
        (
            good.clone() + "admin = true\n",
            "tokens.toml: line 4: unknown field `admin`",
        ),
        (
            "[[tokens]]\nname = 5\n".into(),
            "tokens.toml: line 2: is no table of tokens",
        ),
        ("[[tokens".into(), "tokens.toml: line 1"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listen = SocketAddr::from(([127, 0, 0, 1], crate::ports::free_port()));
        let config = write_config(folder.path(), listen, &Settings::default());
        fs::write(folder.path().join("tokens.toml"), &text).expect("write tokens");
        let arguments = ["--config", &*config.to_string_lossy()];
        let mut process = Process::start(PROGRAM, &arguments, &folder.path().join("log"));
        let status = process.wait_exit(Duration::from_secs(10));
        let output = process.output();
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(1),
            "{text}: {output}"
        );
        assert!(output.contains(problem), "{problem} is not in: {output}");
        assert!(!output.contains("s3cr3t"), "the token is told: {output}");
        assert!(!output.contains("panicked"), "{output}");
    }
}

#[test]
fn a_missing_token_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listen = SocketAddr::from(([127, 0, 0, 1], crate::ports::free_port()));
    let config = write_config(folder.path(), listen, &Settings::default());
    let arguments = ["--config", &*config.to_string_lossy()];
    let mut process = Process::start(PROGRAM, &arguments, &folder.path().join("log"));
    let status = process.wait_exit(Duration::from_secs(10));
    assert_eq!(status.and_then(|status| status.code()), Some(1));
    assert!(
        process.output().contains("tokens.toml: No such file"),
        "{}",
        process.output()
    );
}

#[test]
fn a_changed_file_is_read_and_a_bad_one_changes_nothing() {
    let api = Api::embedded();
    let file = api.folder.path().join("tokens.toml");
    let status = |token: &str| api.call("GET", API, token, "").status;
    let becomes = |token: &str, wanted: u16| {
        let there = || (status(token) == wanted).then_some(());
        let reached = poll(REREAD_LIMIT, there);
        assert!(reached.is_some(), "{wanted}\n{}", api.process.output_tail());
    };
    let logged = |text: &str| {
        let there = || api.process.output().contains(text).then_some(());
        let reached = poll(REREAD_LIMIT, there);
        assert!(reached.is_some(), "{text}\n{}", api.process.output_tail());
    };
    becomes(ROOT, 200);
    fs::write(
        &file,
        "[[tokens]]\nname = \"new\"\ntoken = \"another-0123456789\"\n",
    )
    .expect("write");
    becomes("another-0123456789", 200);
    assert_eq!(status(ROOT), 401);

    fs::write(&file, "[[tokens]]\nname = \"new\"\ntoken = \"short\"\n").expect("write");
    logged("the tokens stay as they were");
    assert_eq!(status("another-0123456789"), 200);
    fs::remove_file(&file).expect("remove");
    logged("No such file");
    assert_eq!(status("another-0123456789"), 200);

    // The digest of a token does as well as the token.
    let digest = "ea5add57437cbf20af59034d7ed17968dcc56767b41965fcc5b376d45db8b4a3";
    let text = format!("[[tokens]]\nname = \"digest\"\nsha256 = \"{digest}\"\n");
    fs::write(&file, text).expect("write");
    becomes("my-secret-token", 200);
    becomes("another-0123456789", 401);
}

#[test]
fn no_token_is_ever_in_the_log() {
    let api = Api::start(&Settings {
        api: "query_token = true".into(),
        log: "debug",
        ..Settings::default()
    });
    let in_url = format!("{API}?token={ROOT}");
    api.call("GET", &in_url, "", "").expect(200);
    api.call("GET", &format!("{API}?token=wrong-{ROOT}"), "", "")
        .expect(401);
    let body = r#"{"type":"A","ips":["10.0.0.1"]}"#;
    for token in [ROOT, ALICE, BOB, READER, ZONED, "unknown-0123456789"] {
        for path in [
            "/www.a.test",
            "/www.b.test",
            "/www.a.test?dry_run=maybe",
            "/%zz",
        ] {
            api.call("POST", &format!("{API}{path}"), token, body);
        }
    }
    let mut connection = api.connect();
    let broken = request("GET", &in_url, ROOT, "").replace("HTTP/1.1", "HTTP/7");
    connection.send(broken.as_bytes()).expect("send");
    // Whatever comes of it: only the log counts.
    let _ = connection.answer();
    let log = api.process.output();
    assert!(
        log.contains("/containerdns/api/www.a.test"),
        "requests are logged: {log}"
    );
    let audit = fs::read_to_string(api.folder.path().join("audit.jsonl")).expect("audit");
    for text in [log, audit] {
        assert!(!text.contains("0123456789"), "a token is in it: {text}");
        assert!(!text.contains("token="), "a query is in it: {text}");
    }
}
