//! The table of keys: for each its name, its default and its limits, section by section, and the
//! contradictions between keys. Defaults are written here and nowhere else in the code.

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::time::Duration;

use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::{Format, Name};

use super::clients;
use super::reader::Section;
use super::values::{
    endpoint, file, identity, integer, key_prefix, listen_address, name, one_of, parse_name, path,
    path_to_write, reverse, seconds, secret, text, user, zone,
};
use super::views;
use super::{Answer, Config, Core, Etcd, Listen, Login, Prefix, Soa, Store, StoreKind, Tcp, Tls};

/// Zones, reverse prefixes and names with a policy at most, each. Zones are tried label by label,
/// so the count costs memory only; more than this is a generated file gone wrong.
const NAMES_MAX: usize = 1024;
/// Listening addresses at most: each is two descriptors on every core.
const ADDRESSES_MAX: usize = 64;
/// Members of an etcd cluster at most; etcd advises against more than 7.
const ENDPOINTS_MAX: usize = 16;
/// Key prefixes at most: each is a watch.
const PREFIXES_MAX: usize = 16;
/// Cookie secrets at most: every one costs a SipHash for each cookie that no other verifies.
const COOKIE_SECRETS_MAX: usize = 4;
/// Upstreams at most.
const UPSTREAMS_MAX: usize = 16;
/// The largest core number.
const CORE_NUMBER_MAX: usize = 1023;
/// The largest TTL (RFC 2181 section 8).
const TTL_MAX: u64 = i32::MAX as u64;
/// A day, in seconds.
const DAY_S: u64 = 86_400;

const POLICIES: &[(&str, AnswerPolicy)] = &[
    ("rotate", AnswerPolicy::Rotate),
    ("random-one", AnswerPolicy::RandomOne),
    ("sticky", AnswerPolicy::Sticky),
    ("subset", AnswerPolicy::Subset),
    ("weighted", AnswerPolicy::Weighted),
];
/// Records of a subset unless given: with fewer, their load is uneven.
const SUBSET_LEN: NonZeroU8 = NonZeroU8::new(8).expect("8 is not 0");
const FORMATS: &[(&str, Format)] = &[
    ("containerdns", Format::ContainerDns),
    ("skydns", Format::SkyDns),
    ("bundle", Format::Bundle),
];

/// The whole file.
pub(super) fn config(root: Section<'_>, cpus: &[usize]) -> Config {
    let zones = root
        .list("zones", 0..=NAMES_MAX, zone)
        .unwrap_or_else(|| vec![known("cluster.local."), known("containerdns.local.")]);
    let reverse_of = |prefixes: Vec<Vec<Name>>| {
        let mut names: Vec<Name> = prefixes.into_iter().flatten().collect();
        names.retain(|name| !zones.contains(name));
        names.sort_unstable();
        names.dedup();
        names
    };
    let reverse = reverse_of(
        root.list("reverse", 0..=NAMES_MAX, reverse)
            .unwrap_or_else(|| {
                vec![
                    vec![known("10.in-addr.arpa.")],
                    vec![known("d.f.ip6.arpa.")],
                ]
            }),
    );
    if root.has("zones") && zones.is_empty() && reverse.is_empty() {
        root.fail(
            "zones",
            "is empty, and so is reverse: nothing would be answered; name a zone",
        );
    }
    forward(root.section("forward"), &zones);
    let store = store(root.section("store"));
    Config {
        listen: listen(root.section("listen")),
        views: views::views(root.section("views"), &store),
        store,
        answer: answer(root.section("answer"), &zones, &reverse),
        topology: clients::topology(root.section("topology")),
        tcp: tcp(root.section("tcp")),
        cores: cores(root.section("core"), cpus),
        zones,
        reverse,
    }
}

/// A name of the defaults.
fn known(name: &str) -> Name {
    Name::parse(name).expect("the names of the defaults are names")
}

fn listen(section: Section<'_>) -> Listen {
    let any = |ip: [u8; 4], port| SocketAddr::from((ip, port));
    let dns = section.list("dns", 1..=ADDRESSES_MAX, listen_address);
    let dns = dns.unwrap_or_else(|| vec![any([0; 4], 53), SocketAddr::from(([0u16; 8], 53))]);
    let admin = section.value("admin", any([127, 0, 0, 1], 9600), listen_address);
    let clash = dns.iter().find(|dns| {
        let wildcard = dns.ip().is_unspecified() || admin.ip().is_unspecified();
        let same_family = dns.is_ipv4() == admin.is_ipv4();
        dns.port() == admin.port() && (dns.ip() == admin.ip() || wildcard && same_family)
    });
    if let Some(dns) = clash {
        section.fail(
            "admin",
            format!("{admin} is taken by {dns} of listen.dns; use another port"),
        );
    }
    Listen { dns, admin }
}

