//! What holds for any changes: the order of changes does not matter, and the nodes are a tree.

use containerdns_schema::format::{AnswerPolicy, Contributed, Mark, Reach, ZoneAddresses};
use containerdns_schema::record::Record;
use proptest::prelude::*;

use super::*;

const OWNERS: &[&str] = &[
    "t",
    "a.t",
    "b.a.t",
    "c.b.a.t",
    "*.a.t",
    "*.t",
    "x.*.t",
    "d.t",
    "dns.t",
    "ns.dns.t",
    "n.ns.dns.t",
    "apex.dns.t",
    "z.apex.dns.t",
    "c.t",
    "e.c.t",
    "1.0.0.10.in-addr.arpa",
    "0.0.10.in-addr.arpa",
    "elsewhere",
];
const RECORDS: &[(RecordType, &str)] = &[
    (RecordType::A, "10.0.0.1"),
    (RecordType::A, "10.0.0.2"),
    (RecordType::A, "10.0.1.1"),
    (RecordType::AAAA, "fd00::1"),
    (RecordType::NS, "b.a.t."),
    (RecordType::NS, "a.t."),
    (RecordType::NS, "ns.other."),
    (RecordType::CNAME, "d.t."),
    (RecordType::CNAME, "D.t."),
    (RecordType::CNAME, "a.other."),
    (RecordType::TXT, "text"),
    (RecordType::MX, "10 a.t."),
    (RecordType::PTR, "a.t."),
    (RecordType::SOA, "a.t. b.t. 1 2 3 4 5"),
    (RecordType::SOA, "b.t. b.t. 1 2 3 4 5"),
];

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Vec<Contributed>),
    Health(u8, bool),
    Delete(u8),
    Take,
}

