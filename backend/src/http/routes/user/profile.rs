//! `GET` and `PATCH /user/profile`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Deserializer};

use super::{invalid, reader};
use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::json_body::JsonBody;
use crate::people::{PersonName, ProfileView};

/// Whoever was deleted a moment ago is signed out, whatever this replica remembers.
pub(in crate::http) async fn profile(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Response, ApiError> {
    let row = app.store.profile(&reader(&signed_in)).await?;
    let row = row.ok_or(ApiError::SignedOut)?;
    Ok(json(StatusCode::OK, &ProfileView::from(&row)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Change {
    #[serde(default)]
    name: NewName,
}

/// Null is something else than nothing.
#[derive(Default)]
enum NewName {
    #[default]
    AsItIs,
    None,
    Some(String),
}

impl<'de> Deserialize<'de> for NewName {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let name = Option::deserialize(value)?;
        Ok(name.map_or(Self::None, Self::Some))
    }
}

pub(in crate::http) async fn change_profile(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    JsonBody(change): JsonBody<Change>,
) -> Result<Response, ApiError> {
    let name = match change.name {
        NewName::AsItIs => return profile(State(app), signed_in).await,
        NewName::None => None,
        NewName::Some(text) => {
            let name = PersonName::parse(&text).map_err(|fault| invalid("name", &fault))?;
            Some(name)
        }
    };
    let name = name.as_ref().map(PersonName::as_str);
    let actor = signed_in.actor();
    let row = app.store.rename(&actor, name, app.clock.now()).await?;
    let row = row.ok_or(ApiError::SignedOut)?;
    Ok(json(StatusCode::OK, &ProfileView::from(&row)))
}
