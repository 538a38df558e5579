//! Stand-in.
use containerdns_schema::probe::Probe;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;
/// x
#[derive(Debug, Clone)]
pub struct AskSettings {
    /// x
    pub timeout: Duration,
    /// x
    pub expect_status: RangeInclusive<u16>,
    /// x
    pub host: Option<String>,
}
/// x
#[derive(Debug)]
pub struct Asker(AskSettings);
/// x
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// x
    #[error("local")]
    Local(std::io::Error),
    /// x
    #[error("{0}")]
    Other(String),
}
impl Unhealthy {
    /// x
    pub fn label(&self) -> &'static str {
        "x"
    }
}
impl Asker {
    /// x
    pub fn new(settings: AskSettings) -> Self {
        Self(settings)
    }
    /// x
    pub async fn ask(
        &self,
        address: IpAddr,
        probe: &Probe,
        ports: &[u16],
    ) -> Result<(), Unhealthy> {
        let port = probe.port.map_or(ports[0], |p| p.get());
        match tokio::time::timeout(
            self.0.timeout,
            tokio::net::TcpStream::connect(SocketAddr::new(address, port)),
        )
        .await
        {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(Unhealthy::Other(e.to_string())),
            Err(_) => Err(Unhealthy::Other("timed out".into())),
        }
    }
}
