//! Files that go in, come out and are compared.

use expect_test::expect;

use crate::session::Session;

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
pub(crate) fn many(names: usize) -> String {
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
