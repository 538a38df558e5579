//! The change path as it runs in production, without threads: the real sync, model and fan-out,
//! and cores that apply deltas when the test lets them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use containerdns::client::{Clients, Sources};
use containerdns::cookie::CookieSecrets;
use containerdns::delta::{Change, Delta};
use containerdns::fan_out::{Core, FanOut};
use containerdns::model::{Adds, Model, ModelSettings};
use containerdns::sync::{Routes, Sync, SyncOptions, SyncStatus, routes};
use containerdns::table::{Node, Policy, Soa, ViewId, Zone, ZoneId, Zones, rtype};
use containerdns::views::Views;
use containerdns::wire;
use containerdns::world::{Settings, World};
use containerdns_schema::AddressPrefix;
use containerdns_schema::format::Format;
use containerdns_schema::name::Name;
use crossbeam_channel::Receiver;

use crate::store::{Content, ModelStore};

/// Time between lists, and how long a list that removes most names is held.
pub(crate) const RELIST: Duration = Duration::from_secs(20);
pub(crate) const HOLD: Duration = Duration::from_secs(5);
/// Deltas that wait for a core: few, so that cores fall behind.
const DELTAS_MAX: usize = 2;
/// The view of every simulated server.
pub(crate) const VIEW: ViewId = ViewId(0);
/// The name in it that never changes, and its address.
const STEADY_IN_VIEW: (&str, Ipv4Addr) = ("a.steady.t", Ipv4Addr::new(10, 9, 9, 9));
/// A wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(300);

/// A core, with the names that it must never be without once it is ready.
pub(crate) struct TestCore {
    deltas: Receiver<Arc<Delta>>,
    pub(crate) world: World,
}

/// The server.
pub(crate) struct Server {
    pub(crate) store: Arc<ModelStore>,
    pub(crate) status: Arc<SyncStatus>,
    pub(crate) cores: Vec<TestCore>,
    /// Names that are in the store all the time, and their addresses.
    steady: BTreeMap<Vec<u8>, Ipv4Addr>,
    sync: tokio::task::JoinHandle<()>,
}

fn name(text: &str) -> Vec<u8> {
    Name::parse(text).expect("a name").wire().to_vec()
}

fn zones() -> Zones {
    let zone = |apex: &str| Zone {
        apex: name(apex).into(),
        parent: None,
        soa: Soa {
            mname: name("ns.dns.t").into(),
            rname: name("hostmaster.t").into(),
            timers_s: [7200, 1800, 86400, 5],
            ttl_s: 30,
        },
    };
    Zones(vec![zone("t"), zone("10.in-addr.arpa")])
}

fn model_settings() -> ModelSettings {
    ModelSettings {
        zones: zones(),
        reverse: HashSet::from([ZoneId(1)]),
        views: 1,
        ttl_default_s: 30,
        subset_len: NonZeroU8::MIN,
        policy: Policy::Rotate,
        zone_policies: HashMap::new(),
        name_policies: Vec::new(),
        topology: Arc::default(),
        server_addresses: vec![IpAddr::from([10, 0, 0, 53])],
    }
}

pub(crate) fn key_routes() -> Routes {
    let prefixes = [
        ("/containerdns/", Format::ContainerDns),
        ("/skydns/", Format::SkyDns),
        ("/containerdns-kube/", Format::Bundle),
    ];
    Routes::new(
        prefixes.map(|(path, format)| (path.to_owned(), format)),
        Some("/containerdns/monitor/status/".into()),
        vec![
            Name::parse("t").expect("a name"),
            Name::parse("10.in-addr.arpa").expect("a name"),
        ],
    )
    .with_view(VIEW, [("/views/office/".to_owned(), Format::Bundle)])
}

fn views() -> Views {
    let clients = [AddressPrefix::parse("10.9.0.0/16").expect("a prefix")];
    Views::new([("office", &clients[..])])
}

fn world() -> World {
    let settings = Settings {
        clients: Clients {
            sources: Sources::new(32, 128),
            forwarders: Arc::default(),
            topology: Arc::default(),
            views: Arc::new(views()),
        },
        udp_payload_max: 1232,
        keepalive: 100,
        identity: Vec::new(),
        cookies: CookieSecrets::new(Vec::new(), [7; 16]),
        zones: zones(),
    };
    World::new(settings, 7, Arc::default())
}

