//! What good configurations become. What is said about bad ones is in `config_problems.rs`.

use std::path::Path;

use containerdns::config::{Config, StoreKind};
use expect_test::expect;

/// CPUs that the process of these cases may use.
const CPUS: &[usize] = &[0, 1, 4];

fn good(text: &str) -> Config {
    Config::parse("good.toml", text, CPUS).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_sample_is_the_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/containerdns.toml");
    let sample = std::fs::read_to_string(path).expect("the sample is there");
    assert_eq!(good(&sample), good(""));
}

#[test]
fn the_defaults() {
    let config = good("");
    assert_eq!(
        config.cores.iter().map(|core| core.cpu).collect::<Vec<_>>(),
        CPUS
    );
    expect![[r#"
        Config {
            zones: [
                "cluster.local.",
                "containerdns.local.",
            ],
            reverse: [
                "10.in-addr.arpa.",
                "d.f.ip6.arpa.",
            ],
            listen: Listen {
                dns: [
                    0.0.0.0:53,
                    [::]:53,
                ],
                admin: 127.0.0.1:9600,
            },
            store: Store {
                kind: Etcd(
                    Etcd {
                        endpoints: [
                            "http://127.0.0.1:2379",
                        ],
                        tls: None,
                        login: None,
                    },
                ),
                prefixes: [
                    Prefix {
                        path: "/containerdns/",
                        format: Containerdns,
                    },
                    Prefix {
                        path: "/skydns/",
                        format: Skydns,
                    },
                    Prefix {
                        path: "/containerdns-kube/",
                        format: Bundle,
                    },
                ],
                health_prefix: Some(
                    "/containerdns/monitor/status/",
                ),
                relist: 300s,
                snapshot: None,
            },
            answer: Answer {
                policy: Rotate,
                zone_policies: [],
                name_policies: [],
                udp_payload_max: 1232,
                ttl_default_s: 30,
                soa: Soa {
                    mname: None,
                    rname: None,
                    refresh_s: 7200,
                    retry_s: 1800,
                    expire_s: 86400,
                    minimum_s: 5,
                },
                cookie_secrets: [],
                identity: None,
            },
            tcp: Tcp {
                idle: 10s,
                read: 3s,
                connections_max: 1000,
                connections_per_client_max: 100,
                queries_per_connection_max: None,
            },
            cores: [
                Core {
                    number: 0,
                    cpu: 0,
                    batch: 64,
                    spin: 0ns,
                    rcvbuf_bytes: 4194304,
                },
                Core {
                    number: 1,
                    cpu: 1,
                    batch: 64,
                    spin: 0ns,
                    rcvbuf_bytes: 4194304,
                },
                Core {
                    number: 2,
                    cpu: 4,
                    batch: 64,
                    spin: 0ns,
                    rcvbuf_bytes: 4194304,
                },
            ],
        }
    "#]]
    .assert_debug_eq(&config);
}

#[test]
fn cores_fall_back_to_core_default() {
    let config =
        good("[core.default]\nbatch = 16\nspin_us = 50\n[core.0]\n[core.1]\ncpu = 4\nbatch = 8");
    let cores = config.cores.iter();
    let cores: Vec<_> = cores
        .map(|c| (c.number, c.cpu, c.batch, c.spin.as_micros()))
        .collect();
    assert_eq!(cores, [(0, 0, 16, 50), (1, 4, 8, 50)]);
}

#[test]
fn reverse_prefixes_become_zones() {
    let config = good(
        "zones = ['10.in-addr.arpa']\nreverse = ['10.0.0.0/8', '172.16.0.0/12', '172.16.0.0/16']",
    );
    assert_eq!(config.reverse.len(), 16, "{:?}", config.reverse);
}

#[test]
fn an_embedded_store() {
    let config = good("[store]\nkind = 'embedded'\ndata = '/var/lib/containerdns'");
    let data = "/var/lib/containerdns".into();
    assert_eq!(config.store.kind, StoreKind::Embedded { data });
}