fn contributed() -> impl Strategy<Value = Contributed> {
    let ttl = prop::sample::select(vec![None, Some(5), Some(60)]);
    let reach = prop::sample::select(vec![Reach::Owner, Reach::Subtree]);
    let group = prop::option::of((2..5u8, prop::sample::select(vec!["", "g", "h"])));
    let owner = prop::sample::select(OWNERS);
    let record = prop::sample::select(RECORDS);
    (owner, record, ttl, reach, group).prop_map(|(owner, (rtype, rdata), ttl, reach, group)| {
        Contributed {
            record: Record {
                owner: Name::parse(owner).unwrap(),
                rtype,
                ttl,
                rdata: Rdata::parse(rtype, rdata).unwrap(),
            },
            reach,
            weight: None,
            group: group.map(|(key_labels, name)| Group {
                key_labels,
                name: (!name.is_empty()).then(|| name.into()),
            }),
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6u8, prop::collection::vec(contributed(), 0..4))
            .prop_map(|(key, records)| Step::Put(key, records)),
        1 => (6..8u8, any::<bool>()).prop_map(|(key, down)| Step::Health(key, down)),
        3 => (0..8u8).prop_map(Step::Delete),
        2 => Just(Step::Take),
    ]
}

fn told() -> Told {
    let mut all = settings(&["t", "c.t", "10.in-addr.arpa"]);
    all.server_addresses = vec!["10.0.0.53".parse().unwrap()];
    all.topology = topology(&[("a", "10.0.0.0/24"), ("b", "10.0.1.0/24")]);
    Told::with(all)
}

/// What key number `key` says of names beside its records, if it is one that does.
fn marks(key: u8) -> Vec<(Name, Mark)> {
    let mark = match key {
        2 => Mark::Exists,
        3 => Mark::Policy(AnswerPolicy::Sticky),
        4 => Mark::AddressNames { ttl_s: 5 },
        _ => return Vec::new(),
    };
    vec![(Name::parse("a.b.t").unwrap(), mark)]
}

/// Some keys say where an address is, that others have, too.
fn zones(key: u8) -> ZoneAddresses {
    let in_zone = |zone: &str, last| (zone.into(), vec![IpAddr::from([10, 0, 0, last])]);
    match key {
        1 => vec![in_zone("a", 0)],
        2 => vec![in_zone("b", 0), in_zone("nowhere", 1)],
        _ => Vec::new(),
    }
}

fn apply(told: &mut Told, step: &Step) {
    told.revision += 1;
    let stamp = routes::stamp(told.revision, b"");
    match step {
        Step::Put(key, records) => {
            let records = records.clone();
            let marks = marks(*key);
            let contribution = Contribution {
                records,
                marks,
                pointers_given: *key == 5,
                probe: None,
                zones: zones(*key),
            };
            let adds = match key {
                4 => Adds::ViewRecords(ViewId(0), contribution),
                5 => Adds::ViewRecords(ViewId(1), contribution),
                _ => Adds::Records(contribution),
            };
            told.model.put(&[*key], stamp, 0, adds);
        }
        Step::Health(key, down) => {
            let address = IpAddr::from([10, 0, 0, key - 5]);
            let word = match down {
                true => Word::Down(None),
                false => Word::Up,
            };
            told.model
                .put(&[*key], stamp, 0, Adds::Health(address, word));
        }
        Step::Delete(key) => drop(told.model.delete(&[*key])),
        Step::Take => drop(told.take()),
    }
}

/// A view's tree: names up to the apex exist, and there is neither SOA nor NS.
fn is_a_view(told: &Told) {
    for ((view, owner), node) in &told.view_nodes {
        let wildcard = Name::parse(&format!("*.{owner}")).unwrap();
        let has = |name: Name| told.view_nodes.contains_key(&(*view, name));
        assert_eq!(node.wildcard_child, has(wildcard), "{owner}");
        assert!(
            node.kind == Kind::Apex || has(owner.parent().unwrap()),
            "{owner}"
        );
        let left_out = [crate::table::rtype::NS, crate::table::rtype::SOA];
        assert!(
            left_out.iter().all(|rtype| node.rrset(*rtype).is_none()),
            "{owner}"
        );
    }
}

/// The tree that answering relies on: names up to the apex exist, a wildcard child is known of,
/// nothing is below a cut.
fn is_a_tree(told: &Told) {
    let at = |name: &Name| told.nodes.get(name);
    for (owner, node) in &told.nodes {
        assert_eq!(node.hash, crate::wire::hash(node.owner()));
        let wildcard = Name::parse(&format!("*.{owner}")).unwrap();
        let cut = node.kind == Kind::Cut;
        assert_eq!(node.wildcard_child && !cut, at(&wildcard).is_some());
        if node.kind != Kind::Apex {
            let parent = owner.parent().unwrap();
            let parent = at(&parent).unwrap_or_else(|| panic!("nothing above {owner}"));
            assert_ne!(parent.kind, Kind::Cut, "{owner}");
            assert_eq!(parent.zone, node.zone, "{owner}");
        }
        let aliases = node.rrset(crate::table::rtype::CNAME);
        assert!(aliases.is_none_or(|rrset| rrset.count == 1), "{owner}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_history_gives_what_the_final_keys_give(steps in prop::collection::vec(step(), 0..40)) {
        let mut lived = told();
        let mut last: BTreeMap<u8, &Step> = BTreeMap::new();
        for step in &steps {
            apply(&mut lived, step);
            match step {
                Step::Put(key, _) | Step::Health(key, _) => drop(last.insert(*key, step)),
                Step::Delete(key) => drop(last.remove(key)),
                Step::Take => {}
            }
        }
        lived.take();
        is_a_tree(&lived);
        is_a_view(&lived);
        let mut fresh = told();
        for step in last.values() {
            apply(&mut fresh, step);
        }
        fresh.take();
        let lines = |told: &Told| told.nodes.values().map(shown).collect::<Vec<_>>();
        prop_assert_eq!(lines(&lived), lines(&fresh));
        prop_assert_eq!(&lived.nodes, &fresh.nodes);
        prop_assert_eq!(&lived.view_nodes, &fresh.view_nodes);
        let in_views = |told: &Told| told.model.names_in_views().collect::<Vec<_>>();
        prop_assert_eq!(in_views(&lived), in_views(&fresh));
        let soas = |told: &Told| told.model.soas.clone();
        prop_assert_eq!(soas(&lived), soas(&fresh));
        let counts = |told: &Told| Counts {
            records_outside: 0,
            records_left_out: 0,
            ..told.model.counts()
        };
        prop_assert_eq!(counts(&lived), counts(&fresh));
        let holders = |told: &mut Told| told.model.holders.len(&told.model.states);
        prop_assert_eq!(holders(&mut lived), holders(&mut fresh));
    }
}
