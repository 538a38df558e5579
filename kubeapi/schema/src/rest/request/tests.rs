//! Bodies of writes, and what is read from them.

use expect_test::{Expect, expect};

use super::*;

fn zones() -> Zones {
    let name = |text: &str| text.parse().expect("a name");
    Zones::new(
        vec![name("a.test"), name("b.test")],
        vec![name("10.in-addr.arpa")],
    )
}

/// Reads `METHOD NAME BODY`, or a batch when it starts with `[`.
fn read(request: &str) -> String {
    let read = if request.starts_with('[') {
        parse_batch(&zones(), request.as_bytes())
    } else {
        let mut parts = request.splitn(3, ' ');
        let method = match parts.next() {
            Some("POST") => Method::Create,
            Some("PUT") => Method::Update,
            _ => Method::Delete,
        };
        let name = zones().resolve("name", parts.next().unwrap_or_default(), None);
        name.and_then(|name| {
            parse(
                &zones(),
                method,
                &name,
                parts.next().unwrap_or("").as_bytes(),
            )
        })
    };
    match read {
        Ok(changes) => changes.iter().map(told).collect(),
        Err(error) => format!("{error}\n"),
    }
}

/// One line a change.
fn told(change: &NameChange) -> String {
    let record = |rtype: RecordType| {
        move |record: &NewRecord| match record {
            NewRecord::Rdata(rdata) => rdata.to_text(rtype),
            NewRecord::Backend { address, port } => format!("backend {address} {port}"),
        }
    };
    let selector = |rtype: RecordType| {
        move |selector: &Selector| match selector {
            Selector::Rdata(rdata) => rdata.to_text(rtype),
            Selector::Backend { address, port } => format!("backend {address} {port:?}"),
        }
    };
    let what = match &change.change {
        Change::Add {
            rtype,
            records,
            ttl,
        } => {
            let records: Vec<_> = records.iter().map(record(*rtype)).collect();
            format!("add {rtype} {} ttl {ttl:?}", records.join(", "))
        }
        Change::Replace {
            rtype,
            records,
            ttl,
        } => {
            let records: Vec<_> = records.iter().map(record(*rtype)).collect();
            format!("replace {rtype} {} ttl {ttl:?}", records.join(", "))
        }
        Change::Update { rtype, pairs, ttl } => {
            let pair = |(old, new): &(Selector, NewRecord)| {
                format!("{} -> {}", selector(*rtype)(old), record(*rtype)(new))
            };
            let pairs: Vec<_> = pairs.iter().map(pair).collect();
            format!("update {rtype} {} ttl {ttl:?}", pairs.join(", "))
        }
        Change::Set { rtype, ttl } => format!("set {rtype} ttl {ttl:?}"),
        Change::Remove { rtype, records } if records.is_empty() => format!("remove all {rtype}"),
        Change::Remove { rtype, records } => {
            let records: Vec<_> = records.iter().map(selector(*rtype)).collect();
            format!("remove {rtype} {}", records.join(", "))
        }
        Change::RemoveAll => "remove all".into(),
    };
    let user = change.user.as_ref().map(|user| format!(" for {user}"));
    let (place, user) = (&change.place, user.unwrap_or_default());
    let settings = told_settings(&change.settings);
    format!("{place}{}: {what}{user}{settings}\n", change.name)
}

fn told_settings(settings: &Settings) -> String {
    let Settings {
        policy,
        weights,
        probe,
        probe_ports,
    } = settings;
    let mut told = String::new();
    if let Some(policy) = policy {
        told += &format!(" policy {policy:?}");
    }
    for (address, weight) in weights {
        told += &format!(" weight {address} {weight:?}");
    }
    if let Some(probe) = probe {
        told += &format!(" probe {}", serde_json::json!(probe));
    }
    if let Some(ports) = probe_ports {
        told += &format!(" at {ports:?}");
    }
    told
}

fn check(requests: &[&str], expected: Expect) {
    expected.assert_eq(
        &requests
            .iter()
            .map(|request| read(request))
            .collect::<String>(),
    );
}

