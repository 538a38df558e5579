//! What one file names is in another: labels, ports, addresses, files, images, configurations.

use std::collections::BTreeMap;

use containerdns_kubeapi::config::Config;
use serde_json::{Value, json};

use crate::manifests::{Manifest, base_kustomization, manifests, repository, text};

/// The label by which a StatefulSet tells its pods apart.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// Whether pods of a workload have all labels of a selector.
fn selects(selector: &Value, workload: &Manifest) -> bool {
    let labels = workload.at("/spec/template/metadata/labels");
    let selector = selector.as_object().expect("a selector is a table");
    let has = |(key, value): (&String, &Value)| {
        let of_pod = key == POD_NAME && workload.kind() == "StatefulSet";
        let mut pods = (0..3).map(|number| json!(format!("{}-{number}", workload.name())));
        labels[key] == *value || of_pod && pods.any(|pod| pod == *value)
    };
    !selector.is_empty() && selector.iter().all(has)
}

#[test]
fn selectors_find_pods() {
    let manifests = manifests();
    let mut selectors = 0;
    for manifest in &manifests {
        let pointer = match manifest.kind() {
            "Service" => "/spec/selector",
            "PodDisruptionBudget" | "StatefulSet" | "Deployment" | "DaemonSet" => {
                "/spec/selector/matchLabels"
            }
            _ => continue,
        };
        let mut workloads = manifests.iter().filter(|m| m.is_workload());
        let found = match manifest.is_workload() {
            true => selects(manifest.at(pointer), manifest),
            false => workloads
                .any(|m| m.namespace() == manifest.namespace() && selects(manifest.at(pointer), m)),
        };
        assert!(found, "{}: selects no pod", manifest.label());
        selectors += 1;
    }
    assert!(selectors > 10, "only {selectors}");
}

/// The named ports of a workload and their protocols.
fn ports(workload: &Manifest) -> BTreeMap<&str, &str> {
    let ports = workload.containers().iter();
    let ports = ports.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let named = ports.map(|port| {
        let name = port["name"].as_str().unwrap_or_default();
        assert!((1..=15).contains(&name.len()), "{port}");
        (name, port["protocol"].as_str().unwrap_or("TCP"))
    });
    named.collect()
}

#[test]
fn ports_of_services_and_probes_exist() {
    let manifests = manifests();
    for workload in manifests.iter().filter(|m| m.is_workload()) {
        let ports = ports(workload);
        for container in workload.containers() {
            for probe in ["livenessProbe", "readinessProbe"] {
                let port = container[probe]["httpGet"]["port"]
                    .as_str()
                    .unwrap_or_default();
                assert!(
                    ports.contains_key(port),
                    "{}: {probe} at `{port}`",
                    workload.label()
                );
            }
        }
        let namespace = workload.namespace();
        let services = manifests.iter().filter(|m| m.kind() == "Service");
        let services = services.filter(|m| m.namespace() == namespace);
        for service in services.filter(|m| selects(m.at("/spec/selector"), workload)) {
            for port in service.at("/spec/ports").as_array().expect("ports") {
                let target = port["targetPort"].as_str().unwrap_or_default();
                let protocol = port["protocol"].as_str().unwrap_or("TCP");
                let label = service.label();
                assert_eq!(ports.get(target), Some(&protocol), "{label}: `{target}`");
            }
        }
    }
}

