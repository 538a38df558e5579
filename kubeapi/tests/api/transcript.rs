//! Plays a file of requests and compares it with itself: each request is followed by the answer
//! and, over etcd, by the keys that changed. `UPDATE_EXPECT=1` writes the file anew.
//!
//! | line | meaning |
//! |---|---|
//! | `# text`, empty | for the reader |
//! | `> METHOD token PATH body` | a request; a path without `/` is a name |
//! | `> put KEY VALUE` | another program writes to etcd |
//! | any other | what came of it |
//!
//! `<12xab>` stands for `ab` twelve times. Change keys (`/containerdns-changes/`) have times in
//! their values and are shown without them.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64;
use expect_test::ExpectFile;
use serde_json::{Value, json};

use crate::client::{Answer, request};
use crate::etcd::Etcd;
use crate::server::{ALICE, API, Api, BOB, READER, ROOT, ZONED};
use crate::{http, poll};

/// Written after another program's key: what shows it knows all that was written before.
const MARK: &str = "/containerdns/test/a/txt/zz-mark/";
/// The same of status keys, which the API follows by themselves: that of the mark's own address.
const STATUS_MARK: &str = "/containerdns/monitor/status/10.99.0.1";
const ADDRESS_MARK: &str = "/containerdns/test/a/zz-mark/1/";

/// What the player plays on.
pub(crate) struct Stage<'a> {
    pub(crate) api: &'a Api,
    pub(crate) etcd: Option<&'a Etcd>,
}

/// Plays `text` and compares what came of it with the whole file.
pub(crate) fn check(stage: &Stage<'_>, text: &str, file: &ExpectFile) {
    let mut played = String::new();
    let mut marks = 0;
    for line in text.lines() {
        let keeps = line.is_empty() || line.starts_with(['#', '>']);
        if !keeps {
            continue;
        }
        played.push_str(line);
        played.push('\n');
        let Some(step) = line.strip_prefix("> ") else {
            continue;
        };
        let before = stage.etcd.map(keys);
        match step.strip_prefix("put ") {
            Some(pair) => {
                marks += 1;
                put(stage, pair, marks);
            }
            None => {
                for line in show(&play(stage.api, step)) {
                    played.push_str(&line);
                    played.push('\n');
                }
                if let (Some(before), Some(etcd)) = (before, stage.etcd) {
                    played.push_str(&changed(&before, &keys(etcd)));
                }
            }
        }
    }
    file.assert_eq(&played);
}

fn play(api: &Api, step: &str) -> Answer {
    let mut words = step.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (method, token, path, body) = (word(), word(), word(), word());
    let token = match token {
        "root" => ROOT,
        "alice" => ALICE,
        "bob" => BOB,
        "reader" => READER,
        "zoned" => ZONED,
        "-" => "",
        other => other,
    };
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{API}/{path}"),
    };
    let text = request(method, &repeated(&path), token, &repeated(body));
    let answer = api.raw(text.as_bytes());
    answer.unwrap_or_else(|error| panic!("{step}: {error}\n{}", api.process.output_tail()))
}

/// The text with every `<NxTEXT>` written out.
fn repeated(text: &str) -> String {
    let mut rest = text;
    let mut whole = String::new();
    while let Some((before, behind)) = rest.split_once('<') {
        whole.push_str(before);
        let part = behind.split_once('>').and_then(|(inside, after)| {
            let (count, text) = inside.split_once('x')?;
            Some((text.repeat(count.parse().ok()?), after))
        });
        let (written, after) = part.unwrap_or(("<".into(), behind));
        whole.push_str(&written);
        rest = after;
    }
    whole + rest
}

/// Status, headers that matter and body.
fn show(answer: &Answer) -> Vec<String> {
    let body = answer.body.trim_end();
    let mut lines = vec![format!("{} {body}", answer.status)];
    for name in ["allow", "x-containerdns-next", "www-authenticate"] {
        lines.extend(answer.header(name).map(|value| format!("{name}: {value}")));
    }
    lines
}

/// Writes as another program, and waits until the API has seen it.
fn put(stage: &Stage<'_>, pair: &str, mark: u32) {
    let etcd = stage.etcd.expect("another program writes to etcd");
    let (key, value) = pair.split_once(' ').expect("a key and a value");
    etcd.put(key, value);
    let status = if mark.is_multiple_of(2) { "UP" } else { "DOWN" };
    etcd.put(STATUS_MARK, &json!({ "status": status }).to_string());
    etcd.put(ADDRESS_MARK, r#"{"host":"10.99.0.1"}"#);
    etcd.put(
        MARK,
        &json!({"type": "TXT", "text": mark.to_string()}).to_string(),
    );
    let seen = poll(Duration::from_secs(10), || {
        let answer = stage.api.get("/zz-mark.a.test");
        let text = format!("\"text\":\"{mark}\"");
        let health = format!("\"10.99.0.1\":\"{status}\"");
        [text, health]
            .iter()
            .all(|told| answer.body.contains(told))
            .then_some(())
    });
    assert!(seen.is_some(), "not seen: {pair}");
}

/// Every key with its revision and value, except the marks.
type Keys = BTreeMap<String, (String, String)>;

pub(crate) fn keys(etcd: &Etcd) -> Keys {
    let zero = BASE64.encode(&[0]);
    let body = json!({"key": zero, "range_end": zero}).to_string();
    let answer = http::post(etcd.client(), "/v3/kv/range", &body).expect("etcd answers");
    let answer: Value = serde_json::from_str(&answer.body).expect("JSON from etcd");
    let text = |value: &Value| {
        let octets = BASE64.decode(value.as_str().unwrap_or_default().as_bytes());
        String::from_utf8_lossy(&octets.expect("base64 from etcd")).into_owned()
    };
    let pairs = answer["kvs"].as_array().into_iter().flatten().map(|pair| {
        let revision = pair["mod_revision"].as_str().unwrap_or_default().to_owned();
        (text(&pair["key"]), (revision, text(&pair["value"])))
    });
    let marks = [MARK, STATUS_MARK, ADDRESS_MARK];
    pairs
        .filter(|(key, _)| !marks.contains(&&key[..]))
        .collect()
}

/// What was written (`+`) and deleted (`-`).
fn changed(before: &Keys, after: &Keys) -> String {
    let mut lines = String::new();
    for (key, (_, value)) in after
        .iter()
        .filter(|(key, now)| before.get(*key) != Some(*now))
    {
        match key.starts_with("/containerdns-changes/") {
            true => lines.push_str(&format!("+ {key}\n")),
            false => lines.push_str(&format!("+ {key} {value}\n")),
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        lines.push_str(&format!("- {key}\n"));
    }
    lines
}
