//! Whole sessions of the built program against a server of this test: what is printed, to where,
//! and with which exit code.

mod fake;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::fake::Fake;

const PROGRAM: &str = env!("CARGO_BIN_EXE_containerdns-apicmd");

/// A server, a folder for files, and what was printed so far.
struct Session {
    fake: Fake,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
    told: String,
}

impl Session {
    fn start() -> Self {
        Self::with(Fake::start())
    }

    fn with(fake: Fake) -> Self {
        let environment = vec![
            ("CONDNS_API_ADDR", fake.address.to_string()),
            ("CONDNS_API_TOKEN", "secret".into()),
        ];
        Self {
            fake,
            folder: TempDir::new().expect("a folder"),
            environment,
            told: String::new(),
        }
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("writing a file");
    }

    fn run(&mut self, line: &str) {
        self.run_with_input(line, "");
    }

    /// Runs a line, words in single quotes kept together, and keeps all that it prints.
    fn run_with_input(&mut self, line: &str, input: &str) {
        let mut child = Command::new(PROGRAM)
            .args(words(line))
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting the program");
        let mut stdin = child.stdin.take().expect("piped");
        // A program that reads no input has closed it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        self.told += &format!("$ {line}\n{}", String::from_utf8_lossy(&output.stdout));
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            self.told += &format!("! {line}\n");
        }
        match output.status.code() {
            Some(0) => {}
            code => self.told += &format!("exit {code:?}\n"),
        }
    }

    /// Adds a line of the test's own.
    fn note(&mut self, text: &str) {
        self.told += &format!("# {text}\n");
    }

    /// What the server was asked since the last time.
    fn asked(&mut self) {
        let asked = std::mem::take(&mut self.fake.lock().asked);
        for line in asked {
            self.note(&line);
        }
    }

    fn check(mut self, want: Expect) {
        let told = std::mem::take(&mut self.told);
        assert!(!told.contains('\x1b'), "no colours where nobody sees them");
        let told = told.replace(&self.fake.address.to_string(), "SERVER");
        let lines = told.lines().map(without_times);
        want.assert_eq(&lines.map(|line| line + "\n").collect::<String>());
    }
}

/// The line without how long something took.
fn without_times(line: &str) -> String {
    for mark in [" records in ", " changed in ", " are equal ("] {
        if let Some(at) = line.find(mark) {
            return line[..at + mark.len()].to_owned() + "TIME";
        }
    }
    line.into()
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(String::from)),
            _ => words.push(part.into()),
        }
    }
    words
}

