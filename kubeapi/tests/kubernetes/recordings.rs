//! The stand-in held against a real server: each recorded request is played again, on the objects
//! that the recordings show, and the answers must be the same.
//!
//! Objects are restored with their versions and uids, and events are made at the versions that the
//! recording has, so that bodies are compared as they are. What differs from one server to the next
//! is not compared: times, ids of answers, numbers inside messages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::stand_in::{StandIn, Times};
use crate::wait_until;

/// Recordings that are not compared as they are.
const REMARKS: &[(&str, Compared, &str)] = &[
    (
        "list-gzip.http",
        Compared::Nothing,
        "nothing of the answer was kept",
    ),
    (
        "list-page2.http",
        Compared::Whole,
        "asks with an empty token, so that it is page 1 again; page 2 is in `lists`",
    ),
    (
        "watch-gzip-asked.http",
        Compared::Head,
        "the body was not kept; the head says nothing of gzip",
    ),
    (
        "watch-server-shutdown.http",
        Compared::Whole,
        "the request was not kept; it is played as a watch that the server ends",
    ),
];

/// How much of a recording is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Nothing,
    Head,
    Whole,
}

/// Headers whose values are of one answer, or one connection.
const VARYING: &[&str] = &[
    "audit-id",
    "date",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
];

/// A request and its answer.
struct Recording {
    name: String,
    path: String,
    headers: String,
    answer: Option<Exchange>,
}

impl Recording {
    fn read(name: &str) -> Recording {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/recordings");
        let octets = fs::read(folder.join(name)).expect("a recording");
        let text = String::from_utf8_lossy(&octets);
        let line = text.strip_prefix("# GET ");
        let line = line.map_or("", |rest| rest.lines().next().unwrap_or_default());
        let mut words = line.split(" -");
        let path = words.next().unwrap_or_default().trim().to_owned();
        let headers = words.filter_map(|word| word.strip_prefix("H "));
        let start = text.find("HTTP/1.1");
        Recording {
            name: name.to_owned(),
            path,
            headers: headers.map(|header| format!("{header}\r\n")).collect(),
            answer: start.map(|start| Exchange::parse(&octets[start..])),
        }
    }

    fn all() -> Vec<Recording> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes/recordings");
        let entries = fs::read_dir(folder).expect("the recordings");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names.iter().map(|name| Recording::read(name)).collect()
    }

    fn compared(&self) -> Compared {
        let remark = REMARKS.iter().find(|(name, ..)| *name == self.name);
        remark.map_or(Compared::Whole, |(_, compared, _)| *compared)
    }

    /// The objects of a list, with the kind that its items do not say.
    fn items(name: &str, kind: &str, api_version: &str) -> Vec<Value> {
        let list = Recording::read(name).answer.expect("a list").object();
        let items = list["items"].as_array().expect("items").clone();
        let with_kind = items.into_iter().map(|mut item| {
            item["kind"] = json!(kind);
            item["apiVersion"] = json!(api_version);
            item
        });
        with_kind.collect()
    }

    /// What a watch tells.
    fn events(&self) -> Vec<Value> {
        let parts = &self.answer.as_ref().expect("an answer").parts;
        let events = parts.iter().map(|part| serde_json::from_str(part));
        events.map(|event| event.expect("an event")).collect()
    }

    /// The state that the recorded server was in when it was asked.
    fn prepare(&self, stand_in: &StandIn) {
        let revision = match self.name.as_str() {
            "watch-stream-unset.http" => 680,
            "watch-live-bookmark.http" | "watch-stream-rv-future.http" => 685,
            "watch-labelselector-enter-leave.http" => 690,
            "watch-metadata-only.http" => 696,
            _ => 677,
        };
        let mut objects = match self.name.as_str() {
            "watch-metadata-only.http" => self.objects_told(),
            _ => Recording::items("list-services.http", "Service", "v1"),
        };
        let slices = "list-endpointslices.http";
        objects.extend(Recording::items(
            slices,
            "EndpointSlice",
            "discovery.k8s.io/v1",
        ));
        stand_in.restore(objects, revision);
        match self.name.as_str() {
            "err-401.http" => stand_in.faults(|faults| faults.token = Some("another".to_owned())),
            "err-403.http" => stand_in.faults(|faults| faults.forbid = Times::Always),
            _ => {}
        }
    }

    /// The objects of a metadata-only watch as Services.
    fn objects_told(&self) -> Vec<Value> {
        let events = self.events().into_iter();
        let added = events.filter(|event| event["type"] == "ADDED");
        let objects = added.map(|mut event| {
            let mut object = event["object"].take();
            object["kind"] = json!("Service");
            object["apiVersion"] = json!("v1");
            object
        });
        objects.collect()
    }

    /// Makes happen what the recorded watch told.
    fn happen(&self, stand_in: &StandIn) {
        let selects = self.path.contains("labelSelector");
        for mut event in self.events() {
            let mut object = event["object"].take();
            let version = object["metadata"]["resourceVersion"].as_str();
            let version: u64 = version
                .and_then(|text| text.parse().ok())
                .expect("a version");
            if event["type"] == "BOOKMARK" {
                continue;
            }
            for step in stand_in.revision() + 1..version {
                stand_in.apply(json!({
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": "elsewhere", "labels": {"step": step.to_string()}},
                }));
            }
            if event["type"] != "DELETED" {
                stand_in.apply(object);
            } else if selects {
                let labels = object["metadata"]["labels"].as_object_mut();
                labels.expect("labels").remove("sel");
                stand_in.apply(object);
            } else {
                let text = |field: &str| object["metadata"][field].as_str().expect("text");
                stand_in.delete("Service", text("namespace"), text("name"));
            }
            assert_eq!(stand_in.revision(), version, "{}", self.name);
        }
    }

    /// Plays it; gives what differs.
    fn play(&self) -> Vec<String> {
        let stand_in = StandIn::start();
        self.prepare(&stand_in);
        let (path, shutdown) = match self.path.as_str() {
            "" => ("/api/v1/services?watch=true&resourceVersion=677", true),
            path => (path, false),
        };
        let live = self.name == "watch-live-bookmark.http" || path.contains("sel%3Dyes");
        let answer = thread::scope(|scope| {
            let address = stand_in.address();
            let asking = scope.spawn(move || Exchange::ask(address, "GET", path, &self.headers));
            if live || shutdown {
                wait_until("the watch runs", || stand_in.watches() == 1);
            }
            if live {
                self.happen(&stand_in);
            }
            if shutdown {
                stand_in.close_watches();
            }
            asking.join().expect("an answer")
        });
        self.compare(&answer)
    }

    fn compare(&self, answer: &Exchange) -> Vec<String> {
        let recorded = self.answer.as_ref().expect("an answer");
        let mut found = Vec::new();
        let mut check = |what: &str, recorded: String, answered: String| {
            if recorded != answered {
                let name = &self.name;
                found.push(format!(
                    "{name}: {what}: recorded {recorded}, answered {answered}"
                ));
            }
        };
        check("status", recorded.status.clone(), answer.status.clone());
        let headers = |exchange: &Exchange| {
            let headers = exchange.headers.clone().into_iter();
            let headers = headers.filter(|(name, _)| name != "connection");
            let headers = headers.map(|(name, value)| match VARYING.contains(&name.as_str()) {
                true => (name, "*".to_owned()),
                false => (name, value),
            });
            format!("{:?}", headers.collect::<BTreeMap<_, _>>())
        };
        check("headers", headers(recorded), headers(answer));
        if self.compared() == Compared::Head {
            return found;
        }
        check(
            "ended well",
            recorded.complete.to_string(),
            answer.complete.to_string(),
        );
        let count = |exchange: &Exchange| exchange.parts.len().to_string();
        check("parts", count(recorded), count(answer));
        let mut differences = Vec::new();
        for (at, (recorded, answered)) in recorded.parts.iter().zip(&answer.parts).enumerate() {
            let place = format!("{} part {at} ", self.name);
            match [recorded, answered].map(|part| serde_json::from_str::<Value>(part)) {
                [Ok(recorded), Ok(answered)] => {
                    differ(&place, &recorded, &answered, &mut differences);
                }
                _ => differences.extend((recorded != answered).then(|| place.clone())),
            }
        }
        found.extend(differences);
        found
    }
}

