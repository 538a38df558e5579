//! Every body of the API, what it answers afterwards, and the keys it leaves in etcd.

use expect_test::expect_file;
use serde_json::Value;

use crate::etcd::Etcd;
use crate::server::{Api, Settings};
use crate::transcript::{self, Stage, keys};

/// Where status keys are.
const STATUS: &str = "/containerdns/monitor/status/";

fn play(text: &str, file: &expect_test::ExpectFile) {
    let etcd = Etcd::start();
    let api = Api::over(etcd.client());
    let stage = Stage {
        api: &api,
        etcd: Some(&etcd),
    };
    transcript::check(&stage, text, file);
}

#[test]
fn bodies_become_keys() {
    play(include_str!("writes.txt"), &expect_file!["writes.txt"]);
}

#[test]
fn what_other_programs_wrote_is_shown_and_changed() {
    play(include_str!("foreign.txt"), &expect_file!["foreign.txt"]);
}

#[test]
fn settings_become_fields_and_status_keys() {
    play(include_str!("settings.txt"), &expect_file!["settings.txt"]);
}

/// A server that has all addresses probed, and one that keeps no status keys.
#[test]
fn the_configuration_says_whose_addresses_are_probed() {
    let etcd = Etcd::start();
    let start = |mode: &str| {
        Api::start(&Settings {
            etcd: Some(etcd.client()),
            api: format!("probe = {mode:?}"),
            ..Settings::default()
        })
    };
    let status_keys = || {
        let keys = keys(&etcd).into_iter();
        let keys = keys.filter(|(key, _)| key.starts_with(STATUS));
        let line = |(key, (_, value)): (String, (String, String))| format!("{key} {value}");
        keys.map(line).collect::<Vec<_>>()
    };
    let all = start("all");
    all.write("POST", "/www.a.test", r#"{"type":"A","ips":["10.0.0.1"]}"#)
        .expect(200);
    all.write("POST", "/www.a.test", r#"{"type":"TXT","text":"x"}"#)
        .expect(200);
    let kept = [format!(
        r#"{STATUS}10.0.0.1 {{"domains":["www.a.test."],"status":"UP"}}"#
    )];
    assert_eq!(status_keys(), kept);
    let none = start("none");
    let body = r#"{"type":"A","ips":["10.0.0.2"],"probe":true}"#;
    let refused = none.write("POST", "/www.a.test", body).expect(400);
    assert_eq!(refused.json()["field"], "probe");
    none.write("DELETE", "/www.a.test", "").expect(200);
    assert_eq!(status_keys(), kept);
}

#[test]
fn five_hundred_addresses_are_one_request() {
    let etcd = Etcd::start();
    let api = Api::over(etcd.client());
    let address = |number: u32| format!("10.1.{}.{}", number / 250, number % 250);
    let ips: Vec<String> = (0..500).map(address).collect();
    let body = |ips: &[String]| serde_json::json!({"type": "A", "ips": ips}).to_string();
    let shown = |api: &Api| {
        let mut ips = api.get("/big.a.test").expect(200).json()["big.a.test."]["ips"].take();
        let ips = ips.as_array_mut().map(std::mem::take).unwrap_or_default();
        let mut ips: Vec<String> = ips
            .iter()
            .map(|ip| ip.as_str().unwrap_or_default().to_owned())
            .collect();
        ips.sort();
        ips
    };
    let sorted = |ips: &[String]| {
        let mut ips = ips.to_vec();
        ips.sort();
        ips
    };
    api.write("POST", "/big.a.test", &body(&ips)).expect(200);
    assert_eq!(shown(&api), sorted(&ips));
    // 32 in the tree, the others in one bundle, and the change key.
    assert_eq!(keys(&etcd).len(), 34);
    api.write("DELETE", "/big.a.test", &body(&ips[..250]))
        .expect(200);
    assert_eq!(shown(&api), sorted(&ips[250..]));
    api.write("PUT", "/big.a.test", &body(&ips[..10]))
        .expect(200);
    assert_eq!(shown(&api), sorted(&ips[..10]));
    // Another process reads the same from the keys alone.
    assert_eq!(shown(&Api::over(etcd.client())), sorted(&ips[..10]));
    api.write("DELETE", "/big.a.test", "").expect(200);
    let left: Vec<String> = keys(&etcd).into_keys().collect();
    assert_eq!(left, ["/containerdns-changes/test/a/big"]);
}

#[test]
fn history_is_newest_first_and_outlives_the_name() {
    let etcd = Etcd::start();
    let api = Api::over(etcd.client());
    for (method, body) in [
        ("POST", r#"{"type":"A","ips":["10.0.0.1"],"user":"alice"}"#),
        (
            "PUT",
            r#"{"type":"A","update":{"10.0.0.1":"10.0.0.2"},"user":"alice"}"#,
        ),
        ("PUT", r#"{"type":"A","ttl":5,"user":"alice"}"#),
        ("DELETE", r#"{"type":"A","user":"alice"}"#),
    ] {
        api.write(method, "/www.a.test", body).expect(200);
    }
    api.get("/www.a.test").expect(404);
    let history = api.get("/www.a.test/history").expect(200).json();
    let summary = |history: &Value| {
        let entries = history["entries"].as_array().cloned().unwrap_or_default();
        let line = |entry: &Value| {
            let (change, records) = (&entry["changes"][0], |state: &Value| {
                format!("{}/{}", state["records"], state["ttl"])
            });
            format!(
                "{} {} {} {} -> {}",
                entry["method"],
                entry["token"],
                entry["user"],
                records(&change["before"]),
                records(&change["after"])
            )
            .replace('"', "")
        };
        entries.iter().map(line).collect::<Vec<_>>()
    };
    let all = [
        "DELETE root alice [10.0.0.2]/5 -> null/null",
        "PUT root alice [10.0.0.2]/30 -> [10.0.0.2]/5",
        "PUT root alice [10.0.0.1]/30 -> [10.0.0.2]/30",
        "POST root alice null/null -> [10.0.0.1]/30",
    ];
    assert_eq!(
        (summary(&history), &history["complete"]),
        (all.map(str::to_owned).to_vec(), &true.into())
    );
    let limited = api.get("/www.a.test/history?limit=2").expect(200).json();
    assert_eq!(summary(&limited), all[..2]);
    assert_eq!(limited["complete"], false);

    etcd.compact(
        history["entries"][1]["revision"]
            .as_i64()
            .expect("a revision"),
    );
    let compacted = api.get("/www.a.test/history").expect(200).json();
    assert_eq!(summary(&compacted), all[..2]);
    assert_eq!(compacted["complete"], false);

    let audit = std::fs::read_to_string(api.folder.path().join("audit.jsonl"));
    let audit = audit.expect("the audit file");
    let lines: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let methods: Vec<&Value> = lines.iter().map(|line| &line["change"]["method"]).collect();
    assert_eq!(methods, ["POST", "PUT", "PUT", "DELETE"]);
    assert_eq!(lines[3]["revision"], history["entries"][0]["revision"]);
}

/// Each name of a batch has its own user in the history.
#[test]
fn the_history_of_a_batch_names_the_user_of_each_name() {
    let api = Api::embedded();
    let batch = r#"[{"name":"h1.a.test","type":"A","ips":["10.0.0.1"],"user":"alice"},
                    {"name":"h2.a.test","type":"A","ips":["10.0.0.1"],"user":"bob"},
                    {"name":"h3.a.test","type":"A","ips":["10.0.0.1"]}]"#;
    api.write("POST", "", batch).expect(200);
    for (name, user) in [
        ("h1", "alice".into()),
        ("h2", "bob".into()),
        ("h3", Value::Null),
    ] {
        let history = api
            .get(&format!("/{name}.a.test/history"))
            .expect(200)
            .json();
        assert_eq!(history["entries"][0]["user"], user, "{name}");
    }
}
