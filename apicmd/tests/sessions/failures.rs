//! What goes wrong, what is said of it, and the exit codes.

use std::fs;

use expect_test::expect;

use crate::session::Session;

#[test]
fn failures_say_what_to_do_and_have_exit_codes() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.1");
    session.run("create www.a.test CNAME other.a.test");
    session.run("update www.a.test A 10.0.0.9=10.0.0.1");
    session.run("create alias.a.test CNAME www.a.test");
    session.run("update alias.a.test CNAME x.a.test=y.a.test");
    session.run("get none.a.test");
    session.run("get www.c.test");
    for status in [401, 403, 405, 413, 415, 500, 503, 507] {
        session.run(&format!("get fail-{status}.a.test"));
    }
    session.run("--token wrong list");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1
        OK
        $ create www.a.test CNAME other.a.test
        ! containerdns-apicmd: conflict (409): www.a.test.: a CNAME record stands alone
        ! what is there now:
        ! www.a.test. IN A 10.0.0.1
        exit Some(5)
        $ update www.a.test A 10.0.0.9=10.0.0.1
        ! containerdns-apicmd: conflict (409): www.a.test. has no record 10.0.0.9
        ! what is there now:
        ! www.a.test. IN A 10.0.0.1
        exit Some(5)
        $ create alias.a.test CNAME www.a.test
        OK
        $ update alias.a.test CNAME x.a.test=y.a.test
        ! containerdns-apicmd: conflict (409): it is no alias of x.a.test.
        ! what is there now:
        ! alias.a.test. IN CNAME www.a.test.
        exit Some(5)
        $ get none.a.test
        ! containerdns-apicmd: not found (404): none.a.test. has no such records
        exit Some(3)
        $ get www.c.test
        ! containerdns-apicmd: the server refuses this (400): name: www.c.test. lies in none of the zones a.test., b.test.
        exit Some(7)
        $ get fail-401.a.test
        ! containerdns-apicmd: the server does not accept the token (401): as the name asks: check CONDNS_API_TOKEN or --token-file
        exit Some(4)
        $ get fail-403.a.test
        ! containerdns-apicmd: not allowed (403): as the name asks
        exit Some(4)
        $ get fail-405.a.test
        ! containerdns-apicmd: the server failed (405): as the name asks
        exit Some(1)
        $ get fail-413.a.test
        ! containerdns-apicmd: too much for one request (413): as the name asks
        exit Some(7)
        $ get fail-415.a.test
        ! containerdns-apicmd: the server failed (415): as the name asks
        exit Some(1)
        $ get fail-500.a.test
        ! containerdns-apicmd: the server failed (500): as the name asks
        exit Some(1)
        $ get fail-503.a.test
        ! containerdns-apicmd: the server cannot reach its store (503): as the name asks: try again later
        exit Some(6)
        $ get fail-507.a.test
        ! containerdns-apicmd: the store is full (507): as the name asks
        exit Some(1)
        $ --token wrong list
        ! containerdns-apicmd: the server does not accept the token (401): no such token: check CONDNS_API_TOKEN or --token-file
        exit Some(4)
    "#]]);
}

