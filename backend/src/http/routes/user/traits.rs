//! `GET`, `PUT` and `DELETE /user/traits`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{invalid, parameter, reader};
use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::{json, no_content};
use crate::http::api_error::ApiError;
use crate::http::json_body::JsonBody;
use crate::ids::row_id;
use crate::people::{GivenTraits, InvalidTraits, MAX_TRAITS, TraitName, TraitsView};
use crate::store::people::TraitsError;

/// Who says so, of what a person sets themselves.
const SOURCE: &str = "user";

pub(in crate::http) async fn traits(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Response, ApiError> {
    let rows = app.store.traits(&reader(&signed_in)).await?;
    Ok(json(StatusCode::OK, &TraitsView::from(&rows[..])))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Given {
    traits: Map<String, Value>,
}

/// Sets those that are given and leaves the others.
pub(in crate::http) async fn set_traits(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    JsonBody(given): JsonBody<Given>,
) -> Result<Response, ApiError> {
    let given = GivenTraits::parse(&given.traits)?;
    let now = app.clock.now();
    let given: Vec<_> = given
        .iter()
        .map(|(name, value)| (row_id(now), name, value))
        .collect();
    let actor = signed_in.actor();
    let rows = app
        .store
        .set_traits(&actor, &given, SOURCE, MAX_TRAITS, now);
    let rows = rows.await?;
    Ok(json(StatusCode::OK, &TraitsView::from(&rows[..])))
}

/// The one that `?name=` names, or all. What is not there is gone as well.
pub(in crate::http) async fn delete_traits(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let name = parameter(query.as_deref(), "name").map(|name| TraitName::parse(&name).ok_or(()));
    let name = name.transpose();
    let name = name.map_err(|()| invalid("name", &"must match [a-z0-9_.-]{1,64}"))?;
    let name = name.as_ref().map(TraitName::as_str);
    app.store.delete_traits(&signed_in.actor(), name).await?;
    Ok(no_content())
}

impl From<InvalidTraits> for ApiError {
    fn from(error: InvalidTraits) -> Self {
        Self::InvalidFields(error.0)
    }
}

impl From<TraitsError> for ApiError {
    fn from(error: TraitsError) -> Self {
        match error {
            TraitsError::TooMany(_) => invalid("traits", &error),
            TraitsError::Gone => Self::SignedOut,
            TraitsError::Store(error) => error.into(),
        }
    }
}
