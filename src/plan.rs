//! From the configuration to what each part is given: a pure translation, so that `serve` only
//! starts things and `check` has seen all that could be wrong.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use containerdns_schema::Name;
use containerdns_schema::format::AnswerPolicy;
use containerdns_store::etcd::{EtcdOptions, TlsFiles};

use crate::client::{Clients, Sources};
use crate::config::{self, Config, Core};
use crate::cookie::CookieSecrets;
use crate::fan_out::DELTAS_MAX;
use crate::model::ModelSettings;
use crate::prefixes::Prefixes;
use crate::shard::ShardOptions;
use crate::sync::{HOLD, Routes, SyncOptions};
use crate::table::{Policy, Soa, ViewId, Zone, ZoneId, Zones};
use crate::tcp::TcpOptions;
use crate::tcp::limits::ConnectionLimits;
use crate::topology::Topology;
use crate::views::Views;
use crate::wire;
use crate::world::Settings;

/// Everything that the parts are given.
#[derive(Debug)]
pub struct Plan {
    /// For every world.
    pub settings: Settings,
    /// For the model.
    pub model: ModelSettings,
    /// For the sync thread.
    pub routes: Routes,
    /// For the sync thread.
    pub sync: SyncOptions,
    /// One for each shard.
    pub shards: Vec<ShardOptions>,
}

impl Plan {
    /// Plans for `config`; `random` is the cookie secret when none is configured.
    pub fn new(config: &Config, random: [u8; 16]) -> Plan {
        let answer = &config.answer;
        let zones = zones(config);
        let zone_id = |name: &Name| {
            let apex = name.to_lower();
            let place = zones.0.iter().position(|zone| *zone.apex == *apex.wire());
            place.map(|place| ZoneId(place as u16))
        };
        let policy = |named: &AnswerPolicy| Policy::new(*named, answer.subset_len);
        let topology = Arc::new(Topology::new(&config.topology));
        let model = ModelSettings {
            topology: Arc::clone(&topology),
            reverse: config
                .reverse
                .iter()
                .filter_map(zone_id)
                .collect::<HashSet<_>>(),
            views: config.views.len(),
            ttl_default_s: answer.ttl_default_s,
            subset_len: answer.subset_len,
            policy: policy(&answer.policy),
            zone_policies: answer
                .zone_policies
                .iter()
                .filter_map(|(zone, chosen)| Some((zone_id(zone)?, policy(chosen))))
                .collect::<HashMap<_, _>>(),
            name_policies: answer
                .name_policies
                .iter()
                .map(|(name, chosen)| (name.clone(), policy(chosen)))
                .collect(),
            server_addresses: server_addresses(config),
            zones: zones.clone(),
        };
        let settings = Settings {
            udp_payload_max: answer.udp_payload_max,
            clients: clients(config, &topology),
            keepalive: u16::try_from(config.tcp.idle.as_millis() / 100).unwrap_or(u16::MAX),
            identity: answer.identity.clone().unwrap_or_default().into_bytes(),
            cookies: CookieSecrets::new(answer.cookie_secrets.clone(), random),
            zones,
        };
        let sync = SyncOptions {
            relist: config.store.relist,
            hold: HOLD,
            snapshot: config.store.snapshot.clone(),
        };
        Plan {
            settings,
            model,
            routes: routes(config),
            sync,
            shards: shards(config),
        }
    }
}

/// The views, in the order of the configuration.
fn views(config: &Config) -> Views {
    let views = config.views.iter();
    Views::new(views.map(|view| (view.name.as_str(), &view.clients[..])))
}

/// Which keys are whose records.
fn routes(config: &Config) -> Routes {
    let given = |prefixes: &[config::Prefix]| -> Vec<_> {
        let prefixes = prefixes.iter();
        prefixes
            .map(|prefix| (prefix.path.clone(), prefix.format))
            .collect()
    };
    let zones = config.zones.iter().chain(&config.reverse);
    let everybodys = Routes::new(
        given(&config.store.prefixes),
        config.store.health_prefix.clone(),
        zones.cloned().collect(),
    );
    let views = (0..).map(ViewId).zip(&config.views);
    views.fold(everybodys, |routes, (id, view)| {
        routes.with_view(id, given(&view.prefixes))
    })
}

