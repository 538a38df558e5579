//! Bad values: each is refused by an error that names the field, and concerns its key alone.

use super::*;

/// Values at one good key of each format.
fn check_values(format: Format, values: &[&str], errors: Expect) {
    let key = match format {
        Format::ContainerDns => "/containerdns/local/containerdns/a/1/",
        Format::SkyDns => "/skydns/org/example/a",
        Format::Bundle => "/containerdns-kube/k1/services/ns/web",
    };
    let lines = values.iter().map(|value| {
        let line = shown(format, key.as_bytes(), value.as_bytes());
        assert!(line.starts_with("error: "), "{value} gives {line}");
        line
    });
    errors.assert_eq(&lines.collect::<String>());
}

#[test]
fn containerdns_values() {
    check_values(
        Format::ContainerDns,
        &[
            "",
            "{",
            "[]",
            "null",
            "\"10.0.0.1\"",
            "{\"host\":\"\u{0}\"}",
            r#"{"host":"10.0.0.1","host":"10.0.0.2"}"#,
            "{}",
            r#"{"type":"A"}"#,
            r#"{"type":"A","host":""}"#,
            r#"{"type":"A","host":"10.0.0.256"}"#,
            r#"{"type":"A","host":"10.0.0.1/24"}"#,
            r#"{"type":"A","host":"10.0.0.1:80"}"#,
            r#"{"type":"A","host":"fd00::1"}"#,
            r#"{"type":"A","host":"a.example"}"#,
            r#"{"type":"AAAA","host":"10.0.0.1"}"#,
            r#"{"type":"A","host":["10.0.0.1"]}"#,
            r#"{"type":"A","host":{"ip":"10.0.0.1"}}"#,
            r#"{"type":"A","host":167772161}"#,
        ],
        expect![[r#"
            error: value: not a JSON object: write {"field":...}
            error: value: EOF while parsing an object at line 1 column 1
            error: value: not a JSON object: write {"field":...}
            error: value: not a JSON object: write {"field":...}
            error: value: not a JSON object: write {"field":...}
            error: value: control character (\u0000-\u001F) found while parsing a string
            at line 1 column 10
            error: value: duplicate field `host` at line 1 column 25
            error: host: missing: give host or text
            error: host: missing in a record of type A
            error: host: missing in a record of type A
            error: host: "10.0.0.256" is neither an IP address nor a name
            error: host: "10.0.0.1/24" is neither an IP address nor a name
            error: host: "10.0.0.1:80" is neither an IP address nor a name
            error: host: "fd00::1" is not an IPv4 address, as type A wants
            error: host: "a.example." is not an IPv4 address, as type A wants
            error: host: "10.0.0.1" is not an IPv6 address, as type AAAA wants
            error: host: an array is not a string
            error: host: an object is not a string
            error: host: 167772161 is not a string
        "#]],
    );
}

#[test]
fn containerdns_values_of_other_types() {
    check_values(
        Format::ContainerDns,
        &[
            r#"{"type":"CNAME","host":"10.0.0.1"}"#,
            r#"{"type":"CNAME","host":"a..example"}"#,
            r#"{"type":"CNAME","host":"a b.example"}"#,
            r#"{"type":"AX","host":"10.0.0.1"}"#,
            r#"{"type":1,"host":"10.0.0.1"}"#,
            r#"{"type":"CAA","host":"a.example"}"#,
            r#"{"type":"TXT","host":"a.example"}"#,
            r#"{"type":"TXT","text":7}"#,
            r#"{"type":"SRV","host":"a.example"}"#,
            r#"{"type":"SRV","host":"a.example","port":65536}"#,
            r#"{"type":"SRV","host":"a.example","port":"http"}"#,
            r#"{"type":"SRV","host":"a.example","port":1,"weight":-1}"#,
            r#"{"type":"MX","host":"a.example","priority":1.5}"#,
            r#"{"type":"MX","host":"a.example","mail":"yes"}"#,
            r#"{"type":"A","host":"10.0.0.1","ttl":2147483648}"#,
            r#"{"type":"A","host":"10.0.0.1","ttl":-1}"#,
            r#"{"type":"A","host":"10.0.0.1","ttl":"30s"}"#,
            r#"{"type":"A","host":"10.0.0.1","ttl":true}"#,
            r#"{"type":"A","host":"10.0.0.1","ttl":99999999999999999999}"#,
            r#"{"type":"A","host":"10.0.0.1","source":1}"#,
        ],
        expect![[r#"
            error: host: "10.0.0.1" is not a name, as type CNAME wants
            error: host: "a..example": label 2 is empty: a name is labels of 1 to 63
            octets between single dots
            error: host: "a b.example" is neither an IP address nor a name
            error: type: `AX` is no record type: write a mnemonic such as AAAA, or TYPE
            and its number
            error: type: 1 is not a string
            error: type: CAA is not kept here: A, AAAA, CNAME, NS, MX, TXT, SRV and PTR
            are
            error: text: missing in a TXT record
            error: text: 7 is not a string
            error: port: missing in a record of type SRV
            error: port: 65536 is not a whole number from 0 to 65535
            error: port: "http" is not a whole number from 0 to 65535
            error: weight: -1 is not a whole number from 0 to 65535
            error: priority: 1.5 is not a whole number from 0 to 65535
            error: mail: "yes" is not true or false
            error: ttl: 2147483648 is not a whole number from 0 to 2147483647
            error: ttl: -1 is not a whole number from 0 to 2147483647
            error: ttl: "30s" is not a whole number from 0 to 2147483647
            error: ttl: true is not a whole number from 0 to 2147483647
            error: ttl: 100000000000000000000 is not a whole number from 0 to
            2147483647
            error: source: 1 is not a string
        "#]],
    );
}

#[test]
fn skydns_values() {
    check_values(
        Format::SkyDns,
        &[
            "{}",
            r#"{"host":"","text":null}"#,
            r#"{"host":"192.0.2"}"#,
            r#"{"host":"-","port":[]}"#,
            r#"{"host":"192.0.2.1","targetstrip":3}"#,
            r#"{"host":"192.0.2.1","targetstrip":-1}"#,
            r#"{"host":"192.0.2.1","targetstrip":"x"}"#,
            r#"{"host":"192.0.2.1","group":7}"#,
            r#"{"host":"192.0.2.1","ttl":4294967296}"#,
        ],
        expect![[r#"
            error: host: missing: give host or text
            error: host: missing: give host or text
            error: host: "192.0.2" is neither an IP address nor a name
            error: port: an array is not a whole number from 0 to 65535
            error: targetstrip: 3 labels of 3 leave no owner
            error: targetstrip: -1 is not a whole number from 0 to 127
            error: targetstrip: "x" is not a whole number from 0 to 127
            error: group: 7 is not a string
            error: ttl: 4294967296 is not a whole number from 0 to 2147483647
        "#]],
    );
}

#[test]
fn bundle_values() {
    let rrset = |fields: &str| format!(r#"{{"v":1,"rrsets":[{{{fields}}}]}}"#);
    check_values(
        Format::Bundle,
        &[
            "{}",
            r#"{"v":2,"rrsets":[]}"#,
            r#"{"v":2,"rrsets":{"new":"form"}}"#,
            r#"{"v":"1","rrsets":[]}"#,
            r#"{"v":1}"#,
            r#"{"v":1,"rrsets":{}}"#,
            &rrset(""),
            &rrset(r#""name":"a""#),
            &rrset(r#""name":"a..b","type":"A","rdata":["10.0.0.1"]"#),
            &rrset(r#""name":"a","type":"ANY","rdata":["10.0.0.1"]"#),
            &rrset(r#""name":"a","type":"A""#),
            &rrset(r#""name":"a","type":"A","rdata":["10.0.0.1","b"]"#),
            &rrset(r#""name":"a","type":"A","rdata":[1]"#),
            &rrset(r#""name":"a","type":"A","ttl":-5,"rdata":["10.0.0.1"]"#),
            r#"{"v":1,"rrsets":[],"zones":["10.0.0.1"]}"#,
            r#"{"v":1,"rrsets":[],"zones":"zone-a"}"#,
            r#"{"v":1,"rrsets":[],"zones":{"zone-a":["10.0.0.1","10.0.0"]}}"#,
            r#"{"v":1,"rrsets":[],"zones":{"zone-a":{"10.0.0.1":1}}}"#,
            r#"{"v":1,"rrsets":[],"zones":{"a":["10.0.0.1"],"b":["10.0.0.1"]}}"#,
        ],
        expect![[r#"
            error: v: missing, write 1
            error: v: 2 is not a known version, write 1
            error: v: 2 is not a known version, write 1
            error: v: "1" is not a known version, write 1
            error: rrsets: missing
            error: value: invalid type: map, expected a sequence at line 1 column 16
            error: rrsets[0].name: missing
            error: rrsets[0].type: missing
            error: rrsets[0].name: "a..b": label 2 is empty: a name is labels of 1 to 63
            octets between single dots
            error: rrsets[0].rdata[0]: ANY is no type of records: it appears in queries
            and messages only
            error: rrsets[0].rdata: missing: an RRset has one record or more
            error: rrsets[0].rdata[1]: A: `b` is not an IPv4 address
            error: rrsets[0].rdata[0]: 1 is not a string in presentation format
            error: rrsets[0].ttl: -5 is not a whole number from 0 to 2147483647
            error: zones: an array is not an object with a list of addresses for each
            zone
            error: zones: "zone-a" is not an object with a list of addresses for each
            zone
            error: zones.zone-a[1]: "10.0.0" is no IP address
            error: zones.zone-a[0]: an object is not a string
            error: zones.b[0]: 10.0.0.1 is there twice, an address is in one zone
        "#]],
    );
}

#[test]
fn keys() {
    let check = |format: Format, value: &str, keys: &[&[u8]], errors: Expect| {
        let lines = keys.iter().map(|key| shown(format, key, value.as_bytes()));
        errors.assert_eq(&lines.collect::<String>());
    };
    let long = format!("/containerdns/org/{}/1", "x".repeat(64));
    let deep = format!("/containerdns{}", "/a".repeat(128));
    check(
        Format::ContainerDns,
        r#"{"host":"10.0.0.1"}"#,
        &[
            b"/containerdns",
            b"/containerdns/",
            b"/containerdns//",
            b"/containerdnsx/org/1",
            b"/other/org/1",
            b"/containerdns/org",
            b"/containerdns/org//1/",
            b"/containerdns/org/1//",
            b"/containerdns/org/www.example/1",
            b"/containerdns/org/a\\9/1",
            long.as_bytes(),
            deep.as_bytes(),
        ],
        expect![[r#"
            error: key: does not start with /containerdns/
            error: key: no label follows the prefix
            error: key: no label follows the prefix
            error: key: does not start with /containerdns/
            error: key: does not start with /containerdns/
            error: key: the last label is a record id, the owner is missing
            error: key: label 2 is empty: a name is labels of 1 to 63 octets between
            single dots
            error: key: label 1 is empty: a name is labels of 1 to 63 octets between
            single dots
            error: key: segment "www.example" holds a dot: write one label a segment,
            the root side first
            error: key: `\9` is not an escape: write \X for the character X or \DDD for
            an octet up to 255
            error: key: label 2 `xxxxxxxxxxxxxxxx...` is 64 octets long: a label has at
            most 63
            error: key: the name takes more than 255 octets in wire format, which is the
            limit
        "#]],
    );
    check(
        Format::Bundle,
        r#"{"v":1,"rrsets":[]}"#,
        &[
            b"/containerdns-kube/k1/services/ns",
            b"/containerdns-kube/k1/services/ns/a/b",
            b"/containerdns-kube/k1/secrets/ns/a",
            b"/containerdns-kube/k1/services//a",
            b"/containerdns-kube//services/ns/a",
        ],
        expect![[r#"
            error: key: a bundle's is
            <cluster>/<services|endpointslices|pods|namespaces|serviceimports|records>/<namespace>/<name>
            error: key: a bundle's is
            <cluster>/<services|endpointslices|pods|namespaces|serviceimports|records>/<namespace>/<name>
            error: key: a bundle's is
            <cluster>/<services|endpointslices|pods|namespaces|serviceimports|records>/<namespace>/<name>
            error: key: a bundle's is
            <cluster>/<services|endpointslices|pods|namespaces|serviceimports|records>/<namespace>/<name>
            error: key: a bundle's is
            <cluster>/<services|endpointslices|pods|namespaces|serviceimports|records>/<namespace>/<name>
        "#]],
    );
}

#[test]
fn sizes() {
    let key = b"/skydns/org/a";
    let value = vec![b' '; VALUE_LEN_MAX + 1];
    let read = decode(Format::SkyDns, "/skydns/", &[], key, &value);
    assert_eq!(
        read,
        Err(FormatError::ValueTooLarge {
            len: 65_537,
            max: 65_536
        })
    );
    let key = b"/k/c/pods/ns/a";
    let value = vec![b' '; BUNDLE_LEN_MAX + 1];
    let read = decode(Format::Bundle, "/k/", &[], key, &value);
    assert_eq!(
        read,
        Err(FormatError::ValueTooLarge {
            len: 1_048_577,
            max: 1_048_576
        })
    );
    // 70,000 RDATA of three octets each are below 1 MiB.
    let texts = vec!["\"a\""; 70_000].join(",");
    let value = format!(r#"{{"v":1,"rrsets":[{{"name":"a","type":"TXT","rdata":[{texts}]}}]}}"#);
    let read = decode(Format::Bundle, "/k/", &[], key, value.as_bytes());
    assert_eq!(read, Err(FormatError::TooManyRecords(70_000)));
    // Nesting beyond the reader's limit is an error, not a stack overflow.
    let deep = format!(r#"{{"host":{}"#, "[".repeat(60_000));
    let read = decode(
        Format::SkyDns,
        "/skydns/",
        &[],
        b"/skydns/org/a",
        deep.as_bytes(),
    );
    assert!(matches!(read, Err(FormatError::Json(_))), "{read:?}");
}