#[test]
fn records_are_created_shown_updated_and_deleted() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60 --user ann");
    session.run("create www.a.test AAAA fd00::1");
    session.run("create www.a.test TXT 'v=spf1 -all'");
    session.run("create mail.a.test MX 10 mx.a.test.");
    session.run("create alias.a.test cname www.a.test");
    session.fake.lock().down("10.0.0.2");
    session.run("list");
    session.run("list --zone a.test --type MX");
    session.run("get www.a.test");
    session.run("get www.a.test txt");
    session.run("update www.a.test A 10.0.0.1=10.0.0.3");
    session.run("update www.a.test TXT --from 'v=spf1 -all' --to 'v=spf1 a=b'");
    session.run("update www.a.test AAAA --ttl 30 --user ann");
    session.run("update alias.a.test CNAME www.a.test=mail.a.test");
    session.run("list -o zone");
    session.run("delete www.a.test A 10.0.0.2");
    session.run("delete www.a.test TXT");
    session.run("delete mail.a.test --user ann");
    session.run("delete alias.a.test");
    session.run("list");
    session.asked();
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60 --user ann
        OK
        $ create www.a.test AAAA fd00::1
        OK
        $ create www.a.test TXT 'v=spf1 -all'
        OK
        $ create mail.a.test MX 10 mx.a.test.
        OK
        $ create alias.a.test cname www.a.test
        OK
        $ list
        NAME           TTL  TYPE   DATA           USER  HEALTH
        alias.a.test.  -    CNAME  www.a.test.    -     -
        mail.a.test.   -    MX     10 mx.a.test.  -     -
        www.a.test.    60   A      10.0.0.1       ann   -
        www.a.test.    60   A      10.0.0.2       ann   DOWN
        www.a.test.    -    TXT    "v=spf1 -all"  -     -
        www.a.test.    -    AAAA   fd00::1        -     -
        $ list --zone a.test --type MX
        NAME          TTL  TYPE  DATA           USER  HEALTH
        mail.a.test.  -    MX    10 mx.a.test.  -     -
        $ get www.a.test
        NAME         TTL  TYPE  DATA           USER  HEALTH
        www.a.test.  60   A     10.0.0.1       ann   -
        www.a.test.  60   A     10.0.0.2       ann   DOWN
        www.a.test.  -    TXT   "v=spf1 -all"  -     -
        www.a.test.  -    AAAA  fd00::1        -     -
        $ get www.a.test txt
        NAME         TTL  TYPE  DATA           USER  HEALTH
        www.a.test.  -    TXT   "v=spf1 -all"  -     -
        $ update www.a.test A 10.0.0.1=10.0.0.3
        OK
        $ update www.a.test TXT --from 'v=spf1 -all' --to 'v=spf1 a=b'
        OK
        $ update www.a.test AAAA --ttl 30 --user ann
        OK
        $ update alias.a.test CNAME www.a.test=mail.a.test
        OK
        $ list -o zone
        alias.a.test. IN CNAME mail.a.test.
        mail.a.test. IN MX 10 mx.a.test.
        www.a.test. 60 IN A 10.0.0.2
        www.a.test. 60 IN A 10.0.0.3
        www.a.test. IN TXT "v=spf1 a=b"
        www.a.test. 30 IN AAAA fd00::1
        $ delete www.a.test A 10.0.0.2
        OK
        $ delete www.a.test TXT
        OK
        $ delete mail.a.test --user ann
        OK
        $ delete alias.a.test
        OK
        $ list
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  60   A     10.0.0.3  ann   -
        www.a.test.  30   AAAA  fd00::1   ann   -
        # POST /containerdns/api/www.a.test {"records":["10.0.0.1","10.0.0.2"],"ttl":60,"type":"A","user":"ann"}
        # POST /containerdns/api/www.a.test {"records":["fd00::1"],"type":"AAAA"}
        # POST /containerdns/api/www.a.test {"records":["\"v=spf1 -all\""],"type":"TXT"}
        # POST /containerdns/api/mail.a.test {"records":["10 mx.a.test."],"type":"MX"}
        # POST /containerdns/api/alias.a.test {"records":["www.a.test."],"type":"CNAME"}
        # GET /containerdns/api
        # GET /containerdns/api?zone=a.test&type=MX
        # GET /containerdns/api/www.a.test
        # GET /containerdns/api/www.a.test?type=TXT
        # PUT /containerdns/api/www.a.test {"type":"A","update":{"10.0.0.1":"10.0.0.3"}}
        # PUT /containerdns/api/www.a.test {"type":"TXT","update":{"v=spf1 -all":"v=spf1 a=b"}}
        # PUT /containerdns/api/www.a.test {"ttl":30,"type":"AAAA","user":"ann"}
        # GET /containerdns/api/alias.a.test?type=CNAME
        # PUT /containerdns/api/alias.a.test {"records":["mail.a.test."],"type":"CNAME"}
        # GET /containerdns/api
        # DELETE /containerdns/api/www.a.test {"records":["10.0.0.2"],"type":"A"}
        # DELETE /containerdns/api/www.a.test {"type":"TXT"}
        # DELETE /containerdns/api/mail.a.test {"user":"ann"}
        # DELETE /containerdns/api/alias.a.test
        # GET /containerdns/api
    "#]]);
}

#[test]
fn dry_runs_change_nothing() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60");
    session.run("create www.a.test A 10.0.0.3 --ttl 30 --dry-run");
    session.run("create www.a.test A 10.0.0.1 --dry-run");
    session.run("update www.a.test A 10.0.0.1=10.0.0.4 --dry-run");
    session.run("delete www.a.test --dry-run");
    session.run("delete www.a.test A 10.0.0.1 --dry-run -o json");
    session.run("delete www.a.test A 10.0.0.1 --dry-run -o yaml");
    session.run("get www.a.test");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60
        OK
        $ create www.a.test A 10.0.0.3 --ttl 30 --dry-run
        - www.a.test. 60 IN A 10.0.0.1
        - www.a.test. 60 IN A 10.0.0.2
        + www.a.test. 30 IN A 10.0.0.1
        + www.a.test. 30 IN A 10.0.0.2
        + www.a.test. 30 IN A 10.0.0.3
        1 record would be added, 0 removed, 2 given another TTL; nothing was changed
        $ create www.a.test A 10.0.0.1 --dry-run
        nothing would change
        $ update www.a.test A 10.0.0.1=10.0.0.4 --dry-run
        - www.a.test. 60 IN A 10.0.0.1
        + www.a.test. 60 IN A 10.0.0.4
        1 record would be added, 1 removed; nothing was changed
        $ delete www.a.test --dry-run
        - www.a.test. 60 IN A 10.0.0.1
        - www.a.test. 60 IN A 10.0.0.2
        0 records would be added, 2 removed; nothing was changed
        $ delete www.a.test A 10.0.0.1 --dry-run -o json
        {
          "dry_run": true,
          "changes": [
            {
              "name": "www.a.test.",
              "type": "A",
              "before": {
                "ttl": 60,
                "records": [
                  "10.0.0.1",
                  "10.0.0.2"
                ]
              },
              "after": {
                "ttl": 60,
                "records": [
                  "10.0.0.2"
                ]
              }
            }
          ]
        }
        $ delete www.a.test A 10.0.0.1 --dry-run -o yaml
        dry_run: true
        changes:
        - name: www.a.test.
          type: A
          before:
            ttl: 60
            records:
            - 10.0.0.1
            - 10.0.0.2
          after:
            ttl: 60
            records:
            - 10.0.0.2
        $ get www.a.test
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  60   A     10.0.0.1  -     -
        www.a.test.  60   A     10.0.0.2  -     -
    "#]]);
}

