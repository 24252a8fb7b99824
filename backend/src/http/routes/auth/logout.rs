//! `POST /auth/logout`: this session, the others, or all.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;
use serde::{Deserialize, Serialize};

use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::json;
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
    signed_in: SignedIn,
    body: Option<JsonBody<Body>>,
) -> Result<Response, ApiError> {
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