#[test]
fn a_server_that_is_not_there() {
    let mut session = Session::start();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("the address bound").to_string();
    drop(free);
    session.run(&format!("--api {address} list"));
    session.run("--api no-such-host.invalid list");
    session.told = session.told.replace(&address, "NOBODY");
    session.check(expect![[r#"
        $ --api NOBODY list
        ! containerdns-apicmd: cannot connect to NOBODY (connection refused): is the server running? set CONDNS_API_ADDR or --api
        exit Some(6)
        $ --api no-such-host.invalid list
        ! containerdns-apicmd: cannot connect to no-such-host.invalid:9003 (host not found): set CONDNS_API_ADDR or --api
        exit Some(6)
    "#]]);
}

#[test]
fn wrong_command_lines() {
    let mut session = Session::start();
    session.run("create www.a.test A 10.0.0.256");
    session.run("create www.a.test B 10.0.0.1");
    session.run("create www..test A 10.0.0.1");
    session.run("update www.a.test A");
    session.run("update www.a.test TXT a=b=c");
    session.run("list --token x --token-file y");
    session.run("list --api ftp://x");
    session.run("list --ca nowhere.pem");
    session.run("list --config nowhere.toml");
    session.run("list --server prod");
    session.run("import nowhere.zone");
    session.run("man nowhere");
    session.environment.clear();
    session.run("list");
    session.asked();
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.256
        ! containerdns-apicmd: A: `10.0.0.256` is not an IPv4 address
        exit Some(2)
        $ create www.a.test B 10.0.0.1
        ! error: invalid value 'B' for '<TYPE>': `B` is no record type: write a mnemonic such as AAAA, or TYPE and its number
        ! 
        ! For more information, try '--help'.
        exit Some(2)
        $ create www..test A 10.0.0.1
        ! containerdns-apicmd: `www..test` is no name: label 2 is empty: a name is labels of 1 to 63 octets between single dots
        exit Some(2)
        $ update www.a.test A
        ! containerdns-apicmd: nothing to update: write OLD=NEW, --from OLD --to NEW, --ttl or another option
        exit Some(2)
        $ update www.a.test TXT a=b=c
        ! containerdns-apicmd: `a=b=c` has more than one `=`: write --from OLD --to NEW
        exit Some(2)
        $ list --token x --token-file y
        ! error: the argument '--token <TOKEN>' cannot be used with '--token-file <FILE>'
        ! 
        ! Usage: containerdns-apicmd list --token <TOKEN>
        ! 
        ! For more information, try '--help'.
        exit Some(2)
        $ list --api ftp://x
        ! containerdns-apicmd: `ftp://x` is no address of an API: write http:// or https://
        exit Some(2)
        $ list --ca nowhere.pem
        ! containerdns-apicmd: nowhere.pem: No such file or directory (os error 2)
        exit Some(2)
        $ list --config nowhere.toml
        ! containerdns-apicmd: nowhere.toml: No such file or directory (os error 2)
        exit Some(2)
        $ list --server prod
        ! containerdns-apicmd: no server `prod`: no [servers.prod] is there
        exit Some(2)
        $ import nowhere.zone
        ! containerdns-apicmd: nowhere.zone: No such file or directory (os error 2)
        exit Some(1)
        $ man nowhere
        ! containerdns-apicmd: nowhere: No such file or directory (os error 2)
        exit Some(1)
        $ list
        ! containerdns-apicmd: no token: set CONDNS_API_TOKEN, or give --token-file (standalone writes DATA/token)
        exit Some(2)
    "#]]);
}

#[test]
fn servers_of_the_configuration_file() {
    let mut session = Session::start();
    let address = session.fake.address;
    let config = format!(
        "default = \"lab\"\n[servers.lab]\napi = \"http://{address}/containerdns/api/\"\n\
         token_file = \"token\"\n[servers.wrong]\napi = \"{address}\"\ntoken = \"bad\"\n"
    );
    fs::create_dir_all(session.folder.path().join(".config/containerdns")).expect("a folder");
    session.file(".config/containerdns/apicmd.toml", &config);
    session.file(".config/containerdns/token", "secret\nnot this\n");
    session.environment.clear();
    session.run("create www.a.test A 10.0.0.1");
    session.run("list");
    session.run("list --server wrong");
    session.run("list --server other");
    session.file("empty", "\n");
    session.run("list --token-file empty");
    session.file(
        "bad.toml",
        "default = \"lab\"\n[servers.lab]\napi = \"x\"\nport = 5\n",
    );
    session.run("list --config bad.toml");
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1
        OK
        $ list
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  -    A     10.0.0.1  -     -
        $ list --server wrong
        ! containerdns-apicmd: the server does not accept the token (401): no such token: check CONDNS_API_TOKEN or --token-file
        exit Some(4)
        $ list --server other
        ! containerdns-apicmd: no server `other`: there is lab, wrong
        exit Some(2)
        $ list --token-file empty
        ! containerdns-apicmd: empty: the first line is empty: write the token there
        exit Some(2)
        $ list --config bad.toml
        ! containerdns-apicmd: bad.toml:4: unknown field `port`, expected one of `api`, `token`, `token_file`, `ca`, `cert`, `key`
        exit Some(2)
    "#]]);
}
