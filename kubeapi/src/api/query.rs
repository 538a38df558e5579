//! The query of a request: each parameter at most once, and none that the path does not know.

use axum::http::Uri;
use containerdns_schema::rest::RequestError;

use super::ApiError;

/// Parameters of a query at most.
const PARAMETERS_MAX: usize = 16;

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of `uri`.
    pub(super) fn parse(uri: &Uri) -> Result<Query, ApiError> {
        let text = uri.query().unwrap_or_default();
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            if parameters.iter().any(|(known, _)| *known == key) {
                return Err(RequestError::new(key, "is there twice in the query").into());
            }
            if parameters.len() == PARAMETERS_MAX {
                let problem = format_args!("more than {PARAMETERS_MAX} parameters");
                return Err(RequestError::new("query", problem).into());
            }
            parameters.push((key.into_owned(), value.into_owned()));
        }
        Ok(Query(parameters))
    }

    /// The value of a parameter; an empty one counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found
            .map(|(_, value)| &value[..])
            .filter(|value| !value.is_empty())
    }

    /// A parameter that is true or false; false when absent.
    pub(super) fn flag(&self, key: &str) -> Result<bool, ApiError> {
        match self.get(key) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => {
                let problem = format_args!("{other:?} is neither true nor false");
                Err(RequestError::new(key, problem).into())
            }
        }
    }

    /// A parameter that is a whole number from 1 to `max`.
    pub(super) fn count(&self, key: &str, max: usize) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (1..=max).contains(number));
        let problem = format_args!("{text:?} is not a whole number from 1 to {max}");
        let number = number.ok_or_else(|| RequestError::new(key, problem))?;
        Ok(Some(number))
    }

    /// Refuses parameters other than `known` and the token.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown = |(key, _): &&(String, String)| key != "token" && !known.contains(&&key[..]);
        match self.0.iter().find(unknown) {
            None => Ok(()),
            Some((key, _)) => {
                let known = known.join(", ");
                let problem = format_args!("unknown parameter; known here: {known}");
                Err(RequestError::new(key, problem).into())
            }
        }
    }
}
