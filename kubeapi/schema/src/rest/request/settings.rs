//! What a body asks beside records: how answers are chosen, how often an address, whether it is
//! probed.
//!
//! | field | types | means |
//! |---|---|---|
//! | `policy` | A, AAAA, SRV | how answers are chosen at the name, for all three types |
//! | `weights` | A, AAAA | `[1,null]`, in the order of the records, or `{"10.0.0.1":1}` |
//! | `probe` | A, AAAA | `true`, `false` or a way to probe, for all addresses of the type |
//! | `probe_ports` | A, AAAA | ports to probe, beside `probe` |
//!
//! A list of weights becomes one by address, as the records beside it are. `null` leaves a field
//! out, except that PUT takes away the policy by it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::{Body, Method, NewRecord, RequestError};
use crate::format::AnswerPolicy;
use crate::format::json::{List, Scalar, quoted};
use crate::record::RecordType;
use crate::rest::Probing;

/// Ports that one address is probed at, at most.
const PROBE_PORTS_MAX: usize = 16;

/// What is asked beside records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// How answers are chosen at the name; `Some(None)`: as its zone says.
    pub policy: Option<Option<AnswerPolicy>>,
    /// How often addresses are chosen; none: as often as any other.
    pub weights: BTreeMap<IpAddr, Option<u16>>,
    /// Whether and how the addresses of the type are probed.
    pub probe: Option<Probing>,
    /// The ports they are probed at; empty: the prober's own choice.
    pub probe_ports: Option<Vec<u16>>,
}

/// The fields as they came.
pub(super) struct Asked<'a> {
    policy: Option<Scalar<'a>>,
    weights: Option<serde_json::Value>,
    probe: Scalar<'a>,
    probe_ports: Option<List<'a>>,
}

impl<'a> Asked<'a> {
    pub(super) fn take(body: &mut Body<'a>) -> Self {
        Self {
            policy: body.policy.take(),
            weights: body.weights.take(),
            probe: std::mem::take(&mut body.probe),
            probe_ports: body.probe_ports.take(),
        }
    }

    /// The fields that are there.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("policy", self.policy.is_some()),
            ("weights", self.weights.is_some()),
            ("probe", self.probe != Scalar::Absent),
            ("probe_ports", self.probe_ports.is_some()),
        ];
        let given = fields.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(field, _)| field)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.given().next().is_none()
    }

    /// Refuses all of them.
    pub(super) fn refuse(&self, why: &str) -> Result<(), RequestError> {
        match self.given().next() {
            None => Ok(()),
            Some(field) => Err(RequestError::new(field, why)),
        }
    }

    /// Refuses what is not for records of this type.
    pub(super) fn check_type(&self, rtype: RecordType) -> Result<(), RequestError> {
        let is_address = matches!(rtype, RecordType::A | RecordType::AAAA);
        let refused = |field: &&'static str| match *field {
            "policy" => !is_address && rtype != RecordType::SRV,
            _ => !is_address,
        };
        match self.given().find(refused) {
            None => Ok(()),
            Some("policy") => Err(RequestError::new("policy", "is for A, AAAA and SRV only")),
            Some("weights") if rtype == RecordType::SRV => {
                let problem = "is for A and AAAA only: an SRV record has its own, write records";
                Err(RequestError::new("weights", problem))
            }
            Some(field) => Err(RequestError::new(field, "is for A and AAAA only")),
        }
    }

    /// What they ask, beside these records.
    pub(super) fn read(
        self,
        method: Method,
        rtype: RecordType,
        records: &[NewRecord],
    ) -> Result<Settings, RequestError> {
        let policy = match self.policy {
            None => None,
            Some(Scalar::Absent) => (method == Method::Update).then_some(None),
            Some(Scalar::Text(text)) if text == "default" => Some(None),
            Some(Scalar::Text(text)) if text.is_empty() => {
                return Err(RequestError::new(
                    "policy",
                    "empty: write `default`, or leave it out",
                ));
            }
            Some(given) => given.policy()?.map(Some),
        };
        let probe = probe(self.probe)?;
        if self.probe_ports.is_some() && matches!(probe, None | Some(Probing::Asked(false))) {
            let problem = "is for `probe`: write that, too";
            return Err(RequestError::new("probe_ports", problem));
        }
        Ok(Settings {
            policy,
            weights: weights(self.weights, rtype, records)?,
            probe,
            probe_ports: self.probe_ports.map(probe_ports).transpose()?,
        })
    }
}

