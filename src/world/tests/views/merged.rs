//! What a view is meant to be, as a property: its clients are answered as everybody would be by a
//! server whose records are everybody's, with the view's in their place at each name that the view
//! has. Delegations are left out, which views do not have.

use super::*;

const OWNERS: &[&str] = &[
    "t", "a.t", "b.a.t", "c.b.a.t", "*.a.t", "*.b.a.t", "*.t", "d.t", "x.d.t", "x.*.d.t", "e.t",
    "f.e.t",
];
const RDATA: &[&str] = &[
    "A 10.0.0.1",
    "A 10.0.0.2",
    "TXT one",
    "TXT two",
    "MX 10 a.t.",
    "MX 10 x.d.t.",
    "CNAME d.t.",
    "CNAME y.a.t.",
    "CNAME c.b.a.t.",
];
const QUESTIONS: &[&str] = &[
    "t",
    "a.t",
    "b.a.t",
    "c.b.a.t",
    "d.t",
    "x.d.t",
    "e.t",
    "f.e.t",
    "y.a.t",
    "z.b.a.t",
    "z.c.b.a.t",
    "y.t",
    "z.y.t",
    "y.d.t",
    "*.d.t",
    "y.e.t",
    "y.f.e.t",
];

fn records() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let one = (prop::sample::select(OWNERS), prop::sample::select(RDATA));
    // An alias at an apex is left out wherever it is: it puts nothing in the place of anything.
    let one = one.prop_filter("alias at an apex", |(owner, rdata)| {
        *owner != "t" || !rdata.starts_with("CNAME")
    });
    prop::collection::vec(one, 0..10)
}

fn value(records: &[(&str, &str)]) -> String {
    let records: Vec<String> = records
        .iter()
        .map(|(owner, rdata)| format!("{owner} {rdata}"))
        .collect();
    bundle(&records.iter().map(String::as_str).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_view_puts_its_records_in_the_place_of_everybodys(
        base in records(),
        view in records(),
    ) {
        let mut both = Both::new();
        both.put(KEYS[0], &value(&base));
        both.put(KEYS[1], &value(&view));
        let stays = |owner: &str| view.iter().all(|(own, _)| *own != owner);
        let mut merged = view.clone();
        merged.extend(base.iter().filter(|(owner, _)| stays(owner)));
        let mut single = Both::new();
        single.put(KEYS[0], &value(&merged));
        single.put(KEYS[1], &bundle(&[]));
        let mut plain = Both::new();
        plain.put(KEYS[0], &value(&base));
        plain.put(KEYS[1], &bundle(&[]));
        for name in QUESTIONS {
            for qtype in [rtype::A, rtype::TXT, rtype::MX, rtype::NS, rtype::SOA, rtype::ANY] {
                if (*name, qtype) == ("t", rtype::ANY) {
                    // ANY gives one RRset, and those of the view's apex are without NS.
                    continue;
                }
                let (seen, meant) =
                    (both.ask(OFFICE, name, qtype), single.ask(EVERYBODY, name, qtype));
                prop_assert_eq!(seen, meant, "{} {}", name, qtype);
                let (seen, meant) =
                    (both.ask(EVERYBODY, name, qtype), plain.ask(OFFICE, name, qtype));
                prop_assert_eq!(seen, meant, "for everybody: {} {}", name, qtype);
            }
        }
    }
}