fn store(section: Section<'_>) -> Store {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Etcd,
        Embedded,
    }
    let kinds = &[("etcd", Kind::Etcd), ("embedded", Kind::Embedded)];
    let kind = section.value("kind", Kind::Etcd, one_of(kinds));
    let etcd = etcd(&section);
    let data = section.optional("data", path);
    match kind {
        Kind::Etcd if section.has("data") => {
            section.fail(
                "data",
                "is for kind = \"embedded\"; remove it, or change kind",
            );
        }
        Kind::Embedded => {
            if !section.has("data") {
                section.fail("data", "is missing; name a folder for the embedded store");
            }
            for key in ["endpoints", "tls", "user", "password_file"] {
                if section.has(key) {
                    section.fail(key, "is for kind = \"etcd\"; remove it, or change kind");
                }
            }
        }
        Kind::Etcd => {}
    }
    Store {
        kind: match kind {
            Kind::Etcd => StoreKind::Etcd(etcd),
            Kind::Embedded => StoreKind::Embedded {
                data: data.unwrap_or_default(),
            },
        },
        prefixes: prefixes(&section, 1..=PREFIXES_MAX, &[]).unwrap_or_else(default_prefixes),
        health_prefix: section.value(
            "health_prefix",
            Some("/containerdns/monitor/status/".to_owned()),
            |value| {
                if text(value)?.is_empty() {
                    Ok(None)
                } else {
                    key_prefix(value).map(Some)
                }
            },
        ),
        relist: section.value("relist_s", Duration::from_secs(300), seconds(1..=DAY_S)),
        snapshot: section.optional("snapshot", path_to_write).flatten(),
    }
}

fn etcd(section: &Section<'_>) -> Etcd {
    let endpoints = section.list("endpoints", 1..=ENDPOINTS_MAX, endpoint);
    let endpoints = endpoints.unwrap_or_else(|| vec!["http://127.0.0.1:2379".to_owned()]);
    let secure = endpoints
        .iter()
        .filter(|url| url.starts_with("https:"))
        .count();
    let tls = section.section_if_present("tls").map(tls);
    if secure != 0 && secure != endpoints.len() {
        section.fail("endpoints", "mixes http and https; use one of them for all");
    } else if secure != 0 && tls.is_none() {
        section.fail(
            "endpoints",
            "is https, but store.tls is missing; set tls = { ca = \"FILE\" }",
        );
    } else if secure == 0 && tls.is_some() {
        section.fail(
            "tls",
            "is set, but the endpoints are http; write https, or remove tls",
        );
    }
    let user = section.optional("user", user);
    let password_file = section.optional("password_file", file);
    match (section.has("user"), section.has("password_file")) {
        (true, false) => section.fail("user", "has no password; set password_file too"),
        (false, true) => section.fail("password_file", "has no user; set user too"),
        _ => {}
    }
    let login = user.zip(password_file);
    Etcd {
        endpoints,
        tls: tls.flatten(),
        login: login.map(|(user, password_file)| Login {
            user,
            password_file,
        }),
    }
}

fn tls(section: Section<'_>) -> Option<Tls> {
    let ca = section.required("ca", file);
    let cert = section.optional("cert", file);
    let key = section.optional("key", file);
    match (section.has("cert"), section.has("key")) {
        (true, false) => section.fail("cert", "has no key; set key too"),
        (false, true) => section.fail("key", "has no certificate; set cert too"),
        _ => {}
    }
    Some(Tls {
        ca: ca?,
        client: cert.zip(key),
    })
}

fn default_prefixes() -> Vec<Prefix> {
    let defaults = [
        ("/containerdns/", Format::ContainerDns),
        ("/skydns/", Format::SkyDns),
        ("/containerdns-kube/", Format::Bundle),
    ];
    defaults
        .map(|(path, format)| Prefix {
            path: path.to_owned(),
            format,
        })
        .into()
}

