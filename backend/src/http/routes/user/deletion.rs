//! `DELETE /user`: deletes a person with all their data.
//!
//! A deletion that has begun runs to its end, even if the client hangs up.

use std::sync::Arc;

use axum::extract::State;
use uuid::Uuid;

use crate::audit::{Event, EventKind, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{NoContent, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::Credentials;
use crate::http::browser::cookies::CookieKind;
use crate::http::callers::SteppedUp;
use crate::http::route::{Route, route};
use crate::lifecycle::run_to_end;
use crate::people;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(delete_person)]
}

/// Deletes the person and all their data.
#[utoipa::path(delete, path = "/user", tag = "user")]
async fn delete_person(
    State(app): State<Arc<App>>,
    credentials: Credentials,
    SteppedUp(signed_in): SteppedUp,
) -> Result<(SetCookies, NoContent), ApiError> {
    let user_id = signed_in.session.user_id;
    let now = app.services.clock.now();
    let deletion = delete(Arc::clone(&app), user_id, now);
    run_to_end(deletion)
        .await
        .unwrap_or(Err(ApiError::ShuttingDown))?;
    let mut cookies = credentials.clear_session_cookie(&app);
    if let Credentials::Browser(browser) = &credentials {
        let device = app.pages.cookies.clear(CookieKind::Device, browser.site);
        cookies.0.push(device);
    }
    Ok((cookies, NoContent))
}

/// Deletes a person. Does nothing if the person does not exist any more.
async fn delete(app: Arc<App>, user_id: Uuid, now: Timestamp) -> Result<(), ApiError> {
    let (store, pepper, keyring) = (
        &app.services.store,
        &app.services.pepper,
        &app.services.keyring,
    );
    let hidden = people::hide_person(store, pepper, keyring, user_id, now).await?;
    app.services.sessions.evict_person(user_id);
    let Some(hidden) = hidden else {
        return Ok(());
    };
    // The event names no person: it is kept longer than the person's row.
    let event = Event::new(EventKind::Delete, "deleted");
    record(store, event, now).await;
    Ok(hidden.finish(store, pepper, keyring, now).await?)
}
