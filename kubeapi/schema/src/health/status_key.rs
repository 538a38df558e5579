//! The value of a status key while names come to its address and leave it.
//!
//! Only what is set here changes: the status, the prober, and fields that are not known here are
//! other writers', and stay as they are, octet by octet. A key that stood without names before the
//! first one came (an old scanner's) is marked (`"stays":true`) and outlives the last one; any
//! other is over with its last name. Which names have the address is the caller's to know. One that
//! a prober made for bundles (`"made_for":[...]`) is the prober's to delete.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Health, Status, decode};
use crate::format::{FormatError, VALUE_LEN_MAX};
use crate::name::Name;
use crate::probe::Probe;

/// The field that marks a key which outlives its names.
const STAYS: &str = "stays";
/// The field with the names for which a prober made the key, because bundles ask for them.
const MADE_FOR: &str = "made_for";
/// So many of those are written at most: people read them, nothing else does.
const MADE_FOR_MAX: usize = 32;

/// A value and what it says.
#[derive(Debug, Clone)]
pub struct StatusKey {
    fields: BTreeMap<String, Box<RawValue>>,
    health: Health,
    /// Whether it was in the store without a name.
    stood_alone: bool,
    changed: bool,
}

impl StatusKey {
    /// An address that is up and has no name yet.
    ///
    /// # Errors
    /// Never: the error of the encoder, for form.
    pub fn new(cluster: Option<&str>) -> Result<Self, FormatError> {
        let mut new = Self {
            fields: BTreeMap::new(),
            health: Health {
                status: Status::Up,
                ports: Vec::new(),
                names: Vec::new(),
                cluster: cluster.map(str::to_owned),
                probe: None,
                prober: None,
            },
            stood_alone: false,
            changed: false,
        };
        new.set("status", &Status::Up)?;
        if let Some(cluster) = cluster {
            new.set("cluster", cluster)?;
        }
        Ok(new)
    }

    /// Reads one key and its value, as [`decode`] does.
    ///
    /// # Errors
    /// A [`FormatError`] that concerns this key alone.
    pub fn parse(prefix: &str, key: &[u8], value: &[u8]) -> Result<Self, FormatError> {
        let (_, health) = decode(prefix, key, value)?;
        let fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(value).map_err(|error| FormatError::Json(error.to_string()))?;
        Ok(Self {
            stood_alone: health.names.is_empty(),
            changed: false,
            fields,
            health,
        })
    }

