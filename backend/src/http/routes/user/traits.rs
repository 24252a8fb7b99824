//! `GET`, `PUT` and `DELETE /user/traits`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{parameter, reader};
use crate::http::App;
use crate::http::answer::{Json, NoContent};
use crate::http::api_error::ApiError;
use crate::http::callers::SignedIn;
use crate::http::json_body::JsonBody;
use crate::http::route::{Route, route};
use crate::ids::row_id;
use crate::people::{InvalidTraits, MAX_TRAITS, TraitName, TraitsView, ValidTraits};
use crate::store::people::TraitsError;

/// The stored source of traits that a person sets themselves.
const SOURCE: &str = "user";

pub(super) fn routes() -> Vec<Route> {
    vec![
        route!(traits),
        route!(set_traits),
        route!(delete_traits, InvalidFields),
    ]
}

/// Returns the traits that the person has set.
#[utoipa::path(get, path = "/user/traits", tag = "user")]
async fn traits(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Json<TraitsView<'static>>, ApiError> {
    let rows = app.services.store.traits(&reader(&signed_in)).await?;
    Ok(Json::of(&TraitsView::from(&rows[..])))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TraitsChange)]
struct Change {
    /// The values by name (`[a-z0-9_.-]{1,64}`), each at most 4 KiB of JSON.
    #[schema(value_type = BTreeMap<String, Value>)]
    traits: Map<String, Value>,
}

/// Sets the given traits and keeps the others.
#[utoipa::path(put, path = "/user/traits", tag = "user")]
async fn set_traits(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    JsonBody(change): JsonBody<Change>,
) -> Result<Json<TraitsView<'static>>, ApiError> {
    let valid = ValidTraits::parse(&change.traits)?;
    let now = app.services.clock.now();
    let new_traits: Vec<_> = valid
        .iter()
        .map(|(name, value)| (row_id(now), name, value))
        .collect();
    let actor = signed_in.actor();
    let rows = app
        .services
        .store
        .set_traits(&actor, &new_traits, SOURCE, MAX_TRAITS, now);
    let rows = rows.await?;
    Ok(Json::of(&TraitsView::from(&rows[..])))
}

/// Removes the trait `name`, or all traits if no name is given. A missing trait is no error.
#[utoipa::path(
    delete,
    path = "/user/traits",
    tag = "user",
    params(("name" = Option<String>, Query, pattern = "^[a-z0-9_.-]{1,64}$"))
)]
async fn delete_traits(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<NoContent, ApiError> {
    let name = parameter(query.as_deref(), "name").map(|name| TraitName::parse(&name).ok_or(()));
    let name = name.transpose();
    let name = name.map_err(|()| ApiError::invalid("name", "must match [a-z0-9_.-]{1,64}"))?;
    let name = name.as_ref().map(TraitName::as_str);
    app.services
        .store
        .delete_traits(&signed_in.actor(), name)
        .await?;
    Ok(NoContent)
}

impl From<InvalidTraits> for ApiError {
    fn from(error: InvalidTraits) -> Self {
        Self::InvalidFields(error.0)
    }
}

impl From<TraitsError> for ApiError {
    fn from(error: TraitsError) -> Self {
        match error {
            TraitsError::TooMany(_) => Self::invalid("traits", error),
            TraitsError::Gone => Self::SignedOut,
            TraitsError::Store(error) => error.into(),
        }
    }
}
