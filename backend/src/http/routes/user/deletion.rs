//! `DELETE /user`: the person goes, with everything that is theirs.
//!
//! Once it has begun, it runs to its end, be the client there or not.

use std::sync::Arc;

use axum::extract::State;
use uuid::Uuid;

use crate::audit::{Event, EventKind, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{NoContent, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::callers::SteppedUp;
use crate::http::context::Context;
use crate::http::route::{Route, route};
use crate::lifecycle::run_to_end;
use crate::people;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(delete_person)]
}

/// The person goes, with everything that is theirs.
#[utoipa::path(delete, path = "/user", tag = "user")]
async fn delete_person(
    State(app): State<Arc<App>>,
    context: Context,
    visitor: Visitor,
    SteppedUp(signed_in): SteppedUp,
) -> Result<(SetCookies, NoContent), ApiError> {
    let user_id = signed_in.session.user_id;
    let now = app.services.clock.now();
    let request_id = context.request_id.as_str().to_owned();
    let work = delete(Arc::clone(&app), user_id, request_id, now);
    run_to_end(work)
        .await
        .unwrap_or(Err(ApiError::ShuttingDown))?;
    let mut cookies = SetCookies::default();
    if let Visitor::Browser(browser) = &visitor {
        for kind in [CookieKind::Session, CookieKind::Device] {
            cookies.add(app.pages.cookies.clear(kind, browser.site));
        }
    }
    Ok((cookies, NoContent))
}

async fn delete(
    app: Arc<App>,
    user_id: Uuid,
    request_id: String,
    now: Timestamp,
) -> Result<(), ApiError> {
    let (store, pepper, keyring) = (
        &app.services.store,
        &app.services.pepper,
        &app.services.keyring,
    );
    let hidden = people::hide_person(store, pepper, keyring, user_id, now).await?;
    app.services.sessions.forget_person(user_id);
    let Some(hidden) = hidden else {
        return Ok(());
    };
    // Whom it was about is not known any more.
    let event = Event::new(EventKind::Delete, "deleted").by_request(&request_id);
    record(store, event, now).await;
    Ok(hidden.finish(store, pepper, keyring, now).await?)
}
