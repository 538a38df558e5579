//! All that can go wrong, with what to do next, and the exit code of each.

use std::io;

use containerdns_schema::rest::{Failure, Names};
use thiserror::Error;

/// Why a command did not do what it was to do.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The command line, the environment or the configuration file.
    #[error("{0}")]
    Usage(String),
    /// A file to import, or one to write.
    #[error("{0}")]
    File(String),
    /// Nobody answers.
    #[error("cannot connect to {address} ({problem}): {next}")]
    Unreachable {
        /// As the user knows it.
        address: String,
        /// What the system says.
        problem: String,
        /// What to do.
        next: &'static str,
    },
    /// The server answers, but not like a ContainerDNS.
    #[error("{address} does not answer like ContainerDNS ({problem}): is --api right?")]
    Answer {
        /// As the user knows it.
        address: String,
        /// What is odd.
        problem: String,
    },
    /// The server says no.
    #[error("{}", refused(*.status, .failure))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it says.
        failure: Box<Failure>,
    },
    /// An import that did not come to its end.
    #[error(
        "import stopped: {written} of {names} names are written; {batch} failed: {source}\n\
         run it again when that is settled: what is written stays as it is"
    )]
    Import {
        /// Names that are written completely.
        written: usize,
        /// Names that were to be written.
        names: usize,
        /// Which batch.
        batch: String,
        /// Why.
        source: Box<Error>,
    },
    /// The standard output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code, as `--help` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::File(_) | Self::Answer { .. } | Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } => 6,
            Self::Import { source, .. } => source.exit_code(),
            Self::Refused { status, .. } => match status {
                404 => 3,
                401 | 403 => 4,
                409 => 5,
                503 => 6,
                400 | 413 => 7,
                _ => 1,
            },
        }
    }

    /// Whether the same request may succeed in a moment: nobody, or no store, was there.
    pub(crate) fn is_away(&self) -> bool {
        self.exit_code() == 6
    }

    /// Whether names are not what they were taken for when the request was made up.
    pub(crate) fn is_outdated(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 404 | 409),
            Self::Import { source, .. } => source.is_outdated(),
            _ => false,
        }
    }

    /// Whether fewer changes in one request may succeed.
    pub(crate) fn is_too_much(&self) -> bool {
        matches!(self, Self::Refused { status: 413, .. })
    }

    /// What the names hold that are in conflict.
    pub(crate) fn current(&self) -> Option<&Names> {
        match self {
            Self::Refused { failure, .. } => failure.current.as_ref(),
            Self::Import { source, .. } => source.current(),
            _ => None,
        }
    }
}

fn refused(status: u16, failure: &Failure) -> String {
    let said = match &failure.field {
        Some(field) => format!("{field}: {}", failure.error),
        None => failure.error.clone(),
    };
    match status {
        400 => format!("the server refuses this (400): {said}"),
        401 => format!(
            "the server does not accept the token (401): {said}: \
             check CONDNS_API_TOKEN or --token-file"
        ),
        403 => format!("not allowed (403): {said}"),
        404 => format!("not found (404): {said}"),
        409 => format!("conflict (409): {said}"),
        413 => format!("too much for one request (413): {said}"),
        503 => format!("the server cannot reach its store (503): {said}: try again later"),
        507 => format!("the store is full (507): {said}"),
        _ => format!("the server failed ({status}): {said}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn every_status_has_its_code_and_its_words() {
        let told = [400, 401, 403, 404, 405, 409, 413, 415, 500, 503, 507].map(|status| {
            let failure = Failure {
                error: "why".into(),
                field: (status == 400).then(|| "ips[0]".into()),
                current: None,
            };
            let error = Error::Refused {
                status,
                failure: Box::new(failure),
            };
            format!("{} {error}\n", error.exit_code())
        });
        expect![[r#"
            7 the server refuses this (400): ips[0]: why
            4 the server does not accept the token (401): why: check CONDNS_API_TOKEN or --token-file
            4 not allowed (403): why
            3 not found (404): why
            1 the server failed (405): why
            5 conflict (409): why
            7 too much for one request (413): why
            1 the server failed (415): why
            1 the server failed (500): why
            6 the server cannot reach its store (503): why: try again later
            1 the store is full (507): why
        "#]]
        .assert_eq(&told.concat());
    }
}
