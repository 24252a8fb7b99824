//! `GET /user/onboarding`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::reader;
use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::people::OnboardingView;

pub(in crate::http) async fn onboarding(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Response, ApiError> {
    let row = app.store.profile(&reader(&signed_in)).await?;
    let row = row.ok_or(ApiError::SignedOut)?;
    let view = OnboardingView::from(row.onboarding.as_ref());
    Ok(json(StatusCode::OK, &view))
}