/// The key prefixes of a section, none of which overlaps another or one of `taken`.
pub(super) fn prefixes(
    section: &Section<'_>,
    count: RangeInclusive<usize>,
    taken: &[String],
) -> Option<Vec<Prefix>> {
    let mut prefixes: Vec<Prefix> = Vec::new();
    for section in section.tables("prefixes", count)? {
        let path = section.required("path", key_prefix);
        let format = section.required("format", one_of(FORMATS));
        let (Some(path), Some(format)) = (path, format) else {
            continue;
        };
        let before = prefixes.iter().map(|prefix| &prefix.path);
        let overlaps =
            |other: &&String| other.starts_with(&path) || path.starts_with(other.as_str());
        if let Some(other) = before.chain(taken).find(overlaps) {
            section.fail(
                "path",
                format!("`{path}` overlaps `{other}`; a key has one format"),
            );
        }
        prefixes.push(Prefix { path, format });
    }
    Some(prefixes)
}

fn answer(section: Section<'_>, zones: &[Name], reverse: &[Name]) -> Answer {
    let is_zone = |name: &Name| zones.iter().chain(reverse).any(|zone| zone == name);
    let is_ours = |name: &Name| zones.iter().chain(reverse).any(|zone| name.is_within(zone));
    let zone_policies = policies(
        section.section("zones"),
        is_zone,
        "is not one of zones; add it",
    );
    let name_policies = policies(
        section.section("names"),
        is_ours,
        "is in none of zones; add one",
    );
    Answer {
        policy: section.value("policy", AnswerPolicy::Rotate, one_of(POLICIES)),
        zone_policies,
        name_policies,
        subset_len: section
            .optional("subset_len", integer(1..=255))
            .and_then(|len: u8| NonZeroU8::new(len))
            .unwrap_or(SUBSET_LEN),
        source_bits: [
            section.value("source_bits_v4", 32, integer(0..=32)),
            section.value("source_bits_v6", 128, integer(0..=128)),
        ],
        client_subnet_from: clients::forwarders(&section),
        udp_payload_max: section.value("udp_payload_max", 1232, integer(512..=4096)),
        ttl_default_s: section.value("ttl_default_s", 30, integer(0..=TTL_MAX)),
        soa: soa(section.section("soa")),
        cookie_secrets: section
            .list("cookie_secrets", 0..=COOKIE_SECRETS_MAX, secret)
            .unwrap_or_default(),
        identity: section
            .optional("identity", identity)
            .filter(|text| !text.is_empty()),
    }
}

/// `[answer.zones."NAME"]` and `[answer.names."NAME"]`: names that `fits`, else they are `misfits`.
fn policies(
    mut section: Section<'_>,
    fits: impl Fn(&Name) -> bool,
    misfits: &str,
) -> Vec<(Name, AnswerPolicy)> {
    let named = section.named_sections();
    if named.len() > NAMES_MAX {
        section.fail_whole(format!(
            "has {} names; write at most {NAMES_MAX}",
            named.len()
        ));
    }
    let mut policies: Vec<(Name, AnswerPolicy)> = Vec::new();
    for (key, named) in named {
        let policy = named.required("policy", one_of(POLICIES));
        match parse_name(key) {
            Ok(name) if !fits(&name) => {
                named.fail_whole(format!("{misfits} there, or remove it here"));
            }
            Ok(name) if policies.iter().any(|(other, _)| *other == name) => {
                named.fail_whole("is there twice; remove one of them");
            }
            Ok(name) => policies.extend(policy.map(|policy| (name, policy))),
            Err(message) => named.fail_whole(message),
        }
    }
    policies
}

fn soa(section: Section<'_>) -> Soa {
    let soa = Soa {
        mname: section.optional("mname", name),
        rname: section.optional("rname", |value| match text(value)?.split_once('@') {
            Some((user, host)) => Err(format!("is a mail address; write it as \"{user}.{host}\"")),
            None => name(value),
        }),
        refresh_s: section.value("refresh_s", 7200, integer(1..=TTL_MAX)),
        retry_s: section.value("retry_s", 1800, integer(1..=TTL_MAX)),
        expire_s: section.value("expire_s", 86_400, integer(1..=TTL_MAX)),
        minimum_s: section.value("minimum_s", 5, integer(0..=TTL_MAX)),
    };
    if soa.expire_s < soa.refresh_s {
        let refresh_s = soa.refresh_s;
        section.fail(
            "expire_s",
            format!("is less than refresh_s; write at least {refresh_s}"),
        );
    }
    soa
}

