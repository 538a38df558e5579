//! `[prober]`: what is given, and problems that name the line or the key.

use super::*;

#[test]
fn values_out_of_range_name_the_line() {
    check(
        "[prober]\ninterval_ms = 99",
        expect!["kubeapi.toml: line 2: 99 is out of range; write 100 to 3600000"],
    );
    check(
        "[prober]\nports = [80, 65536]",
        expect!["kubeapi.toml: line 2: 65536 is out of range; write 1 to 65535"],
    );
    check(
        "[prober]\nports = []",
        expect!["kubeapi.toml: prober.ports: has 0 ports; write 1 to 8"],
    );
    check(
        "[prober]\nprobe = \"udp:53\"",
        expect!["kubeapi.toml: line 2: `udp` is no probe; write tcp, icmp, http, https or grpc"],
    );
    check(
        "[prober]\ntargets = \"every\"",
        expect!["kubeapi.toml: line 2: unknown variant `every`, expected `asked` or `all`"],
    );
    check(
        "[prober]\nidentity = \"a/b\"",
        expect![
            "kubeapi.toml: line 2: `a/b` is no identity; write up to 63 letters, digits, `-`, `_`, `.`"
        ],
    );
    check(
        "[prober]\nhost = \"a b\"",
        expect![
            "kubeapi.toml: line 2: `a b` is no host; write a name or an address, with :PORT if it is to be told"
        ],
    );
    check(
        "[prober]\ndown_after = 1",
        expect!["kubeapi.toml: line 2: 1 is out of range; write 2 to 100"],
    );
    check(
        "[prober]\nquorum = 0",
        expect!["kubeapi.toml: line 2: 0 is out of range; write 1 to 16"],
    );
    check(
        "[prober]\nexpect_status = [200]",
        expect!["kubeapi.toml: line 2: invalid length 1, expected an array of length 2"],
    );
    check(
        "[prober]\nwebhook = { url = \"alerts.example\" }",
        expect![
            "kubeapi.toml: line 2: is no URL of a webhook; write http://HOST/PATH or https://HOST/PATH"
        ],
    );
    check(
        "[prober]\nwebhook = { url = \"http://a/\", silence = 3 }",
        expect![
            "kubeapi.toml: line 2: unknown field `silence`, expected one of `url`, `token_file`, `silence_s`"
        ],
    );
}

#[test]
fn keys_that_contradict_each_other_are_named() {
    check(
        "[prober]\ninterval_ms = 500\ngap_min_ms = 100",
        expect![
            "kubeapi.toml: prober.timeout_ms: 1000 is more than prober.interval_ms; write at most 500"
        ],
    );
    check(
        "[prober]\ninterval_ms = 1000\ngap_min_ms = 1001",
        expect![
            "kubeapi.toml: prober.gap_min_ms: 1001 is more than prober.interval_ms; write at most 1000"
        ],
    );
    check(
        "[prober]\nexpect_status = [300, 200]",
        expect![
            "kubeapi.toml: prober.expect_status: the first is more than the second; write [LEAST, MOST]"
        ],
    );
}

#[test]
fn the_prober_is_given_what_is_written() {
    let settings = |text| {
        let config = Config::parse("kubeapi.toml", text).expect("good");
        config.prober_settings("host-1".into())
    };
    let asked = settings("[prober]\nenabled = true");
    assert_eq!(asked.identity, "host-1");
    assert_eq!(asked.records.len(), 1, "bundles only");
    let all = settings("[prober]\ntargets = \"all\"\nidentity = \"me\"\nprobe = \"icmp\"");
    assert_eq!(
        (all.identity.as_str(), all.probe.to_string()),
        ("me", "icmp".into())
    );
    expect![[r#"
        [
            Records {
                prefix: "/containerdns-kube/",
                format: Bundle,
                all_below: Some(
                    "/containerdns-kube/api/records/",
                ),
            },
            Records {
                prefix: "/containerdns/",
                format: ContainerDns,
                all_below: Some(
                    "/containerdns/",
                ),
            },
        ]
    "#]]
    .assert_eq(&format!("{:#?}\n", all.records));
}
