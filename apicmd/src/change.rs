//! `create`, `update` and `delete`: one request each, made up from arguments.
//!
//! What to send is a pure function of the arguments; `run` sends it. The one request that is not
//! alone is the update of a CNAME: the API's `update` renames aliases of a target, while NAME here
//! is the alias, so its target is compared first and then replaced.

use containerdns_schema::rest::{Failure, Names};
use containerdns_schema::{Rdata, RdataError, Record, RecordType};
use serde_json::{Map, Value, json};

use crate::client::{Client, Method, check_name};
use crate::command_line::{ChangeOptions, Form};
use crate::error::Error;
use crate::rdata_arguments::{record, records, update_text};
use crate::setting_options::SettingOptions;
use crate::show::{self, Colors};

/// What is asked of a name.
#[derive(Debug)]
pub(crate) enum Change {
    /// These records exist afterwards.
    Create {
        /// Their RDATA as typed.
        rdata: Vec<String>,
    },
    /// Old records become new ones.
    Update {
        /// `OLD=NEW`.
        pairs: Vec<String>,
        /// Old ones.
        from: Vec<String>,
        /// New ones, in the same order.
        to: Vec<String>,
    },
    /// They are gone.
    Delete {
        /// Their RDATA as typed; empty: all.
        rdata: Vec<String>,
    },
}

/// The name and the type that are changed, and the TTL.
#[derive(Debug)]
pub(crate) struct Target {
    /// The name as typed.
    pub(crate) name: String,
    /// None, for delete: all types.
    pub(crate) rtype: Option<RecordType>,
    /// Seconds.
    pub(crate) ttl: Option<u32>,
    /// What is asked beside records.
    pub(crate) settings: SettingOptions,
}

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: Method,
    body: Option<Value>,
    /// The target that a CNAME must have beforehand.
    expected: Option<Rdata>,
}

/// Sends the change and gives what is to be printed.
pub(crate) fn run(
    client: &Client,
    target: &Target,
    change: &Change,
    options: &ChangeOptions,
    (form, colors): (Form, Colors),
) -> Result<String, Error> {
    check_name(&target.name)?;
    let request = request(target, change, options.user.as_deref()).map_err(Error::Usage)?;
    if let Some(expected) = &request.expected {
        let current = client.get(&target.name, Some(RecordType::CNAME))?;
        if !points_at(&current, expected).map_err(|error| client.odd(error))? {
            return Err(other_alias(current, expected));
        }
    }
    let body = request.body.map(|body| body.to_string());
    let body = body.as_deref().map(str::as_bytes);
    if options.dry_run {
        let answer = client.dry_run(request.method, &target.name, body)?;
        return show::dry_run(form, &answer, colors).map_err(|error| client.odd(error));
    }
    client.write(request.method, &target.name, body)?;
    Ok("OK\n".into())
}