fn tcp(section: Section<'_>) -> Tcp {
    let tcp = Tcp {
        idle: section.value("idle_s", Duration::from_secs(10), seconds(1..=3600)),
        read: section.value("read_s", Duration::from_secs(3), seconds(1..=600)),
        connections_max: section.value("connections_max", 1000, integer(1..=65_535)),
        connections_per_client_max: section.value(
            "connections_per_client_max",
            100,
            integer(1..=65_535),
        ),
        queries_per_connection_max: section
            .optional(
                "queries_per_connection_max",
                integer(0..=u64::from(u32::MAX)),
            )
            .filter(|&queries| queries != 0),
    };
    if tcp.connections_per_client_max > tcp.connections_max {
        let all = tcp.connections_max;
        let message = format!("is more than connections_max; write at most {all}");
        section.fail("connections_per_client_max", message);
    }
    tcp
}

/// Forwarding: its keys are read and checked so that a file for a later release is checked whole,
/// but this release does not forward and says so.
fn forward(section: Section<'_>, ours: &[Name]) {
    let not_yet = "forwarding is not in this release; leave it empty (names outside our zones are \
                   REFUSED)";
    let upstreams = section.list("upstreams", 0..=UPSTREAMS_MAX, listen_address);
    if upstreams.is_some_and(|upstreams| !upstreams.is_empty()) {
        section.fail("upstreams", not_yet);
    }
    let Some(zones) = section.tables("zones", 0..=NAMES_MAX) else {
        return;
    };
    if !zones.is_empty() {
        section.fail("zones", not_yet);
    }
    for forwarded in zones {
        forwarded.list("upstreams", 1..=UPSTREAMS_MAX, listen_address);
        let Some(zone) = forwarded.required("zone", name) else {
            continue;
        };
        if let Some(our) = ours.iter().find(|our| zone.is_within(our)) {
            let message = format!("`{zone}` is inside our zone `{our}`, which is never forwarded");
            forwarded.fail("zone", message + "; remove one of them");
        }
    }
}

/// `[core.default]` and `[core.N]`; `cpus` are those that the process may use.
fn cores(mut section: Section<'_>, cpus: &[usize]) -> Vec<Core> {
    let builtin = Core {
        number: 0,
        cpu: 0,
        batch: 64,
        spin: Duration::ZERO,
        rcvbuf_bytes: 4 << 20,
    };
    let (defaults, numbered): (Vec<_>, Vec<_>) = section
        .named_sections()
        .into_iter()
        .partition(|(key, _)| *key == "default");
    let default = defaults
        .first()
        .map_or(builtin.clone(), |(_, core)| tuning(core, &builtin));
    let mut cores: Vec<Core> = Vec::new();
    for (key, core) in numbered {
        let tuned = tuning(&core, &default);
        let Some(number) = core_number(key) else {
            core.fail_whole(format!(
                "is not a core; write a number from 0 to {CORE_NUMBER_MAX}, or default"
            ));
            continue;
        };
        let cpu = core.value("cpu", number, integer(0..=CORE_NUMBER_MAX as u64));
        if !cpus.contains(&cpu) {
            let list: Vec<String> = cpus.iter().map(usize::to_string).collect();
            let list = list.join(", ");
            core.fail(
                "cpu",
                format!("this process may not use CPU {cpu}; write one of {list}"),
            );
        } else if let Some(other) = cores.iter().find(|other| other.cpu == cpu) {
            let other = other.number;
            core.fail(
                "cpu",
                format!("CPU {cpu} runs core.{other}; give each core its own"),
            );
        }
        cores.push(Core {
            number,
            cpu,
            ..tuned
        });
    }
    if cores.is_empty() {
        let each = cpus.iter().enumerate();
        cores = each
            .map(|(number, &cpu)| Core {
                number,
                cpu,
                ..default.clone()
            })
            .collect();
    }
    cores.sort_by_key(|core| core.number);
    cores
}

/// The keys that a core and `core.default` share.
fn tuning(section: &Section<'_>, default: &Core) -> Core {
    Core {
        batch: section.value("batch", default.batch, integer(1..=64)),
        spin: section.value("spin_us", default.spin, |value| {
            integer(0..=10_000)(value).map(Duration::from_micros)
        }),
        rcvbuf_bytes: section.value(
            "rcvbuf_bytes",
            default.rcvbuf_bytes,
            integer(4096..=1 << 30),
        ),
        ..*default
    }
}

/// N of `[core.N]`, written without leading zeros.
fn core_number(key: &str) -> Option<usize> {
    let number: usize = key.parse().ok()?;
    (number <= CORE_NUMBER_MAX && number.to_string() == key).then_some(number)
}
