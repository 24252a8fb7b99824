//! Callers that show a refresh token.

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
use crate::http::body::OF_A_BODY;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, holds};
use crate::http::browser::{Browser, Visitor};
use crate::http::json_body::JsonBody;
use crate::http::route::{Access, Argument, Schemas, sends};
use crate::sessions::RefreshToken;

/// A refresh token, and how it was shown. Whether it is good is for the sessions to say.
pub(in crate::http) enum ShowsRefreshToken {
    /// By a browser, as its session's cookie, with the session's CSRF token.
    Cookie(Browser, String),
    /// In the body.
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

impl FromRequest<Arc<App>> for ShowsRefreshToken {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let visitor = Visitor::of(request.method(), request.headers(), app)?;
        let headers = request.headers().clone();
        let body = <JsonBody<Body> as OptionalFromRequest<_>>::from_request(request, app).await?;
        let shown = body.and_then(|JsonBody(body)| body.refresh_token);
        let browser = match visitor {
            Visitor::Browser(browser) => browser,
            Visitor::App => return shown.map(Self::Body).ok_or_else(missing),
        };
        let Some(cookie) = browser.cookies.get(CookieKind::Session) else {
            // A page whose cookie is gone calls as it did while it was there: it is signed out.
            return shown.map(Self::Body).ok_or(ApiError::SignedOut);
        };
        let token = RefreshToken::parse(cookie).ok_or(ApiError::SignedOut)?;
        if !holds(
            &app.services.keyring,
            Binding::of_session(token.session_id),
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

impl Argument for ShowsRefreshToken {
    const ACCESS: Access = Access::RefreshToken;
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[
        OF_A_BODY,
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
