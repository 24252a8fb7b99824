//! The callers that a route accepts, in words and as security schemes of `OpenAPI`.

use http::Method;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

/// The callers that a route accepts. The serialized words appear in the public list of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str)]
pub enum RouteAccess {
    #[strum(serialize = "public")]
    Public,
    /// A relay that signs or, where allowed, shows its secret.
    #[strum(serialize = "relays")]
    Relay,
    #[strum(serialize = "holder of METRICS_TOKEN")]
    MetricsToken,
    #[strum(serialize = "holder of a refresh token or session cookie")]
    RefreshToken,
    #[strum(serialize = "signed-in person, own data")]
    User,
    #[strum(serialize = "signed-in person, own data, code confirmed within 10 minutes")]
    SteppedUpUser,
}

impl RouteAccess {
    /// The callers of a handler, computed from the callers that each of its arguments accepts. A handler with two
    /// arguments that are not public does not compile.
    pub(in crate::http) const fn of_all(accepted: &[Self]) -> Self {
        let mut callers = Self::Public;
        let mut i = 0;
        while i < accepted.len() {
            if !matches!(accepted[i], Self::Public) {
                assert!(
                    matches!(callers, Self::Public),
                    "a handler has one kind of caller"
                );
                callers = accepted[i];
            }
            i += 1;
        }
        callers
    }

    /// The security requirements of a route with this method. A caller has to meet one of them. Public routes have
    /// none.
    pub(in crate::http) fn security(self, method: &Method) -> Vec<SecurityRequirement> {
        let requirement = |scheme: &str| SecurityRequirement::new::<_, _, String>(scheme, []);
        let of_browser = || {
            let cookie = requirement(SESSION_COOKIE);
            if method.is_safe() {
                cookie
            } else {
                cookie.add::<_, _, String>(CSRF_TOKEN, [])
            }
        };
        match self {
            Self::Public => Vec::new(),
            Self::Relay => vec![requirement(RELAY_SIGNATURE), requirement(RELAY_SECRET)],
            Self::MetricsToken => vec![requirement(METRICS_TOKEN)],
            // An app meets the empty requirement, because its refresh token is in the body.
            Self::RefreshToken => vec![SecurityRequirement::default(), of_browser()],
            Self::User | Self::SteppedUpUser => vec![requirement(ACCESS_TOKEN), of_browser()],
        }
    }
}

const ACCESS_TOKEN: &str = "access_token";
const SESSION_COOKIE: &str = "session_cookie";
const CSRF_TOKEN: &str = "csrf_token";
pub(in crate::http) const RELAY_SIGNATURE: &str = "relay_signature";
const RELAY_SECRET: &str = "relay_secret";
const METRICS_TOKEN: &str = "metrics_token";

/// Every security scheme by its name in the description.
pub(in crate::http) fn schemes() -> [(&'static str, SecurityScheme); 6] {
    let bearer = |text: &str| {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        SecurityScheme::Http(bearer.description(Some(text)).build())
    };
    let header = |name: &str, text: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, text)))
    };
    let cookie = ApiKeyValue::with_description(
        "__Host-archety_session",
        "The session of a browser. On a developer's http://localhost, the cookie is named archety_dev.",
    );
    [
        (ACCESS_TOKEN, bearer("The access token of an app.")),
        (
            SESSION_COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
        ),
        (
            CSRF_TOKEN,
            header(
                "X-CSRF-Token",
                "The token that GET /auth/csrf-token answers. It is bound to the session.",
            ),
        ),
        (
            RELAY_SIGNATURE,
            header(
                "webhook-signature",
                "A signature of webhook-id, webhook-timestamp and the raw body by Standard Webhooks.",
            ),
        ),
        (
            RELAY_SECRET,
            bearer("The secret of a relay, if RELAY_AUTH allows it."),
        ),
        (
            METRICS_TOKEN,
            bearer("The value of METRICS_TOKEN, if it is set."),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_argument_decides_the_callers_of_a_handler() {
        assert_eq!(RouteAccess::of_all(&[]), RouteAccess::Public);
        let arguments = [RouteAccess::Public, RouteAccess::User, RouteAccess::Public];
        assert_eq!(RouteAccess::of_all(&arguments), RouteAccess::User);
    }

    #[test]
    #[should_panic(expected = "a handler has one kind of caller")]
    fn two_kinds_of_callers_are_refused() {
        let _ = RouteAccess::of_all(&[RouteAccess::User, RouteAccess::Relay]);
    }
}
