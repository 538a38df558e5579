//! Names against RFC 1035, RFC 2181 and RFC 4034.

use std::collections::HashSet;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::wrapped::wrapped;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn check(text: &str, shown: Expect) {
    let result = Name::parse(text);
    let text = result.map_or_else(|error| format!("error: {error}"), |n| n.to_string());
    shown.assert_eq(&wrapped(&text));
}

#[test]
fn presentation_format() {
    check("www.Example.ORG", expect!["www.Example.ORG."]);
    check("www.example.org.", expect!["www.example.org."]);
    check(".", expect!["."]);
    check("*._tcp.a-b.org", expect!["*._tcp.a-b.org."]);
    check(
        r"a\.b.c\\d.\032\000\255.org",
        expect![[r"a\.b.c\\d.\032\000\255.org."]],
    );
    check(
        "0/25.2.0.192.in-addr.arpa",
        expect!["0/25.2.0.192.in-addr.arpa."],
    );
    check("bücher.org", expect![[r"b\195\188cher.org."]]);
    check(
        "",
        expect![[r#"
            error: label 1 is empty: a name is labels of 1 to 63 octets between single
            dots"#]],
    );
    check(
        "a..b",
        expect![[r#"
            error: label 2 is empty: a name is labels of 1 to 63 octets between single
            dots"#]],
    );
    check(
        ".a",
        expect![[r#"
            error: label 1 is empty: a name is labels of 1 to 63 octets between single
            dots"#]],
    );
    check(
        "a.b..",
        expect![[r#"
            error: label 3 is empty: a name is labels of 1 to 63 octets between single
            dots"#]],
    );
    check(
        r"a\256.b",
        expect![[r#"
            error: `\256` is not an escape: write \X for the character X or \DDD for an
            octet up to 255"#]],
    );
    check(
        r"a\25",
        expect![[r#"
            error: `\25` is not an escape: write \X for the character X or \DDD for an
            octet up to 255"#]],
    );
    check(
        r"a\",
        expect![[r#"
            error: `\` is not an escape: write \X for the character X or \DDD for an
            octet up to 255"#]],
    );
    check(
        &format!("ok.{}.b", "x".repeat(64)),
        expect![[r#"
            error: label 2 `xxxxxxxxxxxxxxxx...` is 64 octets long: a label has at most
            63"#]],
    );
    check(
        &"a.".repeat(128),
        expect![[r#"
            error: the name takes more than 255 octets in wire format, which is the
            limit"#]],
    );
}

#[test]
fn limits_are_inclusive() {
    assert_eq!(name(&"a.".repeat(127)).wire().len(), NAME_LEN_MAX);
    assert_eq!(name(&"a.".repeat(127)).label_count(), LABELS_MAX);
    let longest = format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(61));
    assert_eq!(name(&longest).wire().len(), NAME_LEN_MAX);
    assert_eq!(
        Name::parse(&format!("{longest}y")),
        Err(NameError::NameTooLong)
    );
}

#[test]
fn wire_format_is_checked() {
    assert_eq!(Name::from_wire(b"\x01a\x00"), Ok(name("a")));
    assert_eq!(Name::from_wire(b""), Err(NameError::Truncated));
    assert_eq!(Name::from_wire(b"\x01a"), Err(NameError::Truncated));
    assert_eq!(Name::from_wire(b"\x02a\x00"), Err(NameError::Truncated));
    assert_eq!(
        Name::from_wire(b"\xc0\x0c"),
        Err(NameError::LabelType(0xc0))
    );
    assert_eq!(
        Name::from_wire(b"\x01a\x00\x00"),
        Err(NameError::Trailing(1))
    );
    assert_eq!(Name::from_wire(&[1; 300]), Err(NameError::NameTooLong));
}

#[test]
fn case_is_kept_and_ignored() {
    let (upper, lower) = (name("WWW.Example."), name("www.example."));
    assert_eq!(upper, lower);
    assert_eq!(HashSet::from([upper.clone(), lower.clone()]).len(), 1);
    assert_eq!(upper.to_string(), "WWW.Example.");
    assert_eq!(upper.to_lower().wire(), lower.wire());
    assert_ne!(name("é."), name("É."), "octets beyond ASCII have no case");
}

/// The list of RFC 4034 section 6.1.
#[test]
fn canonical_order() {
    let sorted = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        r"\001.z.example",
        "*.z.example",
        r"\200.z.example",
    ];
    let names: Vec<Name> = sorted.iter().map(|text| name(text)).collect();
    assert!(names.is_sorted_by(|a, b| a < b));
    assert!(Name::root() < names[0]);
}

#[test]
fn ancestors_are_found_by_whole_labels() {
    assert!(name("a.cluster.local").is_within(&name("CLUSTER.local")));
    assert!(name("cluster.local").is_within(&name("cluster.local")));
    assert!(!name("xcluster.local").is_within(&name("cluster.local")));
    assert!(!name("local").is_within(&name("cluster.local")));
    assert!(name("local").is_within(&Name::root()));
    // The octets of `\001a.` end one label early in the wire form of the first name.
    assert!(!name(r"x\001a.").is_within(&name("a.")));
    assert_eq!(name("a.b.c").parent(), Some(name("b.c")));
    assert_eq!(name("a.b.c").strip_left(3), Some(Name::root()));
    assert_eq!(name("a.b.c").strip_left(4), None);
    assert_eq!(Name::root().parent(), None);
}

#[test]
fn labels_from_both_ends() {
    let name = name(r"a.b\.c.d");
    assert_eq!(name.labels().collect::<Vec<_>>(), [&b"a"[..], b"b.c", b"d"]);
    assert_eq!(
        name.labels().rev().collect::<Vec<_>>(),
        [&b"d"[..], b"b.c", b"a"]
    );
    assert_eq!(name.labels().len(), 3);
    assert_eq!(Name::from_labels(name.labels()), Ok(name.clone()));
    assert_eq!(Name::root().labels().next(), None);
}

#[test]
fn relative_names_take_the_origin() {
    let origin = name("example.org");
    assert_eq!(
        Name::parse_in("www", Some(&origin)),
        Ok(name("www.example.org"))
    );
    assert_eq!(Name::parse_in("www.", Some(&origin)), Ok(name("www")));
    assert_eq!(
        Name::parse_in(r"a\.", Some(&origin)),
        Ok(name(r"a\..example.org"))
    );
}

/// Names of any octets.
pub(crate) fn any_name() -> impl Strategy<Value = Name> {
    let label = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..=63),
        "[a-zA-Z0-9_*/.-]{1,12}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(label, 0..=8)
        .prop_filter_map("too long", |labels| Name::from_labels(labels).ok())
}

proptest! {
    #[test]
    fn display_is_parsed_back(name in any_name()) {
        let shown = Name::parse(&name.to_string()).unwrap();
        prop_assert_eq!(shown.wire(), name.wire());
        prop_assert_eq!(Name::from_wire(name.wire()), Ok(shown));
        let json = serde_json::to_string(&name).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Name>(&json).unwrap(), &name);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Ok(name) = Name::parse(&text) {
            prop_assert!(name.wire().len() <= NAME_LEN_MAX);
        }
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(name) = Name::from_wire(&octets) {
            prop_assert_eq!(name.wire(), &octets[..]);
        }
    }

    #[test]
    fn equality_order_and_hash_agree(a in any_name(), b in any_name()) {
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(&a, &a.to_lower());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
}
