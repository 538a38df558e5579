//! Stand-in.
use containerdns_schema::Status;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
/// x
#[derive(Debug, Clone)]
pub struct AlertSettings {
    /// x
    pub url: String,
    /// x
    pub token_file: Option<PathBuf>,
    /// x
    pub silence: Duration,
}
/// x
#[derive(Debug, Clone, Default)]
pub struct AlertMetrics;
impl AlertMetrics {
    /// x
    pub fn new(_: &mut prometheus_client::registry::Registry) -> Self {
        Self
    }
}
/// x
#[derive(Debug)]
pub struct Change {
    /// x
    pub address: IpAddr,
    /// x
    pub status: Status,
    /// x
    pub names: Vec<String>,
    /// x
    pub reason: String,
}
/// x
#[derive(Debug)]
pub struct Alerts;
/// x
pub fn start(_: AlertSettings, _: String, _: String, _: AlertMetrics) -> Alerts {
    Alerts
}
impl Alerts {
    /// x
    pub fn tell(&self, _: Change) {}
}