#[test]
fn etcd_is_known_by_address_wherever_it_is_used() {
    let manifests = manifests();
    let services = manifests.iter().filter(|m| m.kind() == "Service");
    let members = services.filter(|m| m.at("/spec/selector").get(POD_NAME).is_some());
    let aliases: Vec<Value> = members
        .map(|member| {
            assert_eq!(
                member.text("/spec/selector/statefulset.kubernetes.io~1pod-name"),
                member.name()
            );
            json!({"ip": member.text("/spec/clusterIP"), "hostnames": [member.name()]})
        })
        .collect();
    assert_eq!(aliases.len(), 3);
    for workload in manifests.iter().filter(|m| m.is_workload()) {
        let label = workload.label();
        assert_eq!(workload.pod()["hostAliases"], json!(aliases), "{label}");
        assert_eq!(workload.pod()["dnsPolicy"], "Default", "{label}");
    }
    for file in ["containerdns.toml", "containerdns-kubeapi.toml"] {
        let members = ["0", "1", "2"].map(|n| format!("\"https://containerdns-etcd-{n}:2379\","));
        let configuration = text(file);
        let there = |member: &String| configuration.contains(member);
        assert!(members.iter().all(there), "{file}: not all of {members:?}");
    }
}

#[test]
fn configurations_are_mounted_where_they_are_read() {
    let base = base_kustomization();
    for workload in manifests().iter().filter(|m| m.is_workload()) {
        let label = workload.label();
        let volumes = workload.pod()["volumes"].as_array().expect("volumes");
        let config = volumes.iter().find(|volume| volume["name"] == "config");
        let Some(config) = config else { continue };
        let name = &config["configMap"]["name"];
        let generator = base.config_map_generator.iter().find(|g| *name == g.name);
        let generator = generator.unwrap_or_else(|| panic!("{label}: no ConfigMap {name}"));
        assert_eq!(generator.namespace, workload.namespace(), "{label}");
        let container = &workload.containers()[0];
        let mounts = container["volumeMounts"].as_array().expect("mounts");
        let mount = mounts.iter().find(|mount| mount["name"] == "config");
        let path = mount
            .and_then(|mount| mount["mountPath"].as_str())
            .unwrap_or_default();
        let option = format!("--config={path}/{}", generator.files[0].display());
        let command = container["command"].as_array().expect("a command");
        assert!(
            command.contains(&json!(option)),
            "{label}: {option} is not in {command:?}"
        );
    }
}

#[test]
fn mounts_have_volumes() {
    for workload in manifests().iter().filter(|m| m.is_workload()) {
        let volumes = workload.pod()["volumes"].as_array().into_iter().flatten();
        let claims = workload
            .at("/spec/volumeClaimTemplates")
            .as_array()
            .into_iter()
            .flatten();
        let mut names: Vec<&Value> = volumes.map(|volume| &volume["name"]).collect();
        names.extend(claims.map(|claim| &claim["metadata"]["name"]));
        for mount in workload.containers()[0]["volumeMounts"]
            .as_array()
            .expect("mounts")
        {
            assert!(
                names.contains(&&mount["name"]),
                "{}: {mount}",
                workload.label()
            );
        }
    }
}

#[test]
fn images_and_programs_are_those_of_the_dockerfile() {
    let images = base_kustomization().images;
    let images: Vec<_> = images
        .iter()
        .map(|i| format!("{}:{}", i.name, i.new_tag))
        .collect();
    let dockerfile = std::fs::read_to_string(repository().join("Dockerfile")).expect("Dockerfile");
    for workload in manifests().iter().filter(|m| m.is_workload()) {
        let container = &workload.containers()[0];
        let image = container["image"].as_str().unwrap_or_default();
        assert!(images.iter().any(|known| known == image), "{image}");
        let program = container["command"][0].as_str().unwrap_or_default();
        let path = format!("target/release/{program}");
        let is_path = |word: &str| word == path;
        let ours = image.starts_with("containerdns:");
        let built = dockerfile.split_whitespace().any(is_path);
        assert_eq!(built, ours, "{program}");
    }
    let user = "USER 10001:10001";
    assert!(dockerfile.lines().any(|line| line == user), "no {user}");
}

#[test]
fn the_control_plane_takes_its_configuration() {
    let file = "containerdns-kubeapi.toml";
    if let Err(problem) = Config::parse(file, &text(file)) {
        panic!("{problem}");
    }
}
