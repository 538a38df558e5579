//! What is written is read back as itself, and no octets make a reader panic.

use proptest::prelude::*;

use super::*;
use crate::name::tests::any_name;

fn any_ttl() -> impl Strategy<Value = Option<u32>> {
    proptest::option::of(0..=TTL_MAX_S)
}

/// Records of the types that the two trees have a place for.
fn tree_record() -> impl Strategy<Value = Record> {
    let text = "\\PC{0,300}".prop_map(|text| Rdata::txt_split(text.as_bytes()).unwrap());
    let target = any_name().boxed();
    let numbers = any::<(u16, u16, u16)>();
    let rdata = prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| (RecordType::A, Rdata::a(octets.into()))),
        any::<[u8; 16]>().prop_map(|octets| (RecordType::AAAA, Rdata::aaaa(octets.into()))),
        text.prop_map(|rdata| (RecordType::TXT, rdata)),
        target
            .clone()
            .prop_map(|name| (RecordType::CNAME, Rdata::cname(&name))),
        target
            .clone()
            .prop_map(|name| (RecordType::PTR, Rdata::ptr(&name))),
        target
            .clone()
            .prop_map(|name| (RecordType::NS, Rdata::ns(&name))),
        (numbers, target.clone())
            .prop_map(|((a, b, c), name)| { (RecordType::SRV, Rdata::srv(a, b, c, &name)) }),
        (any::<u16>(), target).prop_map(|(n, name)| (RecordType::MX, Rdata::mx(n, &name))),
    ];
    let owner = (any_name(), proptest::sample::select(zones()))
        .prop_filter_map("long", |(n, z)| {
            Name::from_labels(n.labels().chain(z.labels())).ok()
        });
    (owner, any_ttl(), rdata).prop_map(|(owner, ttl, (rtype, rdata))| Record {
        owner,
        rtype,
        ttl,
        rdata,
    })
}

fn any_format() -> impl Strategy<Value = Format> {
    proptest::sample::select(vec![Format::ContainerDns, Format::SkyDns, Format::Bundle])
}

/// A refusal to write is right only where the tree has no place for the record: its id or infix
/// makes the name too long, or its host would be taken for a mistyped address.
fn refused_rightly(error: &EncodeError) -> bool {
    let known = ["more than 255 octets", "neither an IP address"];
    matches!(error, EncodeError::Ambiguous(reason) if known.iter().any(|k| reason.contains(k)))
}

/// SkyDNS tells CNAME from PTR by the tree they stand in, and SRV from CNAME by its port.
fn has_a_skydns_form(record: &Record) -> bool {
    match record.rtype {
        RecordType::NS => false,
        RecordType::CNAME => !key::is_reverse(&record.owner),
        RecordType::PTR => key::is_reverse(&record.owner),
        RecordType::SRV => record.rdata.wire()[4..6] != [0, 0] && !key::is_reverse(&record.owner),
        RecordType::MX => !key::is_reverse(&record.owner),
        _ => true,
    }
}

proptest! {
    #[test]
    fn containerdns_records_survive(record in tree_record()) {
        match containerdns::encode("/containerdns/", &zones(), &record, Fields::default()) {
            Ok(KeyValue { key, value }) => {
                let read = decode(Format::ContainerDns, "/containerdns", &zones(), &key, &value);
                prop_assert_eq!(read.unwrap().records, [Contributed::at_owner(record)]);
            }
            Err(error) => prop_assert!(refused_rightly(&error), "{}: {}", record, error),
        }
    }

    #[test]
    fn skydns_records_survive(
        mut record in tree_record(),
        id in proptest::option::of("[a-f0-9]{8}"),
    ) {
        record.ttl = record.ttl.or(Some(skydns::TTL_DEFAULT_S));
        match skydns::encode("/skydns/", &record, id.as_deref(), Some("g")) {
            Ok(KeyValue { key, value }) => {
                let read = decode(Format::SkyDns, "/skydns/", &zones(), &key, &value).unwrap();
                prop_assert_eq!(&read.records[0].record, &record);
                let plain = matches!(record.rtype, RecordType::CNAME | RecordType::PTR);
                let reach = if id.is_some() || plain { Reach::Owner } else { Reach::Subtree };
                prop_assert_eq!(read.records[0].reach, reach);
            }
            Err(error) => {
                let right = refused_rightly(&error) || !has_a_skydns_form(&record);
                prop_assert!(right, "{}: {}", record, error);
            }
        }
    }

    #[test]
    fn bundles_survive(records in proptest::collection::vec(tree_record(), 0..5)) {
        let rrsets: Vec<Rrset> = records.iter().map(|record| Rrset {
            name: record.owner.clone(),
            rtype: record.rtype,
            ttl: record.ttl,
            rdata: vec![record.rdata.clone()],
            weights: Vec::new(),
        }).collect();
        let key = bundle::key("/k", "c", Kind::Pods, "ns", "web");
        let value = bundle::encode(&Bundle { rrsets: &rrsets, ..Bundle::default() }).unwrap();
        let read = decode(Format::Bundle, "/k/", &[], &key, &value).unwrap();
        let expected: Vec<_> = records.into_iter().map(Contributed::at_owner).collect();
        prop_assert_eq!(read.records, expected);
    }

    #[test]
    fn any_octets_are_read_or_refused(
        format in any_format(),
        path in proptest::collection::vec(any::<u8>(), 0..80),
        value in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let key = [prefix(format).as_bytes(), &path].concat();
        let _ = decode(format, prefix(format), &zones(), &key, &value);
        let _ = decode(format, prefix(format), &zones(), &path, &value);
    }

    #[test]
    fn any_fields_are_read_or_refused(
        format in any_format(),
        path in "[a-z0-9*_/\\\\.]{0,30}",
        host in "[a-z0-9.:\\\\]{0,20}",
        field in "(type|port|priority|weight|text|mail|ttl|targetstrip|group|v|rrsets)",
        other in "(\"[A-Z]{0,5}\"|-?[0-9]{1,12}|true|null|\\[\\]|\\{\\}|\\[\\{\\}\\]|1e300)",
    ) {
        let key = format!("{}{path}", prefix(format));
        let host = serde_json::to_string(&host).unwrap();
        let value = format!(r#"{{"host":{host},"{field}":{other}}}"#);
        let _ = decode(format, prefix(format), &zones(), key.as_bytes(), value.as_bytes());
    }
}
