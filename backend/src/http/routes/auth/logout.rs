//! `POST /auth/logout`: ends this session, the person's other sessions, or all of them.
//!
//! Without a session there is nothing to end, and the answer is 204. An invalid access token is answered 401,
//! so that the app refreshes it: the session of the token may still be live.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::Method;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};
use shared_protocol::ProblemCode;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::http::App;
use crate::http::answer::{Json, NoContent, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::body::BODY_PROBLEMS;
use crate::http::browser::Credentials;
use crate::http::callers::SignedIn;
use crate::http::json_body::JsonBody;
use crate::http::route::{HandlerArgument, Route, RouteAccess, Schemas, describe_json_body, route};
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

/// The sessions that end: this one, the person's other sessions, or all of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Scope {
    #[default]
    Local,
    Others,
    Global,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Ended)]
struct LogoutAnswer {
    /// The number of sessions that ended.
    ended: usize,
}

/// A request to sign out.
struct LogoutRequest {
    credentials: Credentials,
    /// `None` if the session has ended already, or if the client never had one.
    signed_in: Option<SignedIn>,
    scope: Scope,
}

impl FromRequest<Arc<App>> for LogoutRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let credentials = Credentials::from_request_parts(&mut parts, app).await?;
        let signed_in = SignedIn::from_request_parts(&mut parts, app).await;
        let shows_token = parts.headers.contains_key(AUTHORIZATION);
        let request = Request::from_parts(parts, body);
        let body = <JsonBody<Body> as OptionalFromRequest<_>>::from_request(request, app).await?;
        let signed_in = match signed_in {
            Err(ApiError::SignedOut) if !shows_token => None,
            signed_in => Some(signed_in?),
        };
        Ok(Self {
            credentials,
            signed_in,
            scope: body.unwrap_or(JsonBody(Body::default())).0.scope,
        })
    }
}

impl HandlerArgument for LogoutRequest {
    const ACCESS: RouteAccess = RouteAccess::User;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[BODY_PROBLEMS];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        describe_json_body::<Body>(operation, schemas, Required::False);
        // A request without credentials is accepted too, because there is no session to end.
        let mut proofs = Self::ACCESS.security(&Method::POST);
        proofs.insert(0, SecurityRequirement::default());
        operation.security = Some(proofs);
    }
}

/// Ends this session, the person's other sessions, or all of them. Without a session the answer is 204.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "auth",
    responses(
        (status = 200, description = "OK", body = LogoutAnswer),
        (status = 204, description = "Done")
    )
)]
async fn logout(
    State(app): State<Arc<App>>,
    LogoutRequest {
        credentials,
        signed_in,
        scope,
    }: LogoutRequest,
) -> Result<(SetCookies, Response), ApiError> {
    let Some(signed_in) = signed_in else {
        let cookies = credentials.clear_session_cookie(&app);
        return Ok((cookies, NoContent.into_response()));
    };
    let ending = match scope {
        Scope::Local => Ending::This,
        Scope::Others => Ending::Others,
        Scope::Global => Ending::All,
    };
    let ended = app
        .services
        .sessions
        .log_out(&signed_in.session, ending, app.services.clock.now())
        .await?;
    let cookies = match scope {
        Scope::Others => AppendHeaders(Vec::new()),
        Scope::Local | Scope::Global => credentials.clear_session_cookie(&app),
    };
    Ok((cookies, Json::of(&LogoutAnswer { ended }).into_response()))
}
