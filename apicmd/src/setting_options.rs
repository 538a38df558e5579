//! Options of `create` and `update` beside records: policy, weights and probe.
//!
//! They are checked here as far as they can be without the type, and put into the body of a
//! request; what they mean is the server's.

use std::net::IpAddr;

use clap::Args;
use containerdns_schema::format::AnswerPolicy;
use containerdns_schema::rest::Probing;
use serde_json::{Map, Value, json};

/// The word for what the zone or the server does unless told otherwise.
const DEFAULT: &str = "default";

/// How a name is answered, and how its addresses are probed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct SettingOptions {
    /// How answers are chosen at the name, for A, AAAA and SRV: rotate, random-one, sticky, subset,
    /// weighted; or default, as its zone says.
    #[arg(long, value_name = "POLICY", value_parser = policy)]
    policy: Option<Policy>,
    /// How often an address is chosen beside the others under the policy weighted: 0 to 65535, or
    /// default. May be repeated.
    #[arg(long, value_name = "ADDRESS=N", value_parser = weight)]
    weight: Vec<(IpAddr, Option<u16>)>,
    /// Whether and how the addresses of the type are probed: on, off, or METHOD[:PORT][/PATH] with
    /// METHOD tcp, icmp, http, https or grpc.
    #[arg(long, value_name = "WAY", value_parser = probe)]
    probe: Option<Probing>,
    /// A port to probe. May be repeated.
    #[arg(long, value_name = "PORT", requires = "probe", value_parser = port())]
    probe_port: Vec<u16>,
}

/// A policy, or none of the name's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Policy(Option<AnswerPolicy>);

impl SettingOptions {
    /// Whether nothing is asked.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Writes what is asked into the body of a request.
    pub(crate) fn put(&self, body: &mut Map<String, Value>) {
        if let Some(Policy(policy)) = self.policy {
            let text = policy.map_or(DEFAULT, AnswerPolicy::as_str);
            body.insert("policy".into(), text.into());
        }
        if !self.weight.is_empty() {
            let weights = self.weight.iter();
            let weights = weights.map(|(address, weight)| (address.to_string(), json!(weight)));
            body.insert("weights".into(), Value::Object(weights.collect()));
        }
        if let Some(probe) = &self.probe {
            body.insert("probe".into(), json!(probe));
        }
        if !self.probe_port.is_empty() {
            body.insert("probe_ports".into(), json!(self.probe_port));
        }
    }
}

fn policy(text: &str) -> Result<Policy, String> {
    match text {
        DEFAULT => Ok(Policy(None)),
        text => match text.parse() {
            Ok(policy) => Ok(Policy(Some(policy))),
            Err(error) => Err(format!("{error}, or {DEFAULT}")),
        },
    }
}

fn weight(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let wanted = || format!("`{text}` is no ADDRESS=N: write an address and 0 to 65535");
    let (address, weight) = text.split_once('=').ok_or_else(wanted)?;
    let address = address.parse().map_err(|_| wanted())?;
    match weight {
        DEFAULT => Ok((address, None)),
        weight => Ok((address, Some(weight.parse().map_err(|_| wanted())?))),
    }
}

fn probe(text: &str) -> Result<Probing, String> {
    match text {
        "on" => Ok(Probing::Asked(true)),
        "off" => Ok(Probing::Asked(false)),
        text => match text.parse() {
            Ok(probe) => Ok(Probing::By(probe)),
            Err(error) => Err(format!("{error}, or on, or off")),
        },
    }
}

fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use expect_test::{Expect, expect};

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        settings: SettingOptions,
    }

    fn check(arguments: &str, want: Expect) {
        let arguments = ["x"].into_iter().chain(arguments.split_whitespace());
        want.assert_eq(&match Only::try_parse_from(arguments) {
            Ok(only) => {
                let mut body = Map::new();
                only.settings.put(&mut body);
                assert_eq!(only.settings.is_empty(), body.is_empty());
                Value::Object(body).to_string()
            }
            Err(error) => {
                let text = error.to_string();
                text.lines().next().unwrap_or_default().into()
            }
        });
    }

    #[test]
    fn options_become_fields() {
        check("", expect!["{}"]);
        check("--policy sticky", expect![[r#"{"policy":"sticky"}"#]]);
        check(
            "--policy default --weight 10.0.0.1=5 --weight fd00::1=default",
            expect![[r#"{"policy":"default","weights":{"10.0.0.1":5,"fd00::1":null}}"#]],
        );
        check(
            "--probe on --probe-port 80 --probe-port 81",
            expect![[r#"{"probe":true,"probe_ports":[80,81]}"#]],
        );
        check(
            "--probe http:80/healthz",
            expect![[r#"{"probe":"http:80/healthz"}"#]],
        );
        check("--probe off", expect![[r#"{"probe":false}"#]]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        check(
            "--policy stiky",
            expect![
                "error: invalid value 'stiky' for '--policy <POLICY>': `stiky` is no answer policy: write rotate, random-one, sticky, subset or weighted, or default"
            ],
        );
        check(
            "--weight 10.0.0.1",
            expect![
                "error: invalid value '10.0.0.1' for '--weight <ADDRESS=N>': `10.0.0.1` is no ADDRESS=N: write an address and 0 to 65535"
            ],
        );
        check(
            "--weight www=5",
            expect![
                "error: invalid value 'www=5' for '--weight <ADDRESS=N>': `www=5` is no ADDRESS=N: write an address and 0 to 65535"
            ],
        );
        check(
            "--weight 10.0.0.1=65536",
            expect![
                "error: invalid value '10.0.0.1=65536' for '--weight <ADDRESS=N>': `10.0.0.1=65536` is no ADDRESS=N: write an address and 0 to 65535"
            ],
        );
        check(
            "--probe udp:53",
            expect![
                "error: invalid value 'udp:53' for '--probe <WAY>': `udp` is no probe; write tcp, icmp, http, https or grpc, or on, or off"
            ],
        );
        check(
            "--probe on --probe-port 0",
            expect!["error: invalid value '0' for '--probe-port <PORT>': 0 is not in 1..=65535"],
        );
        check(
            "--probe-port 80",
            expect!["error: the following required arguments were not provided:"],
        );
    }
}
