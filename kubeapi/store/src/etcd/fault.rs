//! What an error of etcd or of the way to it means to a caller of the store.
//!
//! etcd tells its errors apart by a gRPC code and a fixed text; the texts used here are those of
//! etcd's `rpctypes`, unchanged since 3.0.

use etcd_client::Error;

use crate::{LeaseId, Revision, StoreError};

/// The gRPC codes that need a look at the text, or that mean another try may help.
mod code {
    pub(super) const CANCELLED: i32 = 1;
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const DEADLINE_EXCEEDED: i32 = 4;
    pub(super) const ABORTED: i32 = 10;
    pub(super) const INTERNAL: i32 = 13;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The member is away, hangs or has no leader; another may do better.
    Away(String),
    /// The member does not know us any more: authenticate again.
    Unknown(String),
    /// The revision asked for is compacted; what is kept starts at `oldest`, 0 when not told.
    Compacted { oldest: Revision },
    /// What etcd sent is larger than the limit of a message.
    MessageTooLarge(String),
    /// The lease does not exist.
    LeaseGone,
    /// etcd's quota is used up.
    NoSpace(String),
    /// etcd will not do it.
    Refused(String),
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Fault {
        match error {
            Error::GRpcStatus(status) => status_fault(status.code() as i32, status.message()),
            Error::LeaseKeepAliveError(_) => Fault::LeaseGone,
            Error::IoError(_)
            | Error::TransportError(_)
            | Error::WatchError(_)
            | Error::EndpointError(_)
            | Error::Internal(_) => Fault::Away(error.to_string()),
            _ => Fault::Refused(error.to_string()),
        }
    }
}

fn status_fault(code: i32, message: &str) -> Fault {
    let text = message.to_owned();
    let says = |part: &str| message.contains(part);
    match code {
        _ if says("required revision has been compacted") => Fault::Compacted { oldest: 0 },
        _ if says("decoded message length too large") => Fault::MessageTooLarge(text),
        _ if says("requested lease not found") => Fault::LeaseGone,
        _ if says("database space exceeded") => Fault::NoSpace(text),
        _ if says("invalid auth token")
            || says("authentication failed")
            || says("auth store is old") =>
        {
            Fault::Unknown(text)
        }
        _ if says("too many requests") => Fault::Away(text),
        code::UNAUTHENTICATED => Fault::Unknown(text),
        code::CANCELLED
        | code::UNKNOWN
        | code::DEADLINE_EXCEEDED
        | code::ABORTED
        | code::INTERNAL
        | code::UNAVAILABLE => Fault::Away(text),
        _ => Fault::Refused(text),
    }
}

/// Whether a refusal is about the size of what we sent.
pub(super) fn is_too_large(reason: &str) -> bool {
    reason.contains("request is too large")
        || reason.contains("larger than max")
        || reason.contains("too many operations in txn")
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        match fault {
            Fault::Away(text) => StoreError::Unavailable(text),
            Fault::Compacted { oldest } => StoreError::Compacted { oldest },
            // Callers that know the lease put it in.
            Fault::LeaseGone => StoreError::LeaseGone(LeaseId(0)),
            Fault::NoSpace(text) => StoreError::NoSpace(text),
            Fault::Unknown(text) | Fault::MessageTooLarge(text) | Fault::Refused(text) => {
                StoreError::Refused(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, status_fault};

    #[test]
    fn texts_of_etcd_are_told_apart() {
        let text = String::from;
        for (code, message, expected) in [
            (
                11,
                "etcdserver: mvcc: required revision has been compacted",
                Fault::Compacted { oldest: 0 },
            ),
            (
                11,
                "etcdserver: mvcc: required revision is a future revision",
                Fault::Refused(text(
                    "etcdserver: mvcc: required revision is a future revision",
                )),
            ),
            (
                8,
                "etcdserver: mvcc: database space exceeded",
                Fault::NoSpace(text("etcdserver: mvcc: database space exceeded")),
            ),
            (
                8,
                "etcdserver: too many requests",
                Fault::Away(text("etcdserver: too many requests")),
            ),
            (
                3,
                "etcdserver: request is too large",
                Fault::Refused(text("etcdserver: request is too large")),
            ),
            (5, "etcdserver: requested lease not found", Fault::LeaseGone),
            (
                16,
                "etcdserver: invalid auth token",
                Fault::Unknown(text("etcdserver: invalid auth token")),
            ),
            (
                14,
                "etcdserver: no leader",
                Fault::Away(text("etcdserver: no leader")),
            ),
            (
                7,
                "etcdserver: permission denied",
                Fault::Refused(text("etcdserver: permission denied")),
            ),
        ] {
            assert_eq!(status_fault(code, message), expected);
        }
    }
}
