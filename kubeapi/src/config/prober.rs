//! `[prober]`: which backends are probed, how, and who is told.

use std::path::PathBuf;
use std::time::Duration;

use containerdns_schema::format::{Format, bundle};
use containerdns_schema::probe::Probe;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Config, Within};
use crate::prober::alert::AlertSettings;
use crate::prober::ask::{AskSettings, PORTS_MAX};
use crate::prober::fleet::Limits;
use crate::prober::rounds::Pattern;
use crate::prober::settings::{Records, Settings};

/// `[prober]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProberSection {
    /// Whether this process probes.
    pub enabled: bool,
    identity: Identity,
    targets: Targets,
    probe: Probe,
    ports: Vec<Within<1, 65_535>>,
    interval_ms: Within<100, 3_600_000>,
    timeout_ms: Within<10, 60_000>,
    gap_min_ms: Within<0, 60_000>,
    /// At least 2: that many do not fail at once by chance is how a cut is told from their death.
    down_after: Within<2, 100>,
    up_after: Within<1, 100>,
    in_flight_max: Within<1, 65_536>,
    quorum: Within<1, 16>,
    expect_status: [Within<100, 599>; 2],
    host: Host,
    webhook: Option<WebhookSection>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Targets {
    Asked,
    All,
}

/// What backends are told as the host; empty: their address.
#[derive(Debug, Default)]
struct Host(String);

/// Who this prober is; empty: host and process.
#[derive(Debug, Default)]
struct Identity(String);

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookSection {
    url: WebhookUrl,
    token_file: Option<PathBuf>,
    #[serde(default = "silence_default")]
    silence_s: Within<0, 86_400>,
}

#[derive(Debug, Clone)]
struct WebhookUrl(String);

fn silence_default() -> Within<0, 86_400> {
    Within(300)
}

impl Default for ProberSection {
    fn default() -> Self {
        Self {
            enabled: false,
            identity: Identity::default(),
            targets: Targets::Asked,
            probe: "tcp".parse().expect("the probe of the default is a probe"),
            ports: vec![Within(80)],
            interval_ms: Within(2_000),
            timeout_ms: Within(1_000),
            gap_min_ms: Within(500),
            down_after: Within(3),
            up_after: Within(2),
            in_flight_max: Within(512),
            quorum: Within(1),
            expect_status: [Within(200), Within(399)],
            host: Host::default(),
            webhook: None,
        }
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        if text.len() > 63 || !text.bytes().all(plain) {
            return Err(D::Error::custom(format!(
                "`{text}` is no identity; write up to 63 letters, digits, `-`, `_`, `.`"
            )));
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = text.parse::<hyper::http::uri::Authority>();
        match text.is_empty() || read.is_ok_and(|host| !host.as_str().contains('@')) {
            true => Ok(Self(text)),
            false => Err(D::Error::custom(format!(
                "`{text}` is no host; write a name or an address, with :PORT if it is to be told"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let url: Result<hyper::Uri, _> = text.parse();
        let fits = url.is_ok_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
        });
        match fits {
            true => Ok(Self(text)),
            false => Err(D::Error::custom(
                "is no URL of a webhook; write http://HOST/PATH or https://HOST/PATH",
            )),
        }
    }
}

impl ProberSection {
    /// What one value alone cannot tell.
    pub(super) fn check(&self) -> Result<(), String> {
        let (timeout, interval) = (self.timeout_ms.0, self.interval_ms.0);
        if timeout > interval {
            return Err(format!(
                "prober.timeout_ms: {timeout} is more than prober.interval_ms; write at most \
                 {interval}"
            ));
        }
        let gap = self.gap_min_ms.0;
        if gap > interval {
            return Err(format!(
                "prober.gap_min_ms: {gap} is more than prober.interval_ms; write at most {interval}"
            ));
        }
        let ports = self.ports.len();
        if !(1..=PORTS_MAX).contains(&ports) {
            return Err(format!(
                "prober.ports: has {ports} ports; write 1 to {PORTS_MAX}"
            ));
        }
        let [least, most] = self.expect_status;
        if least.0 > most.0 {
            return Err(
                "prober.expect_status: the first is more than the second; write \
                        [LEAST, MOST]"
                    .into(),
            );
        }
        Ok(())
    }
}

impl Config {
    /// What the prober runs with; `identity` is used where the file gives none.
    #[must_use]
    pub fn prober_settings(&self, identity: String) -> Settings {
        let section = &self.prober;
        let ms = |ms: u64| Duration::from_millis(ms);
        let all = section.targets == Targets::All;
        let (tree, bundles) = (&self.store.prefix.0, &self.store.bundle_prefix.0);
        let mut records = vec![Records {
            prefix: bundles.clone(),
            format: Format::Bundle,
            all_below: all.then(|| bundle::api_prefix(bundles)),
        }];
        records.extend(all.then(|| Records {
            prefix: tree.clone(),
            format: Format::ContainerDns,
            all_below: Some(tree.clone()),
        }));
        let given = Some(section.identity.0.clone()).filter(|given| !given.is_empty());
        let [least, most] = section.expect_status.map(|status| status.0 as u16);
        Settings {
            identity: given.unwrap_or(identity),
            cluster: self.cluster.clone(),
            health_prefix: self.store.health_prefix.0.clone(),
            records,
            zones: self.zones.clone(),
            quorum: section.quorum.0 as usize,
            pattern: Pattern {
                interval: ms(section.interval_ms.0),
                gap: ms(section.gap_min_ms.0),
            },
            limits: Limits {
                down_after: section.down_after.0 as u32,
                up_after: section.up_after.0 as u32,
            },
            in_flight_max: section.in_flight_max.0 as usize,
            probe: section.probe.clone(),
            ports: section.ports.iter().map(|port| port.0 as u16).collect(),
            ask: AskSettings {
                timeout: ms(section.timeout_ms.0),
                expect_status: least..=most,
                host: Some(section.host.0.clone()).filter(|host| !host.is_empty()),
            },
            alert: section.webhook.clone().map(|webhook| AlertSettings {
                url: webhook.url.0,
                token_file: webhook.token_file,
                silence: Duration::from_secs(webhook.silence_s.0),
            }),
            relist: self.relist(),
        }
    }
}
