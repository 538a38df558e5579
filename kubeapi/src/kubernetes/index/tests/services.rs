//! Services with an address of their own, and aliases (sections 2.3 and 2.5 of the specification).

use super::objects::{alias, slice};
use super::*;

#[test]
fn a_service_has_its_addresses_and_a_pointer_back() {
    check(
        &[service("v4", "10.96.0.1", "")],
        expect![[r#"
        services/prod/v4
          1.0.96.10.in-addr.arpa. 5 PTR v4.prod.svc.z.test.
          v4.prod.svc.z.test. 5 A 10.96.0.1
    "#]],
    );
    check(
        &[service("v6", "fd00:96::1", "")],
        expect![[r#"
        services/prod/v6
          1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. 5 PTR v6.prod.svc.z.test.
          v6.prod.svc.z.test. 5 AAAA fd00:96::1
    "#]],
    );
    check(
        &[service("dual", "10.96.0.1 fd00:96::1", "")],
        expect![[r#"
            services/prod/dual
              1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa. 5 PTR dual.prod.svc.z.test.
              1.0.96.10.in-addr.arpa. 5 PTR dual.prod.svc.z.test.
              dual.prod.svc.z.test. 5 A 10.96.0.1
              dual.prod.svc.z.test. 5 AAAA fd00:96::1
        "#]],
    );
}

#[test]
fn a_service_without_an_address_has_no_name() {
    check(&[service("new", "", "http/TCP/80")], expect![[""]]);
    let mut empty = service("new", "", "http/TCP/80");
    empty["spec"]["clusterIP"] = "".into();
    check(&[empty], expect![[""]]);
    check(
        &[json!({"kind": "Service", "metadata": {"name": "bare", "namespace": "prod"}})],
        expect![[""]],
    );
}

#[test]
fn an_old_server_gives_one_address() {
    let mut old = service("old", "", "");
    old["spec"]["clusterIP"] = "10.96.0.1".into();
    check(
        &[old.clone()],
        expect![[r#"
        services/prod/old
          1.0.96.10.in-addr.arpa. 5 PTR old.prod.svc.z.test.
          old.prod.svc.z.test. 5 A 10.96.0.1
    "#]],
    );
    old["spec"]["clusterIP"] = "None".into();
    check(
        &[old, slice("a", "old", "", "10.1.0.1")],
        expect![[r#"
        endpointslices/prod/a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.old.prod.svc.z.test.
          old.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.old.prod.svc.z.test. 5 A 10.1.0.1
    "#]],
    );
}

#[test]
fn an_address_that_is_none_is_refused() {
    check(
        &[service("odd", "10.96.0.1 10.96.0.256", "")],
        expect![[r#"
            services/prod/odd
              1.0.96.10.in-addr.arpa. 5 PTR odd.prod.svc.z.test.
              odd.prod.svc.z.test. 5 A 10.96.0.1
            AddressRefused: spec.clusterIPs: `10.96.0.256` is no address
        "#]],
    );
}

#[test]
fn ports_are_at_the_service_and_at_their_names() {
    check(
        &[service("web", "10.96.0.1", "http/TCP/80 https/TCP/443")],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
              web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
              web.prod.svc.z.test. 5 SRV 0 100 443 web.prod.svc.z.test.
              _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
              _https._tcp.web.prod.svc.z.test. 5 SRV 0 100 443 web.prod.svc.z.test.
        "#]],
    );
    check(
        &[service("one", "10.96.0.1", "TCP/80")],
        expect![[r#"
        services/prod/one
          1.0.96.10.in-addr.arpa. 5 PTR one.prod.svc.z.test.
          one.prod.svc.z.test. 5 A 10.96.0.1
          one.prod.svc.z.test. 5 SRV 0 100 80 one.prod.svc.z.test.
    "#]],
    );
    check(
        &[service("dns", "10.96.0.1", "dns/UDP/53 dns-tcp/TCP/53")],
        expect![[r#"
            services/prod/dns
              1.0.96.10.in-addr.arpa. 5 PTR dns.prod.svc.z.test.
              dns.prod.svc.z.test. 5 A 10.96.0.1
              dns.prod.svc.z.test. 5 SRV 0 100 53 dns.prod.svc.z.test.
              _dns._udp.dns.prod.svc.z.test. 5 SRV 0 100 53 dns.prod.svc.z.test.
              _dns-tcp._tcp.dns.prod.svc.z.test. 5 SRV 0 100 53 dns.prod.svc.z.test.
        "#]],
    );
    // One name, one number, two protocols: the same SRV at the service, two names of ports.
    check(
        &[service(
            "sip",
            "10.96.0.1",
            "sip/UDP/5060 sip/TCP/5060 sip/SCTP/5060",
        )],
        expect![[r#"
            services/prod/sip
              1.0.96.10.in-addr.arpa. 5 PTR sip.prod.svc.z.test.
              sip.prod.svc.z.test. 5 A 10.96.0.1
              sip.prod.svc.z.test. 5 SRV 0 100 5060 sip.prod.svc.z.test.
              _sip._tcp.sip.prod.svc.z.test. 5 SRV 0 100 5060 sip.prod.svc.z.test.
              _sip._udp.sip.prod.svc.z.test. 5 SRV 0 100 5060 sip.prod.svc.z.test.
              _sip._sctp.sip.prod.svc.z.test. 5 SRV 0 100 5060 sip.prod.svc.z.test.
        "#]],
    );
}

#[test]
fn a_port_without_protocol_is_tcp_and_one_without_number_is_none() {
    let mut object = service("web", "10.96.0.1", "");
    object["spec"]["ports"] = json!([
        {"name": "http", "port": 80}, {"name": "zero", "port": 0}, {"name": "high", "port": 65536},
    ]);
    check(
        &[object],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
          web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
          _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
    "#]],
    );
}

#[test]
fn endpoints_of_a_service_with_an_address_have_no_names() {
    check(
        &[
            service("web", "10.96.0.1", "http/TCP/80"),
            slice("a", "web", "http/TCP/8080", "10.1.0.1"),
        ],
        expect![[r#"
            services/prod/web
              1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
              web.prod.svc.z.test. 5 A 10.96.0.1
              web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
              _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
        "#]],
    );
}

#[test]
fn an_external_name_is_an_alias() {
    check(
        &[alias("ext", "www.example.org")],
        expect![[r#"
        services/prod/ext
          ext.prod.svc.z.test. 5 CNAME www.example.org.
    "#]],
    );
    check(
        &[alias("ext", "WWW.example.org.")],
        expect![[r#"
        services/prod/ext
          ext.prod.svc.z.test. 5 CNAME WWW.example.org.
    "#]],
    );
    check(
        &[alias("ext", " db.prod.svc.z.test ")],
        expect![[r#"
        services/prod/ext
          ext.prod.svc.z.test. 5 CNAME db.prod.svc.z.test.
    "#]],
    );
}

#[test]
fn an_external_name_that_is_no_name_is_refused() {
    check(
        &[alias("lit", "192.0.2.1")],
        expect![[r#"
        ExternalNameRefused: spec.externalName: `192.0.2.1` is an address; an alias needs a name: make a Service without selector, and an EndpointSlice with the address
    "#]],
    );
    check(
        &[alias("lit", "192.0.2.1.")],
        expect![[r#"
        ExternalNameRefused: spec.externalName: `192.0.2.1.` is an address; an alias needs a name: make a Service without selector, and an EndpointSlice with the address
    "#]],
    );
    check(
        &[alias("lit", "2001:db8::1")],
        expect![[r#"
        ExternalNameRefused: spec.externalName: `2001:db8::1` is an address; an alias needs a name: make a Service without selector, and an EndpointSlice with the address
    "#]],
    );
    check(
        &[alias("bad", "a..b")],
        expect![[r#"
        ExternalNameRefused: spec.externalName: `a..b`: label 2 is empty: a name is labels of 1 to 63 octets between single dots
    "#]],
    );
    check(
        &[alias("bad", ".")],
        expect![[r#"
        ExternalNameRefused: spec.externalName: is empty; write a name
    "#]],
    );
    check(
        &[alias("bad", "")],
        expect![[r#"
        ExternalNameRefused: spec.externalName: ``: label 1 is empty: a name is labels of 1 to 63 octets between single dots
    "#]],
    );
    let mut none = alias("none", "");
    none["spec"] = json!({"type": "ExternalName"});
    check(
        &[none],
        expect![[r#"
        ExternalNameRefused: spec.externalName: ``: label 1 is empty: a name is labels of 1 to 63 octets between single dots
    "#]],
    );
}

#[test]
fn an_alias_of_itself_is_nothing() {
    check(&[alias("me", "ME.prod.svc.z.test.")], expect![[""]]);
}

#[test]
fn pointers_lead_into_the_first_zone_only() {
    let settings = with(|settings| settings.zones = names(&["z.test", "y.test"]));
    let objects = [
        service("web", "10.96.0.1", "http/TCP/80"),
        alias("ext", "www.example.org"),
        service("db", "None", ""),
        slice("db-a", "db", "", "10.1.0.1"),
    ];
    check_with(
        &settings,
        &objects,
        expect![[r#"
        endpointslices/prod/db-a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.db.prod.svc.z.test.
          db.prod.svc.y.test. 5 A 10.1.0.1
          db.prod.svc.z.test. 5 A 10.1.0.1
          10-1-0-1.db.prod.svc.y.test. 5 A 10.1.0.1
          10-1-0-1.db.prod.svc.z.test. 5 A 10.1.0.1
        services/prod/ext
          ext.prod.svc.y.test. 5 CNAME www.example.org.
          ext.prod.svc.z.test. 5 CNAME www.example.org.
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.y.test. 5 A 10.96.0.1
          web.prod.svc.y.test. 5 SRV 0 100 80 web.prod.svc.y.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
          web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
          _http._tcp.web.prod.svc.y.test. 5 SRV 0 100 80 web.prod.svc.y.test.
          _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
    "#]],
    );
}

#[test]
fn pointers_are_only_in_reverse_zones_of_ours() {
    let settings = with(|settings| settings.reverse = names(&["96.10.in-addr.arpa"]));
    let objects = [
        service("a", "10.96.0.1 fd00::1", ""),
        service("b", "10.97.0.1", ""),
    ];
    check_with(
        &settings,
        &objects,
        expect![[r#"
        services/prod/a
          1.0.96.10.in-addr.arpa. 5 PTR a.prod.svc.z.test.
          a.prod.svc.z.test. 5 A 10.96.0.1
          a.prod.svc.z.test. 5 AAAA fd00::1
        services/prod/b
          b.prod.svc.z.test. 5 A 10.97.0.1
    "#]],
    );
}

#[test]
fn a_service_changes_its_kind() {
    let settings = settings();
    let endpoints = slice("web-a", "web", "http/TCP/8080", "10.1.0.1");
    let kinds = [
        service("web", "10.96.0.1", "http/TCP/80"),
        service("web", "None", "http/TCP/80"),
        alias("web", "www.example.org"),
        service("web", "10.96.0.1", "http/TCP/80"),
    ];
    let mut index = index(&settings, &[namespace("prod"), endpoints.clone()]);
    let mut told = String::new();
    for kind in kinds {
        index.apply(&object(&kind));
        told += &format!("{}--\n", shown(&index, |key| key.contains("/web")));
        let fresh = super::index(&settings, &[namespace("prod"), endpoints.clone(), kind]);
        assert_eq!(values(&index), values(&fresh));
    }
    expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
          web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
          _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
        --
        endpointslices/prod/web-a
          1.0.1.10.in-addr.arpa. 5 PTR 10-1-0-1.web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.1.0.1
          web.prod.svc.z.test. 5 SRV 0 100 8080 10-1-0-1.web.prod.svc.z.test.
          _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 8080 10-1-0-1.web.prod.svc.z.test.
          10-1-0-1.web.prod.svc.z.test. 5 A 10.1.0.1
        --
        services/prod/web
          web.prod.svc.z.test. 5 CNAME www.example.org.
        --
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
          web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
          _http._tcp.web.prod.svc.z.test. 5 SRV 0 100 80 web.prod.svc.z.test.
        --
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_service_without_endpoints_may_be_hidden() {
    let settings = with(|settings| settings.ignore_empty_services = true);
    let web = || service("web", "10.96.0.1", "");
    let mut eager = web();
    eager["spec"]["publishNotReadyAddresses"] = true.into();
    let cold = || slice("web-a", "web", "", "10.1.0.1 notready");
    check_with(&settings, &[web()], expect![[""]]);
    check_with(&settings, &[web(), cold()], expect![[""]]);
    check_with(
        &settings,
        &[eager, cold()],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
    "#]],
    );
    let warm = slice("web-b", "web", "", "10.1.0.2");
    check_with(
        &settings,
        &[web(), cold(), warm],
        expect![[r#"
        services/prod/web
          1.0.96.10.in-addr.arpa. 5 PTR web.prod.svc.z.test.
          web.prod.svc.z.test. 5 A 10.96.0.1
    "#]],
    );
    // An alias has no endpoints, and a headless service has no other names than theirs.
    check_with(
        &settings,
        &[alias("ext", "www.example.org")],
        expect![[r#"
        services/prod/ext
          ext.prod.svc.z.test. 5 CNAME www.example.org.
    "#]],
    );
}
