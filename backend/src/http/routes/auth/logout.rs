//! `POST /auth/logout`: this session, the others, or all.
//!
//! Without a session there is nothing to end, and the answer is 204. An access token that does not hold is
//! no proof of that, since its session may go on: it is still answered 401, so that the app refreshes.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request, State};
use http::Method;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use shared_protocol::ProblemCode;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::http::App;
use crate::http::answer::{Json, JsonOrNoContent, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::body::OF_A_BODY;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::callers::SignedIn;
use crate::http::json_body::JsonBody;
use crate::http::route::{Access, Argument, Route, Schemas, route, sends};
use crate::store::sessions::Ending;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(
        logout,
        CrossSiteOrigin,
        CsrfFailed,
        ProviderUnavailable,
        Unauthorized
    )]
}

#[derive(Default, Deserialize, ToSchema)]
#[schema(as = LogoutBody)]
struct Body {
    #[serde(default)]
    scope: Scope,
}

/// Which sessions end: this one, the person's others, or all of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Scope {
    #[default]
    Local,
    Others,
    Global,
}

#[derive(Serialize, ToSchema)]
struct Ended {
    /// How many sessions ended.
    ended: usize,
}

/// A request to be signed out, by a person who is signed in or of whose session at most the cookie is left.
struct Leaving {
    visitor: Visitor,
    signed_in: Option<SignedIn>,
    scope: Scope,
}

impl FromRequest<Arc<App>> for Leaving {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let signed_in = SignedIn::from_request_parts(&mut parts, app).await;
        let shows_token = parts.headers.contains_key(AUTHORIZATION);
        let request = Request::from_parts(parts, body);
        let body = <JsonBody<Body> as OptionalFromRequest<_>>::from_request(request, app).await?;
        let signed_in = match signed_in {
            Err(ApiError::SignedOut) if !shows_token => None,
            signed_in => Some(signed_in?),
        };
        Ok(Self {
            visitor,
            signed_in,
            scope: body.unwrap_or(JsonBody(Body::default())).0.scope,
        })
    }
}

impl Argument for Leaving {
    const ACCESS: Access = Access::User;
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[OF_A_BODY];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        sends::<Body>(operation, schemas, Required::False);
        // Without any proof there is nothing to end.
        let mut proofs = Self::ACCESS.security(&Method::POST);
        proofs.insert(0, SecurityRequirement::default());
        operation.security = Some(proofs);
    }
}

/// Ends this session, the person's others, or all of them; 204 where there is none.
#[utoipa::path(post, path = "/auth/logout", tag = "auth")]
async fn logout(
    State(app): State<Arc<App>>,
    leaving: Leaving,
) -> Result<(SetCookies, JsonOrNoContent<Ended>), ApiError> {
    let Leaving {
        visitor,
        signed_in,
        scope,
    } = leaving;
    let mut cookies = SetCookies::default();
    let Some(signed_in) = signed_in else {
        // What is left of a session that is over is its cookie.
        if let Visitor::Browser(browser) = &visitor
            && browser.cookies.came(CookieKind::Session)
        {
            cookies.add(app.pages.cookies.clear(CookieKind::Session, browser.site));
        }
        return Ok((cookies, JsonOrNoContent::NoContent));
    };
    let which = match scope {
        Scope::Local => Ending::This,
        Scope::Others => Ending::Others,
        Scope::Global => Ending::All,
    };
    let ended = app
        .services
        .sessions
        .log_out(&signed_in.session, which, app.services.clock.now())
        .await?;
    if let Visitor::Browser(browser) = &visitor
        && scope != Scope::Others
        && browser.cookies.get(CookieKind::Session).is_some()
    {
        cookies.add(app.pages.cookies.clear(CookieKind::Session, browser.site));
    }
    Ok((cookies, JsonOrNoContent::Json(Json::of(&Ended { ended }))))
}
