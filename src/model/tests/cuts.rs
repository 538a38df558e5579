//! Zone cuts: what is at and below them, and their glue.

use expect_test::expect;

use super::*;

#[test]
fn names_below_a_cut_vanish_and_come_back() {
    Told::new()
        .bundle("below", &["a.sub.t 5 A 10.0.0.1", "sub.t 5 TXT text"])
        .tells(expect![[r#"
            + a.sub.t.: A 5 10.0.0.1
            + sub.t.: TXT 5 "text""#]])
        .bundle("cut", &["sub.t 5 NS ns.sub.t.", "sub.t 5 NS ns.other."])
        .tells(expect![[r#"
            - a.sub.t.
            + sub.t. cut: NS 5 ns.sub.t., ns.other."#]])
        .bundle("late", &["b.sub.t 5 A 10.0.0.2"])
        .tells(expect![[r#"
            - b.sub.t.
            + sub.t. cut: NS 5 ns.sub.t., ns.other."#]])
        .delete_bundle("late")
        .delete_bundle("cut")
        .tells(expect![[r#"
            + a.sub.t.: A 5 10.0.0.1
            - b.sub.t.
            + sub.t.: TXT 5 "text""#]]);
}

#[test]
fn glue_is_what_the_servers_below_the_cut_have() {
    Told::new()
        .bundle("cut", &["sub.t 5 NS ns.sub.t.", "sub.t 5 NS ns.u.t."])
        .tells(expect!["+ sub.t. cut: NS 5 ns.u.t., ns.sub.t."])
        .bundle("glue", &["ns.sub.t 7 A 10.0.0.1", "ns.sub.t 7 TXT no"])
        .tells(expect![[r#"
            - ns.sub.t.
            + sub.t. cut: NS 5 ns.u.t., ns.sub.t. | glue ns.sub.t. A 7 10.0.0.1"#]])
        .bundle("glue", &["NS.sub.t 7 AAAA fd00::1"])
        .tells(expect![[r#"
            - ns.sub.t.
            + sub.t. cut: NS 5 ns.u.t., ns.sub.t. | glue ns.sub.t. AAAA 7 fd00::1"#]])
        .bundle("itself", &["sub.t 5 NS sub.t.", "sub.t 5 A 10.0.0.3"])
        .tells(expect!["+ sub.t. cut: NS 5 ns.u.t., ns.sub.t., sub.t. | glue sub.t. A 5 10.0.0.3 | glue ns.sub.t. AAAA 7 fd00::1"])
        .delete_bundle("glue")
        .tells(expect![[r#"
            - ns.sub.t.
            + sub.t. cut: NS 5 ns.u.t., ns.sub.t., sub.t. | glue sub.t. A 5 10.0.0.3"#]]);
}

#[test]
fn a_server_known_to_be_dead_is_no_glue_beside_a_live_one() {
    let mut told = Told::new();
    told.bundle("cut", &["sub.t 5 NS ns.sub.t."])
        .bundle("glue", &["ns.sub.t 5 A 10.0.0.1", "ns.sub.t 5 A 10.0.0.2"])
        .tells(expect![[r#"
            - ns.sub.t.
            + sub.t. cut: NS 5 ns.sub.t. | glue ns.sub.t. A 5 10.0.0.1, 10.0.0.2"#]])
        .health("10.0.0.2", "DOWN")
        .tells(expect![[r#"
            - ns.sub.t.
            + sub.t. cut: NS 5 ns.sub.t. | glue ns.sub.t. A 5 10.0.0.1"#]]);
}

#[test]
fn a_cut_below_a_cut_is_not_seen() {
    Told::new()
        .bundle("lower", &["b.a.t 5 NS ns.other.", "x.b.a.t 5 A 10.0.0.1"])
        .tells(expect![[r#"
            + a.t.
            + b.a.t. cut: NS 5 ns.other.
            - x.b.a.t."#]])
        .bundle("upper", &["a.t 5 NS ns.other."])
        .tells(expect![[r#"
            + a.t. cut: NS 5 ns.other.
            - b.a.t.
            - x.b.a.t."#]])
        .delete_bundle("lower")
        .delete_bundle("upper")
        .tells(expect![[r#"
            - a.t.
            - b.a.t.
            - x.b.a.t."#]]);
}

/// One key holds the cut and its glue: both go at once, in whatever order they were made.
#[test]
fn cut_and_glue_of_one_key_go_together() {
    for records in [
        ["sub.t 5 NS ns.sub.t.", "ns.sub.t 5 A 10.0.0.1"],
        ["ns.sub.t 5 A 10.0.0.1", "sub.t 5 NS ns.sub.t."],
    ] {
        let mut told = Told::new();
        told.bundle("one", &records).take();
        told.delete_bundle("one").take();
        assert_eq!(told.nodes.len(), 1);
        told.bundle("two", &["a.sub.t 5 A 10.0.0.1"]).take();
        assert_eq!(told.nodes.len(), 3, "the cut is gone");
    }
}

#[test]
fn ds_stays_at_the_cut() {
    Told::new()
        .bundle("cut", &["sub.t 5 NS ns.other.", "sub.t 5 DS 1 8 2 0102"])
        .bundle("mail", &["sub.t 5 MX 10 mail.other."])
        .tells(expect!["+ sub.t. cut: NS 5 ns.other. | DS 5 1 8 2 0102"]);
}

/// RFC 4592 section 4.2: NS at a wildcard is no cut.
#[test]
fn a_wildcard_is_no_cut() {
    Told::new()
        .bundle("one", &["*.t 5 NS ns.other.", "a.*.t 5 A 10.0.0.1"])
        .tells(expect![[r#"
            + *.t.: NS 5 ns.other.
            + a.*.t.: A 5 10.0.0.1
            + t. apex with *: NS 30 ns.dns.t."#]]);
}

#[test]
fn an_alias_at_a_cut_loses() {
    let mut told = Told::new();
    told.bundle("one", &["a.t 5 NS ns.other.", "a.t 5 CNAME b.t."])
        .tells(expect!["+ a.t. cut: NS 5 ns.other."]);
    assert_eq!(told.model.counts().conflicts, 1);
    told.bundle("two", &["t 5 NS ns.other."])
        .tells(expect!["+ t. apex: NS 5 ns.other."]);
}

/// A conflict that nobody can ask for is none.
#[test]
fn a_conflict_below_a_cut_does_not_count() {
    let mut told = Told::new();
    told.bundle("one", &["b.a.t 5 A 10.0.0.1", "b.a.t 5 CNAME c.t."])
        .tells(expect![[r#"
            + a.t.
            + b.a.t.: A 5 10.0.0.1"#]]);
    assert_eq!(told.model.counts().conflicts, 1);
    told.bundle("cut", &["a.t 5 NS ns.other."]).take();
    assert_eq!(told.model.counts().conflicts, 0);
    told.delete_bundle("cut").take();
    assert_eq!(told.model.counts().conflicts, 1);
}
