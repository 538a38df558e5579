//! Every form of every answer.

use std::net::{IpAddr, Ipv4Addr};

use containerdns_schema::Status;
use containerdns_schema::rest::{AuditEntry, Difference, HistoryEntry, State};
use expect_test::{Expect, expect};

use super::*;

fn rrset(rtype: RecordType, ttl: Option<u32>, records: &[&str]) -> Rrset {
    let mut rrset = Rrset::new(rtype);
    rrset.ttl = ttl;
    rrset.records = records.iter().map(|&text| text.into()).collect();
    rrset
}

fn sample() -> Names {
    let mut www = rrset(RecordType::A, Some(60), &["10.0.0.2", "10.0.0.1"]);
    www.user = Some("ann\u{7}".into());
    let address = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
    www.health = [(address(1), Status::Down), (address(2), Status::Up)].into();
    www.more = vec![rrset(RecordType::TXT, None, &["\"v=spf1 -all\""])];
    let mut apex = rrset(RecordType::NS, Some(300), &["ns1.a.test."]);
    let soa = "ns1.a.test. admin.a.test. 1 2 3 4 5";
    apex.more = vec![rrset(RecordType::SOA, Some(300), &[soa])];
    let mut srv = rrset(RecordType::SRV, None, &["0 0 80 b1.a.test."]);
    srv.ips = vec![address(1)];
    srv.health = [(address(1), Status::Down)].into();
    let name = |text: &str| text.parse().expect("a name");
    [
        (name("www.a.test"), www),
        (name("a.test"), apex),
        (name("s.a.test"), srv),
    ]
    .into()
}

fn check(form: Form, colors: Colors, want: Expect) {
    want.assert_eq(&names(form, &sample(), colors).expect("records"));
}