#[test]
fn every_form_of_an_answer() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 --ttl 60 --user ann");
    session.run("create www.a.test TXT hello");
    for form in ["table", "json", "json-lines", "yaml", "zone"] {
        session.run(&format!("get www.a.test -o {form}"));
    }
    session.run("export");
    session.run("export a.test -o json-lines");
    session.run("export b.test");
    session.run("-o xml list");
    session.run("history www.a.test -o zone");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 --ttl 60 --user ann
        OK
        $ create www.a.test TXT hello
        OK
        $ get www.a.test -o table
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  60   A     10.0.0.1  ann   -
        www.a.test.  -    TXT   "hello"   -     -
        $ get www.a.test -o json
        {
          "www.a.test.": {
            "type": "A",
            "ttl": 60,
            "user": "ann",
            "records": [
              "10.0.0.1"
            ],
            "more": [
              {
                "type": "TXT",
                "records": [
                  "\"hello\""
                ]
              }
            ]
          }
        }
        $ get www.a.test -o json-lines
        {"name":"www.a.test.","type":"A","ttl":60,"user":"ann","records":["10.0.0.1"]}
        {"name":"www.a.test.","type":"TXT","records":["\"hello\""]}
        $ get www.a.test -o yaml
        www.a.test.:
          type: A
          ttl: 60
          user: ann
          records:
          - 10.0.0.1
          more:
          - type: TXT
            records:
            - '"hello"'
        $ get www.a.test -o zone
        www.a.test. 60 IN A 10.0.0.1
        www.a.test. IN TXT "hello"
        $ export
        www.a.test. 60 IN A 10.0.0.1
        www.a.test. IN TXT "hello"
        $ export a.test -o json-lines
        {"name":"www.a.test.","type":"A","ttl":60,"user":"ann","records":["10.0.0.1"]}
        {"name":"www.a.test.","type":"TXT","records":["\"hello\""]}
        $ export b.test
        $ -o xml list
        ! error: invalid value 'xml' for '--output <FORM>'
        !   [possible values: table, json, json-lines, yaml, zone]
        ! 
        !   tip: a similar value exists: 'yaml'
        ! 
        ! For more information, try '--help'.
        exit Some(2)
        $ history www.a.test -o zone
        ! containerdns-apicmd: history has no such form: write -o table, -o json or -o yaml
        exit Some(2)
    "#]]);
}

#[test]
fn a_history_is_shown() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 --user ann");
    session.run("update www.a.test A --ttl 5");
    session.run("delete www.a.test");
    session.run("history www.a.test");
    session.run("history www.a.test --limit 1");
    session.run("history www.a.test --limit 1 -o json");
    session.run("history none.a.test");
    session.asked();
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 --user ann
        OK
        $ update www.a.test A --ttl 5
        OK
        $ delete www.a.test
        OK
        $ history www.a.test
        2026-01-01T00:00:00Z DELETE by admin from 127.0.0.1, revision 12
          - www.a.test. 5 IN A 10.0.0.1
        2026-01-01T00:00:00Z PUT by admin from 127.0.0.1, revision 11
          - www.a.test. IN A 10.0.0.1
          + www.a.test. 5 IN A 10.0.0.1
        2026-01-01T00:00:00Z POST by admin for ann from 127.0.0.1, revision 10
          + www.a.test. IN A 10.0.0.1
        $ history www.a.test --limit 1
        2026-01-01T00:00:00Z DELETE by admin from 127.0.0.1, revision 12
          - www.a.test. 5 IN A 10.0.0.1
        older changes are beyond --limit or no longer kept
        $ history www.a.test --limit 1 -o json
        {
          "name": "www.a.test.",
          "complete": false,
          "entries": [
            {
              "revision": 12,
              "time": "2026-01-01T00:00:00Z",
              "token": "admin",
              "method": "DELETE",
              "client": "127.0.0.1",
              "changes": [
                {
                  "name": "www.a.test.",
                  "type": "A",
                  "before": {
                    "ttl": 5,
                    "user": "ann",
                    "records": [
                      "10.0.0.1"
                    ]
                  },
                  "after": null
                }
              ]
            }
          ]
        }
        $ history none.a.test
        never changed through the API
        # POST /containerdns/api/www.a.test {"records":["10.0.0.1"],"type":"A","user":"ann"}
        # PUT /containerdns/api/www.a.test {"ttl":5,"type":"A"}
        # DELETE /containerdns/api/www.a.test
        # GET /containerdns/api/www.a.test/history
        # GET /containerdns/api/www.a.test/history?limit=1
        # GET /containerdns/api/www.a.test/history?limit=1
        # GET /containerdns/api/none.a.test/history
    "#]]);
}

