//! The set in the form of each server.

use std::net::Ipv4Addr;

use expect_test::{Expect, expect};

use crate::set::Name;
use crate::zone::*;

fn check(text: &str, expected: Expect) {
    expected.assert_eq(text);
}

fn set() -> [Name; 1] {
    [Name {
        owner: "web.team-1.svc.cluster.local".into(),
        addresses: vec![Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 8)],
        text: Some("build=1".into()),
        service: true,
    }]
}

#[test]
fn every_server_is_given_the_same_records() {
    check(
        &zone_file(&set()),
        expect![[r#"
        cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5
        cluster.local. 30 IN NS ns.dns.cluster.local.
        ns.dns.cluster.local. 30 IN A 127.0.0.1
        web.team-1.svc.cluster.local. 30 IN A 10.0.0.7
        web.team-1.svc.cluster.local. 30 IN A 10.0.0.8
        web.team-1.svc.cluster.local. 30 IN TXT "build=1"
        _http._tcp.web.team-1.svc.cluster.local. 30 IN SRV 10 100 8080 web.team-1.svc.cluster.local.
    "#]],
    );
    check(
        &unbound_local_data(&set()),
        expect![[r#"
        local-zone: "cluster.local." static
        local-data: 'cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5'
        local-data: 'web.team-1.svc.cluster.local. 30 IN A 10.0.0.7'
        local-data: 'web.team-1.svc.cluster.local. 30 IN A 10.0.0.8'
        local-data: 'web.team-1.svc.cluster.local. 30 IN TXT "build=1"'
        local-data: '_http._tcp.web.team-1.svc.cluster.local. 30 IN SRV 10 100 8080 web.team-1.svc.cluster.local.'
    "#]],
    );
    check(
        &hosts_file(&set()),
        expect![[r#"
        10.0.0.7 web.team-1.svc.cluster.local
        10.0.0.8 web.team-1.svc.cluster.local
    "#]],
    );
    check(
        &dnsmasq_lines(&set()),
        expect![[r#"
        txt-record=web.team-1.svc.cluster.local,"build=1"
        srv-host=_http._tcp.web.team-1.svc.cluster.local,web.team-1.svc.cluster.local,8080,10,100
    "#]],
    );
    let keys = store_keys("/containerdns/", &set()[0]);
    let lines: Vec<_> = keys
        .iter()
        .map(|(key, value)| format!("{key} {value}\n"))
        .collect();
    check(
        &lines.concat(),
        expect![[r#"
        /containerdns/local/cluster/svc/team-1/web/0/ {"type":"A","host":"10.0.0.7","ttl":30}
        /containerdns/local/cluster/svc/team-1/web/1/ {"type":"A","host":"10.0.0.8","ttl":30}
        /containerdns/local/cluster/txt/svc/team-1/web/ {"type":"TXT","text":"build=1","ttl":30}
        /containerdns/local/cluster/svc/team-1/web/_tcp/_http/1/ {"type":"SRV","host":"web.team-1.svc.cluster.local.","port":8080,"priority":10,"weight":100,"ttl":30}
    "#]],
    );
}
