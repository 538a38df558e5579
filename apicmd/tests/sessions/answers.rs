//! Commands that do what they are asked for, in every form of output.

use expect_test::expect;

use crate::session::Session;

#[test]
fn records_are_created_and_shown() {
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
        # POST /containerdns/api/www.a.test {"records":["10.0.0.1","10.0.0.2"],"ttl":60,"type":"A","user":"ann"}
        # POST /containerdns/api/www.a.test {"records":["fd00::1"],"type":"AAAA"}
        # POST /containerdns/api/www.a.test {"records":["\"v=spf1 -all\""],"type":"TXT"}
        # POST /containerdns/api/mail.a.test {"records":["10 mx.a.test."],"type":"MX"}
        # POST /containerdns/api/alias.a.test {"records":["www.a.test."],"type":"CNAME"}
        # GET /containerdns/api
        # GET /containerdns/api?zone=a.test&type=MX
        # GET /containerdns/api/www.a.test
        # GET /containerdns/api/www.a.test?type=TXT
    "#]]);
}

#[test]
fn records_are_updated() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60");
    session.run("create www.a.test TXT 'v=spf1 -all'");
    session.run("create alias.a.test CNAME www.a.test");
    session.run("update www.a.test A 10.0.0.1=10.0.0.3");
    session.run("update www.a.test TXT --from 'v=spf1 -all' --to 'v=spf1 a=b'");
    session.run("update www.a.test A --ttl 30 --user ann");
    session.run("update alias.a.test CNAME www.a.test=mail.a.test");
    session.run("list -o zone");
    session.asked();
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60
        OK
        $ create www.a.test TXT 'v=spf1 -all'
        OK
        $ create alias.a.test CNAME www.a.test
        OK
        $ update www.a.test A 10.0.0.1=10.0.0.3
        OK
        $ update www.a.test TXT --from 'v=spf1 -all' --to 'v=spf1 a=b'
        OK
        $ update www.a.test A --ttl 30 --user ann
        OK
        $ update alias.a.test CNAME www.a.test=mail.a.test
        OK
        $ list -o zone
        alias.a.test. IN CNAME mail.a.test.
        www.a.test. 30 IN A 10.0.0.2
        www.a.test. 30 IN A 10.0.0.3
        www.a.test. IN TXT "v=spf1 a=b"
        # POST /containerdns/api/www.a.test {"records":["10.0.0.1","10.0.0.2"],"ttl":60,"type":"A"}
        # POST /containerdns/api/www.a.test {"records":["\"v=spf1 -all\""],"type":"TXT"}
        # POST /containerdns/api/alias.a.test {"records":["www.a.test."],"type":"CNAME"}
        # PUT /containerdns/api/www.a.test {"type":"A","update":{"10.0.0.1":"10.0.0.3"}}
        # PUT /containerdns/api/www.a.test {"type":"TXT","update":{"v=spf1 -all":"v=spf1 a=b"}}
        # PUT /containerdns/api/www.a.test {"ttl":30,"type":"A","user":"ann"}
        # GET /containerdns/api/alias.a.test?type=CNAME
        # PUT /containerdns/api/alias.a.test {"records":["mail.a.test."],"type":"CNAME"}
        # GET /containerdns/api
    "#]]);
}

#[test]
fn records_are_deleted() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 10.0.0.2");
    session.run("create www.a.test TXT hello");
    session.run("create mail.a.test MX 10 mx.a.test.");
    session.run("create alias.a.test CNAME www.a.test");
    session.run("delete www.a.test A 10.0.0.2");
    session.run("delete www.a.test TXT");
    session.run("delete mail.a.test --user ann");
    session.run("delete alias.a.test");
    session.run("list");
    session.asked();
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 10.0.0.2
        OK
        $ create www.a.test TXT hello
        OK
        $ create mail.a.test MX 10 mx.a.test.
        OK
        $ create alias.a.test CNAME www.a.test
        OK
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
        www.a.test.  -    A     10.0.0.1  -     -
        # POST /containerdns/api/www.a.test {"records":["10.0.0.1","10.0.0.2"],"type":"A"}
        # POST /containerdns/api/www.a.test {"records":["\"hello\""],"type":"TXT"}
        # POST /containerdns/api/mail.a.test {"records":["10 mx.a.test."],"type":"MX"}
        # POST /containerdns/api/alias.a.test {"records":["www.a.test."],"type":"CNAME"}
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
        $ get www.a.test
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  60   A     10.0.0.1  -     -
        www.a.test.  60   A     10.0.0.2  -     -
    "#]]);
}