#[test]
fn names_as_a_table() {
    check(
        Form::Table,
        Colors::Off,
        expect![[r#"
        NAME         TTL  TYPE  DATA                                 USER  HEALTH
        a.test.      300  SOA   ns1.a.test. admin.a.test. 1 2 3 4 5  -     -
        a.test.      300  NS    ns1.a.test.                          -     -
        s.a.test.    -    SRV   0 0 80 b1.a.test.                    -     DOWN
        www.a.test.  60   A     10.0.0.2                             ann?  UP
        www.a.test.  60   A     10.0.0.1                             ann?  DOWN
        www.a.test.  -    TXT   "v=spf1 -all"                        -     -
    "#]],
    );
    let painted = names(Form::Table, &sample(), Colors::On).expect("records");
    expect![[r#"
        ESC[1mNAME         TTL  TYPE  DATA                                 USER  HEALTHESC[0m
        a.test.      300  SOA   ns1.a.test. admin.a.test. 1 2 3 4 5  -     -
        a.test.      300  NS    ns1.a.test.                          -     -
        s.a.test.    -    SRV   0 0 80 b1.a.test.                    -     ESC[31mDOWNESC[0m
        www.a.test.  60   A     10.0.0.2                             ann?  UP
        www.a.test.  60   A     10.0.0.1                             ann?  ESC[31mDOWNESC[0m
        www.a.test.  -    TXT   "v=spf1 -all"                        -     -
    "#]]
    .assert_eq(&painted.replace('\x1b', "ESC"));
}

#[test]
fn names_as_lines() {
    check(
        Form::Zone,
        Colors::On,
        expect![[r#"
        a.test. 300 IN SOA ns1.a.test. admin.a.test. 1 2 3 4 5
        a.test. 300 IN NS ns1.a.test.
        s.a.test. IN SRV 0 0 80 b1.a.test.
        www.a.test. 60 IN A 10.0.0.1
        www.a.test. 60 IN A 10.0.0.2
        www.a.test. IN TXT "v=spf1 -all"
    "#]],
    );
    check(
        Form::JsonLines,
        Colors::On,
        expect![[r#"
        {"name":"a.test.","type":"SOA","ttl":300,"records":["ns1.a.test. admin.a.test. 1 2 3 4 5"]}
        {"name":"a.test.","type":"NS","ttl":300,"records":["ns1.a.test."]}
        {"name":"s.a.test.","type":"SRV","records":["0 0 80 b1.a.test."]}
        {"name":"www.a.test.","type":"A","ttl":60,"user":"ann\u0007","records":["10.0.0.2","10.0.0.1"]}
        {"name":"www.a.test.","type":"TXT","records":["\"v=spf1 -all\""]}
    "#]],
    );
}

#[test]
fn names_as_yaml() {
    check(
        Form::Yaml,
        Colors::On,
        expect![[r#"
        a.test.:
          type: NS
          ttl: 300
          records:
          - ns1.a.test.
          more:
          - type: SOA
            ttl: 300
            records:
            - ns1.a.test. admin.a.test. 1 2 3 4 5
        s.a.test.:
          type: SRV
          ips:
          - 10.0.0.1
          records:
          - 0 0 80 b1.a.test.
          health:
            10.0.0.1: DOWN
        www.a.test.:
          type: A
          ttl: 60
          user: "ann\a"
          records:
          - 10.0.0.2
          - 10.0.0.1
          health:
            10.0.0.1: DOWN
            10.0.0.2: UP
          more:
          - type: TXT
            records:
            - '"v=spf1 -all"'
    "#]],
    );
}

#[test]
fn names_as_json() {
    check(
        Form::Json,
        Colors::On,
        expect![[r#"
        {
          "a.test.": {
            "type": "NS",
            "ttl": 300,
            "records": [
              "ns1.a.test."
            ],
            "more": [
              {
                "type": "SOA",
                "ttl": 300,
                "records": [
                  "ns1.a.test. admin.a.test. 1 2 3 4 5"
                ]
              }
            ]
          },
          "s.a.test.": {
            "type": "SRV",
            "ips": [
              "10.0.0.1"
            ],
            "records": [
              "0 0 80 b1.a.test."
            ],
            "health": {
              "10.0.0.1": "DOWN"
            }
          },
          "www.a.test.": {
            "type": "A",
            "ttl": 60,
            "user": "ann\u0007",
            "records": [
              "10.0.0.2",
              "10.0.0.1"
            ],
            "health": {
              "10.0.0.1": "DOWN",
              "10.0.0.2": "UP"
            },
            "more": [
              {
                "type": "TXT",
                "records": [
                  "\"v=spf1 -all\""
                ]
              }
            ]
          }
        }
    "#]],
    );
}

#[test]
fn a_record_that_is_none_is_told() {
    let wrong = rrset(RecordType::A, None, &["10.0.0.256"]);
    let wrong = Names::from([("w.a.test".parse().expect("a name"), wrong)]);
    let error = names(Form::Zone, &wrong, Colors::Off).expect_err("no address");
    expect!["w.a.test.: A: `10.0.0.256` is not an IPv4 address"].assert_eq(&error.to_string());
}

#[test]
fn a_long_record_widens_no_column() {
    let long = format!("\"{}\"", "x".repeat(60));
    let rrset = rrset(RecordType::TXT, None, &[&long, "\"short\""]);
    let all = Names::from([("w.a.test".parse().expect("a name"), rrset)]);
    let told = names(Form::Table, &all, Colors::Off).expect("records");
    expect![[r#"
        NAME       TTL  TYPE  DATA                                                USER  HEALTH
        w.a.test.  -    TXT   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"  -     -
        w.a.test.  -    TXT   "short"                                             -     -
    "#]].assert_eq(&told);
}

fn state(ttl: Option<u32>, user: Option<&str>, omitted: usize, records: &[&str]) -> Option<State> {
    Some(State {
        ttl,
        user: user.map(String::from),
        records: records.iter().map(|&text| text.into()).collect(),
        omitted,
        ..State::default()
    })
}

fn differences() -> Vec<Difference> {
    let difference = |name: &str, before, after| Difference {
        name: name.parse().expect("a name"),
        rtype: RecordType::A,
        before,
        after,
    };
    vec![
        difference(
            "new.a.test",
            None,
            state(None, None, 0, &["10.0.0.1", "10.0.0.2"]),
        ),
        difference("gone.a.test", state(Some(5), None, 0, &["10.0.0.1"]), None),
        difference(
            "ttl.a.test",
            state(Some(5), None, 0, &["10.0.0.1", "10.0.0.2"]),
            state(Some(9), Some("ann"), 0, &["10.0.0.1", "10.0.0.3"]),
        ),
        difference(
            "big.a.test",
            state(None, Some("ann"), 400, &["10.0.0.1"]),
            state(None, None, 400, &[]),
        ),
        difference(
            "big-ttl.a.test",
            state(None, None, 400, &[]),
            state(Some(1), None, 400, &[]),
        ),
    ]
}

#[test]
fn what_would_change() {
    expect![[r#"
        + new.a.test. IN A 10.0.0.1
        + new.a.test. IN A 10.0.0.2
        - gone.a.test. 5 IN A 10.0.0.1
        - ttl.a.test. 5 IN A 10.0.0.1
        - ttl.a.test. 5 IN A 10.0.0.2
        + ttl.a.test. 9 IN A 10.0.0.1
        + ttl.a.test. 9 IN A 10.0.0.3
          ttl.a.test. A: owner ann, was nobody
        - big.a.test. IN A 10.0.0.1
          big.a.test. A: owner nobody, was ann
          big.a.test. A: 400 more stay
          big-ttl.a.test. A: 400 more are given another TTL, too
        3 records would be added, 3 removed, 1 given another TTL; nothing was changed
    "#]]
    .assert_eq(&difference::told(&differences(), Colors::Off));
    expect![[r#"
        nothing would change
    "#]]
    .assert_eq(&difference::told(&[], Colors::Off));
    let one = &differences()[1..2];
    expect![[r#"
        ESC[31m- gone.a.test. 5 IN A 10.0.0.1ESC[0m
        0 records would be added, 1 removed; nothing was changed
    "#]]
    .assert_eq(&difference::told(one, Colors::On).replace('\x1b', "ESC"));
}

fn sample_history() -> History {
    let entry = AuditEntry {
        time: "2026-11-24T20:13:24Z".into(),
        token: "admin".into(),
        user: Some("ann".into()),
        method: "PUT".into(),
        client: "10.0.0.9".into(),
        changes: differences()[1..3].to_vec(),
    };
    History {
        name: "www.a.test".parse().expect("a name"),
        complete: false,
        entries: vec![HistoryEntry {
            revision: 17,
            entry,
        }],
    }
}

fn told_history(form: Form, sample: &History) -> String {
    match history(form, sample, Colors::Off) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_history() {
    let mut sample = sample_history();
    expect![[r#"
        2026-11-24T20:13:24Z PUT by admin for ann from 10.0.0.9, revision 17
          - gone.a.test. 5 IN A 10.0.0.1
          - ttl.a.test. 5 IN A 10.0.0.1
          - ttl.a.test. 5 IN A 10.0.0.2
          + ttl.a.test. 9 IN A 10.0.0.1
          + ttl.a.test. 9 IN A 10.0.0.3
            ttl.a.test. A: owner ann, was nobody
        older changes are beyond --limit or no longer kept
    "#]]
    .assert_eq(&told_history(Form::Table, &sample));
    expect!["history has no such form: write -o table, -o json or -o yaml"]
        .assert_eq(&told_history(Form::Zone, &sample));
    sample.complete = true;
    sample.entries.clear();
    expect![[r#"
        never changed through the API
    "#]]
    .assert_eq(&told_history(Form::Table, &sample));
}

#[test]
fn a_history_as_yaml() {
    let sample = sample_history();
    expect![[r#"
        name: www.a.test.
        complete: false
        entries:
        - revision: 17
          time: 2026-11-24T20:13:24Z
          token: admin
          user: ann
          method: PUT
          client: 10.0.0.9
          changes:
          - name: gone.a.test.
            type: A
            before:
              ttl: 5
              records:
              - 10.0.0.1
            after: null
          - name: ttl.a.test.
            type: A
            before:
              ttl: 5
              records:
              - 10.0.0.1
              - 10.0.0.2
            after:
              ttl: 9
              user: ann
              records:
              - 10.0.0.1
              - 10.0.0.3
    "#]]
    .assert_eq(&told_history(Form::Yaml, &sample));
}

#[test]
fn settings_have_columns_where_there_are_some() {
    let address = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
    let mut www = rrset(RecordType::A, Some(60), &["10.0.0.1", "10.0.0.2"]);
    www.policy = Some(AnswerPolicy::RandomOne);
    www.ips = vec![address(1), address(2)];
    let mut names: Names = [("www.a.test".parse().expect("a name"), www.clone())].into();
    expect![[r#"
        NAME         TTL  TYPE  DATA      USER  POLICY      HEALTH
        www.a.test.  60   A     10.0.0.1  -     random-one  -
        www.a.test.  60   A     10.0.0.2  -     random-one  -
    "#]]
    .assert_eq(&super::names(Form::Table, &names, Colors::Off).expect("records"));
    www.weights = vec![Some(7), None];
    www.probe = Some(Probing::By("tcp:80".parse().expect("a way")));
    www.probe_ports = vec![80];
    www.health = [(address(2), Status::Down)].into();
    names.insert("www.a.test".parse().expect("a name"), www);
    expect![[r#"
        NAME         TTL  TYPE  DATA      USER  POLICY      WEIGHT  PROBE   HEALTH
        www.a.test.  60   A     10.0.0.1  -     random-one  7       tcp:80  -
        www.a.test.  60   A     10.0.0.2  -     random-one  -       tcp:80  DOWN
    "#]]
    .assert_eq(&super::names(Form::Table, &names, Colors::Off).expect("records"));
    expect![[r#"
        {"name":"www.a.test.","type":"A","ttl":60,"policy":"random-one","records":["10.0.0.1","10.0.0.2"],"weights":[7,null],"probe":"tcp:80","probe_ports":[80]}
    "#]].assert_eq(&super::names(Form::JsonLines, &names, Colors::Off).expect("records"));
}

#[test]
fn settings_that_change_are_noted() {
    let state = |policy, weight, probe| State {
        policy,
        weights: [("10.0.0.1".into(), weight)].into(),
        probe,
        records: vec!["10.0.0.1".into()],
        ..State::default()
    };
    let sticky = Some(AnswerPolicy::Sticky);
    let difference = |before, after| Difference {
        name: "w.a.test".parse().expect("a name"),
        rtype: RecordType::A,
        before,
        after: Some(after),
    };
    let probe = |text: &str| Some(Probing::By(text.parse().expect("a way")));
    let differences = [
        difference(None, state(sticky, 5, Some(Probing::Asked(true)))),
        difference(
            Some(state(sticky, 5, probe("tcp:80"))),
            state(None, 6, probe("icmp")),
        ),
        difference(
            Some(state(sticky, 5, probe("tcp:80"))),
            state(sticky, 5, None),
        ),
    ];
    expect![[r#"
        + w.a.test. IN A 10.0.0.1
          w.a.test. A: policy sticky, was default
          w.a.test. A: weight of 10.0.0.1 5, was default
          w.a.test. A: probe on, was off
          w.a.test. A: policy default, was sticky
          w.a.test. A: weight of 10.0.0.1 6, was 5
          w.a.test. A: probe icmp, was tcp:80
          w.a.test. A: probe off, was tcp:80
        1 record would be added, 0 removed; nothing was changed
    "#]]
    .assert_eq(&difference::told(&differences, Colors::Off));
}
