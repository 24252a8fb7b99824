//! `POST /auth/logout`: this session, the others, or all.
//!
//! Without a session there is nothing to end, and the answer is 204. An access token that does not hold is
//! no proof of that, since its session may go on: it is still answered 401, so that the app refreshes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::{json, no_content};
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::store::sessions::Ending;

#[derive(Default, Deserialize)]
pub(in crate::http) struct Body {
    #[serde(default)]
    scope: Scope,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scope {
    #[default]
    Local,
    Others,
    Global,
}

#[derive(Serialize)]
struct Ended {
    ended: usize,
}

pub(in crate::http) async fn logout(
    State(app): State<Arc<App>>,
    context: Context,
    visitor: Visitor,
    headers: HeaderMap,
    signed_in: Result<SignedIn, ApiError>,
    body: Option<JsonBody<Body>>,
) -> Result<Response, ApiError> {
    let signed_in = match signed_in {
        Ok(signed_in) => signed_in,
        Err(ApiError::SignedOut) if !headers.contains_key(AUTHORIZATION) => {
            return Ok(without_session(&app, &visitor));
        }
        Err(error) => return Err(error),
    };
    let scope = body.unwrap_or(JsonBody(Body::default())).0.scope;
    let which = match scope {
        Scope::Local => Ending::This,
        Scope::Others => Ending::Others,
        Scope::Global => Ending::All,
    };
    let request_id = context.request_id.as_str();
    let ended = app
        .sessions
        .log_out(&signed_in.session, which, request_id, app.clock.now())
        .await?;
    let mut response = json(StatusCode::OK, &Ended { ended });
    if let Visitor::Browser(browser) = &visitor
        && scope != Scope::Others
        && browser.cookies.get(CookieKind::Session).is_some()
    {
        let gone = app.cookies.clear(CookieKind::Session, browser.site);
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// What is left of a session that is over is its cookie.
fn without_session(app: &App, visitor: &Visitor) -> Response {
    let mut response = no_content();
    if let Visitor::Browser(browser) = visitor
        && browser.cookies.came(CookieKind::Session)
    {
        let gone = app.cookies.clear(CookieKind::Session, browser.site);
        response.headers_mut().append(SET_COOKIE, gone);
    }
    response
}
