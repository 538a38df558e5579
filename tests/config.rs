//! What good configurations become. What is said about bad ones is in `config_problems.rs`.

use std::path::Path;

use containerdns::config::{Config, Standalone, StoreKind};
use containerdns_schema::Name;
use expect_test::expect_file;
use proptest::prelude::*;

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
fn the_configuration_for_kubernetes_is_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("deploy/kubernetes/containerdns.toml");
    let text = std::fs::read_to_string(path).expect("it is there");
    // Files and folders are looked at: these stand for what the volumes of the pod bring.
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["ca.crt", "tls.crt", "tls.key"] {
        std::fs::write(folder.path().join(file), "").expect("it can be written");
    }
    let here = folder.path().display().to_string();
    let text = text.replace("/etc/containerdns-etcd", &here);
    let config = good(&text.replace("/var/lib/containerdns", &here));
    let ports: Vec<_> = config.listen.dns.iter().map(|dns| dns.port()).collect();
    assert_eq!((ports, config.listen.admin.port()), (vec![10053], 9600));
}

#[test]
fn every_key_of_the_sample_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path| std::fs::read_to_string(root.join(path)).expect(path);
    let (sample, manual) = (
        read("configs/containerdns.toml"),
        read("docs/configuration.md"),
    );
    let mut keys = 0;
    for line in sample.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        if key
            .bytes()
            .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        {
            assert!(
                manual.contains(&format!("`{key}`")),
                "{key} is not in docs/configuration.md"
            );
            keys += 1;
        }
    }
    assert!(keys >= 30, "only {keys} keys were found in the sample");
}

#[test]
fn the_defaults() {
    let config = good("");
    assert_eq!(
        config.cores.iter().map(|core| core.cpu).collect::<Vec<_>>(),
        CPUS
    );
    expect_file!["config/defaults.txt"].assert_debug_eq(&config);
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
fn a_view_in_the_order_of_names() {
    let config = good(
        "[views.office]\nclients = ['10.9.0.0/16', 'fd00:9::/32']\n\
         prefixes = [{ path = '/views/office/', format = 'containerdns' },\n\
         { path = '/views/office-kube/', format = 'bundle' }]\n\
         [views.lab]\nclients = ['10.9.8.0/24']\n\
         prefixes = [{ path = '/views/lab/', format = 'skydns' }]",
    );
    let views = config.views.iter().map(|view| {
        let clients: Vec<String> = view.clients.iter().map(ToString::to_string).collect();
        let paths: Vec<&str> = view.prefixes.iter().map(|p| p.path.as_str()).collect();
        (view.name.as_str(), clients.join(" "), paths.join(" "))
    });
    let lab = ("lab", "10.9.8.0/24".to_owned(), "/views/lab/".to_owned());
    let (clients, paths) = (
        "10.9.0.0/16 fd00:9::/32",
        "/views/office/ /views/office-kube/",
    );
    let office = ("office", clients.to_owned(), paths.to_owned());
    assert_eq!(views.collect::<Vec<_>>(), [lab, office]);
}

#[test]
fn an_embedded_store() {
    let config = good("[store]\nkind = 'embedded'\ndata = '/var/lib/containerdns'");
    let data = "/var/lib/containerdns".into();
    assert_eq!(config.store.kind, StoreKind::Embedded { data });
}

#[test]
fn standalone_is_the_default_over_an_embedded_store() {
    let name = |text| Name::parse(text).expect("a name");
    let address = |text: &str| text.parse().expect("an address");
    let options = Standalone {
        data: "data".into(),
        dns: address("127.0.0.1:5353"),
        api: address("127.0.0.1:9003"),
        admin: address("127.0.0.1:9600"),
        zones: vec![name("containerdns.local"), name("10.in-addr.arpa")],
        records: None,
    };
    let config = Config::standalone(&options);
    assert_eq!(config.zones, options.zones);
    assert_eq!(config.reverse, [name("d.f.ip6.arpa")]);
    assert_eq!(config.listen.dns, [options.dns]);
    assert_eq!(
        config.store.kind,
        StoreKind::Embedded { data: options.data }
    );
    assert_eq!(config.answer, good("").answer);
}

#[test]
fn zones_of_clients() {
    let config = good(
        "answer.client_subnet_from = ['10.0.0.53/32', 'fd00::/64']\n\
         [topology]\n'zone-a' = ['10.1.0.0/16', 'fd00:1::/48']\nb = ['10.0.0.0/8']",
    );
    let from = config.answer.client_subnet_from.iter();
    let from: Vec<String> = from.map(ToString::to_string).collect();
    assert_eq!(from, ["10.0.0.53/32", "fd00::/64"]);
    let zones = config.topology.iter().map(|(zone, prefixes)| {
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        format!("{zone}: {}", prefixes.join(" "))
    });
    let zones: Vec<String> = zones.collect();
    assert_eq!(zones, ["b: 10.0.0.0/8", "zone-a: 10.1.0.0/16 fd00:1::/48"]);
}

proptest! {
    /// Damage anywhere in a file is told about or harmless, and always has a line of the file.
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..4096, cut in 0usize..64, insert in "\\PC{0,6}") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/containerdns.toml");
        let mut text = std::fs::read_to_string(path).expect("the sample is there");
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        text.replace_range(start..end, &insert);
        if let Err(problems) = Config::parse("damaged.toml", &text, CPUS) {
            let lines = text.lines().count() + 1;
            for problem in problems.0 {
                prop_assert!((1..=lines).contains(&problem.line), "{}", problem);
            }
        }
    }
}
