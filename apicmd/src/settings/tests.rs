//! Which source of a setting wins, and how addresses are read.

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;

const CONFIG: &str = r#"
default = "prod"
[servers.prod]
api = "prod:1"
token = "prod-token"
[servers.lab]
api = "https://lab:2"
token_file = "lab-token"
ca = "lab-ca"
cert = "lab-cert"
key = "lab-key"
"#;

fn check(change: impl Fn(&mut Connection, &mut Environment), config: &str, want: Expect) {
    let (mut options, mut environment) = (Connection::default(), Environment::default());
    change(&mut options, &mut environment);
    let file = ConfigFile::parse(config, Path::new("dir/c.toml")).expect("a good file");
    let told = match choose(&options, &environment, &file) {
        Ok(choice) => format!(
            "{} {:?} {:?}",
            choice.address.base, choice.token, choice.tls
        ),
        Err(error) => error,
    };
    want.assert_eq(&told);
}

#[test]
fn options_then_environment_then_file_then_default() {
    let token = |options: &mut Connection| options.token = Some("opt".into());
    check(
        |o, _| token(o),
        "",
        expect![[
            r#"http://127.0.0.1:9003/containerdns/api Text("opt") Tls { ca: None, identity: None }"#
        ]],
    );
    check(
        |_, _| (),
        "",
        expect![
            "no token: set CONDNS_API_TOKEN, or give --token-file (standalone writes DATA/token)"
        ],
    );
    check(
        |_, _| (),
        CONFIG,
        expect![[
            r#"http://prod:1/containerdns/api Text("prod-token") Tls { ca: None, identity: None }"#
        ]],
    );
    let environment = |_: &mut Connection, e: &mut Environment| {
        e.api = Some("env:3".into());
        e.token = Some("env-token".into());
    };
    check(
        environment,
        CONFIG,
        expect![[
            r#"http://env:3/containerdns/api Text("env-token") Tls { ca: None, identity: None }"#
        ]],
    );
    let all = |o: &mut Connection, e: &mut Environment| {
        environment(o, e);
        o.api = Some("opt:4".into());
        o.token_file = Some("opt-file".into());
    };
    check(
        all,
        CONFIG,
        expect![[
            r#"http://opt:4/containerdns/api File("opt-file") Tls { ca: None, identity: None }"#
        ]],
    );
}

#[test]
fn a_named_server_outranks_the_environment() {
    let lab = |o: &mut Connection, e: &mut Environment| {
        o.server = Some("lab".into());
        e.api = Some("env:3".into());
        e.token = Some("env-token".into());
    };
    check(
        lab,
        CONFIG,
        expect![[
            r#"https://lab:2/containerdns/api File("dir/lab-token") Tls { ca: Some("dir/lab-ca"), identity: Some(("dir/lab-cert", "dir/lab-key")) }"#
        ]],
    );
    check(
        |o, e| {
            lab(o, e);
            o.ca = Some("opt-ca".into());
            o.cert = Some("opt-cert".into());
            o.key = Some("opt-key".into());
        },
        CONFIG,
        expect![[
            r#"https://lab:2/containerdns/api File("dir/lab-token") Tls { ca: Some("opt-ca"), identity: Some(("opt-cert", "opt-key")) }"#
        ]],
    );
    check(
        |o, _| o.server = Some("x".into()),
        CONFIG,
        expect!["no server `x`: there is lab, prod"],
    );
    check(
        |o, _| o.server = Some("x".into()),
        "",
        expect!["no server `x`: no [servers.x] is there"],
    );
    check(
        |o, _| o.cert = Some("x".into()),
        CONFIG,
        expect!["--cert wants --key"],
    );
    check(
        |o, _| o.key = Some("x".into()),
        CONFIG,
        expect!["--key wants --cert"],
    );
}

#[test]
fn addresses() {
    let plain = Tls::default();
    let with_ca = Tls {
        ca: Some("ca".into()),
        identity: None,
    };
    let mut told = String::new();
    for (text, tls) in [
        ("dns:9003", &plain),
        ("dns", &plain),
        ("10.0.0.1", &plain),
        ("[fd00::1]", &plain),
        ("[fd00::1]:80", &plain),
        ("http://dns:9003/containerdns/api/", &plain),
        ("dns:9003/containerdns/api", &plain),
        ("https://dns/", &plain),
        ("dns:9003", &with_ca),
        ("https://dns:1", &with_ca),
        ("http://dns:1", &with_ca),
        ("ftp://dns", &plain),
        ("dns:x", &plain),
        ("dns:99999", &plain),
        ("dns:", &plain),
        ("", &plain),
        (":9003", &plain),
        ("dns:1/other", &plain),
        ("me@dns:1", &plain),
        ("dns:1?x", &plain),
    ] {
        match address(text, tls) {
            Ok(address) => told += &format!("{text}: {} ({})\n", address.base, address.shown),
            Err(error) => told += &format!("{error}\n"),
        }
    }
    expect![[r#"
        dns:9003: http://dns:9003/containerdns/api (dns:9003)
        dns: http://dns:9003/containerdns/api (dns:9003)
        10.0.0.1: http://10.0.0.1:9003/containerdns/api (10.0.0.1:9003)
        [fd00::1]: http://[fd00::1]:9003/containerdns/api ([fd00::1]:9003)
        [fd00::1]:80: http://[fd00::1]:80/containerdns/api ([fd00::1]:80)
        http://dns:9003/containerdns/api/: http://dns:9003/containerdns/api (dns:9003)
        dns:9003/containerdns/api: http://dns:9003/containerdns/api (dns:9003)
        https://dns/: https://dns/containerdns/api (dns)
        dns:9003: https://dns:9003/containerdns/api (dns:9003)
        https://dns:1: https://dns:1/containerdns/api (dns:1)
        `http://dns:1` is no address of an API: http uses no certificates: write https://
        `ftp://dns` is no address of an API: write http:// or https://
        `dns:x` is no address of an API: write HOST:PORT or http://HOST:PORT
        `dns:99999` is no address of an API: write HOST:PORT or http://HOST:PORT
        `dns:` is no address of an API: write HOST:PORT or http://HOST:PORT
        `` is no address of an API: write HOST:PORT or http://HOST:PORT
        `:9003` is no address of an API: write HOST:PORT or http://HOST:PORT
        `dns:1/other` is no address of an API: write HOST:PORT or http://HOST:PORT
        `me@dns:1` is no address of an API: write HOST:PORT or http://HOST:PORT
        `dns:1?x` is no address of an API: write HOST:PORT or http://HOST:PORT
    "#]]
    .assert_eq(&told);
}

#[test]
fn the_file_is_below_the_folder_of_configurations() {
    let mut environment = Environment::default();
    assert_eq!(environment.config_path(), None);
    environment.home = Some("h".into());
    let below_home = Path::new("h/.config/containerdns/apicmd.toml");
    assert_eq!(environment.config_path().as_deref(), Some(below_home));
    environment.config_home = Some("x".into());
    let below_config = Path::new("x/containerdns/apicmd.toml");
    assert_eq!(environment.config_path().as_deref(), Some(below_config));
}