impl Server {
    /// Starts over `store`, in which `steady` names are and will stay.
    pub(crate) fn start(store: &Arc<ModelStore>, cores: usize, steady: usize) -> Server {
        let mut names = BTreeMap::new();
        for number in 0..steady {
            let address = Ipv4Addr::from(0x0a09_0000 + number as u32);
            names.insert(name(&format!("s{number}.steady.t")), address);
            let (key, value) = steady_pair(number);
            store.put(&key, &value);
        }
        if steady > 0 {
            let (key, value) = steady_pair_in_view();
            store.put(&key, &value);
        }
        let channels: Vec<_> = (0..cores)
            .map(|_| crossbeam_channel::bounded(DELTAS_MAX))
            .collect();
        let ends = channels.iter();
        let ends = ends.map(|(deltas, _)| Core::new(deltas.clone(), Box::new(|| ())));
        let status = Arc::new(SyncStatus::default());
        let sync = Sync::new(
            store.clone(),
            key_routes(),
            Model::new(model_settings()),
            FanOut::new(ends.collect()),
            Arc::clone(&status),
            SyncOptions {
                relist: RELIST,
                hold: HOLD,
                snapshot: None,
            },
        );
        let core = |(_, deltas)| TestCore {
            deltas,
            world: world(),
        };
        Server {
            store: Arc::clone(store),
            status,
            cores: channels.into_iter().map(core).collect(),
            steady: names,
            sync: tokio::spawn(sync.run()),
        }
    }

    /// Lets time pass, and all cores but `stalled` take what comes, every millisecond or so.
    pub(crate) async fn pass(&mut self, time: Duration, stalled: &[usize]) {
        let end = tokio::time::Instant::now() + time;
        let turn = (time / 50).max(Duration::from_millis(1));
        loop {
            assert!(!self.sync.is_finished(), "sync ended");
            self.drain(stalled);
            if tokio::time::Instant::now() >= end {
                return;
            }
            tokio::time::sleep(turn).await;
        }
    }

    /// Waits until `held` of the server holds, all cores taking what comes.
    pub(crate) async fn until(&mut self, what: &str, mut held: impl FnMut(&mut Server) -> bool) {
        let start = tokio::time::Instant::now();
        while !held(self) {
            assert!(start.elapsed() < PATIENCE, "never: {what}");
            self.pass(Duration::from_millis(5), &[]).await;
        }
    }

    pub(crate) async fn until_ready(&mut self) {
        self.until("ready", |server| {
            server.cores.iter().all(|core| core.world.tables().ready)
        })
        .await;
    }

    /// Cores that are not stalled take what waits for them.
    pub(crate) fn drain(&mut self, stalled: &[usize]) {
        for (number, core) in self.cores.iter_mut().enumerate() {
            if stalled.contains(&number) {
                continue;
            }
            while let Ok(delta) = core.deltas.try_recv() {
                core.world.apply(&delta);
                core.holds_steady(&self.steady, number);
            }
        }
    }

    /// The number of a counter.
    pub(crate) fn count(&self, of: impl Fn(&SyncStatus) -> &AtomicU64) -> u64 {
        of(&self.status).load(Relaxed)
    }

    /// Whether core `number` has a node at the name.
    pub(crate) fn holds(&self, number: usize, text: &str) -> bool {
        self.cores[number].node(None, &name(text)).is_some()
    }

    /// Whether core `number` has a node of the view at the name.
    pub(crate) fn holds_in_view(&self, number: usize, text: &str) -> bool {
        self.cores[number].node(Some(VIEW), &name(text)).is_some()
    }

