//! How a stand-in departs from a server that is well: switches that tests set while it runs.

use std::time::Duration;

/// How often something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// The next so many requests.
    Next(u32),
    /// Until it is switched off.
    Always,
}

impl Times {
    /// Not at all.
    pub(crate) const NEVER: Times = Times::Next(0);

    /// Whether it goes wrong now; one time less is left.
    pub(crate) fn take(&mut self) -> bool {
        match self {
            Times::Always => true,
            Times::Next(0) => false,
            Times::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// What becomes of `sendInitialEvents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streaming {
    /// Lists are streamed.
    Served,
    /// As by servers that do not know it: events come, but the list never ends.
    Ignored,
    /// As by servers that have it switched off: 422.
    Refused,
}

/// The switches.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    /// 403 to everything.
    pub(crate) forbid: Times,
    /// 401 to every request without this bearer token.
    pub(crate) token: Option<String>,
    /// 410 as the HTTP status of watches.
    pub(crate) gone_watches: Times,
    /// 410 to pages after the first.
    pub(crate) gone_pages: Times,
    /// The connection is cut in the middle of a page after the first.
    pub(crate) cut_pages: Times,
    /// The connection is cut in the middle of a streamed list.
    pub(crate) cut_streams: Times,
    /// What becomes of streamed lists.
    pub(crate) streaming: Streaming,
    /// Watches stay open and say nothing, not even that their time is over.
    pub(crate) frozen: bool,
    /// Time between bookmarks; one more comes 2 s before the end of a watch.
    pub(crate) bookmark_interval: Duration,
    /// How long a version that is not reached is waited for.
    pub(crate) version_wait: Duration,
    /// Whether the kind ServiceImport exists. No fault, but a switch like the others.
    pub(crate) service_imports: bool,
}

impl Faults {
    /// A server that is well.
    pub(crate) fn none() -> Faults {
        Faults {
            forbid: Times::NEVER,
            token: None,
            gone_watches: Times::NEVER,
            gone_pages: Times::NEVER,
            cut_pages: Times::NEVER,
            cut_streams: Times::NEVER,
            streaming: Streaming::Served,
            frozen: false,
            bookmark_interval: Duration::from_secs(60),
            version_wait: Duration::from_secs(3),
            service_imports: false,
        }
    }
}
