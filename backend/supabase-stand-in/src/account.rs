//! `GET` and `PUT /user` and `POST /logout`: the routes that a signed-in user calls.

use http::StatusCode;
use serde::Deserialize;
use stand_in::{Answer, Request};

use crate::auth::{Auth, query_value, read_body};
use crate::caller::Caller;
use crate::error::{AuthError, AuthResult};
use crate::state::{SessionSet, State};
use crate::user::{Object, UserView, merge};

/// The body of `PUT /user`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnChanges {
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
        let changes: OwnChanges = read_body(request)?;
        if let Some(password) = &changes.password {
            let current = changes.current_password.as_deref();
            self.check_password_change(&state, caller, password, current)?;
            // A new password ends the user's other sessions.
            let which = caller.session.map_or(SessionSet::All, SessionSet::AllBut);
            state.end_sessions(caller.user, which);
        }
        let user = state.user_mut(caller.user).expect("the caller exists");
        if let Some(password) = changes.password {
            user.password = password;
        }
        merge(&mut user.user_metadata, changes.data.as_ref());
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

    /// Fails if the caller may not replace the password by `new`. `current` is the old password that the request has.
    fn check_password_change(
        &self,
        state: &State,
        caller: Caller,
        new: &str,
        current: Option<&str>,
    ) -> Result<(), AuthError> {
        let user = state.user(caller.user).expect("the caller exists");
        if !user.factors.is_empty() {
            // No session of the stand-in is confirmed by a second factor (AAL2).
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
