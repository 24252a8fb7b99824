//! `GET` and `PUT /user` and `POST /logout`: the routes for a user's own account.

use http::StatusCode;
use serde::Deserialize;
use stand_in::{Answer, Request};

use crate::auth::{Auth, query_value, read_body};
use crate::caller::Caller;
use crate::error::{AuthError, AuthResult};
use crate::state::{SessionSet, State};
use crate::user::{Object, UserView, merge};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnFields {
    password: Option<String>,
    current_password: Option<String>,
    data: Option<Object>,
}

impl Auth {
    pub(crate) fn show_own_user(&self, request: &Request) -> AuthResult {
        let state = self.lock();
        let claims = self.claims(request)?;
        let caller = self.require_user(request, &state)?;
        if claims.get("aud").is_none_or(|aud| aud != "authenticated") {
            let message = "Token audience doesn't match request audience";
            return Err(AuthError::validation(message));
        }
        let user = state.user(caller.user).expect("the caller exists");
        Ok(Answer::ok(&user.to_json(UserView::Stored)))
    }

    pub(crate) fn update_own_user(&self, request: &Request) -> AuthResult {
        let mut state = self.lock();
        self.throttle(&mut state, "user", request)?;
        let caller = self.require_user(request, &state)?;
        let fields: OwnFields = read_body(request)?;
        if let Some(password) = &fields.password {
            self.check_own_password(&state, caller, password, fields.current_password.as_deref())?;
            // A new password ends the user's other sessions.
            let which = caller.session.map_or(SessionSet::All, SessionSet::AllBut);
            state.end_sessions(caller.user, which);
        }
        let user = state.user_mut(caller.user).expect("the caller exists");
        if let Some(password) = fields.password {
            user.password = password;
        }
        merge(&mut user.user_metadata, fields.data.as_ref());
        user.updated_at = self.now();
        Ok(Answer::ok(&user.to_json(UserView::Stored)))
    }

    pub(crate) fn logout(&self, request: &Request) -> AuthResult {
        let mut state = self.lock();
        let caller = self.require_user(request, &state)?;
        let scope = query_value(request, "scope");
        let which = match (scope.as_str(), caller.session) {
            // A token without a session id ends all sessions, whatever the scope.
            ("" | "global", _) | ("local" | "others", None) => SessionSet::All,
            ("local", Some(session)) => SessionSet::Only(session),
            ("others", Some(session)) => SessionSet::AllBut(session),
            (unknown, _) => {
                let message = format!("Unsupported logout scope {unknown:?}");
                return Err(AuthError::validation(message));
            }
        };
        state.end_sessions(caller.user, which);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    fn check_own_password(
        &self,
        state: &State,
        caller: Caller,
        new: &str,
        current: Option<&str>,
    ) -> Result<(), AuthError> {
        let user = state.user(caller.user).expect("the caller exists");
        if !user.factors.is_empty() {
            let message =
                "AAL2 session is required to update email or password when MFA is enabled.";
            return Err(AuthError::new(401, "insufficient_aal", message));
        }
        let session = caller.session.and_then(|id| state.session(id));
        // A user who signed in by a code may have forgotten the password, so the current password is not required.
        let signed_in_by_code = session.is_some_and(|session| session.method == "otp");
        if self.settings.require_current_password && !signed_in_by_code {
            let current = current.ok_or_else(|| {
                let message = "Current password required when setting new password.";
                AuthError::new(400, "current_password_required", message)
            })?;
            if current != user.password {
                let message = "Current password is incorrect.";
                return Err(AuthError::new(400, "current_password_invalid", message));
            }
        }
        if new == user.password {
            let message = "New password should be different from the old password.";
            return Err(AuthError::new(422, "same_password", message));
        }
        self.check_new_password(new)
    }
}
