//! The callers that a route accepts, in words and as security schemes of `OpenAPI`.

use http::Method;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

/// The callers that a route accepts. The serialized words appear in the public list of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(const_into_str)]
pub enum Access {
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

impl Access {
    /// The callers of a handler whose arguments accept these callers. A handler with two different kinds of callers
    /// does not compile.
    pub(in crate::http) const fn of_all(accepted: &[Self]) -> Self {
        let mut found = Self::Public;
        let mut i = 0;
        while i < accepted.len() {
            if !matches!(accepted[i], Self::Public) {
                assert!(
                    matches!(found, Self::Public),
                    "a handler has one kind of caller"
                );
                found = accepted[i];
            }
            i += 1;
        }
        found
    }

    /// The alternative security requirements; empty for public routes.
    pub(in crate::http) fn security(self, method: &Method) -> Vec<SecurityRequirement> {
        let named = |scheme: &str| SecurityRequirement::new::<_, _, String>(scheme, []);
        let cookie = || {
            let cookie = named(SESSION_COOKIE);
            if method.is_safe() {
                cookie
            } else {
                cookie.add::<_, _, String>(CSRF_TOKEN, [])
            }
        };
        match self {
            Self::Public => Vec::new(),
            Self::Relay => vec![named(RELAY_SIGNATURE), named(RELAY_SECRET)],
            Self::MetricsToken => vec![named(METRICS_TOKEN)],
            // An app sends its refresh token in the body.
            Self::RefreshToken => vec![SecurityRequirement::default(), cookie()],
            Self::User | Self::SteppedUpUser => vec![named(ACCESS_TOKEN), cookie()],
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
        "A browser's session; archety_dev on a developer's http://localhost.",
    );
    [
        (ACCESS_TOKEN, bearer("An app's access token.")),
        (
            SESSION_COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
        ),
        (
            CSRF_TOKEN,
            header(
                "X-CSRF-Token",
                "What GET /auth/csrf-token answers, bound to the session.",
            ),
        ),
        (
            RELAY_SIGNATURE,
            header(
                "webhook-signature",
                "Standard Webhooks: webhook-id, webhook-timestamp and this over the raw body.",
            ),
        ),
        (
            RELAY_SECRET,
            bearer("A relay's secret itself, where RELAY_AUTH allows it."),
        ),
        (METRICS_TOKEN, bearer("METRICS_TOKEN, if one is set.")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_has_the_caller_that_one_of_its_arguments_names() {
        assert_eq!(Access::of_all(&[]), Access::Public);
        let arguments = [Access::Public, Access::User, Access::Public];
        assert_eq!(Access::of_all(&arguments), Access::User);
    }

    #[test]
    #[should_panic(expected = "a handler has one kind of caller")]
    fn two_kinds_of_callers_do_not_compile() {
        let _ = Access::of_all(&[Access::User, Access::Relay]);
    }
}
