//! The extractor for callers that show a refresh token.

use std::sync::Arc;

use axum::extract::FromRequest;
use axum::extract::{OptionalFromRequest, Request};
use secrecy::SecretString;
use serde::Deserialize;
use shared_protocol::ProblemCode;
use utoipa::ToSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Operation;

use crate::http::App;
use crate::http::api_error::{ApiError, CsrfFault};
use crate::http::body::BODY_PROBLEMS;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{CsrfBinding, verifies};
use crate::http::browser::{Browser, Credentials};
use crate::http::json_body::JsonBody;
use crate::http::route::{Access, Argument, Schemas, sends};
use crate::sessions::RefreshToken;

/// A refresh token that is not verified yet, and how the client sent it.
pub(in crate::http) enum RefreshCredentials {
    /// A browser sent the token as its session's cookie, with the session's valid CSRF token.
    Cookie(Browser, String),
    /// An app sent the token in the body.
    Body(SecretString),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshBody)]
pub(in crate::http) struct Body {
    /// An app's. A browser shows its cookie.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

impl FromRequest<Arc<App>> for RefreshCredentials {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let credentials = Credentials::of(request.method(), request.headers(), app)?;
        let headers = request.headers().clone();
        let body = <JsonBody<Body> as OptionalFromRequest<_>>::from_request(request, app).await?;
        let shown = body.and_then(|JsonBody(body)| body.refresh_token);
        let browser = match credentials {
            Credentials::Browser(browser) => browser,
            Credentials::App => return shown.map(Self::Body).ok_or_else(missing),
        };
        let Some(cookie) = browser.cookies.get(CookieKind::Session) else {
            // A page does not notice that its cookie has expired, so it sends the same request as before.
            return shown.map(Self::Body).ok_or(ApiError::SignedOut);
        };
        let token = RefreshToken::parse(cookie).ok_or(ApiError::SignedOut)?;
        if !verifies(
            &app.services.keyring,
            CsrfBinding::of_session(token.session_id),
            &headers,
        ) {
            return Err(ApiError::CsrfFailed(CsrfFault::Token));
        }
        let cookie = cookie.to_owned();
        Ok(Self::Cookie(browser, cookie))
    }
}

fn missing() -> ApiError {
    ApiError::invalid("refresh_token", "is required")
}

impl Argument for RefreshCredentials {
    const ACCESS: Access = Access::RefreshToken;
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[
        BODY_PROBLEMS,
        &[
            ProblemCode::Unauthorized,
            ProblemCode::CrossSiteOrigin,
            ProblemCode::CsrfFailed,
        ],
    ];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        sends::<Body>(operation, schemas, Required::False);
    }
}