/// What is known of clients.
fn clients(config: &Config, topology: &Arc<Topology>) -> Clients {
    let answer = &config.answer;
    let forwarders = answer.client_subnet_from.iter();
    Clients {
        sources: Sources::new(answer.source_bits[0], answer.source_bits[1]),
        forwarders: Arc::new(Prefixes::new(forwarders.map(|prefix| (*prefix, ())))),
        topology: Arc::clone(topology),
        views: Arc::new(views(config)),
    }
}

/// How to reach etcd.
pub fn etcd_options(etcd: &config::Etcd) -> EtcdOptions {
    EtcdOptions {
        endpoints: etcd.endpoints.clone(),
        tls: etcd.tls.as_ref().map(|tls| TlsFiles {
            ca: tls.ca.clone(),
            client: tls.client.clone(),
        }),
        user: etcd.login.as_ref().map(|login| login.user.clone()),
        password_file: etcd.login.as_ref().map(|login| login.password_file.clone()),
    }
}

/// The zones and reverse zones with the SOA they have unless the store says otherwise.
fn zones(config: &Config) -> Zones {
    let names: Vec<Name> = config
        .zones
        .iter()
        .chain(&config.reverse)
        .map(Name::to_lower)
        .collect();
    let parent_of = |apex: &Name| {
        let above = names.iter().enumerate();
        let above = above.filter(|(_, other)| *other != apex && apex.is_within(other));
        above
            .max_by_key(|(_, other)| other.label_count())
            .map(|(place, _)| ZoneId(place as u16))
    };
    let zones = names.iter().map(|apex| Zone {
        apex: Arc::from(apex.wire()),
        parent: parent_of(apex),
        soa: soa(&config.answer, apex),
    });
    Zones(zones.collect())
}

fn soa(answer: &config::Answer, apex: &Name) -> Soa {
    let soa = &answer.soa;
    let given = |name: &Option<Name>, labels: &[u8]| -> Box<[u8]> {
        let given = name.as_ref().map(|name| name.wire().into());
        given.unwrap_or_else(|| below(labels, apex).into())
    };
    Soa {
        mname: given(&soa.mname, b"\x02ns\x03dns"),
        rname: given(&soa.rname, b"\x0ahostmaster"),
        timers_s: [soa.refresh_s, soa.retry_s, soa.expire_s, soa.minimum_s],
        ttl_s: answer.ttl_default_s,
    }
}

/// The name of `labels` before `apex`, or the apex itself where that is too long for a name.
fn below(labels: &[u8], apex: &Name) -> Vec<u8> {
    if labels.len() + apex.wire().len() > wire::NAME_LEN_MAX {
        return apex.wire().to_vec();
    }
    [labels, apex.wire()].concat()
}

/// The addresses that `ns.dns.ZONE` has: those listened on, where they say anything.
fn server_addresses(config: &Config) -> Vec<IpAddr> {
    let addresses = config.listen.dns.iter().map(|address| address.ip());
    addresses
        .filter(|address| !address.is_unspecified())
        .collect()
}

fn shards(config: &Config) -> Vec<ShardOptions> {
    let limits = ConnectionLimits::new(
        config.tcp.connections_max as usize,
        config.tcp.connections_per_client_max as usize,
    );
    let tcp = TcpOptions {
        idle_s: config.tcp.idle.as_secs(),
        read_s: config.tcp.read.as_secs(),
        queries_per_connection_max: config.tcp.queries_per_connection_max.unwrap_or(0).into(),
        limits,
    };
    let shard = |(id, core): (usize, &Core)| ShardOptions {
        id,
        cpu: Some(core.cpu),
        batch: core.batch,
        spin_us: core.spin.as_micros() as u64,
        udp_payload_max: config.answer.udp_payload_max.into(),
        tcp: tcp.clone(),
        deltas_max: DELTAS_MAX,
    };
    config.cores.iter().enumerate().map(shard).collect()
}
