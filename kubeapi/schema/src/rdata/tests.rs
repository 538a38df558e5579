//! RDATA of every type: text to wire and back, against hickory-proto where it reads the same text.

mod properties;

use expect_test::{Expect, expect};
use hickory_proto::rr::{RData, RecordType as HickoryType};
use hickory_proto::serialize::binary::BinEncodable;

use super::*;
use crate::wrapped::wrapped;

/// Text in, text out; the text that comes out gives the same octets.
fn check(rtype: RecordType, text: &str, shown: Expect) {
    let result = Rdata::parse(rtype, text);
    if let Ok(rdata) = &result {
        let again = Rdata::parse(rtype, &rdata.to_text(rtype));
        assert_eq!(again.as_ref(), Ok(rdata), "{rtype} {text}");
        assert_eq!(
            Rdata::from_wire(rtype, rdata.wire()).as_ref(),
            Ok(rdata),
            "{rtype} {text}"
        );
        let generic = format!(
            "\\# {} {}",
            rdata.wire().len(),
            HEXLOWER.encode(rdata.wire())
        );
        assert_eq!(
            Rdata::parse(rtype, &generic).as_ref(),
            Ok(rdata),
            "{rtype} {generic}"
        );
    }
    shown.assert_eq(&wrapped(&match result {
        Ok(rdata) => rdata.to_text(rtype),
        Err(error) => format!("error: {error}"),
    }));
}

