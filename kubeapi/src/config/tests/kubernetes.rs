//! `[kubernetes]` and `[admin]`: what each bad value is told, and what the role is given.

use super::*;

/// Checks lines of `[kubernetes]`, which begin at line 2.
fn check_section(lines: &str, expected: Expect) {
    check(&format!("[kubernetes]\n{lines}"), expected);
}

#[test]
fn problems_of_the_admin_listener_name_the_line() {
    check("[admin]\nlisten = \"[::]:9601\"", expect!["good"]);
    check(
        "[admin]\nlisten = \"localhost:9601\"",
        expect!["kubeapi.toml: line 2: invalid socket address syntax"],
    );
    check(
        "[admin]\nport = 9601",
        expect!["kubeapi.toml: line 2: unknown field `port`, expected `listen`"],
    );
}

#[test]
fn zones_and_kinds_that_are_none_name_the_line() {
    check_section(
        "enable = true",
        expect![
            "kubeapi.toml: line 2: unknown field `enable`, expected one of `enabled`, `kubeconfig`, `cluster`, `zones`, `clusterset_zones`, `external_zones`, `external_source`, `external_servers`, `hostname_zones`, `ttl_s`, `pods`, `ignore_empty_services`, `namespaces`, `namespace_selector`, `namespaces_denied`, `endpoint_pod_names`, `relist_s`, `writes_per_s_max`, `events`"
        ],
    );
    check_section(
        "enabled = \"yes\"",
        expect![[r#"kubeapi.toml: line 2: invalid type: string "yes", expected a boolean"#]],
    );
    check_section(
        "kubeconfig = 1",
        expect!["kubeapi.toml: line 2: invalid type: integer `1`, expected path string"],
    );
    check_section(
        "\nzones = [\"a..b\"]",
        expect![
            "kubeapi.toml: line 3: label 2 is empty: a name is labels of 1 to 63 octets between single dots"
        ],
    );
    check_section(
        "zones = \"cluster.local\"",
        expect![[
            r#"kubeapi.toml: line 2: invalid type: string "cluster.local", expected a sequence"#
        ]],
    );
    check_section(
        "clusterset_zones = [\"a..b\"]",
        expect![
            "kubeapi.toml: line 2: label 2 is empty: a name is labels of 1 to 63 octets between single dots"
        ],
    );
    check_section(
        "external_zones = [\"a..b\"]",
        expect![
            "kubeapi.toml: line 2: label 2 is empty: a name is labels of 1 to 63 octets between single dots"
        ],
    );
    check_section(
        "external_source = \"node-port\"",
        expect![
            "kubeapi.toml: line 2: unknown variant `node-port`, expected one of `any`, `load-balancer`, `external-ip`"
        ],
    );
    check_section(
        "hostname_zones = [\"a..b\"]",
        expect![
            "kubeapi.toml: line 2: label 2 is empty: a name is labels of 1 to 63 octets between single dots"
        ],
    );
}

#[test]
fn values_out_of_range_name_the_line() {
    check_section(
        "ttl_s = 2147483648",
        expect!["kubeapi.toml: line 2: 2147483648 is out of range; write 0 to 2147483647"],
    );
    check_section(
        "ttl_s = -1",
        expect!["kubeapi.toml: line 2: invalid value: integer `-1`, expected u64"],
    );
    check_section(
        "pods = \"enabled\"",
        expect![
            "kubeapi.toml: line 2: unknown variant `enabled`, expected one of `disabled`, `insecure`, `verified`"
        ],
    );
    check_section(
        "ignore_empty_services = 1",
        expect!["kubeapi.toml: line 2: invalid type: integer `1`, expected a boolean"],
    );
    check_section(
        "namespaces = \"prod\"",
        expect![[r#"kubeapi.toml: line 2: invalid type: string "prod", expected a sequence"#]],
    );
    check_section(
        "namespaces_denied = [1]",
        expect!["kubeapi.toml: line 2: invalid type: integer `1`, expected a string"],
    );
    check_section(
        "endpoint_pod_names = \"no\"",
        expect![[r#"kubeapi.toml: line 2: invalid type: string "no", expected a boolean"#]],
    );
    check_section(
        "relist_s = 0",
        expect!["kubeapi.toml: line 2: 0 is out of range; write 1 to 86400"],
    );
    check_section(
        "relist_s = 86401",
        expect!["kubeapi.toml: line 2: 86401 is out of range; write 1 to 86400"],
    );
    check_section(
        "writes_per_s_max = 0",
        expect!["kubeapi.toml: line 2: 0 is out of range; write 1 to 100000"],
    );
    check_section(
        "writes_per_s_max = 100001",
        expect!["kubeapi.toml: line 2: 100001 is out of range; write 1 to 100000"],
    );
    check_section(
        "events = \"all\"",
        expect![[r#"kubeapi.toml: line 2: invalid type: string "all", expected a boolean"#]],
    );
}

#[test]
fn a_cluster_has_a_name_of_its_own() {
    check_section("cluster = \"east-1.a_B\"", expect!["good"]);
    check_section(
        "cluster = \"\"",
        expect![
            "kubeapi.toml: line 2: `` is no name of a cluster; write 1 to 63 letters, digits, `-`, `_`, `.`"
        ],
    );
    check_section(
        "cluster = \"a/b\"",
        expect![
            "kubeapi.toml: line 2: `a/b` is no name of a cluster; write 1 to 63 letters, digits, `-`, `_`, `.`"
        ],
    );
    check_section(
        "cluster = \"api\"",
        expect!["kubeapi.toml: line 2: `api` is kept for other records; choose another name"],
    );
    check_section(
        "cluster = \"zone-file\"",
        expect!["kubeapi.toml: line 2: `zone-file` is kept for other records; choose another name"],
    );
    let long = "x".repeat(64);
    check_section(&format!("cluster = \"{}\"", &long[1..]), expect!["good"]);
    check_section(
        &format!("cluster = \"{long}\""),
        expect![
            "kubeapi.toml: line 2: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is no name of a cluster; write 1 to 63 letters, digits, `-`, `_`, `.`"
        ],
    );
}

#[test]
fn a_selector_is_that_of_kubernetes() {
    check_section(
        "namespace_selector = { matchLabels = { dns = \"yes\" } }",
        expect!["good"],
    );
    check_section(
        "[kubernetes.namespace_selector.matchLabels]\ndns = \"yes\"",
        expect!["good"],
    );
    check_section(
        "namespace_selector = { matchExpressions = [{ key = \"a\", operator = \"Exists\" }] }",
        expect!["good"],
    );
    check_section(
        "\nnamespace_selector = { dns = \"yes\" }",
        expect![
            "kubeapi.toml: line 3: unknown field `dns`, expected `matchLabels` or `matchExpressions`"
        ],
    );
    check_section(
        "namespace_selector = \"dns=yes\"",
        expect![[
            r#"kubeapi.toml: line 2: invalid type: string "dns=yes", expected a table with matchLabels, matchExpressions or both"#
        ]],
    );
    check_section(
        "namespace_selector = { matchLabels = [\"dns\"] }",
        expect!["kubeapi.toml: line 2: invalid type: sequence, expected a map"],
    );
    check_section(
        "namespace_selector = { matchExpressions = [{ key = \"a\", operator = \"Near\" }] }",
        expect![
            "kubeapi.toml: line 2: failed to parse value as expression: Invalid expression operator"
        ],
    );
}

#[test]
fn zones_of_kubernetes_lie_in_zones() {
    check_section("enabled = true", expect!["good"]);
    check_section(
        "enabled = true\nzones = [\"CLUSTER.local.\", \"k8s.containerdns.local\"]",
        expect!["good"],
    );
    check_section(
        "enabled = true\nzones = [\"a.test\"]",
        expect!["kubeapi.toml: kubernetes.zones: a.test. lies in none of zones; add it there"],
    );
    check_section(
        "enabled = true\nclusterset_zones = [\"clusterset.local\"]",
        expect![
            "kubeapi.toml: kubernetes.clusterset_zones: clusterset.local. lies in none of zones; add it there"
        ],
    );
    check_section(
        "enabled = true\nexternal_zones = [\"a.test\"]",
        expect![
            "kubeapi.toml: kubernetes.external_zones: a.test. lies in none of zones; add it there"
        ],
    );
    check_section(
        "enabled = true\nhostname_zones = [\"a.test\"]",
        expect![
            "kubeapi.toml: kubernetes.hostname_zones: a.test. lies in none of zones; add it there"
        ],
    );
    check_section(
        "enabled = true\nzones = []",
        expect!["kubeapi.toml: kubernetes.zones: is empty; name a zone of the cluster"],
    );
    check_section(
        "enabled = true\nzones = []\nclusterset_zones = [\"cluster.local\"]",
        expect!["good"],
    );
    check_section(
        "enabled = true\nclusterset_zones = [\"Cluster.local\"]",
        expect![
            "kubeapi.toml: kubernetes.clusterset_zones: Cluster.local. is one of kubernetes.zones too; a zone has one meaning"
        ],
    );
    // Nothing of it matters while the role is off.
    check_section("zones = [\"a.test\"]", expect!["good"]);
}

#[test]
fn one_role_is_enough() {
    check(
        "[api]\nenabled = false\n[kubernetes]\nenabled = true",
        expect!["good"],
    );
    check(
        "[api]\nenabled = false\n[kubernetes]\nenabled = false",
        expect![
            "kubeapi.toml: api.enabled: false, and so are kubernetes.enabled and prober.enabled; nothing would run"
        ],
    );
}

#[test]
fn the_role_is_given_what_is_written() {
    let text = "zones = [\"Z.test\", \"y.test\"]\nreverse = [\"192.0.2.0/24\"]\n\
                [store]\nbundle_prefix = \"/b/\"\nrelist_s = 7\n\
                [kubernetes]\nenabled = true\nzones = [\"K.z.test\"]\nttl_s = 9\nrelist_s = 8\n\
                writes_per_s_max = 3\nevents = false\npods = \"verified\"";
    let options = |text| {
        let config = Config::parse("kubeapi.toml", text).expect("good");
        config.kubernetes_options("me".into())
    };
    let written = options(text);
    assert_eq!(written.relist.as_secs(), 8);
    assert_eq!(written.store_relist.as_secs(), 7);
    assert_eq!((written.writes_per_s_max, written.events), (3, false));
    assert_eq!(written.identity, "me");
    expect![[r#"
        Settings {
            bundle_prefix: "/b/",
            cluster: "default",
            zones: [
                k.z.test.,
            ],
            clusterset_zones: [],
            external_zones: [],
            external_source: Any,
            external_servers: [],
            hostname_zones: [],
            reverse: [
                2.0.192.in-addr.arpa.,
            ],
            ttl_s: 9,
            pods: Verified,
            ignore_empty_services: false,
            namespaces: [],
            namespace_selector: Selector(
                [],
            ),
            namespaces_denied: [
                "arpa",
                "com",
                "edu",
                "gov",
                "int",
                "mil",
                "net",
                "org",
            ],
            endpoint_pod_names: false,
        }
    "#]]
    .assert_eq(&format!("{:#?}\n", written.settings));
    let asked = options(&format!("{text}\nhostname_zones = []"));
    assert_eq!(
        asked.settings.hostname_zones,
        [],
        "empty is none, left out is all"
    );
}
