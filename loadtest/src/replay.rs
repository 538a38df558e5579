//! Recorded queries: what they are, and when each is due when they are sent again.
//!
//! A recording is a capture (`capture`) or a query log (`query_log`); which of them is told by its
//! first octets. Queries keep the order of the recording. A clock that was put back in the
//! meantime makes queries due at once, never before those that were recorded earlier.

use serde::Serialize;
use thiserror::Error;

use crate::capture::{self, CaptureError};
use crate::kernel::PACKET_LEN_MAX;
use crate::query_log::{self, LogError};
use crate::wire::HEADER_LEN;

/// Port of queries in a capture, unless another is given.
const DNS_PORT: u16 = 53;
const NS_PER_S: u64 = 1_000_000_000;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Queries in the order in which they were recorded.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    octets: Vec<u8>,
    /// Where each query ends.
    ends: Vec<usize>,
    /// When each was recorded, or the line of a log that has no time.
    times_ns: Vec<Result<i128, usize>>,
    pub(crate) skipped: Skipped,
}

/// Packets of a capture that are not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    /// TCP segments from or to the port.
    pub(crate) skipped_tcp_segments: u64,
    /// Fragments of UDP.
    pub(crate) skipped_fragments: u64,
    /// Of which the capture has only the beginning.
    pub(crate) skipped_cut: u64,
    /// To the port, but no query: responses, and less than a header.
    pub(crate) skipped_no_query: u64,
    /// Longer than a query can be here.
    pub(crate) skipped_long: u64,
}

/// Why a recording cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("compressed: unpack it first")]
    Compressed,
    #[error("no queries to port {0} in it")]
    NoQueries(u16),
    #[error("no queries in it")]
    NoLines,
    #[error("--replay-port: a query log has no ports")]
    PortOfLog,
    #[error("line {0}: no time: give --rate or --outstanding")]
    NoTime(usize),
}

impl Recording {
    /// Reads a recording; of a capture the queries to `port`. Queries of a log get an OPT record
    /// with `edns`.
    pub(crate) fn read(
        octets: &[u8],
        port: Option<u16>,
        edns: bool,
    ) -> Result<Recording, ReplayError> {
        if octets.starts_with(&GZIP) || octets.starts_with(&ZSTD) {
            return Err(ReplayError::Compressed);
        }
        let (recording, none) = match (capture::is_capture(octets), port) {
            (true, _) => {
                let port = port.unwrap_or(DNS_PORT);
                (capture::read(octets, port)?, ReplayError::NoQueries(port))
            }
            (false, None) => (query_log::read(octets, edns)?, ReplayError::NoLines),
            (false, Some(_)) => return Err(ReplayError::PortOfLog),
        };
        match recording.len() {
            0 => Err(none),
            _ => Ok(recording),
        }
    }

    /// Adds a message that was sent to the server, unless it is no query.
    pub(crate) fn add(&mut self, message: &[u8], time_ns: Result<i128, usize>) {
        if message.len() < HEADER_LEN || message[2] & 0x80 != 0 {
            self.skipped.skipped_no_query += 1;
        } else if message.len() > PACKET_LEN_MAX {
            self.skipped.skipped_long += 1;
        } else {
            self.octets.extend_from_slice(message);
            self.ends.push(self.octets.len());
            self.times_ns.push(time_ns);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The queries, one after the other.
    pub(crate) fn queries(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let query = &self.octets[start..end];
            start = end;
            query
        })
    }

    /// When each query is due after the start, `speed` times as fast as it was recorded.
    pub(crate) fn due_ns(&self, speed: f64) -> Result<Vec<u64>, ReplayError> {
        let mut start_ns = None;
        let mut latest_ns = 0;
        let mut due = Vec::with_capacity(self.times_ns.len());
        for time_ns in &self.times_ns {
            let time_ns = time_ns.map_err(ReplayError::NoTime)?;
            let after_ns = time_ns - *start_ns.get_or_insert(time_ns);
            // A float has 53 bits: a recording of 100 days is exact to the nanosecond.
            latest_ns = latest_ns.max((after_ns as f64 / speed) as u64);
            due.push(latest_ns);
        }
        Ok(due)
    }
}

/// Whole seconds in which all is due.
pub(crate) fn duration_s(due_ns: &[u64]) -> u64 {
    due_ns.last().map_or(0, |last_ns| last_ns / NS_PER_S) + 1
}

impl Skipped {
    /// What was skipped and how often, as far as it was.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = [
            ("  skipped TCP", self.skipped_tcp_segments),
            ("  skipped fragments", self.skipped_fragments),
            ("  skipped cut", self.skipped_cut),
            ("  skipped no query", self.skipped_no_query),
            ("  skipped long", self.skipped_long),
        ];
        counts.into_iter().filter(|&(_, count)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(times_ns: &[Result<i128, usize>], speed: f64) -> Result<Vec<u64>, ReplayError> {
        let mut recording = Recording::default();
        for &time_ns in times_ns {
            recording.add(&[0; 12], time_ns);
        }
        recording.due_ns(speed)
    }

    #[test]
    fn queries_are_due_as_recorded() {
        let times = [1_000, 3_000, 2_000, 9_000].map(Ok);
        assert_eq!(due(&times, 1.0), Ok(vec![0, 2_000, 2_000, 8_000]));
        assert_eq!(due(&times, 2.0), Ok(vec![0, 1_000, 1_000, 4_000]));
        assert_eq!(due(&times, 0.5), Ok(vec![0, 4_000, 4_000, 16_000]));
        let ages = [Ok(0), Ok(i128::from(u64::MAX) * 1_000_000_000)];
        assert_eq!(due(&ages, 0.001), Ok(vec![0, u64::MAX]));
        assert_eq!(due(&[Ok(1), Err(7)], 1.0), Err(ReplayError::NoTime(7)));
        assert_eq!((duration_s(&[]), duration_s(&[0, 999_999_999])), (1, 1));
        assert_eq!(duration_s(&[0, 1_000_000_000]), 2);
    }

    #[test]
    fn only_queries_are_kept() {
        let mut recording = Recording::default();
        recording.add(&[0; 11], Ok(0));
        recording.add(&[0xff; 12], Ok(0));
        recording.add(&[1; 12], Ok(0));
        recording.add(&[0; PACKET_LEN_MAX + 1], Ok(0));
        recording.add(&[2; 13], Ok(0));
        let queries: Vec<&[u8]> = recording.queries().collect();
        assert_eq!(queries, [&[1; 12][..], &[2; 13]]);
        let counts: Vec<_> = recording.skipped.counts().collect();
        assert_eq!(counts, [("  skipped no query", 2), ("  skipped long", 1)]);
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let error = |octets: &[u8], port| {
            let read = Recording::read(octets, port, false);
            read.expect_err("no recording").to_string()
        };
        assert_eq!(error(b"\x1f\x8b\x08", None), "compressed: unpack it first");
        assert_eq!(error(b"# nothing\n", None), "no queries in it");
        let of_port = error(b"1.5 a b A\n", Some(9));
        assert_eq!(of_port, "--replay-port: a query log has no ports");
    }
}
