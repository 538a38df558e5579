//! Why a backend did not answer as it should, in a few words for logs, alerts and metrics.
//!
//! What is not known to come from the backend or the way to it is this host's own: a failure
//! that says nothing about a backend must not take it out of answers.

use std::error::Error;
use std::io::{self, ErrorKind};

/// Characters of a text from elsewhere at most.
const TEXT_LEN_MAX: usize = 100;

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unhealthy {
    /// Nobody listens.
    #[error("refused")]
    Refused,
    /// No answer in time.
    #[error("timed out")]
    TimedOut,
    /// There is no way to it.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The connection ended early, or what came is not the protocol.
    #[error("broken: {0}")]
    Broken(String),
    /// A status of HTTP that is not expected.
    #[error("status {0}")]
    Status(u16),
    /// The health service says anything but SERVING.
    #[error("not serving")]
    NotServing,
    /// A call of gRPC failed.
    #[error("grpc: {0}")]
    Grpc(&'static str),
    /// This host could not ask, which says nothing about the backend.
    #[error("local: {0}")]
    Local(String),
}

impl Unhealthy {
    /// A word for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Status(_) => "status",
            Self::NotServing => "not_serving",
            Self::Grpc(_) => "grpc",
            Self::Local(_) => "local",
        }
    }

    /// What it means that a connection could not be made, or a packet not be sent.
    ///
    /// `routed` says whether this host has a route: "network is unreachable" comes from routers,
    /// too, when a whole rack is gone.
    pub(super) fn on_the_way(error: &io::Error, routed: impl FnOnce() -> bool) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Self::closed(),
            ErrorKind::HostUnreachable => Self::Unreachable("no route to host".into()),
            ErrorKind::NetworkUnreachable if routed() => {
                Self::Unreachable("network is unreachable".into())
            }
            // No port left, no memory, no interface, a packet filter of this host, a kernel
            // without IPv6, and what is not known.
            _ => Self::Local(short(&error.to_string())),
        }
    }

    /// What it means that a connection that stood gave no answer.
    pub(super) fn broken(stage: &str, error: &(dyn Error + 'static)) -> Self {
        let mut root = error;
        while let Some(source) = root.source() {
            root = source;
        }
        if let Some(error) = root.downcast_ref::<io::Error>() {
            match error.kind() {
                ErrorKind::TimedOut => return Self::TimedOut,
                ErrorKind::OutOfMemory => return Self::Local(short(&error.to_string())),
                ErrorKind::UnexpectedEof
                | ErrorKind::BrokenPipe
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted => return Self::closed(),
                _ => {}
            }
        }
        if let Some(error) = root.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
        {
            return Self::closed();
        }
        Self::Broken(short(&format!("{stage}{root}")))
    }

    fn closed() -> Self {
        Self::Broken("closed before an answer".into())
    }
}

/// One line, and not a long one.
fn short(text: &str) -> String {
    let plain = text.chars().map(|character| match character.is_control() {
        true => ' ',
        false => character,
    });
    plain.take(TEXT_LEN_MAX).collect()
}
