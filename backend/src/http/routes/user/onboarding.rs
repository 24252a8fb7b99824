//! `GET /user/onboarding`.

use std::sync::Arc;

use axum::extract::State;

use super::reader;
use crate::http::App;
use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::SignedIn;
use crate::http::route::{Route, route};
use crate::people::OnboardingView;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(onboarding)]
}

/// Returns the progress of the questions by which a persona gets to know the person.
#[utoipa::path(get, path = "/user/onboarding", tag = "user")]
async fn onboarding(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Json<OnboardingView<'static>>, ApiError> {
    let row = app.services.store.profile(&reader(&signed_in)).await?;
    let row = row.ok_or(ApiError::SignedOut)?;
    let view = OnboardingView::from(row.onboarding.as_ref());
    Ok(Json::of(&view))
}