fn probe(probe: Scalar<'_>) -> Result<Option<Probing>, RequestError> {
    Ok(match probe {
        Scalar::Absent => None,
        Scalar::Bool(asked) => Some(Probing::Asked(asked)),
        Scalar::Text(text) => {
            let probe = text.parse();
            let probe = probe.map_err(|error| RequestError::new("probe", error))?;
            Some(Probing::By(probe))
        }
        other => {
            let wanted = "true, false or a way to probe such as \"tcp:8080\"";
            return Err(other.wrong("probe", wanted).into());
        }
    })
}

fn probe_ports(ports: List<'_>) -> Result<Vec<u16>, RequestError> {
    let port = |(index, port): (usize, Scalar<'_>)| {
        let field = format!("probe_ports[{index}]");
        let zero = || RequestError::new(&field[..], "write a port from 1 to 65535");
        let port = port.number16(&field)?;
        port.filter(|port| *port > 0).ok_or_else(zero)
    };
    if ports.0.len() > PROBE_PORTS_MAX {
        let problem = format_args!("more than {PROBE_PORTS_MAX}: write fewer");
        return Err(RequestError::new("probe_ports", problem));
    }
    ports.0.into_iter().enumerate().map(port).collect()
}

/// Weights by address.
fn weights(
    weights: Option<serde_json::Value>,
    rtype: RecordType,
    records: &[NewRecord],
) -> Result<BTreeMap<IpAddr, Option<u16>>, RequestError> {
    let number = |field: &str, weight: &serde_json::Value| {
        let scalar = Scalar::deserialize(weight);
        let scalar = scalar.map_err(|error| RequestError::new(field, error))?;
        Ok::<_, RequestError>(scalar.number16(field)?)
    };
    match weights {
        None => Ok(BTreeMap::new()),
        Some(serde_json::Value::Array(weights)) => {
            let (given, wanted) = (weights.len(), records.len());
            if wanted == 0 {
                let problem = "a list is for records beside it: write {\"address\":weight}";
                return Err(RequestError::new("weights", problem));
            }
            if given != wanted {
                let problem = format_args!("{given} for {wanted} records: write one an address");
                return Err(RequestError::new("weights", problem));
            }
            let mut by_address = BTreeMap::new();
            for (index, (weight, record)) in weights.iter().zip(records).enumerate() {
                let weight = number(&format!("weights[{index}]"), weight)?;
                if let NewRecord::Rdata(rdata) = record
                    && let Some(address) = rdata.as_ip(rtype)
                {
                    by_address.insert(address, weight);
                }
            }
            Ok(by_address)
        }
        Some(serde_json::Value::Object(weights)) => {
            let pair = |(text, weight): (String, serde_json::Value)| {
                let field = format!("weights[{text:?}]");
                let address: Option<IpAddr> = text.parse().ok();
                let is_of_type = |address: &IpAddr| address.is_ipv4() == (rtype == RecordType::A);
                let address = address.filter(is_of_type).ok_or_else(|| {
                    let problem = format_args!("{} is no address of type {rtype}", quoted(&text));
                    RequestError::new(&field[..], problem)
                })?;
                Ok((address, number(&field, &weight)?))
            };
            weights.into_iter().map(pair).collect()
        }
        Some(_) => {
            let problem = "write a list, or an object of {\"address\":weight}";
            Err(RequestError::new("weights", problem))
        }
    }
}
