//! Reads files into records: zone files, and JSON with one object a line.
//!
//! The JSON objects are items of the API's batches, read by the same code that the server reads
//! them with; only those that add records make sense in a file. All errors name file and line.

use containerdns_schema::rest::request::{self, NewRecord};
use containerdns_schema::rest::{Change, NameChange, Zones};
use containerdns_schema::{Name, zonefile};
use serde_json::value::RawValue;

use crate::import::difference::{RecordSet, Records};
use crate::import::settings::Settings;

/// Reads a zone file; relative names are below `origin`.
pub(super) fn zone(text: &str, origin: Option<&Name>, file: &str) -> Result<Records, String> {
    let origin = origin.cloned().unwrap_or_else(Name::root);
    let records = zonefile::parse(text, &origin, file).map_err(|error| error.to_string())?;
    let mut all = Records::new();
    for record in records {
        let sets = all.entry(record.owner.to_lower()).or_default();
        let set = sets.entry(record.rtype).or_default();
        set.ttl = lower(set.ttl, record.ttl);
        set.records.insert(record.rdata);
    }
    Ok(all)
}

/// Reads lines of JSON; names of one label are below `origin`, and all must be within it.
pub(super) fn json_lines(text: &str, origin: Option<&Name>, file: &str) -> Result<Records, String> {
    let origin = origin.cloned().unwrap_or_else(Name::root);
    let zones = Zones::new(vec![origin], Vec::new());
    let mut all = Records::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let (name, rrset) =
            item(&zones, line).map_err(|problem| format!("{file}:{number}: {problem}"))?;
        let (rtype, new) = rrset;
        let set: &mut RecordSet = all.entry(name).or_default().entry(rtype).or_default();
        set.ttl = lower(set.ttl, new.ttl);
        set.user = new.user.or(set.user.take());
        set.settings.extend(new.settings);
        set.records.extend(new.records);
    }
    Ok(all)
}

/// One TTL for an RRset: the lowest that is given (RFC 2181 section 5.2).
fn lower(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}

type TypedSet = (containerdns_schema::RecordType, RecordSet);

fn item(zones: &Zones, line: &str) -> Result<(Name, TypedSet), String> {
    // Alone first: a part of a list would be told as what it does to the list.
    serde_json::from_str::<&RawValue>(line).map_err(|error| without_place(&error.to_string()))?;
    let batch = format!("[{line}]");
    let changes = request::parse_batch(zones, batch.as_bytes()).map_err(|error| {
        // The line is the place; `[0].` of a batch of one says nothing.
        let field = error
            .field
            .trim_start_matches("[0]")
            .trim_start_matches('.');
        match field {
            "" | "body" => without_place(&error.problem),
            field => format!("{field}: {}", error.problem),
        }
    })?;
    let change = changes.into_iter().next();
    let Some(NameChange {
        name,
        user,
        change: Change::Add {
            rtype,
            records,
            ttl,
        },
        settings,
        ..
    }) = change
    else {
        return Err("a file holds records, no changes: leave the method out".into());
    };
    let record = |record| match record {
        NewRecord::Rdata(rdata) => Ok(rdata),
        NewRecord::Backend { .. } => Err("write SRV as records, not as ips and ports"),
    };
    let records = records.into_iter().map(record).collect::<Result<_, _>>()?;
    let set = RecordSet {
        ttl,
        user,
        settings: Settings::of_line(settings),
        records,
    };
    Ok((name, (rtype, set)))
}

