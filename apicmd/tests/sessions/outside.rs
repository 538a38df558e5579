//! What surrounds the program: shells, pipes, manuals, names with odd octets.

use std::fs;
use std::process::{Command, Stdio};

use expect_test::expect;

use crate::imports::many;
use crate::session::{PROGRAM, Session};

#[test]
fn names_with_odd_octets_reach_the_server() {
    let mut session = Session::start();
    session.run("create '*.a.test' A 10.0.0.1");
    session.run("create 'a/b\\.c?d\\032#%.a.test' A 10.0.0.2");
    session.run("get 'a/b\\.c?d\\032#%.a.test'");
    session.asked();
    session.check(expect![[r#"
        $ create '*.a.test' A 10.0.0.1
        OK
        $ create 'a/b\.c?d\032#%.a.test' A 10.0.0.2
        OK
        $ get 'a/b\.c?d\032#%.a.test'
        NAME                    TTL  TYPE  DATA      USER  HEALTH
        a/b\.c?d\032#%.a.test.  -    A     10.0.0.2  -     -
        # POST /containerdns/api/%2A.a.test {"records":["10.0.0.1"],"type":"A"}
        # POST /containerdns/api/a%2Fb%5C.c%3Fd%5C032%23%25.a.test {"records":["10.0.0.2"],"type":"A"}
        # GET /containerdns/api/a%2Fb%5C.c%3Fd%5C032%23%25.a.test
    "#]]);
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let mut session = Session::start();
    session.file("many.zone", &many(3_000));
    session.run("import many.zone");
    let mut child = Command::new(PROGRAM)
        .env_clear()
        .args([
            "list",
            "--api",
            &session.fake.address.to_string(),
            "--token",
            "secret",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting the program");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn completions_and_man_pages_need_no_server() {
    let mut session = Session::start();
    session.environment.clear();
    for shell in ["bash", "zsh", "fish"] {
        session.told.clear();
        session.run(&format!("completions {shell}"));
        assert!(session.told.contains("token-file"), "{}", session.told);
    }
    session.told.clear();
    session.run("man .");
    let page = |name: &str| {
        let path = session
            .folder
            .path()
            .join(format!("containerdns-apicmd{name}.1"));
        fs::read_to_string(path).expect("a man page")
    };
    assert!(page("").contains("cannot be reached"));
    assert!(page("-import").contains("\\-\\-sync"));
    let pages = fs::read_dir(session.folder.path())
        .expect("the folder")
        .count();
    session.note(&format!("{pages} pages"));
    session.check(expect![[r#"
        $ man .
        # 11 pages
    "#]]);
}
