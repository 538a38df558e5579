//! Questions to a zone with everything in it, and zone files that are none.

use expect_test::{Expect, expect};

use super::*;
use crate::names;

const ZONE: &str = "
$ORIGIN example.
$TTL 300
@       IN SOA ns.example. Host.example. 1 2 3 4 60
        IN NS ns
ns      60 A 192.0.2.1
www     A 192.0.2.2
        A 192.0.2.3
        TXT \"t\"
a.b.c   TXT \"deep\"
*.wild  MX 10 Mail.example.
*.wild  CAA 0 issue \"ca.example\"
x.wild  A 192.0.2.4
alias   CNAME step
step    60 CNAME www
dead    CNAME gone
out     CNAME www.elsewhere.
loop1   CNAME loop2
loop2   CNAME loop1
into    CNAME www.sub
sub     NS ns1.sub
ns1.sub A 192.0.2.5
";

fn zones() -> Zones {
    let mut zones = Zones::default();
    zones
        .add(ZONE, Path::new("zone"))
        .expect("the zone of the test");
    zones
}

/// Lines of questions in, an answer each out.
fn check(questions: &str, want: Expect) {
    let zones = zones();
    let mut text = String::new();
    for (line, question) in questions
        .lines()
        .zip(names::parse(questions.as_bytes()).expect("questions"))
    {
        text += &format!(
            "{line}: {}\n",
            written(zones.answer(&question.qname, question.qtype))
        );
    }
    want.assert_eq(&text);
}

fn written(right: Option<Right>) -> String {
    let Some(right) = right else {
        return "not judged".to_owned();
    };
    let mut text = right.rcode.map_or("any code".to_owned(), names::rcode_name);
    let mut add = |head: &str, records: &[RightRecord]| {
        for record in records {
            text += &format!("\n  {head} {} {}", record.ttl, record.key.escape_ascii());
        }
    };
    add("chain", &right.chain);
    add("set", &right.records);
    add("referral", &right.referral);
    if right.is_open {
        text += "\n  and more";
    }
    text
}

#[test]
fn sets_and_their_absence() {
    check(
        "Www.Example A\nwww.example MX\nb.c.example A\ngone.example A\nexample NS\n",
        expect![[r#"
            Www.Example A: NOERROR
              set 300 \x03www\x07example\x00\x00\x01\xc0\x00\x02\x02
              set 300 \x03www\x07example\x00\x00\x01\xc0\x00\x02\x03
            www.example MX: NOERROR
            b.c.example A: NOERROR
            gone.example A: NXDOMAIN
            example NS: NOERROR
              set 300 \x07example\x00\x00\x02\x02ns\x07example\x00
        "#]],
    );
}

#[test]
fn wildcards_answer_below_their_closest_encloser() {
    check(
        "y.wild.example MX\nz.y.wild.example CAA\ny.wild.example A\nx.wild.example MX\n\
         z.x.wild.example MX\nwild.example MX\n*.wild.example MX\n",
        expect![[r#"
            y.wild.example MX: NOERROR
              set 300 \x01y\x04wild\x07example\x00\x00\x0f\x00\n\x04mail\x07example\x00
            z.y.wild.example CAA: NOERROR
              set 300 \x01z\x01y\x04wild\x07example\x00\x01\x01\x00\x05issueca.example
            y.wild.example A: NOERROR
            x.wild.example MX: NOERROR
            z.x.wild.example MX: NXDOMAIN
            wild.example MX: NOERROR
            *.wild.example MX: NOERROR
              set 300 \x01*\x04wild\x07example\x00\x00\x0f\x00\n\x04mail\x07example\x00
        "#]],
    );
}

#[test]
fn chains_are_followed_within_the_zone() {
    check(
        "alias.example TXT\nalias.example CNAME\ndead.example A\nout.example A\n\
         loop1.example A\ninto.example A\nalias.example MX\n",
        expect![[r#"
            alias.example TXT: NOERROR
              chain 300 \x05alias\x07example\x00\x00\x05\x04step\x07example\x00
              chain 60 \x04step\x07example\x00\x00\x05\x03www\x07example\x00
              set 300 \x03www\x07example\x00\x00\x10\x01t
            alias.example CNAME: NOERROR
              set 300 \x05alias\x07example\x00\x00\x05\x04step\x07example\x00
            dead.example A: NXDOMAIN
              chain 300 \x04dead\x07example\x00\x00\x05\x04gone\x07example\x00
            out.example A: any code
              chain 300 \x03out\x07example\x00\x00\x05\x03www\telsewhere\x00
              and more
            loop1.example A: not judged
            into.example A: any code
              chain 300 \x04into\x07example\x00\x00\x05\x03www\x03sub\x07example\x00
              and more
            alias.example MX: NOERROR
              chain 300 \x05alias\x07example\x00\x00\x05\x04step\x07example\x00
              chain 60 \x04step\x07example\x00\x00\x05\x03www\x07example\x00
        "#]],
    );
}

#[test]
fn below_a_cut_is_a_referral() {
    check(
        "www.sub.example A\nsub.example NS\nns1.sub.example A\nsub.example DS\n",
        expect![[r#"
            www.sub.example A: NOERROR
              referral 300 \x03sub\x07example\x00\x00\x02\x03ns1\x03sub\x07example\x00
            sub.example NS: NOERROR
              referral 300 \x03sub\x07example\x00\x00\x02\x03ns1\x03sub\x07example\x00
            ns1.sub.example A: NOERROR
              referral 300 \x03sub\x07example\x00\x00\x02\x03ns1\x03sub\x07example\x00
            sub.example DS: NOERROR
        "#]],
    );
}

#[test]
fn some_is_not_for_the_zone_to_say() {
    check(
        "www.elsewhere A\nwww.example ANY\nwww.example RRSIG\n",
        expect![[r#"
            www.elsewhere A: not judged
            www.example ANY: not judged
            www.example RRSIG: not judged
        "#]],
    );
}

fn check_error(text: &str, want: Expect) {
    let error = Zones::default()
        .add(text, Path::new("zone"))
        .expect_err("no zone");
    want.assert_eq(&format!("{error:#}"));
}

#[test]
fn what_is_no_zone_is_named() {
    check_error(
        "a.example. 60 A 192.0.2.1\n",
        expect!["no SOA record and no $ORIGIN: of which zone?"],
    );
    check_error(
        "$ORIGIN example.\n@ 60 DNAME x\n",
        expect!["record at line 2: unsupported RecordType: DNAME"],
    );
    check_error(
        "$ORIGIN example.\n@ A 192.0.2.1\n",
        expect!["record at line 2: record ttl not specified"],
    );
    let soa = "$ORIGIN example.\n@ 60 SOA ns host (\n 1\n 2 3 4 5 )\n@ 60 TXT \"a\nb\"\n";
    check_error(
        &format!("{soa}@ 60 NS ns\n@ 60 A 192.0.2\n@ 60 A 192.0.2.1\n"),
        expect!["record at line 8: network address parse error: invalid IPv4 address syntax"],
    );
    check_error(
        &format!("{soa}@ 60 TXT (\n\"a\"\n\"b\"\n"),
        expect!["record at line 7: lexer error: unclosed list, missing ')'"],
    );
    check_error(
        "$ORIGIN example.\na.other. 60 A 192.0.2.1\n",
        expect![[r#"a record outside of the zone: \x01a\x05other\x00"#]],
    );
    check_error(
        "$ORIGIN example.\n@ 60 CH A 192.0.2.1\n",
        expect!["example.: of another class than IN"],
    );
}
