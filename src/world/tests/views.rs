//! Views from keys to answers: what a client of the view gets beside what everybody gets. Records
//! go through the formats and the model, as in production.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU8;

use containerdns_schema::{AddressPrefix, Format, Name};

use super::*;
use crate::model::{Model, ModelSettings};
use crate::sync::{Routes, routes};
use crate::table::ViewId;
use crate::views::Views;

mod merged;

const EVERYBODY: [u8; 4] = [192, 0, 2, 1];
const OFFICE: [u8; 4] = [10, 9, 0, 1];

/// Everybody's records, then those of the view.
const RECORDS: [&[&str]; 2] = [
    &[
        "t MX 10 mail.t.",
        "t A 10.0.0.1",
        "t NS ns.t.",
        "ns.t A 10.0.0.53",
        "mail.t A 10.0.0.2",
        "a.t A 10.0.0.3",
        "a.t TXT base",
        "base.t A 10.0.0.4",
        "alias.t CNAME a.t.",
        "srv.t SRV 1 2 80 a.t.",
        "*.w.t A 10.0.0.5",
        "exact.v.t A 10.0.0.6",
        "*.both.t A 10.0.0.7",
        "deep.ent.t A 10.0.0.8",
        "*.t TXT wild",
        "sub.t NS ns.sub.t.",
        "ns.sub.t A 10.0.0.9",
        "cut.t NS ns.cut.t.",
        "ns.cut.t A 10.0.0.10",
    ],
    &[
        "t A 10.9.0.1",
        "t NS other.t.",
        "a.t A 10.9.0.3",
        "only.t A 10.9.0.4",
        "inner.t CNAME base.t.",
        "outer.t CNAME a.t.",
        "*.v.t A 10.9.0.6",
        "*.both.t A 10.9.0.7",
        "x.w.t AAAA fd00:9::5",
        "more.ent.t A 10.9.0.8",
        "far.away.t A 10.9.0.9",
        "host.sub.t A 10.9.0.10",
        "cut.t A 10.9.0.11",
        "*.wild.sub.t A 10.9.0.12",
        "1.0.9.10.in-addr.arpa PTR given.t.",
    ],
];

/// A bundle of `records`, each written `owner type rdata`.
fn bundle(records: &[&str]) -> String {
    let rrsets = records.iter().map(|record| {
        let fields: Vec<&str> = record.splitn(3, ' ').collect();
        serde_json::json!({"name": fields[0], "type": fields[1], "ttl": 5, "rdata": [fields[2]]})
    });
    serde_json::json!({"v": 1, "rrsets": rrsets.collect::<Vec<_>>()}).to_string()
}

const KEYS: [&str; 2] = ["/kube/one/services/ns/all", "/office/one/services/ns/all"];

/// A world with one view, and the model that tells it of changes.
struct Both {
    world: World,
    model: Model,
    routes: Routes,
}

impl Both {
    fn new() -> Both {
        let clients = [AddressPrefix::parse("10.9.0.0/16").unwrap()];
        let views = Views::new([("office", &clients[..])]);
        let mut settings = world(Vec::new(), b"").settings;
        settings.clients.views = Arc::new(views);
        settings.zones.0.push(Zone {
            apex: wire("10.in-addr.arpa").into(),
            ..settings.zones.0[0].clone()
        });
        let model = Model::new(ModelSettings {
            zones: settings.zones.clone(),
            reverse: HashSet::from([ZoneId(1)]),
            views: 1,
            ttl_default_s: 30,
            subset_len: NonZeroU8::MIN,
            policy: Policy::Rotate,
            zone_policies: HashMap::new(),
            name_policies: Vec::new(),
            topology: Arc::default(),
            server_addresses: Vec::new(),
        });
        let zones = ["t", "10.in-addr.arpa"].map(|zone| Name::parse(zone).unwrap());
        let path = |path: &str| [(path.to_owned(), Format::Bundle)];
        let routes = Routes::new(path("/kube/"), None, zones.into());
        let mut both = Both {
            world: World::new(settings, 7, Arc::default()),
            model,
            routes: routes.with_view(ViewId(0), path("/office/")),
        };
        both.put(KEYS[0], &bundle(RECORDS[0]));
        both.put(KEYS[1], &bundle(RECORDS[1]));
        both.tell(vec![Change::Ready]);
        both
    }

