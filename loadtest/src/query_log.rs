//! Query logs as recordings.
//!
//! One query a line, in one of three forms, which may be mixed:
//! - `SECONDS.FRACTION CLIENT NAME TYPE`, the form to write for this program;
//! - a line of BIND's category `queries`, with `print-time yes` (its default) or `iso8601`;
//! - a line of CoreDNS's plugin `log` in its default format, with what a container runtime puts in
//!   front of it, from which the time is taken if there is one.
//!
//! Empty lines and those that begin with `#` are passed over. The client and the flags of the
//! logged query are not used: a query is made as of a line of `--names`.

use thiserror::Error;

use crate::names::{self, LineError, Question};
use crate::order::Order;
use crate::packet::{QUERY_LEN_MAX, Queries};
use crate::replay::Recording;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A line that is no query.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum LogError {
    #[error("line {line}: {problem}")]
    Question { line: usize, problem: LineError },
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: &'static str },
    #[error("line {0}: one more query than the {max} that fit", max = names::QUESTIONS_MAX)]
    TooMany(usize),
}

const FORM: &str = "not `SECONDS.FRACTION CLIENT NAME TYPE`, nor a query of BIND or CoreDNS";

/// One line of a log.
#[derive(Debug, PartialEq, Eq)]
struct Logged<'a> {
    time_ns: Option<i128>,
    name: &'a str,
    qtype: &'a str,
}

/// Reads a whole log; stops at the first line that is no query.
pub(crate) fn read(text: &[u8], edns: bool) -> Result<Recording, LogError> {
    let mut recording = Recording::default();
    for (index, line) in text.split(|&octet| octet == b'\n').enumerate() {
        let number = index + 1;
        let bad = |problem| LogError::Line {
            line: number,
            problem,
        };
        let line = str::from_utf8(line).map_err(|_| bad("neither text nor a capture"))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let logged = parse_line(line).ok_or_else(|| bad(FORM))?;
        let question =
            Question::new(logged.name, logged.qtype).map_err(|problem| LogError::Question {
                line: number,
                problem,
            })?;
        if recording.len() == names::QUESTIONS_MAX {
            return Err(LogError::TooMany(number));
        }
        let mut query = [0; QUERY_LEN_MAX];
        let queries = Queries::encode(&[&[question]], edns, 0, Order::plain(1));
        let len = queries.write(0, 0, &mut query);
        recording.add(&query[..len], logged.time_ns.ok_or(number));
    }
    Ok(recording)
}

fn parse_line(line: &str) -> Option<Logged<'_>> {
    if let Some((before, query)) = line.split_once(": query: ") {
        let mut fields = query.split_ascii_whitespace();
        let (name, class, qtype) = (fields.next()?, fields.next()?, fields.next()?);
        return (class == "IN").then_some(Logged {
            time_ns: time_of_bind(before),
            name,
            qtype,
        });
    }
    if let Some((before, query)) = line.split_once(" \"") {
        let mut fields = query.split_ascii_whitespace();
        let (qtype, class, name) = (fields.next()?, fields.next()?, fields.next()?);
        return (class == "IN").then_some(Logged {
            time_ns: before.split_ascii_whitespace().next().and_then(rfc3339),
            name,
            qtype,
        });
    }
    let mut fields = line.split_ascii_whitespace();
    let time_ns = Some(seconds(fields.next()?)?);
    let (_client, name, qtype) = (fields.next()?, fields.next()?, fields.next()?);
    fields.next().is_none().then_some(Logged {
        time_ns,
        name,
        qtype,
    })
}

/// `1764064800.123456789`: the fraction may have any length, and what is below a nanosecond is cut.
fn seconds(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction = &fraction[..fraction.len().min(9)];
    let fraction: u64 = format!("{fraction:0<9}").parse().ok()?;
    Some(i128::from(whole) * 1_000_000_000 + i128::from(fraction))
}

/// `25-Nov-2026 10:00:00.123 ...` or `2026-11-25T10:00:00.123Z ...`.
fn time_of_bind(text: &str) -> Option<i128> {
    let mut fields = text.split_ascii_whitespace();
    let first = fields.next()?;
    let mut date = first.split('-');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    match MONTHS.iter().position(|name| *name == month) {
        Some(index) => {
            let month = index + 1;
            rfc3339(&format!("{year}-{month:02}-{day:0>2}T{}Z", fields.next()?))
        }
        None => rfc3339(first),
    }
}

/// A time with `Z` or the difference to UTC behind it; without either it is UTC.
fn rfc3339(text: &str) -> Option<i128> {
    let (text, ahead_min) = match text
        .len()
        .checked_sub(6)
        .map(|at| text.split_at_checked(at))?
    {
        Some((time, difference)) if difference.starts_with(['+', '-']) && time.contains('T') => {
            (time, minutes(difference)?)
        }
        _ => (text.trim_end_matches('Z'), 0),
    };
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(i128::try_from(since.as_nanos()).ok()? - ahead_min * 60 * 1_000_000_000)
}