/// Each place where two values differ; numbers in messages do not count.
fn differ(place: &str, recorded: &Value, answered: &Value, found: &mut Vec<String>) {
    match (recorded, answered) {
        (Value::Object(left), Value::Object(right)) => {
            let mut fields: Vec<_> = left.keys().chain(right.keys()).collect();
            fields.sort();
            fields.dedup();
            for field in fields {
                let (mut left, mut right) = (recorded[field].clone(), answered[field].clone());
                if field == "message" {
                    (left, right) = (masked(&left), masked(&right));
                }
                differ(&format!("{place}.{field}"), &left, &right, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                differ(&format!("{place}[{at}]"), left, right, found);
            }
        }
        _ if recorded == answered => {}
        _ => found.push(format!("{place}: recorded {recorded}, answered {answered}")),
    }
}

/// A message with each of its digits as `#`.
fn masked(message: &Value) -> Value {
    let text = message.as_str().unwrap_or_default();
    json!(text.replace(|c: char| c.is_ascii_digit(), "#"))
}

#[test]
fn each_recording_is_answered_the_same() {
    let recordings = Recording::all();
    assert_eq!(recordings.len(), 31);
    let found = thread::scope(|scope| {
        let compared = recordings
            .iter()
            .filter(|recording| recording.compared() != Compared::Nothing);
        let plays: Vec<_> = compared
            .map(|recording| scope.spawn(|| recording.play()))
            .collect();
        let found = plays
            .into_iter()
            .flat_map(|play| play.join().expect("played"));
        found.collect::<Vec<_>>()
    });
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn remarks_are_about_recordings_that_lack_something() {
    let recordings = Recording::all();
    for (name, compared, why) in REMARKS {
        let recording = recordings.iter().find(|recording| recording.name == *name);
        let recording = recording.unwrap_or_else(|| panic!("no {name}, which has a remark: {why}"));
        let kept = match &recording.answer {
            None => Compared::Nothing,
            Some(answer) if !answer.complete => Compared::Head,
            Some(_) => Compared::Whole,
        };
        assert_eq!(kept, *compared, "{name}: {why}");
    }
    for recording in recordings {
        let whole = recording
            .answer
            .as_ref()
            .is_some_and(|answer| answer.complete);
        assert_eq!(
            recording.compared() == Compared::Whole,
            whole,
            "{}",
            recording.name
        );
    }
}
