//! The zones of an API, and which names are in them.

use super::RequestError;
use crate::name::Name;

/// Labels below a zone that Kubernetes owns: services and pods live there.
const KUBERNETES_LABELS: [&[u8]; 2] = [b"svc", b"pod"];

/// Zones that names are changed in; the first completes names of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zones {
    zones: Vec<Name>,
    all: Vec<Name>,
}

impl Zones {
    /// Forward zones, of which there is at least one, and reverse zones.
    #[must_use]
    pub fn new(zones: Vec<Name>, reverse: Vec<Name>) -> Self {
        let all = zones.iter().cloned().chain(reverse).collect();
        Self { zones, all }
    }

    /// All zones, the reverse ones last.
    #[must_use]
    pub fn all(&self) -> &[Name] {
        &self.all
    }

    /// The zone that `name` is in, the longest of several.
    #[must_use]
    pub fn zone_of(&self, name: &Name) -> Option<&Name> {
        let around = self.all.iter().filter(|zone| name.is_within(zone));
        around.max_by_key(|zone| zone.label_count())
    }

    /// Reads a name, in lower case: a name has one key. A single label that is no zone is
    /// completed by `zone`, or by the first zone.
    ///
    /// # Errors
    /// Not a name, or a name outside all zones.
    pub fn resolve(
        &self,
        field: &str,
        text: &str,
        zone: Option<&Name>,
    ) -> Result<Name, RequestError> {
        let name = Name::parse(text).map_err(|error| RequestError::new(field, error))?;
        let name = name.to_lower();
        if self.zone_of(&name).is_some() {
            return Ok(name);
        }
        let relative = name.label_count() == 1 && !text.ends_with('.');
        if let Some(zone) = zone.or(self.zones.first()).filter(|_| relative) {
            return Name::from_labels(name.labels().chain(zone.labels()))
                .map_err(|error| RequestError::new(field, error));
        }
        let zones: Vec<String> = self.all.iter().map(Name::to_string).collect();
        let zones = zones.join(", ");
        Err(RequestError::new(
            field,
            format_args!("{name} lies in none of the zones {zones}"),
        ))
    }

    /// Whether `name` is where Kubernetes' services and pods have their names.
    #[must_use]
    pub fn is_kubernetes(&self, name: &Name) -> bool {
        self.zones.iter().any(|zone| {
            let Some(labels) = name.label_count().checked_sub(zone.label_count() + 1) else {
                return false;
            };
            name.is_within(zone)
                && name.labels().nth(labels).is_some_and(|label| {
                    KUBERNETES_LABELS
                        .iter()
                        .any(|kubernetes| label.eq_ignore_ascii_case(kubernetes))
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn zones() -> Zones {
        let name = |text: &str| text.parse().expect("a name");
        Zones::new(
            vec![name("a.test"), name("b.a.test"), name("cluster.local")],
            vec![name("10.in-addr.arpa")],
        )
    }

    fn check(text: &str, expected: Expect) {
        let told = match zones().resolve("name", text, None) {
            Ok(name) => {
                let zone = zones().zone_of(&name).map(Name::to_string);
                format!("{name} in {}", zone.unwrap_or_default())
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn names_lie_in_the_longest_zone_by_labels() {
        check("www.a.test", expect!["www.a.test. in a.test."]);
        check("b.a.test.", expect!["b.a.test. in b.a.test."]);
        check("WWW.B.a.test", expect!["www.b.a.test. in b.a.test."]);
        check(
            "xa.test",
            expect![
                "name: xa.test. lies in none of the zones a.test., b.a.test., cluster.local., 10.in-addr.arpa."
            ],
        );
        check(
            "1.0.0.10.in-addr.arpa",
            expect!["1.0.0.10.in-addr.arpa. in 10.in-addr.arpa."],
        );
    }

    #[test]
    fn a_single_label_is_completed() {
        check("www", expect!["www.a.test. in a.test."]);
        check(
            "www.",
            expect![
                "name: www. lies in none of the zones a.test., b.a.test., cluster.local., 10.in-addr.arpa."
            ],
        );
        check(
            "",
            expect![
                "name: label 1 is empty: a name is labels of 1 to 63 octets between single dots"
            ],
        );
    }

    #[test]
    fn kubernetes_names_are_told_by_labels() {
        for (name, is) in [
            ("web.default.svc.cluster.local", true),
            ("SVC.cluster.local", true),
            ("10-0-0-1.default.pod.a.test", true),
            ("xsvc.cluster.local", false),
            ("svc.www.cluster.local", false),
            ("cluster.local", false),
            ("svc.10.in-addr.arpa", false),
        ] {
            let name: Name = name.parse().expect("a name");
            assert_eq!(zones().is_kubernetes(&name), is, "{name}");
        }
    }
}