#[test]
fn failures_say_what_to_do_and_have_exit_codes() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1");
    session.run("create www.a.test CNAME other.a.test");
    session.run("update www.a.test A 10.0.0.9=10.0.0.1");
    session.run("create alias.a.test CNAME www.a.test");
    session.run("update alias.a.test CNAME x.a.test=y.a.test");
    session.run("get none.a.test");
    session.run("get www.c.test");
    for status in [401, 403, 405, 413, 415, 500, 503, 507] {
        session.run(&format!("get fail-{status}.a.test"));
    }
    session.run("--token wrong list");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1
        OK
        $ create www.a.test CNAME other.a.test
        ! containerdns-apicmd: conflict (409): www.a.test.: a CNAME record stands alone
        ! what is there now:
        ! www.a.test. IN A 10.0.0.1
        exit Some(5)
        $ update www.a.test A 10.0.0.9=10.0.0.1
        ! containerdns-apicmd: conflict (409): www.a.test. has no record 10.0.0.9
        ! what is there now:
        ! www.a.test. IN A 10.0.0.1
        exit Some(5)
        $ create alias.a.test CNAME www.a.test
        OK
        $ update alias.a.test CNAME x.a.test=y.a.test
        ! containerdns-apicmd: conflict (409): it is no alias of x.a.test.
        ! what is there now:
        ! alias.a.test. IN CNAME www.a.test.
        exit Some(5)
        $ get none.a.test
        ! containerdns-apicmd: not found (404): none.a.test. has no such records
        exit Some(3)
        $ get www.c.test
        ! containerdns-apicmd: the server refuses this (400): name: www.c.test. lies in none of the zones a.test., b.test.
        exit Some(7)
        $ get fail-401.a.test
        ! containerdns-apicmd: the server does not accept the token (401): as the name asks: check CONDNS_API_TOKEN or --token-file
        exit Some(4)
        $ get fail-403.a.test
        ! containerdns-apicmd: not allowed (403): as the name asks
        exit Some(4)
        $ get fail-405.a.test
        ! containerdns-apicmd: the server failed (405): as the name asks
        exit Some(1)
        $ get fail-413.a.test
        ! containerdns-apicmd: too much for one request (413): as the name asks
        exit Some(7)
        $ get fail-415.a.test
        ! containerdns-apicmd: the server failed (415): as the name asks
        exit Some(1)
        $ get fail-500.a.test
        ! containerdns-apicmd: the server failed (500): as the name asks
        exit Some(1)
        $ get fail-503.a.test
        ! containerdns-apicmd: the server cannot reach its store (503): as the name asks: try again later
        exit Some(6)
        $ get fail-507.a.test
        ! containerdns-apicmd: the store is full (507): as the name asks
        exit Some(1)
        $ --token wrong list
        ! containerdns-apicmd: the server does not accept the token (401): no such token: check CONDNS_API_TOKEN or --token-file
        exit Some(4)
    "#]]);
}

