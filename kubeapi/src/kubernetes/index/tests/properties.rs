//! Whatever happens to the objects, in whatever order: the index is as one that is made of what is
//! left, and every key whose value changed was given.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::objects::{alias, annotated, import, imported_slice, pod, slice};
use super::*;

#[derive(Debug, Clone)]
enum Step {
    Apply(Value),
    Delete(Value),
    /// A list of one kind that has every object but these.
    List(ObjectKind, Vec<&'static str>),
}

const NAMES: [&str; 2] = ["a", "b"];

fn path() -> impl Strategy<Value = String> {
    (select(vec!["prod", "test", "com"]), select(NAMES.to_vec()))
        .prop_map(|(namespace, name)| format!("{namespace}/{name}"))
}

fn endpoints() -> impl Strategy<Value = String> {
    let all = vec![
        "10.1.0.1",
        "10.1.0.2 name=x",
        "10.1.0.3 notready",
        "fd00::4 pod=p",
        "bad",
    ];
    subsequence(all, 0..4).prop_map(|some| some.join(","))
}

fn any_service() -> impl Strategy<Value = Value> {
    let addresses = select(vec!["", "None", "10.96.0.1", "10.96.0.2 fd00:96::2", "bad"]);
    let ports = select(vec!["", "http/TCP/80", "http/TCP/80 dns/UDP/53"]);
    let note = select(vec![
        ("x", ""),
        ("ttl", "9"),
        ("ttl", "bad"),
        ("ttl", "worse"),
        ("policy", "sticky"),
        ("hostname", "h.apps.test"),
        ("hostname", "bad.test"),
    ]);
    (path(), addresses, ports, note, any::<bool>()).prop_map(
        |(path, addresses, ports, note, eager)| {
            let mut object = annotated(service(&path, addresses, ports), note.0, note.1);
            object["spec"]["publishNotReadyAddresses"] = eager.into();
            let external = if eager { "198.51.100.1" } else { "bad" };
            object["spec"]["externalIPs"] = json!([external]);
            object
        },
    )
}

fn any_object() -> impl Strategy<Value = Value> {
    let target = select(vec!["www.example.org", "a.prod.svc.z.test", "192.0.2.1"]);
    let label = select(vec!["yes", "no"]);
    prop_oneof![
        3 => any_service(),
        1 => (path(), target).prop_map(|(path, target)| alias(&path, target)),
        3 => (path(), select(NAMES.to_vec()), endpoints())
            .prop_map(|(path, of, endpoints)| slice(&path, of, "http/TCP/80", &endpoints)),
        1 => (path(), select(NAMES.to_vec()), endpoints())
            .prop_map(|(path, of, endpoints)| imported_slice(&path, (of, "eu"), "", &endpoints)),
        1 => (path(), select(vec!["Running", "Failed"]), select(vec!["", "10.1.0.1", "fd00::4"]))
            .prop_map(|(path, phase, address)| pod(&path, phase, address)),
        1 => (path(), select(vec!["", "10.112.0.1", "10.112.0.1 bad"]))
            .prop_map(|(path, addresses)| import(&path, addresses, "http/TCP/80")),
        2 => (select(vec!["prod", "test", "com"]), label).prop_map(|(name, label)| {
            json!({"kind": "Namespace", "metadata": {"name": name, "labels": {"dns": label}}})
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let list = (
        select(ObjectKind::ALL.to_vec()),
        subsequence(vec!["a", "b", "prod", "test"], 0..3),
    );
    prop_oneof![
        6 => any_object().prop_map(Step::Apply),
        2 => any_object().prop_map(Step::Delete),
        1 => list.prop_map(|(kind, without)| Step::List(kind, without)),
    ]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let pods = select(vec![
        PodNames::Disabled,
        PodNames::Insecure,
        PodNames::Verified,
    ]);
    (any::<[bool; 5]>(), pods).prop_map(|(flags, pods)| {
        let [empty, pod_names, set, external, selected] = flags;
        with(|settings| {
            settings.ignore_empty_services = empty;
            settings.endpoint_pod_names = pod_names;
            settings.pods = pods;
            if set {
                settings.clusterset_zones = names(&["set.test"]);
            }
            if external {
                settings.external_zones = names(&["pub.test"]);
            }
            if selected {
                let selected = kube::core::Expression::Equal("dns".into(), "yes".into());
                settings.namespace_selector = selected.into();
            }
        })
    })
}

/// Takes `step` into the index and into the plain list of objects; gives the keys.
fn take(index: &mut Index, left: &mut BTreeMap<ObjectId, Value>, step: &Step) -> Keys {
    match step {
        Step::Apply(value) => {
            let typed = object(value);
            left.insert(typed.id(), value.clone());
            index.apply(&typed)
        }
        Step::Delete(value) => {
            let id = object(value).id();
            left.remove(&id);
            index.delete(&id)
        }
        Step::List(kind, without) => {
            left.retain(|id, _| id.kind != *kind || !without.contains(&&id.name[..]));
            index.retain(*kind, &left.keys().cloned().collect())
        }
    }
}

fn refused(index: &Index) -> Vec<String> {
    let mut refused: Vec<String> = index.refusals().map(|one| one.message.clone()).collect();
    refused.sort();
    refused
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_changes_end_like_a_fresh_start(
        settings in any_settings(),
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let mut index = Index::new(settings.clone());
        let mut left = BTreeMap::new();
        for step in &steps {
            let before = values(&index);
            let given = take(&mut index, &mut left, step);
            let after = values(&index);
            for key in before.keys().chain(after.keys()) {
                let same = before.get(key) == after.get(key);
                prop_assert!(same || given.contains(key), "{:?}: {}", step, short(key));
            }
            for key in &given {
                let value = index.value(key).expect("it fits");
                prop_assert_eq!(value.as_ref(), after.get(key), "in keys()");
            }
            if let Step::Apply(value) = step {
                prop_assert_eq!(index.apply(&object(value)), Keys::new(), "{:?} again", step);
            }
            let fresh = super::index(&settings, left.values());
            prop_assert_eq!(after, values(&fresh));
            prop_assert_eq!(refused(&index), refused(&fresh));
            for kind in ObjectKind::ALL {
                prop_assert_eq!(index.count(kind), fresh.count(kind));
            }
        }
    }
}
