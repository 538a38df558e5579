//! How a backend is asked whether it is alive, as one word of text.
//!
//! `METHOD[:PORT][/PATH]`: `tcp`, `tcp:8080`, `icmp`, `http:8080/healthz`, `https/healthz`,
//! `grpc:50051/package.Service`. METHOD `http` and `https` ask for PATH (`/` when there is none);
//! what follows `grpc`'s port is the name of the service asked about (the server as a whole when
//! there is none). Without a port, those of the status key are asked, else the prober's own. The
//! word is the same in the REST API, in annotations of Kubernetes and in the store.
//!
//! Who only wants a backend probed, however the prober is told to, wishes for `default`.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Octets of a path or of a service's name at most.
pub const PATH_LEN_MAX: usize = 255;

/// One way to ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Probe {
    /// What is done.
    pub method: Method,
    /// The port; never given for ICMP.
    pub port: Option<NonZeroU16>,
    /// HTTP: the path with its query, beginning with a slash. gRPC: the service's name. Else empty.
    pub path: String,
}

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A TCP connection is made, and closed.
    Tcp,
    /// An ICMP echo is answered.
    Icmp,
    /// GET over HTTP is answered with a status that is expected.
    Http,
    /// The same over TLS; the certificate is not looked at.
    Https,
    /// `grpc.health.v1.Health/Check` says SERVING.
    Grpc,
}

impl Method {
    /// Every method with its word.
    pub const ALL: [(Method, &'static str); 5] = [
        (Method::Tcp, "tcp"),
        (Method::Icmp, "icmp"),
        (Method::Http, "http"),
        (Method::Https, "https"),
        (Method::Grpc, "grpc"),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        let word = Self::ALL.iter().find(|(method, _)| *method == self);
        word.map_or("", |(_, word)| word)
    }
}

/// What is wished for a backend that is to be probed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Wish {
    /// The prober's own way.
    #[default]
    Default,
    /// This way.
    Way(Probe),
}

impl Wish {
    /// The way, where one is given.
    #[must_use]
    pub fn way(&self) -> Option<&Probe> {
        match self {
            Self::Default => None,
            Self::Way(probe) => Some(probe),
        }
    }
}

impl FromStr for Wish {
    type Err = ProbeError;

    fn from_str(text: &str) -> Result<Self, ProbeError> {
        match text {
            "default" | "true" => Ok(Self::Default),
            _ => text.parse().map(Self::Way),
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Way(probe) => probe.fmt(f),
        }
    }
}

/// Why a text is no [`Probe`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The word before the port.
    #[error("`{0}` is no probe; write tcp, icmp, http, https or grpc")]
    Method(String),
    /// The port.
    #[error("`{0}` is no port; write a number from 1 to 65535")]
    Port(String),
    /// ICMP has neither port nor path.
    #[error("icmp has no port and no path; write icmp")]
    Icmp,
    /// TCP has no path.
    #[error("tcp has no path; write tcp or tcp:PORT")]
    Tcp,
    /// The path or service.
    #[error(
        "the path has more than {PATH_LEN_MAX} octets or some that no path has (write them as %XX)"
    )]
    Path,
}

impl FromStr for Probe {
    type Err = ProbeError;

    fn from_str(text: &str) -> Result<Self, ProbeError> {
        let (asked, path) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (word, port) = match asked.split_once(':') {
            Some((word, port)) => (word, Some(port)),
            None => (asked, None),
        };
        let known = Method::ALL.iter().find(|(_, known)| *known == word);
        let (method, _) = known.ok_or_else(|| ProbeError::Method(word.into()))?;
        match method {
            Method::Icmp if port.is_some() || !path.is_empty() => return Err(ProbeError::Icmp),
            Method::Tcp if !path.is_empty() => return Err(ProbeError::Tcp),
            _ => {}
        }
        if path.len() > PATH_LEN_MAX || !path.bytes().all(is_path_octet) {
            return Err(ProbeError::Path);
        }
        let number = |port: &str| port.parse().map_err(|_| ProbeError::Port(port.into()));
        let path = match method {
            Method::Grpc => path.get(1..).unwrap_or_default(),
            Method::Http | Method::Https if path.is_empty() => "/",
            _ => path,
        };
        Ok(Self {
            method: *method,
            port: port.map(number).transpose()?,
            path: path.into(),
        })
    }
}

/// Whether an octet may stand in a path with its query (RFC 3986 sections 3.3 and 3.4).
fn is_path_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?".contains(&octet)
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.as_str())?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.method {
            Method::Grpc if !self.path.is_empty() => write!(f, "/{}", self.path),
            _ => f.write_str(&self.path),
        }
    }
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::wrapped::wrapped;

    fn check(text: &str, shown: Expect) {
        let read = text.parse::<Probe>();
        shown.assert_eq(&wrapped(&match &read {
            Ok(probe) => format!(
                "{:?} {:?} {:?} = {probe}",
                probe.method, probe.port, probe.path
            ),
            Err(error) => format!("error: {error}"),
        }));
        if let Ok(probe) = read {
            assert_eq!(probe.to_string().parse(), Ok(probe));
        }
    }

    #[test]
    fn ways_to_probe() {
        check("tcp", expect![[r#"Tcp None "" = tcp"#]]);
        check("tcp:8080", expect![[r#"Tcp Some(8080) "" = tcp:8080"#]]);
        check("icmp", expect![[r#"Icmp None "" = icmp"#]]);
        check("http", expect![[r#"Http None "/" = http/"#]]);
        check(
            "http:8080/healthz?full=1",
            expect![[r#"Http Some(8080) "/healthz?full=1" = http:8080/healthz?full=1"#]],
        );
        check(
            "https:8443",
            expect![[r#"Https Some(8443) "/" = https:8443/"#]],
        );
        check("grpc", expect![[r#"Grpc None "" = grpc"#]]);
        check(
            "grpc:50051/",
            expect![[r#"Grpc Some(50051) "" = grpc:50051"#]],
        );
        check(
            "grpc:50051/shop.Cart",
            expect![[r#"Grpc Some(50051) "shop.Cart" = grpc:50051/shop.Cart"#]],
        );
    }

    #[test]
    fn what_is_none() {
        check(
            "",
            expect!["error: `` is no probe; write tcp, icmp, http, https or grpc"],
        );
        check(
            "TCP",
            expect!["error: `TCP` is no probe; write tcp, icmp, http, https or grpc"],
        );
        check(
            "udp:53",
            expect!["error: `udp` is no probe; write tcp, icmp, http, https or grpc"],
        );
        check(
            "tcp:0",
            expect!["error: `0` is no port; write a number from 1 to 65535"],
        );
        check(
            "tcp:65536",
            expect!["error: `65536` is no port; write a number from 1 to 65535"],
        );
        check(
            "tcp:",
            expect!["error: `` is no port; write a number from 1 to 65535"],
        );
        check(
            "tcp/healthz",
            expect!["error: tcp has no path; write tcp or tcp:PORT"],
        );
        check(
            "icmp:7",
            expect!["error: icmp has no port and no path; write icmp"],
        );
        check(
            "http:80/a b",
            expect![[r#"
                error: the path has more than 255 octets or some that no path has (write
                them as %XX)"#]],
        );
    }
}