#[test]
fn a_server_that_is_not_there() {
    let mut session = Session::start();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("the address bound").to_string();
    drop(free);
    session.run(&format!("--api {address} list"));
    session.run("--api no-such-host.invalid list");
    session.told = session.told.replace(&address, "NOBODY");
    session.check(expect![[r#"
        $ --api NOBODY list
        ! containerdns-apicmd: cannot connect to NOBODY (connection refused): is the server running? set CONDNS_API_ADDR or --api
        exit Some(6)
        $ --api no-such-host.invalid list
        ! containerdns-apicmd: cannot connect to no-such-host.invalid:9003 (host not found): set CONDNS_API_ADDR or --api
        exit Some(6)
    "#]]);
}

#[test]
fn wrong_command_lines() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.256");
    session.run("create www.a.test B 10.0.0.1");
    session.run("create www..test A 10.0.0.1");
    session.run("update www.a.test A");
    session.run("update www.a.test TXT a=b=c");
    session.run("list --token x --token-file y");
    session.run("list --api ftp://x");
    session.run("list --ca nowhere.pem");
    session.run("list --config nowhere.toml");
    session.run("list --server prod");
    session.run("import nowhere.zone");
    session.run("man nowhere");
    session.environment.clear();
    session.run("list");
    session.asked();
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.256
        ! containerdns-apicmd: A: `10.0.0.256` is not an IPv4 address
        exit Some(2)
        $ create www.a.test B 10.0.0.1
        ! error: invalid value 'B' for '<TYPE>': `B` is no record type: write a mnemonic such as AAAA, or TYPE and its number
        ! 
        ! For more information, try '--help'.
        exit Some(2)
        $ create www..test A 10.0.0.1
        ! containerdns-apicmd: `www..test` is no name: label 2 is empty: a name is labels of 1 to 63 octets between single dots
        exit Some(2)
        $ update www.a.test A
        ! containerdns-apicmd: nothing to update: write OLD=NEW, --from OLD --to NEW, or --ttl
        exit Some(2)
        $ update www.a.test TXT a=b=c
        ! containerdns-apicmd: `a=b=c` has more than one `=`: write --from OLD --to NEW
        exit Some(2)
        $ list --token x --token-file y
        ! error: the argument '--token <TOKEN>' cannot be used with '--token-file <FILE>'
        ! 
        ! Usage: containerdns-apicmd list --token <TOKEN>
        ! 
        ! For more information, try '--help'.
        exit Some(2)
        $ list --api ftp://x
        ! containerdns-apicmd: `ftp://x` is no address of an API: write http:// or https://
        exit Some(2)
        $ list --ca nowhere.pem
        ! containerdns-apicmd: nowhere.pem: No such file or directory (os error 2)
        exit Some(2)
        $ list --config nowhere.toml
        ! containerdns-apicmd: nowhere.toml: No such file or directory (os error 2)
        exit Some(2)
        $ list --server prod
        ! containerdns-apicmd: no server `prod`: no [servers.prod] is there
        exit Some(2)
        $ import nowhere.zone
        ! containerdns-apicmd: nowhere.zone: No such file or directory (os error 2)
        exit Some(1)
        $ man nowhere
        ! containerdns-apicmd: nowhere: No such file or directory (os error 2)
        exit Some(1)
        $ list
        ! containerdns-apicmd: no token: set CONDNS_API_TOKEN, or give --token-file (standalone writes DATA/token)
        exit Some(2)
    "#]]);
}

#[test]
fn servers_of_the_configuration_file() {
    let mut session = Session::start();
    let address = session.fake.address;
    let config = format!(
        "default = \"lab\"\n[servers.lab]\napi = \"http://{address}/containerdns/api/\"\n\
         token_file = \"token\"\n[servers.wrong]\napi = \"{address}\"\ntoken = \"bad\"\n"
    );
    fs::create_dir_all(session.folder.path().join(".config/containerdns")).expect("a folder");
    session.file(".config/containerdns/apicmd.toml", &config);
    session.file(".config/containerdns/token", "secret\nnot this\n");
    session.environment.clear();
    session.run("create www.a.test A 10.0.0.1");
    session.run("list");
    session.run("list --server wrong");
    session.run("list --server other");
    session.file("empty", "\n");
    session.run("list --token-file empty");
    session.file(
        "bad.toml",
        "default = \"lab\"\n[servers.lab]\napi = \"x\"\nport = 5\n",
    );
    session.run("list --config bad.toml");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1
        OK
        $ list
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  -    A     10.0.0.1  -     -
        $ list --server wrong
        ! containerdns-apicmd: the server does not accept the token (401): no such token: check CONDNS_API_TOKEN or --token-file
        exit Some(4)
        $ list --server other
        ! containerdns-apicmd: no server `other`: there is lab, wrong
        exit Some(2)
        $ list --token-file empty
        ! containerdns-apicmd: empty: the first line is empty: write the token there
        exit Some(2)
        $ list --config bad.toml
        ! containerdns-apicmd: bad.toml:4: unknown field `port`, expected one of `api`, `token`, `token_file`, `ca`, `cert`, `key`
        exit Some(2)
    "#]]);
}

const ZONE: &str = "\
$ORIGIN a.test.
$TTL 300
@ SOA ns1 admin 1 3600 600 86400 60
@ NS ns1
ns1 A 10.0.0.53
www A 10.0.0.1
    A 10.0.0.2
alias CNAME www
text TXT \"v=spf1 -all\"
";

#[test]
fn a_zone_file_goes_in_and_comes_out() {
    let mut session = Session::start();
    session.file("a.zone", ZONE);
    session.run("import a.zone --dry-run");
    session.run("import a.zone");
    session.run("import a.zone");
    session.run("import a.zone --dry-run");
    session.run("export a.test");
    session.asked();
    session.check(expect![[r#"
        $ import a.zone --dry-run
        + a.test. 300 IN NS ns1.a.test.
        + a.test. 300 IN SOA ns1.a.test. admin.a.test. 1 3600 600 86400 60
        + alias.a.test. 300 IN CNAME www.a.test.
        + ns1.a.test. 300 IN A 10.0.0.53
        + text.a.test. 300 IN TXT "v=spf1 -all"
        + www.a.test. 300 IN A 10.0.0.1
        + www.a.test. 300 IN A 10.0.0.2
        7 records would be added, 0 removed; nothing was changed
        $ import a.zone
        5 names, 7 records in TIME
        $ import a.zone
        5 names, 7 records in TIME
        $ import a.zone --dry-run
        nothing would change
        $ export a.test
        a.test. 300 IN SOA ns1.a.test. admin.a.test. 1 3600 600 86400 60
        a.test. 300 IN NS ns1.a.test.
        alias.a.test. 300 IN CNAME www.a.test.
        ns1.a.test. 300 IN A 10.0.0.53
        text.a.test. 300 IN TXT "v=spf1 -all"
        www.a.test. 300 IN A 10.0.0.1
        www.a.test. 300 IN A 10.0.0.2
        # GET /containerdns/api
        # POST /containerdns/api [{"name":"a.test.","records":["ns1.a.test."],"ttl":300,"type":"NS"},{"name":"a.test.","records":["ns1.a.test. admin.a.test. 1 3600 600 86400 60"],"ttl":300,"type":"SOA"},{"name":"alias.a.test.","records":["www.a.test."],"ttl":300,"type":"CNAME"},{"name":"ns1.a.test.","records":["10.0.0.53"],"ttl":300,"type":"A"},{"name":"text.a.test.","records":["\"v=spf1 -all\""],"ttl":300,"type":"TXT"},{"name":"www.a.test.","records":["10.0.0.1","10.0.0.2"],"ttl":300,"type":"A"}]
        # POST /containerdns/api [{"name":"a.test.","records":["ns1.a.test."],"ttl":300,"type":"NS"},{"name":"a.test.","records":["ns1.a.test. admin.a.test. 1 3600 600 86400 60"],"ttl":300,"type":"SOA"},{"name":"alias.a.test.","records":["www.a.test."],"ttl":300,"type":"CNAME"},{"name":"ns1.a.test.","records":["10.0.0.53"],"ttl":300,"type":"A"},{"name":"text.a.test.","records":["\"v=spf1 -all\""],"ttl":300,"type":"TXT"},{"name":"www.a.test.","records":["10.0.0.1","10.0.0.2"],"ttl":300,"type":"A"}]
        # GET /containerdns/api
        # GET /containerdns/api?zone=a.test
    "#]]);
}

#[test]
fn an_export_is_an_import() {
    let mut session = Session::start();
    session.file("a.zone", ZONE);
    session.run("import a.zone");
    for (form, file, format) in [("zone", "-", "zone"), ("json-lines", "-", "json-lines")] {
        session.told.clear();
        session.run(&format!("export a.test -o {form}"));
        let exported = session
            .told
            .split_once('\n')
            .expect("a command")
            .1
            .to_owned();
        assert_eq!(exported.lines().count(), if form == "zone" { 7 } else { 6 });
        let before = std::mem::take(&mut session.fake.lock().names);
        session.run_with_input(&format!("import {file} --format {format}"), &exported);
        assert_eq!(session.fake.lock().names, before, "{}", session.told);
    }
}

#[test]
fn a_zone_becomes_equal_to_a_file() {
    let mut session = Session::start();
    session.file("a.zone", ZONE);
    session.run("import a.zone");
    session.run("create gone.a.test A 10.0.0.9");
    session.run("create www.b.test A 10.0.0.9");
    session.run("create web.shop.svc.a.test A 10.0.0.9");
    let changed = ZONE
        .replace("    A 10.0.0.2", "    A 10.0.0.3")
        .replace("alias CNAME www", "alias A 10.0.0.4")
        .replace("text TXT", "text 60 TXT")
        .replace("admin 1", "admin 2");
    session.file("b.zone", &changed);
    session.asked();
    session.told.clear();
    session.run("import b.zone --sync --dry-run");
    session.run("import b.zone --sync");
    session.run("import b.zone --sync");
    session.asked();
    session.run("list -o zone");
    session.check(expect![[r#"
        $ import b.zone --sync --dry-run
        - a.test. 300 IN SOA ns1.a.test. admin.a.test. 1 3600 600 86400 60
        + a.test. 300 IN SOA ns1.a.test. admin.a.test. 2 3600 600 86400 60
        + alias.a.test. 300 IN A 10.0.0.4
        - alias.a.test. 300 IN CNAME www.a.test.
        - text.a.test. 300 IN TXT "v=spf1 -all"
        + text.a.test. 60 IN TXT "v=spf1 -all"
        - www.a.test. 300 IN A 10.0.0.2
        + www.a.test. 300 IN A 10.0.0.3
        - gone.a.test. IN A 10.0.0.9
        3 records would be added, 4 removed, 1 given another TTL; nothing was changed
        $ import b.zone --sync
        5 names changed: 3 records added, 4 removed, 1 TTL changed in TIME
        $ import b.zone --sync
        nothing to change: zone and file are equal (TIME
        # GET /containerdns/api?zone=a.test.
        # GET /containerdns/api?zone=a.test.
        # POST /containerdns/api [{"method":"PUT","name":"a.test.","records":["ns1.a.test. admin.a.test. 2 3600 600 86400 60"],"type":"SOA"},{"method":"DELETE","name":"alias.a.test.","type":"CNAME"},{"name":"alias.a.test.","records":["10.0.0.4"],"ttl":300,"type":"A"},{"method":"PUT","name":"text.a.test.","ttl":60,"type":"TXT"},{"name":"www.a.test.","records":["10.0.0.3"],"type":"A"},{"method":"DELETE","name":"www.a.test.","records":["10.0.0.2"],"type":"A"},{"method":"DELETE","name":"gone.a.test.","type":"A"}]
        # GET /containerdns/api?zone=a.test.
        $ list -o zone
        a.test. 300 IN SOA ns1.a.test. admin.a.test. 2 3600 600 86400 60
        a.test. 300 IN NS ns1.a.test.
        alias.a.test. 300 IN A 10.0.0.4
        ns1.a.test. 300 IN A 10.0.0.53
        web.shop.svc.a.test. IN A 10.0.0.9
        text.a.test. 60 IN TXT "v=spf1 -all"
        www.a.test. 300 IN A 10.0.0.1
        www.a.test. 300 IN A 10.0.0.3
        www.b.test. IN A 10.0.0.9
    "#]]);
}

#[test]
fn a_synchronisation_reads_again_what_others_changed() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 10.0.0.2");
    session.file(
        "a.jsonl",
        "{\"name\":\"www.a.test\",\"type\":\"A\",\"ips\":[\"10.0.0.1\"]}\n",
    );
    let mut other = session.fake.lock().names.clone();
    other
        .values_mut()
        .for_each(|rrset| rrset.records = vec!["10.0.0.7".into()]);
    session.fake.lock().interfering = Some(other);
    session.fake.lock().asked.clear();
    session.run("import a.jsonl --sync --zone a.test");
    session.asked();
    session.run("list -o zone");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 10.0.0.2
        OK
        $ import a.jsonl --sync --zone a.test
        1 name changed: 0 records added, 1 removed, 0 TTLs changed in TIME
        # GET /containerdns/api?zone=a.test.
        # POST /containerdns/api [{"method":"DELETE","name":"www.a.test.","records":["10.0.0.2"],"type":"A"}]
        # GET /containerdns/api?zone=a.test.
        # POST /containerdns/api [{"name":"www.a.test.","records":["10.0.0.1"],"type":"A"},{"method":"DELETE","name":"www.a.test.","records":["10.0.0.7"],"type":"A"}]
        $ list -o zone
        www.a.test. IN A 10.0.0.1
    "#]]);
}

#[test]
fn imports_that_make_no_sense() {
    let mut session = Session::start();
    session.file("bad.zone", "www.a.test. A 10.0.0.1\nwww.a.test. A x\n");
    session.run("import bad.zone");
    session.file("bad.jsonl", "\n{\"name\":\"www.a.test\",\"type\":\"A\"}\n");
    session.run("import bad.jsonl");
    session.file("no-soa.zone", "www.a.test. A 10.0.0.1\n");
    session.run("import no-soa.zone --sync");
    session.run("import no-soa.zone --sync --zone b.test");
    session.file("empty.zone", "; nothing\n");
    session.run("import empty.zone --sync --zone a.test");
    session.run("import empty.zone");
    session.asked();
    session.check(expect![[r#"
        $ import bad.zone
        ! containerdns-apicmd: bad.zone:2: A: `x` is not an IPv4 address
        exit Some(1)
        $ import bad.jsonl
        ! containerdns-apicmd: bad.jsonl:2: ips: missing for type A
        exit Some(1)
        $ import no-soa.zone --sync
        ! containerdns-apicmd: no-soa.zone: --sync needs to know the zone, and no SOA record says it: give --zone
        exit Some(2)
        $ import no-soa.zone --sync --zone b.test
        ! containerdns-apicmd: no-soa.zone: www.a.test. is not within b.test., the zone that --sync is about
        exit Some(1)
        $ import empty.zone --sync --zone a.test
        ! containerdns-apicmd: empty.zone: no records: --sync would delete all of a.test.: use delete for that
        exit Some(1)
        $ import empty.zone
        0 names, 0 records in TIME
    "#]]);
}

/// A zone file of so many names, one address each.
fn many(names: usize) -> String {
    let record = |index| {
        format!(
            "n{index:04}.a.test. A 10.0.{}.{}\n",
            index / 250,
            index % 250
        )
    };
    (0..names).map(record).collect()
}

#[test]
fn a_large_import_is_many_small_batches() {
    let mut session = Session::start();
    let large: String = (0..250)
        .map(|last| format!("large.a.test. A 10.1.0.{last}\n"))
        .collect();
    session.file("many.zone", &(many(1_000) + &large));
    session.fake.lock().page = 300;
    session.run("import many.zone");
    let asked = std::mem::take(&mut session.fake.lock().asked);
    session.note(&format!("{} batches", asked.len()));
    assert!(
        asked
            .iter()
            .all(|line| line.starts_with("POST /containerdns/api ["))
    );
    session.run("import many.zone --sync --zone a.test --dry-run");
    let asked = std::mem::take(&mut session.fake.lock().asked);
    session.note(&format!("{} pages: {}", asked.len(), asked[1]));
    session.check(expect![[r#"
        $ import many.zone
        1001 names, 1250 records in TIME
        # 16 batches
        $ import many.zone --sync --zone a.test --dry-run
        nothing would change
        # 4 pages: GET /containerdns/api?zone=a.test.&after=n0298.a.test.
    "#]]);
}

#[test]
fn a_batch_that_is_too_much_is_sent_in_parts() {
    let mut session = Session::start();
    session.fake.lock().operations_max = Some(4);
    session.file("seven.zone", &many(7));
    session.run("import seven.zone");
    let sizes = |line: &String| format!("{} items", line.matches("records").count());
    let asked: Vec<_> = session.fake.lock().asked.iter().map(sizes).collect();
    session.note(&asked.join(", "));
    session.fake.lock().operations_max = Some(1);
    session.run("import seven.zone");
    session.check(expect![[r#"
        $ import seven.zone
        7 names, 7 records in TIME
        # 7 items, 3 items, 1 items, 2 items, 4 items, 2 items, 2 items
        $ import seven.zone
        ! containerdns-apicmd: import stopped: 0 of 7 names are written; batch 1 (n0000.a.test.) failed: too much for one request (413): more operations than the store takes
        ! run it again when that is settled: what is written stays as it is
        exit Some(7)
    "#]]);
}

#[test]
fn an_import_waits_for_a_store_that_is_away() {
    let mut session = Session::start();
    session.file("two.zone", &many(2));
    session.fake.lock().away = 2;
    session.run("import two.zone");
    session.fake.lock().away = 3;
    session.run("import two.zone");
    session.check(expect![[r#"
        $ import two.zone
        2 names, 2 records in TIME
        $ import two.zone
        ! containerdns-apicmd: import stopped: 0 of 2 names are written; batch 1 (n0000.a.test. to n0001.a.test.) failed: the server cannot reach its store (503): the store is away: try again later
        ! run it again when that is settled: what is written stays as it is
        exit Some(6)
    "#]]);
}

#[test]
fn an_import_that_stops_says_where_and_can_be_run_again() {
    let mut session = Session::start();
    session.file(
        "bad.zone",
        "a.a.test. A 10.0.0.1\nfail-403.a.test. A 10.0.0.2\n",
    );
    session.run("import bad.zone");
    session.file("bad.zone", "a.a.test. A 10.0.0.1\nwww.c.test. A 10.0.0.2\n");
    session.run("import bad.zone");
    session.run("create www.a.test A 10.0.0.1");
    session.file(
        "bad.zone",
        "a.a.test. A 10.0.0.1\nwww.a.test. CNAME a.a.test.\n",
    );
    session.run("import bad.zone");
    session.run("list -o zone");
    session.check(expect![[r#"
        $ import bad.zone
        ! containerdns-apicmd: import stopped: 0 of 2 names are written; batch 1 (a.a.test. to fail-403.a.test., at fail-403.a.test.) failed: not allowed (403): [1]: as the name asks
        ! run it again when that is settled: what is written stays as it is
        exit Some(4)
        $ import bad.zone
        ! containerdns-apicmd: import stopped: 0 of 2 names are written; batch 1 (a.a.test. to www.c.test., at www.c.test.) failed: the server refuses this (400): [1].name: www.c.test. lies in none of the zones a.test., b.test.
        ! run it again when that is settled: what is written stays as it is
        exit Some(7)
        $ create www.a.test A 10.0.0.1
        OK
        $ import bad.zone
        ! containerdns-apicmd: import stopped: 0 of 2 names are written; batch 1 (a.a.test. to www.a.test., at www.a.test.) failed: conflict (409): [1]: www.a.test.: a CNAME record stands alone
        ! run it again when that is settled: what is written stays as it is
        ! what is there now:
        ! www.a.test. IN A 10.0.0.1
        exit Some(5)
        $ list -o zone
        www.a.test. IN A 10.0.0.1
    "#]]);
}

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
