//! Valid RDATA survives its text form, and no text makes the reader panic.

use proptest::prelude::*;

use super::*;
use crate::name::tests::any_name;

const ALL_KNOWN: &[RecordType] = &[
    RecordType::A,
    RecordType::NS,
    RecordType::CNAME,
    RecordType::SOA,
    RecordType::PTR,
    RecordType::HINFO,
    RecordType::MX,
    RecordType::TXT,
    RecordType::RP,
    RecordType::AFSDB,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::NAPTR,
    RecordType::DNAME,
    RecordType::DS,
    RecordType::SSHFP,
    RecordType::TLSA,
    RecordType::DNSKEY,
    RecordType::OPENPGPKEY,
    RecordType::ZONEMD,
    RecordType::SVCB,
    RecordType::HTTPS,
    RecordType::URI,
    RecordType::CAA,
    RecordType(65_280),
];

fn known_type() -> impl Strategy<Value = RecordType> {
    proptest::sample::select(ALL_KNOWN)
}

proptest! {
    #[test]
    fn valid_octets_survive_text(
        rtype in known_type(),
        numbers in proptest::collection::vec(any::<u8>(), 0..8),
        name in any_name(),
        octets in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        for wire in [&[&numbers[..], name.wire(), &octets].concat()[..], name.wire(), &octets] {
            if let Ok(rdata) = Rdata::from_wire(rtype, wire) {
                let text = rdata.to_text(rtype);
                prop_assert_eq!(Rdata::parse(rtype, &text), Ok(rdata), "{} {}", rtype, text);
            }
        }
    }

    #[test]
    fn strings_of_any_octets_survive_text(
        strings in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..=255), 1..5),
    ) {
        let strings: Vec<&[u8]> = strings.iter().map(Vec::as_slice).collect();
        let rdata = Rdata::txt(&strings).unwrap();
        let text = rdata.to_text(RecordType::TXT);
        prop_assert_eq!(Rdata::parse(RecordType::TXT, &text), Ok(rdata));
    }

    #[test]
    fn any_text_is_read_or_refused(
        rtype in any::<u16>(),
        known in known_type(),
        text in any::<String>(),
    ) {
        for rtype in [RecordType(rtype), known] {
            if let Ok(rdata) = Rdata::parse(rtype, &text) {
                let shown = rdata.to_text(rtype);
                prop_assert_eq!(Rdata::parse(rtype, &shown), Ok(rdata), "{} {}", rtype, shown);
            }
        }
    }

    #[test]
    fn any_parameters_are_read_or_refused(text in "1 [.a] [a-z0-9=,\"\\\\ -]{0,40}") {
        if let Ok(rdata) = Rdata::parse(RecordType::SVCB, &text) {
            let shown = rdata.to_text(RecordType::SVCB);
            prop_assert_eq!(Rdata::parse(RecordType::SVCB, &shown), Ok(rdata), "{}", shown);
        }
    }
}