/// `+01:00` and `-05:30`, as minutes.
fn minutes(difference: &str) -> Option<i128> {
    let (sign, rest) = difference.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minutes = i128::from(hours) * 60 + i128::from(minutes);
    Some(if sign == "-" { -minutes } else { minutes })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(log: &str, want: Expect) {
        let text = match read(log.as_bytes(), false) {
            Err(error) => format!("error: {error}\n"),
            Ok(recording) => {
                let due = recording
                    .due_ns(1.0)
                    .map_or_else(|error| format!("{error}\n"), |due| format!("due {due:?}\n"));
                let queries = recording.queries();
                let lines = queries.map(|query| format!("{}\n", query[12..].escape_ascii()));
                due + &lines.collect::<String>()
            }
        };
        want.assert_eq(&text);
    }

    #[test]
    fn a_log_has_a_query_a_line() {
        check(
            "# a log\n\n10.5 10.0.0.1 a.example A\n10.500000001 ::1 B.example. aaaa\r\n\
             11 x c.example TYPE65\n11.0123456789 x . NS\n",
            expect![[r#"
                due [0, 1, 500000000, 512345678]
                \x01a\x07example\x00\x00\x01\x00\x01
                \x01B\x07example\x00\x00\x1c\x00\x01
                \x01c\x07example\x00\x00A\x00\x01
                \x00\x00\x02\x00\x01
            "#]],
        );
    }

    #[test]
    fn logs_of_bind_and_coredns_are_read() {
        check(
            "25-Nov-2026 10:00:00.100 queries: info: client @0x7f 10.0.0.1#5323 (a.example): \
             query: a.example IN A +E(0)K (10.0.0.2)\n\
             2026-11-25T10:00:00.150Z client @0x7f 10.0.0.1#5 (b.example): view x: \
             query: b.example IN MX -\n\
             2026-11-25T10:00:00.200000001Z stdout F [INFO] 10.0.0.1:5 - 3 \
             \"AAAA IN c.example. udp 33 false 512\" NOERROR qr,aa,rd 64 0.0001s\n",
            expect![[r#"
                due [0, 50000000, 100000001]
                \x01a\x07example\x00\x00\x01\x00\x01
                \x01b\x07example\x00\x00\x0f\x00\x01
                \x01c\x07example\x00\x00\x1c\x00\x01
            "#]],
        );
        check(
            "[INFO] 10.0.0.1:5 - 3 \"A IN c.example. udp 33 false 512\" NOERROR qr,rd 64 0.1s\n",
            expect![[r#"
                line 1: no time: give --rate or --outstanding
                \x01c\x07example\x00\x00\x01\x00\x01
            "#]],
        );
    }

    /// containerd writes the time of the machine's zone.
    #[test]
    fn times_may_be_those_of_any_zone() {
        let line = |time: &str| format!("{time} stdout F [INFO] 10.0.0.1:5 - 3 \"A IN a. udp\"\n");
        let times = [
            "10:00:01+01:00",
            "09:00:01.5Z",
            "03:30:02.000000001-05:30",
            "09:00:03",
        ];
        let log: String = times
            .map(|time| line(&format!("2026-11-25T{time}")))
            .concat();
        let recording = read(log.as_bytes(), false).expect("a log");
        assert_eq!(
            recording.due_ns(1.0),
            Ok(vec![0, 500_000_000, 1_000_000_001, 2_000_000_000])
        );
    }

    #[test]
    fn bad_lines_are_named() {
        check(
            "1 x a.example A\n2 x a.example\n",
            expect![[r#"
            error: line 2: not `SECONDS.FRACTION CLIENT NAME TYPE`, nor a query of BIND or CoreDNS
        "#]],
        );
        check(
            "1 x a..example A\n",
            expect![[r#"
            error: line 1: name `a..example`: empty label (two dots in a row, or a dot at the start)
        "#]],
        );
        check(
            "1 x a.example FOO\n",
            expect![[r#"
            error: line 1: type `FOO`: not a known type; write TYPEn for any other
        "#]],
        );
        check(
            "-1 x a.example A\n",
            expect![[r#"
            error: line 1: not `SECONDS.FRACTION CLIENT NAME TYPE`, nor a query of BIND or CoreDNS
        "#]],
        );
        check(
            "1 x a.example A more\n",
            expect![[r#"
            error: line 1: not `SECONDS.FRACTION CLIENT NAME TYPE`, nor a query of BIND or CoreDNS
        "#]],
        );
        let error = read(b"1 x a A\n\xff\n", false).expect_err("not text");
        assert_eq!(error.to_string(), "line 2: neither text nor a capture");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", octets: Vec<u8>) {
            let _ = read(text.as_bytes(), true);
            let _ = read(&octets, true);
            let _ = time_of_bind(&text);
            let _ = seconds(&text);
        }

        #[test]
        fn any_line_with_a_query_is_read_or_refused(before in ".*", after in ".*") {
            let _ = read(format!("{before}: query: {after}").as_bytes(), true);
            let _ = read(format!("{before} \"{after}").as_bytes(), true);
            let _ = read(format!("1.{before} x {after} A").as_bytes(), true);
        }
    }
}
