//! Authenticates a request: an admin by the token's role, a user by the token's subject and session.

use stand_in::Request;
use uuid::Uuid;

use crate::auth::Auth;
use crate::error::{AuthError, NO_BEARER, NOT_ADMIN, SESSION_GONE, USER_BANNED, USER_GONE};
use crate::jwt::{self, Claims};
use crate::state::State;

const ADMIN_ROLES: [&str; 2] = ["service_role", "supabase_admin"];

/// The user whose access token a request has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) user: Uuid,
    /// `None` for a token without a session id.
    pub(crate) session: Option<Uuid>,
}

impl Auth {
    /// Requires a valid token with an admin role. No subject is required, as a service key has none.
    pub(crate) fn require_admin(&self, request: &Request) -> Result<(), AuthError> {
        let claims = self.claims(request)?;
        let role = text_claim(&claims, "role");
        if ADMIN_ROLES.contains(&role) {
            return Ok(());
        }
        Err(NOT_ADMIN.into())
    }

    /// Requires a valid token of a user who exists and is not banned, and whose session has not ended.
    pub(crate) fn require_user(
        &self,
        request: &Request,
        state: &State,
    ) -> Result<Caller, AuthError> {
        let claims = self.claims(request)?;
        let subject = text_claim(&claims, "sub");
        if subject.is_empty() {
            return Err(AuthError::bad_jwt("invalid claim: missing sub claim"));
        }
        let user: Uuid = subject
            .parse()
            .map_err(|_| AuthError::bad_jwt("invalid claim: sub claim must be a UUID"))?;
        let stored = state.user(user).ok_or(USER_GONE)?;
        if stored.is_banned(self.now()) {
            return Err(USER_BANNED.into());
        }
        let session = match text_claim(&claims, "session_id") {
            "" => None,
            id => {
                let session = id.parse().ok().and_then(|id| state.session(id));
                Some(session.ok_or(SESSION_GONE)?.id)
            }
        };
        Ok(Caller { user, session })
    }

    /// The claims of the request's token. Fails without a valid token.
    pub(crate) fn claims(&self, request: &Request) -> Result<Claims, AuthError> {
        let token = bearer(request).ok_or(NO_BEARER)?;
        jwt::verify(token, &self.keys, self.now()).map_err(AuthError::bad_jwt)
    }
}

/// The token of an `Authorization: Bearer` header; the scheme is matched in any case.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    let is_one_word = !token.is_empty() && !token.contains(char::is_whitespace);
    (scheme.eq_ignore_ascii_case("bearer") && is_one_word).then_some(token)
}

/// The text of a claim; empty if the claim is absent or no text.
fn text_claim<'a>(claims: &'a Claims, name: &str) -> &'a str {
    claims
        .get(name)
        .and_then(|claim| claim.as_str())
        .unwrap_or_default()
}
