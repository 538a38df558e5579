//! Who asks, and whether they may.

use axum::http::HeaderMap;
use containerdns_schema::Name;
use containerdns_schema::rest::{NameChange, RequestError, Zones, check_user};

use super::{Api, ApiError, Query, bearer};
use crate::tokens::Grant;

/// The bearer of a token, and whom the request names.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) grant: Grant,
    /// `?user=`, as the original has it.
    user: Option<String>,
}

impl Caller {
    /// The caller by its token: in the header, or in the query where that is allowed.
    pub(super) fn of(api: &Api, headers: &HeaderMap, query: &Query) -> Result<Caller, ApiError> {
        let in_query = query.get("token");
        let token = match (bearer(headers), in_query) {
            (Some(token), _) => token,
            (None, Some(token)) if api.query_token => token,
            (None, Some(_)) => {
                return Err(ApiError::Unauthorized(
                    "a token in the URL is not taken here (query_token = false): \
                     send `Authorization: Bearer TOKEN`",
                ));
            }
            (None, None) => {
                return Err(ApiError::Unauthorized(
                    "no token: send `Authorization: Bearer TOKEN`",
                ));
            }
        };
        let tokens = api.keyring.tokens();
        let grant = tokens.grant(token).ok_or(ApiError::Unauthorized(
            "the token is not known here: ask the operator for one",
        ))?;
        let user = query.get("user").map(str::to_owned);
        if let Some(user) = &user {
            check_user(user).map_err(|problem| RequestError::new("user", problem))?;
        }
        Ok(Caller {
            grant: grant.clone(),
            user,
        })
    }

    /// Refuses writes with a token that only reads.
    pub(super) fn check_writes(&self) -> Result<(), ApiError> {
        if !self.grant.read_only {
            return Ok(());
        }
        Err(self.forbidden("token", "may only read"))
    }

    /// Refuses names outside the token's zones.
    pub(super) fn check_scope(&self, name: &Name) -> Result<(), ApiError> {
        if self.in_scope(name) {
            return Ok(());
        }
        let zones: Vec<String> = self.grant.zones.iter().map(Name::to_string).collect();
        let problem = format!("is for {}, and {name} is not there", zones.join(", "));
        Err(self.forbidden("name", &problem))
    }

    /// Whether the token covers a name.
    pub(super) fn in_scope(&self, name: &Name) -> bool {
        let zones = &self.grant.zones;
        zones.is_empty() || zones.iter().any(|zone| name.is_within(zone))
    }

    /// Checks one change, and writes into it on whose behalf it is made.
    pub(super) fn authorize(&self, zones: &Zones, change: &mut NameChange) -> Result<(), ApiError> {
        let checked = self.check_change(zones, change);
        checked.map_err(|error| error.at(&change.place))
    }

    fn check_change(&self, zones: &Zones, change: &mut NameChange) -> Result<(), ApiError> {
        self.check_scope(&change.name)?;
        if zones.is_kubernetes(&change.name) {
            let name = &change.name;
            return Err(ApiError::Forbidden {
                field: "name".into(),
                problem: format!(
                    "{name} is where Kubernetes has its names: nobody changes them here"
                ),
            });
        }
        let named = match (change.user.take(), self.user.clone()) {
            (Some(body), Some(query)) if body != query => {
                let problem = format!("{body:?} in the body, {query:?} in the query");
                return Err(RequestError::new("user", problem).into());
            }
            (body, query) => body.or(query),
        };
        change.user = match (&self.grant.user, named) {
            (Some(own), Some(named)) if *own != named => {
                let problem = format!("acts for {own}, not for {named}");
                return Err(self.forbidden("user", &problem));
            }
            (Some(own), _) => Some(own.clone()),
            (None, named) => named,
        };
        Ok(())
    }

    fn forbidden(&self, field: &str, problem: &str) -> ApiError {
        let name = &self.grant.name;
        ApiError::Forbidden {
            field: field.into(),
            problem: format!("the token `{name}` {problem}"),
        }
    }
}
