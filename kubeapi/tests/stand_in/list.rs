//! Lists: at which version, which page of it, and how a list is written.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::Reply;
use super::handler::Server;
use super::options::Options;
use super::resources::Resource;
use super::status;
use super::token::Token;

/// Answers a list.
pub(crate) async fn list(
    server: &Server,
    resource: &Resource,
    options: &Options,
) -> Result<Reply, Reply> {
    let token = match options.token.as_str() {
        "" => None,
        text => Some(Token::decode(text)?),
    };
    if token.is_some() && server.change(|state| state.faults.gone_pages.take()) {
        return Err(status::refused(page_expired()));
    }
    let asked = options.version.unwrap_or(0);
    if token.is_some() && asked > 0 {
        let message = "specifying resource version is not allowed when using continue";
        return Err(status::refuse(400, "BadRequest", message));
    }
    if !server.reached(asked).await {
        let current = server.look(|state| state.store.revision);
        return Err(status::refused(status::too_large(asked, current)));
    }
    let list = page(server, resource, options, token.as_ref())?;
    match token.is_some() && server.change(|state| state.faults.cut_pages.take()) {
        true => Ok(Reply::Half(list)),
        false => Ok(Reply::Whole(StatusCode::OK, list)),
    }
}

fn page(
    server: &Server,
    resource: &Resource,
    options: &Options,
    token: Option<&Token>,
) -> Result<Value, Reply> {
    let asked = options.version.unwrap_or(0);
    // A limit at a version makes pages of that very version.
    let exact = options.matching == "Exact"
        || options.matching.is_empty() && options.limit > 0 && asked > 0;
    let (revision, objects) = server.look(|state| {
        let revision = match token {
            Some(token) => token.revision,
            None if exact => asked,
            None => state.store.revision,
        };
        if revision < state.store.compacted {
            let expired = match token {
                Some(_) => page_expired(),
                None => {
                    let message = "The resourceVersion for the provided list is too old.";
                    status::expired(message)
                }
            };
            return Err(status::refused(expired));
        }
        Ok((revision, state.store.at(resource, revision)))
    })?;
    let start = token.map_or("", |token| token.start.as_str());
    let chosen = objects.range(start.to_owned()..);
    let chosen: Vec<_> = chosen
        .filter(|(_, object)| options.selector.matches(object))
        .collect();
    // From its cache (version 0) a server gives all at once.
    let limit = match options.limit {
        0 => usize::MAX,
        _ if options.version == Some(0) => usize::MAX,
        limit => limit,
    };
    let count = limit.min(chosen.len());
    let items = chosen[..count].iter().map(|(_, object)| {
        let mut item = resource.present(object, options.partial);
        if !options.partial && !resource.custom {
            let fields = item.as_object_mut().expect("an object");
            fields.retain(|field, _| field != "kind" && field != "apiVersion");
        }
        item
    });
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if count < chosen.len() {
        let start = format!("{}\0", chosen[count - 1].0);
        metadata["continue"] = json!(Token { revision, start }.encode());
        if !options.selector.is_selective() {
            metadata["remainingItemCount"] = json!(chosen.len() - count);
        }
    }
    let (kind, api_version) = match options.partial {
        true => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
        false => (resource.kind, resource.api_version()),
    };
    Ok(json!({
        "kind": format!("{kind}List"),
        "apiVersion": api_version,
        "metadata": metadata,
        "items": items.collect::<Vec<_>>(),
    }))
}

fn page_expired() -> Value {
    let message = "The provided continue parameter is too old to display a consistent list result. \
                   You must start a new list without the continue parameter.";
    status::expired(message)
}
