//! Zone files as people write them, and what is wrong with others.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::name::tests::any_name;
use crate::wrapped::wrapped;

fn check(text: &str, shown: Expect) {
    let origin: Name = "example.org".parse().unwrap();
    shown.assert_eq(&match parse(text, &origin, "zone.db") {
        Ok(records) => records
            .iter()
            .map(|record| wrapped(&record.to_string()) + "\n")
            .collect(),
        Err(error) => wrapped(&format!("error: {error}")),
    });
}

#[test]
fn a_zone() {
    check(
        r#"
; a comment
$TTL 1h
@       IN SOA ns1 hostmaster ( 2024010101 ; serial
                7200 30m
                1w 5 )
        IN NS   ns1
        3600 IN NS ns2.other.
ns1     60 A    192.0.2.1
        IN 1d AAAA 2001:db8::1
*.wild  CNAME   @
www     A       192.0.2.2 ; the ; web
txt     TXT     "a;b" "with \"quotes\"" bare \200 ( "in
        TXT"#
            .replace("( \"in\n        TXT", "( \"in parentheses\"\n ) ")
            .as_str(),
        expect![[r#"
            example.org. 3600 IN SOA ns1.example.org. hostmaster.example.org. 2024010101
            7200 1800 604800 5
            example.org. 3600 IN NS ns1.example.org.
            example.org. 3600 IN NS ns2.other.
            ns1.example.org. 60 IN A 192.0.2.1
            ns1.example.org. 86400 IN AAAA 2001:db8::1
            *.wild.example.org. 3600 IN CNAME example.org.
            www.example.org. 3600 IN A 192.0.2.2
            txt.example.org. 3600 IN TXT "a;b" "with \"quotes\"" "bare" "\200" "in
            parentheses"
        "#]],
    );
}

#[test]
fn types_of_rfc_3597_and_origins() {
    check(
        concat!(
            "a TYPE65280 \\# 3 0a0b0c\r\n",
            "a TYPE1 \\# 4 c0000201\r\n",
            "\t CLASS1 TYPE28 2001:db8::1\r\n",
            "$ORIGIN sub\n",
            "b 5 in mx 10 @\n",
            "$origin example.net.\n",
            "b.c\\.d HTTPS 1 b alpn=\"h2,h3\"\n",
            "@ caa 0 issue \"ca.example\"",
        ),
        expect![[r#"
            a.example.org. IN TYPE65280 \# 3 0a0b0c
            a.example.org. IN A 192.0.2.1
            a.example.org. IN AAAA 2001:db8::1
            b.sub.example.org. 5 IN MX 10 sub.example.org.
            b.c\.d.example.net. 5 IN HTTPS 1 b.example.net. alpn="h2,h3"
            example.net. 5 IN CAA 0 issue "ca.example"
        "#]],
    );
}

#[test]
fn without_a_ttl_the_server_decides() {
    check(
        "a A 192.0.2.1\nb 60 A 192.0.2.1\nc A 192.0.2.1",
        expect![[r#"
            a.example.org. IN A 192.0.2.1
            b.example.org. 60 IN A 192.0.2.1
            c.example.org. 60 IN A 192.0.2.1
        "#]],
    );
    check("", expect![""]);
    check("\u{feff}; only a comment\n  \n\t; another\n", expect![""]);
}

#[test]
fn errors_name_the_line() {
    check(
        "\n\na A 192.0.2.300\n",
        expect!["error: zone.db:3: A: `192.0.2.300` is not an IPv4 address"],
    );
    check(
        "  A 192.0.2.1\n",
        expect![[r#"
        error: zone.db:1: the record has no owner: the line is indented and no
        record precedes it"#]],
    );
    check(
        "a 60 IN\n",
        expect!["error: zone.db:1: the record has no type"],
    );
    check(
        "a CH TXT x\n",
        expect!["error: zone.db:1: class CH is not served, only IN is"],
    );
    check(
        "a CLASS3 TXT x\n",
        expect!["error: zone.db:1: class CLASS3 is not served, only IN is"],
    );
    check(
        "a FOO x\n",
        expect![[r#"
        error: zone.db:1: `FOO` is no record type: write a mnemonic such as AAAA, or
        TYPE and its number"#]],
    );
    check(
        "a 2147483648 A 192.0.2.1\n",
        expect!["error: zone.db:1: `2147483648` is no TTL from 0 to 2147483647 seconds"],
    );
    check(
        "a 60x A 192.0.2.1\n",
        expect!["error: zone.db:1: `60x` is no TTL from 0 to 2147483647 seconds"],
    );
    check(
        "a..b A 192.0.2.1\n",
        expect![[r#"
        error: zone.db:1: `a..b`: label 2 is empty: a name is labels of 1 to 63
        octets between single dots"#]],
    );
}

#[test]
fn directives_and_text_out_of_place() {
    check(
        "$INCLUDE /etc/passwd\n",
        expect!["error: zone.db:1: `$INCLUDE` is not read: write $ORIGIN, $TTL or records"],
    );
    check(
        "$GENERATE 1-9 a$ A 192.0.2.$\n",
        expect!["error: zone.db:1: `$GENERATE` is not read: write $ORIGIN, $TTL or records"],
    );
    check("$TTL\n", expect!["error: zone.db:1: $TTL wants one value"]);
    check(
        "$ORIGIN a b\n",
        expect!["error: zone.db:1: $ORIGIN wants one value"],
    );
    check(
        "$TTL forever\n",
        expect!["error: zone.db:1: `forever` is no TTL from 0 to 2147483647 seconds"],
    );
    check(
        "a A 192.0.2.1\nb TXT ( \"x\n",
        expect!["error: zone.db:2: a quoted string is not closed before the end of the line"],
    );
    check(
        "a A 192.0.2.1\n\nb TXT ( x\n\n",
        expect!["error: zone.db:5: an opening parenthesis is not closed"],
    );
    check(
        "a TXT x )\n",
        expect!["error: zone.db:1: a closing parenthesis was not opened"],
    );
    check(
        "a TXT \\300\n",
        expect![[r#"
        error: zone.db:1: TXT: `\300` is not an escape: write \X for the character X
        or \DDD for an octet up to 255"#]],
    );
    check(
        "a LOC 51 30 12.748 N 0 7 39.611 W 0.00m\n",
        expect![[r#"
        error: zone.db:1: LOC has no text form here: write \# <length> <hex> (RFC
        3597)"#]],
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = parse(&text, &Name::root(), "");
    }

    #[test]
    fn any_zone_text_is_read_or_refused(
        text in "([a-z@$\"();\\\\ \t\n0-9.]|TXT|A |IN|TYPE){0,60}",
    ) {
        let _ = parse(&text, &Name::root(), "");
    }

    #[test]
    fn shown_records_are_read_back(
        owner in any_name(),
        ttl in 0..=TTL_MAX_S,
        string in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let rdata = Rdata::txt(&[&string]).unwrap();
        let record = Record { owner, rtype: RecordType::TXT, ttl: Some(ttl), rdata };
        let read = parse(&record.to_string(), &Name::root(), "");
        prop_assert_eq!(read, Ok(vec![record]));
    }
}
