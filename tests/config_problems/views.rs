//! What is said about `[views]`: which clients, and where their records are.

use expect_test::expect;

use super::check;

#[test]
fn views_of_some_clients() {
    let view = |name: &str, clients: &str, path: &str| {
        format!(
            "[views.{name}]\nclients = ['{clients}']\n\
             prefixes = [{{ path = '{path}', format = 'skydns' }}]\n"
        )
    };
    let twice = view("a", "10.1.0.0/16", "/a/") + &view("b", "10.1.0.0/16", "/b/");
    check(
        &twice,
        expect![
            "bad.toml:5: views.b.clients: `10.1.0.0/16` is in view `a`, too; remove it from one of them"
        ],
    );
    check(
        "[views.office]",
        expect![[r#"
        bad.toml:1: views.office.clients: is missing; it has no default
        bad.toml:1: views.office.prefixes: is missing; it has no default"#]],
    );
    check(
        "views.office = { clients = ['10.1.0.1/16', 'x'], prefixes = [] , ttl = 1 }",
        expect![[r#"
            bad.toml:1: views.office.clients[0]: `10.1.0.1/16` has bits set after /16; write "10.1.0.0/16"
            bad.toml:1: views.office.clients[1]: `x` is not an address prefix; write one such as "10.0.0.0/8" or "fd00::/8"
            bad.toml:1: views.office.prefixes: has 0 elements; write 1 to 4
            bad.toml:1: views.office.ttl: unknown key; known here: clients, prefixes"#]],
    );
    let paths = ["/skydns/office/", "/containerdns/monitor/", "/b/", "/b/c/"];
    let networks = (1..).map(|net| format!("10.{net}.0.0/16"));
    let views = paths.iter().zip(networks).zip(["a", "b", "c", "d"]);
    let views = views.map(|((path, clients), name)| view(name, &clients, path));
    check(
        &views.collect::<String>(),
        expect![[r#"
        bad.toml:3: views.a.prefixes[0].path: `/skydns/office/` overlaps `/skydns/`; a key has one format
        bad.toml:6: views.b.prefixes[0].path: `/containerdns/monitor/` overlaps `/containerdns/`; a key has one format
        bad.toml:12: views.d.prefixes[0].path: `/b/c/` overlaps `/b/`; a key has one format"#]],
    );
    check(
        &view("a", "10.1.0.0/16", "/containerdns-prober/"),
        expect![
            "bad.toml:3: views.a.prefixes[0].path: `/containerdns-prober/` overlaps `/containerdns-prober/members/`; a key has one format"
        ],
    );
    let many = (0..17).map(|n| {
        view(
            &format!("v{n}"),
            &format!("10.{n}.0.0/16"),
            &format!("/{n}/"),
        )
    });
    check(
        &many.collect::<String>(),
        expect!["bad.toml:1: views: has 17 views; write at most 16"],
    );
    check(
        &view("''", "10.0.0.0/8", "/a/"),
        expect![[r#"bad.toml:1: views."": is not a view's name; write 1 to 63 octets"#]],
    );
}
