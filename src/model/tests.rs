//! The model as tables: keys and values as writers leave them, and the nodes that cores then hold.
//!
//! Values go through the formats as in production. `Told` is what a core was told so far, printed
//! one node a line: owner, what it is, its RRsets, its glue.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use containerdns_schema::AddressPrefix;
use containerdns_schema::format::Format;
use containerdns_schema::name::Name;
use containerdns_schema::rdata::Rdata;
use containerdns_schema::record::RecordType;
use expect_test::Expect;

use super::*;
use crate::sync::{Routes, routes};
use crate::table::{Kind, Node, RECORD_FIXED_LEN, RRsetView};

mod cuts;
mod marks;
mod properties;
mod records;
mod skydns;
mod topology;
mod views;
mod zones;

/// A model with what it has told so far.
struct Told {
    model: Model,
    routes: Routes,
    revision: i64,
    nodes: BTreeMap<Name, Node>,
    /// What clients of views were told beside that.
    view_nodes: BTreeMap<(ViewId, Name), Node>,
    soas: BTreeMap<ZoneId, Arc<Soa>>,
}

/// A name's octets on the wire.
fn wire(name: &str) -> Vec<u8> {
    Name::parse(name).unwrap().wire().to_vec()
}

fn zone(apex: &str) -> Zone {
    Zone {
        apex: wire(apex).into(),
        parent: None,
        soa: Soa {
            mname: wire(&format!("ns.dns.{apex}")).into(),
            rname: wire(&format!("hostmaster.{apex}")).into(),
            timers_s: [7200, 1800, 86400, 5],
            ttl_s: 30,
        },
    }
}

/// Settings for these zones; those under `arpa` get PTR records from addresses.
fn settings(apexes: &[&str]) -> ModelSettings {
    let reverse = apexes.iter().enumerate();
    let reverse = reverse.filter(|(_, apex)| apex.ends_with("arpa"));
    ModelSettings {
        zones: Zones(apexes.iter().map(|apex| zone(apex)).collect()),
        reverse: reverse.map(|(place, _)| ZoneId(place as u16)).collect(),
        views: 2,
        ttl_default_s: 30,
        subset_len: NonZeroU8::new(2).unwrap(),
        policy: Policy::Rotate,
        zone_policies: HashMap::new(),
        name_policies: Vec::new(),
        topology: Arc::default(),
        server_addresses: Vec::new(),
    }
}

/// Topology zones with one prefix each.
fn topology(zones: &[(&str, &str)]) -> Arc<Topology> {
    let prefix = |text| AddressPrefix::parse(text).unwrap();
    let zones = zones.iter();
    let zones = zones.map(|(zone, text)| ((*zone).to_owned(), vec![prefix(text)]));
    Arc::new(Topology::new(&zones.collect::<Vec<_>>()))
}

impl Told {
    /// Everything is told for `t`, the zone of most tables; what a new model says is not shown.
    fn new() -> Told {
        let mut told = Told::with(settings(&["t"]));
        told.take();
        told
    }

    fn with(settings: ModelSettings) -> Told {
        let zones = settings.zones.0.iter();
        let zones = zones.map(|zone| Name::from_wire(&zone.apex).unwrap());
        let prefixes = [
            ("/containerdns/", Format::ContainerDns),
            ("/skydns/", Format::SkyDns),
            ("/containerdns-kube/", Format::Bundle),
        ];
        let routes = Routes::new(
            prefixes.map(|(path, format)| (path.to_owned(), format)),
            Some("/containerdns/monitor/status/".into()),
            zones.collect(),
        );
        let of_view = |name| {
            [
                (format!("/views/{name}/tree/"), Format::ContainerDns),
                (format!("/views/{name}/skydns/"), Format::SkyDns),
                (format!("/views/{name}/bundle/"), Format::Bundle),
            ]
        };
        let routes = routes
            .with_view(ViewId(0), of_view("office"))
            .with_view(ViewId(1), of_view("lab"));
        Told {
            model: Model::new(settings),
            routes,
            revision: 0,
            nodes: BTreeMap::new(),
            view_nodes: BTreeMap::new(),
            soas: BTreeMap::new(),
        }
    }

    /// A key with its value as it is in the store.
    fn put(&mut self, key: &str, value: &str) -> &mut Told {
        self.revision += 1;
        let adds = self.routes.decode(key.as_bytes(), value.as_bytes());
        let stamp = routes::stamp(self.revision, value.as_bytes());
        self.model
            .put(key.as_bytes(), stamp, 0, adds.unwrap_or(Adds::Bad));
        self
    }

    /// A bundle of records, each written `owner ttl type rdata`; `-` for no TTL.
    fn bundle(&mut self, id: &str, records: &[&str]) -> &mut Told {
        let (key, value) = bundle_pair("/containerdns-kube", id, records);
        self.put(&key, &value)
    }

    fn delete(&mut self, key: &str) -> &mut Told {
        assert!(self.model.delete(key.as_bytes()), "no key {key}");
        self
    }

    fn delete_bundle(&mut self, id: &str) -> &mut Told {
        self.delete(&bundle_key(id))
    }