    /// What it says now.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether it says something else than when it was read.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether it is to be deleted: its last name left, and it is nobody else's.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.health.names.is_empty() && !self.stood_alone && !self.is_marked()
    }

    /// A name has the address.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn add(&mut self, name: &Name) -> Result<(), FormatError> {
        if self.health.lists(name) {
            return Ok(());
        }
        if self.stood_alone {
            self.set(STAYS, &true)?;
        }
        self.health.names.push(name.to_string());
        self.set("domains", &self.health.names.clone())
    }

    /// A name has the address no longer. Of a key that stays, how to probe goes with the last one.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn remove(&mut self, name: &Name) -> Result<(), FormatError> {
        if !self.health.lists(name) {
            return Ok(());
        }
        let is_it = |text: &String| Name::parse(text).is_ok_and(|listed| listed == *name);
        self.health.names.retain(|text| !is_it(text));
        if !self.health.names.is_empty() {
            return self.set("domains", &self.health.names.clone());
        }
        self.changed = true;
        self.fields.remove("domains");
        if self.is_marked() {
            self.fields.remove(STAYS);
            self.fields.remove("probe");
            self.health.probe = None;
            self.stood_alone = true;
        }
        Ok(())
    }

    /// What a prober found out.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn set_verdict(&mut self, status: Status, prober: &str) -> Result<(), FormatError> {
        self.health.status = status;
        self.health.prober = Some(prober.to_owned());
        self.set("status", &status)?;
        self.set("prober", prober)
    }

    /// Marks the key as made by a prober, for names of bundles.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn set_made_for(&mut self, names: &[String]) -> Result<(), FormatError> {
        self.set(MADE_FOR, &names[..names.len().min(MADE_FOR_MAX)])
    }

    /// Whether a prober made it and no name of anybody else has the address.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.fields.contains_key(MADE_FOR) && self.health.names.is_empty()
    }

    /// How to probe; none: in the prober's own way.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn set_probe(&mut self, probe: Option<&Probe>) -> Result<(), FormatError> {
        if self.health.probe.as_ref() == probe {
            return Ok(());
        }
        self.health.probe = probe.cloned();
        match probe {
            Some(probe) => self.set("probe", probe),
            None => {
                self.changed = true;
                self.fields.remove("probe");
                Ok(())
            }
        }
    }

    /// Which TCP ports to probe; none: the prober's own choice.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn set_ports(&mut self, ports: &[u16]) -> Result<(), FormatError> {
        if self.health.ports == ports {
            return Ok(());
        }
        self.health.ports = ports.to_vec();
        // Existing probers read the ports as strings only.
        let texts: Vec<String> = ports.iter().map(u16::to_string).collect();
        match texts.is_empty() {
            false => self.set("ports", &texts),
            true => {
                self.changed = true;
                self.fields.remove("ports");
                Ok(())
            }
        }
    }

    /// The value as it is written.
    ///
    /// # Errors
    /// [`FormatError::ValueTooLarge`] when it would not be read back.
    pub fn to_value(&self) -> Result<Vec<u8>, FormatError> {
        let value = serde_json::to_vec(&self.fields)
            .map_err(|error| FormatError::Json(error.to_string()))?;
        if value.len() > VALUE_LEN_MAX {
            return Err(FormatError::ValueTooLarge {
                len: value.len(),
                max: VALUE_LEN_MAX,
            });
        }
        Ok(value)
    }

    fn is_marked(&self) -> bool {
        let mark = self.fields.get(STAYS).map(|mark| mark.get());
        mark.is_some_and(|mark| mark == "true")
    }

    fn set<T: Serialize + ?Sized>(&mut self, field: &str, value: &T) -> Result<(), FormatError> {
        let raw = serde_json::value::to_raw_value(value)
            .map_err(|error| FormatError::Json(error.to_string()))?;
        self.changed = true;
        self.fields.insert(field.into(), raw);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::wrapped::wrapped;

    fn verdict(value: &str, status: Status, shown: Expect) {
        let mut key = StatusKey::parse("/s/", b"/s/10.0.0.1", value.as_bytes()).unwrap();
        key.set_verdict(status, "node1-7").unwrap();
        let value = String::from_utf8(key.to_value().unwrap()).unwrap();
        shown.assert_eq(&wrapped(&value.replace(",\"", ", \"")));
    }

    #[test]
    fn a_verdict_changes_nothing_else() {
        verdict(
            r#"{"status":"UP"}"#,
            Status::Down,
            expect![[r#"{"prober":"node1-7", "status":"DOWN"}"#]],
        );
        verdict(
            r#"{"status":"DOWN","ports":["22"],"domains":["a."],"cluster":"k","old":{"x":1.50}}"#,
            Status::Up,
            expect![[r#"
                {"cluster":"k", "domains":["a."], "old":{"x":1.50}, "ports":["22"],
                "prober":"node1-7", "status":"UP"}"#]],
        );
    }

    #[test]
    fn a_made_key_is_somebody_elses_too_while_that_has_a_name() {
        let mut key = StatusKey::new(None).unwrap();
        key.set_verdict(Status::Down, "node1-7").unwrap();
        key.set_made_for(&["db.prod.svc.z.test.".into()]).unwrap();
        let read = |key: &StatusKey| {
            let value = key.to_value().unwrap();
            StatusKey::parse("/s/", b"/s/10.0.0.1", &value).unwrap()
        };
        let mut key = read(&key);
        assert!(key.is_made());
        let name: Name = "a.z.test.".parse().unwrap();
        key.add(&name).unwrap();
        let mut key = read(&key);
        assert!(!key.is_made());
        key.remove(&name).unwrap();
        assert!(key.is_made() && !key.is_over(), "the prober's again");
    }

    /// Plays `+NAME`, `-NAME`, `probe WAY` and `ports N` on a value, and shows it after each.
    fn check(value: &str, steps: &[&str], shown: Expect) {
        let (prefix, key) = ("/s/", b"/s/10.0.0.1");
        let mut status = match value {
            "" => StatusKey::new(Some("k1")).unwrap(),
            value => StatusKey::parse(prefix, key, value.as_bytes()).unwrap(),
        };
        let mut lines = String::new();
        for step in steps {
            let name = |text: &str| text.parse::<Name>().unwrap();
            let done = match step.split_at(1) {
                ("+", text) => status.add(&name(text)),
                ("-", text) => status.remove(&name(text)),
                _ => match step.split_once(' ') {
                    Some(("probe", way)) => status.set_probe(way.parse().ok().as_ref()),
                    Some((_, "")) => status.set_ports(&[]),
                    Some((_, port)) => status.set_ports(&[port.parse().unwrap()]),
                    None => panic!("no step: {step}"),
                },
            };
            done.unwrap();
            let text = String::from_utf8(status.to_value().unwrap()).unwrap();
            let over = if status.is_over() { " over" } else { "" };
            let same = if status.is_changed() {
                ""
            } else {
                " unchanged"
            };
            let text = text.replace(",\"", ", \"");
            lines += &(wrapped(&format!("{step}: {text}{over}{same}")) + "\n");
        }
        shown.assert_eq(&lines);
    }

    #[test]
    fn a_new_key_comes_and_goes_with_its_names() {
        check(
            "",
            &[
                "+w.a.test",
                "probe tcp:80",
                "ports 81",
                "+W.A.test",
                "+v.a.test",
                "-w.a.test",
                "probe -",
                "ports ",
                "-v.a.test",
            ],
            expect![[r#"
                +w.a.test: {"cluster":"k1", "domains":["w.a.test."], "status":"UP"}
                probe tcp:80: {"cluster":"k1", "domains":["w.a.test."], "probe":"tcp:80",
                "status":"UP"}
                ports 81: {"cluster":"k1", "domains":["w.a.test."], "ports":["81"],
                "probe":"tcp:80", "status":"UP"}
                +W.A.test: {"cluster":"k1", "domains":["w.a.test."], "ports":["81"],
                "probe":"tcp:80", "status":"UP"}
                +v.a.test: {"cluster":"k1", "domains":["w.a.test.", "v.a.test."],
                "ports":["81"], "probe":"tcp:80", "status":"UP"}
                -w.a.test: {"cluster":"k1", "domains":["v.a.test."], "ports":["81"],
                "probe":"tcp:80", "status":"UP"}
                probe -: {"cluster":"k1", "domains":["v.a.test."], "ports":["81"],
                "status":"UP"}
                ports : {"cluster":"k1", "domains":["v.a.test."], "status":"UP"}
                -v.a.test: {"cluster":"k1", "status":"UP"} over
            "#]],
        );
    }

    #[test]
    fn what_other_writers_wrote_stays() {
        let full =
            r#"{"status":"DOWN","ports":["22", 80],"domains":["W.a.test"],"more":{"x": 1.50}}"#;
        check(
            full,
            &["+w.a.test.", "+v.a.test", "-w.a.test", "-v.a.test"],
            expect![[r#"
                +w.a.test.: {"domains":["W.a.test"], "more":{"x": 1.50}, "ports":["22", 80],
                "status":"DOWN"} unchanged
                +v.a.test: {"domains":["W.a.test", "v.a.test."], "more":{"x": 1.50},
                "ports":["22", 80], "status":"DOWN"}
                -w.a.test: {"domains":["v.a.test."], "more":{"x": 1.50}, "ports":["22", 80],
                "status":"DOWN"}
                -v.a.test: {"more":{"x": 1.50}, "ports":["22", 80], "status":"DOWN"} over
            "#]],
        );
    }

    #[test]
    fn a_key_that_had_no_name_outlives_its_names() {
        check(
            r#"{"status":"DOWN","ports":["22"]}"#,
            &["-w.a.test", "+w.a.test", "probe icmp", "-w.a.test"],
            expect![[r#"
                -w.a.test: {"ports":["22"], "status":"DOWN"} unchanged
                +w.a.test: {"domains":["w.a.test."], "ports":["22"], "status":"DOWN",
                "stays":true}
                probe icmp: {"domains":["w.a.test."], "ports":["22"], "probe":"icmp",
                "status":"DOWN", "stays":true}
                -w.a.test: {"ports":["22"], "status":"DOWN"}
            "#]],
        );
        check(
            r#"{"status":"UP","domains":["w.a.test."],"probe":"icmp","stays":true}"#,
            &["-w.a.test"],
            expect![[r#"
                -w.a.test: {"status":"UP"}
            "#]],
        );
    }
}