#[test]
fn bodies_of_the_original() {
    check(
        &[
            r#"POST cctv2.a.test {"type":"A","ips":["192.168.10.1","192.168.10.2"]}"#,
            r#"POST cctv2.b.test {"type":"cname","alias":"tv1"}"#,
            r#"POST cctv2.a.test {"type":"CNAME","alias":"TV1.a.test","ttl":60,"user":"ann"}"#,
            r#"POST s.a.test {"type":"SRV","ips":["10.0.0.1","10.0.0.2"],"ports":[80,"81"]}"#,
            r#"POST t.a.test {"type":"TXT","text":"v=spf1 -all"}"#,
            r#"POST m.a.test {"type":"MX","mailHost":"mx.a.test","mailPriority":5}"#,
            r#"POST a.test {"type":"NS","nsHost":"ns1.a.test"}"#,
            r#"POST 1.0.0.10.in-addr.arpa {"type":"PTR","host":"www.a.test"}"#,
            r#"PUT cctv2.a.test {"type":"A","update":{"192.168.10.1":"192.168.10.9"}}"#,
            r#"PUT cctv2.a.test {"type":"CNAME","update":{"tv1":"tv2"}}"#,
            r#"DELETE cctv2.a.test {"type":"A","ips":["192.168.10.1"]}"#,
            r#"DELETE cctv2.a.test {"type":"CNAME","alias":"tv1"}"#,
            "DELETE cctv2.a.test",
        ],
        expect![[r#"
            cctv2.a.test.: add A 192.168.10.1, 192.168.10.2 ttl None
            tv1.b.test.: add CNAME cctv2.b.test. ttl None
            tv1.a.test.: add CNAME cctv2.a.test. ttl Some(60) for ann
            s.a.test.: add SRV backend 10.0.0.1 80, backend 10.0.0.2 81 ttl None
            t.a.test.: add TXT "v=spf1 -all" ttl None
            m.a.test.: add MX 5 mx.a.test. ttl None
            a.test.: add NS ns1.a.test. ttl None
            1.0.0.10.in-addr.arpa.: add PTR www.a.test. ttl None
            cctv2.a.test.: update A 192.168.10.1 -> 192.168.10.9 ttl None
            tv1.a.test.: remove CNAME cctv2.a.test.
            tv2.a.test.: add CNAME cctv2.a.test. ttl None
            cctv2.a.test.: remove A 192.168.10.1
            tv1.a.test.: remove CNAME cctv2.a.test.
            cctv2.a.test.: remove all
        "#]],
    );
}

#[test]
fn bodies_beyond_the_original() {
    check(
        &[
            r#"POST w.a.test {"type":"AAAA","ips":["fd00::1"]}"#,
            r#"POST w.a.test {"type":"caa","records":["0 issue \"ca.test\""]}"#,
            r#"POST w.a.test {"type":"CNAME","records":["other.test."]}"#,
            r#"POST w.a.test {"type":"MX","mailHost":"mx.a.test"}"#,
            r#"PUT w.a.test {"type":"A","ips":["10.0.0.1"],"ttl":5}"#,
            r#"PUT w.a.test {"type":"A","ttl":5}"#,
            r#"PUT w.a.test {"type":"SRV","update":{"10.0.0.1:80":"10.0.0.1:81"}}"#,
            r#"PUT w.a.test {"type":"TXT","update":{"41":"42"}}"#,
            r#"DELETE w.a.test {"type":"AAAA"}"#,
            r#"DELETE w.a.test {"type":"SRV","ips":["10.0.0.1"]}"#,
            r#"DELETE w.a.test {"user":"ann"}"#,
            r#"[{"name":"w","type":"A","ips":["10.0.0.1"]},{"method":"delete","name":"v.b.test"}]"#,
        ],
        expect![[r#"
            w.a.test.: add AAAA fd00::1 ttl None
            w.a.test.: add CAA 0 issue "ca.test" ttl None
            w.a.test.: add CNAME other.test. ttl None
            w.a.test.: add MX 10 mx.a.test. ttl None
            w.a.test.: replace A 10.0.0.1 ttl Some(5)
            w.a.test.: set A ttl Some(5)
            w.a.test.: update SRV backend 10.0.0.1 Some(80) -> backend 10.0.0.1 81 ttl None
            w.a.test.: update TXT "41" -> "42" ttl None
            w.a.test.: remove all AAAA
            w.a.test.: remove SRV backend 10.0.0.1 None
            w.a.test.: remove all for ann
            [0]w.a.test.: add A 10.0.0.1 ttl None
            [1]v.b.test.: remove all
        "#]],
    );
}

#[test]
fn what_makes_no_sense_is_named() {
    check(
        &[
            "POST w.a.test ",
            "POST w.a.test [1]",
            "POST w.a.test {",
            "POST w.c.test {}",
            "POST w.a.test {}",
            r#"POST w.a.test {"typ":"A"}"#,
            r#"POST w.a.test {"type":5}"#,
            r#"POST w.a.test {"type":"B"}"#,
            r#"POST w.a.test {"type":"ANY","records":["x"]}"#,
            r#"POST w.a.test {"type":"A"}"#,
            r#"POST w.a.test {"type":"A","ips":[]}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1","10.0.0.256"]}"#,
            r#"POST w.a.test {"type":"A","ips":["fd00::1"]}"#,
            r#"POST w.a.test {"type":"AAAA","ips":["10.0.0.1"]}"#,
            r#"POST w.a.test {"type":"A","ips":[{"a":1}]}"#,
            r#"POST w.a.test {"type":"A","text":"x"}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"records":["10.0.0.1"]}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"ttl":-1}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"user":"a\u0000"}"#,
        ],
        expect![[r#"
            body: empty: write a JSON object
            body: not a JSON object: write {"field":...}
            body: EOF while parsing an object at line 1 column 1
            name: w.c.test. lies in none of the zones a.test., b.test., 10.in-addr.arpa.
            type: missing: write A, AAAA, CNAME ...
            body: unknown field `typ`, expected one of `name`, `method`, `type`, `ips`, `ports`, `alias`, `text`, `mailHost`, `mailPriority`, `nsHost`, `host`, `records`, `ttl`, `user`, `update`, `policy`, `weights`, `probe`, `probe_ports` at line 1 column 6
            type: 5 is not a string
            type: `B` is no record type: write a mnemonic such as AAAA, or TYPE and its number
            type: ANY is a type of queries, no record has it
            ips: missing for type A
            ips: empty: fill it, or leave it out
            ips[1]: "10.0.0.256" is no IP address
            ips[0]: fd00::1 is no IPv4 address, as type A wants: write type AAAA
            ips[0]: 10.0.0.1 is no IPv6 address, as type AAAA wants: write type A
            ips[0]: an object is not a string
            text: is not for type A: write ips, or records
            records: write records or ips, not both
            ttl: -1 is not a whole number from 0 to 2147483647
            user: "a\0" is no user: write 1 to 64 printable characters
        "#]],
    );
}

#[test]
fn what_fits_no_method_is_named() {
    check(
        &[
            r#"POST w.a.test {"type":"A","update":{"10.0.0.1":"10.0.0.2"}}"#,
            r#"POST w.a.test {"type":"SRV","ips":["10.0.0.1"]}"#,
            r#"POST w.a.test {"type":"SRV","ips":["10.0.0.1"],"ports":[65536]}"#,
            r#"POST w.a.test {"type":"MX","mailHost":"a..b"}"#,
            r#"POST w.a.test {"type":"MX","mailHost":"m","mailPriority":70000}"#,
            r#"POST w.a.test {"type":"CAA","records":["x"]}"#,
            r#"POST w.a.test {"type":"CNAME"}"#,
            r#"POST w.a.test {"type":"CNAME","alias":"x.c.test"}"#,
            r#"PUT w.a.test {"type":"A"}"#,
            r#"PUT w.a.test {"type":"A","update":{}}"#,
            r#"PUT w.a.test {"type":"A","update":{"10.0.0.1":5}}"#,
            r#"PUT w.a.test {"type":"A","update":{"x":"10.0.0.1"}}"#,
            r#"DELETE w.a.test {"ips":["10.0.0.1"]}"#,
            r#"DELETE w.a.test {"type":"A","ips":[]}"#,
            r#"DELETE w.a.test {"type":""}"#,
            r#"DELETE w.a.test {"type":"CNAME","alias":""}"#,
            r#"PUT w.a.test {"type":"A","ips":[],"ttl":60}"#,
            r#"DELETE w.a.test {"type":"A","ttl":5}"#,
            r#"DELETE w.a.test {"name":"v.a.test"}"#,
            "[]",
            "[5]",
            r#"[{"name":"w","type":"A","ips":["10.0.0.1"]},{"name":"w","type":"A","ips":["x"]}]"#,
            r#"[{"type":"A"}]"#,
            r#"[{"name":"w","method":"GET"}]"#,
        ],
        expect![[r#"
            update: is for PUT only
            ports: 0 for 1 ips: write one port an address
            ports[0]: 65536 is not a whole number from 0 to 65535
            mailHost: label 2 is empty: a name is labels of 1 to 63 octets between single dots
            mailPriority: 70000 is not a whole number from 0 to 65535
            records[0]: CAA: `x` is not a number up to 255
            alias: missing for type CNAME
            alias: x.c.test. lies in none of the zones a.test., b.test., 10.in-addr.arpa.
            update: missing: write {"old":"new"}, records, ttl or another setting
            update: write an object of {"old":"new"} pairs
            update["10.0.0.1"]: 5 is not a string
            update["x"]: A: `x` is not an IPv4 address
            type: missing: write A, AAAA, CNAME ...
            ips: empty: fill it, or leave it out
            type: empty: fill it, or leave it out
            alias: empty: fill it, or leave it out
            ips: empty: fill it, or leave it out
            ttl: is not for DELETE
            name: is for batches: here the path and the method of the request say it
            body: 0 changes: a batch has 1 to 128
            [0]: not a JSON object: write {"field":...}
            [1].ips[0]: "x" is no IP address
            [0].name: missing: write the name to change
            [0].method: "GET" is not POST, PUT or DELETE
        "#]],
    );
}

#[test]
fn settings_stand_beside_records() {
    check(
        &[
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"policy":"sticky"}"#,
            r#"POST w.a.test {"type":"SRV","ips":["10.0.0.1"],"ports":[1],"policy":"default"}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"policy":null,"probe":null}"#,
            r#"PUT w.a.test {"type":"AAAA","policy":null}"#,
            r#"PUT w.a.test {"type":"A","ttl":5,"policy":"subset"}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1","10.0.0.2"],"weights":[0,"65535"]}"#,
            r#"POST w.a.test {"type":"A","records":["10.0.0.1","10.0.0.2"],"weights":[5,null]}"#,
            r#"PUT w.a.test {"type":"A","weights":{"10.0.0.1":50,"10.0.0.2":null}}"#,
            r#"PUT w.a.test {"type":"A","update":{"10.0.0.1":"10.0.0.2"},"weights":{"10.0.0.2":5}}"#,
            r#"POST w.a.test {"type":"AAAA","ips":["fd00::1"],"probe":"http:80/healthz"}"#,
            r#"PUT w.a.test {"type":"A","probe":true,"probe_ports":[80,8080]}"#,
            r#"PUT w.a.test {"type":"A","probe":"icmp","probe_ports":[]}"#,
            r#"PUT w.a.test {"type":"A","probe":false}"#,
            r#"[{"name":"w","type":"A","ips":["10.0.0.1"],"policy":"weighted","weights":[3]}]"#,
        ],
        expect![[r#"
            w.a.test.: add A 10.0.0.1 ttl None policy Some(Sticky)
            w.a.test.: add SRV backend 10.0.0.1 1 ttl None policy None
            w.a.test.: add A 10.0.0.1 ttl None
            w.a.test.: set AAAA ttl None policy None
            w.a.test.: set A ttl Some(5) policy Some(Subset)
            w.a.test.: add A 10.0.0.1, 10.0.0.2 ttl None weight 10.0.0.1 Some(0) weight 10.0.0.2 Some(65535)
            w.a.test.: add A 10.0.0.1, 10.0.0.2 ttl None weight 10.0.0.1 Some(5) weight 10.0.0.2 None
            w.a.test.: set A ttl None weight 10.0.0.1 Some(50) weight 10.0.0.2 None
            w.a.test.: update A 10.0.0.1 -> 10.0.0.2 ttl None weight 10.0.0.2 Some(5)
            w.a.test.: add AAAA fd00::1 ttl None probe "http:80/healthz"
            w.a.test.: set A ttl None probe true at [80, 8080]
            w.a.test.: set A ttl None probe "icmp" at []
            w.a.test.: set A ttl None probe false
            [0]w.a.test.: add A 10.0.0.1 ttl None policy Some(Weighted) weight 10.0.0.1 Some(3)
        "#]],
    );
}

#[test]
fn settings_that_make_no_sense_are_named() {
    check(
        &[
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"policy":"stiky"}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"policy":5}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"policy":""}"#,
            r#"POST w.a.test {"type":"TXT","text":"x","policy":"sticky"}"#,
            r#"POST w.a.test {"type":"CNAME","alias":"v","policy":"sticky"}"#,
            r#"DELETE w.a.test {"policy":"sticky"}"#,
            r#"DELETE w.a.test {"type":"A","probe":false}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"weights":[1,2]}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"weights":[65536]}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"weights":5}"#,
            r#"PUT w.a.test {"type":"A","weights":[1]}"#,
            r#"PUT w.a.test {"type":"A","weights":{"fd00::1":1}}"#,
            r#"PUT w.a.test {"type":"A","weights":{"10.0.0.1":-1}}"#,
            r#"POST w.a.test {"type":"SRV","ips":["10.0.0.1"],"ports":[1],"weights":[1]}"#,
            r#"POST w.a.test {"type":"SRV","ips":["10.0.0.1"],"ports":[1],"probe":true}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"probe":"udp:53"}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"probe":80}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"probe":"tcp:0"}"#,
            r#"POST w.a.test {"type":"A","ips":["10.0.0.1"],"probe_ports":[80]}"#,
            r#"PUT w.a.test {"type":"A","probe":false,"probe_ports":[80]}"#,
            r#"PUT w.a.test {"type":"A","probe":true,"probe_ports":[80,0]}"#,
            r#"[{"name":"w","type":"A","ips":["10.0.0.1"],"weights":["x"]}]"#,
        ],
        expect![[r#"
            policy: `stiky` is no answer policy: write rotate, random-one, sticky, subset or weighted
            policy: 5 is not a string
            policy: empty: write `default`, or leave it out
            policy: is for A, AAAA and SRV only
            policy: is for A, AAAA and SRV only
            policy: is not for DELETE
            probe: is not for DELETE
            weights: 2 for 1 records: write one an address
            weights[0]: 65536 is not a whole number from 0 to 65535
            weights: write a list, or an object of {"address":weight}
            weights: a list is for records beside it: write {"address":weight}
            weights["fd00::1"]: "fd00::1" is no address of type A
            weights["10.0.0.1"]: -1 is not a whole number from 0 to 65535
            weights: is for A and AAAA only: an SRV record has its own, write records
            probe: is for A and AAAA only
            probe: `udp` is no probe; write tcp, icmp, http, https or grpc
            probe: 80 is not true, false or a way to probe such as "tcp:8080"
            probe: `0` is no port; write a number from 1 to 65535
            probe_ports: is for `probe`: write that, too
            probe_ports: is for `probe`: write that, too
            probe_ports[1]: write a port from 1 to 65535
            [0].weights[0]: "x" is not a whole number from 0 to 65535
        "#]],
    );
}
