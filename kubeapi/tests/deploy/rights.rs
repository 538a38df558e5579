//! Nothing may more than it needs: rights in the Kubernetes API, and what containers may do.

use serde_json::{Value, json};

use crate::manifests::{Manifest, manifests, text};

/// Every rule of every role: its file, API group, resources and verbs.
const RULES: &[(&str, &str, &[&str], &[&str])] = &[
    (
        "multi-cluster/rbac.yaml",
        "multicluster.x-k8s.io",
        &["serviceimports"],
        READ,
    ),
    ("pods-verified/rbac.yaml", "", &["pods"], READ),
    ("rbac.yaml", "", &["services", "namespaces"], READ),
    ("rbac.yaml", "discovery.k8s.io", &["endpointslices"], READ),
    ("rbac.yaml", "events.k8s.io", &["events"], &["create"]),
];
const READ: &[&str] = &["list", "watch"];

#[test]
fn roles_have_the_rules_that_are_needed_and_no_others() {
    let manifests = manifests();
    let roles = manifests.iter().filter(|m| m.kind() == "ClusterRole");
    let found: Vec<(&str, Value)> = roles
        .flat_map(|role| {
            let rules = role.at("/rules").as_array().expect("a role has rules");
            rules.iter().map(|rule| (role.file.as_str(), rule.clone()))
        })
        .collect();
    let wanted = RULES.iter().map(|(file, group, resources, verbs)| {
        let rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        (*file, rule)
    });
    assert_eq!(found, wanted.collect::<Vec<_>>());
}

#[test]
fn roles_are_bound_to_the_control_plane_only() {
    let manifests = manifests();
    let named = |kind: &str, name: &str, namespace: &str| {
        let mut all = manifests.iter();
        all.any(|m| m.kind() == kind && m.name() == name && m.namespace() == namespace)
    };
    let bindings: Vec<_> = manifests
        .iter()
        .filter(|m| m.kind().ends_with("Binding"))
        .collect();
    assert_eq!(bindings.len(), 3);
    for binding in bindings {
        let role = (binding.text("/roleRef/kind"), binding.text("/roleRef/name"));
        assert!(named(role.0, role.1, ""), "{}: {role:?}", binding.label());
        let subject = json!([{
            "kind": "ServiceAccount",
            "name": "containerdns-kubeapi",
            "namespace": "containerdns-system",
        }]);
        assert_eq!(*binding.at("/subjects"), subject, "{}", binding.label());
    }
    for workload in manifests.iter().filter(|m| m.is_workload()) {
        let pod = workload.pod();
        let account = pod["serviceAccountName"].as_str().unwrap_or_default();
        let there = named("ServiceAccount", account, workload.namespace());
        assert!(there, "{}: account `{account}`", workload.label());
        let token = workload.name() == "containerdns-kubeapi";
        assert_eq!(
            pod["automountServiceAccountToken"],
            token,
            "{}",
            workload.label()
        );
    }
}

#[test]
fn containers_are_confined() {
    for workload in manifests().iter().filter(|m| m.is_workload()) {
        let (label, pod) = (workload.label(), &workload.pod()["securityContext"]);
        assert_eq!(pod["runAsNonRoot"], true, "{label}");
        assert!(pod["runAsUser"].as_u64() > Some(0), "{label}");
        assert_eq!(pod["seccompProfile"]["type"], "RuntimeDefault", "{label}");
        let is_dns = workload.kind() == "DaemonSet";
        assert_eq!(workload.pod()["hostNetwork"] == true, is_dns, "{label}");
        for container in workload.containers() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{label}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{label}");
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{label}");
            assert!(context["privileged"].is_null(), "{label}");
            assert!(
                container["resources"]["requests"]["memory"].is_string(),
                "{label}"
            );
            assert!(
                container["resources"]["limits"]["memory"].is_string(),
                "{label}"
            );
        }
    }
}

#[test]
fn the_seccomp_profile_allows_rings_and_nothing_that_leaves_the_container() {
    let profile: Value = serde_json::from_str(&text("seccomp/containerdns.json")).expect("JSON");
    let fields = profile.as_object().expect("an object").keys();
    let known = [
        "architectures",
        "defaultAction",
        "defaultErrnoRet",
        "syscalls",
    ];
    assert_eq!(fields.collect::<Vec<_>>(), known);
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let rules = profile["syscalls"].as_array().expect("rules");
    let unconditional =
        |rule: &&Value| rule["action"] == "SCMP_ACT_ALLOW" && rule["args"].is_null();
    let allowed = rules.iter().filter(unconditional);
    let allowed = allowed.flat_map(|rule| rule["names"].as_array().expect("names"));
    let allowed: Vec<&str> = allowed.filter_map(Value::as_str).collect();
    for call in [
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "recvmmsg",
        "sendmmsg",
    ] {
        assert!(allowed.contains(&call), "{call} is missing");
    }
    for call in [
        "bpf", "clone", "mount", "ptrace", "setns", "socket", "unshare",
    ] {
        assert!(!allowed.contains(&call), "{call} is allowed");
    }
}

#[test]
fn the_dns_server_runs_under_the_profile_that_is_shipped() {
    let is_dns = |m: &Manifest| m.kind() == "DaemonSet";
    let dns = manifests().into_iter().find(is_dns).expect("there is one");
    let profile = &dns.containers()[0]["securityContext"]["seccompProfile"];
    let shipped = json!({"type": "Localhost", "localhostProfile": "containerdns.json"});
    assert_eq!(*profile, shipped);
}
