//! `DELETE /user`: the person goes, with everything that is theirs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;

use crate::audit::{Event, EventKind, record};
use crate::http::App;
use crate::http::access::SteppedUp;
use crate::http::answer::no_content;
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::context::Context;
use crate::people;
use crate::store::people::Deleted;

pub(in crate::http) async fn delete_person(
    State(app): State<Arc<App>>,
    context: Context,
    visitor: Visitor,
    SteppedUp(signed_in): SteppedUp,
) -> Result<Response, ApiError> {
    let user_id = signed_in.session.user_id;
    let now = app.clock.now();
    let deleted =
        people::delete_person(&app.store, &app.pepper, &app.keyring, user_id, now).await?;
    app.sessions.forget_person(user_id);
    if deleted == Deleted::Now {
        // Whom it was about is not known any more.
        let event =
            Event::new(EventKind::Delete, "deleted").by_request(context.request_id.as_str());
        record(&app.store, event, now).await;
    }
    let mut response = no_content();
    if let Visitor::Browser(browser) = &visitor {
        for kind in [CookieKind::Session, CookieKind::Device] {
            let gone = app.cookies.clear(kind, browser.site);
            response.headers_mut().append(SET_COOKIE, gone);
        }
    }
    Ok(response)
}
