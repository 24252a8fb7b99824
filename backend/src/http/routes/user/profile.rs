//! `GET` and `PATCH /user/profile`.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::reader;
use crate::http::App;
use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::SignedIn;
use crate::http::json_body::JsonBody;
use crate::http::route::{Route, route};
use crate::people::{PersonName, ProfileView};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(profile), route!(change_profile)]
}

/// Returns the profile of the person.
#[utoipa::path(get, path = "/user/profile", tag = "user")]
async fn profile(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Json<ProfileView<'static>>, ApiError> {
    let row = app.services.store.profile(&reader(&signed_in)).await?;
    // Another replica may have deleted the person a moment ago.
    let row = row.ok_or(ApiError::SignedOut)?;
    Ok(Json::of(&ProfileView::from(&row)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileChange)]
struct Change {
    /// The new name of the person. Null removes the name.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255)]
    name: NameChange,
}

/// A change of the name. A null removes the name, and an absent field leaves it unchanged.
#[derive(Default)]
enum NameChange {
    #[default]
    Unchanged,
    Removed,
    Set(String),
}

impl<'de> Deserialize<'de> for NameChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::deserialize(deserializer)?;
        Ok(name.map_or(Self::Removed, Self::Set))
    }
}

/// Changes the name of the person.
#[utoipa::path(patch, path = "/user/profile", tag = "user")]
async fn change_profile(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    JsonBody(change): JsonBody<Change>,
) -> Result<Json<ProfileView<'static>>, ApiError> {
    let name = match change.name {
        NameChange::Unchanged => return profile(State(app), signed_in).await,
        NameChange::Removed => None,
        NameChange::Set(text) => {
            Some(PersonName::parse(&text).map_err(|fault| ApiError::invalid("name", fault))?)
        }
    };
    let name = name.as_ref().map(PersonName::as_str);
    let actor = signed_in.actor();
    let row = app
        .services
        .store
        .rename(&actor, name, app.services.clock.now())
        .await?;
    let row = row.ok_or(ApiError::SignedOut)?;
    Ok(Json::of(&ProfileView::from(&row)))
}
