//! Every way in which a request fails, with its status and its body.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use containerdns_schema::rest::{BODY_LEN_MAX, Failure, Names, RequestError};
use containerdns_store::StoreError;

use super::view;
use crate::plan::PlanError;
use crate::records::Records;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// A field, the path or the query makes no sense.
    Request(RequestError),
    /// No token, or none of ours.
    Unauthorized(&'static str),
    /// The token or the user may not.
    Forbidden { field: String, problem: String },
    /// Nothing is there.
    NotFound { field: String, problem: String },
    /// No such path.
    NoPath,
    /// The path does not take the method.
    Method,
    /// The body did not come in time.
    Slow,
    /// What is there stands against it.
    Conflict {
        field: String,
        problem: String,
        current: Names,
    },
    /// The body, or what it asks for, is too large.
    TooLarge(String),
    /// The store refused.
    Refused(String),
    /// The store is away, or was not read yet.
    Away(String),
    /// The store is full.
    Full(String),
}

impl ApiError {
    pub(super) fn body_too_large() -> Self {
        Self::TooLarge(format!(
            "the body is larger than {BODY_LEN_MAX} octets; send less at a time"
        ))
    }

    /// The error of a plan; a conflict shows what the name holds.
    pub(super) fn of_plan(error: PlanError, records: &Records) -> Self {
        match error {
            PlanError::NotFound { field, problem } => Self::NotFound { field, problem },
            PlanError::Conflict {
                field,
                problem,
                name,
            } => Self::Conflict {
                field,
                problem,
                current: view::current(records, &name),
            },
            PlanError::Foreign { field, problem } => Self::Forbidden { field, problem },
            PlanError::Impossible { field, problem } => {
                Self::Request(RequestError { field, problem })
            }
            PlanError::TooLarge(problem) => Self::TooLarge(problem),
        }
    }

    /// The same about a change that stands at `place` in a batch.
    pub(super) fn at(mut self, place: &str) -> Self {
        if let Self::Request(RequestError { field, .. }) | Self::Forbidden { field, .. } = &mut self
            && !place.is_empty()
        {
            *field = format!("{place}.{field}");
        }
        self
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound { .. } | Self::NoPath => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Refused(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    fn body(self) -> Failure {
        let (error, field, current) = match self {
            Self::Request(RequestError { field, problem })
            | Self::Forbidden { field, problem }
            | Self::NotFound { field, problem } => (problem, Some(field), None),
            Self::Conflict {
                field,
                problem,
                current,
            } => (problem, Some(field), Some(current)),
            Self::Unauthorized(problem) => (problem.into(), Some("token".into()), None),
            Self::NoPath => (
                "no such path: /containerdns/api, /containerdns/api/{name}, \
                 /containerdns/api/{name}/history, /containerdns/api/openapi.json"
                    .into(),
                Some("path".into()),
                None,
            ),
            Self::Method => (
                "the path does not take this method: the Allow header lists those it takes".into(),
                Some("method".into()),
                None,
            ),
            Self::Slow => (
                "the body did not come within 5 s".into(),
                Some("body".into()),
                None,
            ),
            Self::TooLarge(problem) => (problem, Some("body".into()), None),
            Self::Refused(problem) | Self::Away(problem) | Self::Full(problem) => {
                (problem, None, None)
            }
        };
        Failure {
            error,
            field,
            current,
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::NoSpace(_) => Self::Full(text),
            StoreError::TooLarge(_) => Self::TooLarge(text),
            StoreError::Refused(_) => Self::Refused(text),
            StoreError::Unavailable(_)
            | StoreError::LeaseGone(_)
            | StoreError::Compacted { .. } => Self::Away(format!(
                "{text}; a write may have been made or not: read the name before you try again"
            )),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_string(&self.body()).unwrap_or_default();
        let mut response = (
            status,
            [(header::CONTENT_TYPE, "application/json")],
            format!("{body}\n"),
        )
            .into_response();
        let more = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            // What was not read of the request would be taken for the next one.
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
                Some((header::CONNECTION, "close"))
            }
            _ => None,
        };
        if let Some((name, value)) = more {
            let value = header::HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}