    fn health(&mut self, address: &str, value: &str) -> &mut Told {
        let key = format!("/containerdns/monitor/status/{address}");
        self.put(&key, &format!(r#"{{"status":"{value}"}}"#))
    }

    /// Applies the changes as a core does, and gives them as lines.
    fn take(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let changes = self.model.take_changes(3);
            if changes.is_empty() {
                return lines;
            }
            for change in changes {
                match change {
                    Change::Put(None, node) => {
                        lines.push(format!("+ {}", shown(&node)));
                        self.nodes.insert(name(node.owner()), node);
                    }
                    Change::Put(Some(view), node) => {
                        lines.push(format!("+ view {}: {}", view.0, shown(&node)));
                        self.view_nodes.insert((view, name(node.owner())), node);
                    }
                    Change::Remove(None, owner) => {
                        lines.push(format!("- {}", name(&owner)));
                        self.nodes.remove(&name(&owner));
                    }
                    Change::Remove(Some(view), owner) => {
                        lines.push(format!("- view {}: {}", view.0, name(&owner)));
                        self.view_nodes.remove(&(view, name(&owner)));
                    }
                    Change::Soa(zone, soa) => {
                        lines.push(format!("soa of zone {}: {}", zone.0, shown_soa(&soa)));
                        self.soas.insert(zone, soa);
                    }
                    Change::Ready => unreachable!("a model does not say that"),
                }
            }
        }
    }

    /// What a core is told now, in the order of names.
    fn tells(&mut self, expect: Expect) -> &mut Told {
        let mut lines = self.take();
        lines.sort_by_key(|line| line[2..].to_owned());
        expect.assert_eq(&lines.join("\n"));
        self
    }
}

/// Key and value of a bundle under `prefix`.
fn bundle_pair(prefix: &str, id: &str, records: &[&str]) -> (String, String) {
    let rrsets = records.iter().map(|record| {
        let fields: Vec<&str> = record.splitn(4, ' ').collect();
        let [name, ttl, rtype, rdata] = fields[..] else {
            panic!("{record}")
        };
        let mut rrset = serde_json::json!({"name": name, "type": rtype, "rdata": [rdata]});
        if ttl != "-" {
            rrset["ttl"] = ttl.parse::<u32>().unwrap().into();
        }
        rrset
    });
    let value = serde_json::json!({"v": 1, "rrsets": rrsets.collect::<Vec<_>>()});
    (
        format!("{prefix}/one/services/default/{id}"),
        value.to_string(),
    )
}

fn bundle_key(id: &str) -> String {
    bundle_pair("/containerdns-kube", id, &[]).0
}

fn name(wire: &[u8]) -> Name {
    Name::from_wire(wire).unwrap()
}

fn shown(node: &Node) -> String {
    let mut line = name(node.owner()).to_string();
    line.push_str(match node.kind {
        Kind::Inside => "",
        Kind::Apex => " apex",
        Kind::Cut => " cut",
    });
    if node.zone != ZoneId(0) {
        line.push_str(&format!(" of zone {}", node.zone.0));
    }
    if node.wildcard_child {
        line.push_str(" with *");
    }
    if let Some(ttl_s) = node.address_ttl_s {
        line.push_str(&format!(" with addresses {ttl_s}"));
    }
    let rrsets: Vec<String> = node.rrsets().map(shown_rrset).collect();
    line.push_str(&format!(": {}", rrsets.join(" | ")));
    for host in node.glue() {
        let rrsets: Vec<String> = host.rrsets().map(shown_rrset).collect();
        line.push_str(&format!(
            " | glue {} {}",
            name(host.owner()),
            rrsets.join(", ")
        ));
    }
    line.trim_end_matches(": ").to_owned()
}

fn shown_rrset(rrset: RRsetView<'_>) -> String {
    let rtype = RecordType(rrset.rtype);
    let records: Vec<&[u8]> = rrset.records().collect();
    assert_eq!(records.len(), usize::from(rrset.count));
    let rdata = records.iter().map(|record| {
        let rdata = Rdata::from_wire(rtype, &record[RECORD_FIXED_LEN..]).unwrap();
        rdata.to_text(rtype)
    });
    let ttl_s = u32::from_be_bytes(*records[0][6..].first_chunk().unwrap());
    let policy = match rrset.policy {
        Policy::Rotate => "",
        Policy::RandomOne => " (random-one)",
        Policy::Sticky => " (sticky)",
        Policy::Subset(_) => " (subset)",
        Policy::Weighted => " (weighted)",
    };
    let rdata = rdata.collect::<Vec<_>>().join(", ");
    let near = rrset.extra.iter().flat_map(|extra| &extra.nearer.0);
    let near: String = near
        .map(|(zone, rrset)| {
            format!(
                "\n    in {} {}",
                zone_name(*zone),
                shown_rrset(rrset.view())
            )
        })
        .collect();
    format!("{rtype} {ttl_s} {rdata}{policy}{near}")
}

/// The name of a topology zone where they are called a, b and c.
fn zone_name(zone: TopologyZone) -> &'static str {
    let names = ["a", "b", "c"];
    let all = Topology::new(&names.map(|name| (name.to_owned(), Vec::new())));
    names
        .into_iter()
        .find(|name| all.named(name) == zone)
        .unwrap_or("?")
}

fn shown_soa(soa: &Soa) -> String {
    let (mname, rname) = (name(&soa.mname), name(&soa.rname));
    format!("{} {mname} {rname} {:?}", soa.ttl_s, soa.timers_s)
}
