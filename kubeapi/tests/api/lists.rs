//! Lists of names: filters, pages, and what a token may see.

use std::collections::BTreeSet;

use expect_test::expect_file;
use serde_json::{Value, json};

use crate::server::Api;
use crate::transcript::{self, Stage};

#[test]
fn lists_are_filtered() {
    let api = Api::embedded();
    let stage = Stage {
        api: &api,
        etcd: None,
    };
    transcript::check(
        &stage,
        include_str!("lists.txt"),
        &expect_file!["lists.txt"],
    );
}

/// Pages and the streamed list show every name once, in the same order.
#[test]
fn pages_show_every_name_once() {
    let api = Api::embedded();
    let names: BTreeSet<String> = (0..1500)
        .map(|number| format!("n{number}.a.test."))
        .collect();
    for names in names.iter().collect::<Vec<_>>().chunks(50) {
        let change = |name: &&String| json!({"name": name, "type": "A", "ips": ["10.0.0.1"]});
        let batch: Vec<Value> = names.iter().map(change).collect();
        api.write("POST", "", &json!(batch).to_string()).expect(200);
    }
    let keys = |body: &Value| -> Vec<String> {
        body.as_object()
            .map_or(Vec::new(), |names| names.keys().cloned().collect())
    };
    let whole = api.get("").expect(200).json();
    assert_eq!(keys(&whole).into_iter().collect::<BTreeSet<_>>(), names);
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let answer = api.get(&format!("?limit=400&after={after}")).expect(200);
        let page = keys(&answer.json());
        assert!(page.len() <= 400, "{}", page.len());
        paged.extend(page);
        match answer.header("x-containerdns-next") {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    assert_eq!(paged.len(), names.len());
    assert_eq!(paged.into_iter().collect::<BTreeSet<_>>(), names);
}