#[test]
fn every_type_is_read_and_shown() {
    check(RecordType::A, "192.0.2.1", expect!["192.0.2.1"]);
    check(RecordType::AAAA, "2001:DB8:0::1", expect!["2001:db8::1"]);
    check(RecordType::NS, "ns1.Example", expect!["ns1.Example."]);
    check(
        RecordType::CNAME,
        r"a\.b.example.",
        expect![[r#"a\.b.example."#]],
    );
    check(RecordType::PTR, "host.example", expect!["host.example."]);
    check(RecordType::DNAME, "example", expect!["example."]);
    check(
        RecordType::SOA,
        "ns. host.master. ( 1 2h ; refresh\n 30m 1w 5 )",
        expect!["ns. host.master. 1 7200 1800 604800 5"],
    );
    check(
        RecordType::MX,
        "10 mail.example",
        expect!["10 mail.example."],
    );
    check(
        RecordType::SRV,
        "0 5 5060 sip.example.",
        expect!["0 5 5060 sip.example."],
    );
    check(
        RecordType::HINFO,
        "PDP-10 \"Tops 20\"",
        expect![[r#""PDP-10" "Tops 20""#]],
    );
    check(
        RecordType::TXT,
        r#"aa "" "b b" "q\"q" \200\000"#,
        expect![[r#""aa" "" "b b" "q\"q" "\200\000""#]],
    );
    check(RecordType::TXT, "\"ü\" a;b", expect![[r#""\195\188" "a""#]]);
}

#[test]
fn keys_and_services_are_read_and_shown() {
    check(
        RecordType::NAPTR,
        r#"100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.com."#,
        expect![[r#"100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.com."#]],
    );
    check(
        RecordType::CAA,
        "128 issue \"ca.example; policy=ev\"",
        expect![[r#"128 issue "ca.example; policy=ev""#]],
    );
    check(RecordType::CAA, "0 issue \"\"", expect![[r#"0 issue """#]]);
    check(
        RecordType::CAA,
        "0 issue ca.example",
        expect![[r#"0 issue "ca.example""#]],
    );
    check(
        RecordType::URI,
        "10 1 \"https://example/\"",
        expect![[r#"10 1 "https://example/""#]],
    );
    check(
        RecordType::SSHFP,
        "2 1 123456789abcdef6 7890123456789abcdef67890",
        expect!["2 1 123456789ABCDEF67890123456789ABCDEF67890"],
    );
    check(
        RecordType::TLSA,
        "3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B9",
        expect!["3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B9"],
    );
    check(
        RecordType::DS,
        "60485 5 1 2BB183AF5F22588179A53B0A",
        expect!["60485 5 1 2BB183AF5F22588179A53B0A"],
    );
    check(
        RecordType::DNSKEY,
        "256 3 5 AQPSKmynfzW4kyBv 015MUG2DeIQ3",
        expect!["256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3"],
    );
    check(RecordType::OPENPGPKEY, "AQID", expect!["AQID"]);
    check(
        RecordType(65_280),
        r"\# 3 0A0b 0c",
        expect![[r#"\# 3 0a0b0c"#]],
    );
    check(RecordType(65_280), r"\# 0", expect![[r#"\# 0"#]]);
    check(RecordType::LOC, r"\# 2 0000", expect![[r#"\# 2 0000"#]]);
}

#[test]
fn svcb_parameters() {
    let svcb = |text, shown| check(RecordType::SVCB, text, shown);
    svcb("0 alias.example", expect!["0 alias.example."]);
    svcb(
        "1 . port=8443 alpn=h2,h3",
        expect![[r#"1 . alpn="h2,h3" port=8443"#]],
    );
    svcb(
        "16 foo.example alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
        expect![[r#"16 foo.example. alpn="f\\\\oo\\,bar,h2""#]],
    );
    svcb(
        "1 . mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.1,192.0.2.2",
        expect![[r#"1 . mandatory=alpn,ipv4hint alpn="h2" ipv4hint=192.0.2.1,192.0.2.2"#]],
    );
    svcb(
        "1 . ipv6hint=2001:db8::1 ech=AQID no-default-alpn alpn=h3",
        expect![[r#"1 . alpn="h3" no-default-alpn ech=AQID ipv6hint=2001:db8::1"#]],
    );
    svcb(
        "1 . key667=\"hello\\210qoo\" ohttp dohpath=\"/dns-query{?dns}\"",
        expect![[r#"1 . dohpath="/dns-query{?dns}" ohttp key667="hello\210qoo""#]],
    );
    svcb("1 . key65280", expect!["1 . key65280"]);
    svcb(
        "1 . alpn=h2 alpn=h3",
        expect!["error: SVCB: parameter alpn appears twice or out of order"],
    );
    svcb(
        "1 . mandatory=port alpn=h2",
        expect!["error: SVCB: parameter mandatory: the value is not valid (RFC 9460)"],
    );
    svcb(
        "1 . port=65536",
        expect!["error: SVCB: parameter port: `65536` is not a port up to 65535"],
    );
    svcb(
        "1 . alpn",
        expect!["error: SVCB: parameter alpn: the value is not valid (RFC 9460)"],
    );
    svcb(
        "1 . ipv4hint=::1",
        expect!["error: SVCB: parameter ipv4hint: `::1` is not an IPv4 address"],
    );
    svcb(
        "1 . ech=!",
        expect!["error: SVCB: parameter ech: the value is not base64"],
    );
    svcb(
        "1 . color=red",
        expect!["error: SVCB: `color` is no parameter: write alpn, port, ... or keyNNNNN"],
    );
    svcb(
        "1 . alpn=\"h2\"x",
        expect!["error: SVCB: parameter alpn: the value's quotes must enclose all of it"],
    );
    svcb(
        "1",
        expect!["error: SVCB: a priority and a target name is missing"],
    );
    svcb(
        "70000 .",
        expect!["error: SVCB: `70000` is not a priority up to 65535"],
    );
}

#[test]
fn what_is_wrong_is_named() {
    check(
        RecordType::A,
        "192.0.2.256",
        expect!["error: A: `192.0.2.256` is not an IPv4 address"],
    );
    check(
        RecordType::A,
        "",
        expect!["error: A: an IPv4 address is missing"],
    );
    check(
        RecordType::A,
        "192.0.2.1 192.0.2.2",
        expect!["error: A: nothing may follow its last field, but `192.0.2.2` does"],
    );
    check(
        RecordType::A,
        "192.0.2.1\n192.0.2.2",
        expect!["error: A: nothing may follow its last field, but `a second line` does"],
    );
    check(
        RecordType::A,
        r"\# 3 c00002",
        expect!["error: A: `C00002` is not an IPv4 address"],
    );
    check(
        RecordType::A,
        r"\# 4 c000020",
        expect![[r#"
            error: `\#` wants a length in octets and as many octets in hex (RFC 3597):
            the octets are not pairs of hex digits"#]],
    );
    check(
        RecordType::A,
        r"\# 5 c0000201",
        expect![[r#"
            error: `\#` wants a length in octets and as many octets in hex (RFC 3597):
            length 5, but 4 octets follow"#]],
    );
    check(
        RecordType::A,
        r"\#",
        expect![[r#"
            error: `\#` wants a length in octets and as many octets in hex (RFC 3597):
            the length is missing"#]],
    );
    check(
        RecordType::A,
        r"\# 70000 00",
        expect![[r#"
            error: `\#` wants a length in octets and as many octets in hex (RFC 3597):
            `70000` is no length up to 65535"#]],
    );
}

#[test]
fn wrong_fields_are_named() {
    check(
        RecordType::AAAA,
        "192.0.2.1",
        expect!["error: AAAA: `192.0.2.1` is not an IPv6 address"],
    );
    check(
        RecordType::MX,
        "mail.example",
        expect!["error: MX: `mail.example` is not a number up to 65535"],
    );
    check(
        RecordType::MX,
        "10",
        expect!["error: MX: a name is missing"],
    );
    check(
        RecordType::MX,
        "10 a..b",
        expect![[r#"
            error: MX: label 2 is empty: a name is labels of 1 to 63 octets between
            single dots"#]],
    );
    check(
        RecordType::NS,
        r"\# 2 c00c",
        expect!["error: NS: `C00C` is not a name"],
    );
    check(
        RecordType::TXT,
        &"x".repeat(256),
        expect!["error: TXT: a string of 256 octets: at most 255, write several strings"],
    );
    check(
        RecordType::TXT,
        "",
        expect!["error: TXT: a string is missing"],
    );
    check(
        RecordType::TXT,
        "\"open",
        expect!["error: TXT: a quoted string is not closed before the end of the line"],
    );
    check(
        RecordType::TXT,
        "(a",
        expect!["error: TXT: an opening parenthesis is not closed"],
    );
    check(
        RecordType::TXT,
        r"\# 2 0561",
        expect!["error: TXT: `0561` is not a string"],
    );
}

#[test]
fn wrong_types_are_named() {
    check(
        RecordType::CAA,
        "0 is-sue \"x\"",
        expect!["error: CAA: `is-sue` is not a word of 1 to 255 letters and digits"],
    );
    check(
        RecordType::SSHFP,
        "1 1 xyz",
        expect!["error: SSHFP: `xyz` is not octets in hex"],
    );
    check(
        RecordType::LOC,
        "51 30 12.748 N 0 7 39.611 W 0.00m",
        expect![[r#"error: LOC has no text form here: write \# <length> <hex> (RFC 3597)"#]],
    );
    check(
        RecordType::ANY,
        "x",
        expect!["error: ANY is no type of records: it appears in queries and messages only"],
    );
    check(
        RecordType::OPT,
        r"\# 0",
        expect!["error: OPT is no type of records: it appears in queries and messages only"],
    );
}

#[test]
fn types_have_mnemonics_and_numbers() {
    assert_eq!("aaaa".parse(), Ok(RecordType::AAAA));
    assert_eq!("TYPE28".parse(), Ok(RecordType::AAAA));
    assert_eq!("type65280".parse(), Ok(RecordType(65_280)));
    assert_eq!(RecordType(65_280).to_string(), "TYPE65280");
    for bad in [
        "",
        "AAAAA",
        "TYPE",
        "TYPE65536",
        "TYPE+1",
        "TYPE1 ",
        "a very long type's name",
    ] {
        assert!(bad.parse::<RecordType>().is_err(), "{bad}");
    }
    let json = serde_json::to_string(&RecordType::HTTPS).unwrap();
    assert_eq!(
        serde_json::from_str::<RecordType>(&json).unwrap(),
        RecordType::HTTPS
    );
}

#[test]
fn constructors_and_targets() {
    let name: Name = "a.example".parse().unwrap();
    let made = [
        (RecordType::CNAME, Rdata::cname(&name), "a.example."),
        (RecordType::NS, Rdata::ns(&name), "a.example."),
        (RecordType::PTR, Rdata::ptr(&name), "a.example."),
        (RecordType::MX, Rdata::mx(10, &name), "10 a.example."),
        (
            RecordType::SRV,
            Rdata::srv(1, 2, 3, &name),
            "1 2 3 a.example.",
        ),
        (
            RecordType::HTTPS,
            Rdata::parse(RecordType::HTTPS, "1 a.example").unwrap(),
            "1 a.example.",
        ),
    ];
    for (rtype, rdata, text) in made {
        assert_eq!(rdata.to_text(rtype), text);
        assert_eq!(Rdata::parse(rtype, text), Ok(rdata.clone()));
        assert_eq!(rdata.target(rtype), Some(name.clone()));
        assert_eq!(rdata.as_ip(rtype), None);
    }
    let address: Ipv4Addr = "192.0.2.1".parse().unwrap();
    assert_eq!(Rdata::a(address).as_ip(RecordType::A), Some(address.into()));
    assert_eq!(Rdata::a(address).as_ip(RecordType::TXT), None);
    assert_eq!(Rdata::a(address).target(RecordType::A), None);
    let strings: [&[u8]; 3] = [b"aa", b"", b"\xff"];
    assert!(Rdata::txt(&strings).unwrap().strings().eq(strings));
    assert_eq!(Rdata::txt_split(&[b'x'; 600]).unwrap().strings().count(), 3);
    assert!(Rdata::txt(&[]).is_err());
    assert!(Rdata::txt(&[&[0; 256]]).is_err());
    assert!(Rdata::txt_split(&[0; 65_536]).is_err());
}

/// An independent reader gives the same octets, for text that it reads rightly.
#[test]
fn hickory_agrees() {
    for (rtype, text) in [
        (RecordType::SOA, "ns. host. 7 7200 1800 86400 5"),
        (RecordType::SRV, "1 2 3 a.example."),
        (
            RecordType::NAPTR,
            r#"100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.example.com."#,
        ),
        (RecordType::CAA, "128 issue \"ca.example; policy=ev\""),
        (
            RecordType::SSHFP,
            "2 1 123456789abcdef67890123456789abcdef67890",
        ),
        (RecordType::TLSA, "3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B9"),
        (RecordType::TXT, "\"aa\" \"\" \"b b\""),
        (RecordType::HINFO, "\"PDP-10\" \"Tops 20\""),
        (
            RecordType::HTTPS,
            "1 . alpn=\"h2,h3\" port=\"8443\" ipv4hint=\"192.0.2.1\"",
        ),
        (
            RecordType::SVCB,
            "1 a.example. mandatory=alpn alpn=h2 ipv6hint=2001:db8::1",
        ),
    ] {
        let theirs = RData::try_from_str(HickoryType::from(rtype.0), text).unwrap();
        let ours = Rdata::parse(rtype, text).unwrap();
        assert_eq!(ours.wire(), theirs.to_bytes().unwrap(), "{rtype} {text}");
    }
}
