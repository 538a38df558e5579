//! Messages in hex, and what they are read as.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

const HEADER: &str = "1234 0000 0001 0000 0000 0000";
const QUESTION: &str = "03777777 0174 00 0001 0001";

fn octets(hex: &str) -> Vec<u8> {
    let hex: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn check(hex: &str, expect: Expect) {
    let message = octets(hex);
    let mut name = LowerName::default();
    let shown = match parse(&message, read_name(&message, &mut name)) {
        Message::Query(query) => format!(
            "query {:?} type {} class {} end {} {}",
            name,
            query.qtype,
            query.qclass,
            query.question_end,
            show(query.edns)
        ),
        Message::Reject {
            rcode,
            question_end,
            edns,
        } => {
            format!("{rcode:?} end {question_end} {}", show(edns))
        }
        Message::CookieOnly(edns) => format!("cookie only {}", show(Some(edns))),
        Message::Silence => "silence".into(),
    };
    expect.assert_eq(&shown);
}

fn show(edns: Option<Edns<'_>>) -> String {
    let Some(edns) = edns else {
        return "plain".into();
    };
    let mut shown = format!("edns {}", edns.payload_max);
    for (set, word) in [
        (edns.dnssec_ok, " do"),
        (edns.cookie.is_some(), " cookie"),
        (edns.subnet == Some(&[0, 1, 0, 0]), " subnet"),
        (edns.nsid, " nsid"),
        (edns.keepalive, " keepalive"),
    ] {
        if set {
            shown.push_str(word);
        }
    }
    shown
}

#[test]
fn headers() {
    check("1234", expect!["silence"]);
    check("1234 8000 0001 0000 0000 0000", expect!["silence"]);
    check(
        "1234 0000 0000 0000 0000 0000",
        expect!["FormErr end 12 plain"],
    );
    check(
        "1234 7800 0000 0000 0000 0000",
        expect!["NotImp end 12 plain"],
    );
    check(
        "1234 0000 0001 0000 0000 0000",
        expect!["FormErr end 12 plain"],
    );
    let two = format!("1234 0000 0002 0000 0000 0000 {QUESTION} {QUESTION}");
    check(&two, expect!["FormErr end 12 plain"]);
    let update = format!("1234 2800 0001 0000 0000 0000 {QUESTION}");
    check(&update, expect!["NotImp end 23 plain"]);
}

#[test]
fn questions() {
    check(
        &format!("{HEADER} {QUESTION}"),
        expect![[r#"query \x03www\x01t\x00 type 1 class 1 end 23 plain"#]],
    );
    check(
        &format!("{HEADER} 03577757 0154 00 0001 0001"),
        expect![[r#"query \x03www\x01t\x00 type 1 class 1 end 23 plain"#]],
    );
    check(
        &format!("{HEADER} {QUESTION} 00"),
        expect!["FormErr end 23 plain"],
    );
    check(
        &format!("{HEADER} c00c 0001 0001"),
        expect!["FormErr end 12 plain"],
    );
    check(
        &format!("{HEADER} 4161 00 0001 0001"),
        expect!["FormErr end 12 plain"],
    );
    check(
        &format!("{HEADER} 00 0029 0001"),
        expect!["FormErr end 17 plain"],
    );
}

#[test]
fn edns() {
    let one = format!("1234 0000 0001 0000 0000 0001 {QUESTION}");
    let opt = |options: &str| format!("{one} 00 0029 04d0 00000000 {options}");
    check(
        &opt("0000"),
        expect![[r#"query \x03www\x01t\x00 type 1 class 1 end 23 edns 1232"#]],
    );
    check(
        &opt("0018 000a 0008 0102030405060708 0003 0000 000b 0000 000c 0000"),
        expect![[
            r#"query \x03www\x01t\x00 type 1 class 1 end 23 edns 1232 cookie nsid keepalive"#
        ]],
    );
    check(
        &format!("{one} 00 0029 1000 00008000 0000"),
        expect![[r#"query \x03www\x01t\x00 type 1 class 1 end 23 edns 4096 do"#]],
    );
    check(
        &opt("000d 000a 0009 010203040506070809"),
        expect!["FormErr end 23 edns 1232"],
    );
    // The first of several, whatever is in it.
    check(
        &opt("000e 0008 0004 00010000 0008 0002 ffff"),
        expect![[r#"query \x03www\x01t\x00 type 1 class 1 end 23 edns 1232 subnet"#]],
    );
    check(&opt("0004 000a 0008"), expect!["FormErr end 23 edns 1232"]);
    check(&opt("0010"), expect!["FormErr end 23 plain"]);
    check(
        &format!("{one} 00 0029 04d0 00018000 0004 ffff ffff"),
        expect!["BadVers end 23 edns 1232 do"],
    );
    check(
        &format!("{one} c00c 0029 04d0 00000000 0000"),
        expect!["FormErr end 23 plain"],
    );
    let two = format!("1234 0000 0001 0000 0000 0002 {QUESTION}");
    let opt = "00 0029 04d0 00000000 0000";
    check(
        &format!("{two} {opt} {opt}"),
        expect!["FormErr end 23 edns 1232"],
    );
    let in_answer = format!("1234 0000 0001 0001 0000 0000 {QUESTION} {opt}");
    check(&in_answer, expect!["FormErr end 23 plain"]);
    check(
        "1234 0000 0000 0000 0000 0001 00 0029 04d0 00000000 000c 000a 0008 0102030405060708",
        expect!["cookie only edns 1232 cookie"],
    );
}

#[test]
fn counts_are_not_trusted() {
    for counts in [
        "ffff 0000 0000 0000",
        "0001 ffff 0000 0000",
        "0001 0000 0000 ffff",
    ] {
        let message = octets(&format!("1234 0000 {counts} {QUESTION}"));
        let mut name = LowerName::default();
        let parsed = parse(&message, read_name(&message, &mut name));
        assert!(
            matches!(
                parsed,
                Message::Reject {
                    rcode: Rcode::FormErr,
                    ..
                }
            ),
            "{counts}"
        );
    }
}

proptest! {
    #[test]
    fn foreign_octets_never_panic(message in prop::collection::vec(any::<u8>(), 0..600)) {
        parse(&message, read_name(&message, &mut LowerName::default()));
    }
}