    fn put(&mut self, key: &str, value: &str) {
        let adds = self.routes.decode(key.as_bytes(), value.as_bytes());
        let stamp = routes::stamp(1, value.as_bytes());
        self.model.put(key.as_bytes(), stamp, 0, adds.unwrap());
        let changes = self.model.take_changes(usize::MAX);
        self.tell(changes);
    }

    fn tell(&mut self, changes: Vec<Change>) {
        self.world.apply(&Delta {
            revision: 9,
            changes: changes.into(),
        });
    }

    /// The answer to one client: code, answers in the order of their text, what is beside them.
    fn ask(&mut self, client: [u8; 4], name: &str, qtype: u16) -> String {
        self.ask_with(client, name, qtype, None)
    }

    /// The same to a query that carries a client subnet, the response's scope behind it.
    fn ask_with(
        &mut self,
        client: [u8; 4],
        name: &str,
        qtype: u16,
        subnet: Option<[u8; 7]>,
    ) -> String {
        let mut out = vec![0; 65_535];
        let option = subnet.map(|subnet| [&[0, 8, 0, 7][..], &subnet].concat());
        let edns = option.as_deref().map(|option| (1232, option));
        let query = query(name, qtype, edns);
        let asked = Asked::new(&query, client.into(), Transport::Tcp, 0);
        let length = self.world.respond(&asked, &mut out);
        let decoded = Decoded::from_vec(&out[..length]).unwrap();
        let shown = |records: &[Record]| {
            let short = records.iter().map(|record| {
                let text = record.to_string().replace(" 5 IN ", " ");
                text.split(" ns.t. admin.t.").next().unwrap().to_owned()
            });
            let mut short: Vec<String> = short.collect();
            short.sort();
            short.join(", ")
        };
        let beside = [decoded.authorities, decoded.additionals].concat();
        let (answers, beside) = (shown(&decoded.answers), shown(&beside));
        let code = decoded.metadata.response_code;
        // The option is the last of OPT, and OPT the last record.
        let scope = subnet.map_or(String::new(), |_| format!("scope {}", out[length - 4]));
        let parts = [format!("{code:?}"), answers, beside, scope];
        let parts = parts.iter().filter(|part| !part.is_empty());
        parts.cloned().collect::<Vec<_>>().join(" | ")
    }

    /// Questions, and what everybody and then the client of the view are answered.
    fn check(&mut self, questions: &[(&str, u16)], expected: Expect) {
        let mut lines = Vec::new();
        for (name, qtype) in questions {
            lines.push((*name).to_owned());
            for (who, client) in [("all   ", EVERYBODY), ("office", OFFICE)] {
                lines.push(format!("  {who} {}", self.ask(client, name, *qtype)));
            }
        }
        expected.assert_eq(&lines.join("\n"));
    }
}