/// serde_json counts the lines of the object, which is always line 1.
fn without_place(problem: &str) -> String {
    let place = problem.find(" at line 1 column ");
    problem[..place.unwrap_or(problem.len())].into()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn told(records: Result<Records, String>) -> String {
        let mut text = String::new();
        match records {
            Err(error) => text = error,
            Ok(records) => {
                for (name, sets) in records {
                    for (rtype, set) in sets {
                        let records = set.records.iter().map(|rdata| rdata.to_text(rtype));
                        let records = records.collect::<Vec<_>>().join(", ");
                        text += &format!("{name} {rtype} {records}");
                        text += &format!(" ttl {:?} user {:?}\n", set.ttl, set.user);
                    }
                }
            }
        }
        text
    }

    fn check_zone(text: &str, origin: Option<&str>, want: Expect) {
        let origin = origin.map(|text| text.parse().expect("a name"));
        want.assert_eq(&told(zone(text, origin.as_ref(), "f.zone")));
    }

    fn check_json(text: &str, origin: Option<&str>, want: Expect) {
        let origin = origin.map(|text| text.parse().expect("a name"));
        want.assert_eq(&told(json_lines(text, origin.as_ref(), "f.jsonl")));
    }

    #[test]
    fn zone_files() {
        let text = "W 60 A 10.0.0.2\nw 30 A 10.0.0.1\nw 60 A 10.0.0.2\n@ TXT x\n";
        check_zone(
            text,
            Some("a.test"),
            expect![[r#"
            a.test. TXT "x" ttl Some(60) user None
            w.a.test. A 10.0.0.1, 10.0.0.2 ttl Some(30) user None
        "#]],
        );
        check_zone(
            "$ORIGIN b.test.\nw A 10.0.0.1\n",
            Some("a.test"),
            expect![[r#"
            w.b.test. A 10.0.0.1 ttl None user None
        "#]],
        );
        check_zone(
            "w A 10.0.0.1\n\nw A 10.0.0.256\n",
            None,
            expect!["f.zone:3: A: `10.0.0.256` is not an IPv4 address"],
        );
    }

    #[test]
    fn lines_of_json() {
        let text = r#"
{"name":"w.a.test","type":"A","records":["10.0.0.1"],"ttl":60,"user":"ann"}
{"name":"w.a.test","type":"A","ips":["10.0.0.2"],"ttl":30}
{"name":"w.a.test","type":"TXT","text":"x y"}
"#;
        check_json(
            text,
            None,
            expect![[r#"
            w.a.test. A 10.0.0.1, 10.0.0.2 ttl Some(30) user Some("ann")
            w.a.test. TXT "x y" ttl None user None
        "#]],
        );
        let short = r#"{"name":"w","type":"A","ips":["10.0.0.2"]}"#;
        check_json(
            short,
            Some("a.test"),
            expect![[r#"
            w.a.test. A 10.0.0.2 ttl None user None
        "#]],
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let good = r#"{"name":"w.a.test","type":"A","records":["10.0.0.1"]}"#;
        for (line, want) in [
            ("{", expect!["f.jsonl:2: EOF while parsing an object"]),
            (
                "5",
                expect![[r#"f.jsonl:2: not a JSON object: write {"field":...}"#]],
            ),
            ("{},{}", expect!["f.jsonl:2: trailing characters"]),
            (
                r#"{"name":"w.a.test","type":"A"}"#,
                expect!["f.jsonl:2: ips: missing for type A"],
            ),
            (
                r#"{"name":"w.a.test","type":"A","records":["x"]}"#,
                expect!["f.jsonl:2: records[0]: A: `x` is not an IPv4 address"],
            ),
            (
                r#"{"name":"w.a.test","tipe":"A","records":["x"]}"#,
                expect![
                    "f.jsonl:2: unknown field `tipe`, expected one of `name`, `method`, `type`, `ips`, `ports`, `alias`, `text`, `mailHost`, `mailPriority`, `nsHost`, `host`, `records`, `ttl`, `user`, `update`, `policy`, `weights`, `probe`, `probe_ports`"
                ],
            ),
            (
                r#"{"name":"w.b.test","type":"A","ips":["10.0.0.1"]}"#,
                expect!["f.jsonl:2: name: w.b.test. lies in none of the zones a.test."],
            ),
            (
                r#"{"name":"w.a.test","method":"DELETE"}"#,
                expect!["f.jsonl:2: a file holds records, no changes: leave the method out"],
            ),
            (
                r#"{"name":"w.a.test","type":"SRV","ips":["10.0.0.1"],"ports":[1]}"#,
                expect!["f.jsonl:2: write SRV as records, not as ips and ports"],
            ),
            (
                r#"{"name":"a.test","method":"PUT","type":"CNAME","update":{"v":"w"}}"#,
                expect!["f.jsonl:2: a file holds records, no changes: leave the method out"],
            ),
        ] {
            check_json(&format!("{good}\n{line}\n"), Some("a.test"), want);
        }
    }
}