    /// What makes core `number` different from a server that reads the store as it is now.
    pub(crate) fn differences(&self, number: usize) -> Vec<String> {
        let fresh = fresh_world(&self.store.content());
        let core = &self.cores[number].world;
        let (held, wanted) = (nodes(core), nodes(&fresh));
        let owners: HashSet<&Owner> = held.keys().chain(wanted.keys()).collect();
        let mut differences: Vec<String> = owners
            .into_iter()
            .filter(|owner| held.get(*owner) != wanted.get(*owner))
            .map(|owner| {
                let owner_text = format!("{:?} {}", owner.0, owner.1.escape_ascii());
                let (held, wanted) = (held.get(owner), wanted.get(owner));
                format!("{owner_text}\n  held   {held:?}\n  wanted {wanted:?}")
            })
            .collect();
        if core.tables().zones.0 != fresh.tables().zones.0 {
            differences.push("SOA".into());
        }
        differences
    }

    /// Fails unless every core equals the store.
    pub(crate) fn assert_equal(&self) {
        for number in 0..self.cores.len() {
            let differences = self.differences(number);
            let count = differences.len();
            let shown = differences.join("\n");
            assert_eq!(count, 0, "core {number} differs from the store:\n{shown}");
        }
    }
}

impl TestCore {
    fn node(&self, view: Option<ViewId>, owner: &[u8]) -> Option<&Node> {
        let tables = self.world.tables();
        let index = view.map_or(Some(&tables.index), |view| tables.view(view));
        index?.get(wire::hash(owner), owner)
    }

    fn holds_steady(&self, steady: &BTreeMap<Vec<u8>, Ipv4Addr>, number: usize) {
        if !self.world.tables().ready {
            return;
        }
        let in_view = (name(STEADY_IN_VIEW.0), STEADY_IN_VIEW.1);
        let in_view = [(Some(VIEW), &in_view.0, &in_view.1)];
        let in_view = in_view.into_iter().filter(|_| !steady.is_empty());
        let steady = steady.iter();
        let steady = steady.map(|(owner, address)| (None, owner, address));
        for (view, owner, address) in steady.chain(in_view) {
            let rrset = self.node(view, owner).and_then(|node| node.rrset(rtype::A));
            let held = rrset.is_some_and(|rrset| rrset.wire.ends_with(&address.octets()));
            let shown = owner.escape_ascii();
            assert!(held, "core {number} lost {shown}, which never changed");
        }
    }
}

/// Key and value of a steady name.
pub(crate) fn steady_pair(number: usize) -> (String, String) {
    let address = Ipv4Addr::from(0x0a09_0000 + number as u32);
    let key = format!("/containerdns-kube/one/pods/steady/{number}");
    let rrset = format!(r#"{{"name":"s{number}.steady.t","type":"A","rdata":["{address}"]}}"#);
    (key, format!(r#"{{"v":1,"rrsets":[{rrset}]}}"#))
}

/// Key and value of the steady name in the view.
pub(crate) fn steady_pair_in_view() -> (String, String) {
    let (owner, address) = STEADY_IN_VIEW;
    let rrset = format!(r#"{{"name":"{owner}","type":"A","rdata":["{address}"]}}"#);
    let key = "/views/office/one/pods/steady/0".to_owned();
    (key, format!(r#"{{"v":1,"rrsets":[{rrset}]}}"#))
}

/// What a server that starts now would hold.
fn fresh_world(content: &Content) -> World {
    let (mut model, routes_of_keys) = (Model::new(model_settings()), key_routes());
    for (key, (value, revision)) in content {
        let adds = routes_of_keys.decode(key, value).unwrap_or(Adds::Bad);
        model.put(key, routes::stamp(*revision, value), 1, adds);
    }
    let mut world = world();
    let mut apply = |changes: Vec<Change>| {
        let changes = changes.into();
        world.apply(&Delta {
            revision: 1,
            changes,
        });
    };
    apply(model.take_changes(usize::MAX));
    apply(vec![Change::Ready]);
    world
}

/// A name, for everybody or in a view.
type Owner = (Option<ViewId>, Vec<u8>);

fn nodes(world: &World) -> BTreeMap<Owner, Node> {
    let tables = world.tables();
    let base = tables.index.nodes().map(|node| (None, node));
    let in_view = tables.view(VIEW).into_iter().flat_map(|view| view.nodes());
    let all = base.chain(in_view.map(|node| (Some(VIEW), node)));
    all.map(|(view, node)| ((view, node.owner().to_vec()), Node::clone(node)))
        .collect()
}
