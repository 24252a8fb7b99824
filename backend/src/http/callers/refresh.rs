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
use crate::http::browser::csrf::{CsrfBinding, has_valid_csrf_token};
use crate::http::browser::{Browser, Credentials};
use crate::http::json_body::JsonBody;
use crate::http::route::{HandlerArgument, RouteAccess, Schemas, describe_json_body};
use crate::sessions::RefreshToken;

/// A refresh token that is not verified yet, and how the client sent it.
pub(in crate::http) enum RefreshCredentials {
    /// A browser sent the token as its session cookie, together with a valid CSRF token.
    Cookie(Browser, String),
    /// An app sent the token in the body, or a browser that has no session cookie.
    Body(SecretString),
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RefreshBody)]
pub(in crate::http) struct Body {
    /// The refresh token of an app. A browser sends its session cookie instead.
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
        let token = body.and_then(|JsonBody(body)| body.refresh_token);
        let browser = match credentials {
            Credentials::Browser(browser) => browser,
            Credentials::App => return token.map(Self::Body).ok_or_else(missing_token),
        };
        let Some(cookie) = browser.cookies.get(CookieKind::Session) else {
            // A page cannot see that its cookie has expired. So it learns that it is signed out, not that a field
            // is missing.
            return token.map(Self::Body).ok_or(ApiError::SignedOut);
        };
        let token = RefreshToken::parse(cookie).ok_or(ApiError::SignedOut)?;
        if !has_valid_csrf_token(
            &app.services.keyring,
            CsrfBinding::of_session(token.session_id),
            &headers,
        ) {
            return Err(ApiError::CsrfFailed(CsrfFault::InvalidToken));
        }
        let cookie = cookie.to_owned();
        Ok(Self::Cookie(browser, cookie))
    }
}

fn missing_token() -> ApiError {
    ApiError::invalid("refresh_token", "is required")
}

impl HandlerArgument for RefreshCredentials {
    const ACCESS: RouteAccess = RouteAccess::RefreshToken;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[
        BODY_PROBLEMS,
        &[
            ProblemCode::Unauthorized,
            ProblemCode::CrossSiteOrigin,
            ProblemCode::CsrfFailed,
        ],
    ];

    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        describe_json_body::<Body>(operation, schemas, Required::False);
    }
}
