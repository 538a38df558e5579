//! How one backend is asked whether it is alive, once.
//!
//! An [`Asker`] holds what all probes share: what counts as an answer, TLS, the sockets of ICMP.
//! Everything is over when the timeout is, and when the future is dropped: no task outlives it.
//!
//! - `tcp`: a connection is made, and closed.
//! - `icmp`: an echo is answered.
//! - `http`, `https`: one GET is answered with an expected status, of which the head is enough.
//!   Redirects are answers, not followed. The certificate is not looked at, as kubelet does it: a
//!   probe sends nothing secret and asks whether somebody serves, not who.
//! - `grpc`: `grpc.health.v1.Health/Check` over HTTP/2 without TLS says SERVING.
//!
//! Of several ports one is enough. It decides nothing: how many failures make a backend DOWN is
//! said elsewhere. A failure of this host ([`Unhealthy::Local`]) is told from one of the backend.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use containerdns_schema::probe::{Method, Probe};
use hyper::http::uri::Authority;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

pub use self::unhealthy::Unhealthy;

mod connect;
mod grpc;
mod http;
mod icmp;
mod tls;
mod unhealthy;

/// Ports of one backend that are tried at most.
pub const PORTS_MAX: usize = 8;

/// How to ask where a target says nothing, and what counts as an answer.
#[derive(Debug, Clone)]
pub struct AskSettings {
    /// For one probe with all its ports.
    pub timeout: Duration,
    /// Statuses of HTTP that are healthy.
    pub expect_status: RangeInclusive<u16>,
    /// `Host` of HTTP, `:authority` of gRPC and name of the server in TLS; none: the address.
    pub host: Option<String>,
}

impl Default for AskSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            expect_status: 200..=399,
            host: None,
        }
    }
}

/// Asks backends.
pub struct Asker {
    settings: AskSettings,
    tls: TlsConnector,
    pings: icmp::Pings,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Asker");
        shown.field("settings", &self.settings);
        shown.finish_non_exhaustive()
    }
}

impl Asker {
    /// One that opens no socket yet.
    #[must_use]
    pub fn new(settings: AskSettings) -> Self {
        Self {
            settings,
            tls: TlsConnector::from(Arc::new(tls::config())),
            pings: icmp::Pings::default(),
        }
    }

    /// Asks `address` by `probe`: on the probe's own port, else on each of `ports` until one
    /// answers. Each port has an equal share of the time that is left, so that one that swallows
    /// packets does not take it from the next.
    ///
    /// # Errors
    /// Why the first port is not healthy; [`Unhealthy::Local`] if that happened on any of them.
    pub async fn ask(
        &self,
        address: IpAddr,
        probe: &Probe,
        ports: &[u16],
    ) -> Result<(), Unhealthy> {
        let address = address.to_canonical();
        let end = Instant::now() + self.settings.timeout;
        if probe.method == Method::Icmp {
            return within(self.settings.timeout, self.pings.ask(address)).await;
        }
        let ports: Vec<NonZeroU16> = match probe.port {
            Some(port) => vec![port],
            None => {
                let ports = ports.iter().filter_map(|port| NonZeroU16::new(*port));
                ports.take(PORTS_MAX).collect()
            }
        };
        let mut failed = None;
        for (left, port) in (1..=ports.len() as u32).rev().zip(ports) {
            let share = end.saturating_duration_since(Instant::now()) / left;
            let address = SocketAddr::new(address, port.get());
            match within(share, self.ask_port(address, probe)).await {
                Ok(()) => return Ok(()),
                Err(why @ Unhealthy::Local(_)) => failed = Some(why),
                Err(why) => failed = failed.or(Some(why)),
            }
        }
        Err(failed.unwrap_or_else(|| Unhealthy::Local("no port to ask".into())))
    }

    async fn ask_port(&self, address: SocketAddr, probe: &Probe) -> Result<(), Unhealthy> {
        let status = match probe.method {
            Method::Tcp => return connect::connect(address).await.map(drop),
            Method::Icmp => return self.pings.ask(address.ip()).await,
            Method::Grpc => {
                let authority = self.authority(address, 80)?;
                let stream = connect::connect(address).await?;
                return grpc::check(stream, authority, &probe.path).await;
            }
            Method::Http => {
                let authority = self.authority(address, 80)?;
                let stream = connect::connect(address).await?;
                http::status(stream, &authority, &probe.path).await?
            }
            Method::Https => {
                let authority = self.authority(address, 443)?;
                let name = self.server_name(address, &authority)?;
                let stream = connect::connect(address).await?;
                let stream = self.tls.connect(name, stream).await;
                let stream = stream.map_err(|error| Unhealthy::broken("tls: ", &error))?;
                http::status(stream, &authority, &probe.path).await?
            }
        };
        match self.settings.expect_status.contains(&status) {
            true => Ok(()),
            false => Err(Unhealthy::Status(status)),
        }
    }

    /// Whom to ask for: the configured host, else the address, with its port where that is not the
    /// scheme's own.
    fn authority(&self, address: SocketAddr, own: u16) -> Result<Authority, Unhealthy> {
        let text = match (&self.settings.host, address) {
            (Some(host), _) => host.clone(),
            (None, SocketAddr::V6(v6)) if v6.port() == own => format!("[{}]", v6.ip()),
            (None, SocketAddr::V4(v4)) if v4.port() == own => v4.ip().to_string(),
            (None, _) => address.to_string(),
        };
        text.parse().map_err(|_| not_a_host(&text))
    }

    /// The name of the server in TLS; an address is not sent.
    fn server_name(
        &self,
        address: SocketAddr,
        authority: &Authority,
    ) -> Result<ServerName<'static>, Unhealthy> {
        if self.settings.host.is_none() {
            return Ok(ServerName::IpAddress(address.ip().into()));
        }
        let host = authority.host().trim_matches(['[', ']']);
        ServerName::try_from(host.to_owned()).map_err(|_| not_a_host(host))
    }
}

fn not_a_host(text: &str) -> Unhealthy {
    Unhealthy::Local(format!("`{text}` is no host; write a name or an address"))
}

async fn within(
    limit: Duration,
    probe: impl Future<Output = Result<(), Unhealthy>>,
) -> Result<(), Unhealthy> {
    let answer = timeout(limit, probe).await;
    answer.unwrap_or(Err(Unhealthy::TimedOut))
}

#[cfg(test)]
mod tests;
