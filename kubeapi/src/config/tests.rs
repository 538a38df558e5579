//! Configurations, good and bad; the file with every default is read as the defaults.

use expect_test::{Expect, expect};

use super::*;

mod kubernetes;
mod prober;

fn check(text: &str, expected: Expect) {
    let told = match Config::parse("kubeapi.toml", text) {
        Ok(_) => "good".into(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&told);
}

#[test]
fn problems_name_the_line() {
    check("", expect!["good"]);
    check(
        "zone = []",
        expect![
            "kubeapi.toml: line 1: unknown field `zone`, expected one of `zones`, `reverse`, `cluster`, `store`, `api`, `admin`, `kubernetes`, `prober`"
        ],
    );
    check(
        "zones = []",
        expect!["kubeapi.toml: zones: is empty; name a zone"],
    );
    check(
        "\nzones = [\"a..b\"]",
        expect![
            "kubeapi.toml: line 2: label 2 is empty: a name is labels of 1 to 63 octets between single dots"
        ],
    );
    check(
        "zones = [\".\"]",
        expect!["kubeapi.toml: zones: the root is no zone of ours; write a name below it"],
    );
    check(
        "reverse = [\"10.0.0.0/33\"]",
        expect!["kubeapi.toml: line 1: `10.0.0.0/33` is longer than its address; write /0 to /32"],
    );
    check(
        "[store]\nkind = \"redis\"",
        expect!["kubeapi.toml: line 2: unknown variant `redis`, expected `etcd` or `embedded`"],
    );
    check(
        "[store]\nkind = \"embedded\"",
        expect!["kubeapi.toml: store.data: missing; name a folder for the embedded store"],
    );
    check("[api]\nprobe = \"all\"", expect!["good"]);
    check(
        "[api]\nprobe = \"some\"",
        expect![
            "kubeapi.toml: line 2: unknown variant `some`, expected one of `asked`, `all`, `none`"
        ],
    );
    check(
        "[store]\ndata = \"x\"",
        expect![[
            r#"kubeapi.toml: store.data: is for kind = "embedded"; remove it, or change kind"#
        ]],
    );
    check(
        "[store]\nprefix = \"containerdns\"",
        expect![
            "kubeapi.toml: line 2: `containerdns` is no key prefix; begin and end it with a slash"
        ],
    );
    check(
        "[store]\nrelist_s = 0",
        expect!["kubeapi.toml: line 2: 0 is out of range; write 1 to 86400"],
    );
}

#[test]
fn problems_of_the_api_name_the_line() {
    check(
        "[store]\nchange_prefix = \"/containerdns/changes/\"",
        expect![
            "kubeapi.toml: store.change_prefix: `/containerdns/changes/` overlaps prefix `/containerdns/`; a key has one meaning"
        ],
    );
    check(
        "[store]\nbundle_prefix = \"/containerdns-changes/\"",
        expect![
            "kubeapi.toml: store.change_prefix: `/containerdns-changes/` overlaps bundle_prefix `/containerdns-changes/`; a key has one meaning"
        ],
    );
    check(
        "[store]\ntls = { ca = \"x\", cert = \"y\" }",
        expect!["kubeapi.toml: store.tls: cert and key go together; set both, or none"],
    );
    check(
        "[api]\nlisten = \"9003\"",
        expect!["kubeapi.toml: line 2: invalid socket address syntax"],
    );
    check(
        "[api]\nttl_default_s = 2147483648",
        expect!["kubeapi.toml: line 2: 2147483648 is out of range; write 0 to 2147483647"],
    );
    check(
        "[api]\ntls = { cert = \"x\" }",
        expect!["kubeapi.toml: line 2: missing field `key`"],
    );
    check(
        "[api]\nenabled = false",
        expect![
            "kubeapi.toml: api.enabled: false, and so are kubernetes.enabled and prober.enabled; nothing would run"
        ],
    );
    check(
        "[api",
        expect!["kubeapi.toml: line 1: unclosed table, expected `]`"],
    );
}

#[test]
fn the_file_of_defaults_holds_the_defaults() {
    let text = include_str!("../../../configs/containerdns-kubeapi.toml");
    let written = Config::parse("configs/containerdns-kubeapi.toml", text);
    let defaults = Config::parse("defaults", "");
    let (written, defaults) = (written.expect("good"), defaults.expect("good"));
    assert_eq!(format!("{written:#?}"), format!("{defaults:#?}"));
}
