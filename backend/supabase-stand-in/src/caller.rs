//! Who is asking: an admin by role, a user by token, and what stands in a token's way.

use stand_in::Request;
use uuid::Uuid;

use crate::auth::Auth;
use crate::error::{NO_BEARER, NOT_ADMIN, Refusal, SESSION_GONE, USER_BANNED, USER_GONE};
use crate::jwt::{self, Claims};
use crate::state::State;

const ADMIN_ROLES: [&str; 2] = ["service_role", "supabase_admin"];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) user: Uuid,
    /// `None` for a token that was minted without a session.
    pub(crate) session: Option<Uuid>,
}

impl Auth {
    /// A verified token of an admin role. Nothing else is asked of it: a service key has no subject.
    pub(crate) fn require_admin(&self, request: &Request) -> Result<(), Refusal> {
        let claims = self.claims(request)?;
        let role = text(&claims, "role");
        if ADMIN_ROLES.contains(&role) {
            return Ok(());
        }
        Err(NOT_ADMIN.into())
    }

    /// A verified token of a user who exists, is not banned, and whose session is still there.
    pub(crate) fn require_user(&self, request: &Request, state: &State) -> Result<Caller, Refusal> {
        let claims = self.claims(request)?;
        let subject = text(&claims, "sub");
        if subject.is_empty() {
            return Err(Refusal::bad_jwt("invalid claim: missing sub claim"));
        }
        let user: Uuid = subject
            .parse()
            .map_err(|_| Refusal::bad_jwt("invalid claim: sub claim must be a UUID"))?;
        let stored = state.user(user).ok_or(USER_GONE)?;
        if stored.is_banned(self.now()) {
            return Err(USER_BANNED.into());
        }
        let session = match text(&claims, "session_id") {
            "" => None,
            id => {
                let session = id.parse().ok().and_then(|id| state.session(id));
                Some(session.ok_or(SESSION_GONE)?.id)
            }
        };
        Ok(Caller { user, session })
    }

    pub(crate) fn claims(&self, request: &Request) -> Result<Claims, Refusal> {
        let token = bearer(request).ok_or(NO_BEARER)?;
        jwt::verify(token, &self.keys, self.now()).map_err(Refusal::bad_jwt)
    }
}

/// One token after the word Bearer, in any case.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    let plain = !token.is_empty() && !token.contains(char::is_whitespace);
    (scheme.eq_ignore_ascii_case("bearer") && plain).then_some(token)
}

fn text<'a>(claims: &'a Claims, name: &str) -> &'a str {
    claims
        .get(name)
        .and_then(|claim| claim.as_str())
        .unwrap_or_default()
}