/// Whether the user is right about what an alias points at.
fn points_at(current: &Names, expected: &Rdata) -> Result<bool, RdataError> {
    let rtype = RecordType::CNAME;
    for (name, rrset) in current {
        let same = |record: &Record| record.rdata.target(rtype) == expected.target(rtype);
        if rrset.to_records(name)?.iter().any(same) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The conflict that the server would tell for an update of any other type.
fn other_alias(current: Names, expected: &Rdata) -> Error {
    let failure = Failure {
        error: format!("it is no alias of {}", expected.to_text(RecordType::CNAME)),
        field: None,
        current: Some(current),
    };
    Error::Refused {
        status: 409,
        failure: Box::new(failure),
    }
}

fn request(target: &Target, change: &Change, user: Option<&str>) -> Result<Request, String> {
    let mut body = Map::new();
    let mut expected = None;
    if let Some(rtype) = target.rtype {
        body.insert("type".into(), rtype.to_string().into());
    }
    let method = match (change, target.rtype) {
        (Change::Create { rdata }, Some(rtype)) => {
            body.insert("records".into(), texts(rtype, rdata)?);
            Method::Create
        }
        (Change::Update { pairs, from, to }, Some(rtype)) => {
            let pairs = read_pairs(rtype, pairs, from, to)?;
            let no_more = target.ttl.is_none() && target.settings.is_empty();
            expected = update(rtype, &pairs, no_more, &mut body)?;
            Method::Update
        }
        (Change::Delete { rdata }, Some(rtype)) => {
            if !rdata.is_empty() {
                body.insert("records".into(), texts(rtype, rdata)?);
            }
            Method::Delete
        }
        (_, None) => Method::Delete,
    };
    if let Some(ttl) = target.ttl {
        body.insert("ttl".into(), ttl.into());
    }
    if let Some(user) = user {
        body.insert("user".into(), user.into());
    }
    target.settings.put(&mut body);
    Ok(Request {
        method,
        body: (!body.is_empty()).then_some(Value::Object(body)),
        expected,
    })
}

fn texts(rtype: RecordType, arguments: &[String]) -> Result<Value, String> {
    let records = records(rtype, arguments).map_err(|error| error.to_string())?;
    let texts: Vec<String> = records.iter().map(|rdata| rdata.to_text(rtype)).collect();
    Ok(json!(texts))
}

/// Writes an update into the body; gives what has to be there before it.
fn update(
    rtype: RecordType,
    pairs: &[(Rdata, Rdata)],
    no_more: bool,
    body: &mut Map<String, Value>,
) -> Result<Option<Rdata>, String> {
    match (pairs, rtype) {
        ([], _) if no_more => {
            let problem =
                "nothing to update: write OLD=NEW, --from OLD --to NEW, --ttl or another option";
            Err(problem.into())
        }
        ([], _) => Ok(None),
        ([(old, new)], RecordType::CNAME) => {
            body.insert("records".into(), json!([new.to_text(rtype)]));
            Ok(Some(old.clone()))
        }
        (_, RecordType::CNAME) => Err("a name has one CNAME record: write one OLD=NEW".into()),
        _ => {
            let mut update = Map::new();
            let text = |rdata: &Rdata| {
                update_text(rtype, rdata).ok_or_else(|| {
                    let text = rdata.to_text(rtype);
                    format!("{text} cannot be updated: delete it and create the new one")
                })
            };
            for (old, new) in pairs {
                let old = text(old)?;
                if update.contains_key(&old) {
                    return Err(format!("{old} is to be updated twice: write it once"));
                }
                update.insert(old, text(new)?.into());
            }
            body.insert("update".into(), Value::Object(update));
            Ok(None)
        }
    }
}

/// The old and new records of an update.
fn read_pairs(
    rtype: RecordType,
    pairs: &[String],
    from: &[String],
    to: &[String],
) -> Result<Vec<(Rdata, Rdata)>, String> {
    if from.len() != to.len() {
        return Err("write one --to for each --from".into());
    }
    let split = |pair: &String| match pair.split_once('=') {
        Some((_, new)) if new.contains('=') => Err(format!(
            "`{pair}` has more than one `=`: write --from OLD --to NEW"
        )),
        Some((old, new)) => Ok((old.to_owned(), new.to_owned())),
        None => Err(format!("`{pair}` has no `=`: write OLD=NEW")),
    };
    let options = from.iter().cloned().zip(to.iter().cloned()).map(Ok);
    let rdata = |text: String| record(rtype, &text).map_err(|error| error.to_string());
    let all = pairs.iter().map(split).chain(options);
    all.map(|pair| pair.and_then(|(old, new)| Ok((rdata(old)?, rdata(new)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(change: Change, rtype: &str, ttl: Option<u32>, want: Expect) {
        let target = Target {
            name: "w.a.test".into(),
            rtype: rtype.parse().ok(),
            ttl,
            settings: SettingOptions::default(),
        };
        let told = match request(&target, &change, None) {
            Ok(request) => {
                let body = request.body.map(|body| body.to_string());
                let expected = request
                    .expected
                    .map(|rdata| rdata.to_text(RecordType::CNAME));
                let expected = expected.map(|text| format!(" if {text}"));
                let (body, expected) = (body.unwrap_or_default(), expected.unwrap_or_default());
                format!("{} {body}{expected}", request.method.name())
            }
            Err(error) => error,
        };
        want.assert_eq(&told);
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.into()).collect()
    }

    fn update(pairs: &[&str], from: &[&str], to: &[&str]) -> Change {
        Change::Update {
            pairs: owned(pairs),
            from: owned(from),
            to: owned(to),
        }
    }

    #[test]
    fn creates() {
        let create = |rdata: &[&str]| Change::Create {
            rdata: owned(rdata),
        };
        check(
            create(&["10.0.0.1", "10.0.0.2"]),
            "A",
            Some(60),
            expect![[r#"POST {"records":["10.0.0.1","10.0.0.2"],"ttl":60,"type":"A"}"#]],
        );
        check(
            create(&["v=spf1 -all"]),
            "TXT",
            None,
            expect![[r#"POST {"records":["\"v=spf1 -all\""],"type":"TXT"}"#]],
        );
        check(
            create(&["10", "mx.a.test"]),
            "MX",
            None,
            expect![[r#"POST {"records":["10 mx.a.test."],"type":"MX"}"#]],
        );
        check(
            create(&["t.a.test"]),
            "CNAME",
            None,
            expect![[r#"POST {"records":["t.a.test."],"type":"CNAME"}"#]],
        );
        check(
            create(&["fd00::1"]),
            "A",
            None,
            expect!["A: `fd00::1` is not an IPv4 address"],
        );
    }

    #[test]
    fn updates() {
        check(
            update(&["10.0.0.1=10.0.0.2"], &[], &[]),
            "A",
            None,
            expect![[r#"PUT {"type":"A","update":{"10.0.0.1":"10.0.0.2"}}"#]],
        );
        check(
            update(&[], &[], &[]),
            "A",
            Some(5),
            expect![[r#"PUT {"ttl":5,"type":"A"}"#]],
        );
        check(
            update(&[], &["v=1"], &["v=2"]),
            "TXT",
            Some(5),
            expect![[r#"PUT {"ttl":5,"type":"TXT","update":{"v=1":"v=2"}}"#]],
        );
        check(
            update(&["\"a b\"=c"], &[], &[]),
            "TXT",
            None,
            expect![[r#"PUT {"type":"TXT","update":{"a b":"c"}}"#]],
        );
        check(
            update(&["old.test=new.test"], &[], &[]),
            "CNAME",
            None,
            expect![[r#"PUT {"records":["new.test."],"type":"CNAME"} if old.test."#]],
        );
        check(
            update(&["10 a.test=5 a.test."], &[], &[]),
            "MX",
            None,
            expect![[r#"PUT {"type":"MX","update":{"10 a.test.":"5 a.test."}}"#]],
        );
    }

    #[test]
    fn updates_that_make_no_sense() {
        check(
            update(&[], &[], &[]),
            "A",
            None,
            expect![[
                r#"nothing to update: write OLD=NEW, --from OLD --to NEW, --ttl or another option"#
            ]],
        );
        check(
            update(&["10.0.0.1"], &[], &[]),
            "A",
            None,
            expect!["`10.0.0.1` has no `=`: write OLD=NEW"],
        );
        check(
            update(&["10.0.0.1=x"], &[], &[]),
            "A",
            None,
            expect!["A: `x` is not an IPv4 address"],
        );
        check(
            update(&["v=1=v=2"], &[], &[]),
            "TXT",
            None,
            expect!["`v=1=v=2` has more than one `=`: write --from OLD --to NEW"],
        );
        check(
            update(&[], &["a"], &[]),
            "TXT",
            None,
            expect!["write one --to for each --from"],
        );
        check(
            update(&["a=b", "a=c"], &[], &[]),
            "TXT",
            None,
            expect!["a is to be updated twice: write it once"],
        );
        check(
            update(&["a.=b.", "c.=d."], &[], &[]),
            "CNAME",
            None,
            expect!["a name has one CNAME record: write one OLD=NEW"],
        );
        check(
            update(&["\"a\" \"b\"=c"], &[], &[]),
            "TXT",
            None,
            expect![[r#""a" "b" cannot be updated: delete it and create the new one"#]],
        );
    }

    #[test]
    fn deletes() {
        let delete = |rdata: &[&str]| Change::Delete {
            rdata: owned(rdata),
        };
        check(delete(&[]), "", None, expect!["DELETE "]);
        check(delete(&[]), "A", None, expect![[r#"DELETE {"type":"A"}"#]]);
        check(
            delete(&["10.0.0.1"]),
            "A",
            None,
            expect![[r#"DELETE {"records":["10.0.0.1"],"type":"A"}"#]],
        );
        check(
            delete(&["x"]),
            "A",
            None,
            expect!["A: `x` is not an IPv4 address"],
        );
    }
}