#[test]
fn dry_runs_in_other_forms() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60");
    session.run("delete www.a.test A 10.0.0.1 --dry-run -o json");
    session.run("delete www.a.test A 10.0.0.1 --dry-run -o yaml");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 10.0.0.2 --ttl 60
        OK
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
            "ips": [
              "10.0.0.1"
            ],
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
          ips:
          - 10.0.0.1
          records:
          - 10.0.0.1
          more:
          - type: TXT
            records:
            - '"hello"'
        $ get www.a.test -o zone
        www.a.test. 60 IN A 10.0.0.1
        www.a.test. IN TXT "hello"
    "#]]);
}

#[test]
fn exports_and_forms_that_there_are_not() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1 --ttl 60 --user ann");
    session.run("create www.b.test TXT hello");
    session.run("export");
    session.run("export a.test -o json-lines");
    session.run("export b.test");
    session.run("-o xml list");
    session.run("history www.a.test -o zone");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 --ttl 60 --user ann
        OK
        $ create www.b.test TXT hello
        OK
        $ export
        www.a.test. 60 IN A 10.0.0.1
        www.b.test. IN TXT "hello"
        $ export a.test -o json-lines
        {"name":"www.a.test.","type":"A","ttl":60,"user":"ann","records":["10.0.0.1"]}
        $ export b.test
        www.b.test. IN TXT "hello"
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
fn settings_are_sent_and_shown() {
    let mut session = Session::start();
    session.run("create w.a.test A 10.0.0.1 10.0.0.2 --policy weighted --weight 10.0.0.2=5");
    session.run("get w.a.test");
    session.run("update w.a.test A --policy default --probe http:80/x --probe-port 80");
    session.run("update w.a.test A --weight 10.0.0.2=default");
    session.run("get w.a.test");
    session.run("get w.a.test -o json-lines");
    session.run("update w.a.test A --probe off --policy stiky");
    session.asked();
    session.check(expect![[r#"
        $ create w.a.test A 10.0.0.1 10.0.0.2 --policy weighted --weight 10.0.0.2=5
        OK
        $ get w.a.test
        NAME       TTL  TYPE  DATA      USER  POLICY    WEIGHT  HEALTH
        w.a.test.  -    A     10.0.0.1  -     weighted  -       -
        w.a.test.  -    A     10.0.0.2  -     weighted  5       -
        $ update w.a.test A --policy default --probe http:80/x --probe-port 80
        OK
        $ update w.a.test A --weight 10.0.0.2=default
        OK
        $ get w.a.test
        NAME       TTL  TYPE  DATA      USER  PROBE      HEALTH
        w.a.test.  -    A     10.0.0.1  -     http:80/x  -
        w.a.test.  -    A     10.0.0.2  -     http:80/x  -
        $ get w.a.test -o json-lines
        {"name":"w.a.test.","type":"A","records":["10.0.0.1","10.0.0.2"],"probe":"http:80/x","probe_ports":[80]}
        $ update w.a.test A --probe off --policy stiky
        ! error: invalid value 'stiky' for '--policy <POLICY>': `stiky` is no answer policy: write rotate, random-one, sticky, subset or weighted, or default
        ! 
        ! For more information, try '--help'.
        exit Some(2)
        # POST /containerdns/api/w.a.test {"policy":"weighted","records":["10.0.0.1","10.0.0.2"],"type":"A","weights":{"10.0.0.2":5}}
        # GET /containerdns/api/w.a.test
        # PUT /containerdns/api/w.a.test {"policy":"default","probe":"http:80/x","probe_ports":[80],"type":"A"}
        # PUT /containerdns/api/w.a.test {"type":"A","weights":{"10.0.0.2":null}}
        # GET /containerdns/api/w.a.test
        # GET /containerdns/api/w.a.test
    "#]]);
}
