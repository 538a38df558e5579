//! Reads RDATA from arguments: what an operator types instead of lines of a zone file.
//!
//! Everything is parsed here before anything is sent, so that a bad address is told at once.
//! Whether a name may have the records is the server's to decide.

use containerdns_schema::{Rdata, RdataError, RecordType};

/// The records that arguments stand for: one each, or together one, such as `10 mx.a.test.`.
pub(crate) fn records(rtype: RecordType, arguments: &[String]) -> Result<Vec<Rdata>, RdataError> {
    let single: Vec<_> = arguments.iter().map(|text| record(rtype, text)).collect();
    let good = single.iter().filter(|record| record.is_ok()).count();
    // Some are records alone, so each was meant to be one.
    if good > 0 || arguments.len() == 1 || rtype == RecordType::TXT {
        return single.into_iter().collect();
    }
    Ok(vec![Rdata::parse(rtype, &arguments.join(" "))?])
}

/// One record: for TXT a text, unless it is in quotes.
pub(crate) fn record(rtype: RecordType, text: &str) -> Result<Rdata, RdataError> {
    match rtype {
        RecordType::TXT if !text.starts_with('"') => Rdata::txt_split(text.as_bytes()),
        _ => Rdata::parse(rtype, text),
    }
}

/// A record as `update` of the API has it: for TXT the text; none when no text gives the record.
pub(crate) fn update_text(rtype: RecordType, rdata: &Rdata) -> Option<String> {
    if rtype != RecordType::TXT {
        return Some(rdata.to_text(rtype));
    }
    let octets: Vec<u8> = rdata.strings().flatten().copied().collect();
    let text = String::from_utf8(octets).ok()?;
    let same = Rdata::txt_split(text.as_bytes()).is_ok_and(|again| again == *rdata);
    same.then_some(text)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(rtype: RecordType, arguments: &[&str], want: Expect) {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.into()).collect();
        let told = match records(rtype, &arguments) {
            Ok(records) => {
                let texts: Vec<_> = records.iter().map(|rdata| rdata.to_text(rtype)).collect();
                texts.join(", ")
            }
            Err(error) => error.to_string(),
        };
        want.assert_eq(&told);
    }

    #[test]
    fn one_argument_is_one_record() {
        check(
            RecordType::A,
            &["10.0.0.1", "10.0.0.2"],
            expect!["10.0.0.1, 10.0.0.2"],
        );
        check(
            RecordType::MX,
            &["10 mx.a.test.", "20 b.test."],
            expect!["10 mx.a.test., 20 b.test."],
        );
        check(
            RecordType::CAA,
            &["0 issue \"ca.test\""],
            expect![[r#"0 issue "ca.test""#]],
        );
        check(
            RecordType::TXT,
            &["v=spf1 -all", "a b"],
            expect![[r#""v=spf1 -all", "a b""#]],
        );
        check(RecordType::TXT, &["\"a\" \"b\""], expect![[r#""a" "b""#]]);
        check(RecordType::TXT, &["say \"a\""], expect![[r#""say \"a\"""#]]);
    }

    #[test]
    fn arguments_that_are_no_records_alone_are_one_together() {
        check(
            RecordType::MX,
            &["10", "mx.a.test."],
            expect!["10 mx.a.test."],
        );
        check(
            RecordType::SRV,
            &["0", "0", "80", "h.a.test."],
            expect!["0 0 80 h.a.test."],
        );
        check(
            RecordType(65_280),
            &["\\#", "2", "0a0b"],
            expect![[r#"\# 2 0a0b"#]],
        );
    }

    #[test]
    fn what_is_no_record_is_told() {
        check(
            RecordType::A,
            &["10.0.0.256"],
            expect!["A: `10.0.0.256` is not an IPv4 address"],
        );
        check(
            RecordType::A,
            &["10.0.0.1", "10.0.0.256"],
            expect!["A: `10.0.0.256` is not an IPv4 address"],
        );
        check(
            RecordType::A,
            &["x", "y"],
            expect!["A: `x` is not an IPv4 address"],
        );
        check(RecordType::MX, &["10"], expect!["MX: a name is missing"]);
        check(
            RecordType::MX,
            &["ten", "mx.a.test."],
            expect!["MX: `ten` is not a number up to 65535"],
        );
        check(
            RecordType::ANY,
            &["x"],
            expect!["ANY is no type of records: it appears in queries and messages only"],
        );
        check(
            RecordType::TXT,
            &["\"a"],
            expect!["TXT: a quoted string is not closed before the end of the line"],
        );
    }

    #[test]
    fn texts_of_updates() {
        let told = |rtype, text| {
            let rdata = record(rtype, text).expect("a record");
            format!("{:?}", update_text(rtype, &rdata))
        };
        expect![[r#"Some("a b")"#]].assert_eq(&told(RecordType::TXT, "\"a b\""));
        expect![[r#"Some("v=spf1 -all")"#]].assert_eq(&told(RecordType::TXT, "v=spf1 -all"));
        expect!["None"].assert_eq(&told(RecordType::TXT, "\"a\" \"b\""));
        expect!["None"].assert_eq(&told(RecordType::TXT, "\"\\255\""));
        expect![[r#"Some("10 mx.a.test.")"#]].assert_eq(&told(RecordType::MX, "10   mx.a.test"));
    }
}