#[test]
fn names_with_records_in_the_view() {
    let mut both = Both::new();
    both.check(
        &[("a.t", rtype::A)],
        expect![[r#"
        a.t
          all    NoError | a.t. A 10.0.0.3
          office NoError | a.t. A 10.9.0.3"#]],
    );
    // Of all types: what everybody's name has beside is not the view's.
    both.check(
        &[
            ("a.t", rtype::TXT),
            ("only.t", rtype::A),
            ("base.t", rtype::A),
            ("nowhere.base.t", rtype::A),
        ],
        expect![[r#"
            a.t
              all    NoError | a.t. TXT base
              office NoError | t. 4 IN SOA
            only.t
              all    NoError | t. 4 IN SOA
              office NoError | only.t. A 10.9.0.4
            base.t
              all    NoError | base.t. A 10.0.0.4
              office NoError | base.t. A 10.0.0.4
            nowhere.base.t
              all    NXDomain | t. 4 IN SOA
              office NXDomain | t. 4 IN SOA"#]],
    );
}

#[test]
fn apexes_have_the_zones_soa_and_name_servers() {
    let mut both = Both::new();
    both.check(
        &[
            ("t", rtype::A),
            ("t", rtype::MX),
            ("t", rtype::NS),
            ("t", rtype::SOA),
            ("10.in-addr.arpa", rtype::NS),
        ],
        expect![[r#"
            t
              all    NoError | t. A 10.0.0.1
              office NoError | t. A 10.9.0.1
            t
              all    NoError | t. MX 10 mail.t. | mail.t. A 10.0.0.2
              office NoError | t. 4 IN SOA
            t
              all    NoError | t. NS ns.t. | ns.t. A 10.0.0.53
              office NoError | t. NS ns.t. | ns.t. A 10.0.0.53
            t
              all    NoError | t. 30 IN SOA
              office NoError | t. 30 IN SOA
            10.in-addr.arpa
              all    NoError | 10.in-addr.arpa. 30 IN NS ns.dns.10.in-addr.arpa.
              office NoError | 10.in-addr.arpa. 30 IN NS ns.dns.10.in-addr.arpa."#]],
    );
}

#[test]
fn aliases_and_additional_addresses_stay_in_the_view() {
    let mut both = Both::new();
    both.check(
        &[
            ("alias.t", rtype::A),
            ("outer.t", rtype::A),
            ("inner.t", rtype::A),
            ("srv.t", rtype::SRV),
        ],
        expect![[r#"
            alias.t
              all    NoError | a.t. A 10.0.0.3, alias.t. CNAME a.t.
              office NoError | a.t. A 10.9.0.3, alias.t. CNAME a.t.
            outer.t
              all    NoError | t. 4 IN SOA
              office NoError | a.t. A 10.9.0.3, outer.t. CNAME a.t.
            inner.t
              all    NoError | t. 4 IN SOA
              office NoError | base.t. A 10.0.0.4, inner.t. CNAME base.t.
            srv.t
              all    NoError | srv.t. SRV 1 2 80 a.t. | a.t. A 10.0.0.3
              office NoError | srv.t. SRV 1 2 80 a.t. | a.t. A 10.9.0.3"#]],
    );
}

#[test]
fn wildcards() {
    let mut both = Both::new();
    // A wildcard of the view beside an exact name of everybody's, and one that both have.
    both.check(
        &[
            ("exact.v.t", rtype::A),
            ("other.v.t", rtype::A),
            ("x.both.t", rtype::A),
        ],
        expect![[r#"
            exact.v.t
              all    NoError | exact.v.t. A 10.0.0.6
              office NoError | exact.v.t. A 10.0.0.6
            other.v.t
              all    NXDomain | t. 4 IN SOA
              office NoError | other.v.t. A 10.9.0.6
            x.both.t
              all    NoError | x.both.t. A 10.0.0.7
              office NoError | x.both.t. A 10.9.0.7"#]],
    );
    // An exact name of the view below a wildcard of everybody's.
    both.check(
        &[("x.w.t", rtype::A), ("y.w.t", rtype::A)],
        expect![[r#"
        x.w.t
          all    NoError | x.w.t. A 10.0.0.5
          office NoError | t. 4 IN SOA
        y.w.t
          all    NoError | y.w.t. A 10.0.0.5
          office NoError | y.w.t. A 10.0.0.5"#]],
    );
}

/// Of both, of the view alone, and what is not below it.
#[test]
fn empty_non_terminals() {
    let mut both = Both::new();
    both.check(
        &[
            ("ent.t", rtype::A),
            ("more.ent.t", rtype::A),
            ("deep.ent.t", rtype::A),
            ("away.t", rtype::TXT),
            ("x.away.t", rtype::TXT),
        ],
        expect![[r#"
            ent.t
              all    NoError | t. 4 IN SOA
              office NoError | t. 4 IN SOA
            more.ent.t
              all    NXDomain | t. 4 IN SOA
              office NoError | more.ent.t. A 10.9.0.8
            deep.ent.t
              all    NoError | deep.ent.t. A 10.0.0.8
              office NoError | deep.ent.t. A 10.0.0.8
            away.t
              all    NoError | away.t. TXT wild
              office NoError | t. 4 IN SOA
            x.away.t
              all    NoError | x.away.t. TXT wild
              office NXDomain | t. 4 IN SOA"#]],
    );
}

#[test]
fn delegations_are_everybodys() {
    let mut both = Both::new();
    both.check(
        &[
            ("sub.t", rtype::A),
            ("host.sub.t", rtype::A),
            ("x.host.sub.t", rtype::A),
            ("x.wild.sub.t", rtype::A),
            ("cut.t", rtype::A),
            ("x.cut.t", rtype::A),
        ],
        expect![[r#"
            sub.t
              all    NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t.
              office NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t.
            host.sub.t
              all    NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t.
              office NoError | host.sub.t. A 10.9.0.10
            x.host.sub.t
              all    NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t.
              office NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t.
            x.wild.sub.t
              all    NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t.
              office NoError | x.wild.sub.t. A 10.9.0.12
            cut.t
              all    NoError | cut.t. NS ns.cut.t., ns.cut.t. A 10.0.0.10
              office NoError | cut.t. A 10.9.0.11
            x.cut.t
              all    NoError | cut.t. NS ns.cut.t., ns.cut.t. A 10.0.0.10
              office NoError | cut.t. NS ns.cut.t., ns.cut.t. A 10.0.0.10"#]],
    );
}

#[test]
fn pointers_are_made_for_whom_the_address_is() {
    let mut both = Both::new();
    both.check(
        &[
            ("3.0.9.10.in-addr.arpa", rtype::PTR),
            ("1.0.9.10.in-addr.arpa", rtype::PTR),
            ("3.0.0.10.in-addr.arpa", rtype::PTR),
        ],
        expect![[r#"
            3.0.9.10.in-addr.arpa
              all    NXDomain | 10.in-addr.arpa. 4 IN SOA
              office NoError | 3.0.9.10.in-addr.arpa. PTR a.t.
            1.0.9.10.in-addr.arpa
              all    NXDomain | 10.in-addr.arpa. 4 IN SOA
              office NoError | 1.0.9.10.in-addr.arpa. PTR given.t.
            3.0.0.10.in-addr.arpa
              all    NoError | 3.0.0.10.in-addr.arpa. PTR a.t.
              office NoError | 3.0.0.10.in-addr.arpa. PTR a.t."#]],
    );
}

#[test]
fn names_come_and_go_in_the_view() {
    let mut both = Both::new();
    both.put(KEYS[1], &bundle(&["base.t A 10.9.0.99"]));
    both.check(
        &[("base.t", rtype::A), ("a.t", rtype::A), ("t", rtype::A)],
        expect![[r#"
            base.t
              all    NoError | base.t. A 10.0.0.4
              office NoError | base.t. A 10.9.0.99
            a.t
              all    NoError | a.t. A 10.0.0.3
              office NoError | a.t. A 10.0.0.3
            t
              all    NoError | t. A 10.0.0.1
              office NoError | t. A 10.0.0.1"#]],
    );
    both.put(KEYS[1], &bundle(&[]));
    both.check(
        &[("base.t", rtype::A)],
        expect![[r#"
        base.t
          all    NoError | base.t. A 10.0.0.4
          office NoError | base.t. A 10.0.0.4"#]],
    );
    assert!(both.world.tables().view(ViewId(0)).unwrap().is_empty());
}

/// Names that are addresses: a parent of the view's, and one of everybody's with records in it.
#[test]
fn names_that_are_addresses() {
    let mut both = Both::new();
    let marked = |parent: &str| {
        format!(r#"{{"v":1,"rrsets":[],"address_names":[{{"name":"{parent}","ttl":5}}]}}"#)
    };
    both.put("/office/one/namespaces/ns/own", &marked("pod.t"));
    both.put("/kube/one/namespaces/ns/base", &marked("a.t"));
    both.check(
        &[
            ("10-1-2-3.pod.t", rtype::A),
            ("10-1-2-3.a.t", rtype::A),
            ("10-1-2-3.a.t", rtype::TXT),
        ],
        expect![[r#"
            10-1-2-3.pod.t
              all    NoError | t. 4 IN SOA
              office NoError | 10-1-2-3.pod.t. A 10.1.2.3
            10-1-2-3.a.t
              all    NoError | 10-1-2-3.a.t. A 10.1.2.3
              office NoError | 10-1-2-3.a.t. A 10.1.2.3
            10-1-2-3.a.t
              all    NoError | t. 4 IN SOA
              office NoError | t. 4 IN SOA"#]],
    );
}

/// The subnet that a trusted forwarder names decides on the view, and whatever is answered holds
/// for the network of that view only: also that there is nothing.
#[test]
fn behind_a_forwarder() {
    let mut both = Both::new();
    let mut lines = Vec::new();
    for (name, qtype) in [
        ("a.t", rtype::A),
        ("other.v.t", rtype::A),
        ("srv.t", rtype::SRV),
        ("sub.t", rtype::A),
        ("elsewhere", rtype::A),
    ] {
        lines.push(name.to_owned());
        for [a, b, c] in [[192, 0, 2], [10, 9, 3], [10, 8, 0]] {
            let option = [0, 1, 24, 0, a, b, c];
            let answer = both.ask_with([127, 0, 0, 1], name, qtype, Some(option));
            lines.push(format!("  {a}.{b}.{c}.0 {answer}"));
        }
    }
    expect![[r#"
        a.t
          192.0.2.0 NoError | a.t. A 10.0.0.3 | scope 1
          10.9.3.0 NoError | a.t. A 10.9.0.3 | scope 16
          10.8.0.0 NoError | a.t. A 10.0.0.3 | scope 16
        other.v.t
          192.0.2.0 NXDomain | t. 4 IN SOA | scope 1
          10.9.3.0 NoError | other.v.t. A 10.9.0.6 | scope 16
          10.8.0.0 NXDomain | t. 4 IN SOA | scope 16
        srv.t
          192.0.2.0 NoError | srv.t. SRV 1 2 80 a.t. | scope 1
          10.9.3.0 NoError | srv.t. SRV 1 2 80 a.t. | scope 16
          10.8.0.0 NoError | srv.t. SRV 1 2 80 a.t. | scope 16
        sub.t
          192.0.2.0 NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t. | scope 1
          10.9.3.0 NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t. | scope 16
          10.8.0.0 NoError | ns.sub.t. A 10.0.0.9, sub.t. NS ns.sub.t. | scope 16
        elsewhere
          192.0.2.0 Refused | scope 0
          10.9.3.0 Refused | scope 0
          10.8.0.0 Refused | scope 0"#]]
    .assert_eq(&lines.join("\n"));
    // The option of a stranger says nothing.
    let option = Some([0, 1, 24, 0, 10, 9, 3]);
    let mut both = Both::new();
    let answer = both.ask_with(EVERYBODY, "a.t", rtype::A, option);
    expect!["NoError | a.t. A 10.0.0.3"].assert_eq(answer.split(" | scope").next().unwrap());
}
