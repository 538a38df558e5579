//! What the prober is told.

use std::time::Duration;

use containerdns_schema::Name;
use containerdns_schema::format::Format;
use containerdns_schema::probe::Probe;

use super::alert::AlertSettings;
use super::ask::AskSettings;
use super::fleet::Limits;
use super::rounds::Pattern;

/// Everything that the configuration says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who this prober is: unique among all that share a store.
    pub identity: String,
    /// The cluster in alerts.
    pub cluster: String,
    /// Where status keys are.
    pub health_prefix: String,
    /// Where records are that may ask for probes, and in which format.
    pub records: Vec<Records>,
    /// The zones that names of records are in.
    pub zones: Vec<Name>,
    /// Probers that must find a backend down.
    pub quorum: usize,
    /// When backends are asked.
    pub pattern: Pattern,
    /// How many answers change a verdict.
    pub limits: Limits,
    /// Probes under way at most.
    pub in_flight_max: usize,
    /// How backends are asked that do not say how.
    pub probe: Probe,
    /// The ports of those that do not say which.
    pub ports: Vec<u16>,
    /// How one is asked.
    pub ask: AskSettings,
    /// Who is told.
    pub alert: Option<AlertSettings>,
    /// Time between complete lists of the store.
    pub relist: Duration,
}

/// A prefix with records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The prefix.
    pub prefix: String,
    /// How they are written.
    pub format: Format,
    /// Below this, every address is probed; else only those of values that ask for it.
    pub all_below: Option<String>,
}
