//! What `containerdns check` says about configurations. Each case is a file and every line that
//! is printed about it: where, which key, what is wrong, what would be right.

use containerdns::config::Config;
use expect_test::{Expect, expect};

#[path = "config_problems/views.rs"]
mod views;

/// CPUs that the process of these cases may use.
const CPUS: &[usize] = &[0, 1, 4];

fn check(text: &str, expected: Expect) {
    let told = match Config::parse("bad.toml", text, CPUS) {
        Ok(_) => "ok".to_owned(),
        Err(problems) => problems.to_string(),
    };
    expected.assert_eq(&told);
}

#[test]
fn unknown_keys() {
    check(
        "zone = ['a.example']",
        expect!["bad.toml:1: zone: unknown key; did you mean `zones`?"],
    );
    check(
        "listen.dsn = []\nlisten.port = 53",
        expect![[r#"
        bad.toml:1: listen.dsn: unknown key; known here: admin, dns
        bad.toml:2: listen.port: unknown key; known here: admin, dns"#]],
    );
    check(
        "[cache]\nsize = 1",
        expect![
            "bad.toml:1: cache: unknown key; known here: answer, core, forward, listen, reverse, store, tcp, topology, views, zones"
        ],
    );
    check(
        "[core.0]\nbatchsize = 1\n[core.default]\ncpu = 1",
        expect![[r#"
            bad.toml:2: core.0.batchsize: unknown key; did you mean `batch`?
            bad.toml:4: core.default.cpu: unknown key; known here: batch, rcvbuf_bytes, spin_us"#]],
    );
    check(
        "[store]\nprefixes = [{ path = '/a/', formt = 'skydns' }]",
        expect![[r#"
            bad.toml:2: store.prefixes[0].format: is missing; it has no default
            bad.toml:2: store.prefixes[0].formt: unknown key; did you mean `format`?"#]],
    );
}

#[test]
fn wrong_types() {
    check(
        "zones = 'a.example'",
        expect!["bad.toml:1: zones: is a string; write a list in [ ]"],
    );
    check(
        "zones = [1, 'a.example', true]",
        expect![[r#"
        bad.toml:1: zones[0]: is a whole number; write a string in quotes
        bad.toml:1: zones[2]: is true or false; write a string in quotes"#]],
    );
    check(
        "listen = '0.0.0.0:53'",
        expect!["bad.toml:1: listen: is a string; write a table of keys"],
    );
    check(
        "tcp.idle_s = '10'\ntcp.read_s = 1.5",
        expect![[r#"
        bad.toml:1: tcp.idle_s: is a string; write a whole number from 1 to 3600
        bad.toml:2: tcp.read_s: is a number with a fraction; write a whole number from 1 to 600"#]],
    );
    check(
        "store.prefixes = ['/skydns/']",
        expect!["bad.toml:1: store.prefixes[0]: is a string; write a table of keys"],
    );
    check(
        "core = 2\nanswer.soa = 5",
        expect![[r#"
        bad.toml:1: core: is a whole number; write a table of keys
        bad.toml:2: answer.soa: is a whole number; write a table of keys"#]],
    );
    check(
        "[answer]\nidentity = 1979-05-27\npolicy = 1",
        expect![[r#"
        bad.toml:2: answer.identity: is a date; write a string in quotes
        bad.toml:3: answer.policy: is a whole number; write a string in quotes"#]],
    );
}

#[test]
fn out_of_range() {
    check(
        "answer.udp_payload_max = 511",
        expect![
            "bad.toml:1: answer.udp_payload_max: 511 is out of range; write a whole number from 512 to 4096"
        ],
    );
    check(
        "answer.udp_payload_max = 0x1001",
        expect![
            "bad.toml:1: answer.udp_payload_max: 0x1001 is out of range; write a whole number from 512 to 4096"
        ],
    );
    check(
        "answer.ttl_default_s = 2147483648",
        expect![
            "bad.toml:1: answer.ttl_default_s: 2147483648 is out of range; write a whole number from 0 to 2147483647"
        ],
    );
    check(
        "core.default.batch = 65\ncore.0.batch = 0\ncore.0.rcvbuf_bytes = 1",
        expect![[r#"
            bad.toml:1: core.default.batch: 65 is out of range; write a whole number from 1 to 64
            bad.toml:2: core.0.batch: 0 is out of range; write a whole number from 1 to 64
            bad.toml:3: core.0.rcvbuf_bytes: 1 is out of range; write a whole number from 4096 to 1073741824"#]],
    );
    check(
        "tcp.idle_s = 0\ntcp.connections_max = -1",
        expect![[r#"
        bad.toml:1: tcp.idle_s: 0 is out of range; write a whole number from 1 to 3600
        bad.toml:2: tcp.connections_max: -1 is out of range; write a whole number from 1 to 65535"#]],
    );
    check(
        "store.relist_s = 99999999999999999999",
        expect![
            "bad.toml:1: store.relist_s: 99999999999999999999 is out of range; write a whole number from 1 to 86400"
        ],
    );
    check(
        "listen.dns = []",
        expect!["bad.toml:1: listen.dns: has 0 elements; write 1 to 64"],
    );
    check(
        "[answer.soa]\nminimum_s = -5\nexpire_s = 10",
        expect![[r#"
        bad.toml:2: answer.soa.minimum_s: -5 is out of range; write a whole number from 0 to 2147483647
        bad.toml:3: answer.soa.expire_s: is less than refresh_s; write at least 7200"#]],
    );
}

#[test]
fn names_and_zones() {
    check(
        "zones = ['a..example', '.', '']",
        expect![[r#"
            bad.toml:1: zones[0]: `a..example` is not a name: label 2 is empty: a name is labels of 1 to 63 octets between single dots
            bad.toml:1: zones[1]: is the root; write a name below it
            bad.toml:1: zones[2]: `` is not a name: label 1 is empty: a name is labels of 1 to 63 octets between single dots"#]],
    );
    check(
        "zones = ['*.a.example', '\\*']",
        expect![[r#"
        bad.toml:1: zones[0]: is a wildcard; write the zone that it lies in
        bad.toml:1: zones[1]: is a wildcard; write the zone that it lies in"#]],
    );
    check(
        "zones = ['a.example', 'b.example', 'A.Example.']",
        expect!["bad.toml:1: zones[2]: is listed twice; remove one of them"],
    );
    check(
        "zones = []\nreverse = []",
        expect![
            "bad.toml:1: zones: is empty, and so is reverse: nothing would be answered; name a zone"
        ],
    );
    check(
        "reverse = ['10.1.0.0/8', '10.0.0.0', '10.0.0.0/40', 'fd00::1/64']",
        expect![[r#"
            bad.toml:1: reverse[0]: `10.1.0.0/8` has bits set after /8; write "10.0.0.0/8"
            bad.toml:1: reverse[1]: `10.0.0.0` is not an address prefix; write one such as "10.0.0.0/8" or "fd00::/8"
            bad.toml:1: reverse[2]: `10.0.0.0/40` is longer than its address; write /0 to /32
            bad.toml:1: reverse[3]: `fd00::1/64` has bits set after /64; write "fd00::/64""#]],
    );
    check(
        "reverse = ['10.0.0.0/8', '10.0.0.0/8']",
        expect!["bad.toml:1: reverse[1]: is listed twice; remove one of them"],
    );
    check(
        "[answer.zones.'b.example']\npolicy = 'sticky'",
        expect![[
            r#"bad.toml:1: answer.zones."b.example": is not one of zones; add it there, or remove it here"#
        ]],
    );
    check(
        "[answer.names.'www.example']\npolicy = 'sticky'",
        expect![[
            r#"bad.toml:1: answer.names."www.example": is in none of zones; add one there, or remove it here"#
        ]],
    );
    check(
        "[answer.names]\n'www.cluster.local' = 'sticky'\n'a.cluster.local' = {}",
        expect![[r#"
            bad.toml:2: answer.names."www.cluster.local": is a string; write a table of keys
            bad.toml:3: answer.names."a.cluster.local".policy: is missing; it has no default"#]],
    );
    check(
        "answer.soa.rname = 'dns@corp.example'",
        expect![[
            r#"bad.toml:1: answer.soa.rname: is a mail address; write it as "dns.corp.example""#
        ]],
    );
    check(
        "answer.soa.mname = 'a..b'",
        expect![
            "bad.toml:1: answer.soa.mname: `a..b` is not a name: label 2 is empty: a name is labels of 1 to 63 octets between single dots"
        ],
    );
}

#[test]
fn addresses() {
    check(
        "listen.dns = ['0.0.0.0', 'localhost:53', ':53', '1.2.3.4:0']",
        expect![[r#"
            bad.toml:1: listen.dns[0]: `0.0.0.0` is not an address with a port; write ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53"
            bad.toml:1: listen.dns[1]: `localhost:53` is not an address with a port; write ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53"
            bad.toml:1: listen.dns[2]: `:53` is not an address with a port; write ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53"
            bad.toml:1: listen.dns[3]: `1.2.3.4:0` has port 0, which no client could know; write ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53""#]],
    );
    check(
        "listen.dns = ['[::1]:53', '[::1]:53']",
        expect!["bad.toml:1: listen.dns[1]: is listed twice; remove one of them"],
    );
    check(
        "[listen]\ndns = ['0.0.0.0:9600']\n\nadmin = '127.0.0.1:9600'",
        expect![
            "bad.toml:4: listen.admin: 127.0.0.1:9600 is taken by 0.0.0.0:9600 of listen.dns; use another port"
        ],
    );
}

#[test]
fn networks_of_clients() {
    check(
        "answer.client_subnet_from = ['10.0.0.53', '10.0.0.53/24', 'fd00::/129', '10.0.0.0/8', 1]",
        expect![[r#"
            bad.toml:1: answer.client_subnet_from[0]: `10.0.0.53` is not an address prefix; write one such as "10.0.0.0/8" or "fd00::/8"
            bad.toml:1: answer.client_subnet_from[1]: `10.0.0.53/24` has bits set after /24; write "10.0.0.0/24"
            bad.toml:1: answer.client_subnet_from[2]: `fd00::/129` is longer than its address; write /0 to /128
            bad.toml:1: answer.client_subnet_from[4]: is a whole number; write a string in quotes"#]],
    );
    check(
        "answer.client_subnet_from = ['10.0.0.0/8', '10.0.0.0/8']",
        expect!["bad.toml:1: answer.client_subnet_from[1]: is listed twice; remove one of them"],
    );
    check(
        "[topology]\n'zone-a' = ['10.1.0.0/16', '10.1.0.1/16', 'fd00::/48']\n\
         'zone-b' = ['10.2.0.0/16', '10.1.0.0/16']\nzone-c = '10.3.0.0/16'\nd = []\n'' = ['::/0']",
        expect![[r#"
            bad.toml:2: topology.zone-a[1]: `10.1.0.1/16` has bits set after /16; write "10.1.0.0/16"
            bad.toml:3: topology.zone-b: `10.1.0.0/16` is in `zone-a`, too; remove it from one of them
            bad.toml:4: topology.zone-c: is a string; write a list in [ ]
            bad.toml:5: topology.d: has 0 elements; write 1 to 1024
            bad.toml:6: topology."": is not a zone's name; write 1 to 63 octets"#]],
    );
    let zones = (0..251).map(|number| format!("z{number} = ['10.0.{number}.0/24']\n"));
    check(
        &format!("[topology]\n{}", zones.collect::<String>()),
        expect!["bad.toml:1: topology: has 251 zones; write at most 250"],
    );
}

#[test]
fn stores() {
    check(
        "store.kind = 'consul'",
        expect![[r#"bad.toml:1: store.kind: "consul" is not known; write "etcd" or "embedded""#]],
    );
    check(
        "store.kind = 'embedded'",
        expect!["bad.toml:1: store.data: is missing; name a folder for the embedded store"],
    );
    check(
        "[store]\ndata = 'x'",
        expect![[r#"bad.toml:2: store.data: is for kind = "embedded"; remove it, or change kind"#]],
    );
    check(
        "[store]\nkind = 'embedded'\ndata = 'x'\nendpoints = ['http://a:1']\nuser = 'u'",
        expect![[r#"
            bad.toml:4: store.endpoints: is for kind = "etcd"; remove it, or change kind
            bad.toml:5: store.user: has no password; set password_file too
            bad.toml:5: store.user: is for kind = "etcd"; remove it, or change kind"#]],
    );
    check(
        "[store]\nendpoints = [\n 'etcd:2379',\n 'http://etcd',\n 'ftp://etcd:1',\n 'http://u:p@e:1',\n \
         'http://e:1/v3',\n 'no url']",
        expect![[r#"
            bad.toml:3: store.endpoints[0]: `etcd:2379` has no scheme that etcd speaks; write http://HOST:PORT or https://HOST:PORT
            bad.toml:4: store.endpoints[1]: `http://etcd` has no port; write http://HOST:PORT or https://HOST:PORT (etcd's port is 2379)
            bad.toml:5: store.endpoints[2]: `ftp://etcd:1` has no scheme that etcd speaks; write http://HOST:PORT or https://HOST:PORT
            bad.toml:6: store.endpoints[3]: `http://u:p@e:1` carries a user; write http://HOST:PORT or https://HOST:PORT, with store.user and store.password_file
            bad.toml:7: store.endpoints[4]: `http://e:1/v3` has a path; write http://HOST:PORT or https://HOST:PORT
            bad.toml:8: store.endpoints[5]: `no url` is not a URL; write http://HOST:PORT or https://HOST:PORT"#]],
    );
    check(
        "store.endpoints = ['https://e:2379']",
        expect![[
            r#"bad.toml:1: store.endpoints: is https, but store.tls is missing; set tls = { ca = "FILE" }"#
        ]],
    );
    check(
        "store.endpoints = ['https://e:2379', 'http://f:2379']",
        expect!["bad.toml:1: store.endpoints: mixes http and https; use one of them for all"],
    );
    check(
        "store.tls = { ca = 'missing.pem', cert = 'Cargo.toml' }",
        expect![[r#"
            bad.toml:1: store.tls: is set, but the endpoints are http; write https, or remove tls
            bad.toml:1: store.tls.ca: `missing.pem` cannot be read (No such file or directory (os error 2)); name a file that can
            bad.toml:1: store.tls.cert: has no key; set key too"#]],
    );
    check(
        "[store]\nendpoints = ['https://e:1']\ntls = { cert = 'src', key = 'Cargo.toml' }",
        expect![[r#"
            bad.toml:3: store.tls.ca: is missing; it has no default
            bad.toml:3: store.tls.cert: `src` is not a file; name a file"#]],
    );
    check(
        "[store]\nuser = 'dns'",
        expect!["bad.toml:2: store.user: has no password; set password_file too"],
    );
    check(
        "[store]\npassword_file = 'missing'\nuser = ''",
        expect![[r#"
        bad.toml:2: store.password_file: `missing` cannot be read (No such file or directory (os error 2)); name a file that can
        bad.toml:3: store.user: is empty; name a user, or remove the key"#]],
    );
}

#[test]
fn what_is_read_from_the_store() {
    check(
        "store.prefixes = []",
        expect!["bad.toml:1: store.prefixes: has 0 elements; write 1 to 16"],
    );
    check(
        "[[store.prefixes]]\npath = '/a/'\nformat = 'skydns'\n[[store.prefixes]]\npath = '/a/b/'\n\
         format = 'v2'\n[[store.prefixes]]\npath = 'b'\n[[store.prefixes]]\npath = '/a/b/'\n\
         format = 'bundle'",
        expect![[r#"
            bad.toml:6: store.prefixes[1].format: "v2" is not known; write "containerdns" or "skydns" or "bundle"
            bad.toml:7: store.prefixes[2].format: is missing; it has no default
            bad.toml:8: store.prefixes[2].path: `b` is not a key prefix; begin and end it with a slash, as in "/b/"
            bad.toml:10: store.prefixes[3].path: `/a/b/` overlaps `/a/`; a key has one format"#]],
    );
    check(
        "store.health_prefix = '/health'",
        expect![[
            r#"bad.toml:1: store.health_prefix: `/health` is not a key prefix; begin and end it with a slash, as in "/health/""#
        ]],
    );
    check(
        "store.snapshot = 'missing/file'",
        expect![
            "bad.toml:1: store.snapshot: `missing/file` is in a folder that does not exist; create missing"
        ],
    );
    check(
        "store.snapshot = 'src'",
        expect!["bad.toml:1: store.snapshot: `src` is a folder; name a file in it"],
    );
}

#[test]
fn secrets_are_not_repeated() {
    check(
        "[answer]\ncookie_secrets = ['0123456789abcdef', 'zz0123456789abcdef0123456789abcd']\n\
         identity = 'ä'",
        expect![[r#"
            bad.toml:2: answer.cookie_secrets[0]: is not a secret (16 characters); write 32 hex digits (`openssl rand -hex 16`)
            bad.toml:2: answer.cookie_secrets[1]: is not a secret (32 characters); write 32 hex digits (`openssl rand -hex 16`)
            bad.toml:3: answer.identity: is not an identity; write at most 64 printable ASCII characters"#]],
    );
    let twice = "'000102030405060708090a0b0c0d0e0f', '000102030405060708090A0B0C0D0E0F'";
    check(
        &format!("answer.cookie_secrets = [{twice}]"),
        expect!["bad.toml:1: answer.cookie_secrets[1]: is listed twice; remove one of them"],
    );
}

#[test]
fn contradictions() {
    check(
        "core.3 = {}\ncore.1 = { cpu = 2 }",
        expect![[r#"
        bad.toml:1: core.3.cpu: this process may not use CPU 3; write one of 0, 1, 4
        bad.toml:2: core.1.cpu: this process may not use CPU 2; write one of 0, 1, 4"#]],
    );
    check(
        "core.0 = { cpu = 4 }\ncore.4 = {}",
        expect!["bad.toml:2: core.4.cpu: CPU 4 runs core.0; give each core its own"],
    );
    check(
        "core.01 = {}\ncore.first = {}\ncore.5000 = {}",
        expect![[r#"
        bad.toml:1: core.01: is not a core; write a number from 0 to 1023, or default
        bad.toml:2: core.first: is not a core; write a number from 0 to 1023, or default
        bad.toml:3: core.5000: is not a core; write a number from 0 to 1023, or default"#]],
    );
    check(
        "tcp.connections_max = 50",
        expect![
            "bad.toml:1: tcp.connections_per_client_max: is more than connections_max; write at most 50"
        ],
    );
    check(
        "forward.upstreams = ['10.0.0.1:53']",
        expect![
            "bad.toml:1: forward.upstreams: forwarding is not in this release; leave it empty (names outside our zones are REFUSED)"
        ],
    );
    check(
        "[[forward.zones]]\nzone = 'x.cluster.local'\nupstreams = ['10.0.0.1']\n[[forward.zones]]\n\
         upstreams = []",
        expect![[r#"
            bad.toml:1: forward.zones: forwarding is not in this release; leave it empty (names outside our zones are REFUSED)
            bad.toml:2: forward.zones[0].zone: `x.cluster.local.` is inside our zone `cluster.local.`, which is never forwarded; remove one of them
            bad.toml:3: forward.zones[0].upstreams[0]: `10.0.0.1` is not an address with a port; write ADDRESS:PORT, such as "127.0.0.1:53" or "[::1]:53"
            bad.toml:4: forward.zones[1].zone: is missing; it has no default
            bad.toml:5: forward.zones[1].upstreams: has 0 elements; write 1 to 16"#]],
    );
}

#[test]
fn broken_toml() {
    check(
        "zones = [\n[listen]\nadmin = 5",
        expect![[r#"
        bad.toml:2: string values must be quoted, expected literal string
        bad.toml:3: missing comma between array elements, expected `,`"#]],
    );
    check(
        "a = 1\na = 2\n= 3\n[tcp]\nidle_s = 0",
        expect![[r#"
            bad.toml:1: a: unknown key; known here: answer, core, forward, listen, reverse, store, tcp, topology, views, zones
            bad.toml:2: duplicate key
            bad.toml:3: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`
            bad.toml:5: tcp.idle_s: 0 is out of range; write a whole number from 1 to 3600"#]],
    );
    check(
        "zones = ['a.example'",
        expect!["bad.toml:1: unclosed array, expected `]`"],
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |name: &str, bytes: Option<Vec<u8>>, expected: Expect| {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).expect("written");
        }
        let problems = Config::load(&path)
            .expect_err("it cannot be read")
            .to_string();
        expected.assert_eq(&problems.replace(folder.path().to_str().expect("UTF-8"), "DIR"));
    };
    check(
        "missing.toml",
        None,
        expect![
            "DIR/missing.toml: cannot be read: No such file or directory (os error 2); name a configuration file"
        ],
    );
    check(
        "latin1.toml",
        Some(b"zones = ['\xe4']".to_vec()),
        expect!["DIR/latin1.toml: is not UTF-8 at byte 10; write TOML"],
    );
    check(
        "large.toml",
        Some(vec![b'#'; (1 << 20) + 1]),
        expect!["DIR/large.toml: has 1048577 bytes; a configuration has at most 1048576"],
    );
}
